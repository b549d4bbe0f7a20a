import fc from "fast-check";
import { expect, test } from "vitest";
import { attempt } from "../core/errors.ts";
import { LogIndex } from "../core/log-index.ts";
import { linksOf } from "../core/log-links.ts";
import type { EntryIndex } from "../ports/storage.ts";
import { SeededRandom } from "../testing/random.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { CollectedIndex } from "./collected-index.ts";
import { decodeIndex, encodeIndex } from "./index-record.ts";

function plausible(count: number): readonly EntryIndex[] {
  return new StoredEntries(new SeededRandom(1)).take(count).map(({ bytes: _bytes, ...index }) => index);
}

function collect(values: readonly unknown[]): CollectedIndex {
  const collected = new CollectedIndex(new LogIndex());
  // One by one and together is the same.
  collected.add(values.slice(0, 1));
  collected.add(values.slice(1));
  return collected;
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

test("[STORAGE-2] collected indexes are one log, however its entries were split", () => {
  const entries = plausible(200);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 })), (counts) => {
      const records = recordsOf(entries, counts);
      const { index, segments } = collect(records);
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
      const whole = collect(recordsOf(entries, counts)).index;
      const records = recordsOf(entries, [count, ...counts]);
      const first = collect(records.slice(0, 1)).index;
      const saved = structuredClone({ log: first.save(), links: linksOf(first) });
      const rest = new CollectedIndex(LogIndex.restored(saved.log));
      rest.add(records.slice(1));
      expect([...rest.index]).toEqual(entries);
      expect(linksOf(rest.index, saved.links)).toEqual(linksOf(whole));
      expect(entries.map(({ id }) => rest.index.positionOf(id))).toEqual(entries.map((_, position) => position));
    }),
  );
});

test("[STORAGE-15] collected indexes of which one is missing or there twice are STORAGE_CORRUPT", () => {
  const entries = plausible(200);
  const records = recordsOf(entries, [50, 50, 50]);
  const isLog = (values: readonly (Uint8Array | undefined)[]): boolean => attempt(() => collect(values)).ok;
  expect(isLog(records)).toBe(true);
  expect(isLog(records.slice(1))).toBe(false);
  expect(isLog([...records.slice(0, 1), ...records.slice(2)])).toBe(false);
  expect(isLog([...records, records[3]])).toBe(false);
  expect(isLog([records[1], records[0], ...records.slice(2)])).toBe(false);
});
