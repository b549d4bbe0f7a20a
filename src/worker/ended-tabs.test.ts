import { describe, expect, onTestFinished, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { endedTabKeptMs, endedTabsMax, outboxRetryMs } from "../core/limits.ts";
import type { WriteId } from "../engine/writes.ts";
import type { OutboxWrite } from "../storage/outbox.ts";
import { tabLockName } from "../tabs/names.ts";
import { type Realm, TabsWorld } from "../testing/tabs-world.ts";
import { EndedTabs, editLost } from "./ended-tabs.ts";

const database = "d".repeat(64) as DatabaseId;

function edit(tab: string, number: number): OutboxWrite {
  return { tab, number, edit: { database, stores: [] } };
}

interface Subject {
  readonly world: TabsWorld;
  readonly tabs: EndedTabs;
  readonly outbox: OutboxWrite[];
  /** What was committed. */
  readonly done: string[];
  readonly lost: string[];
  readonly forgotten: string[];
  /** Tabs with rows, and when they wrote last. */
  readonly rows: Map<string, number>;
  /** What the next commits fail with. */
  failWith: TidemarkError | undefined;
  /** How long reading the outbox takes. */
  readMs: number;
  /** How often it was read, and could not be, since this was set. */
  failedReads: number | undefined;
  /** A page that can run. */
  page(tab: string): Promise<Realm>;
}

function setUp(): Subject {
  const world = new TabsWorld(1);
  const leader = world.realm("leader");
  const subject = {
    world,
    outbox: [],
    done: [],
    lost: [],
    forgotten: [],
    rows: new Map(),
    failWith: undefined,
    readMs: 0,
    failedReads: undefined,
  };
  const tabs = new EndedTabs({
    name: "notes",
    own: "own",
    locks: leader.locks,
    clock: leader.clock,
    outbox: {
      read: async () => {
        if (all.failedReads !== undefined) {
          all.failedReads++;
          throw new Error("no outbox");
        }
        const read = [...all.outbox];
        await leader.work(all.readMs);
        return read;
      },
      clear: async (tab, through) => {
        const left = all.outbox.filter((write) => write.tab !== tab || write.number > through);
        all.outbox.splice(0, all.outbox.length, ...left);
      },
    },
    writes: {
      tabs: () => [...all.rows].map(([tab, lastMs]) => ({ tab, lastMs })),
      forget: async (tab) => {
        all.rows.delete(tab);
        all.forgotten.push(tab);
      },
    },
    commit: async (_edit, { tab, number }: WriteId) => {
      if (all.failWith !== undefined) throw all.failWith;
      all.done.push(`${tab}${number}`);
      all.rows.set(tab, leader.clock.now());
    },
    report: (error, write) => all.lost.push(`${error.code} ${write.number}`),
  });
  const all: Subject = {
    ...subject,
    tabs,
    page: async (tab) => {
      const realm = world.realm(tab);
      await world.settle(realm.locks.request(tabLockName("notes", tab)));
      return realm;
    },
  };
  onTestFinished(() => tabs.stop());
  return all;
}

describe("[CLIENT-36] what a page left in the outbox", () => {
  test("is done at the start, in its order, when the page has ended, and cleared", async () => {
    const subject = setUp();
    const { world, tabs, outbox, done } = subject;
    await subject.page("b");
    outbox.push(edit("a", 4), edit("a", 5), edit("b", 1), { tab: "a", number: 6, edit: undefined }, edit("own", 1));
    await world.settle(tabs.begin());
    expect([done, outbox]).toEqual([
      ["a4", "a5"],
      [edit("b", 1), edit("own", 1)],
    ]);
  });

  test("stays when it was put after the others were read: its page is back, and robbed whoever did them", async () => {
    const subject = setUp();
    const { world, tabs, outbox, done } = subject;
    outbox.push(edit("a", 1));
    subject.readMs = 500;
    const begun = tabs.begin();
    await world.pass(700);
    outbox.push(edit("a", 2));
    await world.settle(begun);
    expect([done, outbox]).toEqual([["a1"], [edit("a", 2)]]);
  });

  test("is done when its page ends later, and not while it can run", async () => {
    const subject = setUp();
    const { world, tabs, outbox, done } = subject;
    const page = await subject.page("b");
    await world.settle(tabs.begin());
    tabs.watch("b");
    outbox.push(edit("b", 1), edit("b", 2));
    await world.pass(60_000);
    expect(done).toEqual([]);
    page.kill();
    await world.pass(1_000);
    expect([done, outbox]).toEqual([["b1", "b2"], []]);
  });

  test("is done under the lock of its page, so that one that comes back waits", async () => {
    const subject = setUp();
    const { world, tabs, outbox } = subject;
    const page = await subject.page("b");
    outbox.push(edit("b", 1));
    subject.readMs = 500;
    tabs.watch("b");
    await world.pass(100);
    const back = subject.page("b");
    page.kill();
    await world.settle(back);
    expect(outbox).toEqual([]);
  });

  test("is told as lost with the reason's code when it cannot be done, and not kept", async () => {
    const subject = setUp();
    const { world, tabs, outbox, lost } = subject;
    outbox.push(edit("a", 1), edit("a", 2));
    subject.failWith = new TidemarkError("PERMISSION_DENIED", { need: "write", got: "read" });
    await world.settle(tabs.begin());
    expect([lost, outbox]).toEqual([["PERMISSION_DENIED 1", "PERMISSION_DENIED 2"], []]);
    const error = editLost(edit("a", 1), subject.failWith);
    expect(error).toMatchObject({ code: "EDIT_LOST", details: { database, code: "PERMISSION_DENIED" } });
  });

  test("stays when storage takes nothing, and is tried again", async () => {
    const subject = setUp();
    const { world, tabs, outbox, lost, done } = subject;
    outbox.push(edit("a", 1));
    subject.rows.set("a", 0);
    subject.failWith = new TidemarkError("STORAGE_QUOTA", { reason: "full" });
    await world.settle(tabs.begin());
    expect([lost, outbox.length, subject.forgotten]).toEqual([[], 1, []]);
    subject.failWith = undefined;
    await world.pass(outboxRetryMs - 1_000);
    expect(done).toEqual([]);
    await world.pass(2_000);
    expect([done, outbox]).toEqual([["a1"], []]);
  });

  test("stays for the next leader when this one ends meanwhile", async () => {
    const subject = setUp();
    const { world, tabs, outbox, done } = subject;
    const page = await subject.page("b");
    outbox.push(edit("b", 1));
    tabs.watch("b");
    tabs.stop();
    page.kill();
    await world.pass(outboxRetryMs * 2);
    tabs.watch("b");
    await world.pass(1_000);
    expect([done, outbox.length]).toEqual([[], 1]);
  });
});

describe("[CLIENT-37] what was done for a tab", () => {
  test("is forgotten an hour after it wrote last, when it has ended", async () => {
    const subject = setUp();
    const { world, tabs, rows, forgotten } = subject;
    const nowMs = world.clock.now();
    await subject.page("alive");
    rows.set("alive", nowMs - 2 * endedTabKeptMs);
    rows.set("late", nowMs - endedTabKeptMs / 2);
    rows.set("old", nowMs - 2 * endedTabKeptMs);
    rows.set("own", nowMs - 2 * endedTabKeptMs);
    await world.settle(tabs.begin());
    await world.pass(1_000);
    expect(forgotten).toEqual(["old"]);
    await world.pass(endedTabKeptMs);
    expect(forgotten).toEqual(["old", "late"]);
  });

  test("is remembered when its page comes back", async () => {
    const subject = setUp();
    const { world, tabs, rows, forgotten } = subject;
    rows.set("b", world.clock.now());
    await world.settle(tabs.begin());
    await world.pass(1_000);
    await subject.page("b");
    tabs.watch("b");
    await world.pass(2 * endedTabKeptMs);
    expect(forgotten).toEqual([]);
  });

  test("is remembered of so many tabs, those that wrote last", async () => {
    const subject = setUp();
    const { world, tabs, rows, forgotten } = subject;
    const nowMs = world.clock.now();
    for (let i = 0; i < endedTabsMax + 10; i++) rows.set(`t${i}`, nowMs + i);
    await world.settle(tabs.begin());
    await world.pass(5_000);
    expect(forgotten).toHaveLength(10);
    expect(rows.has(`t${endedTabsMax + 9}`)).toBe(true);
  });
});

test("[CLIENT-36] where the outbox cannot be read no more than so many tabs are tried again a minute", async () => {
  const subject = setUp();
  const { world, tabs, rows } = subject;
  for (let i = 0; i < endedTabsMax + 50; i++) rows.set(`t${i}`, world.clock.now());
  subject.failedReads = 0;
  await world.settle(tabs.begin());
  await world.pass(outboxRetryMs / 2);
  for (let minute = 0; minute < 3; minute++) {
    subject.failedReads = 0;
    await world.pass(outboxRetryMs);
    // And one look at what all have left.
    expect(subject.failedReads).toBe(endedTabsMax + 1);
  }
  tabs.stop();
});

test("[CLIENT-36] what a tab left that ended before it was ever served is found within a minute, and nothing after the end", async () => {
  const { world, tabs, outbox, done } = setUp();
  await world.settle(tabs.begin());
  await world.pass(outboxRetryMs / 2);
  outbox.push(edit("a", 1), edit("a", 2));
  await world.pass(outboxRetryMs);
  expect([done, outbox]).toEqual([["a1", "a2"], []]);
  outbox.push(edit("b", 1));
  await world.pass(outboxRetryMs);
  expect(done).toEqual(["a1", "a2", "b1"]);
  tabs.stop();
  outbox.push(edit("c", 1));
  await world.pass(5 * outboxRetryMs);
  expect(done).toEqual(["a1", "a2", "b1"]);
});
