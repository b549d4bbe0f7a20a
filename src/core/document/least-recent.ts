/**
 * Keeps what was asked for lately, up to a weight in all: whatever it lacks can be made again.
 *
 * In two halves: what is asked for goes into the newer one, and when that is full the older one is let go. So nothing is put in order each time that it
 * is asked for, and what stays is what was asked for within the last half of the room at least.
 */
interface Kept<Value> {
  readonly value: Value;
  readonly weight: number;
}

class Half<Key, Value> {
  readonly kept = new Map<Key, Kept<Value>>();
  weight = 0;

  add(key: Key, kept: Kept<Value>): void {
    this.kept.set(key, kept);
    this.weight += kept.weight;
  }

  take(key: Key): Kept<Value> | undefined {
    const kept = this.kept.get(key);
    if (kept === undefined) return undefined;
    this.kept.delete(key);
    this.weight -= kept.weight;
    return kept;
  }
}

export class LeastRecent<Key, Value> {
  readonly #halfMax: number;
  #newer = new Half<Key, Value>();
  #older = new Half<Key, Value>();

  constructor(weightMax: number) {
    this.#halfMax = weightMax / 2;
  }

  get size(): number {
    return this.#newer.kept.size + this.#older.kept.size;
  }

  get(key: Key): Value | undefined {
    const newer = this.#newer.kept.get(key);
    if (newer !== undefined) return newer.value;
    const older = this.#older.take(key);
    if (older !== undefined) this.#add(key, older);
    return older?.value;
  }

  /** The newest is kept however heavy it is. */
  set(key: Key, value: Value, weight: number): void {
    this.delete(key);
    this.#add(key, { value, weight });
  }

  delete(key: Key): void {
    if (this.#newer.take(key) === undefined) this.#older.take(key);
  }

  #add(key: Key, kept: Kept<Value>): void {
    if (this.#newer.weight + kept.weight > this.#halfMax) {
      const isTooHeavy = this.#newer.weight > this.#halfMax;
      this.#older = isTooHeavy ? new Half() : this.#newer;
      this.#newer = new Half();
    }
    this.#newer.add(key, kept);
  }
}
