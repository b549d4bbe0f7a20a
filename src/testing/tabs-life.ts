/** Random lives of the tabs of one browser: what happens is drawn from a seed, and what must be so is checked in the end. */

import type { Locks } from "../ports/tabs.ts";
import { AskedLocks } from "../tabs/asked-lock.ts";
import { thisBuild } from "../tabs/build.ts";
import { leaderLockName } from "../tabs/names.ts";
import { CounterDisk } from "./tabs-counter.ts";
import { SimulatedTab } from "./tabs-tab.ts";
import { type Realm, TabsWorld } from "./tabs-world.ts";

export interface TabsLifeResult {
  readonly seed: number;
  /** Everything that was not as it should be; empty when the life went well. */
  readonly problems: readonly string[];
  /** How often what happened. */
  readonly tally: ReadonlyMap<string, number>;
}

const tabsAtOnceMax = 8;
/** Longer than the longest back-off of an engine that did not start. */
const quietMsMax = 120_000;
/** Far above what peace needs, and far below what two who contradict each other would say. */
const wordsPerSecondMax = 20;
const wordsBurst = 600;
/** Asking for locks takes more words: of each who waits, every time that one is asked for. */
const wordsOfLocks = 3;

/** Lives one life of this many actions. Never rejects because of what happens in it. */
export async function liveTabs(seed: number, actions = 30): Promise<TabsLifeResult> {
  const life = new TabsLife(seed);
  try {
    await life.run(actions);
  } catch (error) {
    life.problems.push(String(error));
  }
  return { seed, problems: life.problems, tally: life.tally };
}

class TabsLife {
  readonly problems: string[] = [];
  readonly tally: Map<string, number> = new Map();
  readonly #world: TabsWorld;
  readonly #disk: CounterDisk;
  readonly #tabs: SimulatedTab[] = [];
  readonly #hasBuilds: boolean;
  /** Of realms without Web Locks. */
  readonly #asked = new Map<Realm, AskedLocks>();
  readonly #isAsked: boolean;
  #fails = false;
  #isIdle = true;

  constructor(seed: number) {
    this.#world = new TabsWorld(seed);
    this.#disk = new CounterDisk(this.#world);
    this.#hasBuilds = this.#world.random.chance(0.2);
    this.#isAsked = this.#world.random.chance(0.15);
  }

  async run(actions: number): Promise<void> {
    const { random } = this.#world;
    const first = 1 + random.int(6);
    if (this.#isAsked) this.#count("without Web Locks");
    for (let i = 0; i < first; i++) this.#open();
    for (let i = 0; i < actions; i++) {
      await this.#world.pass(random.chance(0.1) ? random.int(15_000) : random.int(random.chance(0.5) ? 50 : 3_000));
      await this.#act();
    }
    await this.#comeToRest();
    this.#checkWrites();
    await this.#end();
  }

  get #alive(): readonly SimulatedTab[] {
    return this.#tabs.filter(({ isAlive }) => isAlive);
  }

  async #act(): Promise<void> {
    const { random } = this.#world;
    const [name, action] = random.pick(this.#actions());
    const tab = this.#alive.length > 0 ? random.pick(this.#alive) : this.#open();
    const isLeader = this.#world.browser.holderOf(leaderLockName("test")) === tab.worker;
    this.#count(isLeader ? `${name} the leader` : name);
    await action(tab);
  }

