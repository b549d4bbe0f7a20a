import { isDeepStrictEqual } from "node:util";
import * as dagCbor from "@ipld/dag-cbor";
import fc from "fast-check";
import { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import {
  applyDamage,
  arbitraryDamage,
  arbitraryEntryId,
  arbitraryPublicKey,
  arbitraryValue,
} from "../testing/arbitrary.ts";
import { equalBytes } from "./bytes.ts";
import { type CborKind, type CborValue, linkPrefix } from "./cbor.ts";
import { CborReader } from "./cbor-reader.ts";
import { CborWriter } from "./cbor-writer.ts";
import { attempt, type Result } from "./errors.ts";
import { cidBytes, decodeHex } from "./ids.ts";
import { depthMax, valueItemsMax } from "./limits.ts";

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

function decodeValue(bytes: Uint8Array, levels?: number): Result<CborValue> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    const value = reader.value(levels);
    reader.end();
    return value;
  });
}

function encodeValue(value: unknown): Uint8Array {
  const writer = new CborWriter();
  writer.writeValue(value);
  return writer.finish();
}

function codeFor(hex: string): string {
  const result = decodeValue(fromHex(hex));
  return result.ok ? "none" : result.failure.code;
}

function codeOf(action: () => unknown): string {
  const result = attempt(action);
  return result.ok ? "none" : result.failure.code;
}

/** What the oracle reads, if writing it again gives the same bytes and it is a value that we have. */
function oracleValue(bytes: Uint8Array): { readonly value: unknown } | undefined {
  try {
    const value: unknown = dagCbor.decode(bytes);
    const same = Buffer.compare(dagCbor.encode(value), bytes) === 0;
    return same && !holdsForeign(value) ? { value } : undefined;
  } catch {
    return undefined;
  }
}

function holdsForeign(value: unknown): boolean {
  if (typeof value === "bigint" || CID.asCID(value) !== null) return true;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return false;
  return Object.values(value).some(holdsForeign);
}

