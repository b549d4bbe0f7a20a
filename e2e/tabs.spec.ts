/** What becomes of an instance that several tabs have open, whatever happens to those tabs. */
import type { Browser, BrowserContext } from "@playwright/test";
import { freeze, freezeAnywhere, goBack, thaw } from "./chromium.ts";
import { Device } from "./device.ts";
import { expect, type Relay, test } from "./fixtures.ts";
import { changeBuild, openTabs, settled, Tab, takeAway } from "./tabs.ts";

/** `npm run soak` asks for more. */
const backfillCycles = Number(process.env.BACKFILL_CYCLES ?? 5);

/** Where the instance is that these tabs have open. */
const stored = "tidemark/e2e";

/** The first of the tabs makes the database, and all of them have it. */
async function openWithDatabase(
  context: BrowserContext,
  count: number,
  options: { readonly site: string; readonly relay?: string },
): Promise<readonly Tab[]> {
  const tabs = await openTabs(context, count, options);
  await tabs[0]?.createDatabase();
  for (const tab of tabs) await tab.findDatabase();
  return tabs;
}

/** Begins commits one after the other, each of one row, and a read, without waiting; `written` is when all have an answer. */
function beginCommits(count: number): void {
  const all = Array.from({ length: count }, (_, i) => db.table("rows").put(`r${i}`, { i }));
  globalThis.written = Promise.all([...all, db.table("rows").get("r0")]).then(() => "all");
}

async function entriesOf(tab: Tab): Promise<number> {
  return (await tab.run(() => db.digest())).entries;
}

async function keysOf(tab: Tab): Promise<readonly unknown[]> {
  return tab.run(async () => (await db.table("rows").all()).map(({ id }) => id));
}

test("ten tabs that open at the same instant are one device with one leader, and each can do everything", async ({
  context,
  app,
}) => {
  const tabs = await openTabs(context, 10, { site: app.url });
  const { leader, followers } = await settled(tabs);
  expect(followers.length).toBe(9);
  const keys = await Promise.all(tabs.map((tab) => tab.run(() => tide.publicKey)));
  expect(new Set(keys).size).toBe(1);
  await followers[0]?.createDatabase();
  for (const tab of tabs) await tab.findDatabase();
  await Promise.all(tabs.map((tab, i) => tab.run((n) => db.table("rows").put(`r${n}`, { n }), i)));
  const digests = await Promise.all(tabs.map((tab) => tab.run(() => db.digest())));
  expect(digests[0]?.entries).toBe(11);
  expect(new Set(digests.map(({ state }) => state)).size).toBe(1);
  expect(await leader.standing()).toBe("leading");
});

test("a follower sees what another follower writes, as it is written", async ({ context, app }) => {
  const { followers } = await settled(await openWithDatabase(context, 3, { site: app.url }));
  const [a, b] = followers as [Tab, Tab];
  await a.run(() => {
    globalThis.noted = [];
    db.table("rows").subscribe((rows) => noted.push(rows.length));
  });
  await b.run(() => db.table("rows").put("r", { by: "b" }));
  await expect.poll(() => a.run(() => noted.at(-1))).toBe(1);
});

const ends: readonly (readonly [how: string, end: (leader: Tab) => Promise<unknown>, tabsAfter: number])[] = [
  ["is closed", (leader) => leader.close(), 2],
  ["crashes", (leader) => leader.crash(), 2],
  ["loses its worker", (leader) => leader.killWorker(), 3],
  ["is reloaded", (leader) => leader.reload(), 3],
  ["goes to another page", (leader) => leader.page.goto("about:blank"), 2],
];

