import * as dagCbor from "@ipld/dag-cbor";
import fc from "fast-check";
import { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import { arbitraryEntryId, arbitraryPublicKey, arbitraryText, arbitraryValue } from "../testing/arbitrary.ts";
import { equalBytes } from "./bytes.ts";
import { compareKeys } from "./cbor.ts";
import { CborWriter } from "./cbor-writer.ts";
import { TidemarkError } from "./errors.ts";
import { cidBytes, decodeHex } from "./ids.ts";
import { depthMax, valueItemsMax } from "./limits.ts";
import { encodeUtf8 } from "./utf8.ts";

function oracleEncode(value: unknown): Uint8Array {
  return Uint8Array.from(dagCbor.encode(value));
}

function encodeValue(value: unknown): Uint8Array {
  const writer = new CborWriter();
  writer.writeValue(value);
  return writer.finish();
}

function refusal(value: unknown, field?: string): object {
  const writer = new CborWriter();
  writer.text("before");
  const before = writer.length;
  try {
    writer.writeValue(value, field);
  } catch (error) {
    expect(writer.length).toBe(before);
    if (error instanceof TidemarkError) return { code: error.code, ...error.details };
    throw error;
  }
  return { code: "none" };
}

function nest(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

test("[CBOR-1] every value gets the bytes that @ipld/dag-cbor gives it", () => {
  fc.assert(
    fc.property(arbitraryValue(), (value) => {
      expect(equalBytes(encodeValue(value), oracleEncode(value))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("[CBOR-1] the bytes are the same wherever the buffer has to grow", () => {
  const value = [0, -1_000_000, 0.5, "ascii", "é😀".repeat(20), new Uint8Array(30), true, null, { k: [] }];
  const whole = oracleEncode(value);
  for (let capacity = 0; capacity <= whole.length; capacity++) {
    const writer = new CborWriter(capacity);
    writer.writeValue(value);
    expect(equalBytes(writer.finish(), whole)).toBe(true);
  }
});

test("[CBOR-1] integers at the limits of their forms, and numbers beyond them, get the bytes of @ipld/dag-cbor", () => {
  const powers = Array.from({ length: 54 }, (_, power) => 2 ** power);
  const near = powers.flatMap((power) => [power - 1, power, power + 1]);
  for (const value of [...near, ...near.map((n) => -n), 0.5, -1.5, 5e-324, Number.MAX_VALUE]) {
    expect(encodeValue(value)).toEqual(oracleEncode(value));
  }
});

test("[CBOR-1] typed writes get the bytes of @ipld/dag-cbor", () => {
  fc.assert(
    fc.property(
      arbitraryEntryId(),
      arbitraryPublicKey(),
      fc.maxSafeInteger(),
      fc.uint8Array(),
      (id, key, int, bytes) => {
        const writer = new CborWriter(0);
        writer.array(7);
        writer.link(id);
        writer.linkOrNull(undefined);
        writer.publicKey(key);
        writer.int(int);
        writer.uint(Math.abs(int));
        writer.bytes(bytes);
        writer.map(1);
        writer.text("k");
        writer.boolean(true);
        const cid = CID.decode(cidBytes(id));
        const value = [cid, null, decodeHex(key), int, Math.abs(int), bytes, { k: true }];
        expect(writer.finish()).toEqual(oracleEncode(value));
      },
    ),
  );
});

test("[CBOR-1] minus zero is written as zero", () => {
  expect(encodeValue(-0)).toEqual(Uint8Array.of(0));
});

test("[CBOR-2] the shorter key comes first, then the smaller bytes", () => {
  const head = (key: string) => oracleEncode(key);
  const unit = fc.constantFrom("a", "b", "é", "\ue000", "\u{10000}");
  const key = fc.oneof(
    arbitraryText(),
    fc.array(unit, { maxLength: 3 }).map((units) => units.join("")),
  );
  fc.assert(
    fc.property(key, key, (a, b) => {
      expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(head(a), head(b)));
    }),
    { numRuns: 300 },
  );
  expect(encodeValue({ b: 1, aa: 2, "\u{10000}": 3, "\ue000a": 4, a: 5 })).toEqual(
    oracleEncode({ "\ue000a": 4, "\u{10000}": 3, aa: 2, b: 1, a: 5 }),
  );
});

test("[CBOR-3] what JSON and bytes cannot hold is refused with its place, and nothing of it is written", () => {
  class Custom {
    readonly a = 1;
  }
  const wrong = [
    undefined,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1n,
    Symbol("s"),
    () => 1,
    new Date(0),
    new Map(),
    new Set(),
    new Custom(),
    /x/,
    new Uint16Array(1),
    "\ud800",
  ];
  for (const value of wrong) {
    expect(refusal({ list: [0, { "a b": value }] }, "row n1")).toMatchObject({
      code: "INPUT_INVALID",
      field: "row n1.list[1].a b",
    });
  }
  expect(refusal(new Array(2))).toMatchObject({ code: "INPUT_INVALID", field: "value[0]", got: "undefined" });
  expect(refusal({ "\udc00": 1 })).toMatchObject({ code: "INPUT_INVALID" });
});

test("[CBOR-3] an object without a prototype is plain, and own keys that objects inherit are written", () => {
  const own: object = JSON.parse('{"__proto__":{"a":1},"constructor":2}');
  const bare = Object.defineProperties(Object.create(null), Object.getOwnPropertyDescriptors(own));
  expect(encodeValue(own)).toEqual(oracleEncode(own));
  expect(encodeValue(bare)).toEqual(oracleEncode(own));
});

test("[CBOR-3] nesting is written down to the limit and refused below it, cycles included", () => {
  expect(encodeValue(nest(depthMax)).length).toBeGreaterThan(depthMax);
  expect(refusal(nest(depthMax + 1))).toMatchObject({ code: "INPUT_INVALID" });
  const cycle: unknown[] = [1];
  cycle.push({ again: cycle });
  expect(refusal(cycle)).toMatchObject({ code: "INPUT_INVALID" });
});

test("[CBOR-3] a value of more items than the limit is refused, shared parts counted as often as they occur", () => {
  let shared: unknown = [];
  for (let i = 0; i < 40; i++) shared = [shared, shared];
  expect(refusal(shared)).toMatchObject({ code: "INPUT_INVALID", expected: `at most ${valueItemsMax} values` });
});

test("[CBOR-3] after a refusal the writer can be used again", () => {
  const writer = new CborWriter();
  expect(() => writer.writeValue({ a: [undefined] })).toThrow(TidemarkError);
  writer.writeValue({ a: [1] });
  expect(writer.finish()).toEqual(oracleEncode({ a: [1] }));
});

test("[CBOR-7] a writer does not grow past its limit", () => {
  const writer = new CborWriter(16, 1_000);
  const write = () => {
    for (let i = 0; i < 100; i++) writer.bytes(new Uint8Array(50));
  };
  expect(write).toThrow(expect.objectContaining({ code: "CBOR_TOO_LARGE" }));
  expect(writer.length).toBeLessThanOrEqual(1_000);
});

test("[CBOR-1] a view keeps its bytes while the writer goes on, until it is reset", () => {
  const writer = new CborWriter(8);
  writer.text("first");
  const view = writer.view();
  for (let i = 0; i < 100; i++) writer.text("more");
  expect(view).toEqual(oracleEncode("first"));
  writer.reset();
  writer.raw(encodeUtf8("x"));
  expect(writer.finish()).toEqual(Uint8Array.of(0x78));
});
