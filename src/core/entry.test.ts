import * as dagCbor from "@ipld/dag-cbor";
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { CID } from "multiformats/cid";
import { create } from "multiformats/hashes/digest";
import { expect, test } from "vitest";
import { getPublicKey, sign } from "../crypto/noble.ts";
import {
  applyDamage,
  arbitraryBody,
  arbitraryDamage,
  arbitraryEntry,
  arbitraryEntryId,
  arbitrarySignature,
} from "../testing/arbitrary.ts";
import { equalBytes } from "./bytes.ts";
import { CborWriter } from "./cbor-writer.ts";
import {
  databaseOf,
  decodeEntry,
  type Entry,
  type EntryBody,
  encodeEntry,
  encodeUnsigned,
  entryDomainTag,
  entryMessage,
  entrySignature,
  follows,
  type StorePart,
  sealEntry,
} from "./entry.ts";
import { attempt } from "./errors.ts";
import {
  cidBytes,
  type DatabaseId,
  decodeHex,
  type EntryId,
  encodeHex,
  entryIdFromHex,
  formatCid,
  publicKeyFromBytes,
} from "./ids.ts";
import { entryBytesMax, parentsMax, storeNameBytesMax, storesMax, storeTypeBytesMax } from "./limits.ts";

const signature = new Uint8Array(64).fill(9);
const id = (byte: string): EntryId => entryIdFromHex(byte.repeat(32));
const part = (name: string, type = "kv"): StorePart => ({ name, type, payload: Uint8Array.of(1) });

const author = publicKeyFromBytes(new Uint8Array(32).fill(3));
const rootBody: EntryBody = {
  database: undefined,
  author,
  seq: 0,
  prev: undefined,
  parents: [],
  height: 0,
  time: 5,
  stores: [part("a")],
};
const laterBody: EntryBody = {
  ...rootBody,
  database: id("aa"),
  seq: 1,
  prev: id("bb"),
  parents: [id("cc"), id("dd")],
  height: 7,
};

/** The form of [ENTRY-1] as another implementation would write it. */
function oracleBytes(body: EntryBody, last: Uint8Array): Uint8Array {
  const link = (to: EntryId | undefined) => (to === undefined ? null : CID.decode(cidBytes(to)));
  const stores = body.stores.map(({ name, type, payload }) => [name, type, payload]);
  const { seq, height, time } = body;
  const item = [
    1,
    link(body.database),
    decodeHex(body.author),
    seq,
    link(body.prev),
    body.parents.map(link),
    height,
    time,
    stores,
    last,
  ];
  return Uint8Array.from(dagCbor.encode(item));
}

function refusalOf(bytes: Uint8Array): { readonly code: string; readonly details: object } {
  const result = decodeEntry(bytes, sha256);
  return result.ok ? { code: "none", details: {} } : result.failure;
}

function sameEntry(a: Entry, b: Entry): boolean {
  return a.id === b.id && equalBytes(a.bytes, b.bytes);
}

test("[ENTRY-1] an entry is the array that another DAG-CBOR library writes, and is read back as it was", () => {
  fc.assert(
    fc.property(arbitraryBody(), arbitrarySignature(), (body, some) => {
      const entry = encodeEntry(body, some, sha256);
      expect(equalBytes(entry.bytes, oracleBytes(body, some))).toBe(true);
      const decoded = decodeEntry(entry.bytes, sha256);
      expect(decoded.ok && decoded.value).toEqual(entry);
    }),
    { numRuns: 300 },
  );
});

test("[ENTRY-1] a recorded entry still has the same bytes and id", () => {
  const link = "d82a582500" + "01711220";
  const items = [
    "8a01",
    link + "aa".repeat(32),
    `5820${"03".repeat(32)}`,
    "01",
    link + "bb".repeat(32),
    `82${link}${"cc".repeat(32)}${link}${"dd".repeat(32)}`,
    "0705",
    "8183" + "6161" + "626b76" + "4101",
    `5840${"09".repeat(64)}`,
  ];
  const entry = encodeEntry(laterBody, signature, sha256);
  expect(encodeHex(entry.bytes)).toBe(items.join(""));
  expect(formatCid(entry.id)).toBe("bafyreibd7onqycjhryjnn2cst7ixapqoc5mjqhbxyp2ieiyxbqm2fjmb3a");
});