for (const [how, end, tabsAfter] of ends) {
  test(`[CLIENT-28] [CLIENT-29] while the leader ${how}, what a follower had under way is done once and answered`, async ({
    context,
    app,
  }) => {
    const tabs = await openWithDatabase(context, 3, { site: app.url });
    const { leader, followers } = await settled(tabs);
    const [follower] = followers as [Tab, Tab];
    await follower.run(beginCommits, 60);
    await end(leader);
    expect(await follower.run(() => written)).toBe("all");
    expect((await keysOf(follower)).length).toBe(60);
    expect(await entriesOf(follower), "the root, and each commit once").toBe(61);
    const left = tabsAfter === 3 ? tabs : followers;
    const after = await settled(left);
    await after.leader.run(() => db.table("rows").put("by the new leader", {}));
    await after.followers[0]?.run(() => db.table("rows").put("by its follower", {}));
    for (const tab of left) expect(await entriesOf(tab)).toBe(63);
  });
}

test("a tab alone whose worker ends goes on with a new one", async ({ context, app }) => {
  const [tab] = (await openWithDatabase(context, 1, { site: app.url })) as [Tab];
  await tab.run(beginCommits, 60);
  await tab.killWorker();
  expect(await tab.run(() => written)).toBe("all");
  expect(await entriesOf(tab)).toBe(61);
  await settled([tab]);
});

test("[CLIENT-8] a subscription of a follower keeps what did not change over the end of its leader, and is not called for it", async ({
  context,
  app,
}) => {
  const first = await Tab.open(context, { site: app.url });
  await first.createDatabase();
  await first.run(() => db.table("rows").put("a", { n: 1 }));
  const second = await Tab.open(context, { site: app.url });
  await settled([first, second]);
  await second.run(async () => {
    globalThis.noted = [];
    await new Promise<void>((resolve) => {
      db.table("rows").subscribe((rows) => {
        noted.push(rows);
        resolve();
      });
    });
  });
  await first.close();
  await expect.poll(() => second.standing()).toBe("leading");
  await second.run(() => db.table("rows").put("b", { n: 2 }));
  const seen = await second.run(async () => {
    while (noted.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    const [before, after] = noted as readonly (readonly object[])[];
    return { calls: noted.length, same: before?.[0] === after?.[0], rows: after?.length };
  });
  expect(seen).toEqual({ calls: 2, same: true, rows: 2 });
});

test("subscriptions and hooks of a follower outlast their leader", async ({ context, app }) => {
  const { leader, followers } = await settled(await openWithDatabase(context, 3, { site: app.url }));
  const [a, b] = followers as [Tab, Tab];
  await a.run(() => {
    globalThis.noted = [];
    db.onWrite(({ entries }) => void noted.push(...entries.map(({ seq }) => seq)));
    db.table("rows").subscribe(() => {});
  });
  await b.run(() => db.table("rows").put("r1", {}));
  await expect.poll(() => a.run(() => noted)).toEqual([1]);
  await leader.crash();
  await b.run(() => db.table("rows").put("r2", {}));
  await expect.poll(() => a.run(() => noted)).toEqual([1, 2]);
});

/** Keeps a worker from everything else until it is let go. Resolves when it is stuck. */
async function stick(tab: Tab): Promise<() => Promise<void>> {
  let letGo = (): void => {};
  const isOver = new Promise<void>((resolve) => (letGo = resolve));
  const isStuck = new Promise<void>((resolve) => {
    void tab.page.context().route("**/stuck", async (route) => {
      resolve();
      await isOver;
      await route.fulfill({ body: "" });
    });
  });
  const [worker] = tab.page.workers();
  const stuck = worker?.evaluate(() => {
    const request = new XMLHttpRequest();
    request.open("GET", "/stuck", false);
    request.send();
  });
  await isStuck;
  return async () => {
    letGo();
    await stuck;
  };
}

test("a leader that is stuck is given up, and writes nothing when it comes round", async ({ context, app }) => {
  const { leader, followers } = await settled(await openWithDatabase(context, 2, { site: app.url }));
  const [follower] = followers as [Tab];
  const comeRound = await stick(leader);
  await leader.run(beginCommits, 20);
  await follower.run(() => db.table("rows").put("by the follower", {}));
  await expect.poll(() => follower.standing()).toBe("leading");
  await comeRound();
  expect(await leader.run(() => written), "what its page wanted is done by whoever leads now").toBe("all");
  await expect.poll(() => leader.standing()).toBe("following");
  expect(await entriesOf(follower)).toBe(22);
  expect(await entriesOf(leader)).toBe(22);
});

/** Pages do not hear that they are about to be frozen. */
async function freezeWithoutWord(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    addEventListener("freeze", (event) => event.stopImmediatePropagation(), true);
    document.addEventListener("freeze", (event) => event.stopImmediatePropagation(), true);
  });
}

