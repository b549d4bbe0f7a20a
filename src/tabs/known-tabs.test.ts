import { expect, test } from "vitest";
import { tabsMax } from "../core/limits.ts";
import { LocksByHand } from "../testing/locks-by-hand.ts";
import { turn } from "../testing/turn.ts";
import { KnownTabs } from "./known-tabs.ts";
import type { TabFacts } from "./messages.ts";
import { candidateLockName } from "./names.ts";

const build = { version: "1.0.0", tabs: 1 };

function facts(tab: string, changes: Partial<TabFacts> = {}): TabFacts {
  return { tab, build, visible: true, ...changes };
}

function setUp(): { readonly known: KnownTabs; readonly locks: LocksByHand; readonly sizes: readonly number[] } {
  const locks = new LocksByHand();
  const sizes: number[] = [];
  const known: KnownTabs = new KnownTabs({ name: "test", locks, changed: () => sizes.push(known.size) });
  return { known, locks, sizes };
}

test("[TABS-5] a tab is known until its lock is free; that the first came and the last went is told", async () => {
  const { known, locks, sizes } = setUp();
  for (const tab of ["a", "b", "a"]) known.hear(facts(tab));
  expect(locks.asked.map(({ name }) => name)).toEqual(["a", "b"].map((tab) => candidateLockName("test", tab)));
  expect([known.size, sizes]).toEqual([2, [1]]);
  await locks.at(0).give();
  expect([known.size, sizes, locks.at(0).isReleased]).toEqual([1, [1], true]);
  await locks.at(1).give();
  expect([known.size, sizes]).toEqual([0, [1, 0]]);
  known.hear(facts("a"));
  expect([known.size, sizes, locks.asked.length]).toEqual([1, [1, 0, 1], 3]);
});

test("[TABS-9] a tab is seen when it said so last, and counts when it has a build that works with this one", () => {
  const { known } = setUp();
  known.hear(facts("hidden", { visible: false }));
  known.hear(facts("newer", { build: { ...build, tabs: 2 } }));
  known.hear(facts("older", { build: { ...build, tabs: 0 } }));
  expect(known.visible(build)).toBeUndefined();
  known.hear(facts("same", { build: { version: "1.0.1", tabs: 1 } }));
  expect(known.visible(build)).toBe("same");
  known.hear(facts("same", { visible: false }));
  expect(known.visible(build)).toBeUndefined();
  known.hear(facts("hidden"));
  expect(known.visible(build)).toBe("hidden");
});

test("[TABS-19] a thousand tabs are known, and what these say of themselves is heard", async () => {
  const { known, locks } = setUp();
  for (let i = 0; i <= tabsMax; i++) known.hear(facts(`t${i}`, { visible: false }));
  expect([known.size, locks.asked.length]).toEqual([tabsMax, tabsMax]);
  known.hear(facts("t7"));
  expect(known.visible(build)).toBe("t7");
  await locks.at(0).give();
  known.hear(facts("late"));
  expect([known.size, locks.at(-1).name]).toEqual([tabsMax, candidateLockName("test", "late")]);
});

test("[TABS-10] whoever leads no more waits for nobody, knows nobody, and is told nothing", async () => {
  const { known, locks, sizes } = setUp();
  known.hear(facts("a"));
  known.hear(facts("b"));
  known.end();
  known.hear(facts("c"));
  expect(locks.asked.map(({ options }) => options.signal?.aborted)).toEqual([true, true]);
  await locks.at(0).fail(new Error("given up"));
  await locks.at(1).give();
  await turn();
  expect([known.size, sizes, known.visible(build), locks.at(1).isReleased]).toEqual([0, [1], undefined, true]);
});
