import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareKeys } from "../cbor.ts";
import { CborWriter } from "../cbor-writer.ts";
import { TidemarkError } from "../errors.ts";
import { columnsPerRowMax, depthMax } from "../limits.ts";
import {
  equalValues,
  type JsonValue,
  overlayColumns,
  type Row,
  splitColumns,
  validateName,
  validateValue,
} from "./values.ts";

const key = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "toString", "", "a.b", "1"),
  fc.string({ unit: "binary" }),
);
const leaf = fc.oneof(
  fc.constantFrom(null, true, false, 0, 1e300, 5e-324),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
  fc.maxSafeInteger(),
  fc.string({ unit: "binary" }),
  fc.uint8Array({ maxLength: 5 }),
);
const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 4 }).map((pairs) => Object.fromEntries(pairs)),
  ),
}));
const row = fc
  .array(fc.tuple(key, fc.integer({ min: 0, max: 3 })), { maxLength: 5 })
  .map((pairs): Row => Object.fromEntries(pairs));

/** The failure's field. */
function refusedAt(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    if (error instanceof TidemarkError && error.code === "INPUT_INVALID")
      return String(Object.values(error.details)[0]);
    throw error;
  }
  throw new Error("it was accepted");
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

describe("values", () => {
  test("[STORE-5] a value reads back as it was written, whatever its keys", () => {
    fc.assert(fc.property(anyValue, (value) => equalValues(validateValue(value, "cell"), value as never)));
  });

  test("[STORE-5] -0 is 0, and integers that are no safe ones come back as the same number", () => {
    expect(Object.is(validateValue(-0, "cell"), 0)).toBe(true);
    expect(validateValue([2 ** 53, -(2 ** 64), 1e21], "cell")).toEqual([2 ** 53, -(2 ** 64), 1e21]);
  });

  test("[STORE-5] 128 levels are stored, one more is refused, and so is a cycle", () => {
    expect(equalValues(validateValue(nested(depthMax), "cell"), nested(depthMax) as never)).toBe(true);
    expect(refusedAt(() => validateValue(nested(depthMax + 1), "cell"))).toMatch(/^cell/);
    const cycle: unknown[] = [];
    cycle.push({ again: cycle });
    expect(refusedAt(() => validateValue(cycle, "cell"))).toMatch(/^cell\[0\]\.again/);
  });

  test("[STORE-5] a text of 1 MB is a value like any other", () => {
    const text = "é☃😀x".repeat(100_000);
    expect(validateValue(text, "cell") === text).toBe(true);
  });

  test("[STORE-5] a key `__proto__` is a key, and no prototype changes", () => {
    const value = validateValue(JSON.parse('{"__proto__":{"polluted":true}}'), "cell") as Row;
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect("polluted" in {}).toBe(false);
  });

  test.each([
    ["undefined", undefined],
    ["NaN", Number.NaN],
    ["infinity", Number.NEGATIVE_INFINITY],
    ["a bigint", 2n ** 53n + 1n],
    ["a function", () => 1],
    ["a symbol", Symbol("s")],
    ["half a surrogate pair", "\ud83d"],
    ["a key that is half a surrogate pair", { "\ude00": 1 }],
    ["a Date", new Date(0)],
    ["a Map", new Map()],
    ["another typed array", new Float32Array(1)],
    ["an instance of a class", new (class Note {})()],
    ["a hole", new Array(1)],
  ])("[STORE-6] %s is refused, and the failure names the place", (_, bad) => {
    expect(refusedAt(() => validateValue({ list: [0, bad] }, "notes n1"))).toMatch(/^notes n1\.list\[1\]/);
  });

  test("[STORE-8] what is handed in is copied, bytes too", () => {
    const bytes = Uint8Array.of(1, 2);
    const handedIn = { bytes, list: [1] };
    const copy = validateValue(handedIn, "cell");
    bytes[0] = 9;
    handedIn.list.push(2);
    expect(equalValues(copy, { bytes: Uint8Array.of(1, 2), list: [1] })).toBe(true);
    expect((copy as { bytes: Uint8Array }).bytes.buffer.byteLength).toBe(2);
  });

  test("[STORE-7] names are well-formed, not empty and bounded in bytes; dots and `__proto__` are fine", () => {
    for (const name of ["__proto__", "a.b", " ", "\0", "é".repeat(5)])
      expect(validateName(name, "row id", 10)).toBe(name);
    for (const name of ["", "\ud800", "é".repeat(6), 7, undefined, null]) {
      expect(refusedAt(() => validateName(name, "row id", 10))).toBe("row id");
    }
  });

  test("[STORE-7] a row has at most 1,000 columns, none without a name", () => {
    const columns = Object.fromEntries(Array.from({ length: columnsPerRowMax + 1 }, (_, i) => [`c${i}`, i]));
    expect(refusedAt(() => splitColumns(columns, "notes n1"))).toBe("notes n1");
    expect(refusedAt(() => splitColumns({ "": 1 }, "notes n1"))).toBe("notes n1: column name");
    for (const columns of [null, 7, [1], new Date(0)])
      expect(refusedAt(() => splitColumns(columns, "notes n1"))).toBe("notes n1");
  });
});

describe("equal values", () => {
  const { few } = fc.letrec<{ few: JsonValue }>((tie) => ({
    few: fc.oneof(
      { maxDepth: 2 },
      fc.constantFrom<JsonValue>(null, 0, "0", false),
      fc.uint8Array({ max: 1, maxLength: 2 }),
      fc.array(tie("few"), { maxLength: 2 }),
      fc
        .array(fc.tuple(fc.constantFrom("a", "__proto__"), tie("few")), { maxLength: 2 })
        .map((pairs): JsonValue => Object.fromEntries(pairs)),
    ),
  }));

  function encoded(value: JsonValue): Uint8Array {
    const writer = new CborWriter();
    writer.writeValue(value);
    return writer.finish();
  }

  test("[TABLE-6] a key is not taken for what every object inherits", () => {
    expect(equalValues(JSON.parse('{"__proto__":{}}'), { a: {} })).toBe(false);
  });

  test("[TABLE-6] [KV-3] are those with the same bytes", () => {
    const isSame = (a: JsonValue, b: JsonValue): boolean => Buffer.compare(encoded(a), encoded(b)) === 0;
    fc.assert(
      fc.property(few, few, (a, b) => {
        expect(equalValues(a, b)).toBe(isSame(a, b));
        expect(equalValues([a, b], [b, a])).toBe(isSame(a, b));
        expect(equalValues(a, validateValue(a, "cell"))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("overlaid columns", () => {
  test("[TABLE-7] are the upper ones over the lower ones, in an order that does not depend on how they came", () => {
    fc.assert(
      fc.property(row, row, fc.array(key, { maxLength: 2 }), (below, above, candidates) => {
        const sorted = overlayColumns({}, below, []);
        const removed = candidates.filter((name) => !Object.hasOwn(above, name));
        const overlaid = overlayColumns(sorted, above, removed);
        const expected = new Map([...Object.entries(below), ...Object.entries(above)]);
        for (const name of removed) expected.delete(name);
        const isIndex = (name: string): boolean => String(Number(name) >>> 0) === name;
        const names = [...expected.keys()].sort(compareKeys).sort((a, b) => Number(isIndex(b)) - Number(isIndex(a)));
        expect(Object.entries(overlaid)).toEqual(names.map((name) => [name, expected.get(name)]));
      }),
    );
  });
});
