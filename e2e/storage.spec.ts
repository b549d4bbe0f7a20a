/** What is kept when tabs end, when the disk is full, and when the browser takes the storage away. */
import { commitAfterClaim, leaveAsItWrites } from "./both-browsers.ts";
import { Device } from "./device.ts";
import { expect, test } from "./fixtures.ts";
import { clearStorage, letPersist, openTabs, setQuota, settled, Tab, takeAway } from "./tabs.ts";

for (const which of ["leader", "follower"] as const) {
  test(`an edit made by the ${which} right before its tab is closed is there afterwards`, async ({ context, app }) => {
    let tabs = await openTabs(context, 2, { site: app.url });
    await tabs[0]?.createDatabase();
    for (let round = 0; round < 5; round++) {
      for (const tab of tabs) await tab.findDatabase();
      const { leader, followers } = await settled(tabs);
      const [follower] = followers as [Tab];
      const [ended, left] = which === "leader" ? [leader, follower] : [follower, leader];
      await ended.run((round) => {
        db.table("rows")
          .put(`last ${round}`, {})
          .catch(() => {});
      }, round);
      await ended.close();
      await expect.poll(() => left.run(async () => (await db.table("rows").all()).length)).toBe(round + 1);
      tabs = [left, await Tab.open(context, { site: app.url })];
    }
  });
}

for (const tabs of [1, 2]) {
  test(`[CLIENT-30] edits that an app makes as its page goes are there afterwards, with ${tabs} open`, async ({
    context,
    app,
  }) => {
    const first = await Tab.open(context, { site: app.url });
    await first.createDatabase();
    const last = tabs === 1 ? first : await Tab.open(context, { site: app.url });
    await last.run(async () => {
      await db.table("rows").put("first", {});
      const save = (from: number): void => {
        for (let i = from; i < from + 10; i++) void db.table("rows").put(`r${i}`, { n: i });
      };
      // As apps save what they have as their page goes: they hear of it after Tidemark does.
      addEventListener("pagehide", () => save(10));
      document.addEventListener("visibilitychange", () => save(20));
      save(0);
    });
    await last.close();
    const other = await Tab.open(context, { site: app.url });
    const expected = ["first", ...Array.from({ length: 30 }, (_, i) => `r${i}`)].sort();
    const rows = (): Promise<readonly unknown[]> =>
      other.run(async () => (await db.table("rows").all()).map(({ id }) => id));
    await expect.poll(rows).toEqual(expect.arrayContaining(expected));
    expect((await other.run(() => db.digest())).entries).toBe((await rows()).length + 1);
  });
}

test("an edit made in the same breath as the tab goes to another page is there when it comes back", async ({
  context,
  app,
}) => {
  await leaveAsItWrites(await Tab.open(context, { site: app.url }), 5);
});

test("[STORAGE-41] nothing is stored after another tab's claim until the storage is claimed again", async ({
  context,
  app,
}) => {
  await commitAfterClaim(await Tab.open(context, { site: app.url }));
});

test("a disk that is full as the instance opens is told, and it opens once there is room", async ({ context, app }) => {
  const tab = await Tab.prepare(context, { site: app.url });
  await setQuota(tab.page, 1);
  expect(await tab.run(() => tidemark.open({ name: "e2e" }).catch(({ code }) => code))).toBe("STORAGE_QUOTA");
  await setQuota(tab.page);
  await tab.open();
  await tab.createDatabase();
});

/** Rows of that many characters that no disk makes smaller. */
function putLarge([id, length]: readonly [string, number]): Promise<string> {
  const text = Array.from({ length: length / 8 }, () => Math.random().toString(36).slice(2, 10).padEnd(8)).join("");
  return db
    .table("rows")
    .put(id, { text })
    .then(
      () => "written",
      ({ code }) => code,
    );
}

test("while the disk is full commits reject and nothing is taken from peers, and both go on by themselves when there is room", async ({
  browser,
  context,
  app,
  relay,
}) => {
  const options = { site: app.url, relay: relay.url };
  const peer = await Device.open(browser, options);
  const tab = await Tab.prepare(context, options);
  await setQuota(tab.page, 8_000_000);
  await tab.open();
  const ticket = await peer.createAndShare();
  await tab.run(async (text) => {
    globalThis.db = await tide.join(text);
    await db.ready();
    globalThis.noted = [];
    tide.on("storage", ({ state, reason }) => noted.push(`${state} ${reason}`));
  }, ticket);
  let answer = "written";
  for (let i = 0; i < 12 && answer === "written"; i++) answer = await tab.run(putLarge, [`mine ${i}`, 1_000_000]);
  expect(answer).toBe("STORAGE_QUOTA");
  await expect.poll(() => tab.run(() => noted)).toContain("at-risk full");
  expect(await tab.run(() => tide.storage.state())).toBe("at-risk");
  await expect(async () => {
    expect((await tab.run(() => db.table("rows").all())).length, "what is here can be read").toBeGreaterThan(0);
  }).toPass();
  expect(await peer.run(putLarge, ["theirs", 2_000_000])).toBe("written");
  expect(await tab.run(() => db.table("rows").get("theirs"))).toBeUndefined();
  await setQuota(tab.page);
  await tab.page.waitForFunction(() => db.table("rows").get("theirs"));
  await expect.poll(() => tab.run(() => tide.storage.state())).toBe("best-effort");
  expect(await tab.run(putLarge, ["mine again", 1_000_000])).toBe("written");
  await expect.poll(async () => peer.digest()).toEqual(await tab.run(() => db.digest()));
  await peer.close();
});

