import { describe, expect, test } from "vitest";
import { tabsMax } from "../core/limits.ts";
import { CounterDisk } from "../testing/tabs-counter.ts";
import { SimulatedTab, type SimulatedTabOptions } from "../testing/tabs-tab.ts";
import { TabsWorld } from "../testing/tabs-world.ts";
import { leaderLockName, tabLockName, tabsChannelName } from "./names.ts";

const seeds = Array.from({ length: 40 }, (_, i) => i + 1);

class Browser {
  readonly world: TabsWorld;
  readonly disk: CounterDisk;
  readonly tabs: SimulatedTab[] = [];
  #number = 0;

  constructor(seed: number) {
    this.world = new TabsWorld(seed);
    this.disk = new CounterDisk(this.world);
  }

  open(options: Partial<SimulatedTabOptions> = {}): SimulatedTab {
    const { world, disk } = this;
    const tab = new SimulatedTab({ world, disk, number: this.#number++, ...options });
    this.tabs.push(tab);
    return tab;
  }

  openMany(count: number, options: Partial<SimulatedTabOptions> = {}): void {
    for (let i = 0; i < count; i++) this.open(options);
  }

  get leaders(): readonly SimulatedTab[] {
    return this.tabs.filter((tab) => tab.isAlive && tab.state.type === "leading" && tab.isServed);
  }

  get leader(): SimulatedTab {
    const [leader, ...others] = this.leaders;
    if (leader === undefined || others.length > 0) throw new Error(`${others.length + 1} leaders`);
    return leader;
  }

  get followers(): readonly SimulatedTab[] {
    return this.tabs.filter((tab) => tab.isAlive && tab !== this.leader);
  }

  /** One leads, and everybody else is served by it. */
  isQuiet(tabs: readonly SimulatedTab[] = this.tabs.filter(({ isAlive }) => isAlive)): boolean {
    const lead = tabs.map(({ state }) => ("lead" in state ? state.lead : undefined));
    const leading = tabs.filter(({ state }) => state.type === "leading");
    return leading.length === 1 && new Set(lead).size === 1 && tabs.every(({ isServed }) => isServed);
  }

  /** Milliseconds of simulated time until it is quiet. */
  async quiet(tabs?: readonly SimulatedTab[], ms?: number): Promise<number> {
    const from = this.world.clock.now();
    await this.world.until(() => this.isQuiet(tabs), ms);
    return this.world.clock.now() - from;
  }

  async closeAll(): Promise<void> {
    await this.world.settle(Promise.all(this.tabs.filter(({ isAlive }) => isAlive).map((tab) => tab.close())));
    await this.world.pass(1_000);
    expect(this.world.browser.locksInUse).toEqual([]);
    expect(this.world.browser.channelsInUse).toEqual([]);
  }
}

describe("[TABS-4] of all tabs one leads", () => {
  test("ten that start at the same moment agree at once, and nothing is left when they close", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(10);
      expect(await browser.quiet()).toBeLessThan(1_000);
      for (const tab of browser.tabs) tab.write();
      await browser.world.until(() => browser.tabs.every(({ waiting }) => waiting === 0), 1_000);
      await browser.closeAll();
    }
  });

  test("when it closes, or dies, another one leads and serves all in under a second, and every edit is written once", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(6, { startMs: () => 100 });
      await browser.quiet();
      for (let round = 0; round < 5; round++) {
        for (const tab of browser.tabs) if (tab.isAlive) tab.write();
        const { leader } = browser;
        await browser.world.pass(browser.world.random.int(10));
        if (round % 2 === 0) leader.kill();
        else {
          void leader.close();
          await browser.world.pass(browser.world.random.int(3));
          leader.kill();
        }
        const rest = browser.tabs.filter(({ isAlive }) => isAlive);
        expect(await browser.quiet(rest)).toBeLessThan(1_000);
        await browser.world.until(() => rest.every(({ waiting }) => waiting === 0), 1_000);
      }
      const written = browser.disk.log.map(({ tab, number }) => `${tab} ${number}`);
      expect(new Set(written).size).toBe(written.length);
    }
  });
});

