/** How many counters are remembered. Notes come over one WebSocket, in order: this is for a relay that mixes them up. */
const countersMax = 64;

/**
 * Which counters of one sender were used, in bounded memory: each passes once, and none passes that is not above the
 * lowest of those forgotten.
 */
export class ReplayWindow {
  readonly #used = new Set<number>();
  /** All counters up to this one count as used. */
  #floor = 0;

  /** Marks a counter (from 1) as used. False when it was, or when it is too old to know. */
  use(counter: number): boolean {
    if (counter <= this.#floor || this.#used.has(counter)) return false;
    this.#used.add(counter);
    if (this.#used.size > countersMax) this.#forget(Math.min(...this.#used));
    return true;
  }

  #forget(counter: number): void {
    this.#used.delete(counter);
    this.#floor = counter;
  }
}
