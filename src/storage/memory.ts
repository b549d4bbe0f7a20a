/** Storage that ends with the page: for tests, simulations and private moments. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import type {
  CheckpointPart,
  Commit,
  Cursor,
  DatabaseRecord,
  LoadedDatabase,
  Storage,
  StoredEntry,
} from "../ports/storage.ts";

interface Kept {
  record: DatabaseRecord | undefined;
  readonly entries: StoredEntry[];
  checkpoints: readonly CheckpointPart[];
  readonly cursors: Map<PublicKey, Cursor>;
}

export function createMemoryStorage(): Storage {
  return new MemoryStorage();
}

class MemoryStorage implements Storage {
  readonly #databases = new Map<DatabaseId, Kept>();
  readonly #values = new Map<string, unknown>();
  #closed = false;

  async databases(): Promise<readonly DatabaseRecord[]> {
    this.#assertOpen();
    const records = [...this.#databases.values()].flatMap(({ record }) => (record === undefined ? [] : [record]));
    return records.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async putDatabase(record: DatabaseRecord): Promise<void> {
    this.#kept(record.id).record = record;
  }

  async deleteDatabase(database: DatabaseId): Promise<void> {
    this.#assertOpen();
    this.#databases.delete(database);
  }

  async load(database: DatabaseId): Promise<LoadedDatabase | undefined> {
    this.#assertOpen();
    const kept = this.#databases.get(database);
    if (kept?.record === undefined) return undefined;
    const index = kept.entries.map(({ bytes: _bytes, ...entry }) => entry);
    return { record: kept.record, index, checkpoints: kept.checkpoints };
  }

  async commit({ database, position, entries, record }: Commit): Promise<void> {
    const kept = this.#kept(database);
    if (kept.entries.length !== position) throw positionError(database, position, kept.entries.length);
    kept.entries.push(...entries.map((entry) => ({ ...entry, bytes: entry.bytes.slice() })));
    if (record !== undefined) kept.record = record;
  }

  async read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]> {
    const { entries } = this.#kept(database);
    if (to > entries.length) throw missingError(database, to - 1);
    return entries.slice(from, to).map((entry) => entry.bytes);
  }

  async readById(database: DatabaseId, id: EntryId): Promise<Uint8Array | undefined> {
    return this.#kept(database).entries.find((entry) => entry.id === id)?.bytes;
  }

  async putCheckpoint(database: DatabaseId, part: CheckpointPart, replaces: number): Promise<void> {
    const kept = this.#kept(database);
    kept.checkpoints = [...kept.checkpoints.filter(({ number }) => number < replaces), part];
  }

  async deleteCheckpoints(database: DatabaseId): Promise<void> {
    this.#kept(database).checkpoints = [];
  }

  async putCursor(cursor: Cursor): Promise<void> {
    this.#kept(cursor.database).cursors.set(cursor.peer, cursor);
  }

  async cursors(database: DatabaseId): Promise<readonly Cursor[]> {
    return [...this.#kept(database).cursors.values()].sort((a, b) => (a.peer < b.peer ? -1 : 1));
  }

  async getValue(name: string): Promise<unknown> {
    this.#assertOpen();
    return this.#values.get(name);
  }

  async putValueOnce(name: string, value: unknown): Promise<unknown> {
    this.#assertOpen();
    if (!this.#values.has(name)) this.#values.set(name, value);
    return this.#values.get(name);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #kept(database: DatabaseId): Kept {
    this.#assertOpen();
    const kept = this.#databases.get(database) ?? {
      record: undefined,
      entries: [],
      checkpoints: [],
      cursors: new Map(),
    };
    this.#databases.set(database, kept);
    return kept;
  }

  #assertOpen(): void {
    if (this.#closed) throw new TidemarkError("STORAGE_CLOSED", { reason: "closed" });
  }
}

/** Somebody else wrote, or an earlier commit was lost: the caller's view of the database is not what is stored. */
export function positionError(database: DatabaseId, got: number, expected: number): TidemarkError {
  return new TidemarkError("STORAGE_CORRUPT", {
    where: `${database}: commit at position ${got}, but ${expected} entries are stored`,
  });
}

export function missingError(database: DatabaseId, position: number): TidemarkError {
  return new TidemarkError("STORAGE_CORRUPT", { where: `${database}: no entry at position ${position}` });
}
