/** Tails against Automerge itself: what it writes is read, and what it should not have taken is refused. */
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test } from "vitest";
import { loadSha256 } from "../../crypto/sha256.ts";
import { arbitraryEdits, listEdits, playEdits } from "../../testing/automerge-edits.ts";
import {
  type Column,
  columnsOf,
  encodeTail,
  joinTail,
  markOps,
  opOf,
  plainOp,
  sleb,
  type TailParts,
  uleb,
} from "../../testing/document-tail.ts";
import { equalBytes } from "../bytes.ts";
import { unwrap } from "../errors.ts";
import { encodeHex } from "../ids.ts";
import { buildChange, changeHashFromHex, splitChange } from "./change-bytes.ts";
import { action, type Op, type OpId, valueType } from "./op.ts";
import { countOps, decodeTail } from "./tail.ts";

const sha256 = await loadSha256();

/** Each once, however many have it. */
function changesOf(docs: readonly A.Doc<unknown>[]): Iterable<Uint8Array> {
  const changes = docs.flatMap((doc) => A.getAllChanges(doc));
  return new Map(changes.map((change) => [encodeHex(sha256(change)), change])).values();
}

test("[DOC-2] [DOC-7] every change that Automerge writes is taken apart, read, and put together to the same bytes", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(arbitraryEdits, (edits) => {
      const docs = playEdits(edits);
      for (const change of changesOf(docs)) {
        const split = splitChange(change);
        const tail = unwrap(decodeTail("board", split.tail));
        for (const op of tail.ops) seen.add(`${op.action} ${op.valueType}`);
        expect(equalBytes(encodeTail(tail), split.tail)).toBe(true);
        expect(countOps(split.tail)).toBe(tail.ops.length);
        const built = buildChange(split, split.tail, sha256);
        expect(equalBytes(built.bytes, change)).toBe(true);
        expect(built.hash).toBe(A.decodeChange(change).hash);
      }
      for (const doc of docs) A.free(doc);
    }),
    { examples: [[listEdits()]], numRuns: 40 },
  );
  // Each action, and each type of value that a set may have.
  const sets = Object.values(valueType).map((type) => `${action.set} ${type}`);
  const others = [action.makeMap, action.makeList, action.makeText, action.delete].map((kind) => `${kind} 0`);
  const rest = [`${action.increment} ${valueType.int}`, `${action.mark} ${valueType.true}`, `${action.mark} 0`];
  expect([...sets, ...others, ...rest].filter((kind) => !seen.has(kind))).toEqual([]);
});

/** Ops 1 to 7 make the map, the list and its item, the text and its two letters, and the counter. */
const base = A.change(A.init<Record<string, unknown>>({ actor: "aa".repeat(16) }), { time: 0 }, (board) => {
  board.map = {};
  board.list = [1];
  board.text = "hi";
  board.counter = new A.Counter(1);
});
const saved = A.save(base);
const [map, item, text, letter, counter] = [1, 3, 4, 5, 7].map((n): OpId => ({ counter: n, actor: 1 })) as [
  ...[OpId, OpId, OpId, OpId, OpId],
];
const header = {
  ...{ deps: A.getHeads(base).map(changeHashFromHex), actor: new Uint8Array(16).fill(0xbb), seq: 1, startOp: 8 },
};
const others = [new Uint8Array(16).fill(0xaa)];

/** What Automerge makes of a change that is only wrong in its tail. */
type Fate =
  | "refuses it"
  | "panics"
  | "cannot load what it then saves"
  | "reads it otherwise once loaded"
  | "hands out what JSON.stringify fails on"
  | "hands out another prototype"
  | "takes it";

function fateOf(tail: Uint8Array): Fate {
  const doc = A.load<Record<string, unknown>>(saved);
  let after = doc;
  try {
    [after] = A.applyChanges(doc, [buildChange(header, tail, sha256).bytes]);
  } catch (error) {
    return error instanceof RangeError ? "refuses it" : "panics";
  }
  const read = [...A.spans(after, ["text"]).map((span) => ("marks" in span ? span.marks : {})), A.toJS(after)];
  if (read.some((object) => object && Object.getPrototypeOf(object) !== Object.prototype))
    return "hands out another prototype";
  let json = "";
  try {
    json = textOf(after);
  } catch {
    return "hands out what JSON.stringify fails on";
  }
  return fateWhenLoaded(after, json);
}

function fateWhenLoaded(doc: A.Doc<unknown>, json: string): Fate {
  try {
    const [again] = A.applyChanges(A.init<unknown>(), A.getAllChanges(doc));
    const isSame = [A.load(A.save(doc)), again].every((other) => textOf(other) === json);
    return isSame ? "takes it" : "reads it otherwise once loaded";
  } catch {
    return "cannot load what it then saves";
  }
}

