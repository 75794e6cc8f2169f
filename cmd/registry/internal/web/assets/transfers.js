// Blobs on their way here, and the story of those that came.

import { badge, byId, el, say, table } from "./dom.js";
import { bytes, clock, count, duration, percent, rate, shortDigest, shortId } from "./format.js";

const most = 200; // finished ones that are shown

let seen = new Set(); // what is shown below Finished

export const show = () => {};

export const on = {
  open() { // a stream begins, perhaps of a registry that was started anew: it tells again of those that are over
    seen = new Set();
    byId("finished").replaceChildren();
  },
  transfers(now) {
    running(now.running);
    finished(now.finished);
  },
};

// asked says for whom a blob came.
const asked = { client: "for a client", keeper: "to keep a copy", push: "for a push", manifests: "as all manifests", mend: "to mend a copy", trace: "for a trace" };

const blobName = (t) => shortDigest(t.digest || t.cid.slice(0, 20));

const sourceName = (s) => s.name || (s.peer_id ? shortId(s.peer_id) : "others");

function running(all) {
  const total = all.reduce((sum, t) => sum + t.sources.reduce((of, s) => of + s.rate, 0), 0);
  say(byId("transfers-sum"), all.length === 0 ? "Nothing is under way." : `${count(all.length, "blob")} under way, about ${rate(total)}.`);
  const box = byId("running");
  const cards = new Map([...box.children].map((card) => [card.dataset.key, card]));
  for (const t of all) {
    const key = `${t.cid} ${t.begun}`;
    const card = cards.get(key) || box.appendChild(newCard(key, t));
    cards.delete(key);
    update(card, t);
  }
  for (const card of cards.values()) card.remove();
}

function newCard(key, t) {
  const name = `${blobName(t)}, ${bytes(t.size)}`;
  return el("article", { class: "card transfer", "data-key": key },
    el("h3", {}, el("code", {}, blobName(t)), ` ${bytes(t.size)} ${asked[t.for] || ""}`),
    el("progress", { max: 100, value: 0, "aria-label": name }), el("p", { class: "muted" }));
}

function update(card, t) {
  const done = percent(t.here, t.size);
  const bar = card.querySelector("progress");
  if (bar.value !== done) bar.value = done;
  const from = t.sources.filter((s) => s.got > 0).map((s) => `${sourceName(s)} by ${s.roads.join(", ")} ${rate(s.rate)}`);
  say(card.querySelector("p"), `${done} % (${bytes(t.here)}), ${from.length > 0 ? `from ${from.join("; ")}` : "no byte yet"}${t.retries > 0 ? `; ${count(t.retries, "retry", "retries")}` : ""}`);
}

function finished(all) {
  const box = byId("finished");
  for (const t of all) {
    const key = `${t.number} ${t.begun}`;
    if (seen.has(key)) continue;
    seen.add(key);
    box.prepend(story(t));
  }
  while (box.children.length > most) box.lastChild.remove();
}

const kinds = { whole: "good", streamed: "good", abandoned: "", unavailable: "bad", failed: "bad" };

function story(t) {
  const limit = t.limit.what ? `limit: ${limitText(t.limit)}` : "";
  return el("details", { class: "card story" },
    el("summary", {}, el("span", { class: "time" }, clock(t.ended)), " ", badge(kinds[t.result] || "", t.result), " ", el("code", {}, blobName(t)),
      ` ${bytes(t.size)} ${asked[t.for] || t.for}, in ${duration(t.took)}, ${rate(t.rate)} `, el("span", { class: "muted" }, limit)),
    t.error ? el("p", { class: "bad" }, t.error) : null, waits(t), sources(t), el("p", { class: "muted" }, el("code", {}, t.digest || t.cid)));
}

// words says of some waits what was going on.
const words = { flow: "bytes came", mute: "holders were mute", feed: "others that fetch it, too", pace: "its own limit" };

const limitText = (l) => `${l.what}${l.name || l.peer_id ? ` (${l.name || shortId(l.peer_id)})` : ""}, ${Math.round(l.share * 100)} % of the time`;

function waits(t) {
  const spent = Object.entries(t.waits).sort((a, b) => b[1] - a[1]).map(([what, ns]) => `${words[what] || what} ${duration(ns)}`);
  return spent.length === 0 ? null : el("p", {}, `Time went to: ${spent.join(", ")}. First byte after ${t.first_byte ? duration(t.first_byte) : "–"}.`);
}

function sources(t) {
  const of = table("From whom it came", [{ title: "Registry" }, { title: "Road" }, { title: "Bytes", number: true }, { title: "Rate", number: true },
    { title: "First byte", number: true }, { title: "Retries", number: true }]);
  of.fill(t.sources.map((s) => [sourceName(s), s.roads.join(", ") || "–", bytes(s.bytes), rate(s.rate), s.first_byte ? duration(s.first_byte) : "–",
    `${s.retries}${s.wrong > 0 ? `, ${s.wrong} wrong` : ""}`]));
  return t.sources.length > 0 ? of.root : null;
}
