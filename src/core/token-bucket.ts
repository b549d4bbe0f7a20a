/**
 * A rate with a burst: `burst` tokens at first, `perSecond` more each second, never more than `burst`.
 *
 * Who asks for more than `burst` gets it when the bucket is full, which leaves it in debt: the rate holds for any size.
 * Deliberately without a clock: the caller says what time it is. A clock that jumps back gives nothing and takes nothing.
 */
const thousand = 1_000;

export class TokenBucket {
  #perSecond: number;
  #burstThousandths: number;
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
    if (this.waitMs(count, nowMs) > 0) return false;
    this.#thousandths -= count * thousand;
    return true;
  }

  /** Milliseconds until `take(count)` can succeed, if nothing else is taken meanwhile. */
  waitMs(count: number, nowMs: number): number {
    this.#fill(nowMs);
    const needed = Math.min(count * thousand, this.#burstThousandths);
    return Math.max(0, Math.ceil((needed - this.#thousandths) / this.#perSecond));
  }

  /** From now on another rate; what is there stays, up to the new burst, and so does a debt. */
  change(perSecond: number, burst: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#perSecond = perSecond;
    this.#burstThousandths = burst * thousand;
  }

  #fill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#thousandths = Math.min(this.#burstThousandths, this.#thousandths + elapsedMs * this.#perSecond);
    this.#filledAtMs = nowMs;
  }
}