test("a leader that is frozen loses the lead, and its page goes on as it is shown again", async ({ plain, app }) => {
  const tabs = await openWithDatabase(plain.context, 2, { site: app.url });
  const { leader, followers } = await settled(tabs);
  const [follower] = followers as [Tab];
  await follower.page.bringToFront();
  await leader.run(beginCommits, 20);
  const wake = await freeze(leader.page, follower.page, stored);
  await follower.run(() => db.table("rows").put("by the follower", {}));
  await expect.poll(() => follower.standing()).toBe("leading");
  await wake();
  expect(await leader.run(() => written)).toBe("all");
  await expect.poll(() => leader.standing()).toBe("following");
  for (const tab of tabs) expect(await entriesOf(tab)).toBe(22);
});

test("a leader that is frozen without a word is given up, and writes nothing as it wakes", async ({ plain, app }) => {
  await freezeWithoutWord(plain.context);
  const tabs = await openWithDatabase(plain.context, 2, { site: app.url });
  const { leader, followers } = await settled(tabs);
  const [follower] = followers as [Tab];
  await follower.page.bringToFront();
  await leader.run(beginCommits, 20);
  const wake = await freeze(leader.page, follower.page, stored);
  await follower.run(() => db.table("rows").put("by the follower", {}));
  await expect.poll(() => follower.standing()).toBe("leading");
  await wake();
  expect(await leader.run(() => written)).toBe("all");
  await expect.poll(() => leader.standing()).toBe("following");
  for (const tab of tabs) expect(await entriesOf(tab)).toBe(22);
});

declare global {
  var isBusy: boolean;
}

/** Begins a transaction that lasts until `isBusy` is false. */
function keepBusy(database: string): Promise<void> {
  globalThis.isBusy = true;
  return new Promise((resolve) => {
    indexedDB.open(database).onsuccess = ({ target }) => {
      const transaction = (target as IDBOpenDBRequest).result.transaction("lease", "readwrite");
      const stay = (): void => {
        resolve();
        if (globalThis.isBusy) transaction.objectStore("lease").count().onsuccess = stay;
      };
      stay();
    };
  });
}

test("[STORAGE-17] who waits for a page that is frozen in the middle of a transaction is told, and goes on as that wakes", async ({
  plain,
  app,
}) => {
  await freezeWithoutWord(plain.context);
  const { leader, followers } = await settled(await openWithDatabase(plain.context, 2, { site: app.url }));
  const [follower] = followers as [Tab];
  await follower.run(() => {
    globalThis.noted = [];
    tide.on("problem", ({ code }) => noted.push(code));
  });
  await follower.page.bringToFront();
  await leader.run(keepBusy, stored);
  await freezeAnywhere(leader.page);
  await follower.run(() => {
    globalThis.written = db
      .table("rows")
      .put("by the follower", {})
      .then(() => "all");
  });
  await expect.poll(() => follower.run(() => noted)).toContain("STORAGE_UNAVAILABLE");
  await thaw(leader.page);
  await leader.run(() => {
    globalThis.isBusy = false;
  });
  expect(await follower.run(() => written)).toBe("all");
});