test("[STORAGE-16] [CLIENT-48] when what is stored is cleared under open tabs each is told, its calls say so, and loaded again they are a new device", async ({
  browser,
  context,
  app,
  relay,
}) => {
  const options = { site: app.url, relay: relay.url };
  const tabs = await openTabs(context, 2, options);
  const { leader, followers } = await settled(tabs);
  await leader.createDatabase();
  for (const tab of followers) await tab.findDatabase();
  const peer = await Device.open(browser, options);
  await peer.join(await leader.run(() => db.share({ permission: "write" })));
  await leader.run(() => db.table("rows").put("kept elsewhere", {}));
  await peer.page.waitForFunction(() => db.table("rows").get("kept elsewhere"));
  for (const tab of tabs) {
    await tab.run(() => {
      globalThis.noted = [];
      tide.on("problem", ({ code }) => noted.push(code));
    });
  }
  const before = await leader.run(() => tide.publicKey);
  await clearStorage(leader.page);
  for (const tab of tabs) {
    await expect.poll(() => tab.run(() => noted)).toContain("STORAGE_CLOSED");
    const codes = await tab.run(() => {
      const calls = [db.table("rows").all(), db.table("rows").put("late", {}), tide.databases()];
      return Promise.all(
        calls.map((call: Promise<unknown>) =>
          call.then(
            () => "done",
            ({ code }) => code,
          ),
        ),
      );
    });
    expect(codes).toEqual(["STORAGE_CLOSED", "STORAGE_CLOSED", "STORAGE_CLOSED"]);
  }
  for (const tab of tabs) await tab.reload();
  const keys = await Promise.all(tabs.map((tab) => tab.run(() => tide.publicKey)));
  expect(new Set(keys).size, "one device").toBe(1);
  expect(keys, "another one").not.toContain(before);
  for (const tab of tabs) expect(await tab.run(async () => (await tide.databases()).length)).toBe(0);
  expect(await peer.run(() => db.table("rows").get("kept elsewhere")), "what others have they keep").toBeDefined();
  await peer.close();
});

test("without IndexedDB everything works in memory, and says so; it ends with the tab that leads", async ({
  context,
  app,
}) => {
  await takeAway(context, "indexedDB");
  const { leader, followers } = await settled(await openTabs(context, 2, { site: app.url }));
  const [follower] = followers as [Tab];
  await follower.run(async () => {
    globalThis.db = await tide.createDatabase({ name: "Together" });
    await db.table("rows").put("r", {});
  });
  for (const tab of [leader, follower]) {
    expect(await tab.run(() => tide.storage.state())).toBe("memory");
    expect(await tab.run(() => tide.storage.status())).toMatchObject({ state: "memory", reason: "unavailable" });
  }
  await leader.close();
  expect(
    await follower.run(() =>
      db
        .table("rows")
        .all()
        .catch(({ code }) => code),
    ),
  ).toBe("MEMORY_LOST");
});

test("a storage that the browser promised to keep is persistent, and one that it did not is best-effort", async ({
  context,
  app,
}) => {
  const tab = await Tab.open(context, { site: app.url });
  expect(await tab.run(() => tide.storage.status())).toMatchObject({ state: "best-effort", reason: "unpersisted" });
  await letPersist(tab.page);
  await tab.run(() => tide.storage.persist());
  expect(await tab.run(() => tide.storage.status())).toMatchObject({ state: "persistent", persisted: true });
});

test("everything stored is verified, with progress", async ({ context, app }) => {
  const tab = await Tab.open(context, { site: app.url });
  const { report, progress } = await tab.run(async () => {
    globalThis.db = await tide.createDatabase({ name: "Together" });
    for (let i = 0; i < 20; i++) await db.table("rows").put(`r${i}`, { i });
    const progress: unknown[] = [];
    const report = await tide.storage.verify({ onProgress: (told) => progress.push(told) });
    return { report, progress };
  });
  expect(report).toMatchObject({ databases: 1, entries: 21, damaged: 0 });
  expect(progress.at(-1)).toEqual({ checked: report.checked, total: report.checked });
});
