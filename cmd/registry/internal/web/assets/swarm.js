// Who is in the swarm, who is connected to whom, and how they are.

import { byId, el, say, table } from "./dom.js";
import { ago, amount, bytes, count, list, moment, nameOf, rate, shortId, span } from "./format.js";
import { draw } from "./picture.js";

const members = table("All registries of the swarm, as they say themselves", [
  { title: "Name" }, { title: "Connection" }, { title: "Version" }, { title: "Up" }, { title: "Map" },
  { title: "Kept", number: true }, { title: "Cache", number: true }, { title: "Only here", number: true },
  { title: "Free", number: true }, { title: "In", number: true }, { title: "Out", number: true }, { title: "Last error" },
]);
byId("members").append(members.root);

let here = null; // of this registry, every second
let said = null; // of all, whenever they have answered

export const on = {
  here(now) {
    here = now;
    show();
  },
  swarm(now) {
    said = now;
    show();
  },
};

new ResizeObserver(() => show()).observe(byId("picture").parentElement);

// show draws what is known: whether members are connected comes at once, what they say later.
export function show() {
  if (!here || byId("view-swarm").hidden) return;
  const all = registries();
  const links = linksOf(all);
  const sentence = partition(all, links);
  const note = byId("partition");
  say(note, sentence.text);
  note.className = `note ${sentence.kind}`;
  draw(byId("picture"), all, links);
  say(byId("picture-text"), `${count(all.length, "registry", "registries")}, ${count(links.filter((l) => l.is === "ok").length, "connection")}. The table below names them.`);
  members.fill(all.map(row));
}

// registries are this one and all others that it knows, with what each has said.
function registries() {
  const says = new Map((said ? said.members : []).map((m) => [m.peer_id, m]));
  const self = { ...says.get(here.peer_id), peer_id: here.peer_id, name: here.name, self: true, is: "ok", rate: null };
  const others = here.members.map((m) => {
    const of = says.get(m.peer_id) || {};
    const silent = m.connected && of.trouble; // of a question that was asked while it was connected
    return { ...of, peer_id: m.peer_id, name: of.name || m.name, self: false, since: m.since, draining: m.draining, twin: m.twin,
      is: !m.connected ? "away" : silent ? "silent" : "ok", rate: here.from[m.peer_id] || 0 };
  });
  return [self, ...others];
}

// linksOf are all pairs of which it is known whether they are connected.
function linksOf(all) {
  const links = [];
  all.forEach((a, i) => all.slice(i + 1).forEach((b) => {
    const is = a.self ? (b.is === "away" ? "lost" : "ok") : between(a, b);
    if (is) links.push({ a: a.peer_id, b: b.peer_id, is, rate: a.self ? b.rate : 0 });
  }));
  return links;
}

// between is whether two other registries are connected, as they say; "" when neither says it.
function between(a, b) {
  const says = (of) => (of.is === "ok" && of.connected_to ? of.connected_to : null);
  const [of, other] = [says(a), says(b)];
  if ((of && of.includes(b.peer_id)) || (other && other.includes(a.peer_id))) return "ok";
  return of || other ? "lost" : "";
}

// partition says in a sentence, which changes only when the swarm does: a screen reader reads it,
// whether all are connected to each other.
function partition(all, links) {
  if (here.network === "offline") return { kind: "", text: "This registry has no network (offline: true)." };
  if (all.length === 1) return { kind: "", text: "This registry knows no other one yet." };
  const away = all.filter((m) => m.is === "away");
  if (away.length > 0) {
    const names = list(away.slice(0, 5).map((m) => `${nameOf(m)} (since ${moment(m.since)})`));
    const more = away.length > 5 ? ` and ${away.length - 5} more` : "";
    return { kind: "bad", text: `${away.length} of ${count(all.length, "registry", "registries")} cannot be reached from here: ${names}${more}.` };
  }
  const silent = all.filter((m) => m.is === "silent");
  if (silent.length > 0) return { kind: "warn", text: `Connected, but without an answer: ${list(silent.map(nameOf))}.` };
  const lost = links.filter((l) => l.is === "lost");
  if (lost.length > 0) {
    const called = new Map(all.map((m) => [m.peer_id, nameOf(m)]));
    const pairs = lost.slice(0, 3).map((l) => `${called.get(l.a)} and ${called.get(l.b)}`).join("; ");
    return { kind: "warn", text: `Not connected to each other: ${pairs}${lost.length > 3 ? ` and ${lost.length - 3} more pairs` : ""}.` };
  }
  return { kind: "good", text: `All ${all.length} registries are connected.` };
}

function row(m) {
  return [
    el("span", {}, el("strong", {}, nameOf(m)), " ", el("code", { title: m.peer_id }, shortId(m.peer_id))),
    connection(m), m.version || "–", m.up_since ? span(Date.now() - Date.parse(m.up_since)) : "–", mapText(m),
    amount(m.kept), amount(m.cache), amount(m.only_here), bytes(m.free_bytes), rate(m.rate_in), rate(m.rate_out),
    m.last_error ? `${ago(m.last_error.at)}: ${m.last_error.text}` : "–",
  ];
}

function connection(m) {
  if (m.self) return m.no_room ? el("span", { class: "warn" }, `this registry, ${noRoom(m.no_room)}`) : "this registry";
  const notes = [{ ok: "connected", silent: "no answer", away: `away since ${moment(m.since)}` }[m.is]];
  if (m.draining) notes.push("being drained");
  if (m.no_room) notes.push(noRoom(m.no_room));
  if (m.twin) notes.push("two registries have its peer ID");
  if (m.is === "silent") notes.push(m.trouble);
  return el("span", { class: m.twin ? "bad" : { ok: m.no_room ? "warn" : "good", silent: "warn", away: "bad" }[m.is] }, notes.join(", "));
}

// noRoom says what a full disk lacks, where bytes are short.
function noRoom(lacks) {
  return `no room for ${count(lacks.blobs, "blob")} that it is to keep${lacks.bytes > 0 ? `: ${bytes(lacks.bytes)} more have to be free` : ""}`;
}

function mapText(m) {
  if (m.self) return "this one";
  if (!m.map) return "–";
  if (m.map.state === "behind") return `behind by ${m.map.at_least ? "over " : ""}${m.map.behind}`;
  return m.map.state === "other" ? "differs" : m.map.state;
}