test("nobody waits for a leader that is frozen as it stores much, and reads what it has", async ({ plain, app }) => {
  await freezeWithoutWord(plain.context);
  const tabs = await openWithDatabase(plain.context, 2, { site: app.url });
  const { leader, followers } = await settled(tabs);
  const [follower] = followers as [Tab];
  await leader.run(beginCommits, 70);
  await leader.run(() => written);
  await follower.page.bringToFront();
  await leader.run(() => {
    const text = "long ".repeat(40_000);
    const puts = Array.from({ length: 20 }, (_, i) => db.table("long").put(`r${i}`, { text }));
    globalThis.written = Promise.all(puts).then(() => "all");
    tide.storage.verify().catch(() => {});
  });
  const wake = await freeze(leader.page, follower.page, stored);
  await follower.run(() => db.table("rows").put("by the follower", {}));
  await expect.poll(() => follower.standing()).toBe("leading");
  await wake();
  expect(await leader.run(() => written)).toBe("all");
  await expect.poll(() => leader.standing()).toBe("following");
  for (const tab of tabs) expect(await entriesOf(tab)).toBe(92);
});

test("a leader that stays hidden leaves the lead to a tab that is shown", async ({ plain, app }) => {
  const { leader, followers } = await settled(await openWithDatabase(plain.context, 2, { site: app.url }));
  const [follower] = followers as [Tab];
  await follower.page.bringToFront();
  await expect.poll(() => follower.standing()).toBe("leading");
  await follower.run(() => db.table("rows").put("shown", {}));
  await expect.poll(() => leader.run(() => db.table("rows").get("shown"))).toBeDefined();
});

/** What a page hears as it is put into the back/forward cache, and as it is taken out of it. */
function moveThroughCache(type: "pagehide" | "pageshow"): void {
  dispatchEvent(new PageTransitionEvent(type, { persisted: true }));
}

test("a leader that goes into the back/forward cache hands over, and goes on where it was as it comes back", async ({
  context,
  app,
}) => {
  const tabs = await openWithDatabase(context, 2, { site: app.url });
  const { leader, followers } = await settled(tabs);
  const [follower] = followers as [Tab];
  await leader.run(() => {
    globalThis.noted = [];
    db.table("rows").subscribe((rows) => noted.push(rows.length));
  });
  await leader.run(moveThroughCache, "pagehide");
  await settled([follower]);
  await follower.run(() => db.table("rows").put("meanwhile", {}));
  await leader.run(moveThroughCache, "pageshow");
  await expect.poll(() => leader.run(() => noted.at(-1))).toBe(1);
  await leader.run(() => db.table("rows").put("back", {}));
  await expect.poll(() => entriesOf(follower)).toBe(3);
  await settled(tabs);
});

test("a tab alone that goes into the back/forward cache as it writes leads again, and every commit is there once", async ({
  context,
  app,
}) => {
  const [tab] = (await openWithDatabase(context, 1, { site: app.url })) as [Tab];
  await tab.run(beginCommits, 20);
  await tab.run(moveThroughCache, "pagehide");
  await tab.run(moveThroughCache, "pageshow");
  expect(await tab.run(() => written)).toBe("all");
  await settled([tab]);
  expect(await entriesOf(tab)).toBe(21);
});

test("going to another page and back, out of the cache or not, finds everything", async ({ plain, app }) => {
  const [tab] = (await openWithDatabase(plain.context, 1, { site: app.url })) as [Tab];
  await tab.run(() => db.table("rows").put("before", {}));
  await tab.page.goto(`${app.url}?elsewhere`);
  await goBack(tab.page, () => location.search === "" && globalThis.tidemark !== undefined);
  if (await tab.run(() => globalThis.tide === undefined)) await tab.open();
  await tab.run(() => db.table("rows").put("back", {}));
  expect(await keysOf(tab)).toEqual(["back", "before"]);
});

test("a newer build waits until the older ones are closed, and both apps are told", async ({ context, app }) => {
  const [older] = (await openWithDatabase(context, 1, { site: app.url })) as [Tab];
  await older.run(() => {
    globalThis.noted = [];
    tide.on("outdated", ({ build }) => noted.push(build));
  });
  const newer = await Tab.prepare(context, { site: app.url });
  await changeBuild(newer.page, 1);
  await newer.prepare();
  await newer.run(() => {
    globalThis.noted = [];
    const opened = tidemark.open({ name: "e2e", onBlocked: ({ build }) => noted.push(build) });
    globalThis.written = opened.then(async (tide) => (await tide.databases()).length);
  });
  await expect.poll(() => older.run(() => noted.length)).toBe(1);
  await expect.poll(() => newer.run(() => noted.length)).toBe(1);
  await older.run(() => db.table("rows").put("still works", {}));
  await older.close();
  expect(await newer.run(() => written)).toBe(1);
});

