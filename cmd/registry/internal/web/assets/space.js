// What this registry's disk holds, and what can be had back.

import { ask } from "./data.js";
import { byId, el, say, shape, table } from "./dom.js";
import { ago, amount, bytes, clock, count } from "./format.js";

export const on = {};

const parts = table("What lies on the disk of this registry", [{ title: "What" }, { title: "Size", number: true }, { title: "What becomes of it" }]);
byId("space-parts").append(parts.root);
const freed = table("Images that free most on this disk when they are deleted", [
  { title: "Image" }, { title: "Frees", number: true }, { title: "Size", number: true }, { title: "Shared", number: true }, { title: "Copies", number: true },
]);
byId("space-freed").append(freed.root);

export async function show() {
  say(byId("space-sum"), "Measuring …");
  try {
    const answer = await ask("space");
    if (answer) fill(answer);
  } catch (trouble) {
    say(byId("space-sum"), `It could not be measured: ${trouble.message}`);
  }
}

function fill(s) {
  const u = s.usage;
  const reclaimable = u.garbage.bytes + u.unnamed.bytes;
  say(byId("space-sum"), `${bytes(u.disk.free_bytes)} of ${bytes(u.disk.total_bytes)} are free; ${bytes(reclaimable)} go by themselves, ${bytes(u.cache.bytes)} are cache. Measured at ${clock(s.at)}.`);
  bar(u, reclaimable);
  parts.fill([
    ["Kept", amount(u.kept), kept(s.copies)],
    ["Cache", amount(u.cache), s.cache.stuck || `Makes room when that is called for${s.cache.limit === null ? "" : `; ${bytes(s.cache.limit)} at most`}.`],
    ["Garbage", amount(u.garbage), u.garbage.blobs > 0 ? "Nothing refers to it: it goes when its grace is over." : "None."],
    ["Without a name", amount(u.unnamed), u.unnamed.blobs > 0 ? "No entry names it: it goes with the next collection." : "None."],
    ["Uploads", `${count(u.uploads.count, "upload")}, ${bytes(u.uploads.bytes)}`, u.uploads.oldest ? `The oldest began ${ago(u.uploads.oldest)}.` : "None is under way."],
    ["Only here", amount(s.copies.only_here), onlyHere(s.copies)],
  ]);
  freed.fill(u.images.map((img) => [
    img.tag ? el("a", { href: `#images/${encodeURI(`${img.repository}:${img.tag}`)}` }, `${img.repository}:${img.tag}`) : `${img.repository}, without a tag`,
    bytes(img.frees), bytes(img.size), bytes(img.shared), img.copies > 0 ? String(img.copies) : "–",
  ]));
}

function kept(copies) {
  if (!copies.full) return "Copies that this registry keeps for the swarm.";
  return `There is no room for ${count(copies.failed, "blob")} more that it is to keep${copies.lacking > 0 ? `: ${bytes(copies.lacking)} more have to be free` : ""}.`;
}

function onlyHere(copies) {
  if (!copies.surveyed) return "The other registries were not asked yet.";
  return copies.only_here.blobs > 0 ? "No other registry that answers has it: it is lost with this disk." : "None: what is here is elsewhere, too.";
}

// bar draws the disk. The table says the same.
function bar(u, reclaimable) {
  const held = u.kept.bytes + u.cache.bytes + u.uploads.bytes + reclaimable;
  const other = Math.max(0, u.disk.total_bytes - u.disk.free_bytes - held);
  const total = u.disk.total_bytes || 1;
  const shares = [["kept", u.kept.bytes], ["cache", u.cache.bytes], ["reclaimable", reclaimable], ["uploads", u.uploads.bytes], ["other", other], ["free", u.disk.free_bytes]];
  let x = 0;
  byId("disk").replaceChildren(...shares.map(([kind, n]) => {
    const width = (1000 * n) / total;
    const rect = shape("rect", { x: x.toFixed(2), y: 0, width: Math.max(n > 0 ? 2 : 0, width).toFixed(2), height: 32, class: `part ${kind}` }, shape("title", {}, `${kind}: ${bytes(n)}`));
    x += width;
    return rect;
  }));
  byId("disk-legend").replaceChildren(...shares.map(([kind, n]) => el("li", {}, el("span", { class: `swatch ${kind}` }), `${kind} ${bytes(n)}`)));
}