describe("[TABS-5] who says what", () => {
  test("ten idle tabs say little more than one word a second, a single one nothing", async () => {
    for (const seed of seeds.slice(0, 10)) {
      const browser = new Browser(seed);
      browser.open();
      await browser.quiet();
      const channel = tabsChannelName("test");
      const { posted } = browser.world.browser;
      const before = posted.get(channel) ?? 0;
      await browser.world.pass(60_000);
      expect(posted.get(channel)).toBe(before);
      browser.openMany(9);
      await browser.quiet();
      const from = posted.get(channel) ?? 0;
      await browser.world.pass(60_000);
      const count = (posted.get(channel) ?? 0) - from;
      expect(count).toBeGreaterThanOrEqual(58);
      expect(count).toBeLessThanOrEqual(61);
      for (const tab of browser.followers) tab.kill();
      await browser.world.pass(2_000);
      const alone = posted.get(channel);
      await browser.world.pass(60_000);
      expect(posted.get(channel)).toBe(alone);
    }
  });

  test("ten tabs whose leader dies say no more than a few words each", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(10);
      await browser.quiet();
      const { posted } = browser.world.browser;
      const total = (): number => [...posted.values()].reduce((sum, count) => sum + count, 0);
      const before = total();
      browser.leader.kill();
      await browser.quiet();
      expect(total() - before).toBeLessThan(10 * 6);
    }
  });
});

describe("[TABS-6] the next leader", () => {
  test("is the tab that has waited longest, also when that one had led before", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      for (let i = 0; i < 4; i++) {
        browser.open();
        await browser.quiet();
      }
      const [first, second, third, fourth] = browser.tabs as [SimulatedTab, SimulatedTab, SimulatedTab, SimulatedTab];
      first.suspend();
      await browser.quiet([second, third, fourth]);
      first.resume();
      await browser.quiet();
      for (const next of [second, third, fourth, first]) {
        expect(browser.leader).toBe(next);
        next.kill();
        await browser.world.pass(1_000);
      }
    }
  });
});

describe("[TABS-7] a leader that is silent is robbed", () => {
  test("a frozen one is followed by another within nine seconds, by one robber, and steps down when it wakes up", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(6);
      await browser.quiet();
      const { leader, followers } = browser;
      leader.freeze();
      for (const tab of browser.tabs) tab.write();
      expect(await browser.quiet(followers)).toBeLessThan(9_000);
      await browser.world.until(() => followers.every(({ waiting }) => waiting === 0), 1_000);
      const starts = new Set(browser.disk.log.map(({ term }) => term));
      expect(starts.size).toBeLessThanOrEqual(2);
      const { term } = browser.disk.log.at(-1) as { term: number };
      expect(term).toBe(2);
      leader.thaw();
      await browser.quiet(undefined, 3_000);
      expect(leader.state.type).toBe("following");
      await browser.world.until(() => leader.waiting === 0, 1_000);
      expect(browser.disk.log.filter(({ tab }) => tab === leader.id)).toHaveLength(1);
      await browser.closeAll();
    }
  });

  test("one that wakes up as its robber dies leads again, once, and nobody robs it", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(2, { stopMs: () => 100 });
      await browser.quiet();
      const { leader, followers } = browser;
      const [robber] = followers as [SimulatedTab];
      for (let i = 0; i < 5; i++) leader.write();
      await browser.world.pass(browser.world.random.int(4));
      leader.freeze();
      await browser.world.until(() => robber.state.type === "leading");
      await browser.world.pass(3_000);
      robber.kill();
      await browser.world.pass(100);
      leader.thaw();
      await browser.world.pass(30_000);
      leader.write();
      await browser.world.until(() => leader.waiting === 0);
      expect(browser.disk.log.at(-1)?.term).toBe(3);
      expect(leader.states).not.toContain("failed");
      await browser.closeAll();
    }
  });

  test("one that is busy for four seconds is not, nor one that takes a minute to start", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.open({ startMs: () => 60_000 });
      await browser.world.pass(500);
      browser.openMany(5);
      await browser.world.until(() => browser.isQuiet(), 70_000);
      const first = browser.leader;
      expect(first).toBe(browser.tabs[0]);
      first.freeze();
      await browser.world.pass(4_000);
      first.thaw();
      await browser.world.pass(10_000);
      expect(browser.leader).toBe(first);
    }
  });

  test("a tab that starts while the leader is frozen gets its turn", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      const first = browser.open();
      await browser.quiet();
      first.freeze();
      const late = browser.open();
      expect(await browser.quiet([late])).toBeLessThan(9_000);
      first.thaw();
      await browser.quiet();
      expect(browser.leader).toBe(late);
    }
  });

  test("a robber that dies, or freezes, in the middle of it holds up nobody for long", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      // Opening takes long enough to be caught at it.
      browser.openMany(5, { startMs: () => 300 });
      await browser.quiet();
      const { leader, followers } = browser;
      leader.freeze();
      const lock = leaderLockName("test");
      const robber = (): SimulatedTab | undefined =>
        followers.find(({ worker }) => worker === browser.world.browser.holderOf(lock));
      await browser.world.until(() => robber() !== undefined, 9_000);
      const caught = robber() as SimulatedTab;
      if (seed % 2 === 0) caught.kill();
      else caught.freeze();
      const rest = followers.filter((tab) => tab !== caught);
      expect(await browser.quiet(rest)).toBeLessThan(seed % 2 === 0 ? 9_000 : 16_000);
      caught.thaw();
      leader.thaw();
      await browser.quiet();
      await browser.closeAll();
    }
  });
});

