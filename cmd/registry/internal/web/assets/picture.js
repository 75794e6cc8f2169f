// The picture of a swarm: registries on a ring, and a line for each two of which it is known whether
// they are connected.

import { shape } from "./dom.js";
import { nameOf, rate } from "./format.js";

const crowd = 24; // registries, of which more are drawn without names, and only with lines that are missing or busy

export function draw(svg, all, links) {
  const width = Math.max(280, svg.parentElement.clientWidth - 32);
  const height = all.length === 1 ? 160 : Math.min(360, Math.max(240, width * 0.4));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  const at = places(all, width, height);
  const busy = links.filter((l) => all.length <= crowd || l.is === "lost" || l.rate > 0);
  svg.replaceChildren(
    ...busy.map((l) => line(at.get(l.a), at.get(l.b), l)),
    ...busy.filter((l) => l.rate > 0).map((l) => label(at.get(l.a), at.get(l.b), rate(l.rate))),
    ...all.map((m) => node(m, at.get(m.peer_id), all.length <= crowd, all.length > 1 && at.get(m.peer_id).y < height / 2 - 20)),
  );
}

// places puts this registry on top and the others around, over the whole height.
function places(all, width, height) {
  const rx = Math.min(width / 2 - 60, 300);
  const ring = all.map((m, i) => (2 * Math.PI * i) / all.length - Math.PI / 2);
  const lowest = Math.max(...ring.map(Math.sin));
  const [top, bottom] = [68, height - 64]; // room for a circle, and for what is written above and below
  return new Map(all.map((m, i) => [m.peer_id, all.length === 1 ? { x: width / 2, y: height / 2 - 16 } : {
    x: width / 2 + rx * Math.cos(ring[i]),
    y: all.length === 2 ? (i === 0 ? top : bottom) : top + ((Math.sin(ring[i]) + 1) / (lowest + 1)) * (bottom - top),
  }]));
}

function line(a, b, of) {
  const thick = of.rate > 0 ? Math.min(8, 2 + Math.log2(1 + of.rate / 65536) / 1.5) : of.is === "lost" ? 2.5 : 1.5;
  const kind = of.is === "lost" ? "lost" : of.rate > 0 ? "moving" : "ok";
  return shape("line", { x1: b.x, y1: b.y, x2: a.x, y2: a.y, class: `edge ${kind}`, "stroke-width": thick.toFixed(1) });
}

function label(a, b, text) {
  return shape("text", { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 - 6, class: "speed" }, text);
}

// node is a circle, with its words on the side that is away from the others.
function node(m, at, named, above) {
  const parts = [shape("title", {}, `${nameOf(m)}: ${m.self ? "this registry" : m.is}`), shape("circle", { r: named ? 16 : 7, class: `node ${m.is}${m.self ? " self" : ""}` })];
  if (named) {
    parts.push(shape("text", { y: 5, class: "mark" }, { ok: "✓", silent: "?", away: "✕" }[m.is]));
    parts.push(shape("text", { y: above ? -40 : 34, class: "name" }, short(nameOf(m))));
    const rates = m.is === "ok" && (m.rate_in > 0 || m.rate_out > 0) ? `↓ ${rate(m.rate_in)}  ↑ ${rate(m.rate_out)}` : m.self ? "this registry" : m.is === "ok" ? "" : m.is;
    if (rates) parts.push(shape("text", { y: above ? -25 : 49, class: "rates" }, rates));
  }
  return shape("g", { transform: `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})` }, ...parts);
}

const short = (name) => (name.length > 18 ? `${name.slice(0, 17)}…` : name);
