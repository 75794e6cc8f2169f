// The page of one of three registries; run.sh says what the environment has to name.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { accessible, Browser, fits, nothingWrong, open, phone, says, screenshot, views } from "./browser.mjs";
import { pull, push } from "./registry.mjs";

const { REGISTRY, CONFIG, PAGE, HERE, THERE, STOPPABLE } = process.env;
const run = promisify(execFile);
const size = 12 << 20;
let browser, layer;

before(async () => {
  browser = await Browser.start();
  await push(THERE, "base/debian:12", 3 << 20);
  await push(HERE, "team/app:1.3", 2 << 20);
  layer = await push(THERE, "team/app:1.4", size);
  await until("all tags are known", async () => (await (await fetch(`${HERE}/v2/team/app/tags/list`)).json()).tags?.length === 2);
});

after(() => browser.stop());

async function until(what, holds) {
  for (let i = 0; i < 600; i++) {
    if (await holds()) return;
    await pause(200);
  }
  throw new Error(`never: ${what}`);
}

for (const view of views) {
  for (const colors of ["light", "dark"]) {
    test(`${view}, ${colors}: it loads, and everybody can use it`, async () => {
      const tab = await browser.tab(colors);
      await open(tab, PAGE, view);
      assert.equal(await tab.locator("nav a[aria-current=page]").getAttribute("href"), `#${view}`);
      assert.equal(await tab.locator(`#view-${view} h1`).count(), 1);
      await accessible(tab);
      if (colors === "dark" && view === "swarm") await screenshot(tab, "page-dark");
      if (colors === "light" && ["images", "space"].includes(view)) await screenshot(tab, `page-${view}`);
      await tab.setViewportSize(phone);
      await fits(tab);
      await accessible(tab);
      if (colors === "light" && view === "swarm") await screenshot(tab, "page-phone");
      nothingWrong(tab);
      await tab.close();
    });
  }
}

test("images are listed, and one is shown with its layers and who has them", async () => {
  const tab = await browser.tab();
  await open(tab, PAGE, "images");
  for (const name of ["base/debian:12", "team/app:1.3", "team/app:1.4"]) await says(tab, "images", new RegExp(name));
  await tab.getByRole("searchbox").fill("debian");
  await tab.getByText("team/app").first().waitFor({ state: "detached" });
  await tab.getByRole("link", { name: "base/debian:12" }).click();
  await says(tab, "images", /linux\/amd64/);
  await says(tab, "images", /barn/);
  await accessible(tab);
  await screenshot(tab, "page-image");
  await tab.setViewportSize(phone);
  await fits(tab);
  nothingWrong(tab);
  await tab.close();
});

test("what something is called is text, and turns no text around it", async () => {
  const tab = await browser.tab();
  const name = "<img src=x onerror=alert(1)>\u202Egnp\u0007\u200B:1";
  await tab.goto(`${PAGE}/ipfs/#images/${encodeURIComponent(name)}`);
  await says(tab, "images", /<img src=x onerror=alert\(1\)> gnp {0,2}:1/);
  const title = await tab.locator("#title-images").evaluate((h) => h.textContent);
  assert.equal(title, "<img src=x onerror=alert(1)> gnp  :1");
  assert.equal(await tab.locator("#view-images img").count(), 0);
  await tab.close();
});

test("the keyboard reaches the views, and what is in them", async () => {
  const tab = await browser.tab();
  await open(tab, PAGE, "swarm");
  const reached = [];
  const step = async () => {
    await tab.keyboard.press("Tab");
    reached.push(await tab.evaluate(() => document.activeElement.getAttribute("href") || document.activeElement.id));
  };
  for (let i = 0; i < 12 && reached.at(-1) !== "#images"; i++) await step();
  assert.deepEqual(reached.slice(-2), ["#swarm", "#images"]);
  await tab.keyboard.press("Enter");
  await says(tab, "images", /team\/app/);
  assert.ok(await tab.evaluate(() => document.activeElement.closest("#view-images") !== null), "the focus stays in what is hidden");
  for (let i = 0; i < 12 && !/^#images\//.test(reached.at(-1)); i++) await step();
  assert.ok(reached.includes("search"), `of ${reached}, none is the search`);
  await tab.keyboard.press("Enter");
  await says(tab, "images", /linux\/amd64/);
  nothingWrong(tab);
  await tab.close();
});

test("a pull that runs is seen, moves, and is told of when it is over", async () => {
  const tab = await browser.tab();
  await open(tab, PAGE, "transfers");
  await run("tc", ["qdisc", "add", "dev", "lo", "root", "tbf", "rate", "20mbit", "burst", "256kb", "latency", "100ms"]);
  try {
    const pulled = pull(HERE, "team/app", layer);
    const bar = tab.locator("#view-transfers progress").first();
    await bar.waitFor();
    const first = await bar.evaluate((b) => b.value);
    await tab.waitForFunction((was) => document.querySelector("#view-transfers progress")?.value > was, first);
    await accessible(tab);
    await screenshot(tab, "page-transfers");
    await pulled;
  } finally {
    await run("tc", ["qdisc", "del", "dev", "lo", "root"]);
  }
  await says(tab, "transfers", /12 MiB for a client/);
  await says(tab, "transfers", /Nothing is under way/);
  await tab.locator("#view-transfers details", { hasText: "12 MiB" }).locator("summary").click();
  await says(tab, "transfers", /Time went to/);
  await accessible(tab);
  nothingWrong(tab);
  await tab.close();
});

// connected is how many members the registry itself takes for connected.
async function connected() {
  const { stdout } = await run(REGISTRY, ["ipfs", "status", "--json", CONFIG], { maxBuffer: 16 << 20 });
  return JSON.parse(stdout).members.filter((m) => m.connected).length;
}

test("a partition is shown within 5 s of when the registry knows it, and its end", async () => {
  const tab = await browser.tab();
  await open(tab, PAGE, "swarm");
  await says(tab, "swarm", /All 3 registries are connected/);
  process.kill(STOPPABLE, "SIGSTOP");
  try {
    await until("it is missed", async () => (await connected()) === 1);
    await says(tab, "swarm", /1 of 3 registries cannot be reached from here: cellar/, 5000);
    await says(tab, "swarm", /away since/, 5000);
    assert.ok(await tab.locator("#picture .edge.lost").count() > 0, "no line is shown as lost");
    await accessible(tab);
    await screenshot(tab, "page-partition");
  } finally {
    process.kill(STOPPABLE, "SIGCONT");
  }
  await until("it is back", async () => (await connected()) === 2);
  await says(tab, "swarm", /All 3 registries are connected/);
  nothingWrong(tab);
  await tab.close();
});