describe("[TABS-8] whoever slept accuses nobody", () => {
  test("after the whole computer slept, or its clock jumped, the leader is the same", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      for (let i = 0; i < 5; i++) browser.open({ skewMs: i * 3_600_000 });
      await browser.quiet();
      const first = browser.leader;
      await browser.world.sleep(3_600_000);
      await browser.world.pass(10_000);
      for (const jump of [86_400_000, -2 * 86_400_000]) {
        browser.world.jumpedMs += jump;
        await browser.world.pass(10_000);
      }
      expect(browser.leader).toBe(first);
      expect(browser.isQuiet()).toBe(true);
    }
  });

  test("tabs whose clocks differ by hours agree on who leads, whoever is robbed", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      for (let i = 0; i < 5; i++) browser.open({ skewMs: (i * 7 - 14) * 3_600_000 });
      await browser.quiet();
      for (let round = 0; round < 3; round++) {
        const { leader, followers } = browser;
        leader.freeze();
        await browser.quiet(followers, 10_000);
        leader.thaw();
        await browser.quiet(undefined, 3_000);
      }
    }
  });
});

describe("[TABS-9] a hidden leader hands over", () => {
  test("to a tab that is seen, when it is idle, in milliseconds, and not before ten seconds", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      let isIdle = false;
      browser.openMany(6, { isIdle: () => isIdle, visible: false });
      await browser.quiet();
      const { leader, followers } = browser;
      const seen = browser.world.random.pick(followers);
      leader.setVisible(true);
      await browser.world.pass(15_000);
      seen.setVisible(true);
      leader.setVisible(false);
      await browser.world.pass(20_000);
      expect(browser.leader).toBe(leader);
      leader.setVisible(true);
      await browser.world.pass(5_000);
      isIdle = true;
      leader.setVisible(false);
      await browser.world.pass(8_500);
      expect(browser.leader).toBe(leader);
      await browser.world.until(() => leader.state.type !== "leading", 4_000);
      expect(await browser.quiet()).toBeLessThan(500);
      expect(browser.leader).toBe(seen);
      await browser.closeAll();
    }
  });

  test("and when the heir is gone by then, to anybody", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(5, { visible: false });
      await browser.quiet();
      const { leader, followers } = browser;
      const seen = browser.world.random.pick(followers);
      seen.setVisible(true);
      await browser.world.until(() => leader.state.type !== "leading", 15_000);
      seen.kill();
      await browser.quiet(undefined, 1_000);
    }
  });
});

