/**
 * A tab's part in who leads: it asks for the leader's lock, follows whoever has it, leads when it is given, and takes it from a
 * leader that is silent.
 *
 * [TABS-4] Of all tabs of an instance one leads, and every other one follows it.
 * [TABS-11] Tabs whose builds do not work together never follow each other: the newer waits, the older is told.
 *
 * Deliberately not here: what an engine is, what is said to pages, and whether a write may happen (the claim on storage says that).
 */
import { backOffMs } from "../core/back-off.ts";
import { TidemarkError } from "../core/errors.ts";
import { encodeHex } from "../core/ids.ts";
import { backOffMsMax, leaderBeatMs, suspendTimeoutMs } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Channels, Locks, TabChannel } from "../ports/tabs.ts";
import { type Build, compareBuilds } from "./build.ts";
import { type LeadHold, LeadLock } from "./lead-lock.ts";
import { Leadership } from "./leadership.ts";
import { type Carry, isSameCarry, type LeadFacts, readTabMessage, type TabFacts, type TabMessage } from "./messages.ts";
import { candidateLockName, tabsChannelName } from "./names.ts";
import { isSameState, type StartLeading, type TabState } from "./tab-state.ts";
import { LeaderWatch } from "./watch-leader.ts";

export interface CandidateOptions {
  /** Of the instance. */
  readonly name: string;
  /** 16 random bytes, hex; of its page, whose worker may be started again. */
  readonly tab: string;
  readonly build: Build;
  readonly locks: Locks;
  /** Undefined where tabs cannot hear each other: then a second one fails with INSTANCE_IN_USE, and tries again. */
  readonly channels: Channels | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly visible: boolean;
  /** What this tab starts with if there was no leader before it. */
  readonly carry: Carry;
  readonly lead: StartLeading;
  /** What the next leader is to go on with is not what it was, whoever leads. */
  readonly carried: (carry: Carry) => void;
  /** Called when the state is another one than before. */
  readonly changed: (state: TabState) => void;
}

export class Candidate {
  readonly #options: CandidateOptions;
  readonly #channel: TabChannel;
  readonly #watch: LeaderWatch;
  readonly #lock: LeadLock;
  #activity: "new" | "active" | "suspended" | "outdated" | "closed" = "new";
  #state: TabState = { type: "waiting" };
  #isVisible: boolean;
  #carry: Carry;
  #leadership: Leadership | undefined;
  /** A newer build that waits, or leads. */
  #newer: Build | undefined;
  #failure: TidemarkError | undefined;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;
  /** By a leader that serves too many pages. */
  #refusal: { readonly lead: string; readonly error: TidemarkError } | undefined;
  #cancelRefusal: (() => void) | undefined;
  /** Aborted when the tab leaves: lets go what shows that it is there. */
  #presence = new AbortController();

