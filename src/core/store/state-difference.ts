/**
 * What is different in two states of one database: every row, key and document that reads differently, with both ways.
 *
 * [HISTORY-10] In the order of the stores' names and types, then of the ids or keys: each place once, and none that reads the same in both. Documents are
 *              told apart by their heads.
 *
 * One at a time, as it is asked for; both states must stay as they are meanwhile.
 */

import type { ChangeHash } from "../document/change-bytes.ts";
import { compareUtf8 } from "../utf8.ts";
import type { DatabaseState } from "./state.ts";
import { equalValues, type JsonValue, type Row } from "./values.ts";

/** What is compared: unknown types are not. */
type ComparedType = "table" | "kv" | "doc";

/** Where something is different. */
export interface DifferentPlace {
  readonly type: ComparedType;
  readonly store: string;
  /** Of the row, or the key; empty for a document. */
  readonly id: string;
}

/** Undefined: there is, or was, none. */
export type StateDifference =
  | (DifferentPlace & { readonly type: "table"; readonly before: Row | undefined; readonly after: Row | undefined })
  | (DifferentPlace & {
      readonly type: "kv";
      readonly before: JsonValue | undefined;
      readonly after: JsonValue | undefined;
    })
  | (DifferentPlace & {
      readonly type: "doc";
      readonly before: readonly ChangeHash[] | undefined;
      readonly after: readonly ChangeHash[] | undefined;
    });

export function comparePlaces(one: DifferentPlace, other: DifferentPlace): number {
  return (
    compareUtf8(one.store, other.store) ||
    // As states list them.
    compareUtf8(one.type, other.type) ||
    compareUtf8(one.id, other.id)
  );
}

/** What is behind `last`; everything without it. */
export function* differences(
  before: DatabaseState,
  after: DatabaseState,
  last?: DifferentPlace,
): Generator<StateDifference, void> {
  for (const { store, type } of storesIn(before, after))
    for (const [id, one, other] of pairs(itemsOf(before, store, type), itemsOf(after, store, type))) {
      const place = { store, type, id };
      if (last !== undefined && comparePlaces(place, last) <= 0) continue;
      if (one !== undefined && other !== undefined && equalValues(one, other)) continue;
      yield { ...place, before: one, after: other } as StateDifference;
    }
}

type Item = readonly [id: string, value: JsonValue | Row | readonly ChangeHash[]];

function storesIn(before: DatabaseState, after: DatabaseState): readonly DifferentPlace[] {
  const all = [...before.stores(), ...after.stores()].map(({ name, type }) => ({ store: name, type, id: "" }));
  const known = all.filter((place): place is DifferentPlace => compared.has(place.type));
  const sorted = known.sort(comparePlaces);
  return sorted.filter((place, i) => i === 0 || comparePlaces(sorted[i - 1] as DifferentPlace, place) !== 0);
}

const compared: ReadonlySet<string> = new Set<ComparedType>(["table", "kv", "doc"]);

function itemsOf(state: DatabaseState, store: string, type: ComparedType): Iterator<Item, undefined> {
  const items = type === "table" ? state.table(store)?.all() : state.kv(store)?.entries();
  return (type === "doc" ? headsOf(state, store) : (items ?? [])[Symbol.iterator]()) as Iterator<Item, undefined>;
}

/** One item, unless nothing of the document is applied. */
function* headsOf(state: DatabaseState, store: string): Generator<Item, undefined> {
  const heads = state.doc(store)?.heads() ?? [];
  if (heads.length > 0) yield ["", heads];
  return undefined;
}

/** Both in the order of their ids. */
function* pairs(
  one: Iterator<Item, undefined>,
  other: Iterator<Item, undefined>,
): Generator<readonly [id: string, one: Item[1] | undefined, other: Item[1] | undefined], void> {
  let [left, right] = [one.next().value, other.next().value];
  while (left !== undefined || right !== undefined) {
    const order = left === undefined ? 1 : right === undefined ? -1 : compareUtf8(left[0], right[0]);
    yield [
      (order <= 0 ? left : right)?.[0] ?? "",
      order <= 0 ? left?.[1] : undefined,
      order >= 0 ? right?.[1] : undefined,
    ];
    if (order <= 0) left = one.next().value;
    if (order >= 0) right = other.next().value;
  }
}
