/** Time that passes only when told to, so that a run depends on its seed alone. */
import type { Clock } from "../ports/clock.ts";

interface Timer {
  readonly at: number;
  readonly action: () => void;
  cancelled: boolean;
}

/** Timers due at the same millisecond run in the order in which they were set. */
export class SimulatedClock implements Clock {
  #nowMs: number;
  /** Latest first, so that the next one is popped from the end. */
  readonly #timers: Timer[] = [];

  /** @param startMs milliseconds since 1970 */
  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, action: () => void): () => void {
    const timer: Timer = { at: this.#nowMs + Math.max(0, ms), action, cancelled: false };
    this.#timers.splice(this.#placeFor(timer.at), 0, timer);
    return () => {
      timer.cancelled = true;
    };
  }

  /** When the next timer is due, in milliseconds since 1970; undefined when none is set. */
  get nextAt(): number | undefined {
    this.#dropCancelled();
    return this.#timers.at(-1)?.at;
  }

  /** Jumps to the next timer and runs it. False when none is set. */
  runNext(): boolean {
    this.#dropCancelled();
    const timer = this.#timers.pop();
    if (timer === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, timer.at);
    timer.action();
    return true;
  }

  /** Lets `ms` pass and runs everything due until then, also what these actions set for within that time. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    while ((this.nextAt ?? Number.POSITIVE_INFINITY) <= end) this.runNext();
    this.#nowMs = end;
  }

  /** The first index whose timer is due at `at` or earlier: a new timer runs after its equals. */
  #placeFor(at: number): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#timers[middle] as Timer).at > at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #dropCancelled(): void {
    while (this.#timers.at(-1)?.cancelled === true) this.#timers.pop();
  }
}