test("[CBOR-1] what was written comes back as it was", () => {
  fc.assert(
    fc.property(arbitraryValue(), (value) => {
      const decoded = decodeValue(encodeValue(value));
      expect(decoded.ok && isDeepStrictEqual(decoded.value, value)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("[CBOR-1] of any bytes exactly those are accepted that @ipld/dag-cbor reads and writes again unchanged", () => {
  const damaged = fc
    .tuple(arbitraryValue(), arbitraryDamage())
    .map(([value, damage]) => applyDamage(encodeValue(value), damage));
  const head = fc.constantFrom(
    0x00,
    0x17,
    0x18,
    0x20,
    0x40,
    0x60,
    0x61,
    0x80,
    0x81,
    0x82,
    0xa0,
    0xa1,
    0xa2,
    0xf4,
    0xf6,
    0xf7,
    0xf9,
    0xfb,
    0xff,
  );
  const likely = fc.array(head, { maxLength: 8 }).map((bytes) => Uint8Array.from(bytes));
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(damaged, likely, fc.uint8Array({ maxLength: 12 })), (bytes) => {
      const ours = decodeValue(bytes);
      const theirs = oracleValue(bytes);
      expect(ours.ok).toBe(theirs !== undefined);
      if (!ours.ok || theirs === undefined) return;
      accepted++;
      expect(isDeepStrictEqual(ours.value, theirs.value)).toBe(true);
      expect(equalBytes(encodeValue(ours.value), bytes)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
  expect(accepted).toBeGreaterThan(50);
});

test("[CBOR-5] another form of a value we have is CBOR_NONCANONICAL", () => {
  const forms = {
    "longer head than needed": [
      "1800",
      "1817",
      "190000",
      "1900ff",
      "1a0000ffff",
      "1b00000000ffffffff",
      "3817",
      "5800",
      "7801 61",
      "9800",
      "b800",
    ],
    "indefinite length": ["5f 41 00 ff", "7f 61 61 ff", "9f ff", "bf ff", "ff"],
    "shorter float": ["f93c00", "fa3fc00000"],
    "no number": ["fb7ff8000000000000", "fb7ff0000000000000", "fbfff0000000000000", "fb7ff0000000000001"],
    "integer or zero as float": [
      "fb3ff0000000000000",
      "fb8000000000000000",
      "fb0000000000000000",
      "fb433fffffffffffff",
    ],
    "text that is not UTF-8": ["61ff", "62c080", "63eda080", "61 80"],
    "keys out of order or twice": ["a2 6162 01 6161 02", "a2 626161 01 6162 02", "a2 6161 01 6161 02"],
  };
  for (const [form, examples] of Object.entries(forms)) {
    for (const hex of examples) expect([form, hex, codeFor(hex)]).toEqual([form, hex, "CBOR_NONCANONICAL"]);
  }
});

test("[CBOR-5] a value we do not have is CBOR_UNSUPPORTED", () => {
  const link = Buffer.from(linkPrefix).toString("hex") + "00".repeat(32);
  const values = [
    "c100",
    "d82a 4100",
    link,
    "f7",
    "e0",
    "f3",
    "f820",
    "f8ff",
    "fc",
    "1b0020000000000000",
    "3b001fffffffffffff",
    "1bffffffffffffffff",
    "1c",
    "5c",
  ];
  for (const hex of values) expect([hex, codeFor(hex)]).toEqual([hex, "CBOR_UNSUPPORTED"]);
});

test("[CBOR-5] a value of another type than asked for is CBOR_UNEXPECTED, and the reader stays where it was", () => {
  const asks: Record<string, (reader: CborReader) => unknown> = {
    uint: (reader) => reader.uint(),
    int: (reader) => reader.int(),
    number: (reader) => reader.number(),
    boolean: (reader) => reader.boolean(),
    bytes: (reader) => reader.bytes(),
    text: (reader) => reader.text(),
    array: (reader) => reader.array(),
    map: (reader) => reader.map(),
    link: (reader) => reader.link(),
  };
  const items: Record<string, string> = {
    uint: "01",
    negative: "20",
    bytes: "4100",
    text: "6161",
    array: "8101",
    map: "a1616101",
    true: "f5",
    null: "f6",
    float: "fb3fb999999999999a",
  };
  const fits: Record<string, readonly string[]> = {
    uint: ["uint"],
    int: ["uint", "negative"],
    number: ["uint", "negative", "float"],
    boolean: ["true"],
  };
  for (const [ask, read] of Object.entries(asks)) {
    for (const [item, hex] of Object.entries(items)) {
      const reader = new CborReader(fromHex(hex));
      const expected = (fits[ask] ?? [ask]).includes(item) ? "none" : "CBOR_UNEXPECTED";
      expect([ask, item, codeOf(() => read(reader))]).toEqual([ask, item, expected]);
      if (expected !== "none") expect(reader.at).toBe(0);
    }
  }
});

test("[CBOR-5] a link to anything but a CIDv1 of dag-cbor and sha2-256 is CBOR_UNSUPPORTED", () => {
  const good = [...linkPrefix, ...new Array<number>(32).fill(7)];
  expect(codeOf(() => new CborReader(Uint8Array.from(good)).link())).toBe("none");
  for (let i = 2; i < linkPrefix.length; i++) {
    const other = Uint8Array.from(good, (byte, at) => (at === i ? byte ^ 1 : byte));
    expect(codeOf(() => new CborReader(other).link())).toBe("CBOR_UNSUPPORTED");
  }
});

test("[CBOR-5] a byte string of another length than asked for is CBOR_UNEXPECTED", () => {
  expect(codeOf(() => new CborReader(fromHex("420102")).fixedBytes(3))).toBe("CBOR_UNEXPECTED");
  expect(new CborReader(fromHex("420102")).fixedBytes(2)).toEqual(Uint8Array.of(1, 2));
});

test("[CBOR-1] typed reads return what typed writes wrote", () => {
  const fields = fc.record({
    id: arbitraryEntryId(),
    key: arbitraryPublicKey(),
    int: fc.maxSafeInteger(),
    flag: fc.boolean(),
  });
  fc.assert(
    fc.property(fields, ({ id, key, int, flag }) => {
      const cid = CID.decode(cidBytes(id));
      const bytes = dagCbor.encode([cid, null, decodeHex(key), int, 0.5, flag]);
      const reader = new CborReader(bytes);
      expect(reader.array()).toBe(6);
      const read = [
        reader.linkOrNull(),
        reader.linkOrNull(),
        reader.publicKey(),
        reader.int(),
        reader.number(),
        reader.boolean(),
      ];
      expect(read).toEqual([id, undefined, key, int, 0.5, flag]);
      reader.end();
    }),
  );
});

test("[CBOR-6] every beginning of an encoding is CBOR_TRUNCATED, and everything behind one is CBOR_TRAILING", () => {
  fc.assert(
    fc.property(arbitraryValue(), fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 3 }), (value, cut, tail) => {
      const bytes = encodeValue(value);
      const beginning = decodeValue(bytes.subarray(0, cut % bytes.length));
      expect(!beginning.ok && beginning.failure.code).toBe("CBOR_TRUNCATED");
      const longer = decodeValue(Uint8Array.of(...bytes, ...tail));
      expect(!longer.ok && longer.failure).toEqual({ code: "CBOR_TRAILING", details: { at: bytes.length } });
    }),
    { numRuns: 300 },
  );
  const link = Uint8Array.from([...linkPrefix, ...new Array<number>(32).fill(7)]);
  for (let length = 0; length < link.length; length++) {
    expect(codeOf(() => new CborReader(link, 0, length).link())).toBe("CBOR_TRUNCATED");
  }
});

test("[CBOR-6] a reader of a part of some bytes does not look behind its end", () => {
  const bytes = fromHex("00 8201 02 4200");
  const reader = new CborReader(bytes, 1, 4);
  expect(reader.value()).toEqual([1, 2]);
  reader.end();
  expect(codeOf(() => reader.peek())).toBe("CBOR_TRUNCATED");
  expect(codeOf(() => new CborReader(bytes, 4, 6).bytes())).toBe("CBOR_TRUNCATED");
});

test("[CBOR-7] a length that is only claimed is CBOR_TRUNCATED before anything is made of it", () => {
  const claims = [
    "5a7fffffff",
    "7a7fffffff",
    "9a7fffffff00",
    "ba7fffffff00",
    "5b001fffffffffffff",
    "9b001fffffffffffff",
    "8200",
    "a2616100",
  ];
  for (const hex of claims) expect([hex, codeFor(hex)]).toEqual([hex, "CBOR_TRUNCATED"]);
  expect(codeOf(() => new CborReader(fromHex("8300 00")).array())).toBe("CBOR_TRUNCATED");
  expect(codeOf(() => new CborReader(fromHex("a2 6161 00")).map())).toBe("CBOR_TRUNCATED");
});

test("[CBOR-7] more than the caller's limit is CBOR_TOO_LARGE", () => {
  const reads: readonly [string, (reader: CborReader, max: number) => unknown][] = [
    ["1864", (reader, max) => reader.uint(max)],
    [`5864${"00".repeat(100)}`, (reader, max) => reader.bytes(max)],
    [`7864${"61".repeat(100)}`, (reader, max) => reader.text(max)],
    [`9864${"00".repeat(100)}`, (reader, max) => reader.array(max)],
    [`b864${"00".repeat(200)}`, (reader, max) => reader.map(max)],
  ];
  for (const [hex, read] of reads) {
    expect(codeOf(() => read(new CborReader(fromHex(hex)), 100))).toBe("none");
    expect(codeOf(() => read(new CborReader(fromHex(hex)), 99))).toBe("CBOR_TOO_LARGE");
  }
});

test("[CBOR-7] nesting is read down to the limit and CBOR_TOO_DEEP below it, however deep the input is", () => {
  const nested = (levels: number) => Uint8Array.from({ length: levels + 1 }, (_, i) => (i === levels ? 0 : 0x81));
  expect(decodeValue(nested(depthMax)).ok).toBe(true);
  for (const levels of [depthMax + 1, 1_000_000]) {
    const result = decodeValue(nested(levels));
    expect(!result.ok && result.failure.code).toBe("CBOR_TOO_DEEP");
  }
  expect(decodeValue(fromHex("a1616101"), 0)).toMatchObject({ ok: false, failure: { code: "CBOR_TOO_DEEP" } });
});

test("[CBOR-7] a value of more items than the limit is CBOR_TOO_LARGE", () => {
  const list = (items: number) => {
    const writer = new CborWriter(items + 9);
    writer.array(items);
    writer.raw(new Uint8Array(items).fill(0x80));
    return writer.finish();
  };
  expect(decodeValue(list(valueItemsMax - 1)).ok).toBe(true);
  expect(decodeValue(list(valueItemsMax))).toMatchObject({ ok: false, failure: { code: "CBOR_TOO_LARGE" } });
});

test("[CBOR-8] keys that objects inherit become own properties and nothing else", () => {
  for (const key of ["__proto__", "constructor", "toString"]) {
    const decoded = decodeValue(encodeValue(JSON.parse(`{"${key}":{"polluted":true}}`)));
    const value = decoded.ok ? (decoded.value as object) : {};
    expect(Object.keys(value)).toEqual([key]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect("polluted" in value).toBe(false);
  }
});

test("[CBOR-5] the type of the next item can be asked for", () => {
  const kinds: Record<CborKind, string> = {
    uint: "00",
    negative: "20",
    bytes: "40",
    text: "60",
    array: "80",
    map: "a0",
    tag: "d82a",
    simple: "f6",
  };
  for (const [kind, hex] of Object.entries(kinds)) expect(new CborReader(fromHex(hex)).peek()).toBe(kind);
});

test("[CBOR-5] [CBOR-6] [CBOR-7] what is stepped over is what would be read, and its structure is checked alike", () => {
  fc.assert(
    fc.property(arbitraryValue(), arbitraryDamage(), fc.boolean(), (value, damage, isDamaged) => {
      const bytes = isDamaged ? applyDamage(encodeValue(value), damage) : encodeValue(value);
      const end = (read: (reader: CborReader) => unknown): Result<number> =>
        attempt(() => {
          const reader = new CborReader(bytes);
          read(reader);
          return reader.at;
        });
      const [read, skipped] = [end((reader) => reader.value()), end((reader) => reader.skip())];
      if (read.ok) expect(skipped).toEqual(read);
      // What texts hold and how keys are ordered is not looked at.
      else if (skipped.ok) expect(read.failure.code).toBe("CBOR_NONCANONICAL");
    }),
  );
  const nested = (levels: number): Uint8Array => Uint8Array.of(...Array.from({ length: levels }, () => 0x81), 0xf6);
  const skip = (bytes: Uint8Array): string => codeOf(() => new CborReader(bytes).skip());
  expect([skip(nested(depthMax)), skip(nested(depthMax + 1))]).toEqual(["none", "CBOR_TOO_DEEP"]);
  const many = new CborWriter();
  many.array(valueItemsMax);
  for (let i = 0; i < valueItemsMax; i++) many.null();
  expect(skip(many.finish())).toBe("CBOR_TOO_LARGE");
  expect([skip(fromHex("a10102")), skip(fromHex("a161"))]).toEqual(["CBOR_UNEXPECTED", "CBOR_TRUNCATED"]);
});
