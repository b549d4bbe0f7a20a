import type { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { storageOpenTimeoutMs } from "../core/limits.ts";
import type { LogIndex } from "../core/log-index.ts";
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
import { Connection, type Transaction } from "./connection.ts";
import { decodeLocal, decodePart, encodePart } from "./forms.ts";
import { inspectDatabase, inspectOthers } from "./inspect.ts";
import { KeptDatabase } from "./kept-database.ts";
import { readLog } from "./log-reading.ts";
import { mergeAsOnlyWriter, mergeAtOnce } from "./merging.ts";
import { renewRecords } from "./migrations.ts";
import { ownRecords, ownRows } from "./own-records.ts";
import { packSegments } from "./pack.ts";
import { corrupt } from "./record.ts";
import { replaceIn } from "./remains.ts";
import { type IndexOf, repairLog } from "./repair.ts";
import { dropSavedIndex, putSavedIndex, savedIndexStep } from "./saved-index.ts";
import { allOf, allOfKind, databaseStores, endingWithin, numberedWithin } from "./schema.ts";
import { SegmentCache } from "./segment-cache.ts";
import { Segment } from "./segment-record.ts";
import {
  allRecordCopies,
  allValueCopies,
  asideAfter,
  dropAside,
  findAside,
  findRecord,
  openEither,
  putDatabaseRecord,
  putValue,
  readEither,
  recordCopyKey,
  valueCopyKey,
} from "./spare.ts";
import { hasEntries, putRecord, putRows, putSegments, readRemains, requireDatabase, requirePosition } from "./steps.ts";
import type { Run } from "./tail.ts";

/** How long a database has been open before its index is saved as a whole. */
const saveAfterMs = 250;

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
  readonly #kept = new Map<DatabaseId, KeptDatabase>();
  readonly #cache = new SegmentCache();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async claim(): Promise<number> {
    const term = await this.#connection.claim();
    void this.#renew();
    return term;
  }

  async databases(): Promise<readonly DatabaseRecord[]> {
    const [ids, values, names, copies] = await this.#connection.read(["databases", "spare"], (transaction) => {
      const [records, spare] = [transaction.objectStore("databases"), transaction.objectStore("spare")];
      const range = allRecordCopies();
      return Promise.all([records.getAllKeys(), records.getAll(), spare.getAllKeys(range), spare.getAll(range)]);
    });
    const copyAt = new Map(names.map((name, i) => [name, copies[i]]));
    return ids.flatMap((id, i) => findRecord(id, values[i], copyAt.get(recordCopyKey(id)))?.record ?? []);
  }

  async putDatabase(record: DatabaseRecord, writes: readonly WriteRow[] = []): Promise<void> {
    const rows = ownRows(writes);
    const [kept, { era }] = [this.#keep(record.id), this.#connection];
    await this.#connection.write(["databases", "spare", "writes"], (transaction) => [
      ...putDatabaseRecord(transaction, record),
      ...putRows(transaction, rows),
    ]);
    kept.noteThere(era);
  }

  async deleteDatabase(database: DatabaseId, writes: readonly WriteRow[] = []): Promise<void> {
    const rows = ownRows(writes);
    this.#cache.drop(this.#keep(database));
    this.#kept.delete(database);
    await this.#connection.write(["databases", "spare", ...databaseStores, "writes"], (transaction) => [
      transaction.objectStore("databases").delete(database),
      transaction.objectStore("spare").delete(recordCopyKey(database)),
      transaction.objectStore("spare").delete(asideAfter(database, 0)),
      dropSavedIndex(transaction, database),
      ...databaseStores.map((name) => transaction.objectStore(name).delete(allOf(database))),
      ...putRows(transaction, rows),
    ]);
  }

  async load(database: DatabaseId): Promise<LoadedDatabase | undefined> {
    const [kept, { era }] = [this.#keep(database), this.#connection];
    const turn = kept.begin();
    // Most of all bytes, and first: the browser hands them over while it looks for the rest. On their own, as what is asked for later in the same
    // transaction would wait for them.
    const saved = this.#connection.read(["checkpoints"], (transaction) =>
      transaction.objectStore("checkpoints").getAll(allOf(database)),
    );
    const [log, checkpoints] = await Promise.all([readLog(this.#connection, database), saved]);
    const { key, stored, copy, aside, index, segments, ends, savedEnd } = log;
    // Whatever was read before may be of a database that another tab has replaced meanwhile.
    this.#cache.drop(kept);
    const found = key === undefined ? undefined : findRecord(key, stored, copy);
    if (found === undefined) return undefined;
    kept.settle(turn, era, ends.at(-1) ?? 0);
    for (const run of kept.load(index, segments)) this.#merge(database, run);
    const parts = readParts(checkpoints);
    const damage = [
      ...(found.isSound ? [] : ["the record of a database"]),
      ...(parts === undefined ? ["the checkpoints of a database"] : []),
    ];
    if (!found.isSound || copy === undefined) await this.#mend(() => this.putDatabase(found.record));
    // Those after a damaged one say nothing without it.
    if (parts === undefined) await this.#mend(() => this.deleteCheckpoints(database));
    if (index.length - savedEnd >= savedIndexStep) this.#saveLater(database, index);
    return { record: found.record, index, checkpoints: parts ?? [], damage, hasAside: aside !== undefined };
  }

  async commit({ database, position, entries, record, writes = [] }: Commit): Promise<void> {
    const segments = packSegments(position, entries);
    const [kept, rows, { era }] = [this.#keep(database), ownRows(writes), this.#connection];
    const ids = entries.map(({ id }) => id);
    const isKnown = kept.endsAt(era, position) && (record !== undefined || kept.isThere(era));
    const turn = kept.begin();
    const stores = ["databases", "spare", "indexes", "segments", "writes"] as const;
    await this.#connection.change(stores, async (transaction, { isRepeated, finish }) => {
      if (isRepeated && ids.length > 0 && (await hasEntries(transaction, database, position, ids))) return;
      // Not what was known before the connection was opened again.
      const isSure = isKnown && this.#connection.era === era;
      const asked = [
        ...(isSure ? [] : [requirePosition(transaction, database, position)]),
        ...(record === undefined
          ? isSure
            ? []
            : [requireDatabase(transaction, database)]
          : putDatabaseRecord(transaction, { ...record, id: database })),
        // Asked for without waiting for the answers above: when one is no, the transaction is aborted with all of it.
        ...putSegments(transaction, database, segments),
        ...putRows(transaction, rows),
      ];
      if (isSure) finish();
      await Promise.all(asked);
    });
    kept.settle(turn, era, position + ids.length);
    for (const run of kept.append(position, ids, segments)) this.#merge(database, run);
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
    const remains = await this.#connection.read(["indexes", "segments"], (transaction) =>
      readRemains(transaction, database, from, to),
    );
    return remains.flatMap(({ first, bytes }) => bytes.slice(Math.max(0, from - first), to - first));
  }

  async replace(database: DatabaseId, position: number, entries: readonly ReplacedEntry[]): Promise<void> {
    const to = position + entries.length;
    this.#keep(database).noteRewrite();
    await this.#connection.change(["databases", "indexes", "segments"], async (transaction) => {
      await requireDatabase(transaction, database);
      const remains = position < to ? await readRemains(transaction, database, position, to) : [];
      const segments = remains.flatMap((each) => replaceIn(each, position, entries));
      await Promise.all(putSegments(transaction, database, segments));
    });
    this.#cache.drop(this.#keep(database));
  }

  async probe(bytes: number): Promise<void> {
    const key = "probe";
    // In two steps: of what one transaction writes and removes, nothing might reach the disk.
    await this.#connection.write(["spare"], (transaction) => [
      transaction.objectStore("spare").put(new Uint8Array(bytes), key),
    ]);
    await this.#connection.write(["spare"], (transaction) => [transaction.objectStore("spare").delete(key)]);
  }

  async repair(database: DatabaseId, indexOf: IndexOf, from?: number): Promise<RepairedLog> {
    const kept = this.#keep(database);
    kept.noteRewrite();
    kept.begin();
    const repaired = await repairLog(this.#connection, database, indexOf, from);
    this.#cache.drop(kept);
    this.#kept.delete(database);
    return repaired;
  }

  async nextAside(database: DatabaseId, after: number): Promise<AsideEntries | undefined> {
    return await this.#connection.read(["spare"], (transaction) => findAside(transaction, database, after));
  }

  async deleteAside(database: DatabaseId, number: number): Promise<void> {
    await this.#connection.write(["spare"], (transaction) => [dropAside(transaction, database, number)]);
  }

  async inspect(database: DatabaseId | undefined): Promise<InspectedRecords> {
    return await (database === undefined
      ? inspectOthers(this.#connection)
      : inspectDatabase(this.#connection, database));
  }

  async uncache(database: DatabaseId): Promise<void> {
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
    const parts = await this.#connection.read(["checkpoints"], (transaction) =>
      transaction.objectStore("checkpoints").getAll(allOf(database)),
    );
    return parts.map(decodePart);
  }

  async putCheckpoint(database: DatabaseId, part: CheckpointPart, replaces: number): Promise<void> {
    const [kept, { era }] = [this.#keep(database), this.#connection];
    const isKnown = kept.isThere(era);
    // Relaxed, here and for local records: a crash of the whole machine may take back the newest of them, and the ones before are as good.
    await this.#connection.change(
      ["databases", "checkpoints"],
      async (transaction, { finish }) => {
        const isSure = isKnown && this.#connection.era === era;
        const checkpoints = transaction.objectStore("checkpoints");
        const requests: Promise<unknown>[] = isSure ? [] : [requireDatabase(transaction, database)];
        if (replaces < part.number) requests.push(checkpoints.delete(numberedWithin(database, replaces, part.number)));
        requests.push(checkpoints.put(encodePart(part), [database, part.number]));
        if (isSure) finish();
        await Promise.all(requests);
      },
      "relaxed",
    );
  }

  async deleteCheckpoints(database: DatabaseId): Promise<void> {
    await this.#connection.write(["checkpoints"], (transaction) => [
      transaction.objectStore("checkpoints").delete(allOf(database)),
    ]);
  }

  async records(kind: RecordKind): Promise<readonly LocalRecord[]> {
    const [keys, values] = await this.#connection.read(["_sync"], (transaction) => {
      const store = transaction.objectStore("_sync");
      return Promise.all([store.getAllKeys(allOfKind(kind)), store.getAll(allOfKind(kind))]);
    });
    return keys.map(([, key], i) => ({ kind, key, value: readLocal(values[i]) }));
  }

  async putRecords(changes: readonly LocalRecord[]): Promise<void> {
    const records = ownRecords(changes);
    await this.#connection.write(
      ["_sync"],
      (transaction) => records.map((record) => putRecord(transaction.objectStore("_sync"), record)),
      "relaxed",
    );
  }

  async writeRows(): Promise<readonly WriteRow[]> {
    const [tabs, values] = await this.#connection.read(["writes"], (transaction) => {
      const store = transaction.objectStore("writes");
      return Promise.all([store.getAllKeys(), store.getAll()]);
    });
    return tabs.map((tab, i) => ({ tab, value: readLocal(values[i]) }));
  }

  async deleteWriteRow(tab: string): Promise<void> {
    await this.#connection.write(
      ["writes"],
      (transaction) => [transaction.objectStore("writes").delete(tab)],
      "relaxed",
    );
  }

  async getValue(name: string): Promise<unknown> {
    const [stored, copy] = await this.#connection.read(["values", "spare"], (transaction) =>
      Promise.all([
        transaction.objectStore("values").get(name),
        transaction.objectStore("spare").get(valueCopyKey(name)),
      ]),
    );
    return openEither(stored, copy, name);
  }

  async putValueOnce(name: string, value: unknown): Promise<unknown> {
    const [stored, copy] = await this.#connection.change(["values", "spare"], async (transaction) => {
      const [values, spare] = [transaction.objectStore("values"), transaction.objectStore("spare")];
      if ((await values.getKey(name)) === undefined) await Promise.all(putValue(transaction, name, value));
      return await Promise.all([values.get(name), spare.get(valueCopyKey(name))]);
    });
    return openEither(stored, copy, name);
  }

  async values(prefix: string): Promise<readonly (readonly [name: string, value: unknown])[]> {
    const [names, values, copyNames, copies] = await this.#connection.read(["values", "spare"], (transaction) => {
      const [store, spare] = [transaction.objectStore("values"), transaction.objectStore("spare")];
      const range = allValueCopies();
      return Promise.all([store.getAllKeys(), store.getAll(), spare.getAllKeys(range), spare.getAll(range)]);
    });
    const copyAt = new Map(copyNames.map((name, i) => [name, copies[i]]));
    // There are few, and no range of texts ends exactly where a prefix does.
    return names.flatMap((name, i) =>
      name.startsWith(prefix) ? [[name, readEither(values[i], copyAt.get(valueCopyKey(name)), name)] as const] : [],
    );
  }

  async deleteValue(name: string): Promise<void> {
    await this.#connection.write(["values", "spare"], (transaction) => [
      transaction.objectStore("values").delete(name),
      transaction.objectStore("spare").delete(valueCopyKey(name)),
    ]);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** What cannot be mended now, such as for want of room, is next time. */
  async #mend(write: () => Promise<void>): Promise<void> {
    await write().catch(() => {});
  }

  /** In a while: first comes what the database was opened for. */
  #saveLater(database: DatabaseId, index: LogIndex): void {
    const kept = this.#keep(database);
    const { rewrites } = kept;
    setTimeout(() => {
      if (kept.rewrites !== rewrites || this.#kept.get(database) !== kept) return;
      const put = (transaction: Transaction<"spare", "readwrite">): readonly Promise<unknown>[] => [
        putSavedIndex(transaction, database, index),
      ];
      void this.#mend(() => this.#connection.write(["spare"], put, "relaxed"));
    }, saveAfterMs);
  }

  #keep(database: DatabaseId): KeptDatabase {
    const known = this.#kept.get(database);
    if (known !== undefined) return known;
    const kept = new KeptDatabase();
    this.#kept.set(database, kept);
    return kept;
  }

  /** Goes on where it ended, after the next claim as well. */
  async #renew(): Promise<void> {
    try {
      for await (const _ of renewRecords(this.#connection));
    } catch {
      // No room, or closed: every older form is read all the same.
    }
  }

  async #readSegment(database: DatabaseId, owner: KeptDatabase, position: number): Promise<Segment> {
    const value = await this.#connection.read(["segments"], (transaction) =>
      transaction.objectStore("segments").get(endingWithin(database, position)),
    );
    if (value === undefined) throw corrupt(`entry ${position} is missing`);
    const segment = new Segment(value);
    if (!segment.has(position)) throw corrupt(`entry ${position} is missing`);
    this.#cache.add(owner, segment);
    return segment;
  }

  #merge(database: DatabaseId, run: Run): void {
    const [kept, connection] = [this.#keep(database), this.#connection];
    const { era } = connection;
    if (era === undefined) return void mergeAtOnce(connection, database, run).catch(() => {});
    const merge = (): Promise<void> => {
      const { rewrites } = kept;
      // Nobody else writes, but this storage may have replaced, or deleted, what was read.
      const isAsRead = (): boolean =>
        kept.rewrites === rewrites && this.#kept.get(database) === kept && connection.era === era;
      return mergeAsOnlyWriter(connection, database, run, isAsRead);
    };
    kept.merging = kept.merging.then(merge).catch(() => {});
  }
}

/** Undefined when one of them is damaged. */
function readParts(values: readonly unknown[]): readonly CheckpointPart[] | undefined {
  try {
    return values.map(decodePart);
  } catch {
    return undefined;
  }
}

/** Undefined for a damaged one, which is of no kind then. */
function readLocal(value: unknown): unknown {
  try {
    return decodeLocal(value);
  } catch {
    return undefined;
  }
}