test("[ENTRY-2] the signature covers the domain tag and all bytes before it, and is the last 64 bytes", () => {
  const seed = new Uint8Array(32).fill(1);
  const body = { ...laterBody, author: publicKeyFromBytes(getPublicKey(seed)) };
  const message = encodeUnsigned(body);
  const entry = sealEntry(body, message, sign(message, seed), sha256);
  const unsigned = entry.bytes.subarray(0, entry.bytes.length - 66);
  expect(Buffer.from(message)).toEqual(Buffer.concat([Buffer.from(entryDomainTag, "latin1"), unsigned]));
  expect(entryMessage(entry)).toEqual(message);
  expect(entrySignature(entry)).toEqual(sign(message, seed));
  expect(sameEntry(entry, encodeEntry(body, sign(message, seed), sha256))).toBe(true);
});

test("[ENTRY-2] a signature of another length is not written", () => {
  expect(() => encodeEntry(rootBody, new Uint8Array(63), sha256)).toThrow("64 bytes");
  expect(() => sealEntry(rootBody, encodeUnsigned(rootBody), new Uint8Array(65), sha256)).toThrow("64 bytes");
});

test("[ENTRY-3] the id is the CID of all bytes", () => {
  fc.assert(
    fc.property(arbitraryEntry(sha256), (entry) => {
      const cid = CID.createV1(dagCbor.code, create(0x12, sha256(entry.bytes)));
      expect(formatCid(entry.id)).toBe(cid.toString());
    }),
  );
});

test("[ENTRY-3] the database of the root is its own id", () => {
  const root = encodeEntry(rootBody, signature, sha256);
  expect(databaseOf(root)).toBe(root.id);
  expect(databaseOf(encodeEntry(laterBody, signature, sha256))).toBe(laterBody.database);
});

test("[ENTRY-4] an entry follows its parents and its prev, each once", () => {
  expect(follows(rootBody)).toEqual([]);
  expect(follows({ ...laterBody, parents: [] })).toEqual([id("bb")]);
  expect(follows(laterBody)).toEqual([id("cc"), id("dd"), id("bb")]);
  expect(follows({ ...laterBody, parents: [id("aa"), id("bb")] })).toEqual([id("aa"), id("bb")]);
  expect(follows({ ...laterBody, seq: 0, prev: undefined })).toEqual([id("cc"), id("dd")]);
});

const manyIds = (count: number) => Array.from({ length: count }, (_, i) => id((i + 16).toString(16)));
const manyParts = (count: number) => Array.from({ length: count }, (_, i) => part(`s${String(i).padStart(3, "0")}`));

