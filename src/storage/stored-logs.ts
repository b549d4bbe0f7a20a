/** The entries of databases: appended, read, and put back where they were damaged. */
import type { DatabaseId } from "../core/ids.ts";
import type { Commit, RepairedLog, ReplacedEntry } from "../ports/storage.ts";
import type { Connection } from "./connection.ts";
import type { KeptDatabase } from "./kept-database.ts";
import type { KeptDatabases } from "./kept-databases.ts";
import { beginMerge } from "./merging.ts";
import { ownRows } from "./own-records.ts";
import { packSegments } from "./pack.ts";
import { corrupt } from "./record.ts";
import { replaceIn } from "./remains.ts";
import { type IndexOf, repairLog } from "./repair.ts";
import { endingWithin } from "./schema.ts";
import { Segment } from "./segment-record.ts";
import { putDatabaseRecord } from "./spare.ts";
import { hasEntries, putRows, putSegments, readRemains, requireDatabase, requirePosition } from "./steps.ts";

export class StoredLogs {
  readonly #connection: Connection;
  readonly #kept: KeptDatabases;

  constructor(connection: Connection, kept: KeptDatabases) {
    this.#connection = connection;
    this.#kept = kept;
  }

  async commit({ database, position, entries, record, writes = [] }: Commit): Promise<void> {
    const segments = packSegments(position, entries);
    const [kept, rows, { era }] = [this.#kept.of(database), ownRows(writes), this.#connection];
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
    for (const run of kept.append(position, ids, segments)) beginMerge(this.#connection, this.#kept, database, run);
  }

  async read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]> {
    this.#connection.requireOpen();
    const owner = this.#kept.of(database);
    const entries: Uint8Array[] = [];
    for (let position = from; position < to; ) {
      const segment = this.#kept.segments.find(owner, position) ?? (await this.#readSegment(database, owner, position));
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
    this.#kept.of(database).noteRewrite();
    await this.#connection.change(["databases", "indexes", "segments"], async (transaction) => {
      await requireDatabase(transaction, database);
      const remains = position < to ? await readRemains(transaction, database, position, to) : [];
      const segments = remains.flatMap((each) => replaceIn(each, position, entries));
      await Promise.all(putSegments(transaction, database, segments));
    });
    this.uncache(database);
  }

  async repair(database: DatabaseId, indexOf: IndexOf, from?: number): Promise<RepairedLog> {
    const kept = this.#kept.of(database);
    kept.noteRewrite();
    kept.begin();
    const repaired = await repairLog(this.#connection, database, indexOf, from);
    this.#kept.segments.drop(kept);
    this.#kept.forget(database);
    return repaired;
  }

  uncache(database: DatabaseId): void {
    this.#kept.segments.drop(this.#kept.of(database));
  }

  async #readSegment(database: DatabaseId, owner: KeptDatabase, position: number): Promise<Segment> {
    const value = await this.#connection.read(["segments"], (transaction) =>
      transaction.objectStore("segments").get(endingWithin(database, position)),
    );
    if (value === undefined) throw corrupt(`entry ${position} is missing`);
    const segment = new Segment(value);
    if (!segment.has(position)) throw corrupt(`entry ${position} is missing`);
    this.#kept.segments.add(owner, segment);
    return segment;
  }
}
