/** The entries that the changes of a document stand in, by their place here. */
import { compareBytes } from "../bytes.ts";
import { decodeHex, type EntryId, type PublicKey } from "../ids.ts";
import type { Origin } from "../store/kind.ts";
import { DigestTable } from "./digest-table.ts";
import { WordColumn } from "./growing-columns.ts";

export class EntryTable {
  readonly #ids = new DigestTable();
  readonly #times: number[] = [];
  readonly #authors = new WordColumn();
  readonly #keys: PublicKey[] = [];
  readonly #placesOfKeys = new Map<PublicKey, number>();

  get length(): number {
    return this.#times.length;
  }

  add({ id, time, author }: Origin): number {
    return this.addBytes(decodeHex(id), 0, time, this.addAuthor(author));
  }

  addBytes(id: Uint8Array, offset: number, time: number, author: number): number {
    const known = this.#ids.find(id, offset);
    if (known >= 0) return known;
    this.#times.push(time);
    this.#authors.push(author);
    return this.#ids.add(id, offset);
  }

  addAuthor(key: PublicKey): number {
    const known = this.#placesOfKeys.get(key);
    if (known !== undefined) return known;
    const author = this.#keys.push(key) - 1;
    this.#placesOfKeys.set(key, author);
    return author;
  }

  idOf(entry: number): EntryId {
    return this.#ids.hexAt(entry) as EntryId;
  }

  /** Good until the next entry. */
  idBytes(entry: number): Uint8Array {
    return this.#ids.view(entry, entry + 1);
  }

  timeOf(entry: number): number {
    return this.#times[entry] as number;
  }

  /** The place of its author. */
  authorOf(entry: number): number {
    return this.#authors.at(entry);
  }

  keyOf(author: number): PublicKey {
    return this.#keys[author] as PublicKey;
  }

  /** Less than 0: the first is earlier by time and id. */
  compare(entry: number, other: number): number {
    return this.timeOf(entry) - this.timeOf(other) || this.compareIds(entry, other);
  }

  compareIds(entry: number, other: number): number {
    return compareBytes(this.idBytes(entry), this.idBytes(other));
  }
}
