/**
 * A rate with a burst: `burst` tokens at first, `perSecond` more each second, never more than `burst`.
 *
 * Deliberately without a clock: the caller says what time it is. A clock that jumps back gives nothing and takes nothing.
 */
const thousand = 1_000;

export class TokenBucket {
  readonly #perSecond: number;
  readonly #burstThousandths: number;
  /** In thousandths, which one millisecond brings a whole number of: sums stay exact. */
  #thousandths: number;
  #filledAtMs: number;

  /** All three are integers. */
  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burstThousandths = burst * thousand;
    this.#thousandths = this.#burstThousandths;
    this.#filledAtMs = nowMs;
  }

  /** Takes `count` tokens, or none and answers false. */
  take(count: number, nowMs: number): boolean {
    this.#fill(nowMs);
    if (this.#thousandths < count * thousand) return false;
    this.#thousandths -= count * thousand;
    return true;
  }

  /** Milliseconds until `take(count)` can succeed. For a count above `burst` that is never, so keep counts below it. */
  waitMs(count: number, nowMs: number): number {
    this.#fill(nowMs);
    return Math.max(0, Math.ceil((count * thousand - this.#thousandths) / this.#perSecond));
  }

  #fill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#thousandths = Math.min(this.#burstThousandths, this.#thousandths + elapsedMs * this.#perSecond);
    this.#filledAtMs = nowMs;
  }
}
