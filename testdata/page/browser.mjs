// A headless Chromium, and what holds of every view of the page in it.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import axe from "axe-core";
import { chromium } from "playwright-core";

export const views = ["swarm", "images", "transfers", "health", "space"];
export const wide = { width: 1200, height: 900 };
export const phone = { width: 360, height: 740 };

const browsers = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"];
const enough = 60_000; // milliseconds for what has to come, on a busy machine

// Browser is one with no data of a user. Its tabs note what goes wrong in them.
export class Browser {
  static async start() {
    const of = new Browser();
    of.dir = await mkdtemp(join(tmpdir(), "page-"));
    of.context = await chromium.launchPersistentContext(of.dir, {
      executablePath: browsers.find((path) => path && existsSync(path)),
      args: ["--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync"],
      locale: "en-GB", viewport: wide, timeout: enough,
    });
    of.context.setDefaultTimeout(enough);
    return of;
  }

  // tab opens one in a color scheme, of a size.
  async tab(colorScheme = "light", viewport = wide) {
    const tab = await this.context.newPage();
    await tab.emulateMedia({ colorScheme });
    await tab.setViewportSize(viewport);
    tab.wrongs = [];
    tab.on("console", (m) => ["error", "warning"].includes(m.type()) && tab.wrongs.push(`console: ${m.text()}`));
    tab.on("pageerror", (e) => tab.wrongs.push(`error: ${e.message}`));
    tab.on("requestfailed", (r) => r.failure().errorText === "net::ERR_ABORTED" || tab.wrongs.push(`${r.url()}: ${r.failure().errorText}`)); // aborted: by the page itself
    await tab.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`)));
    return tab;
  }

  async stop() {
    await this.context.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}

// open shows a view, and waits until it shows something.
export async function open(tab, base, view) {
  await tab.goto(`${base}/ipfs/#${view}`);
  await tab.locator(`#view-${view}`).waitFor();
  await says(tab, view, { swarm: /registries are|cannot be reached|no other/, images: / image/, transfers: /under way/, health: /Nothing is wrong|\d+ broken/, space: /are free/ }[view]);
}

// says waits until a view shows a text.
export async function says(tab, view, pattern, timeout = enough) {
  await tab.waitForFunction(
    ([id, source]) => new RegExp(source).test(document.getElementById(id).innerText),
    [`view-${view}`, pattern.source], { timeout },
  ).catch(async (e) => {
    throw new Error(`${view} does not say ${pattern} (${e.message.split("\n")[0]}), but: ${await tab.locator(`#view-${view}`).innerText()}`);
  });
}

// nothingWrong fails when something went wrong in a tab since it was opened.
export function nothingWrong(tab) {
  assert.deepEqual(tab.wrongs, []);
}

// accessible has axe look at what is shown.
export async function accessible(tab) {
  await tab.evaluate(axe.source);
  const { violations } = await tab.evaluate(() => globalThis.axe.run(document, { preload: false, resultTypes: ["violations"] }));
  const bad = violations.filter((v) => ["serious", "critical"].includes(v.impact));
  assert.deepEqual(bad.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html).join(" ")}`), []);
}

// fits fails when there is something to the right of what is seen.
export async function fits(tab) {
  const { is, may } = await tab.evaluate(() => ({ is: document.scrollingElement.scrollWidth, may: document.scrollingElement.clientWidth }));
  assert.ok(is <= may, `the page is ${is} wide, and ${may} are seen`);
}

// screenshot writes one where SCREENSHOTS says; without it, none.
export async function screenshot(tab, name) {
  if (process.env.SCREENSHOTS) await tab.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });
}
