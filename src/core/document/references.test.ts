/** Changes that nobody wrote with Automerge: what is applied of them, Automerge takes, saves and loads again. */
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryEdits, playEdits } from "../../testing/automerge-edits.ts";
import { changesOf, docEntry, docWriter, entriesOf, loadedHeads, noLabel } from "../../testing/document-entries.ts";
import { encodeTail, markOps, opOf, plainOp } from "../../testing/document-tail.ts";
import { alterTail, arbitraryAlteration } from "../../testing/hostile-documents.ts";
import { stateContext } from "../../testing/states.ts";
import { encodeHex } from "../ids.ts";
import { type ChangeHash, splitChange } from "./change-bytes.ts";
import { DocState } from "./doc-state.ts";
import { action, type Op, type OpId, valueType } from "./op.ts";

const noValue = { valueType: valueType.null, value: new Uint8Array(0) };
const increment = { action: action.increment, valueType: valueType.int, value: Uint8Array.of(1) };
const writers = [1, 2, 3].map((author) => docWriter(author));
const actors = writers.map(({ actor }) => actor);

interface Forgery {
  readonly change: number;
  readonly op: number;
  readonly altered: Partial<Op>;
}

const forgery: fc.Arbitrary<Forgery> = fc.record({ change: fc.nat(), op: fc.nat(), altered: arbitraryAlteration });

test("[DOC-14] [DOC-15] whatever is applied of changes with altered ops, Automerge applies, saves and loads again", () => {
  const seen = { malformed: 0, applied: 0 };
  const faults = new Set<string>();
  fc.assert(
    fc.property(arbitraryEdits, fc.array(forgery, { minLength: 5, maxLength: 5 }), (edits, forgeries) => {
      const changes = changesOf(playEdits(edits, actors));
      for (const each of forgeries) {
        const original = changes[each.change % changes.length] as Uint8Array;
        const { tail, deps, actor } = splitChange(original);
        const forged = alterTail(tail, each.op, each.altered);
        if (forged === undefined) {
          seen.malformed++;
          continue;
        }
        const state = new DocState(stateContext);
        const writer = writers.find((one) => one.actor === encodeHex(actor)) ?? docWriter(9);
        const change = docEntry(writer, [{ tail: forged, deps, label: noLabel }], 1_000);
        const others = entriesOf(
          changes.filter((one) => one !== original),
          writers,
        );
        for (const { payload, origin } of [change, ...others]) state.merge(payload, origin);
        for (const { reason } of state.faults()) faults.add(reason);
        if (state.faults().length === 0) seen.applied++;
        expect(loadedHeads(state.bytesOf(state.since([]) ?? []))).toEqual(state.heads());
      }
    }),
    { numRuns: 35, endOnFailure: true },
  );
  expect(Math.min(seen.malformed, seen.applied)).toBeGreaterThan(10);
  expect(faults.size).toBeGreaterThan(1);
});

/** A document of two writers, and what a third one makes of it. */
function fixture() {
  const [one, two, cheat] = [1, 2, 3].map((author) => docWriter(author));
  if (one === undefined || two === undefined || cheat === undefined) throw new Error("three writers");
  let doc = A.init<Record<string, unknown>>({ actor: one.actor });
  doc = A.change(doc, { time: 0 }, (board) => {
    Object.assign(board, { map: {}, list: [1], text: "hi", counter: new A.Counter(1) });
  });
  // Ops 1 map, 2 list, 3 list[0], 4 text, 5 "h", 6 "i", 7 counter: what follows begins at 8.
  const base = entriesOf(A.getAllChanges(doc), [one, two]);
  const heads = A.getHeads(doc) as string[] as ChangeHash[];
  const merged = (ops: readonly Op[], deps: readonly ChangeHash[] = heads, others = [bytesOf(one.actor)]) => {
    const state = new DocState(stateContext);
    for (const { payload, origin } of base) state.merge(payload, origin);
    const tail = encodeTail({ time: 0, message: "", others, ops });
    const { payload, origin } = docEntry(cheat, [{ tail, deps, label: noLabel }], 100);
    return { state, change: state.merge(payload, origin) };
  };
  return { one, two, cheat, heads, merged };
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}

const at = (counter: number, actor = 1): OpId => ({ counter, actor });

