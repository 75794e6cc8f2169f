// What images there are, and what one consists of.

import { ask, forget } from "./data.js";
import { byId, el, say, table } from "./dom.js";
import { bytes, count, list, moment, shortDigest } from "./format.js";
import { show as showHistory } from "./history.js";

export const on = {};

let after = ""; // the last image that is listed
let rows = []; // all that are
let wait = 0;

const found = table("Images, by their names", [
  { title: "Image" }, { title: "Platforms" }, { title: "Size", number: true }, { title: "Blobs", number: true }, { title: "Here", number: true },
  { title: "Copies", number: true }, { title: "Only here", number: true },
]);
byId("images-found").append(found.root);

byId("search").addEventListener("input", () => {
  clearTimeout(wait);
  wait = setTimeout(look, 250);
});
byId("more").addEventListener("click", () => more());

export function show(image) {
  byId("images-all").hidden = image !== "";
  byId("image-one").hidden = image === "";
  if (image === "") {
    forget("image");
    forget("where");
    forget("history");
    say(byId("title-images"), "Images");
    look();
  } else {
    say(byId("title-images"), image);
    one(image);
    showHistory(image);
  }
}

// look lists the images from the first on.
function look() {
  after = "";
  rows = [];
  more();
}

async function more() {
  let answer;
  try {
    answer = await ask("images", { q: byId("search").value.trim(), after });
  } catch (trouble) {
    say(byId("images-sum"), `The images could not be listed: ${trouble.message}`);
    return;
  }
  if (!answer) return;
  rows.push(...answer.images.map(row));
  found.fill(rows);
  const last = answer.images[answer.images.length - 1];
  if (last) after = nameOf(last);
  say(byId("images-sum"), answer.all === 0 ? "No image was pushed yet." : `${answer.found.toLocaleString("en")} of ${count(answer.all, "image")}`);
  byId("more").hidden = !answer.more;
}

const nameOf = (img) => `${img.repository}:${img.tag}`;

function row(img) {
  const name = img.tag === ""
    ? el("span", {}, img.repository, el("span", { class: "muted" }, `, ${count(img.manifests, "manifest")} without a tag`))
    : el("a", { href: `#images/${encodeURI(nameOf(img))}` }, img.repository, el("span", { class: "muted" }, ":"), el("strong", {}, img.tag));
  return [name, platforms(img.platforms || []), bytes(img.size), String(img.blobs), bytes(img.here), img.copies > 0 ? String(img.copies) : "–", img.only_here > 0 ? bytes(img.only_here) : "–"];
}

function platforms(names) {
  if (names.length === 0) return "–";
  return names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${names.length - 2} more` : names.join(", ");
}

// one shows what an image consists of, and then, when all registries have answered, who has it.
async function one(image) {
  const box = byId("image-parts");
  say(byId("image-sum"), "Reading its manifests …");
  box.replaceChildren();
  byId("image-tag").replaceChildren();
  let parts;
  try {
    parts = await ask("image", { of: image });
    if (!parts) return;
  } catch (trouble) {
    say(byId("image-sum"), `It could not be read: ${trouble.message}`);
    return;
  }
  if (parts.tag) byId("image-tag").replaceChildren(...setBy(image, parts.tag));
  const tables = parts.variants.map(variant);
  box.replaceChildren(...tables.map((t) => t.root));
  const facts = `${shortDigest(parts.digest)}, ${bytes(parts.size)} for ${list(parts.variants.map((v) => v.platform || "one platform"))}${parts.more ? "; it has more blobs than are shown" : ""}`;
  say(byId("image-sum"), `${facts}. Asking all registries who has it …`);
  try {
    const where = await ask("where", { of: image });
    if (!where) return;
    const has = new Map(where.blobs.map((b) => [b.digest, whoHas(b)]));
    for (const t of tables) t.fill(has);
    const silent = where.members.filter((m) => m.trouble);
    say(byId("image-sum"), `${facts}. ${heldBy(where)}${silent.length > 0 ? ` Not counted: ${list(silent.map((m) => `${m.name || m.peer_id.slice(-8)} (${m.trouble})`))}.` : ""}`);
  } catch (trouble) {
    say(byId("image-sum"), `${facts}. Who has it is not known: ${trouble.message}`);
  }
}

// setBy says who had a tag lead to an image, and what was pushed under it elsewhere at the same time.
function setBy(image, tag) {
  const name = image.slice(0, image.lastIndexOf(":"));
  return [
    `Pushed to ${tag.by.name || tag.by.peer_id.slice(-8)} at ${moment(tag.set)} by its clock.`,
    ...tag.others.flatMap((digest) => [" Pushed elsewhere at the same time, and replaced: ", el("a", { href: `#images/${encodeURI(`${name}@${digest}`)}` }, shortDigest(digest)), "."]),
  ];
}

const columns = [{ title: "Blob" }, { title: "Digest" }, { title: "Size", number: true }, { title: "Kept by" }, { title: "Cached by" }, { title: "In part" }];

// variant is a table of the blobs for one platform.
function variant(v) {
  const t = table(`${v.platform || "Manifest"}: ${bytes(v.size)}, ${v.media_type || "of no type"}`, columns);
  const blobs = [{ kind: "manifest", digest: v.digest, size: null }, ...v.blobs];
  const fill = (has) => t.fill(blobs.map((b) => {
    const of = (has && has.get(b.digest)) || {};
    return [b.kind, el("code", { title: b.digest }, shortDigest(b.digest)), b.known === false ? "never pushed, or deleted" : bytes(of.size ?? b.size), of.kept || "…", of.cached || "…", of.parts || "…"];
  }));
  fill(null);
  return { root: el("div", { class: "card" }, t.root), fill };
}

function whoHas(b) {
  if (b.cid === "") return { size: null, kept: "nobody knows it", cached: "–", parts: "–" };
  if (b.inline) return { size: b.size, kept: "all, as part of its entry", cached: "–", parts: "–" };
  const called = (of) => of.map((c) => c.name || c.peer_id.slice(-8)).join(", ") || "–";
  return {
    size: b.size,
    kept: called(b.copies.filter((c) => c.kept)),
    cached: called(b.copies.filter((c) => c.whole && !c.kept)),
    parts: b.copies.filter((c) => !c.whole).map((c) => `${c.name || c.peer_id.slice(-8)} ${Math.floor((100 * c.bytes) / Math.max(1, b.size))} %`).join(", ") || "–",
  };
}

// heldBy says how safe an image is: by the blob that the fewest have.
function heldBy(where) {
  const asked = where.blobs.filter((b) => b.cid !== "" && !b.inline);
  if (asked.length === 0) return "All registries have it.";
  const fewest = Math.min(...asked.map((b) => b.copies.filter((c) => c.whole).length));
  if (fewest === 0) return "Some of it is on no registry that answered.";
  return fewest === 1 ? "Some of it is on one registry only." : `All of it is on ${fewest} registries or more.`;
}