describe("[TABS-10] a tab that is suspended", () => {
  test("leads no more in a moment, and follows when it comes back", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(4);
      await browser.quiet();
      const { leader, followers } = browser;
      for (const tab of browser.tabs) tab.write();
      leader.suspend();
      await browser.world.pass(5);
      leader.freeze();
      // Where the browser gave it no time to let go, it counts as frozen.
      expect(await browser.quiet(followers)).toBeLessThan(9_000);
      leader.thaw();
      leader.resume();
      await browser.quiet(undefined, 3_000);
      expect(leader.state.type).toBe("following");
      await browser.world.until(() => browser.tabs.every(({ waiting }) => waiting === 0), 1_000);
      await browser.closeAll();
    }
  });

  test("leads again in peace when it is back before its engine has stopped, or started", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      const isStarted = seed % 2 === 0;
      const tab = browser.open({ startMs: () => (isStarted ? 20 : 3_000), stopMs: () => 100 });
      if (isStarted) await browser.quiet();
      else await browser.world.pass(1_000);
      for (let i = 0; i < 5; i++) tab.write();
      await browser.world.pass(browser.world.random.int(4));
      tab.suspend();
      tab.resume();
      await browser.world.pass(30_000);
      tab.write();
      await browser.world.until(() => tab.waiting === 0);
      expect(browser.disk.log.at(-1)?.term).toBe(isStarted ? 2 : 1);
      expect(tab.states).not.toContain("failed");
      await browser.closeAll();
    }
  });

  test("is not resumed twice", async () => {
    const browser = new Browser(1);
    const tab = browser.open();
    await browser.quiet();
    const { locksInUse } = browser.world.browser;
    for (let i = 0; i < 3; i++) tab.candidate.resume();
    await browser.world.pass(1_000);
    expect(browser.world.browser.locksInUse).toEqual(locksInUse);
    await browser.closeAll();
  });

  test("leads in peace when the leader ends as it comes back", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(2);
      await browser.quiet();
      const { leader, followers } = browser;
      const [tab] = followers as [SimulatedTab];
      tab.suspend();
      await browser.world.pass(100);
      tab.resume();
      leader.setVisible(false);
      await browser.world.pass(browser.world.random.int(12));
      leader.kill();
      await browser.world.pass(30_000);
      tab.write();
      await browser.world.until(() => tab.waiting === 0);
      expect(browser.disk.log.at(-1)?.term).toBe(2);
      await browser.closeAll();
    }
  });

  test("while it is away holds no lock and hears nothing", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      const [first, second] = [browser.open(), browser.open()];
      await browser.quiet();
      first.suspend();
      second.suspend();
      await browser.world.pass(1_000);
      expect(browser.world.browser.locksInUse).toEqual([]);
      expect([first.state.type, second.state.type]).toEqual(["waiting", "waiting"]);
      second.resume();
      await browser.quiet([second], 1_000);
      first.resume();
      await browser.quiet(undefined, 1_000);
      first.resume();
      await browser.closeAll();
    }
  });
});

