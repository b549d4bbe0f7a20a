/** What a cheat, who may write, sends into a document of others: right in its form, and wrong in what it says of the document. */
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { type ChangeHash, splitChange } from "../core/document/change-bytes.ts";
import type { SentChange } from "../core/document/doc-payload.ts";
import { action, type Op, type OpId, valueType } from "../core/document/op.ts";
import { decodeTail } from "../core/document/tail.ts";
import { unreachable, unwrap } from "../core/errors.ts";
import { type DocEntry, docEntry, docWriter, noLabel } from "./document-entries.ts";
import { encodeTail, opOf } from "./document-tail.ts";

/** One entry of a cheat. */
export interface Hostility {
  readonly kind: "unknown" | "undeclared" | "altered" | "nowhere" | "twins" | "sound";
  /** Which change of the others it has to do with, modulo how many there are. */
  readonly at: number;
  readonly counter: number;
  readonly altered: Partial<Op>;
  /** By which of its pages: what is on one page is on one chain of numbers. */
  readonly page: number;
}

const kinds: readonly Hostility["kind"][] = ["unknown", "undeclared", "altered", "nowhere", "twins", "sound"];
const id: fc.Arbitrary<OpId> = fc.record({ counter: fc.integer({ min: 1, max: 40 }), actor: fc.nat(2) });
const key = fc.oneof(fc.constantFrom("a", "text", "map", "counter"), id, fc.constant(undefined));

/** Another value for one or two properties of an op. */
export const arbitraryAlteration: fc.Arbitrary<Partial<Op>> = fc.oneof(
  fc.record({ obj: fc.option(id, { nil: undefined }) }),
  fc.record({ key }),
  fc.record({ obj: fc.option(id, { nil: undefined }), key }),
  fc.record({ preds: fc.array(id, { maxLength: 2 }) }),
  fc.record({ key, preds: fc.array(id, { minLength: 1, maxLength: 2 }) }),
  fc.record({ action: fc.nat(5), preds: fc.array(id, { maxLength: 2 }) }),
  fc.record({ insert: fc.boolean(), key: id }),
  fc.constant({ action: action.increment, valueType: valueType.int, value: Uint8Array.of(1) }),
);

export const arbitraryHostility: fc.Arbitrary<Hostility> = fc.record({
  kind: fc.constantFrom(...kinds),
  at: fc.nat(),
  counter: fc.integer({ min: 1, max: 40 }),
  altered: arbitraryAlteration,
  page: fc.nat(1),
});

/** One of each kind. */
export function listHostilities(): readonly Hostility[] {
  return kinds.map((kind, i) => ({ kind, at: 3 * i, counter: 5, altered: { preds: [] }, page: i % 2 }));
}

/** The tail with one op altered, as far as it has the form of one. */
export function alterTail(tail: Uint8Array, place: number, altered: Partial<Op>): Uint8Array | undefined {
  const decoded = unwrap(decodeTail("page", tail));
  const at = place % Math.max(1, decoded.ops.length);
  const ops = decoded.ops.map((each, i) => (i === at ? { ...each, ...altered } : each));
  const bytes = encodeTail({ ...decoded, ops });
  return decodeTail("page", bytes).ok ? bytes : undefined;
}

/** Entries of a cheat among these changes of others. Their times lie among theirs. */
export function hostileEntries(changes: readonly Uint8Array[], hostility: readonly Hostility[]): readonly DocEntry[] {
  return hostility.flatMap((each, i) => {
    const original = changes[each.at % changes.length] as Uint8Array;
    const payloads = sentBy(each, original, i);
    return payloads.map((sent, twin) => {
      const entryId = (7_000 + 2 * i + twin).toString(16).padStart(64, "e");
      return docEntry(docWriter(9, 90 + each.page), sent, 1 + ((each.at + twin) % 30), entryId);
    });
  });
}

/** What its entries hold, beside the change of somebody else that it has to do with: of twins there are two. `i`: tells it from others of its kind. */
export function sentBy(
  { kind, counter, altered }: Hostility,
  original: Uint8Array,
  i: number,
): readonly SentChange[][] {
  const { tail, deps, actor } = splitChange(original);
  const behind = [A.decodeChange(original).hash as ChangeHash];
  const change = (on: readonly ChangeHash[] | undefined, ops: readonly Op[], others: readonly Uint8Array[] = []) => ({
    ...{ tail: encodeTail({ time: i, message: "", others, ops }), deps: on, label: noLabel },
  });
  switch (kind) {
    case "unknown":
      return [
        [
          change(behind, [opOf({ obj: { counter: 10_000 + counter, actor: 1 } })], [actor]),
          change(undefined, [opOf()]),
        ],
      ];
    case "undeclared":
      return [[change([], [opOf({ key: "map", preds: [{ counter, actor: 1 }] })], [actor])]];
    case "altered": {
      const bytes = alterTail(tail, counter, altered);
      return bytes === undefined ? [] : [[{ tail: bytes, deps, label: noLabel }]];
    }
    case "nowhere":
      return [[change([counter.toString(16).padStart(64, "f") as ChangeHash], [opOf()]), change(undefined, [opOf()])]];
    case "twins":
      return [0, 1].map((twin) => [change(behind, [opOf({ key: `twin ${twin}` })]), change(undefined, [opOf()])]);
    case "sound":
      return [[change(behind, [opOf({ key: "sound" })])]];
    default:
      return unreachable(kind);
  }
}
