// The page of a registry four of whose members are ill; testdata/clients/ills.sh makes them so.

import { after, before, test } from "node:test";

import { accessible, Browser, fits, nothingWrong, open, phone, says, screenshot, wide } from "./browser.mjs";

let browser;

before(async () => {
  browser = await Browser.start();
});

after(() => browser.stop());

// ills are the findings, about whom, and of the remedy some words.
const ills = [
  ["data-port-closed", "shut", "4620"],
  ["clock-differs", "late", "timedatectl"],
  ["disk-full", "full", "add disk"],
  ["twin", "cloned", "Stop one of the two"],
  ["single-copy", "shut", "replicas: 2"],
];

test("Health names five ills, and what to do about each", async () => {
  const tab = await browser.tab("light", { width: 1000, height: 900 });
  await open(tab, process.env.PAGE, "health");
  for (const [kind, who, remedy] of ills) {
    const card = tab.locator("#view-health article", { hasText: kind }).filter({ hasText: who }).filter({ hasText: remedy });
    for (let looked = 0; looked < 6 && await card.count() === 0; looked++) {
      await tab.getByRole("button", { name: "Look again" }).click();
      await card.first().waitFor({ timeout: 20_000 }).catch(() => {});
    }
    await card.first().waitFor({ timeout: 1000 });
  }
  await accessible(tab);
  await screenshot(tab, "page-health");
  await tab.setViewportSize(phone);
  await fits(tab);
  await tab.emulateMedia({ colorScheme: "dark" });
  await accessible(tab);
  nothingWrong(tab);
  await tab.close();
});

test("Swarm shows who was cloned, and long errors beside it", async () => {
  const tab = await browser.tab();
  await open(tab, process.env.PAGE, "swarm");
  await says(tab, "swarm", /two registries have its peer ID/);
  await says(tab, "swarm", /\bsame\b/); // somebody has answered
  await accessible(tab);
  await screenshot(tab, "page-ills");
  for (const width of [wide.width, 1185, 1000, phone.width]) {
    await tab.setViewportSize({ width, height: 800 });
    await fits(tab);
  }
  nothingWrong(tab);
  await tab.close();
});
