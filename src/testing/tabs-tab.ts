/** One tab of a simulated browser: a page that edits, and its worker, in which a candidate runs. */
import { encodeHex } from "../core/ids.ts";
import type { Channels } from "../ports/tabs.ts";
import { type Build, thisBuild } from "../tabs/build.ts";
import { Candidate } from "../tabs/candidate.ts";
import type { Carry } from "../tabs/messages.ts";
import { pairChannelName, tabLockName } from "../tabs/names.ts";
import { openPair, type Pair } from "../tabs/pair-endpoint.ts";
import type { TabState } from "../tabs/tab-state.ts";
import { type CounterDisk, CounterEngine, type CounterInfo, type CounterWrite } from "./tabs-counter.ts";
import type { Realm, TabsWorld } from "./tabs-world.ts";

export interface SimulatedTabOptions {
  readonly world: TabsWorld;
  readonly disk: CounterDisk;
  readonly number: number;
  readonly build?: Build;
  readonly skewMs?: number;
  readonly visible?: boolean;
  /** What opening the engine takes here. */
  readonly startMs?: () => number;
  /** What ending it takes beyond what is under way. */
  readonly stopMs?: () => number;
  /** Whether it fails to start this time. */
  readonly fails?: () => boolean;
  readonly isIdle?: () => boolean;
  /** Without channels. */
  readonly isDeaf?: boolean;
  readonly locks?: (realm: Realm) => Realm["locks"];
}

const instance = "test";

export class SimulatedTab {
  readonly id: string;
  readonly page: Realm;
  readonly worker: Realm;
  readonly candidate: Candidate;
  readonly #options: SimulatedTabOptions;
  readonly #underWay = new Map<number, CounterWrite>();
  /** Edits that were answered, and how often. */
  readonly answered: Map<number, number> = new Map();
  engine: CounterEngine | undefined;
  /** What it was to go on with when it led last. */
  carried: Carry | undefined;
  state: TabState = { type: "waiting" };
  /** What its page was told so far. */
  readonly states: TabState["type"][] = [];
  /** Whether somebody answers the page at present. */
  isServed = false;
  isSuspended = false;
  #written = 0;
  #send: ((write: CounterWrite) => void) | undefined;
  #pair: Pair<CounterInfo, never> | undefined;
  #leave: (() => void) | undefined;
  #isPresent = true;
  /** Resolves when the page holds its lock. */
  #present: Promise<void> = Promise.resolve();

  constructor(options: SimulatedTabOptions) {
    const { world, number, skewMs = 0, visible = true, build = thisBuild, isDeaf = false } = options;
    const random = world.random.fork();
    this.#options = options;
    this.id = encodeHex(random.bytes(16));
    this.page = world.realm(`page ${number}`, skewMs);
    this.worker = world.realm(`worker ${number}`, skewMs);
    const { clock, channels } = this.worker;
    this.candidate = new Candidate({
      name: instance,
      tab: this.id,
      build,
      locks: this.#locksOf(this.worker),
      channels: isDeaf ? undefined : channels,
      clock,
      random,
      visible,
      carry: { online: true, settings: {} },
      lead: (start) => this.#lead(start),
      carried: () => {},
      changed: (state) => this.#toPage(() => this.#took(state)),
    });
    this.candidate.start();
    this.#present = this.#arrive(this.#present);
  }

  /** Number of edits that nobody has answered yet. */
  get waiting(): number {
    return this.#underWay.size;
  }

  get build(): Build {
    return this.#options.build ?? thisBuild;
  }

  get isAlive(): boolean {
    return this.page.state !== "dead";
  }

