/**
 * Storage on a disk that is only memory: for simulations, and for tests of everything above storage.
 *
 * Synchronous inside, so that a simulation stays deterministic: each call takes effect at once and answers a microtask later.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { LogIndex } from "../core/log-index.ts";
import type {
  AsideEntries,
  CheckpointPart,
  Commit,
  DatabaseRecord,
  EntryIndex,
  InspectedRecords,
  LoadedDatabase,
  LocalRecord,
  RecordKind,
  RepairedLog,
  ReplacedEntry,
  Storage,
  WriteRow,
} from "../ports/storage.ts";
import { ownRecords, ownRows } from "./own-records.ts";

interface DatabaseOnDisk {
  record: DatabaseRecord;
  readonly index: EntryIndex[];
  readonly bytes: Uint8Array[];
  readonly positions: Map<EntryId, number>;
  checkpoints: readonly CheckpointPart[];
  readonly snapshots: Map<string, Uint8Array>;
  aside?: readonly AsideEntries[];
}

/** What outlives the storage that is opened on it, as a disk outlives a process. */
export class MemoryDisk {
  readonly databases: Map<DatabaseId, DatabaseOnDisk> = new Map();
  readonly values: Map<string, unknown> = new Map();
  readonly records: Map<RecordKind, Map<string, unknown>> = new Map();
  readonly writes: Map<string, unknown> = new Map();
  /** Of the last claim; 0: nobody claimed it yet. */
  term = 0;
}

/** Storages on the same disk see the same, as two tabs do. */
export function createMemoryStorage(disk: MemoryDisk = new MemoryDisk()): Storage {
  return new MemoryStorage(disk);
}

class MemoryStorage implements Storage {
  readonly kind = "memory";
  readonly #disk: MemoryDisk;
  #closed = false;
  #term: number | undefined;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  async databases(): Promise<readonly DatabaseRecord[]> {
    return [...this.#open().databases.values()].map(({ record }) => record).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async claim(): Promise<number> {
    const disk = this.#open();
    disk.term += 1;
    this.#term = disk.term;
    return disk.term;
  }

  async putDatabase(record: DatabaseRecord, writes: readonly WriteRow[] = []): Promise<void> {
    const rows = ownRows(writes);
    this.#put(structuredClone(record));
    this.#putRows(rows);
  }

  async deleteDatabase(database: DatabaseId, writes: readonly WriteRow[] = []): Promise<void> {
    const rows = ownRows(writes);
    this.#openToWrite().databases.delete(database);
    this.#putRows(rows);
  }

  async load(database: DatabaseId): Promise<LoadedDatabase | undefined> {
    const found = this.#open().databases.get(database);
    if (found === undefined) return undefined;
    const checkpoints = structuredClone(found.checkpoints);
    const index = LogIndex.of(found.index);
    return { record: found.record, index, checkpoints, hasAside: (found.aside ?? []).length > 0 };
  }

  async commit({ database, position, entries, record, writes = [] }: Commit): Promise<void> {
    const rows = ownRows(writes);
    const known = record === undefined ? this.#find(database) : this.#openToWrite().databases.get(database);
    const expected = known?.index.length ?? 0;
    if (position !== expected) throw new TidemarkError("STORAGE_CONFLICT", { database, got: position, expected });
    const target = record === undefined ? this.#find(database) : this.#put(structuredClone(record));
    for (const { bytes, ...index } of entries) {
      target.positions.set(index.id, target.index.length);
      target.index.push({ ...index, parents: [...index.parents] });
      target.bytes.push(bytes.slice());
    }
    this.#putRows(rows);
  }