/** Of all it holds, with the keys of its root in order: loading changes their order. */
function textOf(doc: A.Doc<unknown>): string {
  return JSON.stringify(Object.entries(A.toJS(doc) as object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function tailOf(ops: readonly Op[], parts: Partial<TailParts> = {}): Uint8Array {
  const names = ops.flatMap(({ obj, key, preds }) => [obj, typeof key === "string" ? undefined : key, ...preds]);
  const named = names.some((id) => id?.actor === 1) ? others : [];
  return joinTail({ columns: columnsOf(ops), others: named, ...parts });
}

/** Of an op that sets a key, with one column put in the place of another, or where it belongs. */
function withColumn(name: number, bytes: readonly number[]): Uint8Array {
  const columns = columnsOf([opOf()]).filter(([column]) => column !== name);
  return joinTail({ columns: [...columns, [name, bytes] as const].sort(([a], [b]) => a - b) });
}

function set(type: number, value: Iterable<number>): Uint8Array {
  return tailOf([opOf({ valueType: type, value: Uint8Array.from(value) })]);
}

const [begin, end] = markOps(text, undefined, letter) as [Op, Op];
const typed = opOf({ obj: text, key: letter, insert: true });
const renamed = columnsOf([opOf()]).map(([name, bytes]): Column => [name === 0x42 ? 0x4a : name, bytes]);
const twoLiterals = columnsOf([opOf(), opOf({ key: "y" })]).map(
  ([name, bytes]): Column => [name, name === 0x42 ? [0x7f, 1, 0x7f, 1] : bytes],
);

test.each<[string, Fate, Uint8Array]>([
  ["honest", "takes it", tailOf([opOf()])],
  ["honest in a map", "takes it", tailOf([opOf({ obj: map })])],
  ["honest in a text", "takes it", tailOf([typed])],
  ["an honest mark", "takes it", tailOf([begin, end])],
])("[DOC-2] a change is made for Automerge here as it should be: %s, and Automerge %s", (_, fate, tail) => {
  expect(decodeTail("board", tail).ok).toBe(true);
  expect(fateOf(tail)).toBe(fate);
});

test.each<[string, Fate, Uint8Array]>([
  ["a column that nobody knows", "cannot load what it then saves", withColumn(0xf2, [0x7f, 1])],
  ["a compressed column", "refuses it", joinTail({ columns: renamed })],
  ["a column that is too short", "refuses it", withColumn(0x42, [3, 1])],
  ["a column of falses", "cannot load what it then saves", withColumn(0x94, [1])],
  ["two literals in a row", "cannot load what it then saves", joinTail({ columns: twoLiterals })],
  ["bytes behind the columns", "takes it", tailOf([opOf()], { rest: [1, 2, 3] })],
  ["an actor that no op names", "cannot load what it then saves", tailOf([opOf()], { others })],
  ["an actor twice", "cannot load what it then saves", tailOf([opOf()], { others: [...others, ...others] })],
  ["its own actor among the others", "cannot load what it then saves", tailOf([opOf()], { others: [header.actor] })],
  ["the same pred twice", "takes it", tailOf([opOf({ key: "map", preds: [map, map] })])],
  ["an insert with a key", "takes it", tailOf([opOf({ insert: true })])],
  ["a delete of nothing", "cannot load what it then saves", tailOf([plainOp(action.delete, { key: "map" })])],
  [
    "a delete with a value",
    "cannot load what it then saves",
    tailOf([opOf({ key: "map", action: action.delete, preds: [map] })]),
  ],
  [
    "an increment by a text",
    "refuses it",
    tailOf([opOf({ key: "counter", action: action.increment, preds: [counter] })]),
  ],
  ["a table", "takes it", tailOf([plainOp(6)])],
  ["an action that nobody knows", "refuses it", tailOf([plainOp(8)])],
  ["a mark in a map", "takes it", tailOf([plainOp(action.mark, { mark: "bold" })])],
  ["the end of a mark alone", "cannot load what it then saves", tailOf([end])],
  ["an op within a mark", "cannot load what it then saves", tailOf([begin, typed, end])],
  ["a mark within a mark", "cannot load what it then saves", tailOf([begin, begin, end, end])],
  [
    "a mark into a list",
    "cannot load what it then saves",
    tailOf([begin, { ...end, obj: { counter: 2, actor: 1 }, key: item }]),
  ],
  ["an end before its beginning", "cannot load what it then saves", tailOf([begin, { ...end, key: undefined }])],
  [
    "a mark that is not inserted",
    "reads it otherwise once loaded",
    tailOf([{ ...begin, insert: false, key: letter }, end]),
  ],
  ["a null with a byte", "cannot load what it then saves", set(valueType.null, [1])],
  ["a true with a byte", "cannot load what it then saves", set(valueType.true, [1])],
  ["a text that is not UTF-8", "refuses it", set(valueType.text, [0xff, 0xfe])],
  ["an integer in a longer form", "refuses it", set(valueType.uint, [0x80, 0x80, 0])],
  ["a float of 3 bytes", "refuses it", set(valueType.float, [1, 2, 3])],
  ["an integer of 2^63", "hands out what JSON.stringify fails on", set(valueType.uint, uleb(2n ** 63n))],
  ["a time beyond all dates", "takes it", set(valueType.time, sleb(2n ** 60n))],
  ["an unknown type of value", "takes it", set(10, [1, 2])],
  ["the key __proto__", "hands out another prototype", tailOf([plainOp(action.makeMap, { key: "__proto__" })])],
  [
    "a mark called __proto__",
    "hands out another prototype",
    tailOf([{ ...begin, mark: "__proto__", valueType: valueType.bytes, value: Uint8Array.of(1) }, end]),
  ],
])("[DOC-2] [DOC-3] [DOC-4] [DOC-5] [DOC-6] %s: refused, where Automerge %s", (_, fate, tail) => {
  expect(decodeTail("board", tail).ok).toBe(false);
  expect(fateOf(tail)).toBe(fate);
});

test("[DOC-8] what Automerge writes that is no plain change is refused", () => {
  const doc = A.change(base, (board) => {
    board.more = 1;
  });
  expect(() => splitChange(A.save(doc))).toThrow("a document");
  expect(() => splitChange(A.saveBundle(doc, A.topoHistoryTraversal(doc)))).toThrow("a bundle");
  const two = A.getAllChanges(doc).flatMap((change) => [...change]);
  expect(() => splitChange(Uint8Array.from(two))).toThrow("bytes of contents");
});