describe("[TABS-11] builds", () => {
  const older = { version: "0.0.9", tabs: 0 };
  const newer = { version: "2.0.0", tabs: 2 };

  test("that work together follow each other, whatever their version", async () => {
    const browser = new Browser(1);
    browser.open();
    browser.open({ build: { version: "0.1.1", tabs: 1 } });
    await browser.quiet();
  });

  test("the newer waits until no older leads, the older are told, and are outdated when it does", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(2, { build: older });
      await browser.quiet();
      const late = browser.open();
      await browser.world.pass(1_000);
      expect(late.state).toEqual({ type: "blocked", build: older });
      for (const tab of browser.tabs.slice(0, 2)) expect(tab.state).toMatchObject({ newer: { tabs: 1 } });
      // Whoever comes later is told as well.
      const third = browser.open({ build: older });
      await browser.world.pass(1_000);
      expect(third.state).toMatchObject({ type: "following", newer: { tabs: 1 } });
      browser.leader.kill();
      await browser.world.pass(1_000);
      browser.leader.kill();
      await browser.world.pass(1_000);
      expect(late.state.type).toBe("leading");
      expect(third.state).toEqual({ type: "outdated", build: { version: "0.1.0", tabs: 1 } });
      late.kill();
      await browser.world.pass(10_000);
      expect(third.state.type).toBe("outdated");
      expect(browser.world.browser.holderOf(leaderLockName("test"))).toBeUndefined();
    }
  });

  test("a leader that nobody sees does not hand over to a newer one that is seen", async () => {
    const browser = new Browser(1);
    const leader = browser.open({ build: older, visible: false });
    await browser.quiet();
    const late = browser.open();
    await browser.world.pass(60_000);
    expect([leader.state.type, late.state.type]).toEqual(["leading", "blocked"]);
  });

  test("a tab that is older than the leader never leads, though that is frozen", async () => {
    const browser = new Browser(1);
    const leader = browser.open({ build: newer });
    await browser.quiet();
    const late = browser.open();
    await browser.world.pass(1_000);
    expect(late.state).toEqual({ type: "outdated", build: newer });
    leader.freeze();
    await browser.world.pass(20_000);
    expect(late.state.type).toBe("outdated");
    late.setVisible(false);
    late.suspend();
    late.resume();
    await browser.world.pass(1_000);
    expect(late.state.type).toBe("outdated");
  });
});

describe("[TABS-12] a page is served", () => {
  test("by the leader that it means, not by a later one", async () => {
    const browser = new Browser(1);
    browser.openMany(2);
    await browser.quiet();
    const { leader, followers } = browser;
    const before = [followers[0]?.id];
    const late = browser.world.realm("late");
    await browser.world.settle(late.locks.request(tabLockName("test", "f".repeat(32))));
    const stranger = late.channels.open(tabsChannelName("test"));
    stranger.post({ type: "attach", lead: "e".repeat(32), tab: "f".repeat(32) });
    stranger.post({ type: "detach", lead: "e".repeat(32), tab: before[0] });
    await browser.world.pass(1_000);
    expect(leader.engine?.attached).toEqual(before);
  });

  test("until it dies, leaves for a while, or says that it goes", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(5);
      await browser.quiet();
      const { leader, followers } = browser;
      const [dying, leaving, closing, staying] = followers as [SimulatedTab, SimulatedTab, SimulatedTab, SimulatedTab];
      const attached = (): number => leader.engine?.attached.length ?? 0;
      expect(attached()).toBe(4);
      dying.page.kill();
      await browser.world.until(() => attached() === 3, 1_000);
      leaving.suspend();
      await browser.world.until(() => attached() === 2, 1_000);
      closing.candidate.detach();
      await browser.world.until(() => attached() === 1, 1_000);
      leaving.resume();
      await browser.world.until(() => attached() === 2 && leaving.isServed, 1_000);
      expect(leader.engine?.attached).toEqual([staying.id, leaving.id]);
    }
  });
});

describe("[TABS-18] what a leader carries", () => {
  test("goes on with the next one, and the one after that", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      browser.openMany(4);
      await browser.quiet();
      expect(browser.leader.carried).toEqual({ online: true, settings: {} });
      const carry = { online: false, settings: { peersMax: seed } };
      browser.leader.candidate.carry(carry);
      await browser.world.pass(100);
      for (let round = 0; round < 3; round++) {
        browser.leader.kill();
        await browser.quiet();
        expect(browser.leader.carried).toEqual(carry);
      }
    }
  });
});

describe("[TABS-14] an engine that does not start", () => {
  test("is told, gives others their turn, and is tried again", async () => {
    for (const seed of seeds) {
      const browser = new Browser(seed);
      let fails = true;
      const first = browser.open({ fails: () => fails });
      await browser.world.pass(1_000);
      expect(first.state).toMatchObject({ type: "failed", error: { code: "INTERNAL" } });
      const second = browser.open();
      await browser.quiet(undefined, 5_000);
      expect(browser.leader).toBe(second);
      second.kill();
      await browser.world.pass(1_000);
      expect(first.state.type).toBe("failed");
      fails = false;
      await browser.quiet([first], 70_000);
    }
  });

  test("where tabs cannot hear each other a second one fails with INSTANCE_IN_USE, and has its turn later", async () => {
    const browser = new Browser(1);
    const first = browser.open({ isDeaf: true });
    await browser.quiet();
    const second = browser.open({ isDeaf: true });
    await browser.world.pass(30_000);
    expect(second.state).toMatchObject({ type: "failed", error: { code: "INSTANCE_IN_USE" } });
    expect(first.state.type).toBe("leading");
    first.kill();
    await browser.quiet(undefined, 70_000);
    await browser.closeAll();
  });
});

