/**
 * Makes one segment of several that stand side by side: see tail.ts for which.
 *
 * After the commit's own transaction, so that the commit neither waits for it nor fails with it. Relaxed: a crash leaves the
 * small segments, which say the same. When it fails they stay, and the next load asks for it again.
 */
import type { DatabaseId } from "../core/ids.ts";
import type { Connection, Transaction } from "./connection.ts";
import type { KeptDatabases } from "./kept-databases.ts";
import type { PackedSegment } from "./pack.ts";
import { endingWithin } from "./schema.ts";
import { mergeSegments } from "./segment-run.ts";
import { putSegments } from "./steps.ts";
import type { Run } from "./tail.ts";

type Writing = Transaction<"indexes" | "segments", "readwrite">;

const stores = ["indexes", "segments"] as const;

/** Each run of a database after the one before, as what one reads another may be about to replace. */
export function beginMerge(connection: Connection, all: KeptDatabases, database: DatabaseId, run: Run): void {
  const { era } = connection;
  if (era === undefined) return void mergeAtOnce(connection, database, run).catch(() => {});
  const kept = all.of(database);
  const merge = (): Promise<void> => {
    const { rewrites } = kept;
    // Nobody else writes, but this storage may have replaced, or deleted, what was read.
    const isAsRead = (): boolean => kept.rewrites === rewrites && all.isOf(database, kept) && connection.era === era;
    return mergeAsOnlyWriter(connection, database, run, isAsRead);
  };
  kept.merging = kept.merging.then(merge).catch(() => {});
}

/** Where anybody may write: in one transaction. */
async function mergeAtOnce(connection: Connection, database: DatabaseId, run: Run): Promise<void> {
  const work = async (transaction: Writing): Promise<void> => {
    await Promise.all(putMerged(transaction, database, run, await readMerged(transaction, database, run)));
  };
  await connection.change(stores, work, "relaxed");
}

/** For the only writer, in two transactions, neither of which waits for this page. @param isAsRead nothing else was written there since */
async function mergeAsOnlyWriter(
  connection: Connection,
  database: DatabaseId,
  run: Run,
  isAsRead: () => boolean,
): Promise<void> {
  const merged = await connection.read(stores, (transaction) => readMerged(transaction, database, run));
  if (!isAsRead()) return;
  await connection.write(stores, (transaction) => putMerged(transaction, database, run, merged), "relaxed");
}

/** Undefined when there is nothing: the database was deleted. */
async function readMerged(
  transaction: Transaction<"indexes" | "segments", "readonly" | "readwrite">,
  database: DatabaseId,
  { first, end }: Run,
): Promise<PackedSegment | undefined> {
  const range = endingWithin(database, first, end);
  const [indexes, segments] = await Promise.all([
    transaction.objectStore("indexes").getAll(range),
    transaction.objectStore("segments").getAll(range),
  ]);
  return mergeSegments(indexes, segments);
}

function putMerged(
  transaction: Writing,
  database: DatabaseId,
  { first, end }: Run,
  merged: PackedSegment | undefined,
): readonly Promise<unknown>[] {
  if (merged === undefined) return [];
  const range = endingWithin(database, first, end);
  return [
    ...stores.map((name) => transaction.objectStore(name).delete(range)),
    ...putSegments(transaction, database, [merged]),
  ];
}
