/**
 * One leadership, from the lock that was got to the lock that is let go.
 *
 * [TABS-5] A leader says so at once, when it is ready, to whoever seeks it, and every second while other tabs are known.
 * [TABS-9] A leader that nobody sees hands over to a tab that is seen, when that costs nobody anything.
 * [TABS-10] Whoever resigns finishes what is under way for a while; whoever has lost its lock writes and answers nothing more.
 */
import { asTidemarkError, type TidemarkError, unreachable } from "../core/errors.ts";
import { handOverTimeoutMs, hiddenBeatsMax, leaderBeatMs, resignTimeoutMs } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Channels, Locks } from "../ports/tabs.ts";
import { AttachedTabs } from "./attached-tabs.ts";
import { KnownTabs } from "./known-tabs.ts";
import type { Carry, LeadFacts, TabFacts, TabMessage } from "./messages.ts";
import type { Leading, StartLeading, StopReason } from "./tab-state.ts";

export interface LeadershipOptions {
  readonly name: string;
  readonly id: string;
  readonly self: TabFacts;
  readonly since: number;
  readonly carry: Carry;
  readonly locks: Locks;
  readonly channels: Channels;
  readonly clock: Clock;
  readonly lead: StartLeading;
  readonly post: (message: TabMessage) => void;
  /** Lets the leader's lock go. */
  readonly release: () => void;
  /** It became ready, or began to end. */
  readonly changed: () => void;
}

export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #known: KnownTabs;
  readonly #lost = new AbortController();
  readonly #taken: Promise<void>;
  #setTaken: () => void = () => {};
  readonly #started: Promise<void>;
  /** Resolves when it has ended, and the engine with it. */
  readonly over: Promise<void>;
  #setOver: () => void = () => {};
  #since: number;
  #carry: Carry;
  #isVisible: boolean;
  #hiddenBeats = 0;
  #leading: Leading | undefined;
  #attached: AttachedTabs | undefined;
  #failure: TidemarkError | undefined;
  #ending: Promise<void> | undefined;
  #cancelBeat: (() => void) | undefined;

  /** Begins at once. */
  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.#since = options.since;
    this.#carry = options.carry;
    this.#isVisible = options.self.visible;
    this.#known = new KnownTabs({ ...options, changed: () => this.#beat() });
    this.#taken = new Promise((resolve) => {
      this.#setTaken = resolve;
    });
    this.over = new Promise((resolve) => {
      this.#setOver = resolve;
    });
    this.#say();
    this.#started = this.#start();
  }

  get id(): string {
    return this.#options.id;
  }

  get isReady(): boolean {
    return this.#leading !== undefined && this.#ending === undefined;
  }

  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** It is not given up for a page that is about to be frozen. */
  get isTied(): boolean {
    return this.isReady && this.#leading?.isTied() === true;
  }

  /** Why it did not start, or did not go on. */
  get failure(): TidemarkError | undefined {
    return this.#failure;
  }

  hear(message: TabMessage): void {
    if (this.#ending !== undefined) return;
    switch (message.type) {
      case "seek":
        this.#known.hear(message);
        return this.#say();
      case "here":
        return this.#known.hear(message);
      case "lead":
        // Another one says it leads: it was robbed and does not know yet, or we were. Until that turns out the holder of the lock is the later one.
        this.#since = Math.max(this.#since, message.since + 1);
        return;
      case "attach":
        if (message.lead === this.id) this.#attached?.attach(message.tab);
        return;
      case "detach":
        if (message.lead === this.id) this.#attached?.detach(message.tab);
        return;
      case "resign":
      case "give":
      case "refuse":
        return;
      default:
        return unreachable(message);
    }
  }

  setVisible(isVisible: boolean): void {
    this.#isVisible = isVisible;
    this.#hiddenBeats = 0;
  }

  setCarry(carry: Carry): void {
    this.#carry = carry;
    if (this.#ending === undefined) this.#say();
  }

  /** Somebody else has the lock by now, or a later claim on storage; or, with an error, the storage is not to be reached any more. */
  lost(error?: TidemarkError): void {
    if (this.#ending === undefined) this.#failure = error;
    this.#setTaken();
    void this.end("lost");
  }

  /** Resolves when the lock is let go and the engine has stopped, or did not within `timeoutMs`. Only the first call counts. */
  end(reason: StopReason, { to, timeoutMs = resignTimeoutMs }: EndOptions = {}): Promise<void> {
    this.#ending ??= this.#end(reason, to, timeoutMs);
    return this.#ending;
  }

  async #start(): Promise<void> {
    const { id, lead, changed, post } = this.#options;
    try {
      this.#leading = await lead({ id, carry: this.#carry, signal: this.#lost.signal });
    } catch (error) {
      this.#failure = asTidemarkError(error);
      void this.end("resigned");
      return;
    }
    if (this.#ending !== undefined) return;
    this.#attached = new AttachedTabs({
      ...this.#options,
      lead: id,
      leading: this.#leading,
      refused: (tab) => post({ type: "refuse", lead: id, tab }),
    });
    this.#say();
    changed();
  }

  async #end(reason: StopReason, to: string | undefined, timeoutMs: number): Promise<void> {
    const { id, post, release, changed, clock } = this.#options;
    this.#cancelBeat?.();
    this.#known.end();
    post({ type: "resign", lead: id });
    if (reason === "lost") {
      this.#lost.abort();
      release();
    }
    // After `#ending` is set, or whoever is told would see it lead.
    await Promise.resolve();
    changed();
    await within(clock, timeoutMs, this.#stop(reason));
    this.#attached?.end();
    this.#lost.abort();
    if (to !== undefined) {
      post({ type: "give", lead: id, tab: to });
      await within(clock, handOverTimeoutMs, this.#taken);
    }
    release();
    // Two engines never start in one worker: an aborted start comes to its end first.
    await this.#started;
    this.#setOver();
  }

  async #stop(reason: StopReason): Promise<void> {
    await this.#started;
    await this.#leading?.stop(reason);
  }

  #say(): void {
    const { id, self, post } = this.#options;
    const state = this.#leading === undefined ? "starting" : "ready";
    const facts: LeadFacts = { ...self, lead: id, state, since: this.#since, carry: this.#carry };
    post({ type: "lead", ...facts });
  }

  #beat(): void {
    this.#cancelBeat?.();
    if (this.#known.size === 0) return;
    this.#cancelBeat = this.#options.clock.after(leaderBeatMs, () => {
      this.#say();
      this.#handOver();
      this.#beat();
    });
  }

  #handOver(): void {
    this.#hiddenBeats = this.#isVisible ? 0 : this.#hiddenBeats + 1;
    if (this.#hiddenBeats < hiddenBeatsMax || this.#leading?.isIdle() !== true) return;
    const to = this.#known.visible(this.#options.self.build);
    if (to !== undefined) void this.end("resigned", { to });
  }
}

export interface EndOptions {
  /** The tab that is to lead next. */
  readonly to?: string;
  readonly timeoutMs?: number;
}

/** Resolves when the promise is settled, however it is, and at the latest after `ms`. */
function within(clock: Clock, ms: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, resolve);
    const settled = (): void => {
      cancel();
      resolve();
    };
    promise.then(settled, settled);
  });
}
