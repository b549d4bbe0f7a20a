import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyDamage, arbitraryDamage, arbitraryHistory, growHistory } from "../../testing/arbitrary.ts";
import { equalBytes } from "../bytes.ts";
import { CborWriter } from "../cbor-writer.ts";
import { ticksPerMs } from "../clock.ts";
import { databaseOf, decodeEntry, type Entry, encodeEntry, entrySignature } from "../entry.ts";
import type { DatabaseId, Sha256 } from "../ids.ts";
import { batchEntriesMax, entryBytesMax, messageBytesMax } from "../limits.ts";
import { decodeBatch, encodeBatch } from "./batch.ts";

const history = arbitraryHistory(sha256);

function rootId(entries: readonly Entry[]): DatabaseId {
  return databaseOf(entries[0] as Entry);
}

function codeOf(bytes: Uint8Array, database: DatabaseId, hash: Sha256 = sha256): string {
  const result = decodeBatch(bytes, database, hash);
  return result.ok ? "none" : result.failure.code;
}

function expectRoundTrip(entries: readonly Entry[], database: DatabaseId): void {
  const decoded = decodeBatch(encodeBatch(entries), database, sha256);
  expect(decoded.ok && decoded.value).toEqual(entries);
}

/** `count` entries of one author, a second apart. */
function chain(count: number, payloadLength: number): readonly Entry[] {
  const payload = new Uint8Array(payloadLength).fill(5);
  const step = {
    author: 0,
    fork: undefined,
    merges: [],
    ticks: 1_000 * ticksPerMs,
    signature: 7,
    stores: [{ name: "notes", type: "table", payload }],
  };
  return growHistory(new Array(count).fill(step), sha256);
}

test("[BATCH-1] a history with several authors, merges and forks comes back entry by entry, byte by byte", () => {
  fc.assert(
    fc.property(history, (entries) => {
      expectRoundTrip(entries, rootId(entries));
    }),
  );
});

test("[BATCH-1] so does any part of it in any order, some of it twice", () => {
  const some = history.chain((entries) =>
    fc
      .array(fc.constantFrom(...entries), { maxLength: 2 * entries.length })
      .map((part) => ({ part, database: rootId(entries) })),
  );
  fc.assert(
    fc.property(some, ({ part, database }) => {
      expectRoundTrip(part, database);
    }),
  );
});

test("[BATCH-1] what is decoded are canonical entries: decoding their bytes alone gives the same", () => {
  fc.assert(
    fc.property(history, (entries) => {
      const decoded = decodeBatch(encodeBatch(entries), rootId(entries), sha256);
      for (const entry of decoded.ok ? decoded.value : []) {
        const alone = decodeEntry(entry.bytes, sha256);
        expect(alone.ok && alone.value).toEqual(entry);
      }
    }),
    { numRuns: 30 },
  );
});

test("[BATCH-1] entries whose numbers jump between the extremes come back", () => {
  const [root, next] = chain(2, 3) as [Entry, Entry];
  const top = encodeEntry(
    { ...next, height: 2 ** 53 - 1, time: 2 ** 53 - 1, seq: 2 ** 53 - 1 },
    entrySignature(next),
    sha256,
  );
  expectRoundTrip([top, root, top, next], root.id);
});

test("[BATCH-1] an entry that names another author's entry as its prev comes back", () => {
  const [root, next] = chain(2, 3) as [Entry, Entry];
  const thief = encodeEntry(
    { ...next, author: next.author.replaceAll("1", "2") as typeof next.author },
    entrySignature(next),
    sha256,
  );
  expectRoundTrip([root, thief, next], root.id);
});

test("[BATCH-1] stores whose names and types read the same when put together stay apart", () => {
  const payload = new Uint8Array(1);
  const stores = [
    { name: "bc", type: "a", payload },
    { name: "c", type: "ab", payload },
    { name: "d", type: "1 a", payload },
  ];
  const step = { author: 0, fork: undefined, merges: [], ticks: 1, signature: 7, stores };
  const entries = growHistory([step, step], sha256);
  expectRoundTrip(entries, rootId(entries));
});

test("[BATCH-2] in one chain an entry costs its payload and at most 90 bytes", () => {
  for (const payloadLength of [0, 20, 230, 60_000]) {
    const entries = chain(300, payloadLength);
    expect(encodeBatch(entries).length).toBeLessThanOrEqual(entries.length * (payloadLength + 90));
  }
});

