/** What the checks of storage on IndexedDB share. */
import { equalBytes } from "../core/bytes.ts";
import type { Storage, StoredEntry } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { SeededRandom } from "./random.ts";
import { expect } from "./storage-subject.ts";
import { StoredEntries } from "./stored-entries.ts";

export interface IdbCheck {
  /** The title of a test. */
  readonly title: string;
  /** @param name of an instance that nobody used before; it is left behind */
  check(name: string): Promise<void>;
}

/** A database and everything that was committed to it. */
export class Written {
  readonly source: StoredEntries = new StoredEntries(new SeededRandom(1));
  readonly entries: StoredEntry[] = [];
  storage: Storage;

  private constructor(storage: Storage) {
    this.storage = storage;
  }

  static async create(name: string): Promise<Written> {
    const written = new Written(await openIdbStorage(name));
    await written.storage.putDatabase({ id: written.id, name: "notes", relays: [] });
    return written;
  }

  get id(): StoredEntries["database"] {
    return this.source.database;
  }

  async commit(...counts: readonly number[]): Promise<void> {
    for (const count of counts) {
      const entries = this.source.take(count);
      await this.storage.commit({ database: this.id, position: this.entries.length, entries });
      this.entries.push(...entries);
    }
  }

  async reopen(name: string): Promise<void> {
    await this.storage.close();
    this.storage = await openIdbStorage(name);
  }

  async expectAll(): Promise<void> {
    const index = [...((await this.storage.load(this.id))?.index ?? [])];
    expect(index.length === this.entries.length, `${this.entries.length} entries are there, got ${index.length}`);
    const read = await this.storage.read(this.id, 0, this.entries.length);
    const isSame = (entry: StoredEntry, i: number): boolean =>
      index[i]?.id === entry.id && index[i]?.prev === entry.prev && equalBytes(read[i] as Uint8Array, entry.bytes);
    expect(this.entries.every(isSame), "every entry is as it was committed");
  }
}
