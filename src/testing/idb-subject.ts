/** What the checks of storage on IndexedDB share. */
import { equalBytes } from "../core/bytes.ts";
import type { Storage, StoredEntry } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { SeededRandom } from "./random.ts";
import { listRaw, putRaw, type RawRecord } from "./raw-idb.ts";
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

/** Several segments; the n-th record of either kind can be damaged. */
export async function segmented(name: string): Promise<Written> {
  const written = await Written.create(name);
  await written.commit(20, 1_000, 30, 1_000);
  await written.storage.close();
  return written;
}

/** One bit of the record differs: of its bytes, or of the first text or number in it. */
export function damaged({ key, value }: RawRecord, at = -1): RawRecord {
  if (value instanceof Uint8Array) {
    const copy = value.slice();
    const i = at < 0 ? copy.length + at : at;
    copy[i] = (copy[i] ?? 0) ^ 4;
    return { key, value: copy };
  }
  return { key, value: { ...(value as object), sum: ((value as { sum: number }).sum ^ 4) >>> 0 } };
}

export async function damageNth(name: string, store: "indexes" | "segments", n: number, at = -1): Promise<void> {
  await putRaw(name, store, damaged((await listRaw(name, store))[n] as RawRecord, at));
}

/** Puts the value of each of two records in place of the other's. */
export async function exchange(name: string, store: "indexes" | "segments", one: number, other: number): Promise<void> {
  const records = await listRaw(name, store);
  const [first, second] = [records[one] as RawRecord, records[other] as RawRecord];
  for (const [{ key }, { value }] of [
    [first, second],
    [second, first],
  ] as const)
    await putRaw(name, store, { key, value });
}

export async function remove(name: string, store: "indexes" | "segments", n: number): Promise<RawRecord> {
  const record = (await listRaw(name, store))[n] as RawRecord;
  await putRaw(name, store, { key: record.key, value: undefined });
  return record;
}
