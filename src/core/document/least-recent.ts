/** Keeps what was asked for lately, up to a weight in all: whatever it lacks can be made again. */
interface Kept<Key, Value> {
  readonly key: Key;
  readonly value: Value;
  readonly weight: number;
}

export class LeastRecent<Key, Value> {
  readonly #weightMax: number;
  readonly #kept = new Map<Key, Kept<Key, Value>>();
  /** What was asked for last is mostly asked for next. */
  #newest: Kept<Key, Value> | undefined;
  #weight = 0;

  constructor(weightMax: number) {
    this.#weightMax = weightMax;
  }

  get size(): number {
    return this.#kept.size;
  }

  get(key: Key): Value | undefined {
    if (this.#newest?.key === key) return this.#newest.value;
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    this.#newest = kept;
    return kept.value;
  }

  /** The newest is kept however heavy it is. */
  set(key: Key, value: Value, weight: number): void {
    this.delete(key);
    this.#newest = { key, value, weight };
    this.#kept.set(key, this.#newest);
    this.#weight += weight;
    for (const oldest of this.#kept.keys()) {
      if (this.#weight <= this.#weightMax || oldest === key) return;
      this.delete(oldest);
    }
  }

  delete(key: Key): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    if (this.#newest === kept) this.#newest = undefined;
    this.#weight -= kept.weight;
  }
}
