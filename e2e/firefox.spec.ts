/** What has to work in Firefox too: a stock one, driven over WebDriver BiDi, so without anything of CDP. */
import { chromium } from "@playwright/test";
import { launchOptions } from "../scripts/chromium.mjs";
import { commitAfterClaim, leaveAsItWrites, reloadWithEverything } from "./both-browsers.ts";
import { Device } from "./device.ts";
import { expect, test } from "./fixtures.ts";
import { openTabs, settled, Tab } from "./tabs.ts";

test("[CLIENT-6] in Firefox too, everything durable is there after a reload, under the same key", async ({
  browser,
  app,
  relay,
}) => {
  await reloadWithEverything(await Device.open(browser, { site: app.url, relay: relay.url }));
});

test("in Firefox too, tabs share one engine, and another takes over when the leader's tab is closed", async ({
  context,
  app,
}) => {
  const tabs = await openTabs(context, 3, { site: app.url });
  const { leader, followers } = await settled(tabs);
  const [a, b] = followers as [Tab, Tab];
  await a.createDatabase();
  await b.findDatabase();
  await a.run(() => {
    globalThis.written = Promise.all(Array.from({ length: 60 }, (_, i) => db.table("rows").put(`r${i}`, { i })));
  });
  await leader.page.close();
  await a.run(() => written);
  await settled([a, b]);
  await b.run(() => db.table("rows").put("by the other", {}));
  for (const tab of [a, b]) expect((await tab.run(() => db.digest())).entries, "each commit once").toBe(62);
});

test("in Firefox too, a tab alone whose worker ends goes on with a new one", async ({ context, app }) => {
  const tab = await Tab.open(context, { site: app.url });
  await tab.createDatabase();
  await tab.killWorker();
  await tab.run(() => db.table("rows").put("r", {}));
  expect((await tab.run(() => db.digest())).entries).toBe(2);
});

test("in Firefox too, an edit made in the same breath as the page is left is there when it comes back", async ({
  context,
  app,
}) => {
  await leaveAsItWrites(await Tab.open(context, { site: app.url }), 1);
});

test("[STORAGE-41] in Firefox too, which keeps the rest of a finished transaction when a part of it fails, nothing is stored after another tab's claim", async ({
  context,
  app,
}) => {
  await commitAfterClaim(await Tab.open(context, { site: app.url }));
});

test("in Firefox, which may never answer whether it keeps what is stored, asking ends all the same", async ({
  context,
  app,
}) => {
  const tab = await Tab.open(context, { site: app.url });
  expect(typeof (await tab.run(() => tide.storage.persist()))).toBe("boolean");
  expect(await tab.run(() => tide.storage.status())).toMatchObject({ state: "best-effort", reason: "unpersisted" });
});

test("Chromium and Firefox sync with each other over WebRTC, both ways", async ({ browser, app, relay }) => {
  const other = await chromium.launch(launchOptions());
  try {
    const options = { site: app.url, relay: relay.url };
    const fox = await Device.open(browser, options);
    const chrome = await Device.open(other, options);
    await chrome.join(await fox.createAndShare());
    await fox.run(() => db.table("notes").put("f", { from: "Firefox" }));
    await chrome.run(() => db.table("notes").put("c", { from: "Chromium" }));
    for (const device of [fox, chrome]) {
      await expect
        .poll(() => device.run(() => db.table("notes").all()))
        .toEqual([
          { id: "c", from: "Chromium" },
          { id: "f", from: "Firefox" },
        ]);
      expect((await device.run(() => db.sync.status())).peers).toMatchObject([{ path: "webrtc" }]);
    }
    expect(await fox.digest()).toEqual(await chrome.digest());
    for (const device of [fox, chrome]) await device.close();
  } finally {
    await other.close();
  }
});