const malformed: readonly (readonly [string, string, EntryBody])[] = [
  ["seq 0 with prev", "prev", { ...laterBody, seq: 0 }],
  ["seq 1 without prev", "prev", { ...laterBody, prev: undefined }],
  ["a root with a seq", "database", { ...rootBody, seq: 1, prev: id("bb") }],
  ["a root with parents", "database", { ...rootBody, parents: [id("cc")] }],
  ["a root with a height", "database", { ...rootBody, height: 1 }],
  ["nothing followed", "parents", { ...laterBody, seq: 0, prev: undefined, parents: [] }],
  ["height 0", "height", { ...laterBody, height: 0 }],
  ["just prev as parents", "parents", { ...laterBody, parents: [id("bb")] }],
  ["unsorted parents", "parents", { ...laterBody, parents: [id("dd"), id("cc")] }],
  ["repeated parents", "parents", { ...laterBody, parents: [id("cc"), id("cc")] }],
  ["too many parents", "parents", { ...laterBody, parents: manyIds(parentsMax + 1) }],
  ["no stores", "stores", { ...laterBody, stores: [] }],
  ["too many stores", "stores", { ...laterBody, stores: manyParts(storesMax + 1) }],
  ["unsorted stores", "stores", { ...laterBody, stores: [part("b"), part("a")] }],
  ["repeated stores", "stores", { ...laterBody, stores: [part("a"), part("a", "table")] }],
  ["stores sorted by code units", "stores", { ...laterBody, stores: [part("\u{10000}"), part("\ue000")] }],
  ["an empty name", "store name", { ...laterBody, stores: [part("")] }],
  ["an empty name among others", "store name", { ...laterBody, stores: [part(""), part("a")] }],
  ["an empty type", "store type", { ...laterBody, stores: [part("a", "")] }],
  ["a long name", "store name", { ...laterBody, stores: [part("é".repeat(storeNameBytesMax / 2 + 1))] }],
  ["a long type", "store type", { ...laterBody, stores: [part("a", "t".repeat(storeTypeBytesMax + 1))] }],
];

test.each(malformed)("[ENTRY-5] %s is refused as ENTRY_MALFORMED, in both directions", (_, field, body) => {
  const expected = { code: "ENTRY_MALFORMED", details: { field } };
  expect(attempt(() => encodeUnsigned(body))).toMatchObject({ ok: false, failure: expected });
  expect(attempt(() => encodeEntry(body, signature, sha256))).toMatchObject({ ok: false, failure: expected });
  expect(refusalOf(oracleBytes(body, signature))).toMatchObject(expected);
});

test("[ENTRY-5] what stands just within the limits is accepted", () => {
  const names = [part("\ue000"), part("\u{10000}")];
  const longNames = [part("é".repeat(storeNameBytesMax / 2), "t".repeat(storeTypeBytesMax))];
  const bodies: readonly EntryBody[] = [
    { ...laterBody, parents: manyIds(parentsMax) },
    { ...laterBody, parents: [id("aa"), id("bb")] },
    { ...laterBody, stores: manyParts(storesMax) },
    { ...laterBody, stores: names },
    { ...laterBody, stores: longNames },
    { ...laterBody, seq: 2 ** 53 - 1, height: 2 ** 53 - 1, time: 2 ** 53 - 1 },
    { ...rootBody, time: 0 },
  ];
  for (const body of bodies) expect(refusalOf(oracleBytes(body, signature))).toEqual({ code: "none", details: {} });
});

test("[ENTRY-5] a name with a lone surrogate is refused when written", () => {
  const result = attempt(() => encodeUnsigned({ ...laterBody, stores: [part("\ud800")] }));
  expect(result).toMatchObject({ ok: false, failure: { code: "ENTRY_MALFORMED", details: { field: "store name" } } });
});

test("[ENTRY-5] another version is ENTRY_VERSION, whatever else is in it", () => {
  expect(refusalOf(Uint8Array.from(dagCbor.encode([2, "a new form"])))).toMatchObject({
    code: "ENTRY_VERSION",
    details: { got: 2 },
  });
  expect(refusalOf(Uint8Array.from(dagCbor.encode([1, null]))).code).toBe("ENTRY_MALFORMED");
});

test("[ENTRY-5] a store of more or fewer than three items is ENTRY_MALFORMED, even when the bytes go on as if it had three", () => {
  const { bytes } = encodeEntry(laterBody, signature, sha256);
  const at = Buffer.from(bytes).indexOf(Uint8Array.of(0x81, 0x83, 0x61)) + 1;
  for (const head of [0x80, 0x82, 0x84]) {
    const altered = bytes.slice();
    altered[at] = head;
    expect(refusalOf(altered)).toMatchObject({ code: "ENTRY_MALFORMED", details: { field: "store" } });
  }
});

