/** Reads everything that there is of a database beside its checkpoints and the bytes of its entries. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { LogIndex } from "../core/log-index.ts";
import { collectIndex } from "./collected-index.ts";
import type { Connection } from "./connection.ts";
import type { SegmentExtent } from "./pack.ts";
import { corrupt } from "./record.ts";
import { type IndexStart, nothingSaved, readSavedIndex } from "./saved-index.ts";
import { allOf } from "./schema.ts";
import { requireContiguous } from "./segment-run.ts";
import { asideAfter, recordCopyKey } from "./spare.ts";

export interface ReadLog {
  /** The record of the database, as it is stored. */
  readonly key: string | undefined;
  readonly stored: unknown;
  readonly copy: unknown;
  /** Set when something was put aside. */
  readonly aside: unknown;
  readonly index: LogIndex;
  /** Where segments end. */
  readonly ends: readonly number[];
  /** Of how many entries the index was read as a whole. */
  readonly savedEnd: number;
  /** The segments after those. */
  readonly segments: readonly SegmentExtent[];
}

/** Rejects with STORAGE_CORRUPT when something is missing in between. */
export async function readLog(connection: Connection, database: DatabaseId): Promise<ReadLog> {
  const saved = await connection.read(["spare"], (transaction) => readSavedIndex(transaction, database));
  if (saved === undefined) return await readAfter(connection, database, nothingSaved());
  try {
    return await readAfter(connection, database, saved);
  } catch (error) {
    if (!(error instanceof TidemarkError && error.code === "STORAGE_CORRUPT")) throw error;
    return await readAfter(connection, database, nothingSaved());
  }
}

async function readAfter(connection: Connection, database: DatabaseId, start: IndexStart): Promise<ReadLog> {
  const savedEnd = start.index.length;
  if (savedEnd > 0 && start.index.id(0) !== database) throw corrupt("the saved index of another log");
  const [key, stored, copy, aside, { index, segments }, keys] = await connection.read(
    ["databases", "spare", "indexes", "segments"],
    (transaction) =>
      Promise.all([
        transaction.objectStore("databases").getKey(database),
        transaction.objectStore("databases").get(database),
        transaction.objectStore("spare").get(recordCopyKey(database)),
        transaction.objectStore("spare").getKey(asideAfter(database, 0)),
        collectIndex(transaction.objectStore("indexes"), database, start),
        transaction.objectStore("segments").getAllKeys(allOf(database)),
      ]),
  );
  const ends = keys.map(([, end]) => end);
  if (savedEnd > 0 && !ends.includes(savedEnd)) throw corrupt(`no segment ends at ${savedEnd}`);
  const after = ends.filter((end) => end > savedEnd);
  requireContiguous(segments, after, savedEnd);
  return { key, stored, copy, aside, index, ends, savedEnd, segments };
}
