import fc from "fast-check";
import { expect, test } from "vitest";
import { IntegerReader, IntegerWriter } from "./integers.ts";

function write(...integers: readonly number[]): Uint8Array {
  const writer = new IntegerWriter();
  for (const integer of integers) writer.write(integer);
  return writer.bytes().slice();
}

test("[STORAGE-2] safe integers are read as they were written, small ones from one byte", () => {
  const edges = [0, 63, 64, 8_191, 8_192, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER].flatMap((n) => [n, 0 - n]);
  const integers = fc.array(
    fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -70, max: 70 }), fc.constantFrom(...edges)),
  );
  fc.assert(
    fc.property(integers, (written) => {
      const reader = new IntegerReader(write(...written));
      for (const integer of written) expect(reader.read()).toBe(integer);
      expect(reader.left).toBe(0);
    }),
  );
  for (let integer = -63; integer < 64; integer++) expect(write(integer)).toHaveLength(1);
  expect(write(Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER)).toHaveLength(16);
});

test("[STORAGE-15] integers that end early or are too large are STORAGE_CORRUPT", () => {
  const bytes = write(-Number.MAX_SAFE_INTEGER);
  for (let length = 0; length < bytes.length; length++) {
    expect(() => new IntegerReader(bytes.subarray(0, length)).read()).toThrow("STORAGE_CORRUPT");
  }
  const tooLarge = bytes.map((byte, i) => (i === bytes.length - 1 ? byte + 1 : byte));
  expect(() => new IntegerReader(tooLarge).read()).toThrow("STORAGE_CORRUPT");
  expect(() => new IntegerReader(new Uint8Array(1_000).fill(255)).read()).toThrow("STORAGE_CORRUPT");
});