  #actions(): readonly (readonly [string, (tab: SimulatedTab) => void | Promise<void>])[] {
    const { random } = this.#world;
    const write = (tab: SimulatedTab): void => {
      for (let i = random.int(4); i >= 0; i--) tab.write();
    };
    return [
      ["open", () => void this.#open()],
      ["open", () => void this.#open()],
      ["write", write],
      ["write", () => this.#each(write)],
      ["kill", (tab) => tab.kill()],
      ["close", (tab) => this.#close(tab)],
      ["freeze", (tab) => tab.freeze()],
      ["freeze", (tab) => tab.freeze()],
      ["thaw", () => this.#each((tab) => tab.thaw())],
      ["thaw", (tab) => tab.thaw()],
      ["suspend", (tab) => tab.suspend()],
      ["resume", (tab) => tab.resume()],
      ["show", (tab) => tab.setVisible(true)],
      ["hide", (tab) => tab.setVisible(false)],
      ["idle", () => this.#set({ isIdle: random.chance(0.7) })],
      ["fail", () => this.#set({ fails: random.chance(0.3) })],
      ["sleep", () => this.#world.sleep(random.int(3_600_000))],
      ["jump", () => this.#jump(random.int(100_000) - 50_000)],
      ["steal", () => this.#steal()],
    ];
  }

  #each(action: (tab: SimulatedTab) => void): void {
    for (const tab of this.#alive) action(tab);
  }

  #set({ isIdle = this.#isIdle, fails = this.#fails }): void {
    this.#isIdle = isIdle;
    this.#fails = fails;
  }

  #jump(ms: number): void {
    this.#world.jumpedMs += ms;
  }

  #open(): SimulatedTab {
    const { random } = this.#world;
    if (this.#alive.length >= tabsAtOnceMax) return random.pick(this.#alive);
    const tab = new SimulatedTab({
      world: this.#world,
      disk: this.#disk,
      number: this.#tabs.length,
      build: this.#hasBuilds && random.chance(0.3) ? { version: "9.0.0", tabs: 9 } : thisBuild,
      skewMs: random.int(3) * 1_000,
      visible: random.chance(0.5),
      startMs: () => (random.chance(0.1) ? random.int(20_000) : random.int(100)),
      stopMs: () => (random.chance(0.5) ? random.int(100) : 0),
      fails: () => this.#fails && random.chance(0.7),
      isIdle: () => this.#isIdle,
      locks: (realm) => this.#locksOf(realm),
    });
    this.#tabs.push(tab);
    return tab;
  }

  #locksOf(realm: Realm): Locks {
    if (!this.#isAsked) return realm.locks;
    const { channels, clock } = realm;
    const asked =
      this.#asked.get(realm) ?? new AskedLocks({ name: "test", channels, clock, random: this.#world.random.fork() });
    this.#asked.set(realm, asked);
    return asked;
  }

  /** As a user does who closes a tab: whatever was asked of it, it is gone soon. */
  async #close(tab: SimulatedTab): Promise<void> {
    void tab.close();
    await this.#world.pass(this.#world.random.int(30));
    tab.kill();
  }

  /** Some script of the same origin takes the lock for a moment. */
  async #steal(): Promise<void> {
    const thief = this.#world.realm(`thief ${this.#world.random.int(1e9)}`);
    const release = await this.#world.settle(this.#locksOf(thief).request(leaderLockName("test"), { steal: true }));
    await this.#world.pass(this.#world.random.int(50));
    release?.();
  }

  async #comeToRest(): Promise<void> {
    this.#fails = false;
    for (const tab of this.#alive) {
      tab.thaw();
      tab.resume();
      tab.write();
    }
    const before = this.#world.clock.now();
    try {
      await this.#world.until(() => this.#isAtRest(), quietMsMax);
    } catch {
      const states = this.#alive.map(({ state, isServed, waiting }) => `${state.type} ${isServed} ${waiting}`);
      this.problems.push(`no rest: ${states.join(", ")}`);
    }
    this.#count("rested after ms", this.#world.clock.now() - before);
    this.#checkWords();
  }

  /** One leads, and every other tab is where its build belongs; everything that was asked is answered. */
  #isAtRest(): boolean {
    const able = this.#alive.filter(({ state }) => state.type !== "outdated");
    const leaders = able.filter(({ state }) => state.type === "leading");
    const [leader] = leaders;
    if (able.length === 0) return true;
    if (leader === undefined || leaders.length > 1) return false;
    return able.every(({ state, build, isServed, waiting }) => {
      if (build.tabs !== leader.build.tabs) return state.type === "blocked" && build.tabs > leader.build.tabs;
      const isWithLeader = "lead" in state && "lead" in leader.state && state.lead === leader.state.lead;
      return isWithLeader && isServed && waiting === 0;
    });
  }

  #checkWrites(): void {
    const { log, fenced } = this.#disk;
    this.#count("written", log.length);
    this.#count("fenced", fenced);
    this.#count("terms", new Set(log.map(({ term }) => term)).size);
    const keys = log.map(({ tab, number }) => `${tab} ${number}`);
    const written = new Set(keys);
    if (written.size !== keys.length) this.problems.push("something was written twice");
    if (log.some(({ term }, i) => term < (log[i - 1]?.term ?? 0))) this.problems.push("two leaders wrote by turns");
    for (const tab of this.#tabs) {
      for (const [number, times] of tab.answered) {
        if (!written.has(`${tab.id} ${number}`)) this.problems.push("something was answered that was not written");
        if (times !== 1) this.problems.push(`answered ${times} times`);
      }
    }
  }

  #checkWords(): void {
    const words = [...this.#world.browser.posted.values()].reduce((sum, count) => sum + count, 0);
    const seconds = (this.#world.clock.now() - this.#world.startedAt) / 1_000;
    const share = this.#isAsked ? wordsOfLocks : 1;
    if (words > share * (wordsPerSecondMax * seconds + wordsBurst))
      this.problems.push(`${words} words in ${seconds} s`);
  }

  async #end(): Promise<void> {
    await this.#world.settle(Promise.all(this.#alive.map((tab) => tab.close())));
    for (const asked of this.#asked.values()) asked.close();
    await this.#world.pass(1_000);
    const { locksInUse, channelsInUse } = this.#world.browser;
    if (locksInUse.length > 0) this.problems.push(`locks are left: ${locksInUse.join(", ")}`);
    if (channelsInUse.length > 0) this.problems.push(`channels are left: ${channelsInUse.join(", ")}`);
  }

  #count(what: string, times = 1): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + times);
  }
}
