/**
 * What three people do to the same few places of a document without having seen each other's, in changes of several edits, in one order in which they
 * can come, cut into batches: made to meet, where arbitrary edits (automerge-edits.ts) seldom do.
 */
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { unreachable } from "../core/errors.ts";

export interface Shelf {
  [key: string]: unknown;
  list: unknown[];
  text: string;
}

type Act =
  | ("put" | "text" | "nest" | "nested" | "counter" | "increment" | "delete" | "merge")
  | ("replace" | "listCounter" | "listIncrement" | "listNest" | "remove" | "insert")
  | ("type" | "cut" | "mark" | "block" | "unblock");

const weights: Readonly<Record<Act, number>> = {
  ...{ put: 2, text: 1, nest: 1, nested: 1, counter: 1, increment: 2, delete: 2, merge: 3 },
  ...{ replace: 2, listCounter: 1, listIncrement: 1, listNest: 1, remove: 2, insert: 2 },
  ...{ type: 1, cut: 1, mark: 1, block: 1, unblock: 1 },
};

const arbitraryAct: fc.Arbitrary<Act> = fc.oneof(
  ...Object.entries(weights).map(([act, weight]) => ({ weight, arbitrary: fc.constant(act as Act) })),
);

export interface BatchedEdit {
  readonly person: number;
  readonly act: Act;
  readonly at: number;
  /** In one change with the one before, if it is of the same person. */
  readonly goesOn: boolean;
}

export interface Batches {
  readonly edits: readonly BatchedEdit[];
  /** Of changes that can come next, the one that comes: by turns. */
  readonly order: readonly number[];
  /** How many are in a batch, by turns. */
  readonly sizes: readonly number[];
}

export const arbitraryBatches: fc.Arbitrary<Batches> = fc.record({
  edits: fc.array(fc.record({ person: fc.nat(2), act: arbitraryAct, at: fc.nat(5), goesOn: fc.boolean() }), {
    maxLength: 14,
  }),
  order: fc.array(fc.nat(100), { minLength: 1, maxLength: 8 }),
  sizes: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
});

const actors = ["11", "22", "33"].map((byte) => byte.repeat(16));

export interface Played {
  /** What all begin with. */
  readonly base: A.Doc<Shelf>;
  readonly batches: readonly Uint8Array[][];
}

export function playBatches({ edits, order, sizes }: Batches): Played {
  const base = A.from<Shelf>({ list: ["x"], text: "a" }, { actor: "aa".repeat(16) });
  const docs = actors.map((actor) => A.clone(base, { actor }));
  const made: Uint8Array[] = [];
  for (let at = 0; at < edits.length; ) {
    const first = edits[at] as BatchedEdit;
    const group = [first];
    for (at++; edits[at]?.goesOn && edits[at]?.person === first.person; at++) group.push(edits[at] as BatchedEdit);
    const before = docs[first.person] as A.Doc<Shelf>;
    const after = A.change(before, { time: 0 }, (shelf) => {
      for (const [i, edit] of group.entries()) if (edit.act !== "merge") act(shelf, edit, at + i);
    });
    if (after !== before) made.push(...A.getChanges(before, after));
    // Loaded anew: what this is to find would be in the way of those who edit.
    const other = docs[(first.person + 1 + (first.at % 2)) % 3] as A.Doc<Shelf>;
    const isMerge = group.some((edit) => edit.act === "merge");
    docs[first.person] = isMerge ? loadedAnew(A.merge(after, other), actors[first.person] as string) : after;
  }
  return { base, batches: cut(inSomeOrder(made, A.getHeads(base), order), sizes) };
}

export function loadedAnew(doc: A.Doc<Shelf>, actor: string): A.Doc<Shelf> {
  return A.load<Shelf>(A.save(doc), { actor });
}

/** One of the orders in which each comes after those that it depends on. */
function inSomeOrder(made: readonly Uint8Array[], heads: readonly string[], order: readonly number[]): Uint8Array[] {
  const known = new Set(heads);
  const left = made.map((bytes) => ({ bytes, ...A.decodeChange(bytes) }));
  const ordered: Uint8Array[] = [];
  while (left.length > 0) {
    const ready = left.filter(({ deps }) => deps.every((dep) => known.has(dep)));
    const next = ready[(order[ordered.length % order.length] as number) % ready.length] as (typeof left)[number];
    left.splice(left.indexOf(next), 1);
    known.add(next.hash);
    ordered.push(next.bytes);
  }
  return ordered;
}

function cut(changes: readonly Uint8Array[], sizes: readonly number[]): Uint8Array[][] {
  const batches: Uint8Array[][] = [];
  for (let at = 0; at < changes.length; at += batches.at(-1)?.length ?? 0)
    batches.push(changes.slice(at, at + (sizes[batches.length % sizes.length] as number)));
  return batches;
}

/** What it finds no place for it does not do. */
function act(shelf: Shelf, { act, at }: BatchedEdit, value: number): void {
  const key = at % 2 === 0 ? "p" : "q";
  const { list, text } = shelf;
  const place = at % Math.max(1, list.length);
  switch (act) {
    case "put":
      shelf[key] = value;
      return;
    case "text":
      shelf[key] = `s${value}`;
      return;
    case "nest":
      shelf[key] = { value };
      return;
    case "nested":
      if (isMap(shelf[key])) shelf[key].inner = value;
      return;
    case "counter":
      shelf[key] = new A.Counter(value);
      return;
    case "increment":
      return increment(shelf[key]);
    case "delete":
      delete shelf[key];
      return;
    case "replace":
      if (list.length > 0) list[place] = value;
      return;
    case "listCounter":
      if (list.length > 0) list[place] = new A.Counter(value);
      return;
    case "listIncrement":
      return increment(list[place]);
    case "listNest":
      if (list.length > 0) list[place] = { value };
      return;
    case "remove":
      if (list.length > 0) list.splice(place, 1);
      return;
    case "insert":
      list.splice(at % (list.length + 1), 0, value);
      return;
    case "type":
      return A.splice(shelf, ["text"], at % (text.length + 1), 0, String.fromCharCode(97 + (value % 26)));
    case "cut":
      if (text.length > 0) A.splice(shelf, ["text"], at % text.length, 1);
      return;
    case "mark":
      if (text.length > 0)
        A.mark(shelf, ["text"], { start: 0, end: 1 + (at % text.length), expand: "both" }, "b", value);
      return;
    case "block":
      return A.splitBlock(shelf, ["text"], at % (text.length + 1), { type: "p" });
    case "unblock":
      if (text.includes("\uFFFC")) A.joinBlock(shelf, ["text"], text.indexOf("\uFFFC"));
      return;
    case "merge":
      return;
    default:
      unreachable(act);
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !(value instanceof A.Counter);
}

function increment(value: unknown): void {
  if (value instanceof A.Counter) value.increment(10);
}

/** With its keys in order, and counters told from numbers. */
export function plainValue(value: unknown): unknown {
  if (value instanceof A.Counter) return { counter: value.value };
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, child]) => [key, plainValue(child)]));
}
