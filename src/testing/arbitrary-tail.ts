/** Tails of changes that could be Automerge's: any ops that have the right form, of whatever document. */
import fc from "fast-check";
import { compareBytes, equalBytes } from "../core/bytes.ts";
import { action, type Op, type OpId, valueType } from "../core/document/op.ts";
import type { ChangeTail } from "../core/document/tail.ts";
import { counterStartMax, counterStepMax, opCounterMax } from "../core/limits.ts";
import { arbitraryText } from "./arbitrary.ts";
import { markOps, opOf, plainOp, sleb, uleb } from "./document-tail.ts";

const othersMax = 3;

const arbitraryOthers: fc.Arbitrary<readonly Uint8Array[]> = fc
  .uniqueArray(fc.uint8Array({ minLength: 16, maxLength: 24 }), { maxLength: othersMax, comparator: equalBytes })
  .map((others) => others.sort(compareBytes));

const counter = fc.oneof(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: opCounterMax }));
const key = fc
  .oneof(fc.constantFrom("", "a", "constructor", "ключ"), arbitraryText())
  .filter((text) => text !== "__proto__");

function value(type: number, bytes: fc.Arbitrary<Iterable<number>>): fc.Arbitrary<Partial<Op>> {
  return bytes.map((content) => ({ valueType: type, value: Uint8Array.from(content) }));
}

const nothing = fc.constant<readonly number[]>([]);
const integer = fc.oneof(fc.integer(), fc.maxSafeInteger());
const text = arbitraryText().map((content) => new TextEncoder().encode(content));

const arbitraryValue: fc.Arbitrary<Partial<Op>> = fc.oneof(
  value(valueType.null, nothing),
  value(valueType.false, nothing),
  value(valueType.true, nothing),
  value(valueType.uint, fc.maxSafeNat().map(uleb)),
  value(valueType.int, integer.map(sleb)),
  value(valueType.float, fc.uint8Array({ minLength: 8, maxLength: 8 })),
  value(valueType.text, text),
  value(valueType.bytes, fc.uint8Array({ maxLength: 40 })),
  value(valueType.counter, fc.integer({ min: -counterStartMax, max: counterStartMax }).map(sleb)),
  value(valueType.time, fc.integer({ min: -8.64e15, max: 8.64e15 }).map(sleb)),
);

const arbitraryStep = value(valueType.int, fc.integer({ min: -counterStepMax, max: counterStepMax }).map(sleb));

/** Ops that name no more than so many others. */
function arbitraryOps(others: number): fc.Arbitrary<readonly Op[]> {
  const id: fc.Arbitrary<OpId> = fc.record({ counter, actor: fc.nat(others) });
  const obj = fc.option(id, { nil: undefined });
  const place = fc.oneof(
    fc.record({ obj, key: fc.oneof(key, id), insert: fc.constant(false) }),
    fc.record({ obj, key: fc.option(id, { nil: undefined }), insert: fc.constant(true) }),
  );
  const replacing = (least: number) =>
    fc.uniqueArray(id, { minLength: least, maxLength: 4, selector: rank }).map(sorted);
  const altered = fc.record({ obj, key: fc.oneof(key, id), preds: replacing(1) });
  const kind = fc.constantFrom(action.makeMap, action.makeList, action.makeText);
  const put = (op: Op, preds: readonly OpId[]): Op => ({ ...op, preds: op.insert ? [] : preds });
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(place, arbitraryValue, replacing(0))
        .map(([at, set, preds]) => [put(opOf({ ...at, ...set }), preds)]),
    },
    fc.tuple(place, kind, replacing(0)).map(([at, make, preds]) => [put(plainOp(make, at), preds)]),
    altered.map((parts) => [plainOp(action.delete, parts)]),
    fc.tuple(altered, arbitraryStep).map(([parts, by]) => [opOf({ ...parts, ...by, action: action.increment })]),
    fc
      .tuple(id, id, arbitraryValue, key, fc.boolean())
      .map(([at, to, set, mark, expand]) => markOps(at, undefined, to, { ...set, mark, expand })),
  );
}

function rank({ counter: first, actor: second }: OpId): string {
  return `${first} ${second}`;
}

function sorted(ids: OpId[]): readonly OpId[] {
  return ids.sort((a, b) => a.counter - b.counter || a.actor - b.actor);
}

/** The first op names all others, so that none is there for nothing. */
function naming(others: number): readonly Op[] {
  const preds = Array.from({ length: others }, (_, i) => ({ counter: 1 + i, actor: 1 + i }));
  return others === 0 ? [] : [opOf({ preds })];
}

export const arbitraryTail: fc.Arbitrary<ChangeTail> = arbitraryOthers.chain((others) =>
  fc.record({
    time: integer,
    message: arbitraryText(),
    others: fc.constant(others),
    ops: fc
      .array(arbitraryOps(others.length), { maxLength: 12 })
      .map((ops) => [...naming(others.length), ...ops.flat()]),
  }),
);
