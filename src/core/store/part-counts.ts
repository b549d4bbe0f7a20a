/**
 * How many rows, keys … of a state were last altered in which part of its checkpoint.
 *
 * Part numbers start at 1; 0 stands for what no part holds yet.
 */

/** The number of whatever was altered since the latest checkpoint. */
export const unsaved = 0;

/** Whether a checkpoint since the part numbered `since` must hold what is in part `part`. */
export function isAfter(part: number, since: number): boolean {
  return part === unsaved || part > since;
}

/** The part after which all is saved of something that part `part` and part `number` hold. */
export function laterPart(part: number, number: number): number {
  return part === unsaved ? unsaved : Math.max(part, number);
}

export class PartCounts {
  readonly #counts = new Map<number, number>();

  add(part: number, count = 1): void {
    this.#counts.set(part, (this.#counts.get(part) ?? 0) + count);
  }

  move(from: number, to: number): void {
    if (from === to) return;
    const left = (this.#counts.get(from) ?? 0) - 1;
    if (left === 0) this.#counts.delete(from);
    else this.#counts.set(from, left);
    this.add(to);
  }

  sizeSince(since: number): number {
    let size = 0;
    for (const [part, count] of this.#counts) if (isAfter(part, since)) size += count;
    return size;
  }
}
