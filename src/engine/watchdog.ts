/**
 * Notices what should be going on and is not.
 *
 * [WATCHDOG-1] Who makes no progress for the time-out is called stalled when it is over, once; 0 is never.
 * [WATCHDOG-2] Asking for the same again is no progress.
 * [WATCHDOG-3] When the clock moved by more than twice the time-out at once, as after a sleep of the device, everybody has the whole time-out
 *              again: nothing could happen meanwhile, so that silence says nothing. A jump back changes nothing.
 *
 * Time is summed up here from what the clock moves ahead: that is what makes it safe against jumps. One timer serves all, and
 * progress costs no timer.
 */
import type { Clock } from "../ports/clock.ts";

export interface WatchdogOptions {
  readonly clock: Clock;
  /** In milliseconds; 0: nothing is ever stalled. */
  readonly stallTimeoutMs: () => number;
  /** It is not watched any more, until it is expected again. */
  readonly stalled: (key: string) => void;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  /** When each was seen last, in our own time; the one that is silent longest comes first. */
  readonly #seenMs = new Map<string, number>();
  /** Our own time: it only moves ahead, and not while the device sleeps. */
  #nowMs = 0;
  #clockMs: number;
  #cancel: (() => void) | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#clockMs = options.clock.now();
  }

  /** Something is under way for this key: it must make progress from now on. Without effect when it is expected already. */
  expect(key: string): void {
    if (this.#seenMs.has(key)) return;
    this.#tick();
    this.#seenMs.set(key, this.#nowMs);
    this.#arm();
  }

  /** Without effect when nothing is expected. */
  progress(key: string): void {
    this.#tick();
    // To the end of the order.
    if (this.#seenMs.delete(key)) this.#seenMs.set(key, this.#nowMs);
  }

  /** Nothing is under way any more. */
  done(key: string): void {
    if (this.#seenMs.delete(key) && this.#seenMs.size === 0) this.#disarm();
  }

  /** For how long it has made no progress, in milliseconds; 0 when nothing is expected. */
  silentMs(key: string): number {
    this.#tick();
    const seenMs = this.#seenMs.get(key);
    return seenMs === undefined ? 0 : this.#nowMs - seenMs;
  }

  /** To be called when the time-out has changed: it counts from now on for those that are watched already. */
  changed(): void {
    this.#tick();
    this.#disarm();
    this.#arm();
  }

  /** Nothing is watched any more. */
  close(): void {
    this.#seenMs.clear();
    this.#disarm();
  }

  #tick(): void {
    const { clock, stallTimeoutMs } = this.#options;
    const elapsedMs = Math.max(0, clock.now() - this.#clockMs);
    this.#clockMs = clock.now();
    this.#nowMs += elapsedMs;
    if (elapsedMs <= 2 * stallTimeoutMs()) return;
    for (const key of this.#seenMs.keys()) this.#seenMs.set(key, this.#nowMs);
  }

  #arm(): void {
    const [first] = this.#seenMs.values();
    const timeoutMs = this.#options.stallTimeoutMs();
    if (this.#cancel !== undefined || first === undefined || timeoutMs <= 0) return;
    const leftMs = Math.max(0, first + timeoutMs - this.#nowMs);
    this.#cancel = this.#options.clock.after(leftMs, () => this.#check());
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #check(): void {
    this.#cancel = undefined;
    this.#tick();
    const timeoutMs = this.#options.stallTimeoutMs();
    for (const [key, seenMs] of this.#seenMs) {
      if (timeoutMs <= 0 || seenMs + timeoutMs > this.#nowMs) break;
      this.#seenMs.delete(key);
      this.#options.stalled(key);
    }
    this.#arm();
  }
}
