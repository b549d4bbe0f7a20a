import fc from "fast-check";
import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { createRecord, sealRecord } from "./record.ts";
import { encodeSegment, Segment } from "./segment-record.ts";

/** The entries, or undefined when it is STORAGE_CORRUPT; anything else is an error. */
function decode(value: unknown): readonly Uint8Array[] | undefined {
  try {
    return new Segment(value).entries();
  } catch (error) {
    if (error instanceof TidemarkError && error.code === "STORAGE_CORRUPT") return undefined;
    throw error;
  }
}

const arbitraryEntries = fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1, maxLength: 20 });

test("[STORAGE-9] a segment gives back each entry of every position it covers", () => {
  fc.assert(
    fc.property(arbitraryEntries, fc.nat(1_000_000), (entries, first) => {
      const segment = new Segment(encodeSegment(first, entries));
      expect([segment.first, segment.end]).toEqual([first, first + entries.length]);
      expect(entries.map((_, i) => segment.entry(first + i))).toEqual(entries);
      expect([first - 1, first, segment.end - 1, segment.end].map((at) => segment.has(at))).toEqual([
        false,
        true,
        true,
        false,
      ]);
    }),
  );
});

test("[STORAGE-15] a segment with one byte changed, cut off or going on is STORAGE_CORRUPT", () => {
  const record = encodeSegment(
    7,
    Array.from({ length: 9 }, (_, i) => new Uint8Array(i * 3).fill(i)),
  );
  for (let at = 0; at < record.length; at++) {
    const damaged = record.slice();
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
    expect(decode(damaged)).toBe(undefined);
    expect(decode(record.slice(0, at))).toBe(undefined);
  }
  const longer = createRecord(record.length + 4);
  longer.set(record);
  expect(decode(sealRecord("segment", longer))).toBe(undefined);
});

test("[STORAGE-15] two changes to a record do not make up for each other", () => {
  const record = encodeSegment(7, [new Uint8Array(40)]);
  for (let one = 8; one < record.length; one += 4) {
    for (let other = one + 4; other < record.length; other += 4) {
      const damaged = record.slice();
      // The topmost bits: multiplying alone never carries them anywhere.
      for (const at of [one, other]) damaged[at + 3] = (damaged[at + 3] as number) ^ 0x80;
      expect(decode(damaged)).toBe(undefined);
    }
  }
});

test("[STORAGE-15] entries that end before they start, or count more than there are, are STORAGE_CORRUPT", () => {
  const recordOf = (...words: readonly number[]): Uint8Array => {
    const record = createRecord(8 + words.length * 4);
    new Uint32Array(record.buffer).set(words, 2);
    return sealRecord("segment", record);
  };
  expect(decode(recordOf(0, 2, 1, 4, 0))?.map(({ length }) => length)).toEqual([1, 3]);
  expect(decode(recordOf(0, 2, 5, 4, 0))).toBe(undefined);
  expect(decode(recordOf(0, 3, 1, 0, 4, 0))).toBe(undefined);
  expect(decode(recordOf(0, 0))).toBe(undefined);
  for (const count of [3, 4, 1_000, 2 ** 32 - 1]) expect(decode(recordOf(0, count, 1, 4, 0))).toBe(undefined);
});

test("[STORAGE-15] any bytes under a right checksum are a segment whose entries fill it, or STORAGE_CORRUPT", () => {
  const word = fc.oneof({ weight: 10, arbitrary: fc.nat(10) }, fc.constantFrom(2 ** 31, 2 ** 32 - 1));
  const record = fc.tuple(word, fc.oneof({ weight: 10, arbitrary: fc.nat(3) }, word), fc.array(word, { maxLength: 6 }));
  let decoded = 0;
  fc.assert(
    fc.property(record, ([first, count, rest]) => {
      const words = [first, count, ...rest];
      const record = createRecord(8 + words.length * 4);
      new Uint32Array(record.buffer).set(words, 2);
      const entries = decode(sealRecord("segment", record));
      if (entries === undefined) return;
      decoded += 1;
      const size = entries.reduce((sum, bytes) => sum + bytes.length, 0);
      expect(record.length - (16 + entries.length * 4) - size).toBeLessThan(4);
    }),
    { numRuns: 5_000 },
  );
  expect(decoded).toBeGreaterThan(50);
});
