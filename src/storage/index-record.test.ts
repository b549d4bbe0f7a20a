import fc from "fast-check";
import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { EntryId } from "../core/ids.ts";
import type { EntryIndex } from "../ports/storage.ts";
import { arbitraryEntryId, arbitraryPublicKey } from "../testing/arbitrary.ts";
import { SeededRandom } from "../testing/random.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { decodeIndex, encodeIndex } from "./index-record.ts";
import { IntegerWriter } from "./integers.ts";
import { createRecord, sealRecord } from "./record.ts";

const natural = fc.oneof(fc.nat(5), fc.maxSafeNat(), fc.constantFrom(63, 64, 8_191, 8_192, Number.MAX_SAFE_INTEGER));

/** Any entries at all: what they follow may be anywhere, and their numbers need not fit. */
const arbitraryEntries: fc.Arbitrary<readonly EntryIndex[]> = fc
  .tuple(
    fc.uniqueArray(arbitraryEntryId(), { minLength: 2, maxLength: 30 }),
    fc.array(arbitraryPublicKey(), { minLength: 1, maxLength: 3 }),
  )
  .chain(([ids, authors]) => {
    const anyId = fc.constantFrom(...ids);
    const entry = (id: EntryId): fc.Arbitrary<EntryIndex> =>
      fc.record({
        id: fc.constant(id),
        author: fc.constantFrom(...authors),
        seq: natural,
        prev: fc.option(anyId, { nil: undefined }),
        parents: fc.array(anyId, { maxLength: 4 }),
        height: natural,
        time: natural,
        size: natural,
        settings: fc.boolean(),
      });
    // The last ids are only ever followed: they stand for entries of other segments.
    return fc.tuple(...ids.slice(0, Math.ceil(ids.length / 2)).map(entry));
  });

function plausible(count: number): readonly EntryIndex[] {
  return new StoredEntries(new SeededRandom(1)).take(count).map(({ bytes: _bytes, ...index }) => index);
}

/** True when it decodes, false when it is STORAGE_CORRUPT; anything else is an error. */
function decodes(value: unknown): boolean {
  try {
    decodeIndex(value);
    return true;
  } catch (error) {
    if (error instanceof TidemarkError && error.code === "STORAGE_CORRUPT") return false;
    throw error;
  }
}

test("[STORAGE-2] an index is decoded as it was encoded, whatever its entries follow", () => {
  fc.assert(
    fc.property(arbitraryEntries, fc.nat(2 ** 32 - 100), (entries, first) => {
      expect(decodeIndex(encodeIndex(first, entries))).toEqual({ first, end: first + entries.length, entries });
    }),
  );
});

test("[STORAGE-2] an index keeps numbers at the end of their range", () => {
  const [first, second] = plausible(2) as [EntryIndex, EntryIndex];
  const last = { ...first, seq: Number.MAX_SAFE_INTEGER, height: Number.MAX_SAFE_INTEGER };
  const entries = [last, { ...second, prev: first.id, seq: 0, height: 0 }];
  expect(decodeIndex(encodeIndex(0, entries)).entries).toEqual(entries);
});

test("[STORAGE-14] the index of an entry in a chain costs less than 48 bytes", () => {
  expect(encodeIndex(0, plausible(1_000)).length).toBeLessThan(48_000);
});

test("[STORAGE-15] an index with one byte changed is STORAGE_CORRUPT", () => {
  const record = encodeIndex(5, plausible(40));
  for (let at = 0; at < record.length; at++) {
    const damaged = record.slice();
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
    expect(decodes(damaged)).toBe(false);
  }
});

test("[STORAGE-15] an index that was cut off or goes on is STORAGE_CORRUPT", () => {
  const record = encodeIndex(5, plausible(40));
  for (let length = 0; length < record.length; length++) expect(decodes(record.slice(0, length))).toBe(false);
  const longer = createRecord(record.length + 4);
  longer.set(record);
  expect(decodes(sealRecord("index", longer))).toBe(false);
});

