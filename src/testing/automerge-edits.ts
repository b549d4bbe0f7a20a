/**
 * Documents made by Automerge itself: several people who do what apps do, and merge now and then.
 *
 * Every sort of change is among them: maps, lists, text, marks, blocks, counters, dates, bytes, conflicts, deletions, changes of nothing.
 * What an edit finds no place for it does not do, so any list of edits will do.
 */
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { unreachable } from "../core/errors.ts";
import { arbitraryText } from "./arbitrary.ts";

export interface Board {
  map: Record<string, unknown>;
  list: unknown[];
  text: string;
  counter: A.Counter;
}

type Act =
  | ("set" | "delete" | "nest" | "insert" | "remove" | "replace" | "increment")
  | ("type" | "cut" | "mark" | "unmark" | "block" | "nothing" | "merge");

/** What people do, and how often. */
const weights: Readonly<Record<Act, number>> = {
  ...{ set: 2, delete: 1, nest: 1, insert: 1, remove: 1, replace: 1, increment: 1 },
  ...{ type: 3, cut: 1, mark: 1, unmark: 1, block: 1, nothing: 1, merge: 3 },
};

export interface Edit {
  /** Whose edit it is. */
  readonly person: number;
  readonly act: Act;
  /** Where, and how much: taken modulo what is there. */
  readonly at: number;
  readonly count: number;
  readonly value: unknown;
  readonly message: string | undefined;
}

/** Not in the order of their bytes. */
const someActors = ["77".repeat(16), "1a".repeat(16), "b2".repeat(16)];
const keys = ["a", "b", "ключ", "constructor"];

/** A double that Automerge does not take for an integer beyond 2^53. */
const double = fc.double().filter((value) => !Number.isInteger(value) || Number.isSafeInteger(value));

const scalar: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, false, "", "ü🙂", 0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, Number.NaN),
  fc.integer(),
  double,
  arbitraryText(),
  fc.uint8Array({ maxLength: 20 }),
  fc.date(),
  fc.integer().map((value) => new A.Counter(value)),
  fc.nat().map((value) => new A.Uint(value)),
  arbitraryText().map((value) => new A.ImmutableString(value)),
);

const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.dictionary(fc.constantFrom(...keys), scalar, { maxKeys: 3, noNullPrototype: true }) },
);

const arbitraryAct: fc.Arbitrary<Act> = fc.oneof(
  ...Object.entries(weights).map(([act, weight]) => ({ weight, arbitrary: fc.constant(act as Act) })),
);

export const arbitraryEdits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.record({
    person: fc.nat(someActors.length - 1),
    act: arbitraryAct,
    at: fc.nat(1_000),
    count: fc.nat(4),
    value: anyValue,
    message: fc.option(arbitraryText(), { nil: undefined }),
  }),
  { maxLength: 40 },
);

/** Each act, and each type of value: what no property should have to wait for. */
export function listEdits(): readonly Edit[] {
  const values = [null, true, false, "text", 7, 0.5, new Date(0), new Uint8Array(3), new A.Counter(5), new A.Uint(6)];
  const more = [new A.ImmutableString("still"), [1, [2]], { inner: { x: 1 } }];
  const edit = { person: 1, at: 4, count: 2, message: "why" };
  const sets = [...values, ...more].map((value): Edit => ({ ...edit, act: "set", value }));
  return [...sets, ...Object.keys(weights).map((act): Edit => ({ ...edit, act: act as Act, value: 1 }))];
}

/** What each person has in the end; `actors`: one for each. */
export function playEdits(edits: readonly Edit[], actors: readonly string[] = someActors): readonly A.Doc<Board>[] {
  const first = A.from<Record<string, unknown>>(
    { map: {}, list: [1, "two"], text: "hello 🌍", counter: new A.Counter(1) },
    { actor: actors[0] as string },
  ) as A.Doc<unknown> as A.Doc<Board>;
  const docs = actors.map((actor, i) => (i === 0 ? first : A.clone(first, { actor })));
  for (const edit of edits) docs[edit.person] = play(docs[edit.person] as A.Doc<Board>, edit, docs);
  return docs;
}

function play(doc: A.Doc<Board>, edit: Edit, docs: readonly A.Doc<Board>[]): A.Doc<Board> {
  const options = { time: edit.at - 500, ...(edit.message === undefined ? {} : { message: edit.message }) };
  if (edit.act === "nothing") return A.emptyChange(doc, options);
  if (edit.act !== "merge") return A.change(doc, options, (board) => act(board, edit));
  const other = docs[edit.at % docs.length] as A.Doc<Board>;
  return A.applyChanges(doc, A.getChanges(doc, other))[0];
}

function act(board: Board, edit: Edit): void {
  const { at, count, value } = edit;
  const key = keys[at % keys.length] as string;
  const place = at % (board.list.length + 1);
  switch (edit.act) {
    case "set":
      board.map[key] = value;
      return;
    case "delete":
      delete board.map[key];
      return;
    case "nest":
      board.map[key] = { [key]: [key, { inner: "text" }] };
      return;
    case "insert":
      board.list.splice(place, 0, value, count);
      return;
    case "remove":
      board.list.splice(place, count);
      return;
    case "replace":
      if (place < board.list.length) board.list[place] = value;
      return;
    case "increment":
      board.counter.increment(at - 500);
      return;
    case "type":
    case "cut":
    case "mark":
    case "unmark":
    case "block":
      return write(board, edit);
    case "merge":
    case "nothing":
      return;
    default:
      unreachable(edit.act);
  }
}

const expands = ["none", "before", "after", "both"] as const;
const typed = ["x", "héé", "🙂", "line\n", "long ".repeat(40)];
const markValues = [true, "big", 3, null];

function write(board: Board, { act, at, count }: Edit): void {
  const path = ["text"];
  const start = at % (board.text.length + 1);
  const end = Math.min(board.text.length, start + count);
  const expand = expands[at % expands.length] as (typeof expands)[number];
  const doc = board as unknown as A.Doc<Board>;
  if (act === "type") A.splice(doc, path, start, 0, typed[count] as string);
  else if (act === "cut") A.splice(doc, path, start, end - start);
  else if (act === "block")
    A.splitBlock(doc, path, start, { type: new A.ImmutableString("p"), attrs: { level: count } });
  else if (start === end) return;
  else if (act === "mark")
    A.mark(doc, path, { start, end, expand }, "bold", markValues[at % markValues.length] ?? null);
  else A.unmark(doc, path, { start, end, expand }, "bold");
}
