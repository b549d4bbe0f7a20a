/**
 * How often frontiers may be compared to no avail: finding the difference takes as long as it is large, while a question takes a
 * few bytes.
 *
 * [SESSION-24] A peer has 32 exchanges of frontiers of a database, and two more whenever ours changed or everything that was sent
 *              is confirmed; whoever goes on is cut off. A pair of frontiers that was compared last is not compared anew.
 */

/** Two who differ in what neither takes from the other ask every few minutes: these last for hours. */
const comparisonsMax = 32;
/** For a question and an answer. */
const comparisonsPerChange = 2;

export class Comparisons {
  #left = comparisonsMax;
  #ours = "";
  #last = "";

  /** Another one, while we hold what has this digest. False: there were too many. */
  take(ours: string): boolean {
    if (ours !== this.#ours) this.refill();
    this.#ours = ours;
    this.#left -= 1;
    return this.#left >= 0;
  }

  /** True when this is what was compared last, and what was found then still waits. */
  isRepeated(theirs: string): boolean {
    const pair = this.#ours + theirs;
    const isRepeated = pair === this.#last;
    this.#last = pair;
    return isRepeated;
  }

  /** Something changed: so may what is found. */
  refill(): void {
    this.#left = Math.min(comparisonsMax, Math.max(0, this.#left) + comparisonsPerChange);
    this.#last = "";
  }
}
