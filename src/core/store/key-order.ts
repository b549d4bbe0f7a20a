/**
 * The row ids or keys of a state in order, sorted only when somebody reads them in order.
 *
 * Keys are only ever added: what is deleted leaves a tombstone behind.
 */
import { compareUtf8 } from "../utf8.ts";

export class KeyOrder {
  #sorted: readonly string[] = [];
  #added: string[] = [];

  /** The key must be a new one. */
  add(key: string): void {
    this.#added.push(key);
  }

  /** All keys in text order. The array is never altered afterwards. */
  sorted(): readonly string[] {
    if (this.#added.length > 0) {
      this.#sorted = mergeSorted(this.#sorted, this.#added.sort(compareUtf8));
      this.#added = [];
    }
    return this.#sorted;
  }

  /** The keys that start with `prefix`, in text order. */
  *startingWith(prefix: string): IterableIterator<string> {
    const keys = this.sorted();
    for (let i = firstAtOrAfter(keys, prefix); i < keys.length; i++) {
      const key = keys[i] as string;
      if (!key.startsWith(prefix)) return;
      yield key;
    }
  }
}

/** A few new keys among many: one pass is cheaper than sorting all of them again. */
function mergeSorted(a: readonly string[], b: readonly string[]): readonly string[] {
  if (a.length === 0) return b;
  const merged: string[] = [];
  let i = 0;
  for (const key of b) {
    while (i < a.length && compareUtf8(a[i] as string, key) < 0) merged.push(a[i++] as string);
    merged.push(key);
  }
  while (i < a.length) merged.push(a[i++] as string);
  return merged;
}

function firstAtOrAfter(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareUtf8(keys[middle] as string, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
