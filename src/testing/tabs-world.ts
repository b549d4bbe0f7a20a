/**
 * One browser with several pages and workers in one thread, on the simulated clock: their locks, their channels, and what can happen
 * to them.
 *
 * What is on the way between two of them, or to the browser itself, arrives in order and after a random time; between different pairs
 * anything overtakes anything. Whatever a frozen one would get waits until it thaws; a dead one gets nothing, and lets go of its locks
 * a moment later.
 */
import { TidemarkError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Channels, LockOptions, Locks, TabChannel } from "../ports/tabs.ts";
import { SimulatedClock } from "./clock.ts";
import { SeededRandom } from "./random.ts";
import { turn } from "./turn.ts";

/** Milliseconds that something is on the way; once in fifty times it takes up to `slowMsMax`. */
const hopMsMax = 4;
const slowMsMax = 40;
/** Until the browser has noticed that somebody died. */
const deathNoticedMsMax = 50;

/** Something with a thread of its own: a page, or a worker. */
export class Realm {
  readonly name: string;
  readonly clock: Clock;
  readonly locks: Locks;
  readonly channels: Channels;
  readonly #world: TabsWorld;
  readonly #missed: (() => void)[] = [];
  readonly #atDeath: (() => void)[] = [];
  #state: "running" | "frozen" | "dead" = "running";

  /** Made by `TabsWorld.realm`. */
  constructor(world: TabsWorld, name: string, skewMs: number) {
    this.#world = world;
    this.name = name;
    this.clock = {
      now: () => world.clock.now() + skewMs + world.jumpedMs,
      after: (ms, action) => {
        let isCancelled = false;
        const cancel = world.clock.after(ms, () => this.run(() => (isCancelled ? undefined : action())));
        return () => {
          isCancelled = true;
          cancel();
        };
      },
    };
    this.locks = { request: (lock, options) => world.browser.request(this, lock, options ?? {}) };
    this.channels = { open: (channel) => world.browser.open(this, channel) };
  }

  get state(): "running" | "frozen" | "dead" {
    return this.#state;
  }

