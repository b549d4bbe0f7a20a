/**
 * Which entries of an encrypted database could not be opened when they were accepted, by the key they want.
 *
 * [ENCRYPTION-8] What cannot be opened is counted, also after a restart, until its key comes.
 *
 * Per key only where its entries begin and end, and how many they are: a device that may not read holds nothing else, and a list
 * of positions would be as long as the log. Never more keys than the log has entries.
 */
import type { EpochKeyId } from "../core/store/sealed.ts";
import type { SealedRange } from "../ports/storage.ts";

interface Waiting {
  /** Position of the first, and one beyond the last. */
  from: number;
  to: number;
  count: number;
}

export class Unopened {
  readonly #byKey = new Map<EpochKeyId, Waiting>();

  /** `ranges` as a checkpoint has them. */
  constructor(ranges: readonly SealedRange[] = []) {
    for (const { key, from, to, count } of ranges) this.#byKey.set(key, { from, to, count });
  }

  get count(): number {
    let count = 0;
    for (const waiting of this.#byKey.values()) count += waiting.count;
    return count;
  }

  note(key: EpochKeyId, position: number): void {
    const waiting = this.#byKey.get(key);
    if (waiting === undefined) this.#byKey.set(key, { from: position, to: position + 1, count: 1 });
    else {
      waiting.from = Math.min(waiting.from, position);
      waiting.to = Math.max(waiting.to, position + 1);
      waiting.count += 1;
    }
  }

  /** The keys that `isHeld` of entries at positions below `through`, and where the first of these is. */
  due(
    isHeld: (key: EpochKeyId) => boolean,
    through: number,
  ): { readonly keys: Set<EpochKeyId>; readonly from: number } {
    const keys = new Set<EpochKeyId>();
    let from = through;
    for (const [key, waiting] of this.#byKey) {
      if (waiting.from >= through || !isHeld(key)) continue;
      keys.add(key);
      from = Math.min(from, waiting.from);
    }
    return { keys, from };
  }

  /** All entries at positions below `through` that want this key were looked at; `found` of them there were. */
  settle(key: EpochKeyId, through: number, found: number): void {
    const waiting = this.#byKey.get(key);
    if (waiting === undefined) return;
    if (waiting.to <= through) this.#byKey.delete(key);
    else {
      waiting.from = through;
      waiting.count = Math.max(1, waiting.count - found);
    }
  }

  /** For a checkpoint. */
  ranges(): readonly SealedRange[] {
    return [...this.#byKey].map(([key, waiting]) => ({ key, ...waiting }));
  }
}
