/** Changes that nobody wrote with Automerge: what is applied of them, Automerge takes, saves and loads again. */
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryEdits, playEdits } from "../../testing/automerge-edits.ts";
import { changesOf, docEntry, docWriter, entriesOf, loadedHeads, noLabel } from "../../testing/document-entries.ts";
import { encodeTail, opOf } from "../../testing/document-tail.ts";
import { stateContext } from "../../testing/states.ts";
import { unwrap } from "../errors.ts";
import { encodeHex } from "../ids.ts";
import { type ChangeHash, splitChange } from "./change-bytes.ts";
import { DocState } from "./doc-state.ts";
import { action, type Op, type OpId, valueType } from "./op.ts";
import { type ChangeTail, decodeTail } from "./tail.ts";

const increment = { action: action.increment, valueType: valueType.int, value: Uint8Array.of(1) };
const writers = [1, 2, 3].map((author) => docWriter(author));
const actors = writers.map(({ actor }) => actor);

const id: fc.Arbitrary<OpId> = fc.record({ counter: fc.integer({ min: 1, max: 40 }), actor: fc.nat(2) });
const key = fc.oneof(fc.constantFrom("a", "text", "map", "counter"), id, fc.constant(undefined));

/** Another value for one or two properties of an op. */
const alteration: fc.Arbitrary<Partial<Op>> = fc.oneof(
  fc.record({ obj: fc.option(id, { nil: undefined }) }),
  fc.record({ key }),
  fc.record({ obj: fc.option(id, { nil: undefined }), key }),
  fc.record({ preds: fc.array(id, { maxLength: 2 }) }),
  fc.record({ key, preds: fc.array(id, { minLength: 1, maxLength: 2 }) }),
  fc.record({ action: fc.nat(5), preds: fc.array(id, { maxLength: 2 }) }),
  fc.record({ insert: fc.boolean(), key: id }),
  fc.constant(increment),
);

interface Forgery {
  readonly change: number;
  readonly op: number;
  readonly altered: Partial<Op>;
}

const forgery: fc.Arbitrary<Forgery> = fc.record({ change: fc.nat(), op: fc.nat(), altered: alteration });

/** The tail with one op altered, as far as it has the form of one. */
function forge(tail: ChangeTail, { op, altered }: Forgery): Uint8Array | undefined {
  const at = op % Math.max(1, tail.ops.length);
  const ops = tail.ops.map((each, i) => (i === at ? { ...each, ...altered } : each));
  const bytes = encodeTail({ ...tail, ops });
  return decodeTail("page", bytes).ok ? bytes : undefined;
}

test("[DOC-14] [DOC-15] whatever is applied of changes with altered ops, Automerge applies, saves and loads again", () => {
  const seen = { malformed: 0, applied: 0 };
  const faults = new Set<string>();
  fc.assert(
    fc.property(arbitraryEdits, fc.array(forgery, { minLength: 5, maxLength: 5 }), (edits, forgeries) => {
      const changes = changesOf(playEdits(edits, actors));
      for (const each of forgeries) {
        const original = changes[each.change % changes.length] as Uint8Array;
        const { tail, deps, actor } = splitChange(original);
        const forged = forge(unwrap(decodeTail("page", tail)), each);
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
  expect(change?.faults.map(({ reason }) => reason)).toEqual(["predecessor"]);
});

test("[DOC-16] naming an actor that is not in the document, or its own as another, is a fault", () => {
  const { merged, two, cheat } = fixture();
  for (const actor of [two.actor, cheat.actor]) {
    const { change } = merged([opOf({ preds: [at(1)] })], undefined, [bytesOf(actor)]);
    expect(change?.faults.map(({ reason }) => reason)).toEqual(["actor"]);
  }
});
