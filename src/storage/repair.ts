/**
 * [STORAGE-32] Makes a log whose records are damaged one that can be loaded, in one step.
 *
 * A segment that has lost one of its two records, its index or its bytes, keeps its place: an index is made anew from sound bytes, and missing
 * bytes stand as damaged ones, to be healed. Where both are gone nothing says what was there, so the log ends: what still looks like an
 * entry beyond is put aside, to be judged anew as if a peer had sent it.
 */
import type { DatabaseId } from "../core/ids.ts";
import type { EntryIndex, RepairedLog } from "../ports/storage.ts";
import type { Connection, Transaction } from "./connection.ts";
import { decodeIndex, type IndexRecord } from "./index-record.ts";
import { type PackedSegment, packSegment } from "./pack.ts";
import { lostSegment } from "./remains.ts";
import { dropSavedIndex } from "./saved-index.ts";
import { allOf } from "./schema.ts";
import { looseEntries, Segment, salvageSegment } from "./segment-record.ts";
import { putAside } from "./spare.ts";
import { putSegments, requireDatabase } from "./steps.ts";

/** What an entry's bytes say; undefined for what is none. */
export type IndexOf = (bytes: Uint8Array) => EntryIndex | undefined;

type Repairing = Transaction<"databases" | "indexes" | "segments" | "checkpoints" | "spare", "readwrite">;

/** The two records of a segment, as they are. */
interface Stored {
  readonly first: number;
  readonly end: number;
  readonly index: unknown;
  readonly bytes: unknown;
}

export async function repairLog(
  connection: Connection,
  database: DatabaseId,
  indexOf: IndexOf,
  from: number = Number.POSITIVE_INFINITY,
): Promise<RepairedLog> {
  const stores = ["databases", "indexes", "segments", "checkpoints", "spare"] as const;
  return await connection.change(stores, async (transaction) => {
    await Promise.all([requireDatabase(transaction, database), dropSavedIndex(transaction, database)]);
    const ends = await segmentEnds(transaction, database);
    let [first, aside, lost] = [0, 0, 0];
    let cut: number | undefined;
    for (const end of ends) {
      const stored = await readStored(transaction, database, first, end);
      if (cut === undefined && from >= end && (await keep(transaction, database, stored, indexOf))) {
        first = end;
        continue;
      }
      cut ??= first;
      const entries = entriesIn(stored, indexOf);
      aside += entries.length;
      lost += Math.max(0, end - first - entries.length);
      await Promise.all([putAside(transaction, database, entries), ...removeSegment(transaction, database, end)]);
      first = end;
    }
    if (cut !== undefined) await transaction.objectStore("checkpoints").delete(allOf(database));
    return { end: cut, aside, lost };
  });
}

async function segmentEnds(transaction: Repairing, database: DatabaseId): Promise<readonly number[]> {
  const [indexes, segments] = await Promise.all([
    transaction.objectStore("indexes").getAllKeys(allOf(database)),
    transaction.objectStore("segments").getAllKeys(allOf(database)),
  ]);
  return [...new Set([...indexes, ...segments].map(([, end]) => end))].sort((a, b) => a - b);
}

async function readStored(transaction: Repairing, database: DatabaseId, first: number, end: number): Promise<Stored> {
  const [index, bytes] = await Promise.all([
    transaction.objectStore("indexes").get([database, end]),
    transaction.objectStore("segments").get([database, end]),
  ]);
  return { first, end, index, bytes };
}

/** False when the segment cannot keep its place. */
async function keep(transaction: Repairing, database: DatabaseId, stored: Stored, indexOf: IndexOf): Promise<boolean> {
  const { first, index, bytes } = stored;
  const known = openIndex(index);
  if (known !== undefined && fits(known, stored)) {
    if (bytes === undefined) await Promise.all(putSegments(transaction, database, [lostSegment(first, known.entries)]));
    return true;
  }
  const made = remake(stored, indexOf);
  if (made !== undefined) await Promise.all(putSegments(transaction, database, [made]));
  return made !== undefined;
}

function fits({ first, entries }: IndexRecord, stored: Stored): boolean {
  return first === stored.first && first + entries.length === stored.end;
}

/** From sound bytes. */
function remake({ first, end, bytes }: Stored, indexOf: IndexOf): PackedSegment | undefined {
  const segment = openSegment(bytes);
  if (segment?.first !== first) return undefined;
  const entries = segment.entries().flatMap((each) => {
    const index = indexOf(each);
    return index === undefined ? [] : [{ ...index, bytes: each }];
  });
  return entries.length === end - first ? packSegment(first, entries) : undefined;
}

/** Whatever is an entry, in order. Where bytes are damaged it may be another than was stored: its signature tells. */
function entriesIn({ first, end, index, bytes }: Stored, indexOf: IndexOf): readonly Uint8Array[] {
  const segment = openSegment(bytes);
  if (segment !== undefined) return segment.entries().filter((each) => indexOf(each) !== undefined);
  const known = openIndex(index);
  if (known === undefined) return looseEntries(bytes, end - first).filter((each) => indexOf(each) !== undefined);
  const { entries } = known;
  const there = salvageSegment(
    bytes,
    entries.map(({ size }) => size),
  );
  return there.flatMap((each, i) => (each !== undefined && indexOf(each)?.id === entries[i]?.id ? [each] : []));
}

function removeSegment(transaction: Repairing, database: DatabaseId, end: number): readonly Promise<unknown>[] {
  return (["indexes", "segments"] as const).map((name) => transaction.objectStore(name).delete([database, end]));
}

function openIndex(value: unknown): IndexRecord | undefined {
  try {
    return decodeIndex(value);
  } catch {
    return undefined;
  }
}

function openSegment(value: unknown): Segment | undefined {
  try {
    return new Segment(value);
  } catch {
    return undefined;
  }
}
