/** Entries as storage sees them: ids and bytes are random, and what they follow is plausible. */

import { ticksPerMs } from "../core/clock.ts";
import { type DatabaseId, entryIdFromDigest, type PublicKey, publicKeyFromBytes } from "../core/ids.ts";
import type { StoredEntry } from "../ports/storage.ts";
import type { SeededRandom } from "./random.ts";

const authorsCount = 3;

/** Makes one database's entries in an order in which they can be accepted. */
export class StoredEntries {
  readonly database: DatabaseId;
  readonly #random: SeededRandom;
  readonly #authors: readonly PublicKey[];
  readonly #heads = new Map<PublicKey, StoredEntry>();
  #newest: StoredEntry | undefined;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.database = entryIdFromDigest(random.bytes(32));
    this.#authors = Array.from({ length: authorsCount }, () => publicKeyFromBytes(random.bytes(32)));
  }

  /** @param bytesMax each entry has 1 to this many bytes */
  take(count: number, bytesMax = 300): readonly StoredEntry[] {
    return Array.from({ length: count }, () => this.next(this.#random.bytes(1 + this.#random.int(bytesMax))));
  }

  next(bytes: Uint8Array): StoredEntry {
    const author = this.#random.chance(0.8) ? (this.#newest?.author ?? this.#anyone()) : this.#anyone();
    const prev = this.#heads.get(author);
    const merged = this.#newest === undefined || this.#newest === prev ? [] : [this.#newest];
    const entry: StoredEntry = {
      id: this.#isFirst() ? this.database : entryIdFromDigest(this.#random.bytes(32)),
      author,
      seq: prev === undefined ? 0 : prev.seq + 1,
      prev: prev?.id,
      parents: merged.map(({ id }) => id),
      height: Math.max(-1, ...[prev, ...merged].map((each) => each?.height ?? -1)) + 1,
      time: (this.#newest?.time ?? 1.7e12 * ticksPerMs) + this.#random.int(100 * ticksPerMs) - 10 * ticksPerMs,
      size: bytes.length,
      settings: this.#random.chance(0.05),
      bytes,
    };
    this.#heads.set(author, entry);
    this.#newest = entry;
    return entry;
  }

  #isFirst(): boolean {
    return this.#newest === undefined;
  }

  #anyone(): PublicKey {
    return this.#random.pick(this.#authors);
  }
}
