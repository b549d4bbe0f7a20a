import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { TabChannel } from "../ports/tabs.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { LocksByHand } from "../testing/locks-by-hand.ts";
import { turn } from "../testing/turn.ts";
import { Leadership } from "./leadership.ts";
import type { LeadFacts, TabFacts, TabMessage } from "./messages.ts";
import type { Leading, LeadStart } from "./tab-state.ts";

const build = { version: "1.0.0", tabs: 1 };
const own: TabFacts = { tab: "own", build, visible: false };
const other: TabFacts = { tab: "other", build, visible: true };
const carry = { online: true, settings: {} };
const failure = new TidemarkError("STORAGE_QUOTA", { reason: "as it was told" });
const anotherLead: LeadFacts = { ...other, lead: "another", state: "ready", since: 50, carry };

/** A leadership whose engine does what the test says, when it says so. */
class Scene {
  readonly clock = new SimulatedClock();
  readonly locks = new LocksByHand();
  /** What happened, in order. */
  readonly #log: string[] = [];
  readonly messages: TabMessage[] = [];
  readonly served: string[] = [];
  readonly openChannels: string[] = [];
  readonly leadership: Leadership;
  isIdle = true;
  isTied = false;
  start: LeadStart | undefined;
  started: (leading: Leading) => void = () => {};
  failStarting: (error: unknown) => void = () => {};
  stopped: () => void = () => {};
  failStopping: (error: unknown) => void = () => {};
  isOver = false;

