import type { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { storageOpenTimeoutMs } from "../core/limits.ts";
import type {
  CheckpointPart,
  Commit,
  DatabaseRecord,
  LoadedDatabase,
  LocalRecord,
  RecordKind,
  ReplacedEntry,
  Storage,
} from "../ports/storage.ts";
import { Connection } from "./connection.ts";
import { decodeIndex } from "./index-record.ts";
import { KeptDatabase } from "./kept-database.ts";
import { ownRecords } from "./own-records.ts";
import { packSegments } from "./pack.ts";
import { corrupt } from "./record.ts";
import { replaceIn } from "./remains.ts";
import {
  allOf,
  allOfKind,
  databaseStores,
  endingWithin,
  numberedWithin,
  objectStores,
  ownBuffers,
  toCheckpointPart,
  toDatabaseRecord,
} from "./schema.ts";
import { SegmentCache } from "./segment-cache.ts";
import { Segment } from "./segment-record.ts";
import { mergeSegments, requireContiguous } from "./segment-run.ts";
import { putRecord, putSegments, readRemains, requireDatabase, requirePosition } from "./steps.ts";
import type { Run } from "./tail.ts";

export interface IdbStorageOptions {
  /**
   * Called once when the browser or another tab took the database away, with the STORAGE_CLOSED that every later call
   * rejects with. Not called after `close`.
   */
  readonly onLost?: (error: TidemarkError) => void;
  /** After how long a blocked `open` gives up, in milliseconds. */
  readonly openTimeoutMs?: number;
}

/** Opens the IndexedDB database `tidemark/<name>`, which is made when it is not there. Rejects with STORAGE_UNAVAILABLE. */
export async function openIdbStorage(name: string, options: IdbStorageOptions = {}): Promise<Storage> {
  const { onLost = () => {}, openTimeoutMs = storageOpenTimeoutMs } = options;
  return new IdbStorage(await Connection.open(`tidemark/${name}`, { onLost, openTimeoutMs }));
}

class IdbStorage implements Storage {
  readonly #connection: Connection;
  readonly #kept = new Map<DatabaseId, KeptDatabase>();
  readonly #cache = new SegmentCache();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async databases(): Promise<readonly DatabaseRecord[]> {
    const values = await this.#connection.transact(["databases"], "readonly", ({ store }) => store.getAll());
    return values.map(toDatabaseRecord);
  }

  async putDatabase(record: DatabaseRecord): Promise<void> {
    await this.#connection.transact(["databases"], "readwrite", ({ store }) => store.put(record, record.id));
  }

  async deleteDatabase(database: DatabaseId): Promise<void> {
    this.#cache.drop(this.#keep(database));
    this.#kept.delete(database);
    await this.#connection.transact(objectStores, "readwrite", (transaction) =>
      Promise.all([
        transaction.objectStore("databases").delete(database),
        ...databaseStores.map((name) => transaction.objectStore(name).delete(allOf(database))),
      ]),
    );
  }

  async load(database: DatabaseId): Promise<LoadedDatabase | undefined> {
    const kept = this.#keep(database);
    const [record, indexes, ends, checkpoints] = await this.#connection.transact(
      ["databases", "indexes", "segments", "checkpoints"],
      "readonly",
      (transaction) =>
        Promise.all([
          transaction.objectStore("databases").get(database),
          transaction.objectStore("indexes").getAll(allOf(database)),
          transaction.objectStore("segments").getAllKeys(allOf(database)),
          transaction.objectStore("checkpoints").getAll(allOf(database)),
        ]),
    );
    // Whatever was read before may be of a database that another tab has replaced meanwhile.
    this.#cache.drop(kept);
    if (record === undefined) return undefined;
    const records = indexes.map(decodeIndex);
    requireContiguous(
      records,
      ends.map(([, end]) => end),
      0,
    );
    for (const run of kept.load(records)) void this.#merge(database, run);
    return {
      record: toDatabaseRecord(record),
      index: records.flatMap(({ entries }) => entries),
      checkpoints: checkpoints.map(toCheckpointPart),
    };
  }

  async commit({ database, position, entries, record }: Commit): Promise<void> {
    const segments = packSegments(position, entries);
    const kept = this.#keep(database);
    await this.#connection.transact(["databases", "indexes", "segments"], "readwrite", (transaction) =>
      Promise.all([
        record === undefined
          ? requireDatabase(transaction, database)
          : transaction.objectStore("databases").put(record, database),
        requirePosition(transaction, database, position),
        // Asked for without waiting for the answers above: when one is no, the transaction is aborted with all of it.
        ...putSegments(transaction, database, segments),
      ]),
    );
    const ids = entries.map(({ id }) => id);
    for (const run of kept.append(position, ids, segments)) void this.#merge(database, run);
  }

  async read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]> {
    this.#connection.requireOpen();
    const owner = this.#keep(database);
    const entries: Uint8Array[] = [];
    for (let position = from; position < to; ) {
      const segment = this.#cache.find(owner, position) ?? (await this.#readSegment(database, owner, position));
      const end = Math.min(segment.end, to);
      for (; position < end; position++) entries.push(segment.entry(position));
    }
    return entries;
  }

  async salvage(database: DatabaseId, from: number, to: number): Promise<readonly (Uint8Array | undefined)[]> {
    this.#connection.requireOpen();
    if (from >= to) return [];
    const remains = await this.#connection.transact(["indexes", "segments"], "readonly", (transaction) =>
      readRemains(transaction, database, from, to),
    );
    return remains.flatMap(({ first, bytes }) => bytes.slice(Math.max(0, from - first), to - first));
  }

  async replace(database: DatabaseId, position: number, entries: readonly ReplacedEntry[]): Promise<void> {
    const to = position + entries.length;
    await this.#connection.transact(["databases", "indexes", "segments"], "readwrite", async (transaction) => {
      await requireDatabase(transaction, database);
      const remains = position < to ? await readRemains(transaction, database, position, to) : [];
      const segments = remains.flatMap((each) => replaceIn(each, position, entries));
      await Promise.all(putSegments(transaction, database, segments));
    });
    this.#cache.drop(this.#keep(database));
  }

  async readById(database: DatabaseId, id: EntryId): Promise<Uint8Array | undefined> {
    this.#connection.requireOpen();
    const kept = this.#keep(database);
    if (!kept.knowsIds) await this.load(database);
    const position = kept.positionOf(id);
    if (position === undefined) return undefined;
    const [bytes] = await this.read(database, position, position + 1);
    return bytes;
  }

  async checkpoints(database: DatabaseId): Promise<readonly CheckpointPart[]> {
    const parts = await this.#connection.transact(["checkpoints"], "readonly", ({ store }) =>
      store.getAll(allOf(database)),
    );
    return parts.map(toCheckpointPart);
  }

  async putCheckpoint(database: DatabaseId, part: CheckpointPart, replaces: number): Promise<void> {
    // Relaxed, here and for local records: a crash of the whole machine may take back the newest of them, and the ones before are as good.
    await this.#connection.transact(
      ["databases", "checkpoints"],
      "readwrite",
      async (transaction) => {
        const checkpoints = transaction.objectStore("checkpoints");
        const requests: Promise<unknown>[] = [requireDatabase(transaction, database)];
        if (replaces < part.number) requests.push(checkpoints.delete(numberedWithin(database, replaces, part.number)));
        requests.push(checkpoints.put(ownBuffers(part), [database, part.number]));
        await Promise.all(requests);
      },
      "relaxed",
    );
  }

  async deleteCheckpoints(database: DatabaseId): Promise<void> {
    await this.#connection.transact(["checkpoints"], "readwrite", ({ store }) => store.delete(allOf(database)));
  }

  async records(kind: RecordKind): Promise<readonly LocalRecord[]> {
    const [keys, values] = await this.#connection.transact(["_sync"], "readonly", ({ store }) =>
      Promise.all([store.getAllKeys(allOfKind(kind)), store.getAll(allOfKind(kind))]),
    );
    return keys.map(([, key], i) => ({ kind, key, value: values[i] }));
  }

  async putRecords(changes: readonly LocalRecord[]): Promise<void> {
    const records = ownRecords(changes);
    await this.#connection.transact(
      ["_sync"],
      "readwrite",
      ({ store }) => Promise.all(records.map((record) => putRecord(store, record))),
      "relaxed",
    );
  }

  async getValue(name: string): Promise<unknown> {
    return await this.#connection.transact(["values"], "readonly", ({ store }) => store.get(name));
  }

  async putValueOnce(name: string, value: unknown): Promise<unknown> {
    return await this.#connection.transact(["values"], "readwrite", async ({ store }) => {
      if ((await store.getKey(name)) === undefined) await store.put(value, name);
      return await store.get(name);
    });
  }

  async values(prefix: string): Promise<readonly (readonly [name: string, value: unknown])[]> {
    const [names, values] = await this.#connection.transact(["values"], "readonly", ({ store }) =>
      Promise.all([store.getAllKeys(), store.getAll()]),
    );
    // There are few, and no range of texts ends exactly where a prefix does.
    return names.map((name, i) => [name, values[i]] as const).filter(([name]) => name.startsWith(prefix));
  }

  async deleteValue(name: string): Promise<void> {
    await this.#connection.transact(["values"], "readwrite", ({ store }) => store.delete(name));
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #keep(database: DatabaseId): KeptDatabase {
    const known = this.#kept.get(database);
    if (known !== undefined) return known;
    const kept = new KeptDatabase();
    this.#kept.set(database, kept);
    return kept;
  }

  async #readSegment(database: DatabaseId, owner: KeptDatabase, position: number): Promise<Segment> {
    const value = await this.#connection.transact(["segments"], "readonly", ({ store }) =>
      store.get(endingWithin(database, position)),
    );
    if (value === undefined) throw corrupt(`entry ${position} is missing`);
    const segment = new Segment(value);
    if (!segment.has(position)) throw corrupt(`entry ${position} is missing`);
    this.#cache.add(owner, segment);
    return segment;
  }

  /**
   * In a transaction after the commit's own, so that the commit neither waits for it nor fails with it. Relaxed: a crash leaves the
   * small segments, which say the same. When it fails they stay, and the next load asks for it again.
   */
  async #merge(database: DatabaseId, { first, end }: Run): Promise<void> {
    const merging = this.#connection.transact(
      ["databases", "indexes", "segments"],
      "readwrite",
      async (transaction) => {
        const stores = [transaction.objectStore("indexes"), transaction.objectStore("segments")] as const;
        const range = endingWithin(database, first, end);
        const [indexes, segments] = await Promise.all([stores[0].getAll(range), stores[1].getAll(range)]);
        const merged = mergeSegments(indexes, segments);
        // Another tab may have deleted the database meanwhile.
        if (merged === undefined) return;
        await Promise.all([
          ...stores.map((store) => store.delete(range)),
          ...putSegments(transaction, database, [merged]),
        ]);
      },
      "relaxed",
    );
    await merging.catch(() => {});
  }
}
