/** What the chunks of an export file say, and in which order. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadSha256 } from "../../crypto/sha256.ts";
import { keyOf } from "../../testing/writers.ts";
import { concatBytes } from "../bytes.ts";
import { CborWriter } from "../cbor-writer.ts";
import { attempt } from "../errors.ts";
import { type DatabaseId, entryIdFromDigest } from "../ids.ts";
import { addressBytesMax, backupRelaysMax, exportDatabasesMax, exportEntriesMax } from "../limits.ts";
import { RecordOrder } from "./record-order.ts";
import { decodeExportRecord, type ExportedDatabase, type ExportRecord, encodeExportRecord } from "./records.ts";

const sha256 = await loadSha256();

function idOf(number: number): DatabaseId {
  return entryIdFromDigest(sha256(Uint8Array.of(number))) as DatabaseId;
}

const text = fc.string({ unit: "grapheme", maxLength: 20 });
const bytes = fc.uint8Array({ maxLength: 30 });
const relayUrl = fc.stringMatching(/^wss?:\/\/[a-z]{1,10}\.example\/[a-z?=&%]{0,10}$/);
const recordArbitrary: fc.Arbitrary<ExportRecord> = fc.oneof(
  fc.record({
    type: fc.constant("head" as const),
    createdMs: fc.maxSafeNat(),
    databases: fc.nat(exportDatabasesMax),
    entries: fc.maxSafeNat(),
  }),
  fc.record({
    type: fc.constant("database" as const),
    id: fc.nat(255).map(idOf),
    name: text,
    relays: fc.array(relayUrl, { maxLength: backupRelaysMax }),
    key: fc.nat(255).map(keyOf),
    entries: fc.maxSafeNat(),
  }),
  fc.record({ type: fc.constant("entries" as const), entries: fc.array(bytes, { minLength: 1, maxLength: 10 }) }),
  fc.record({ type: fc.constant("recovery" as const), text }),
  fc.constant({ type: "end" as const }),
  fc.record({ type: fc.constant("missing" as const), ids: fc.array(fc.nat(255).map(idOf), { minLength: 1 }) }),
);

function codeOf(encoded: Uint8Array): string | undefined {
  const result = attempt(() => decodeExportRecord(encoded));
  return result.ok ? undefined : result.failure.code;
}

describe("[EXPORT-4] a record", () => {
  test("is decoded as it was encoded", () => {
    const property = fc.property(recordArbitrary, (record) => {
      expect(decodeExportRecord(encodeExportRecord(record))).toEqual(record);
    });
    fc.assert(property);
  });

  test("in which a byte was changed is another one, or refused", () => {
    const property = fc.property(recordArbitrary, fc.nat(), fc.integer({ min: 1, max: 255 }), (record, at, by) => {
      const encoded = encodeExportRecord(record).slice();
      const place = at % encoded.length;
      encoded[place] = (encoded[place] as number) ^ by;
      const decoded = attempt(() => decodeExportRecord(encoded));
      if (decoded.ok) expect(encodeExportRecord(decoded.value)).toEqual(encoded);
      else expect(decoded.failure.code).toBe("EXPORT_MALFORMED");
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("of random bytes is refused, or has them as its form", () => {
    const property = fc.property(fc.uint8Array({ maxLength: 60 }), (random) => {
      const decoded = attempt(() => decodeExportRecord(random));
      if (decoded.ok) expect(encodeExportRecord(decoded.value)).toEqual(random);
      else expect(decoded.failure.code).toBe("EXPORT_MALFORMED");
    });
    fc.assert(property, { numRuns: 500 });
  });

  test.each<readonly [string, (writer: CborWriter) => void]>([
    ["of a type that there is not", (writer) => write(writer, 6)],
    ["of no entries", (writer) => write(writer, 2, () => writer.array(0))],
    ["of nothing that is missing", (writer) => write(writer, 5, () => writer.array(0))],
    [
      "of more entries than a chunk has",
      (writer) => write(writer, 2, () => writeEntries(writer, exportEntriesMax + 1)),
    ],
    ["with a field too many", (writer) => write(writer, 4, () => writer.null())],
  ])("%s is refused", (_what, build) => {
    const writer = new CborWriter();
    build(writer);
    expect(codeOf(writer.finish())).toBe("EXPORT_MALFORMED");
  });

  test.each<readonly [string, readonly string[]]>([
    ["is no URL", ["relay"]],
    ["is another URL", ["wss://relay.example", "https://relay.example"]],
    ["has a space", ["wss://relay.example/a b"]],
    ["is too long", [`wss://relay.example/${"x".repeat(addressBytesMax)}`]],
    ["is too much for a ticket as it is written there", [`wss://relay.example/${"?".repeat(addressBytesMax - 20)}`]],
    ["is too much for a ticket beside the others", Array(3).fill(`wss://relay.example/${"x".repeat(900)}`)],
    ["is one of too many", Array(backupRelaysMax + 1).fill("wss://relay.example")],
  ])("with a relay that %s is refused", (_what, relays) => {
    expect(codeOf(encodeExportRecord({ ...database(1, 1), relays }))).toBe("EXPORT_MALFORMED");
  });

  test("with something behind it is refused", () => {
    expect(codeOf(concatBytes(encodeExportRecord(end), Uint8Array.of(0)))).toBe("EXPORT_MALFORMED");
  });
});

function write(writer: CborWriter, type: number, ...fields: readonly (() => void)[]): void {
  writer.array(1 + fields.length);
  writer.uint(type);
  for (const field of fields) field();
}

function writeEntries(writer: CborWriter, count: number): void {
  writer.array(count);
  for (let i = 0; i < count; i++) writer.bytes(Uint8Array.of(1));
}

const head = (databases: number, entries: number): ExportRecord => ({ type: "head", createdMs: 1, databases, entries });
const database = (number: number, entries: number): ExportedDatabase => {
  return { type: "database", id: idOf(number), name: "", relays: [], key: keyOf(1), entries };
};
const entries = (count: number): ExportRecord => ({ type: "entries", entries: Array(count).fill(Uint8Array.of(1)) });
const missing = (count: number): ExportRecord => ({ type: "missing", ids: Array(count).fill(idOf(9)) });
const recovery: ExportRecord = { type: "recovery", text: "a key" };
const end: ExportRecord = { type: "end" };

/** How many were taken, or all and that was well. */
function takenOf(records: readonly ExportRecord[], isSealed = true): number | "all" {
  const order = new RecordOrder(isSealed);
  for (const [i, record] of records.entries())
    if (!attempt(() => order.take(record, i === records.length - 1)).ok) return i;
  return "all";
}

