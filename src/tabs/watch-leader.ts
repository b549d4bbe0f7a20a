/**
 * Who leads, as its messages tell, and whether it still does.
 *
 * [TABS-8] Silence is counted in own ticks that came in time: whoever slept, alone or with the whole machine, starts counting anew, and
 *   neither a jump of the clock nor another clock makes a leader look dead.
 */
import { leaderBeatMs, leaderSilentBeats, leaderStalledBeats } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { LeadFacts } from "./messages.ts";

export interface LeaderWatchOptions {
  readonly clock: Clock;
  /** It says nothing: ask. */
  readonly seek: () => void;
  /** It did not answer either. Called on every further tick. */
  readonly stalled: () => void;
}

export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  #current: LeadFacts | undefined;
  #latest = 0;
  /** Ticks in time since anything was heard of a leader. */
  #silent = 0;
  #tickedAt = 0;
  #cancel: (() => void) | undefined;

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
  }

  get current(): LeadFacts | undefined {
    return this.#current;
  }

  /** The `since` of the latest lead that was heard of. */
  get latest(): number {
    return this.#latest;
  }

  get isStalled(): boolean {
    return this.#silent >= leaderStalledBeats;
  }

  /** Counts from now on; the first tick after `firstMs`, which differs so that tabs that started together do not act together. */
  start(firstMs: number): void {
    this.stop();
    this.listenAnew();
    this.#tickAfter(firstMs);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Counts the silence from now on. */
  listenAnew(): void {
    this.#silent = 0;
  }

  forget(): void {
    this.#current = undefined;
  }

  /**
   * False for a lead that is over: a leader that was frozen may still tell of its own before it learns of that. Of two the later one
   * counts, and any counts when the current one is silent: clocks may have been set back.
   */
  hear(facts: LeadFacts): boolean {
    this.#latest = Math.max(this.#latest, facts.since);
    const current = this.#current;
    const isAnother = current !== undefined && current.lead !== facts.lead;
    if (isAnother && !isLater(facts, current) && this.#silent < leaderSilentBeats) return false;
    this.#current = facts;
    this.#silent = 0;
    return true;
  }

  resigned(lead: string): void {
    if (this.#current?.lead !== lead) return;
    this.#current = undefined;
    this.#silent = 0;
  }

  #tickAfter(ms: number): void {
    this.#tickedAt = this.#options.clock.now();
    this.#cancel = this.#options.clock.after(ms, () => this.#tick());
  }

  #tick(): void {
    const passedMs = this.#options.clock.now() - this.#tickedAt;
    const isInTime = passedMs >= 0 && passedMs < 2 * leaderBeatMs;
    this.#silent = isInTime ? this.#silent + 1 : 0;
    this.#tickAfter(leaderBeatMs);
    if (this.#silent === leaderSilentBeats) this.#options.seek();
    if (this.isStalled) this.#options.stalled();
  }
}

function isLater(a: LeadFacts, b: LeadFacts): boolean {
  return a.since > b.since || (a.since === b.since && a.lead > b.lead);
}