  async read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]> {
    const bytes = this.#open().databases.get(database)?.bytes ?? [];
    if (from < to && (from < 0 || to > bytes.length)) {
      throw new TidemarkError("STORAGE_CORRUPT", { where: `entry ${from < 0 ? from : bytes.length} is missing` });
    }
    return bytes.slice(from, Math.max(from, to)).map((each) => each.slice());
  }

  async salvage(database: DatabaseId, from: number, to: number): Promise<readonly (Uint8Array | undefined)[]> {
    return await this.read(database, from, to);
  }

  async replace(database: DatabaseId, position: number, entries: readonly ReplacedEntry[]): Promise<void> {
    const { index, bytes } = this.#find(database);
    const isStored = ({ id, bytes: { length } }: ReplacedEntry, i: number): boolean =>
      index[position + i]?.id === id && index[position + i]?.size === length;
    if (!entries.every(isStored))
      throw new TidemarkError("STORAGE_CORRUPT", { where: `other entries from ${position} on` });
    for (const [i, entry] of entries.entries()) bytes[position + i] = entry.bytes.slice();
  }

  async probe(): Promise<void> {
    this.#openToWrite();
  }

  async repair(
    database: DatabaseId,
    _indexOf: (bytes: Uint8Array) => EntryIndex | undefined,
    from?: number,
  ): Promise<RepairedLog> {
    const found = this.#find(database);
    const { index, bytes, positions, aside = [] } = found;
    if (from === undefined || from >= index.length) return { end: undefined, aside: 0, lost: 0 };
    for (const { id } of index.splice(from)) positions.delete(id);
    const entries = bytes.splice(from);
    found.aside = [...aside, { number: (aside.at(-1)?.number ?? 0) + 1, entries }];
    found.checkpoints = found.checkpoints.filter(({ through }) => through <= from);
    return { end: from, aside: entries.length, lost: 0 };
  }

  async nextAside(database: DatabaseId, after: number): Promise<AsideEntries | undefined> {
    const { aside = [] } = this.#open().databases.get(database) ?? {};
    return structuredClone(aside.find(({ number }) => number > after));
  }

  async deleteAside(database: DatabaseId, number: number): Promise<void> {
    const found = this.#openToWrite().databases.get(database);
    if (found?.aside !== undefined) found.aside = found.aside.filter((each) => each.number !== number);
  }

  async inspect(): Promise<InspectedRecords> {
    this.#open();
    return { checked: 0, damaged: [], mended: 0 };
  }

  async uncache(): Promise<void> {}

  async readById(database: DatabaseId, id: EntryId): Promise<Uint8Array | undefined> {
    const found = this.#open().databases.get(database);
    return found?.bytes[found.positions.get(id) ?? -1]?.slice();
  }

  async checkpoints(database: DatabaseId): Promise<readonly CheckpointPart[]> {
    return structuredClone(this.#open().databases.get(database)?.checkpoints ?? []);
  }

  async putCheckpoint(database: DatabaseId, part: CheckpointPart, replaces: number): Promise<void> {
    const target = this.#find(database);
    const kept = target.checkpoints.filter(
      ({ number }) => number !== part.number && (number < replaces || number > part.number),
    );
    target.checkpoints = [...kept, structuredClone(part)].sort((a, b) => a.number - b.number);
  }

  async deleteCheckpoints(database: DatabaseId): Promise<void> {
    const found = this.#openToWrite().databases.get(database);
    if (found !== undefined) found.checkpoints = [];
  }

  async putSnapshot(database: DatabaseId, key: string, bytes: Uint8Array): Promise<void> {
    this.#find(database).snapshots.set(key, bytes.slice());
  }

  async getSnapshot(database: DatabaseId, key: string): Promise<Uint8Array | undefined> {
    return this.#open().databases.get(database)?.snapshots.get(key)?.slice();
  }

  async records(kind: RecordKind): Promise<readonly LocalRecord[]> {
    const records = [...(this.#open().records.get(kind) ?? [])].map(([key, value]) => ({ kind, key, value }));
    return structuredClone(records.sort((a, b) => (a.key < b.key ? -1 : 1)));
  }

  async putRecords(changes: readonly LocalRecord[]): Promise<void> {
    const { records } = this.#openToWrite();
    for (const { kind, key, value } of ownRecords(changes)) {
      const ofKind = records.get(kind) ?? new Map<string, unknown>();
      if (value === undefined) ofKind.delete(key);
      else ofKind.set(key, value);
      records.set(kind, ofKind);
    }
  }

  async writeRows(): Promise<readonly WriteRow[]> {
    const rows = [...this.#open().writes].map(([tab, value]) => ({ tab, value }));
    return structuredClone(rows.sort((a, b) => (a.tab < b.tab ? -1 : 1)));
  }

  async deleteWriteRow(tab: string): Promise<void> {
    this.#openToWrite().writes.delete(tab);
  }

  async getValue(name: string): Promise<unknown> {
    return structuredClone(this.#open().values.get(name));
  }

  async putValueOnce(name: string, value: unknown): Promise<unknown> {
    const { values } = this.#openToWrite();
    if (!values.has(name)) values.set(name, structuredClone(value));
    return structuredClone(values.get(name));
  }

  async values(prefix: string): Promise<readonly (readonly [name: string, value: unknown])[]> {
    const found = [...this.#open().values].filter(([name]) => name.startsWith(prefix));
    return structuredClone(found.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async deleteValue(name: string): Promise<void> {
    this.#openToWrite().values.delete(name);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #open(): MemoryDisk {
    if (this.#closed) throw new TidemarkError("STORAGE_CLOSED", { reason: "close() was called" });
    return this.#disk;
  }

  #openToWrite(): MemoryDisk {
    const disk = this.#open();
    if (this.#term !== undefined && this.#term !== disk.term) {
      throw new TidemarkError("STORAGE_FENCED", { got: this.#term, expected: disk.term });
    }
    return disk;
  }

  /** To write into. */
  #find(database: DatabaseId): DatabaseOnDisk {
    const found = this.#openToWrite().databases.get(database);
    if (found === undefined) throw new TidemarkError("DATABASE_UNKNOWN", { database });
    return found;
  }

  #put(record: DatabaseRecord): DatabaseOnDisk {
    const { databases } = this.#openToWrite();
    const known = databases.get(record.id);
    const target: DatabaseOnDisk = known ?? {
      record,
      index: [],
      bytes: [],
      positions: new Map(),
      checkpoints: [],
      snapshots: new Map(),
    };
    target.record = record;
    databases.set(record.id, target);
    return target;
  }

  #putRows(rows: readonly WriteRow[]): void {
    for (const { tab, value } of rows) this.#disk.writes.set(tab, value);
  }
}
