/**
 * How far a job is, over as many rounds as it takes.
 *
 * A round counts from its own beginning, and after an interruption names only what is left. What came and was not durable comes again, so a new round
 * goes on from what is durable, or from what the round says is not missing any more, whichever is more.
 *
 * [JOB-3] What was received never goes back and is never more than the total; the total never shrinks before the end, and then it is what was received.
 */

/** Of one round with one peer, as its session counts. */
export interface RoundProgress {
  readonly receivedEntries: number;
  readonly totalEntries: number;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

interface Gain {
  readonly entries: number;
  readonly bytes: number;
}

/** What a peer claims is believed up to here: beyond it sums would lose their last digit. */
const amountMax = 2 ** 52;
/** Batches that came and are not durable: the protocol has at most 8 under way. */
const unstoredMax = 64;

export class JobProgress {
  readonly #entries: Tally;
  readonly #bytes: Tally;
  #lastEntries = Number.POSITIVE_INFINITY;

  /** @param stored what an earlier run left: all of it is durable */
  constructor(stored: RoundProgress) {
    this.#entries = new Tally(stored.receivedEntries, stored.totalEntries);
    this.#bytes = new Tally(stored.receivedBytes, stored.totalBytes);
  }

  /** What comes next is a round of its own. */
  endRound(): void {
    this.#lastEntries = Number.POSITIVE_INFINITY;
  }

  advance(round: RoundProgress): Gain {
    const isNew = round.receivedEntries < this.#lastEntries;
    this.#lastEntries = round.receivedEntries;
    return {
      entries: this.#entries.advance(round.receivedEntries, round.totalEntries, isNew),
      bytes: this.#bytes.advance(round.receivedBytes, round.totalBytes, isNew),
    };
  }

  /** The oldest batch that was not durable is. */
  store(): void {
    this.#entries.store();
    this.#bytes.store();
  }

  finish(): void {
    this.#entries.finish();
    this.#bytes.finish();
  }

  /** As it is shown. */
  shown(): RoundProgress {
    return {
      receivedEntries: this.#entries.received,
      totalEntries: this.#entries.total,
      receivedBytes: this.#bytes.received,
      totalBytes: this.#bytes.total,
    };
  }

  /** As it is remembered: what a crash would take back is not counted. */
  stored(): RoundProgress {
    return { ...this.shown(), receivedEntries: this.#entries.durable, receivedBytes: this.#bytes.durable };
  }
}

/** One number of a job that grows towards another. */
class Tally {
  received: number;
  total: number;
  durable: number;
  /** Where the round begins. */
  #base = 0;
  /** What had been received with each batch that is not durable. */
  #unstored: number[] = [];

  constructor(received: number, total: number) {
    this.received = received;
    this.durable = received;
    this.total = Math.max(received, total);
  }

  /** By how much more has been received than ever before. */
  advance(received: number, claimed: number, isNewRound: boolean): number {
    const left = Math.min(claimed, amountMax);
    if (isNewRound) {
      this.#base = Math.max(this.durable, this.total - left);
      this.#unstored = [];
    }
    const before = this.received;
    const reached = Math.min(this.#base + received, amountMax);
    this.received = Math.max(before, reached);
    this.total = Math.max(this.total, Math.min(this.#base + left, amountMax), this.received);
    this.#unstored = [...this.#unstored.slice(-unstoredMax), reached];
    return this.received - before;
  }

  store(): void {
    this.durable = Math.max(this.durable, this.#unstored.shift() ?? 0);
  }

  finish(): void {
    this.total = this.received;
    this.durable = this.received;
  }
}
