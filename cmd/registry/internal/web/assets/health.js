// What doctor finds.

import { ask } from "./data.js";
import { badge, byId, el, say } from "./dom.js";
import { clock, count } from "./format.js";

export const on = {};

byId("examine").addEventListener("click", () => examine());

export const show = () => examine();

const kinds = { broken: "bad", warning: "warn", unknown: "", ok: "good" };

async function examine() {
  const button = byId("examine");
  button.setAttribute("aria-disabled", "true");
  say(byId("health-sum"), "Looking at this machine, and asking all registries: some seconds …");
  try {
    const answer = await ask("health");
    if (answer) findings(answer);
  } catch (trouble) {
    byId("health-sum").className = "note bad";
    say(byId("health-sum"), `It could not be found out: ${trouble.message}`);
  }
  button.removeAttribute("aria-disabled");
}

function findings(answer) {
  const of = (severity) => answer.findings.filter((f) => f.severity === severity);
  const [broken, warnings, unknown, fine] = ["broken", "warning", "unknown", "ok"].map(of);
  byId("health-sum").className = `note ${kinds[answer.severity]}`;
  say(byId("health-sum"), broken.length + warnings.length === 0
    ? `Nothing is wrong: ${count(fine.length, "check")} at ${clock(answer.at)}${unknown.length > 0 ? `, and ${unknown.length} could not be made` : ""}.`
    : `${broken.length} broken, ${count(warnings.length, "warning")}, ${unknown.length} not known, ${fine.length} fine, at ${clock(answer.at)}.`);
  byId("findings").replaceChildren(...[...broken, ...warnings].map(finding));
  byId("unknown").replaceChildren(...unknown.map((f) => el("li", {}, el("strong", {}, f.check), `: ${f.subject ? `${f.subject}: ` : ""}${f.what}`)));
  byId("fine").replaceChildren(...fine.map((f) => el("li", {}, el("strong", {}, f.check), `: ${f.what}`)));
  byId("unknown-box").hidden = unknown.length === 0;
  byId("fine-box").hidden = fine.length === 0;
}

function finding(f) {
  return el("article", { class: `card finding ${kinds[f.severity]}-edge` },
    el("h2", {}, badge(kinds[f.severity], f.severity), ` ${f.kind}`, f.subject ? ` – ${f.subject}` : ""),
    el("p", {}, f.what), el("p", { class: "muted" }, ...words(f.means)), el("p", {}, el("strong", {}, "To do: "), ...words(f.remedy)));
}

// words shows as code what is between backticks.
const words = (text) => text.split("`").map((part, i) => (i % 2 === 1 ? el("code", {}, part) : part));