  constructor(options: CandidateOptions) {
    const { channels = silence, clock } = options;
    this.#options = options;
    this.#isVisible = options.visible;
    this.#carry = options.carry;
    this.#channel = channels.open(tabsChannelName(options.name));
    this.#watch = new LeaderWatch({ clock, seek: () => this.#introduce("seek"), stalled: () => void this.#lock.rob() });
    this.#lock = new LeadLock({
      ...options,
      isAlone: options.channels === undefined,
      isStalled: () => this.#watch.isStalled,
      listenAnew: () => this.#watch.listenAnew(),
      got: (hold) => void this.#lead(hold),
      failed: (error) => this.#fail(error),
    });
  }

  get state(): TabState {
    return this.#state;
  }

  /** To be called once. */
  start(): void {
    this.#channel.listen((message) => this.#hear(readTabMessage(message)));
    void this.#enter();
  }

  /** The page listens on its pair channel and holds its lock: the leader that is followed is to serve it. */
  attach(): void {
    if (this.#state.type === "following")
      this.#post({ type: "attach", lead: this.#state.lead, tab: this.#options.tab });
  }

  detach(): void {
    if (this.#state.type === "following")
      this.#post({ type: "detach", lead: this.#state.lead, tab: this.#options.tab });
  }

  setVisible(isVisible: boolean): void {
    if (this.#isVisible === isVisible) return;
    this.#isVisible = isVisible;
    if (this.#leads) this.#leadership?.setVisible(isVisible);
    else if (this.#activity === "active") this.#introduce("here");
  }

  /** What the next leader is to go on with. */
  carry(carry: Carry): void {
    this.#keep(carry);
    this.#leadership?.setCarry(carry);
  }

  /** The page is about to be frozen: gives up the lead at once, unless it is tied to it, and asks for nothing until `resume`. */
  async suspend(): Promise<void> {
    if (this.#activity !== "active" || this.#leadership?.isTied === true) return;
    this.#activity = "suspended";
    await this.#leave(suspendTimeoutMs);
  }

  resume(): void {
    if (this.#activity === "suspended") void this.#enter();
  }

  /** This lead's claim on storage is not the last one any more; or, with an error, its storage is gone: it is opened anew after a pause. */
  stepDown(lead: string, error?: TidemarkError): void {
    if (this.#leadership?.id === lead) this.#leadership.lost(error);
  }

  /** Resolves when the engine has stopped, if it ran here, and nothing is held. */
  async close(): Promise<void> {
    this.#activity = "closed";
    await this.#leave();
    this.#channel.close();
  }

  get #leads(): boolean {
    return this.#leadership !== undefined && !this.#leadership.isEnding;
  }

  async #enter(): Promise<void> {
    const presence = new AbortController();
    this.#presence = presence;
    this.#activity = "active";
    // It was suspended a moment ago: two engines never run in one worker.
    await this.#leadership?.over;
    if (presence.signal.aborted || !(await this.#show(presence.signal))) return;
    // It may have heard of a leader's end meanwhile, and lead already: then nobody is to be looked for.
    if (this.#leadership !== undefined) return;
    this.#look();
    this.#lock.ask();
  }

  /** Holds the lock that is free when we are gone. Before anybody is told of us: whoever knows us waits for it. */
  async #show(signal: AbortSignal): Promise<boolean> {
    const { name, tab, locks } = this.#options;
    try {
      const hide = await locks.request(candidateLockName(name, tab), { signal });
      if (hide !== undefined && signal.aborted) hide();
      else if (hide !== undefined) signal.addEventListener("abort", hide);
    } catch (error) {
      if (!signal.aborted) this.#fail(error as TidemarkError);
    }
    return !signal.aborted;
  }

  /** Looks for who leads. */
  #look(): void {
    const [share = 0] = this.#options.random.bytes(1);
    // Alone, nothing is ever heard, which means nothing.
    if (this.#options.channels !== undefined)
      this.#watch.start(leaderBeatMs + Math.round((leaderBeatMs * share) / 256));
    this.#introduce("seek");
  }

  async #leave(timeoutMs?: number): Promise<void> {
    this.#presence.abort();
    this.#lock.stop();
    this.#cancelRetry?.();
    this.#cancelRefusal?.();
    this.#refusal = undefined;
    this.#watch.stop();
    this.#watch.forget();
    const ended = this.#leadership?.end("resigned", timeoutMs === undefined ? {} : { timeoutMs });
    this.#update();
    await ended;
  }

  async #lead(hold: LeadHold): Promise<void> {
    const { tab, build, clock, random, channels = silence } = this.#options;
    const { signal } = this.#presence;
    this.#watch.stop();
    this.#watch.forget();
    this.#lock.led();
    let beganMs = Number.POSITIVE_INFINITY;
    const leadership = new Leadership({
      ...this.#options,
      channels,
      id: encodeHex(random.bytes(16)),
      self: { tab, build, visible: this.#isVisible },
      since: Math.max(clock.now(), this.#watch.latest + 1),
      carry: this.#carry,
      post: (message) => this.#post(message),
      release: () => hold.release(),
      changed: () => {
        if (leadership.isReady) {
          hold.begun();
          beganMs = Math.min(beganMs, clock.now());
        }
        this.#update();
      },
    });
    this.#leadership = leadership;
    hold.whenLost(() => leadership.lost());
    this.#update();
    await leadership.over;
    this.#leadership = undefined;
    // One that fails again and again soon after it began is not tried in a hurry either.
    if (leadership.failure === undefined || clock.now() - beganMs >= backOffMsMax) this.#failures = 0;
    // If it is back by now, `#enter` goes on.
    if (signal.aborted) return;
    this.#look();
    if (leadership.failure === undefined) this.#lock.ask();
    else this.#fail(leadership.failure);
  }

  #fail(error: TidemarkError): void {
    const { clock, random } = this.#options;
    // It left meanwhile, and asks for nothing.
    if (this.#activity !== "active") return;
    // Whoever was told of it needs not be told again each time that it is tried in vain.
    if (this.#failure?.code !== error.code) this.#failure = error;
    this.#cancelRetry?.();
    this.#cancelRetry = clock.after(backOffMs(this.#failures++, random.bytes(2)), () => this.#askAgain());
    this.#update();
  }

  #askAgain(): void {
    // Whose engine still stops asks again when it has.
    if (this.#leadership === undefined) this.#lock.ask();
  }

  #hear(message: TabMessage | undefined): void {
    if (message === undefined || this.#activity !== "active") return;
    this.#leadership?.hear(message);
    if (message.type === "seek" || message.type === "here") this.#meet(message);
    else if (message.type === "lead") this.#hearLead(message);
    else if (message.type === "resign") this.#watch.resigned(message.lead);
    else if (message.type === "refuse" && message.tab === this.#options.tab) this.#refused(message.lead);
    else if (message.type === "give" && message.tab === this.#options.tab) void this.#lock.inherit();
    this.#update();
  }

  #keep(carry: Carry): void {
    const isSame = isSameCarry(carry, this.#carry);
    this.#carry = carry;
    if (!isSame) this.#options.carried(carry);
  }

  /** For a while: others may have gone then. */
  #refused(lead: string): void {
    const { name, clock } = this.#options;
    if (this.#refusal?.lead === lead) return;
    this.#refusal = { lead, error: new TidemarkError("INSTANCE_IN_USE", { name }) };
    const again = (): void => {
      this.#refusal = undefined;
      this.#update();
      this.attach();
    };
    this.#cancelRefusal?.();
    this.#cancelRefusal = clock.after(backOffMsMax, again);
  }

  #meet({ type, build }: TabFacts & { readonly type: "seek" | "here" }): void {
    const order = compareBuilds(build, this.#options.build);
    if (order > 0) this.#newer = build;
    // An older tab that came after us does not know that we wait.
    if (order < 0 && type === "seek" && this.#state.type === "blocked") this.#introduce("here");
  }

  #hearLead(facts: LeadFacts): void {
    const before = this.#watch.current?.lead;
    if (this.#leads || !this.#watch.hear(facts)) return;
    this.#lock.led();
    this.#keep(facts.carry);
    if (compareBuilds(facts.build, this.#options.build) > 0) return this.#outdate(facts.build);
    if (facts.lead !== before) this.#introduce("here");
    // What failed here works there: this tab is to notice, without a pause, when that one ends.
    if (facts.state === "ready") this.#askAgain();
  }

  #outdate(build: Build): void {
    this.#newer = build;
    this.#activity = "outdated";
    void this.#leave();
  }

  #introduce(type: "seek" | "here"): void {
    const { tab, build } = this.#options;
    this.#post({ type, tab, build, visible: this.#isVisible });
  }

  #post(message: TabMessage): void {
    this.#channel.post(message);
  }

  #update(): void {
    const state = this.#judge();
    if (state.type === "following" || state.type === "leading") this.#failure = undefined;
    if (isSameState(state, this.#state)) return;
    this.#state = state;
    this.#options.changed(state);
  }

  #judge(): TabState {
    const newer = this.#newer === undefined ? {} : { newer: this.#newer };
    if (this.#activity === "outdated" && this.#newer !== undefined) return { type: "outdated", build: this.#newer };
    if (this.#activity !== "active") return { type: "waiting" };
    if (this.#leadership?.isReady === true) return { type: "leading", lead: this.#leadership.id, ...newer };
    const led = this.#watch.current;
    if (led !== undefined && compareBuilds(led.build, this.#options.build) < 0) {
      return { type: "blocked", build: led.build };
    }
    if (led !== undefined && this.#refusal?.lead === led.lead) return { type: "failed", error: this.#refusal.error };
    if (led?.state === "ready") return { type: "following", lead: led.lead, build: led.build, ...newer };
    return this.#failure === undefined ? { type: "waiting" } : { type: "failed", error: this.#failure };
  }
}

/** Where nobody hears anybody. */
const silence: Channels = { open: () => ({ post: () => {}, listen: () => {}, close: () => {} }) };
