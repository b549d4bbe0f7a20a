/**
 * Asks again for what waiting entries miss, as long as it does not come: whoever was asked first may be gone, may have lied, or
 * may have been asked before we could take the answer.
 *
 * [ENGINE-20] What is missing is asked for from every peer 5 s after it was found missing, then after 10 s, 20 s … an hour,
 *             at most `wantsMax` ids at a time, in turns; when more is found missing that begins anew.
 */
import type { EntryId } from "../core/ids.ts";
import { wantsMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";

const firstMs = 5_000;
const pauseMsMax = 3_600_000;

export interface RepairOptions {
  readonly clock: Clock;
  /** Up to `max` of the ids that are missing, leaving out the first `from`. */
  readonly missing: (from: number, max: number) => readonly EntryId[];
  readonly want: (ids: readonly EntryId[]) => void;
}

export class Repair {
  readonly #options: RepairOptions;
  #pauseMs = firstMs;
  #from = 0;
  #dueMs = 0;
  #cancel: (() => void) | undefined;

  constructor(options: RepairOptions) {
    this.#options = options;
  }

  /** To be called when something may have been found missing. */
  check(): void {
    const { clock, missing } = this.#options;
    if (missing(0, 1).length === 0) return this.stop();
    if (this.#cancel !== undefined) return;
    this.#dueMs = clock.now() + this.#pauseMs;
    this.#cancel = clock.after(this.#pauseMs, () => this.#ask());
  }

  /** More was found missing, and asked for from whoever it was found at: the rest need not wait as long as what nobody had so far. */
  found(): void {
    this.#pauseMs = firstMs;
    // Never later than it would have been: or somebody who makes holes without end could keep us from asking.
    if (this.#dueMs - this.#options.clock.now() > firstMs) this.#disarm();
    this.check();
  }

  stop(): void {
    this.#disarm();
    this.#pauseMs = firstMs;
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #ask(): void {
    this.#cancel = undefined;
    this.#pauseMs = Math.min(pauseMsMax, 2 * this.#pauseMs);
    const ids = this.#options.missing(this.#from, wantsMax);
    this.#from = ids.length < wantsMax ? 0 : this.#from + wantsMax;
    if (ids.length > 0) this.#options.want(ids);
    this.check();
  }
}
