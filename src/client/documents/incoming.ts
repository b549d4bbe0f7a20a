/**
 * Changes that came, on their way into a replica: some in each turn, so that the page stays quick.
 *
 * One call of Automerge has a cost of its own beside that of each change, so as many go into one as fit the time that a turn may take. How
 * many these are is learned from the turns before. Between two turns the page has half as long for itself as the first one took: in a long document a call
 * takes 25 ms, and who types fast would keep everybody who watches from doing anything else.
 */

export interface IncomingOptions {
  /** Runs it in a turn of its own, soon. */
  readonly schedule: (run: () => void) => void;
  /** Runs it after so many milliseconds, or sooner. */
  readonly after: (ms: number, run: () => void) => void;
  /** In milliseconds. */
  readonly now: () => number;
  /** How long a turn may take; Infinity: all that waits goes into one call. */
  readonly turnMs: number;
  readonly apply: (changes: Uint8Array[]) => void;
}

/** Until anything is known. */
const firstTurnChanges = 256;

interface Mark {
  /** How many are before it, of all that ever came. */
  readonly at: number;
  readonly reached: () => void;
}

export class Incoming {
  readonly #options: IncomingOptions;
  #waiting: Uint8Array[] = [];
  readonly #marks: Mark[] = [];
  #applied = 0;
  #perTurn: number;
  /** When the page has had half as much time for itself as the last turn took. */
  #restedMs = Number.NEGATIVE_INFINITY;
  #isScheduled = false;
  #isClosed = false;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#perTurn = options.turnMs === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : firstTurnChanges;
  }

  /** `reached` is called when these and all before are applied. */
  push(changes: readonly Uint8Array[], reached?: () => void): void {
    if (this.#isClosed) return;
    for (const change of changes) this.#waiting.push(change);
    if (reached !== undefined) this.#marks.push({ at: this.#applied + this.#waiting.length, reached });
    this.#schedule();
  }

  /** All that waits is dropped, and what still comes. */
  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
    this.#marks.length = 0;
  }

  #schedule(): void {
    if (this.#isScheduled || (this.#waiting.length === 0 && this.#marks.length === 0)) return;
    this.#isScheduled = true;
    const run = (): void => {
      this.#isScheduled = false;
      this.#turn();
      this.#schedule();
    };
    const restMs = this.#restedMs - this.#options.now();
    if (restMs > 0) this.#options.after(restMs, run);
    else this.#options.schedule(run);
  }

  #turn(): void {
    const changes = this.#waiting.slice(0, this.#perTurn);
    this.#waiting = this.#waiting.slice(changes.length);
    if (changes.length > 0) {
      const beganMs = this.#options.now();
      this.#options.apply(changes);
      const endedMs = this.#options.now();
      this.#learn(changes.length, endedMs - beganMs);
      this.#restedMs = endedMs + (endedMs - beganMs) / 2;
      this.#applied += changes.length;
    }
    while (this.#marks[0] !== undefined && this.#marks[0].at <= this.#applied) this.#marks.shift()?.reached();
  }

  #learn(count: number, tookMs: number): void {
    const { turnMs } = this.#options;
    if (tookMs > turnMs) this.#perTurn = Math.max(1, Math.floor(this.#perTurn / 2));
    else if (count === this.#perTurn && tookMs < turnMs / 2) this.#perTurn *= 2;
  }
}