test("an older build that is opened beside a newer one is told to reload", async ({ context, app }) => {
  await openWithDatabase(context, 1, { site: app.url });
  const older = await Tab.prepare(context, { site: app.url });
  await changeBuild(older.page, -1);
  await older.prepare();
  const code = await older.run(() => tidemark.open({ name: "e2e" }).catch(({ code }) => code));
  expect(code).toBe("BUILD_OUTDATED");
});

test("without Web Locks tabs still share one engine, and another takes over", async ({ context, app }) => {
  await takeAway(context, "locks");
  const tabs = await openWithDatabase(context, 2, { site: app.url });
  const { leader, followers } = await settled(tabs);
  const [follower] = followers as [Tab];
  await follower.run(beginCommits, 20);
  await leader.crash();
  expect(await follower.run(() => written)).toBe("all");
  expect(await entriesOf(follower)).toBe(21);
});

test("without SharedWorker nothing is missing", async ({ context, app }) => {
  await takeAway(context, "SharedWorker");
  const { leader, followers } = await settled(await openWithDatabase(context, 2, { site: app.url }));
  await leader.close();
  await followers[0]?.run(() => db.table("rows").put("r", {}));
});

test("without BroadcastChannel a second tab is told that the instance is in use", async ({ context, app }) => {
  await takeAway(context, "BroadcastChannel");
  const [first] = (await openWithDatabase(context, 1, { site: app.url })) as [Tab];
  const second = await Tab.prepare(context, { site: app.url });
  expect(await second.run(() => tidemark.open({ name: "e2e" }).catch(({ code }) => code))).toBe("INSTANCE_IN_USE");
  await first.close();
  await second.open();
  expect(await second.run(() => db.name())).toBe("Together");
});

test("with neither Web Locks nor BroadcastChannel a second tab is told that the instance is in use, until the first is closed, or crashed", async ({
  context,
  app,
}) => {
  await takeAway(context, "locks", "BroadcastChannel");
  const [first] = (await openWithDatabase(context, 1, { site: app.url })) as [Tab];
  const second = await Tab.prepare(context, { site: app.url });
  const codeOf = (tab: Tab): Promise<string> =>
    tab.run(() =>
      tidemark.open({ name: "e2e" }).then(
        () => "opened",
        ({ code }) => code,
      ),
    );
  expect(await codeOf(second)).toBe("INSTANCE_IN_USE");
  await first.run(() => db.table("rows").put("first", {}));
  await first.reload();
  expect(await codeOf(second)).toBe("INSTANCE_IN_USE");
  await first.crash();
  await second.open();
  const third = await Tab.prepare(context, { site: app.url });
  expect(await codeOf(third)).toBe("INSTANCE_IN_USE");
  await second.run(() => tide.close());
  await third.open();
  expect(await third.run(() => db.table("rows").get("first"))).toBeDefined();
});

test("with neither of them a tab that another followed as it was frozen says so, and goes on when that is closed", async ({
  plain,
  app,
}) => {
  await takeAway(plain.context, "locks", "BroadcastChannel");
  await freezeWithoutWord(plain.context);
  const [first] = (await openWithDatabase(plain.context, 1, { site: app.url })) as [Tab];
  await first.run(() => {
    globalThis.noted = [];
    tide.on("problem", ({ code }) => noted.push(code));
  });
  const second = await Tab.prepare(plain.context, { site: app.url });
  await second.page.bringToFront();
  const wake = await freeze(first.page, second.page, stored);
  await second.open();
  await second.run(() => db.table("rows").put("second", {}));
  await wake();
  await expect.poll(() => first.run(() => noted)).toEqual(["INSTANCE_IN_USE"]);
  const put = (): Promise<string> =>
    first.run(() =>
      db
        .table("rows")
        .put("first", {})
        .then(
          () => "written",
          ({ code }) => code,
        ),
    );
  expect(await put()).toBe("INSTANCE_IN_USE");
  await second.run(() => tide.close());
  await expect.poll(put).toBe("written");
  expect(await first.run(() => db.table("rows").get("second"))).toBeDefined();
});