  /** Does it now, when it thaws, or never. */
  run(action: () => void): void {
    if (this.#state === "running") action();
    else if (this.#state === "frozen") this.#missed.push(action);
  }

  /** Resolves after a while of work, of which others notice nothing. */
  work(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }

  freeze(): void {
    if (this.#state === "running") this.#state = "frozen";
  }

  thaw(): void {
    if (this.#state !== "frozen") return;
    this.#state = "running";
    for (const action of this.#missed.splice(0)) this.run(action);
  }

  /** What others see of its death: done when it dies, by nobody of the realm. */
  atDeath(action: () => void): void {
    this.#atDeath.push(action);
  }

  /** Ends at once, whatever it was doing; what it had sent a moment before may be lost. */
  kill(): void {
    if (this.#state === "dead") return;
    this.#state = "dead";
    this.#missed.length = 0;
    this.#world.browser.bury(this);
    for (const action of this.#atDeath.splice(0)) action();
  }
}

export class TabsWorld {
  readonly clock: SimulatedClock;
  readonly random: SeededRandom;
  readonly browser: Browser;
  readonly startedAt: number;
  /** What the computer's clock shows beyond the time that has passed. */
  jumpedMs = 0;
  readonly #realms: Realm[] = [];

  /** @param clock of another computer beside it: then time passes for both */
  constructor(seed: number, clock: SimulatedClock = new SimulatedClock()) {
    this.clock = clock;
    this.random = new SeededRandom(seed);
    this.browser = new Browser(this);
    this.startedAt = clock.now();
  }

  /** @param skewMs by which its clock is ahead */
  realm(name: string, skewMs = 0): Realm {
    const realm = new Realm(this, name, skewMs);
    this.#realms.push(realm);
    return realm;
  }

  /** The whole computer sleeps: time passes, and nobody notices but by the clock. */
  async sleep(ms: number): Promise<void> {
    const awake = this.#realms.filter(({ state }) => state === "running");
    for (const realm of awake) realm.freeze();
    await this.pass(ms);
    for (const realm of awake) realm.thaw();
  }

  /** Lets time pass until it is so. Rejects after `ms` of it. */
  async until(condition: () => boolean, ms = 60_000): Promise<void> {
    const end = this.clock.now() + ms;
    for (;;) {
      await turn();
      if (condition()) return;
      if (this.clock.now() >= end) throw new Error(`not so after ${ms} ms of simulated time`);
      if ((this.clock.nextAt ?? Number.POSITIVE_INFINITY) > end) this.clock.advance(end - this.clock.now());
      else this.clock.runNext();
    }
  }

  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    await this.until(() => this.clock.now() >= end, ms);
  }

  async settle<T>(promise: Promise<T>, ms?: number): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await this.until(() => isSettled, ms);
    return await promise;
  }

  /** How long the next thing is on the way. */
  hopMs(): number {
    return this.random.chance(0.02) ? this.random.int(slowMsMax) : this.random.int(hopMsMax);
  }
}

interface LockRequest {
  readonly realm: Realm;
  readonly granted: () => void;
  readonly refused: () => void;
  readonly lost: () => void;
}

interface LockState {
  holder: LockRequest | undefined;
  readonly queue: LockRequest[];
}

interface Port {
  readonly realm: Realm;
  listener: ((message: unknown) => void) | undefined;
  isOpen: boolean;
}

/** What knows of all locks and channels, and dies with nobody. */
export class Browser {
  readonly #world: TabsWorld;
  readonly #locks = new Map<string, LockState>();
  readonly #ports = new Map<string, Set<Port>>();
  /** When what was sent last arrives, by sender and receiver. */
  readonly #arrivals = new Map<string, number>();
  /** Those who died, and whose last words nobody hears. */
  readonly #silenced = new Set<Realm>();
  /** How many messages were posted, by the name of the channel. */
  readonly posted: Map<string, number> = new Map();

  constructor(world: TabsWorld) {
    this.#world = world;
  }

  /** Who holds the lock, whether it knows already or not. */
  holderOf(lock: string): Realm | undefined {
    return this.#locks.get(lock)?.holder?.realm;
  }

  /** All locks that somebody holds or waits for. */
  get locksInUse(): readonly string[] {
    return [...this.#locks].filter(([, { holder, queue }]) => holder !== undefined || queue.length > 0).map(([n]) => n);
  }

  get channelsInUse(): readonly string[] {
    return [...this.#ports].filter(([, ports]) => ports.size > 0).map(([name]) => name);
  }

  request(realm: Realm, name: string, options: LockOptions): Promise<(() => void) | undefined> {
    const { signal, lost } = options;
    const abortError = (): TidemarkError => new TidemarkError("ABORTED", { call: `lock ${name}` });
    if (signal?.aborted) return Promise.reject(abortError());
    return new Promise((resolve, reject) => {
      let isOver = false;
      const letGo = (): void => {
        isOver = true;
        this.#send(realm, () => this.#drop(name, request));
      };
      const settle = (): boolean => {
        signal?.removeEventListener("abort", abort);
        return !isOver;
      };
      const abort = (): void => {
        settle();
        letGo();
        reject(abortError());
      };
      const request: LockRequest = {
        realm,
        granted: () => this.#deliver(realm, () => settle() && resolve(letGo)),
        refused: () => this.#deliver(realm, () => settle() && resolve(undefined)),
        lost: () => this.#deliver(realm, () => isOver || lost?.()),
      };
      signal?.addEventListener("abort", abort);
      this.#send(realm, () => this.#ask(name, request, options));
    });
  }

  open(realm: Realm, name: string): TabChannel {
    const port: Port = { realm, listener: undefined, isOpen: true };
    this.#send(realm, () => port.isOpen && realm.state !== "dead" && this.#portsOf(name).add(port));
    return {
      post: (message) => {
        if (port.isOpen) this.#post(name, port, structuredClone(message));
      },
      listen: (listener) => {
        port.listener = listener;
      },
      close: () => {
        port.isOpen = false;
        this.#portsOf(name).delete(port);
      },
    };
  }

  /** Something that the browser does for a realm, in the order of its calls: a transaction, say. */
  call<T>(realm: Realm, action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#send(realm, () => {
        try {
          const value = action();
          this.#deliver(realm, () => resolve(value));
        } catch (error) {
          this.#deliver(realm, () => reject(error));
        }
      });
    });
  }

  /** From a page to its worker, or back. */
  pass(from: Realm, to: Realm, action: () => void): void {
    this.#inOrder(`${from.name}>${to.name}`, () => this.#silenced.has(from) || to.run(action));
  }

  /** The realm died: what it held is free a moment later. */
  bury(realm: Realm): void {
    const { clock, random } = this.#world;
    if (random.chance(0.5)) this.#silenced.add(realm);
    for (const ports of this.#ports.values()) {
      for (const port of ports) if (port.realm === realm) ports.delete(port);
    }
    clock.after(random.int(deathNoticedMsMax), () => {
      this.#inOrder(`${realm.name}>`, () => {
        for (const [name, { holder, queue }] of this.#locks) {
          for (const request of [...queue, ...(holder === undefined ? [] : [holder])]) {
            if (request.realm === realm) this.#drop(name, request);
          }
        }
      });
    });
  }

  #post(name: string, from: Port, message: unknown): void {
    this.posted.set(name, (this.posted.get(name) ?? 0) + 1);
    this.#send(from.realm, () => {
      for (const to of this.#portsOf(name)) {
        if (to === from) continue;
        const key = `${from.realm.name}>${to.realm.name}`;
        this.#inOrder(key, () => to.realm.run(() => to.isOpen && to.listener?.(structuredClone(message))));
      }
    });
  }

  #ask(name: string, request: LockRequest, { steal, ifAvailable }: LockOptions): void {
    const state = this.#locks.get(name) ?? { holder: undefined, queue: [] };
    this.#locks.set(name, state);
    if (steal === true) {
      state.holder?.lost();
      this.#grant(state, request);
    } else if (ifAvailable === true && (state.holder !== undefined || state.queue.length > 0)) {
      request.refused();
    } else {
      state.queue.push(request);
      this.#grantNext(state);
    }
  }

  #drop(name: string, request: LockRequest): void {
    const state = this.#locks.get(name);
    if (state === undefined) return;
    const at = state.queue.indexOf(request);
    if (at >= 0) state.queue.splice(at, 1);
    if (state.holder !== request) return;
    state.holder = undefined;
    this.#grantNext(state);
  }

  #grantNext(state: LockState): void {
    if (state.holder !== undefined) return;
    const next = state.queue.shift();
    if (next !== undefined) this.#grant(state, next);
  }

  #grant(state: LockState, request: LockRequest): void {
    state.holder = request;
    request.granted();
  }

  #portsOf(name: string): Set<Port> {
    const ports = this.#ports.get(name) ?? new Set();
    this.#ports.set(name, ports);
    return ports;
  }

  /** From a realm to the browser. */
  #send(from: Realm, action: () => void): void {
    if (from.state === "dead") return;
    this.#inOrder(`${from.name}>`, () => this.#silenced.has(from) || action());
  }

  #deliver(to: Realm, action: () => void): void {
    this.#inOrder(`>${to.name}`, () => to.run(action));
  }

  #inOrder(way: string, action: () => unknown): void {
    const { clock } = this.#world;
    const at = Math.max(this.#arrivals.get(way) ?? 0, clock.now() + this.#world.hopMs());
    this.#arrivals.set(way, at);
    clock.after(at - clock.now(), () => void action());
  }
}