test("[ENTRY-5] fields of another type, signatures of another length and times beyond 2^53 − 1 are refused with a CBOR_ code", () => {
  const good: readonly unknown[] = dagCbor.decode(encodeEntry(laterBody, signature, sha256).bytes);
  const wrong: readonly unknown[] = [
    1n,
    1,
    decodeHex(author).subarray(1),
    -1,
    "prev",
    [1],
    0.5,
    2n ** 53n,
    [["a", "kv"]],
    signature.subarray(1),
  ];
  for (const [at, value] of wrong.entries()) {
    if (at === 0) continue;
    const bytes = Uint8Array.from(dagCbor.encode(good.map((item, i) => (i === at ? value : item))));
    expect([at, refusalOf(bytes).code]).toEqual([at, expect.stringMatching(/^(CBOR_|ENTRY_MALFORMED)/)]);
  }
});

test("[ENTRY-5] an entry of the largest size is accepted and one byte more is ENTRY_TOO_LARGE, in both directions", () => {
  const overhead =
    encodeEntry({ ...rootBody, stores: [{ ...part("a"), payload: new Uint8Array(70_000) }] }, signature, sha256).bytes
      .length - 70_000;
  const sized = (length: number): EntryBody => ({
    ...rootBody,
    stores: [{ ...part("a"), payload: new Uint8Array(length - overhead) }],
  });
  const hash = () => new Uint8Array(32);
  const largest = encodeEntry(sized(entryBytesMax), signature, hash);
  expect(largest.bytes.length).toBe(entryBytesMax);
  expect(decodeEntry(largest.bytes, hash).ok).toBe(true);
  const tooLarge = {
    ok: false,
    failure: { code: "ENTRY_TOO_LARGE", details: { got: entryBytesMax + 1, max: entryBytesMax } },
  };
  expect(attempt(() => encodeUnsigned(sized(entryBytesMax + 1)))).toMatchObject(tooLarge);
  expect(decodeEntry(new Uint8Array(entryBytesMax + 1), hash)).toMatchObject(tooLarge);
});

test("[ENTRY-7] damaged bytes are refused with a code, or are the canonical bytes of what is read from them", () => {
  let accepted = 0;
  fc.assert(
    fc.property(arbitraryEntry(sha256), arbitraryDamage(), (entry, damage) => {
      const bytes = applyDamage(entry.bytes, damage);
      const result = decodeEntry(bytes, sha256);
      if (!result.ok) {
        expect(result.failure.code).toMatch(/^(ENTRY|CBOR)_/);
        return;
      }
      accepted++;
      expect(sameEntry(result.value, encodeEntry(result.value, entrySignature(result.value), sha256))).toBe(true);
      expect(equalBytes(result.value.bytes, bytes)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
  expect(accepted).toBeGreaterThan(20);
});

test("[ENTRY-7] a list of parents or stores that only claims to be long is refused at once", () => {
  const writer = new CborWriter();
  writer.array(10);
  writer.uint(1);
  writer.link(id("aa") as DatabaseId);
  writer.publicKey(author);
  writer.uint(1);
  writer.link(id("bb"));
  writer.raw(Uint8Array.of(0x9a, 0x7f, 0xff, 0xff, 0xff));
  expect(refusalOf(writer.finish()).code).toBe("CBOR_TRUNCATED");
});

test("[ENTRY-6] ids inside an entry are refused when they are no links to entries", () => {
  fc.assert(
    fc.property(arbitraryEntryId(), fc.integer({ min: 1, max: 3 }), (some, at) => {
      const body = { ...laterBody, parents: [some] };
      const good: unknown[] = dagCbor.decode(encodeEntry(body, signature, sha256).bytes);
      const other = CID.createV1(0x55, create(0x12, decodeHex(some)));
      good[at === 1 ? 1 : at === 2 ? 4 : 5] = at === 3 ? [other] : other;
      expect(refusalOf(Uint8Array.from(dagCbor.encode(good))).code).toBe("CBOR_UNSUPPORTED");
    }),
  );
});