test("without Ed25519 in WebCrypto a device signs and syncs all the same", async ({ browser, context, app, relay }) => {
  await takeAway(context, "Ed25519");
  const without = await Tab.open(context, { site: app.url, relay: relay.url });
  await without.createDatabase();
  const ticket = await without.run(async () => {
    await db.table("rows").put("r", {});
    return db.share({ permission: "write" });
  });
  const other = await Device.open(browser, { site: app.url, relay: relay.url });
  await other.join(ticket);
  await expect.poll(async () => (await other.digest()).state).toBe((await without.run(() => db.digest())).state);
  await other.close();
});

test("peers see a hand-over as the same device that comes back, and what was on its way arrives", async ({
  browser,
  context,
  app,
  relay,
}) => {
  const { tabs, other } = await openWithPeer(browser, context, app.url, relay);
  const { leader, followers } = await settled(tabs);
  const [follower] = followers as [Tab];
  await leader.crash();
  await follower.run(() => db.table("rows").put("after", {}));
  await other.page.waitForFunction(() => db.table("rows").get("after"));
  const peers = await other.run(() => tide.sync.peers.list());
  expect(peers.map(({ key }) => key)).toEqual([await follower.run(() => tide.publicKey)]);
  await other.close();
});

test("nothing is missing and nothing is there twice after a backfill in which the leader was killed again and again", async ({
  browser,
  context,
  app,
  relay,
}) => {
  test.setTimeout(120_000 + backfillCycles * 20_000);
  const options = { site: app.url, relay: relay.url };
  const source = await Device.open(browser, options);
  const ticket = await source.createAndShare();
  const total = backfillCycles * 1_000;
  await source.run(async (count) => {
    for (let i = 0; i < count; i += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => db.table("rows").put(`r${i + j}`, { i })));
    }
    // Less than a tenth of them in the time that a cycle takes: every leader ends in the middle of it.
    await tide.sync.changeSettings({ sendBytesPerSecond: 8_192, batchEntries: 10 });
  }, total);
  let tabs = await openTabs(context, 2, options);
  await tabs[0]?.run(async (text) => {
    await tide.join(text);
  }, ticket);
  for (let cycle = 0; cycle < backfillCycles; cycle++) {
    const { leader, followers } = await settled(tabs);
    const [follower] = followers as [Tab];
    await follower.findDatabase();
    const before = await saved(follower);
    await expect.poll(() => saved(follower), { intervals: [5] }).toBeGreaterThan(before);
    await leader.crash();
    expect(await saved(follower), "the backfill is not over").toBeLessThan(total);
    tabs = [follower, await Tab.open(context, options)];
  }
  await source.run(() => tide.sync.changeSettings({ sendBytesPerSecond: 0, batchEntries: 1_000 }));
  const [last] = tabs as [Tab, Tab];
  // The root, the invite and its redemption are entries too.
  await expect.poll(() => entriesOf(last), { timeout: 120_000 }).toBe(total + 3);
  await expect.poll(() => source.digest()).toEqual(await last.run(() => db.digest()));
  await source.close();
});

async function saved(tab: Tab): Promise<number> {
  return tab.run(async () => (await db.sync.status()).saved);
}

/** Two tabs of one device, and another device that has their database. */
async function openWithPeer(
  browser: Browser,
  context: BrowserContext,
  site: string,
  relay: Relay,
): Promise<{ readonly tabs: readonly Tab[]; readonly other: Device }> {
  const tabs = await openWithDatabase(context, 2, { site, relay: relay.url });
  const [first] = tabs as [Tab, Tab];
  const other = await Device.open(browser, { site, relay: relay.url });
  await other.join(await first.run(() => db.share({ permission: "write" })));
  return { tabs, other };
}
