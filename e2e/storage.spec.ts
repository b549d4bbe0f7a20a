/** What is kept when tabs end, when the disk is full, and when the browser takes the storage away. */
import { setTimeout as passed } from "node:timers/promises";
import { Device } from "./device.ts";
import { expect, test } from "./fixtures.ts";
import { checkChains, endSomehow, seeded, Witness } from "./rounds.ts";
import { letPersist, openTabs, setQuota, settled, Tab, takeAway } from "./tabs.ts";

/** `npm run soak` asks for more, and for other seeds. */
const rounds = Number(process.env.TAB_ROUNDS ?? 12);
const seed = Number(process.env.TAB_SEED ?? 1);
const openMs = 5_000;

test(`what resolved is there, and nothing by half, after ${rounds} rounds of a tab that ends as it writes (seed ${seed})`, async ({
  browser,
  context,
  app,
  relay,
}) => {
  test.setTimeout(60_000 + rounds * openMs);
  const random = seeded(seed);
  const options = { site: app.url, relay: relay.url };
  const witness = new Witness();
  let tab = await Tab.open(context, options);
  await tab.createDatabase();
  for (let round = 0; round < rounds; round++) {
    await witness.watch(tab, `r${round}`);
    await passed(random() * 150);
    await endSomehow(tab, random);
    tab = await Tab.open(context, options);
    await witness.check(tab);
  }
  expect(witness.resolved).toBeGreaterThan(rounds);
  await checkChains(browser, tab, options);
});

test(`the same of two tabs that write, after ${rounds} rounds in which one of them ends (seed ${seed})`, async ({
  browser,
  context,
  app,
  relay,
}) => {
  test.setTimeout(60_000 + rounds * openMs);
  const random = seeded(seed + 1_000_000);
  const options = { site: app.url, relay: relay.url };
  const witness = new Witness();
  let tabs = await openTabs(context, 2, options);
  await tabs[0]?.createDatabase();
  for (const tab of tabs) await tab.findDatabase();
  for (let round = 0; round < rounds; round++) {
    const [first, second] = tabs as [Tab, Tab];
    await witness.watch(first, `r${round}.0`);
    await witness.watch(second, `r${round}.1`);
    await passed(random() * 150);
    const [ended, left] = random() < 0.5 ? [first, second] : [second, first];
    await endSomehow(ended, random);
    // Both fresh next time, so that whoever is left does not write on and on.
    const fresh = await Tab.open(context, options);
    await left.close();
    await witness.check(fresh);
    tabs = [fresh, await Tab.open(context, options)];
  }
  expect(witness.resolved).toBeGreaterThan(rounds);
  await checkChains(browser, tabs[0] as Tab, options);
});

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
    const rows = await other.run(async () => (await db.table("rows").all()).map(({ id }) => id));
    expect(rows).toEqual(expect.arrayContaining(["first", ...Array.from({ length: 30 }, (_, i) => `r${i}`)]));
    const { entries } = await other.run(() => db.digest());
    expect(entries).toBe(rows.length + 1);
  });
}

test("an edit made in the same breath as the tab goes to another page is there when it comes back", async ({
  context,
  app,
}) => {
  const tab = await Tab.open(context, { site: app.url });
  await tab.createDatabase();
  for (let round = 0; round < 5; round++) {
    await tab.run((round) => {
      db.table("rows")
        .put(`last ${round}`, {})
        .catch(() => {});
      location.assign("about:blank");
    }, round);
    await tab.page.waitForURL("about:blank");
    await tab.reload();
    await expect.poll(() => tab.run(async () => (await db.table("rows").all()).length)).toBe(round + 1);
  }
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
  test.setTimeout(120_000);
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
  await tab.page.waitForFunction(() => db.table("rows").get("theirs"), undefined, { timeout: 90_000 });
  await expect.poll(() => tab.run(() => tide.storage.state())).toBe("best-effort");
  expect(await tab.run(putLarge, ["mine again", 1_000_000])).toBe("written");
  await expect.poll(async () => peer.digest()).toEqual(await tab.run(() => db.digest()));
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