test.each<[string, Op, string]>([
  ["an object that nothing made", opOf({ obj: at(900) }), "object"],
  ["an object that is its own future", opOf({ obj: at(30, 0), preds: [at(1)] }), "object"],
  ["a scalar as an object", opOf({ obj: at(7) }), "object"],
  ["a text's character as an object", opOf({ obj: at(5) }), "object"],
  ["a key in a list", opOf({ obj: at(2) }), "element"],
  ["an insert into a map", opOf({ obj: at(1), key: undefined, insert: true }), "element"],
  ["an element that is not there", opOf({ obj: at(2), key: at(900), insert: true }), "element"],
  ["an element of another object", opOf({ obj: at(2), key: at(5), insert: true }), "element"],
  ["an element that was not inserted", opOf({ obj: at(2), key: at(1), insert: true }), "element"],
  ["an element of the root", opOf({ key: at(3), preds: [at(3)] }), "element"],
  ["a predecessor that is not there", opOf({ preds: [at(900)] }), "predecessor"],
  ["a predecessor at another key", opOf({ preds: [at(1)] }), "predecessor"],
  ["a predecessor in another object", opOf({ key: "map", preds: [at(5)] }), "predecessor"],
  ["itself as predecessor", opOf({ key: "map", preds: [at(1), at(8, 0)] }), "predecessor"],
  ["an increment of a map", opOf({ ...increment, key: "map", preds: [at(1)] }), "increment"],
])("[DOC-14] [DOC-15] [DOC-21] %s is a fault", (_, op, reason) => {
  const { state, change } = fixture().merged([op]);
  expect([change?.added, change?.faults.map((fault) => fault.reason), state.size]).toEqual([[], [reason], 1]);
});

test("[DOC-15] an increment of a counter is none", () => {
  expect(fixture().merged([opOf({ ...increment, key: "counter", preds: [at(7)] })]).change?.faults).toEqual([]);
});

test("[DOC-14] what is in the document but not in the past of a change is not there for it", () => {
  const { merged } = fixture();
  const { change } = merged([opOf({ key: "map", preds: [at(1)] })], []);
  expect(change?.faults.map(({ reason }) => reason)).toEqual(["actor"]);
});

test("[DOC-16] naming an actor that is not in the document, or its own as another, is a fault", () => {
  const { merged, two, cheat } = fixture();
  for (const actor of [two.actor, cheat.actor]) {
    const { change } = merged([opOf({ preds: [at(1)] })], undefined, [bytesOf(actor)]);
    expect(change?.faults.map(({ reason }) => reason)).toEqual(["actor"]);
  }
});

/** Every actor that a change has among its others is named by one of its ops. */
const naming = opOf({ key: "counter", preds: [at(7)] });
const making = (key: string): Op => opOf({ key, action: action.makeList, ...noValue });

test.each<[string, readonly Op[], string]>([
  [
    "an element of another list of its own",
    [
      making("a"),
      making("b"),
      opOf({ obj: at(8, 0), key: undefined, insert: true }),
      opOf({ obj: at(9, 0), key: at(10, 0), insert: true }),
      naming,
    ],
    "element",
  ],
  [
    "an element of its own that was not inserted",
    [making("a"), opOf({ obj: at(8, 0), key: at(8, 0), insert: true }), naming],
    "element",
  ],
  [
    "a mark of its own in the place of an element",
    [...markOps(at(4), at(5), at(6)), plainOp(action.delete, { obj: at(4), key: at(8, 0), preds: [at(8, 0)] })],
    "element",
  ],
])("[DOC-14] %s is a fault", (_, ops, reason) => {
  expect(
    fixture()
      .merged(ops)
      .change?.faults.map((fault) => fault.reason),
  ).toEqual([reason]);
});

test("[DOC-14] what two wrote at the same time, under the same counters, is told apart by a third who removes it", () => {
  const [one, two, third] = writers.map(({ actor }) => actor);
  if (one === undefined || two === undefined || third === undefined) throw new Error("three writers");
  const splice = (doc: A.Doc<{ text: string }>, at: number, removed: number, text = "") =>
    A.change(doc, { time: 0 }, (draft) => A.splice(draft, ["text"], at, removed, text));
  const start = A.from({ text: "" }, { actor: one });
  const [left, right] = [splice(start, 0, 0, "aaaa"), splice(A.clone(start, { actor: two }), 0, 0, "bbbb")];
  const both = A.merge(A.clone(left, { actor: third }), right);
  const changes = A.getAllChanges(splice(both, 1, 6));
  const state = new DocState(stateContext);
  for (const { payload, origin } of entriesOf(changes, writers)) state.merge(payload, origin);
  expect([state.size, state.faults()]).toEqual([changes.length, []]);
});
