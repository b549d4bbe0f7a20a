/** The records of databases, and what is opened by one: its index, its checkpoints. */
import type { DatabaseId } from "../core/ids.ts";
import type { LogIndex } from "../core/log-index.ts";
import type { CheckpointPart, DatabaseRecord, LoadedDatabase, WriteRow } from "../ports/storage.ts";
import { decodeParts, deleteParts, storedParts } from "./checkpoint-parts.ts";
import type { Connection, Transaction } from "./connection.ts";
import type { KeptDatabases } from "./kept-databases.ts";
import { readLog } from "./log-reading.ts";
import { beginMerge } from "./merging.ts";
import { ownRows } from "./own-records.ts";
import { dropSavedIndex, putSavedIndex, savedIndexStep } from "./saved-index.ts";
import { allOf, databaseStores } from "./schema.ts";
import { allRecordCopies, asideAfter, findRecord, putDatabaseRecord, recordCopyKey } from "./spare.ts";
import { putRows } from "./steps.ts";

/** How long a database has been open before its index is saved as a whole. */
const saveAfterMs = 250;

export class StoredDatabases {
  readonly #connection: Connection;
  readonly #kept: KeptDatabases;

  constructor(connection: Connection, kept: KeptDatabases) {
    this.#connection = connection;
    this.#kept = kept;
  }

  async all(): Promise<readonly DatabaseRecord[]> {
    const [ids, values, names, copies] = await this.#connection.read(["databases", "spare"], (transaction) => {
      const [records, spare] = [transaction.objectStore("databases"), transaction.objectStore("spare")];
      const range = allRecordCopies();
      return Promise.all([records.getAllKeys(), records.getAll(), spare.getAllKeys(range), spare.getAll(range)]);
    });
    const copyAt = new Map(names.map((name, i) => [name, copies[i]]));
    return ids.flatMap((id, i) => findRecord(id, values[i], copyAt.get(recordCopyKey(id)))?.record ?? []);
  }

  async put(record: DatabaseRecord, writes: readonly WriteRow[] = []): Promise<void> {
    const rows = ownRows(writes);
    const [kept, { era }] = [this.#kept.of(record.id), this.#connection];
    await this.#connection.write(["databases", "spare", "writes"], (transaction) => [
      ...putDatabaseRecord(transaction, record),
      ...putRows(transaction, rows),
    ]);
    kept.noteThere(era);
  }

  async delete(database: DatabaseId, writes: readonly WriteRow[] = []): Promise<void> {
    const rows = ownRows(writes);
    this.#kept.segments.drop(this.#kept.of(database));
    this.#kept.forget(database);
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
    const [kept, { era }] = [this.#kept.of(database), this.#connection];
    const turn = kept.begin();
    // Most of all bytes, and first: the browser hands them over while it looks for the rest. On their own, as what is asked for later in the same
    // transaction would wait for them.
    const saved = storedParts(this.#connection, database);
    const [log, checkpoints] = await Promise.all([readLog(this.#connection, database), saved]);
    const { key, stored, copy, aside, index, segments, ends, savedEnd } = log;
    // Whatever was read before may be of a database that another tab has replaced meanwhile.
    this.#kept.segments.drop(kept);
    const found = key === undefined ? undefined : findRecord(key, stored, copy);
    if (found === undefined) return undefined;
    kept.settle(turn, era, ends.at(-1) ?? 0);
    for (const run of kept.load(index, segments)) beginMerge(this.#connection, this.#kept, database, run);
    const parts = soundParts(checkpoints);
    const damage = [
      ...(found.isSound ? [] : ["the record of a database"]),
      ...(parts === undefined ? ["the checkpoints of a database"] : []),
    ];
    if (!found.isSound || copy === undefined) await mend(() => this.put(found.record));
    // Those after a damaged one say nothing without it.
    if (parts === undefined) await mend(() => deleteParts(this.#connection, database));
    if (index.length - savedEnd >= savedIndexStep) this.#saveLater(database, index);
    return { record: found.record, index, checkpoints: parts ?? [], damage, hasAside: aside !== undefined };
  }

  /** In a while: first comes what the database was opened for. */
  #saveLater(database: DatabaseId, index: LogIndex): void {
    const kept = this.#kept.of(database);
    const { rewrites } = kept;
    setTimeout(() => {
      if (kept.rewrites !== rewrites || !this.#kept.isOf(database, kept)) return;
      const put = (transaction: Transaction<"spare", "readwrite">): readonly Promise<unknown>[] => [
        putSavedIndex(transaction, database, index),
      ];
      void mend(() => this.#connection.write(["spare"], put, "relaxed"));
    }, saveAfterMs);
  }
}

/** Undefined when one of them is damaged. */
function soundParts(stored: readonly unknown[]): readonly CheckpointPart[] | undefined {
  try {
    return decodeParts(stored);
  } catch {
    return undefined;
  }
}

/** What cannot be mended now, such as for want of room, is next time. */
async function mend(write: () => Promise<void>): Promise<void> {
  await write().catch(() => {});
}