  constructor() {
    const leadership: Leadership = new Leadership({
      ...{ name: "test", id: "lead", self: own, since: 100, carry, locks: this.locks, clock: this.clock },
      channels: { open: (name) => this.#open(name) },
      lead: (start) => {
        this.start = start;
        return new Promise((resolve, reject) => {
          [this.started, this.failStarting] = [resolve, reject];
        });
      },
      post: (message) => {
        this.messages.push(message);
        const state = message.type === "lead" ? ` ${message.state}` : "";
        this.#log.push(`${message.type}${state}${message.type === "give" ? ` ${message.tab}` : ""}`);
      },
      release: () => void this.#log.push("release"),
      changed: () =>
        void this.#log.push(`changed: ${leadership.isReady ? "ready" : leadership.isEnding ? "ending" : ""}`),
    });
    this.leadership = leadership;
    void leadership.over.then(() => {
      this.isOver = true;
    });
  }

  static async ready(): Promise<Scene> {
    const scene = new Scene();
    await scene.begin();
    scene.log();
    return scene;
  }

  async begin(): Promise<void> {
    this.started({
      attach: (tab) => void this.served.push(tab),
      detach: (tab) => void this.served.splice(this.served.indexOf(tab), 1),
      isIdle: () => this.isIdle,
      isTied: () => this.isTied,
      stop: (reason) => {
        this.#log.push(`stop: ${reason}`);
        return new Promise((resolve, reject) => {
          [this.stopped, this.failStopping] = [resolve, reject];
        });
      },
    });
    await turn();
  }

  /** Since it was asked for last. */
  log(): readonly string[] {
    return this.#log.splice(0);
  }

  /** Second by second, as beats that take turns do. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.advance(Math.min(left, 100));
      await turn();
    }
  }

  #open(name: string): TabChannel {
    this.openChannels.push(name);
    return {
      post: () => {},
      listen: () => {},
      close: () => void this.openChannels.splice(this.openChannels.indexOf(name), 1),
    };
  }
}

describe("[TABS-5] a leader", () => {
  test("says so at once, when it is ready, and to whoever seeks it, not to who is only here", async () => {
    const scene = new Scene();
    expect([scene.log(), scene.leadership.isReady]).toEqual([["lead starting"], false]);
    expect(scene.start).toMatchObject({ id: "lead", carry });
    scene.leadership.hear({ type: "seek", ...other });
    expect(scene.log()).toEqual(["lead starting"]);
    await scene.begin();
    expect(scene.log()).toEqual(["lead ready", "changed: ready"]);
    scene.leadership.hear({ type: "here", ...other });
    scene.leadership.hear({ type: "refuse", lead: "lead", tab: "other" });
    expect(scene.log()).toEqual([]);
    scene.leadership.hear({ type: "seek", ...other });
    expect(scene.log()).toEqual(["lead ready"]);
    expect(scene.messages.at(-1)).toEqual({ type: "lead", ...own, lead: "lead", state: "ready", since: 100, carry });
  });

  test("says so every second while others are known, whether they seek it or are only here", async () => {
    for (const type of ["seek", "here"] as const) {
      const scene = await Scene.ready();
      await scene.pass(5_000);
      expect(scene.log()).toEqual([]);
      scene.leadership.hear({ type, ...other });
      scene.log();
      await scene.pass(900);
      expect(scene.log()).toEqual([]);
      await scene.pass(2_100);
      expect(scene.log()).toEqual(["lead ready", "lead ready", "lead ready"]);
      await scene.locks.at(0).give();
      await scene.pass(5_000);
      expect([scene.log(), scene.clock.nextAt]).toEqual([[], undefined]);
    }
  });

  test("is later than any other that it hears of", async () => {
    const scene = await Scene.ready();
    for (const [since, next] of [
      [50, 100],
      [100, 101],
      [500, 501],
      [400, 501],
    ] as const) {
      scene.leadership.hear({ type: "lead", ...anotherLead, since });
      scene.leadership.hear({ type: "seek", ...other });
      expect(scene.messages.at(-1)).toMatchObject({ type: "lead", since: next });
    }
  });

  test("says what the next is to go on with, unless it is ending", async () => {
    const scene = await Scene.ready();
    const changed = { online: false, settings: {} };
    scene.leadership.setCarry(changed);
    expect(scene.messages.at(-1)).toMatchObject({ type: "lead", carry: changed });
    void scene.leadership.end("resigned");
    await turn();
    scene.log();
    scene.leadership.setCarry(carry);
    expect(scene.log()).toEqual([]);
  });
});

test("[TABS-12] a leader serves who means it, once it is ready and until it ends", async () => {
  const scene = new Scene();
  const { leadership } = scene;
  leadership.hear({ type: "attach", lead: "lead", tab: "early" });
  await scene.begin();
  leadership.hear({ type: "attach", lead: "another", tab: "other" });
  expect(scene.served).toEqual([]);
  leadership.hear({ type: "attach", lead: "lead", tab: "a" });
  leadership.hear({ type: "attach", lead: "lead", tab: "b" });
  leadership.hear({ type: "detach", lead: "another", tab: "a" });
  expect(scene.served).toEqual(["a", "b"]);
  leadership.hear({ type: "detach", lead: "lead", tab: "a" });
  expect([scene.served, scene.openChannels.length]).toEqual([["b"], 1]);
  void leadership.end("resigned");
  leadership.hear({ type: "attach", lead: "lead", tab: "late" });
  leadership.hear({ type: "detach", lead: "lead", tab: "b" });
  leadership.hear({ type: "seek", ...other });
  await turn();
  expect([scene.served, scene.openChannels.length]).toEqual([["b"], 1]);
  scene.stopped();
  await turn();
  expect([scene.served, scene.openChannels.length, scene.isOver]).toEqual([["b"], 0, true]);
  expect(scene.log()).toEqual([
    "lead starting",
    "lead ready",
    "changed: ready",
    "resign",
    "changed: ending",
    "stop: resigned",
    "release",
  ]);
});

describe("[TABS-9] a leader that is hidden", () => {
  async function known(facts: Partial<TabFacts> = {}): Promise<Scene> {
    const scene = await Scene.ready();
    scene.leadership.hear({ type: "here", ...other, ...facts });
    return scene;
  }

  test("gives the lead to a tab that is seen after ten seconds, and the lock when that takes it, or half a second later", async () => {
    for (const isTaken of [true, false]) {
      const scene = await known();
      await scene.pass(9_900);
      expect(scene.log()).toEqual(Array(9).fill("lead ready"));
      await scene.pass(100);
      expect(scene.log()).toEqual(["lead ready", "resign", "changed: ending", "stop: resigned"]);
      scene.stopped();
      await turn();
      expect(scene.log()).toEqual(["give other"]);
      await scene.pass(400);
      if (isTaken) scene.leadership.lost();
      else await scene.pass(100);
      await turn();
      expect([scene.log(), scene.isOver, scene.leadership.failure]).toEqual([["release"], true, undefined]);
    }
  });

  test("keeps it while it is seen, busy, alone among hidden ones, or with others' builds; and counts anew when it was seen", async () => {
    const [seen, busy] = [await known(), await known()];
    const hidden = await known({ visible: false });
    const newer = await known({ build: { ...build, tabs: 2 } });
    seen.leadership.setVisible(true);
    busy.isIdle = false;
    for (const scene of [seen, busy, hidden, newer]) {
      await scene.pass(30_000);
      expect(scene.leadership.isEnding).toBe(false);
    }
    seen.leadership.setVisible(false);
    await seen.pass(9_000);
    seen.leadership.setVisible(true);
    seen.leadership.setVisible(false);
    await seen.pass(9_000);
    expect(seen.leadership.isEnding).toBe(false);
    await seen.pass(1_000);
    expect(seen.leadership.isEnding).toBe(true);
    busy.isIdle = true;
    await busy.pass(1_000);
    expect(busy.leadership.isEnding).toBe(true);
  });
});

describe("[TABS-10] a leader that resigns", () => {
  test("lets its engine finish, says nothing meanwhile, and then lets the lock go", async () => {
    const scene = await Scene.ready();
    scene.leadership.hear({ type: "here", ...other });
    const ended = scene.leadership.end("resigned");
    void scene.leadership.end("lost");
    expect([scene.leadership.isReady, scene.leadership.isEnding]).toEqual([false, true]);
    expect(scene.locks.at(0).options.signal?.aborted).toBe(true);
    await scene.pass(2_000);
    expect(scene.log()).toEqual(["resign", "changed: ending", "stop: resigned"]);
    expect(scene.start?.signal.aborted).toBe(false);
    scene.stopped();
    await ended;
    await turn();
    expect([scene.log(), scene.isOver, scene.clock.nextAt]).toEqual([["release"], true, undefined]);
  });

  test("lets the lock go at once when its engine fails to stop", async () => {
    const scene = await Scene.ready();
    void scene.leadership.end("resigned");
    await turn();
    scene.failStopping(failure);
    await turn();
    expect([scene.log().at(-1), scene.isOver, scene.clock.nextAt]).toEqual(["release", true, undefined]);
  });

  test("lets the lock go after three seconds, or as soon as it was told, whatever its engine does", async () => {
    for (const timeoutMs of [undefined, 200]) {
      const scene = await Scene.ready();
      void scene.leadership.end("resigned", timeoutMs === undefined ? {} : { timeoutMs });
      await turn();
      await scene.pass((timeoutMs ?? 3_000) - 100);
      expect([scene.log().includes("release"), scene.start?.signal.aborted]).toEqual([false, false]);
      await scene.pass(100);
      expect([scene.log(), scene.start?.signal.aborted]).toEqual([["release"], true]);
    }
  });

  test("as it starts stops its engine when that has started, leads nobody, and is over then", async () => {
    const scene = new Scene();
    void scene.leadership.end("resigned");
    await scene.pass(4_000);
    expect(scene.log()).toEqual(["lead starting", "resign", "changed: ending", "release"]);
    expect([scene.start?.signal.aborted, scene.isOver]).toEqual([true, false]);
    await scene.begin();
    expect([scene.log(), scene.isOver]).toEqual([["stop: resigned"], true]);
    expect(scene.leadership.failure).toBeUndefined();
  });
});

describe("[TABS-10] a leader that lost its lock", () => {
  test("lets go at once, and tells its engine, which writes nothing more", async () => {
    const scene = await Scene.ready();
    scene.leadership.lost();
    expect([scene.log(), scene.start?.signal.aborted]).toEqual([["resign", "release"], true]);
    await turn();
    expect(scene.log()).toEqual(["changed: ending", "stop: lost"]);
    scene.leadership.lost(failure);
    scene.stopped();
    await turn();
    expect([scene.isOver, scene.leadership.failure]).toEqual([true, undefined]);
  });

  test("for want of its storage says why", async () => {
    const scene = await Scene.ready();
    scene.leadership.lost(failure);
    await turn();
    scene.stopped();
    await turn();
    expect([scene.isOver, scene.leadership.failure]).toEqual([true, failure]);
  });
});

test("[TABS-14] a leader whose engine does not start says why, and lets the lock go", async () => {
  const scene = new Scene();
  scene.failStarting(failure);
  await turn();
  expect(scene.log()).toEqual(["lead starting", "resign", "changed: ending", "release"]);
  expect([scene.isOver, scene.leadership.failure]).toEqual([true, failure]);
});

test("[TABS-10] a leader is tied while it leads, if its engine is", async () => {
  const scene = new Scene();
  scene.isTied = true;
  expect(scene.leadership.isTied).toBe(false);
  await scene.begin();
  expect(scene.leadership.isTied).toBe(true);
  scene.isTied = false;
  expect(scene.leadership.isTied).toBe(false);
  scene.isTied = true;
  void scene.leadership.end("resigned");
  expect(scene.leadership.isTied).toBe(false);
});
