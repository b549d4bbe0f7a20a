/** The steps that the transactions of storage on IndexedDB are made of. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import type { LocalRecord, RecordKind, WriteRow } from "../ports/storage.ts";
import type { Transaction } from "./connection.ts";
import { encodeLocal } from "./forms.ts";
import { decodeIndex } from "./index-record.ts";
import type { PackedSegment } from "./pack.ts";
import { corrupt } from "./record.ts";
import { type Remains, remainsOf } from "./remains.ts";
import { allOf, endingBetween, endingFrom, endingWithin } from "./schema.ts";
import { requireContiguous } from "./segment-run.ts";

type Writing = Transaction<"indexes" | "segments", "readwrite">;

export async function requireDatabase(
  transaction: { objectStore(name: "databases"): { getKey(key: string): Promise<string | undefined> } },
  database: DatabaseId,
): Promise<void> {
  if ((await transaction.objectStore("databases").getKey(database)) === undefined) {
    throw new TidemarkError("DATABASE_UNKNOWN", { database });
  }
}

/** The last segment must end at `position`: its key is there, and none after it. */
export async function requirePosition(transaction: Writing, database: DatabaseId, position: number): Promise<void> {
  const indexes = transaction.objectStore("indexes");
  const ends = await indexes.getAllKeys(endingFrom(database, position), 2);
  if (position === 0 ? ends.length === 0 : ends.length === 1 && ends[0]?.[1] === position) return;
  const last = await indexes.openKeyCursor(allOf(database), "prev");
  throw new TidemarkError("STORAGE_CONFLICT", { database, got: position, expected: last?.key[1] ?? 0 });
}

/** Whether exactly these entries are the last ones, from `position` on. */
export async function hasEntries(
  transaction: Writing,
  database: DatabaseId,
  position: number,
  ids: readonly EntryId[],
): Promise<boolean> {
  const values = await transaction.objectStore("indexes").getAll(endingWithin(database, position));
  const found = values.flatMap((value) => decodeIndex(value).entries.map(({ id }) => id));
  return found.length === ids.length && found.every((id, i) => id === ids[i]);
}

/** What is left of the segments that hold these positions. Throws STORAGE_CORRUPT when not all of their indexes can be read. */
export async function readRemains(
  transaction: Transaction<"indexes" | "segments", "readonly" | "readwrite">,
  database: DatabaseId,
  from: number,
  to: number,
): Promise<readonly Remains[]> {
  if (from < 0) throw corrupt(`no entries from ${from} to ${to}`);
  const [indexes, segments] = [transaction.objectStore("indexes"), transaction.objectStore("segments")];
  // All in one turn, though which segment is the last one is not known before.
  const all = async <T>(ask: (range: IDBKeyRange, count?: number) => Promise<readonly T[]>): Promise<readonly T[]> =>
    (await Promise.all([ask(endingBetween(database, from, to)), ask(endingFrom(database, to), 1)])).flat();
  const [ends, indexValues, segmentEnds, segmentValues] = await Promise.all([
    all((range, count) => indexes.getAllKeys(range, count)),
    all((range, count) => indexes.getAll(range, count)),
    all((range, count) => segments.getAllKeys(range, count)),
    all((range, count) => segments.getAll(range, count)),
  ]);
  if ((ends.at(-1)?.[1] ?? 0) < to) throw corrupt(`no entries from ${from} to ${to}`);
  const segmentsByEnd = new Map(segmentEnds.map(([, end], i) => [end, segmentValues[i]]));
  const remains = indexValues.map((value, i) => remainsOf(value, segmentsByEnd.get(ends[i]?.[1] ?? -1)));
  requireContiguous(
    remains,
    ends.map(([, end]) => end),
    remains[0]?.first ?? 0,
  );
  if ((remains[0]?.first ?? to) > from) throw corrupt(`the index of entry ${from} is missing`);
  return remains;
}

export function putRecord(
  store: {
    delete(key: [RecordKind, string]): Promise<void>;
    put(value: unknown, key: [RecordKind, string]): Promise<unknown>;
  },
  { kind, key, value }: LocalRecord,
): Promise<unknown> {
  return value === undefined ? store.delete([kind, key]) : store.put(encodeLocal(value), [kind, key]);
}

export function putRows(
  transaction: { objectStore(name: "writes"): { put(value: unknown, key: string): Promise<unknown> } },
  rows: readonly WriteRow[],
): readonly Promise<unknown>[] {
  return rows.map(({ tab, value }) => transaction.objectStore("writes").put(encodeLocal(value), tab));
}

export function putSegments(
  transaction: Writing,
  database: DatabaseId,
  segments: readonly PackedSegment[],
): readonly Promise<unknown>[] {
  return segments.flatMap(({ end, index, bytes }) => [
    transaction.objectStore("indexes").put(index, [database, end]),
    transaction.objectStore("segments").put(bytes, [database, end]),
  ]);
}
