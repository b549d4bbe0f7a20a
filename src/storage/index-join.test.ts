import fc from "fast-check";
import { expect, test } from "vitest";
import { attempt } from "../core/errors.ts";
import { LogIndex } from "../core/log-index.ts";
import { linksOf } from "../core/log-links.ts";
import type { EntryIndex } from "../ports/storage.ts";
import { SeededRandom } from "../testing/random.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { IndexJoin } from "./index-join.ts";
import { decodeIndex, encodeIndex } from "./index-record.ts";

function plausible(count: number): readonly EntryIndex[] {
  return new StoredEntries(new SeededRandom(1)).take(count).map(({ bytes: _bytes, ...index }) => index);
}

function joined(values: readonly unknown[]): IndexJoin {
  const join = new IndexJoin(new LogIndex());
  // One by one and together is the same.
  join.add(values.slice(0, 1));
  join.add(values.slice(1));
  return join;
}

/** Records of so many entries each, the last of the rest. */
function recordsOf(entries: readonly EntryIndex[], counts: readonly number[]): readonly Uint8Array[] {
  const records: Uint8Array[] = [];
  let first = 0;
  for (const count of [...counts, entries.length]) {
    const part = entries.slice(first, first + count);
    if (part.length > 0) records.push(encodeIndex(first, part));
    first += part.length;
  }
  return records;
}

test("[STORAGE-2] joined indexes are one log, however its entries were split", () => {
  const entries = plausible(200);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 })), (counts) => {
      const records = recordsOf(entries, counts);
      const { index, segments } = joined(records);
      expect([...index]).toEqual(entries);
      const sizeOf = (first: number, end: number): number =>
        entries.slice(first, end).reduce((sum, { size }) => sum + size, 0);
      expect(segments).toEqual(
        records.map((record) => {
          const { first, end } = decodeIndex(record);
          return { first, end, size: sizeOf(first, end) };
        }),
      );
    }),
  );
});

test("[STORAGE-48] a log that goes on from where it was saved is the same", () => {
  const entries = plausible(300);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 299 }), fc.array(fc.integer({ min: 1, max: 60 })), (count, counts) => {
      const whole = joined(recordsOf(entries, counts)).index;
      const records = recordsOf(entries, [count, ...counts]);
      const first = joined(records.slice(0, 1)).index;
      const saved = structuredClone({ log: first.save(), links: linksOf(first) });
      const rest = new IndexJoin(LogIndex.restored(saved.log));
      rest.add(records.slice(1));
      expect([...rest.index]).toEqual(entries);
      expect(linksOf(rest.index, saved.links)).toEqual(linksOf(whole));
      expect(entries.map(({ id }) => rest.index.positionOf(id))).toEqual(entries.map((_, position) => position));
    }),
  );
});

test("[STORAGE-15] joined indexes of which one is missing or there twice are STORAGE_CORRUPT", () => {
  const entries = plausible(200);
  const records = recordsOf(entries, [50, 50, 50]);
  const isJoined = (values: readonly (Uint8Array | undefined)[]): boolean => attempt(() => joined(values)).ok;
  expect(isJoined(records)).toBe(true);
  expect(isJoined(records.slice(1))).toBe(false);
  expect(isJoined([...records.slice(0, 1), ...records.slice(2)])).toBe(false);
  expect(isJoined([...records, records[3]])).toBe(false);
  expect(isJoined([records[1], records[0], ...records.slice(2)])).toBe(false);
});