describe("[EXPORT-5] records", () => {
  test.each<readonly [string, readonly ExportRecord[]]>([
    ["of nothing", [head(0, 0), end]],
    ["of a database in one chunk", [head(1, 2), database(1, 2), entries(2), end]],
    ["of two in several", [head(2, 4), database(1, 3), entries(2), entries(1), database(2, 1), entries(1), end]],
    ["with entries that are missing", [head(1, 5), database(1, 5), missing(1), entries(2), missing(2), end]],
    ["with a key", [head(1, 1), database(1, 1), entries(1), recovery, end]],
  ])("%s are taken", (_what, records) => {
    expect(takenOf(records)).toBe("all");
  });

  test.each<readonly [string, readonly ExportRecord[], number]>([
    ["without a head", [database(1, 1), entries(1), end], 0],
    ["with two heads", [head(1, 1), head(1, 1), end], 1],
    ["with entries of no database", [head(1, 1), entries(1), end], 1],
    ["with fewer entries than announced", [head(1, 2), database(1, 2), entries(1), end], 3],
    ["with more entries than announced", [head(1, 1), database(1, 1), entries(2), end], 2],
    ["with more missing than announced", [head(1, 2), database(1, 2), entries(1), missing(2), end], 3],
    ["with missing entries of no database", [head(1, 1), missing(1), end], 1],
    ["with a database before the last one has come", [head(2, 2), database(1, 2), entries(1), database(2, 1), end], 3],
    ["with a database twice", [head(2, 2), database(1, 1), entries(1), database(1, 1), entries(1), end], 3],
    ["with a database of nothing", [head(1, 0), database(1, 0), end], 1],
    ["with fewer databases than announced", [head(2, 1), database(1, 1), entries(1), end], 3],
    ["with a total that is not theirs", [head(1, 5), database(1, 1), entries(1), end], 3],
    ["with a key between the entries", [head(1, 2), database(1, 2), entries(1), recovery, entries(1), end], 3],
    ["with a database after the key", [head(1, 1), recovery, database(1, 1), entries(1), end], 2],
    ["with two keys", [head(0, 0), recovery, recovery, end], 2],
    ["without an end", [head(0, 0), recovery], 1],
    ["with an end before the last", [head(0, 0), end, end], 1],
  ])("%s are refused there", (_what, records, at) => {
    expect(takenOf(records)).toBe(at);
  });

  test("with a key are refused in a file that anybody can read", () => {
    expect(takenOf([head(0, 0), recovery, end], false)).toBe(1);
  });
});