test("[BATCH-2] authors who answer each other cost a little more, not a link each", () => {
  const part = { name: "notes", type: "table", payload: new Uint8Array(20) };
  const steps = Array.from({ length: 300 }, (_, i) => ({
    author: i % 3,
    fork: undefined,
    merges: i > 0 ? [i - 1] : [],
    ticks: 1_000,
    signature: 7,
    stores: [part],
  }));
  const entries = growHistory(steps, sha256);
  expect(encodeBatch(entries).length).toBeLessThanOrEqual(entries.length * (20 + 92));
});

test("[BATCH-3] a damaged batch is refused as a whole with a code, or is a batch of canonical entries", () => {
  let accepted = 0;
  fc.assert(
    fc.property(arbitraryHistory(sha256, { stepsMax: 8 }), arbitraryDamage(), (entries, damage) => {
      const result = decodeBatch(applyDamage(encodeBatch(entries), damage), rootId(entries), sha256);
      if (!result.ok) {
        expect(result.failure.code).toMatch(/^(MESSAGE_MALFORMED$|CBOR_|ENTRY_)/);
        return;
      }
      accepted++;
      for (const entry of result.value) {
        const alone = decodeEntry(entry.bytes, sha256);
        expect(alone.ok && equalBytes(alone.value.bytes, entry.bytes) && alone.value.id === entry.id).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
  expect(accepted).toBeGreaterThan(3);
});

test("[BATCH-3] more entries than the limit are refused, in both directions", () => {
  const [root] = chain(1, 1) as [Entry];
  const some = decodeBatch(encodeBatch(new Array(batchEntriesMax).fill(root)), root.id, sha256);
  expect(some.ok && some.value.length).toBe(batchEntriesMax);
  expect(() => encodeBatch(new Array(batchEntriesMax + 1).fill(root))).toThrow("too many entries");
  const writer = new CborWriter();
  writer.array(batchEntriesMax + 1);
  writer.raw(new Uint8Array(batchEntriesMax + 1));
  expect(codeOf(writer.finish(), root.id)).toBe("CBOR_TOO_LARGE");
});

test("[BATCH-3] more bytes than the limit are refused", () => {
  const [root] = chain(1, 1) as [Entry];
  expect(codeOf(new Uint8Array(messageBytesMax + 1), root.id)).toBe("MESSAGE_TOO_LARGE");
});

test("[BATCH-3] an entry of the largest size fits, and a larger one is ENTRY_TOO_LARGE though what is sent of it is smaller", () => {
  const hash: Sha256 = (bytes) => Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? bytes.length & 1 : 1));
  const [root, next] = chain(2, 1) as [Entry, Entry];
  const sized = (length: number) => ({ ...next, stores: [{ name: "n", type: "t", payload: new Uint8Array(length) }] });
  const overhead = encodeEntry(sized(70_000), entrySignature(next), hash).bytes.length - 70_000;
  const largest = encodeEntry(sized(entryBytesMax - overhead), entrySignature(next), hash);
  const bytes = encodeBatch([largest]);
  expect(codeOf(bytes, root.id, hash)).toBe("none");
  // The same batch whose store has a longer type: the last byte sent stays within the message, the entry does not.
  const longer = { ...largest, stores: largest.stores.map((part) => ({ ...part, type: "type" })) };
  expect(codeOf(encodeBatch([longer]), root.id, hash)).toBe("ENTRY_TOO_LARGE");
});

test("[BATCH-3] another database's root is ENTRY_DATABASE", () => {
  const [root] = chain(1, 1) as [Entry];
  const [other] = chain(1, 2) as [Entry];
  expect(codeOf(encodeBatch([other]), root.id)).toBe("ENTRY_DATABASE");
  expect(codeOf(encodeBatch([other]), other.id)).toBe("none");
});

test("[BATCH-3] entries of two databases are not put into one batch", () => {
  const [root] = chain(1, 1) as [Entry];
  const [other] = chain(1, 2) as [Entry];
  expect(() => encodeBatch([root, other])).toThrow("several databases");
});

/** An item as in the header of batch.ts, for the second place behind a root. */
function batchOf(root: Entry, write: (writer: CborWriter) => void): Uint8Array {
  const writer = new CborWriter();
  writer.array(2);
  writer.raw(encodeBatch([root]).subarray(1));
  write(writer);
  return writer.finish();
}

interface ItemParts {
  readonly length?: number;
  readonly chain?: number;
  readonly parents?: readonly number[];
  readonly height?: number;
  readonly time?: number;
  readonly signature?: number;
  readonly store?: number;
}

function writeItem(
  writer: CborWriter,
  { length = 7, chain: number = 0, parents = [], height = 1, time = 1, signature = 64, store = 0 }: ItemParts,
): void {
  writer.array(length);
  writer.uint(number);
  writer.array(parents.length);
  for (const parent of parents) writer.uint(parent);
  writer.int(height);
  writer.int(time);
  writer.bytes(new Uint8Array(signature));
  writer.uint(store);
  writer.bytes(new Uint8Array(2));
}

const wrongItems: readonly (readonly [string, string, ItemParts])[] = [
  ["an unknown chain", "MESSAGE_MALFORMED", { chain: 1 }],
  ["an unknown store", "MESSAGE_MALFORMED", { store: 1 }],
  ["itself as its parent", "MESSAGE_MALFORMED", { parents: [0] }],
  ["a parent before the first", "MESSAGE_MALFORMED", { parents: [2] }],
  ["just prev as a parent", "ENTRY_MALFORMED", { parents: [1] }],
  ["a negative height", "MESSAGE_MALFORMED", { height: -1 }],
  ["a height of 0", "ENTRY_MALFORMED", { height: 0 }],
  ["a negative time", "MESSAGE_MALFORMED", { time: -(2 ** 53 - 1) }],
  ["a time beyond 2^53 − 1", "MESSAGE_MALFORMED", { time: 2 ** 53 - 1 }],
  ["a short signature", "CBOR_UNEXPECTED", { signature: 63 }],
  ["half a store", "MESSAGE_MALFORMED", { length: 8 }],
  ["no store", "ENTRY_MALFORMED", { length: 5 }],
  ["too few fields", "MESSAGE_MALFORMED", { length: 3 }],
];

test("[BATCH-3] an item as the header describes it is accepted", () => {
  const [root] = chain(1, 1) as [Entry];
  expect(
    codeOf(
      batchOf(root, (writer) => writeItem(writer, {})),
      root.id,
    ),
  ).toBe("none");
});

test.each(wrongItems)("[BATCH-3] an item with %s is refused as %s", (_, code, parts) => {
  const [root] = chain(1, 1) as [Entry];
  expect(
    codeOf(
      batchOf(root, (writer) => writeItem(writer, parts)),
      root.id,
    ),
  ).toBe(code);
});

test("[BATCH-3] a chain that is continued beyond the last number is refused", () => {
  const [root, next] = chain(2, 1) as [Entry, Entry];
  const last = encodeEntry({ ...next, seq: 2 ** 53 - 1 }, entrySignature(next), sha256);
  const writer = new CborWriter();
  writer.array(2);
  writer.raw(encodeBatch([last]).subarray(1));
  writeItem(writer, {});
  expect(codeOf(writer.finish(), root.id)).toBe("MESSAGE_MALFORMED");
});

test("[BATCH-3] a chain or store that is defined by too few or too many items is refused, whatever stands in them", () => {
  const [root] = chain(1, 1) as [Entry];
  const bytes = Buffer.from(encodeBatch([root]));
  const places = {
    chain: bytes.indexOf(Uint8Array.of(0x83, 0x58, 0x20)),
    store: bytes.indexOf(Uint8Array.of(0x82, 0x65)),
  };
  for (const [field, at] of Object.entries(places)) {
    for (const head of [0x80, 0x81, 0x84]) {
      const altered = Uint8Array.from(bytes);
      altered[at] = head;
      const result = decodeBatch(altered, root.id, sha256);
      expect(result).toMatchObject({ ok: false, failure: { code: "MESSAGE_MALFORMED", details: { field } } });
    }
  }
});

test("[BATCH-3] a beginning of a batch is CBOR_TRUNCATED and more than one is CBOR_TRAILING", () => {
  const entries = chain(3, 4);
  const bytes = encodeBatch(entries);
  for (let length = 0; length < bytes.length; length++) {
    expect(codeOf(bytes.subarray(0, length), rootId(entries))).toBe("CBOR_TRUNCATED");
  }
  expect(codeOf(Uint8Array.of(...bytes, 0), rootId(entries))).toBe("CBOR_TRAILING");
});