test("[STORAGE-15] any bytes under a right checksum decode or are STORAGE_CORRUPT", () => {
  const record = encodeIndex(5, plausible(60));
  let decoded = 0;
  const edit = fc.record({ at: fc.nat(record.length - 1), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const damaged = record.slice();
      for (const { at, byte } of edits) damaged[at] = byte;
      if (decodes(sealRecord("index", damaged))) decoded += 1;
    }),
    { numRuns: 3_000 },
  );
  // Most of it are ids, which may be anything: otherwise the checksum hid the decoder from this test.
  expect(decoded).toBeGreaterThan(100);
});

/** Two entries of one author, one outside id, and these integers as rows. */
function recordWithRows(integers: readonly number[], extra = 0): Uint8Array {
  const writer = new IntegerWriter();
  for (const integer of integers) writer.write(integer);
  const idsLength = 32 * 4;
  const record = createRecord(28 + idsLength + writer.length + extra);
  new Uint32Array(record.buffer).set([0, 2, 1, 1, writer.length + extra], 2);
  for (let i = 0; i < idsLength; i++) record[28 + i] = i;
  record.set(writer.bytes(), 28 + idsLength);
  return sealRecord("index", record);
}

/** author and settings, prev, parents, seq, height, time, size. */
const root = [0, 0, 0, 0, 0, 1_000, 300];
const follower = [1, 1, 1, -1, 0, 0, 5, 200];

test("[STORAGE-15] rows that say what cannot be are STORAGE_CORRUPT", () => {
  expect(decodes(recordWithRows([...root, ...follower]))).toBe(true);
  const wrong: readonly (readonly number[])[] = [
    [2, 1, 1, -1, 0, 0, 5, 200],
    [-1, 1, 1, -1, 0, 0, 5, 200],
    [1, 2, 1, -1, 0, 0, 5, 200],
    [1, -2, 1, -1, 0, 0, 5, 200],
    [1, 1, 1, 2, 0, 0, 5, 200],
    [1, 1, -1, 0, 0, 5, 200],
    [1, 1, 2 ** 40, -1, 0, 0, 5, 200],
    [1, 1, 1, -1, -2, 0, 5, 200],
    [1, 1, 1, -1, 0, -2, 5, 200],
    [1, 1, 1, -1, 0, 0, -1_001, 200],
    [1, 1, 1, -1, 0, 0, Number.MAX_SAFE_INTEGER, 200],
    [1, 1, 1, -1, 0, 0, 5, -1],
    [1, 1, 1, -1, 0, 0, 5],
    [...follower, 0],
  ];
  for (const row of wrong) expect([row, decodes(recordWithRows([...root, ...row]))]).toEqual([row, false]);
  expect(decodes(recordWithRows([...root, ...follower], 1))).toBe(false);
});

test("[STORAGE-15] random rows are entries that can be stored again, or STORAGE_CORRUPT", () => {
  const small = fc.integer({ min: -1, max: 3 });
  const number = fc.oneof({ weight: 20, arbitrary: small }, fc.maxSafeInteger());
  const row = fc
    .tuple(small, small, fc.array(small, { maxLength: 2 }), fc.tuple(number, number, number, number))
    .map(([author, prev, parents, numbers]) => [author, prev, parents.length, ...parents, ...numbers]);
  let decoded = 0;
  fc.assert(
    fc.property(row, row, (one, other) => {
      const record = recordWithRows([...one, ...other]);
      if (!decodes(record)) return;
      decoded += 1;
      const { entries } = decodeIndex(record);
      expect(decodeIndex(encodeIndex(0, entries)).entries).toEqual(entries);
    }),
    { numRuns: 25_000 },
  );
  expect(decoded).toBeGreaterThan(10);
});

test("[STORAGE-15] random headers are STORAGE_CORRUPT", () => {
  const word = fc.oneof(fc.nat(4), fc.constantFrom(2 ** 16, 2 ** 31, 2 ** 32 - 1));
  fc.assert(
    fc.property(fc.array(word, { minLength: 5, maxLength: 5 }), fc.uint8Array({ maxLength: 400 }), (header, rest) => {
      const record = createRecord(28 + rest.length);
      new Uint32Array(record.buffer).set(header, 2);
      record.set(rest, 28);
      decodes(sealRecord("index", record));
    }),
    { numRuns: 3_000 },
  );
});