  write(): number {
    const write = { tab: this.id, number: this.#written++ };
    this.#underWay.set(write.number, write);
    this.#send?.(write);
    return write.number;
  }

  setVisible(isVisible: boolean): void {
    this.#toWorker(() => this.candidate.setVisible(isVisible));
  }

  /** As the page's `freeze` and `pagehide` do. */
  suspend(): void {
    this.isSuspended = true;
    this.#part();
    this.#leave?.();
    this.#leave = undefined;
    this.#isPresent = false;
    this.#toWorker(() => void this.candidate.suspend());
  }

  resume(): void {
    if (!this.isSuspended) return;
    this.isSuspended = false;
    this.#present = this.#arrive(this.#present);
    this.#toWorker(() => this.candidate.resume());
  }

  freeze(): void {
    this.page.freeze();
    this.worker.freeze();
  }

  thaw(): void {
    this.page.thaw();
    this.worker.thaw();
  }

  kill(): void {
    this.page.kill();
    this.worker.kill();
  }

  /** As the app's `close`. */
  async close(): Promise<void> {
    this.#part();
    this.#leave?.();
    this.#isPresent = false;
    await this.candidate.close();
  }

  /** After the last time: it may still wait for its lock. */
  async #arrive(before: Promise<void>): Promise<void> {
    this.#isPresent = true;
    await before;
    if (!this.#isPresent || this.#leave !== undefined) return;
    const lost = (): void => void this.#wasTakenForGone();
    const leave = await this.#locksOf(this.page).request(tabLockName(instance, this.id), { lost });
    if (this.#isPresent) this.#leave = leave;
    else leave?.();
  }

  /** Without Web Locks, whoever is silent for seconds is: the leader serves it no more. */
  async #wasTakenForGone(): Promise<void> {
    this.#leave = undefined;
    if (!this.#isPresent) return;
    this.#present = this.#arrive(this.#present);
    await this.#present;
    if (this.#pair !== undefined) this.#toWorker(() => this.candidate.attach());
  }

  #locksOf(realm: Realm): Realm["locks"] {
    return this.#options.locks?.(realm) ?? realm.locks;
  }

  async #lead(start: Parameters<typeof CounterEngine.open>[0]): Promise<CounterEngine> {
    const {
      world,
      disk,
      startMs = () => 20,
      stopMs = () => 0,
      fails = () => false,
      isIdle = () => true,
    } = this.#options;
    this.carried = start.carry;
    if (this.engine !== undefined) throw new Error("two engines in one worker");
    const fenced = (): void => this.candidate.stepDown(start.id);
    if (fails()) throw new Error("fails to start, as it was told");
    const engine = await CounterEngine.open(start, {
      world,
      realm: this.worker,
      disk,
      startMs: startMs(),
      isIdle,
      fenced,
    });
    this.engine = engine;
    const stop = engine.stop.bind(engine);
    engine.stop = async (reason) => {
      await stop(reason);
      await this.worker.work(stopMs());
      this.engine = undefined;
    };
    return engine;
  }

  #took(state: TabState): void {
    this.#part();
    this.state = state;
    this.states.push(state.type);
    if (state.type === "leading") {
      this.#serve((write) => this.#toWorker(() => void this.#writeHere(write)));
    } else if (state.type === "following") void this.#attach(state.lead);
  }

  async #writeHere(write: CounterWrite): Promise<void> {
    if (await this.engine?.write(write)) this.#toPage(() => this.#answer(write.number));
  }

  async #attach(lead: string): Promise<void> {
    const channels: Channels = this.page.channels;
    const pair = openPair<CounterInfo, never>(channels.open(pairChannelName(instance, lead, this.id)), () => {
      if (this.#pair === pair) this.#serve((write) => pair.endpoint.postMessage(write));
    });
    this.#pair = pair;
    pair.endpoint.addEventListener("message", (event) =>
      this.#answer((event as MessageEvent<CounterWrite>).data.number),
    );
    await this.#present;
    if (this.#pair === pair) this.#toWorker(() => this.candidate.attach());
  }

  /** Everything that is not answered is asked for again. */
  #serve(send: (write: CounterWrite) => void): void {
    this.isServed = true;
    this.#send = send;
    for (const write of this.#underWay.values()) send(write);
  }

  #part(): void {
    this.#pair?.close();
    this.#pair = undefined;
    this.#send = undefined;
    this.isServed = false;
  }

  #answer(number: number): void {
    if (this.#underWay.delete(number)) this.answered.set(number, (this.answered.get(number) ?? 0) + 1);
  }

  #toPage(action: () => void): void {
    this.#options.world.browser.pass(this.worker, this.page, action);
  }

  #toWorker(action: () => void): void {
    this.#options.world.browser.pass(this.page, this.worker, action);
  }
}
