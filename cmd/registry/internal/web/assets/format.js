// How numbers and times are written: as `registry ipfs` writes them.

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit > 0 && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

export const rate = (n) => (n === null || n === undefined ? "–" : `${bytes(n)}/s`);

export function count(n, thing, things = `${thing}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? thing : things}`;
}

export const amount = (of) => (of ? `${count(of.blobs, "blob")}, ${bytes(of.bytes)}` : "–");

export function percent(part, whole) {
  return whole > 0 ? Math.min(100, Math.floor((100 * part) / whole)) : 100;
}

const steps = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

// span is a time in its greatest unit, of milliseconds.
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  for (const [size, name] of steps) {
    if (seconds >= size) return count(Math.floor(seconds / size), name);
  }
  return "a moment";
}

export const ago = (time) => (time ? `${span(Date.now() - Date.parse(time))} ago` : "–");

// duration is a time exactly enough to compare, of nanoseconds.
export function duration(ns) {
  const seconds = ns / 1e9;
  if (seconds < 0.001) return `${Math.round(ns / 1e3)} µs`;
  if (seconds < 1) return `${Math.round(seconds * 1e3)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

// moment is a time of today, or one with its day.
export function moment(time) {
  const at = new Date(time);
  return at.toDateString() === new Date().toDateString() ? clock(time) : at.toLocaleString("en-GB");
}

export const shortId = (peerId) => peerId.slice(-8);

export const shortDigest = (digest) => digest.replace(/^(\w+:\w{12}).*$/, "$1");

// nameOf is how a registry is called.
export const nameOf = (of) => of.name || shortId(of.peer_id);

export function list(names) {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}
