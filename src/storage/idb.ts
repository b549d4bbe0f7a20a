/** Storage on IndexedDB: the claim on it, and who answers which call. */
import type { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { storageOpenTimeoutMs } from "../core/limits.ts";
import type {
  AsideEntries,
  CheckpointPart,
  Commit,
  DatabaseRecord,
  InspectedRecords,
  LoadedDatabase,
  LocalRecord,
  RecordKind,
  RepairedLog,
  ReplacedEntry,
  Storage,
  WriteRow,
} from "../ports/storage.ts";
import { decodeParts, deleteParts, putPart, storedParts } from "./checkpoint-parts.ts";
import { Connection } from "./connection.ts";
import { inspectDatabase, inspectOthers } from "./inspect.ts";
import { KeptDatabases } from "./kept-databases.ts";
import { deleteWriteRow, putRecords, readRecords, readWriteRows } from "./local-records.ts";
import { renewRecords } from "./migrations.ts";
import type { IndexOf } from "./repair.ts";
import { getSnapshot, putSnapshot } from "./snapshots.ts";
import { dropAside, findAside } from "./spare.ts";
import { StoredDatabases } from "./stored-databases.ts";
import { StoredLogs } from "./stored-logs.ts";
import { deleteValue, getValue, putValueOnce, valuesNamed } from "./values.ts";

export interface IdbStorageOptions {
  /**
   * Called once when the browser or another tab took the database away, with the STORAGE_CLOSED that every later call
   * rejects with. Not called after `close`.
   */
  readonly onLost?: (error: TidemarkError) => void;
  /** After how long a blocked `open` gives up, in milliseconds. */
  readonly openTimeoutMs?: number;
}

/**
 * Opens the IndexedDB database `tidemark/<name>`, which is made when it is not there. Rejects with STORAGE_UNAVAILABLE, STORAGE_NEWER,
 * STORAGE_QUOTA or STORAGE_CORRUPT; then nothing is changed, and nothing stays open.
 */
export async function openIdbStorage(name: string, options: IdbStorageOptions = {}): Promise<Storage> {
  const { onLost = () => {}, openTimeoutMs = storageOpenTimeoutMs } = options;
  return new IdbStorage(await Connection.open(`tidemark/${name}`, { onLost, openTimeoutMs }));
}

class IdbStorage implements Storage {
  readonly kind = "idb";
  readonly #connection: Connection;
  readonly #kept = new KeptDatabases();
  readonly #databases: StoredDatabases;
  readonly #logs: StoredLogs;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#databases = new StoredDatabases(connection, this.#kept);
    this.#logs = new StoredLogs(connection, this.#kept);
  }

  async claim(): Promise<number> {
    const term = await this.#connection.claim();
    void this.#renew();
    return term;
  }

  databases(): Promise<readonly DatabaseRecord[]> {
    return this.#databases.all();
  }

  putDatabase(record: DatabaseRecord, writes?: readonly WriteRow[]): Promise<void> {
    return this.#databases.put(record, writes);
  }

  deleteDatabase(database: DatabaseId, writes?: readonly WriteRow[]): Promise<void> {
    return this.#databases.delete(database, writes);
  }

  load(database: DatabaseId): Promise<LoadedDatabase | undefined> {
    return this.#databases.load(database);
  }

  commit(commit: Commit): Promise<void> {
    return this.#logs.commit(commit);
  }

  read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.#logs.read(database, from, to);
  }

  async readById(database: DatabaseId, id: EntryId): Promise<Uint8Array | undefined> {
    this.#connection.requireOpen();
    const kept = this.#kept.of(database);
    if (!kept.knowsIds) await this.load(database);
    const position = kept.positionOf(id);
    if (position === undefined) return undefined;
    const [bytes] = await this.read(database, position, position + 1);
    return bytes;
  }

  salvage(database: DatabaseId, from: number, to: number): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#logs.salvage(database, from, to);
  }

  replace(database: DatabaseId, position: number, entries: readonly ReplacedEntry[]): Promise<void> {
    return this.#logs.replace(database, position, entries);
  }

  repair(database: DatabaseId, indexOf: IndexOf, from?: number): Promise<RepairedLog> {
    return this.#logs.repair(database, indexOf, from);
  }

  async uncache(database: DatabaseId): Promise<void> {
    this.#logs.uncache(database);
  }

  async nextAside(database: DatabaseId, after: number): Promise<AsideEntries | undefined> {
    return await this.#connection.read(["spare"], (transaction) => findAside(transaction, database, after));
  }

  async deleteAside(database: DatabaseId, number: number): Promise<void> {
    await this.#connection.write(["spare"], (transaction) => [dropAside(transaction, database, number)]);
  }

  async probe(bytes: number): Promise<void> {
    const key = "probe";
    // In two steps: of what one transaction writes and removes, nothing might reach the disk.
    await this.#connection.write(["spare"], (transaction) => [
      transaction.objectStore("spare").put(new Uint8Array(bytes), key),
    ]);
    await this.#connection.write(["spare"], (transaction) => [transaction.objectStore("spare").delete(key)]);
  }

  inspect(database: DatabaseId | undefined): Promise<InspectedRecords> {
    return database === undefined ? inspectOthers(this.#connection) : inspectDatabase(this.#connection, database);
  }

  async checkpoints(database: DatabaseId): Promise<readonly CheckpointPart[]> {
    return decodeParts(await storedParts(this.#connection, database));
  }

  putCheckpoint(database: DatabaseId, part: CheckpointPart, replaces: number): Promise<void> {
    return putPart(this.#connection, this.#kept.of(database), database, part, replaces);
  }

  deleteCheckpoints(database: DatabaseId): Promise<void> {
    return deleteParts(this.#connection, database);
  }

  putSnapshot(database: DatabaseId, key: string, bytes: Uint8Array): Promise<void> {
    return putSnapshot(this.#connection, this.#kept.of(database), database, key, bytes);
  }

  getSnapshot(database: DatabaseId, key: string): Promise<Uint8Array | undefined> {
    return getSnapshot(this.#connection, database, key);
  }

  records(kind: RecordKind): Promise<readonly LocalRecord[]> {
    return readRecords(this.#connection, kind);
  }

  putRecords(changes: readonly LocalRecord[]): Promise<void> {
    return putRecords(this.#connection, changes);
  }

  writeRows(): Promise<readonly WriteRow[]> {
    return readWriteRows(this.#connection);
  }

  deleteWriteRow(tab: string): Promise<void> {
    return deleteWriteRow(this.#connection, tab);
  }

  getValue(name: string): Promise<unknown> {
    return getValue(this.#connection, name);
  }

  putValueOnce(name: string, value: unknown): Promise<unknown> {
    return putValueOnce(this.#connection, name, value);
  }

  values(prefix: string): Promise<readonly (readonly [name: string, value: unknown])[]> {
    return valuesNamed(this.#connection, prefix);
  }

  deleteValue(name: string): Promise<void> {
    return deleteValue(this.#connection, name);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Goes on where it ended, after the next claim as well. */
  async #renew(): Promise<void> {
    try {
      for await (const _ of renewRecords(this.#connection));
    } catch {
      // No room, or closed: every older form is read all the same.
    }
  }
}
