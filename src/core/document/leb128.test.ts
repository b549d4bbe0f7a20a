import fc from "fast-check";
import { expect, test } from "vitest";
import { sleb, uleb } from "../../testing/document-tail.ts";
import { LebReader, uintLength, writeUint } from "./leb128.ts";

function reader(bytes: Iterable<number>): LebReader {
  return new LebReader(Uint8Array.from(bytes), (got, expected) => new RangeError(`${got}, not ${expected}`));
}

/** What the bytes start with, and how many of them it takes; undefined when it is refused. */
function read(bytes: Iterable<number>, type: "int" | "uint"): { value: number; length: number } | undefined {
  const from = reader(bytes);
  try {
    const value = from[type]();
    return { value, length: from.at };
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return undefined;
  }
}

test("[DOC-2] every safe integer is read, from its shortest form", () => {
  const edges = [0, 63, 64, 127, 128, 8_191, 8_192, 2 ** 31, 2 ** 32, 2 ** 48, Number.MAX_SAFE_INTEGER];
  const safe = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(...edges));
  fc.assert(
    fc.property(safe, (value) => {
      for (const int of [value, -value, ~value]) {
        if (!Number.isSafeInteger(int)) continue;
        const bytes = sleb(int);
        expect(read(bytes, "int")).toEqual({ value: int + 0, length: bytes.length });
      }
      const uint = Math.abs(value);
      const bytes = uleb(uint);
      expect(read(bytes, "uint")).toEqual({ value: uint, length: bytes.length });
      const written = new Uint8Array(uintLength(uint));
      expect(writeUint(uint, written, 0)).toBe(written.length);
      expect([...written]).toEqual(bytes);
    }),
  );
});

test("[DOC-2] of any bytes an integer is read only in the form in which it is written", () => {
  const byte = fc.oneof(fc.constantFrom(0, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff), fc.nat(255));
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 11 }), (bytes) => {
      const int = read(bytes, "int");
      if (int !== undefined) expect(bytes.slice(0, int.length)).toEqual(sleb(int.value));
      const uint = read(bytes, "uint");
      if (uint !== undefined) expect(bytes.slice(0, uint.length)).toEqual(uleb(uint.value));
    }),
    { numRuns: 2_000 },
  );
});

test.each([2n ** 53n, 2n ** 53n + 1n, 2n ** 56n, 2n ** 56n + 1n, 2n ** 62n, 2n ** 63n, 2n ** 64n, 2n ** 200n])(
  "[DOC-2] %s is refused, and so is minus that",
  (value) => {
    expect(read(uleb(value), "uint")).toBeUndefined();
    expect(read(sleb(value), "int")).toBeUndefined();
    expect(read(sleb(-value), "int")).toBeUndefined();
  },
);

test("[DOC-2] bytes that end early are refused, and lengths beyond them", () => {
  for (const bytes of [[], [0x80], [0xff, 0xff]]) {
    expect(read(bytes, "int")).toBeUndefined();
    expect(read(bytes, "uint")).toBeUndefined();
  }
  expect(() => reader([1, 2]).take(3)).toThrow("end early");
  expect(() => reader([2, 0x61]).text()).toThrow("end early");
  expect(() => reader([1, 0xff]).text()).toThrow("not UTF-8");
  expect(() => reader([2, 0x61, 0x62]).text(1)).toThrow("at most 1");
  expect(reader([2, 0x61, 0x62]).text(2)).toBe("ab");
});
