import { byId, say } from "./dom.js";
import { nameOf } from "./format.js";
import * as health from "./health.js";
import * as images from "./images.js";
import { Live } from "./live.js";
import * as space from "./space.js";
import * as swarm from "./swarm.js";
import * as transfers from "./transfers.js";

// A view has show(argument), which is called when its route is, and on: what it does with events.
const views = { swarm, images, transfers, health, space };

let shown = null; // the name of the view
const live = new Live(told, (trouble) => {
  say(byId("link"), trouble);
  document.body.classList.toggle("stale", trouble !== "");
});

function told(event, data) {
  if (event === "here") header(data);
  const view = views[shown];
  if (view.on[event]) view.on[event](data);
}

function header(here) {
  const name = nameOf(here);
  say(byId("self"), name);
  say(byId("version"), `distribution-ipfs ${here.version}`);
  say(byId("state"), stateOf(here));
  byId("state").className = here.not_ready.length > 0 ? "bad" : "good";
  document.title = `${byId(`title-${shown}`).textContent} – ${name}`;
}

function stateOf(here) {
  if (here.not_ready.length > 0) return `not ready: ${here.not_ready.join("; ")}`;
  if (here.draining) return "ready, being drained";
  return here.read_only ? "ready, read only" : "ready";
}

function decoded(hash) {
  try {
    return decodeURIComponent(hash);
  } catch {
    return ""; // it was written by hand
  }
}

// route shows the view that the address names: #view or #view/argument.
function route(moved) {
  const [, name, argument] = /^#?([a-z]*)(?:\/(.*))?$/.exec(decoded(location.hash)) || [];
  const view = views[name] ? name : "swarm";
  for (const other of Object.keys(views)) byId(`view-${other}`).hidden = other !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const same = shown === view;
  shown = view;
  views[view].show(argument || "");
  if (!same) live.watch(view);
  if (moved) byId(`title-${view}`).focus();
}

byId("skip").addEventListener("click", (e) => {
  e.preventDefault(); // the hash is the route
  byId("main").focus();
});
addEventListener("hashchange", () => route(true));
addEventListener("pagehide", () => live.stop());
addEventListener("pageshow", (e) => {
  if (e.persisted) live.watch(shown);
});
route(false);