test("[TABS-20] where tabs cannot hear each other one that lost the lead fails, is told once, and leads again when the other is gone", async () => {
  const browser = new Browser(1);
  const { world } = browser;
  const first = browser.open({ isDeaf: true });
  await browser.quiet();
  const lock = leaderLockName("test");
  const release = await world.settle(world.realm("other").locks.request(lock, { steal: true }));
  await world.pass(300_000);
  await world.settle(first.candidate.suspend());
  first.candidate.resume();
  await world.pass(10_000);
  expect(first.state).toMatchObject({ type: "failed", error: { code: "INSTANCE_IN_USE" } });
  const { states } = first;
  expect(states.slice(states.indexOf("failed"))).toEqual(["failed", "waiting", "failed"]);
  release?.();
  first.write();
  await world.until(() => first.waiting === 0, 70_000);
  expect(first.state.type).toBe("leading");
  await browser.closeAll();
});

test("[TABS-20] one that was fenced off leads again at once when nobody has the lock", async () => {
  const browser = new Browser(1);
  const { world, disk } = browser;
  const first = browser.open({ isDeaf: true });
  await browser.quiet();
  await world.settle(disk.claim(world.realm("other")));
  first.write();
  await world.until(() => first.waiting === 0, 1_000);
  expect(disk.log.map(({ term }) => term)).toEqual([3]);
  expect(first.states).not.toContain("failed");
  await browser.closeAll();
});

test("[TABS-19] a tab that is refused fails, and asks again after a minute or as soon as another one leads", async () => {
  const browser = new Browser(1);
  browser.openMany(3);
  await browser.quiet();
  const { leader, world } = browser;
  const [refused, next] = browser.followers as [SimulatedTab, SimulatedTab];
  const channel = world.realm("leader").channels.open(tabsChannelName("test"));
  const lead = (leader.state as { readonly lead: string }).lead;
  channel.post({ type: "refuse", lead: "another", tab: refused.id });
  await world.pass(100);
  expect(refused.state.type).toBe("following");
  channel.post({ type: "refuse", lead, tab: refused.id });
  await world.pass(50_000);
  expect(refused.state).toMatchObject({ type: "failed", error: { code: "INSTANCE_IN_USE" } });
  expect(next.state.type).toBe("following");
  refused.write();
  await world.until(() => refused.waiting === 0, 20_000);
  expect(refused.state.type).toBe("following");
  channel.post({ type: "refuse", lead, tab: refused.id });
  await world.pass(1_000);
  expect(refused.state.type).toBe("failed");
  leader.kill();
  await browser.quiet(undefined, 2_000);
  channel.close();
  await browser.closeAll();
});

test("[TABS-19] a leader with too many pages says so to the next, and serves it when others have gone", async () => {
  const browser = new Browser(1);
  const leader = browser.open();
  await browser.quiet();
  const { world } = browser;
  const others = world.realm("others");
  const channel = others.channels.open(tabsChannelName("test"));
  const { lead } = leader.state as { readonly lead: string };
  for (let i = 0; i < tabsMax; i++) {
    void others.locks.request(tabLockName("test", `t${i}`));
    channel.post({ type: "attach", lead, tab: `t${i}` });
  }
  await world.pass(1_000);
  const next = browser.open();
  await world.pass(10_000);
  expect(next.state).toMatchObject({ type: "failed", error: { code: "INSTANCE_IN_USE" } });
  others.kill();
  next.write();
  await world.until(() => next.waiting === 0, 70_000);
  expect(next.state.type).toBe("following");
  await browser.closeAll();
});
