/** One candidate in the hands of a test. */
import { TidemarkError } from "../core/errors.ts";
import type { Build } from "../tabs/build.ts";
import { Candidate } from "../tabs/candidate.ts";
import type { Carry, TabFacts, TabMessage } from "../tabs/messages.ts";
import { candidateLockName, leaderLockName } from "../tabs/names.ts";
import type { Leading, LeadStart, TabState } from "../tabs/tab-state.ts";
import { SimulatedClock } from "./clock.ts";
import { type AskedLock, LocksByHand } from "./locks-by-hand.ts";
import { turn } from "./turn.ts";

export const build: Build = { version: "1.0.0", tabs: 1 };
export const newer: Build = { version: "2.0.0", tabs: 2 };
export const older: Build = { version: "0.1.0", tabs: 0 };
export const carry: Carry = { online: true, settings: {} };
export const changedCarry: Carry = { online: false, settings: {} };
export const failure: TidemarkError = new TidemarkError("STORAGE_QUOTA", { reason: "as it was told" });
export const other: TabFacts = { tab: "other", build, visible: true };

export interface StartedEngine {
  readonly start: LeadStart;
  /** Reasons of the calls of `stop`. */
  readonly stops: string[];
  begin(): Promise<void>;
  fail(error: unknown): Promise<void>;
}

/** One candidate, step by step: what it hears, and which locks it gets, is the test's. */
export class Scene {
  readonly clock: SimulatedClock = new SimulatedClock();
  readonly locks: LocksByHand = new LocksByHand();
  readonly states: TabState[] = [];
  readonly carried: Carry[] = [];
  readonly engines: StartedEngine[] = [];
  readonly candidate: Candidate;
  isTied = false;
  #messages: TabMessage[] = [];
  #listener: (message: unknown) => void = () => {};
  isClosed = false;

  constructor() {
    const channel = {
      post: (message: unknown) => void this.#messages.push(message as TabMessage),
      listen: (listener: (message: unknown) => void) => {
        this.#listener = listener;
      },
      close: () => {
        this.isClosed = true;
      },
    };
    this.candidate = new Candidate({
      ...{ name: "test", tab: "own", build, visible: true, carry, locks: this.locks, clock: this.clock },
      channels: { open: () => channel },
      // The least that it waits, and that a pause is.
      random: { bytes: (count) => new Uint8Array(count) },
      lead: (start) => this.#lead(start),
      carried: (now) => void this.carried.push(now),
      changed: (state) => void this.states.push(state),
    });
  }

  static async started(): Promise<Scene> {
    const scene = new Scene();
    scene.candidate.start();
    await turn();
    return scene;
  }

  /** It has shown that it is there, and asks for the lead. */
  static async waiting(): Promise<Scene> {
    const scene = await Scene.started();
    await scene.presence.give();
    scene.said();
    return scene;
  }

  static async leading(): Promise<Scene> {
    const scene = await Scene.waiting();
    await scene.lock.give();
    await scene.engine.begin();
    scene.said();
    return scene;
  }

  /** It failed five times before, and would wait longer the next time. */
  static async leadingAtLast(): Promise<Scene> {
    const scene = await Scene.waiting();
    for (let i = 0; i < 5; i++) {
      await scene.lock.give();
      await scene.engine.fail(failure);
      for (const { asks } = scene; scene.asks === asks; ) await scene.pass(100);
    }
    await scene.lock.give();
    await scene.engine.begin();
    return scene;
  }

  /** The leader's lock, as it was asked for last. */
  get lock(): AskedLock {
    return this.#last(leaderLockName("test"));
  }

  get presence(): AskedLock {
    return this.#last(candidateLockName("test", "own"));
  }

  /** How often the leader's lock was asked for. */
  get asks(): number {
    return this.locks.asked.filter(({ name }) => name === leaderLockName("test")).length;
  }

  get engine(): StartedEngine {
    return this.engines.at(-1) as StartedEngine;
  }

  get standing(): TabState["type"] {
    return this.candidate.state.type;
  }

  hear(message: TabMessage): void {
    this.#listener(message);
  }

  hearLead(changes: Partial<Extract<TabMessage, { readonly type: "lead" }>> = {}): void {
    this.hear({ type: "lead", ...other, lead: "lead", state: "ready", since: 100, carry, ...changes });
  }

  /** Since it was asked for last. */
  said(): readonly string[] {
    return this.#messages.splice(0).map(({ type }) => type);
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.advance(Math.min(left, 100));
      await turn();
    }
  }

  #last(wanted: string): AskedLock {
    const asked = this.locks.asked.findLast(({ name }) => name === wanted);
    if (asked === undefined) throw new Error(`${wanted} was not asked for`);
    return asked;
  }

  #lead(start: LeadStart): Promise<Leading> {
    return new Promise((resolve, reject) => {
      const stops: string[] = [];
      const leading: Leading = {
        ...{ attach: () => {}, detach: () => {}, isIdle: () => false, isTied: () => this.isTied },
        stop: async (reason) => void stops.push(reason),
      };
      const settle = (end: () => void): Promise<void> => {
        end();
        return turn();
      };
      this.engines.push({
        ...{ start, stops },
        begin: () => settle(() => resolve(leading)),
        fail: (error) => settle(() => reject(error)),
      });
    });
  }
}
