/** What a page does about the end of others and its own: calls under way, subscriptions, and edits without an answer. */
import { expect, test } from "./fixtures.ts";
import { settled, Tab } from "./tabs.ts";

test("[CLIENT-28] [CLIENT-29] what a follower has under way is answered once though the leader's tab is closed", async ({
  context,
  app,
}) => {
  const first = await Tab.open(context, { site: app.url });
  await first.createDatabase();
  const second = await Tab.open(context, { site: app.url });
  const { leader, followers } = await settled([first, second]);
  const [follower] = followers as [Tab];
  expect(await follower.run(() => tide.tab.id)).not.toBe(await leader.run(() => tide.tab.id));
  await follower.run(() => db.table("rows").put("before", { n: 0 }));
  expect(await leader.run(() => db.table("rows").get("before"))).toEqual({ id: "before", n: 0 });
  // Each write adds to the one before it: one that was done twice, or in another order, shows.
  await follower.run(() => {
    const puts = Array.from({ length: 200 }, (_, i) => db.transact((tx) => tx.table("rows").put(`r${i}`, { n: i })));
    globalThis.written = Promise.all([...puts, db.table("rows").get("before")]);
    globalThis.noted = [];
    tide.on("tab", ({ state }) => noted.push(state, performance.now()));
  });
  const closing = performance.now();
  await leader.close();
  const answers = await follower.run(async () => {
    const row = await db.table("rows").get("before");
    await written;
    return { row, rows: (await db.table("rows").all()).length, entries: (await db.digest()).entries, noted };
  });
  console.log(`taken over ${Math.round(performance.now() - closing)} ms after the tab was told to close`);
  expect(answers).toMatchObject({ row: { n: 0 }, rows: 201, entries: 202 });
  expect(answers.noted).toContain("leading");
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

for (const tabs of [1, 2]) {
  test(`[CLIENT-30] an edit made just before a tab closes is there afterwards, with ${tabs} open`, async ({
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
