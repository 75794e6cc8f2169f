// What happened to a tag.

import { ask, forget } from "./data.js";
import { byId, el, table } from "./dom.js";
import { moment, shortDigest } from "./format.js";

const changes = table("History of the tag, the latest first, by the clocks of the registries that were pushed to", [
  { title: "When" }, { title: "What" }, { title: "Manifest" }, { title: "Before" }, { title: "By" },
]);
const more = el("p", { class: "muted", hidden: true }, "Earlier changes: ", el("code", {}, "registry ipfs log"));
byId("image-history").append(changes.root, more);

const words = { tagged: "tagged", moved: "moved", again: "pushed again", untagged: "untagged", pushed: "pushed", deleted: "deleted" };

// show lists what is known of repository:tag. Where nothing is, as of a digest, nothing is shown.
export async function show(image) {
  byId("image-history").hidden = true;
  if (image.includes("@")) return forget("history");
  try {
    const answer = await ask("history", { of: image });
    if (!answer || answer.changes.length === 0) return;
    const repository = image.slice(0, image.lastIndexOf(":"));
    changes.fill(answer.changes.map((c) => row(c, (digest) => link(repository, digest))));
    more.hidden = !answer.more;
    byId("image-history").hidden = false;
  } catch {
    // the rest of the page says what there is
  }
}

const link = (repository, digest) => el("a", { href: `#images/${encodeURI(`${repository}@${digest}`)}` }, shortDigest(digest));

function row(c, to) {
  const lost = c.conflict ? c.conflict.lost : [];
  const what = el("span", {}, words[c.what] || c.what, ...lost.flatMap((v) => ["; at the same time elsewhere, and lost: ", to(v.digest)]));
  const before = el("span", {}, ...c.from.flatMap((digest, i) => [i > 0 ? ", " : "", to(digest)]));
  return [c.at ? moment(c.at) : "–", what, c.digest ? to(c.digest) : "–", c.from.length > 0 ? before : "–", c.by.name || c.by.peer_id.slice(-8) || "–"];
}
