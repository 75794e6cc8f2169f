// Elements are made here, and nowhere of HTML: what registries and images are called is always text.

const svgSpace = "http://www.w3.org/2000/svg";

// plain is a text as it is shown: what a registry or an image is called turns no text around it, and
// hides nothing. It does what printable does for a terminal.
const plain = (text) => (typeof text === "string" ? text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, " ") : text);

function make(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== "").map(plain));
  return node;
}

// el makes an element: el("p", {class: "note"}, "text", child).
export function el(tag, props = {}, ...children) {
  return make(document.createElement(tag), props, children);
}

// shape makes an element of SVG.
export function shape(tag, props = {}, ...children) {
  return make(document.createElementNS(svgSpace, tag), props, children);
}

export const byId = (id) => document.getElementById(id);

// say changes a text only when it is another one: a screen reader reads what changes.
export function say(node, text) {
  const shown = plain(text);
  if (node.textContent !== shown) node.textContent = shown;
}

// table makes a table whose rows can be filled again and again. A cell is a text, or an element. On
// a narrow screen page.css shows each row as a card; the roles keep it a table for a screen reader.
export function table(caption, columns) {
  const body = el("tbody", { role: "rowgroup" });
  const head = el("tr", { role: "row" }, ...columns.map((c) => el("th", { scope: "col", role: "columnheader", class: c.number ? "number" : null }, c.title)));
  const root = el("table", { role: "table" }, el("caption", {}, caption), el("thead", { role: "rowgroup" }, head), body);
  return { root, fill: (rows) => fill(body, columns, rows) };
}

function fill(body, columns, rows) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, i) => {
    const row = body.rows[i] || body.appendChild(newRow(columns));
    cells.forEach((cell, j) => {
      const at = row.cells[j];
      if (cell instanceof Node) {
        if (!at.firstChild || !at.firstChild.isEqualNode(cell) || at.childNodes.length > 1) at.replaceChildren(cell);
      } else {
        say(at, cell);
      }
    });
  });
}

function newRow(columns) {
  return el("tr", { role: "row" }, ...columns.map((c, j) => j === 0
    ? el("th", { scope: "row", role: "rowheader", "data-title": c.title })
    : el("td", { role: "cell", class: c.number ? "number" : null, "data-title": c.title })));
}

// badge is a word in a color; the word says all.
export function badge(kind, text) {
  return el("span", { class: `badge ${kind}` }, text);
}
