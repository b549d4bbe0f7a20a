import { expect, test } from "vitest";
import { tabsMax } from "../core/limits.ts";
import type { TabChannel } from "../ports/tabs.ts";
import { LocksByHand } from "../testing/locks-by-hand.ts";
import { AttachedTabs } from "./attached-tabs.ts";
import { pairChannelName, tabLockName } from "./names.ts";

interface Scene {
  readonly tabs: AttachedTabs;
  readonly locks: LocksByHand;
  readonly served: Map<string, TabChannel>;
  /** Tabs that were let go, and that were refused. */
  readonly detached: string[];
  readonly refused: string[];
  readonly openChannels: Set<string>;
}

function setUp(): Scene {
  const locks = new LocksByHand();
  const [served, openChannels] = [new Map<string, TabChannel>(), new Set<string>()];
  const [detached, refused]: [string[], string[]] = [[], []];
  const open = (name: string): TabChannel => {
    if (openChannels.has(name)) throw new Error(`${name} is open already`);
    openChannels.add(name);
    return { post: () => {}, listen: () => {}, close: () => void openChannels.delete(name) };
  };
  const detach = (tab: string): void => {
    if (!served.delete(tab)) throw new Error(`${tab} is not served`);
    detached.push(tab);
  };
  const tabs = new AttachedTabs({
    ...{ name: "notes", lead: "lead", locks, channels: { open } },
    leading: {
      ...{ attach: (tab, channel) => void served.set(tab, channel), detach },
      ...{ isIdle: () => true, isTied: () => false, stop: async () => {} },
    },
    refused: (tab) => void refused.push(tab),
  });
  return { tabs, locks, served, detached, refused, openChannels };
}

test("[TABS-12] a page is served on a channel of its own until its lock is free", async () => {
  const { tabs, locks, served, detached, openChannels } = setUp();
  tabs.attach("a");
  tabs.attach("b");
  expect([...served.keys()]).toEqual(["a", "b"]);
  expect([...openChannels]).toEqual(["a", "b"].map((tab) => pairChannelName("notes", "lead", tab)));
  expect(locks.asked.map(({ name }) => name)).toEqual(["a", "b"].map((tab) => tabLockName("notes", tab)));
  await locks.at(0).give();
  expect([detached, [...served.keys()], locks.at(0).isReleased]).toEqual([["a"], ["b"], true]);
  expect([...openChannels]).toEqual([pairChannelName("notes", "lead", "b")]);
});

test("[TABS-12] a page that says that it goes is let go, once, and nobody waits for its lock any more", async () => {
  const { tabs, locks, detached, openChannels } = setUp();
  tabs.attach("a");
  tabs.detach("a");
  tabs.detach("a");
  tabs.detach("never");
  expect([detached, openChannels.size, locks.at(0).options.signal?.aborted]).toEqual([["a"], 0, true]);
  await locks.at(0).fail(new Error("given up"));
  expect(detached).toEqual(["a"]);
});

test("[TABS-12] a page that asks again begins anew, and is not let go for what it was before", async () => {
  const { tabs, locks, served, detached, openChannels } = setUp();
  tabs.attach("a");
  const before = served.get("a");
  tabs.attach("a");
  expect([detached, served.get("a") === before, openChannels.size]).toEqual([["a"], false, 1]);
  await locks.at(0).give();
  expect([[...served.keys()], locks.at(0).isReleased]).toEqual([["a"], true]);
  await locks.at(1).give();
  expect([...served.keys()]).toEqual([]);
});

test("[TABS-12] at the end all channels are closed, and the engine, which has stopped, is told of nothing more", async () => {
  const { tabs, locks, served, detached, openChannels } = setUp();
  tabs.attach("a");
  tabs.attach("b");
  tabs.end();
  expect(locks.asked.map(({ options }) => options.signal?.aborted)).toEqual([true, true]);
  await locks.at(0).give();
  await locks.at(1).fail(new Error("given up"));
  tabs.detach("b");
  expect([openChannels.size, detached, served.size]).toEqual([0, [], 2]);
});

test("[TABS-19] one page too many is refused, and those that are served stay", () => {
  const { tabs, served, refused, openChannels } = setUp();
  for (let i = 0; i <= tabsMax; i++) tabs.attach(`t${i}`);
  // It is served already.
  tabs.attach("t0");
  expect([served.size, refused, openChannels.size]).toEqual([tabsMax, [`t${tabsMax}`], tabsMax]);
  tabs.detach("t0");
  tabs.attach("late");
  expect([served.has("late"), refused.length]).toEqual([true, 1]);
});
