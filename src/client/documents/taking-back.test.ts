/** What undoing leaves alone, whatever two people wrote, looked at op by op. */
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test } from "vitest";
import { unreachable } from "../../core/errors.ts";
import { comparedItemsMax, undoPauseMs } from "../../core/limits.ts";
import { plainValue } from "../../testing/batched-edits.ts";
import { automerge } from "../../testing/doc-engine.ts";
import type { RawDoc } from "./automerge.ts";
import { UndoHistory } from "./undo.ts";

const mine = "aa".repeat(16);
/** Wins over mine, or not. */
const others = ["11", "ee"].map((byte) => byte.repeat(16));

type Act = (typeof acts)[number];
const acts = ["put", "delete", "nest", "inner", "item", "nestItem", "insert", "remove", "type", "count"] as const;

/** What one of them does in one change; or both get what the other has; or a pause. */
type Step =
  | {
      readonly type: "write";
      readonly isMine: boolean;
      readonly acts: readonly { readonly act: Act; readonly at: number }[];
    }
  | { readonly type: "meet" }
  | { readonly type: "pause" };

const arbitraryActs = fc.array(fc.record({ act: fc.constantFrom(...acts), at: fc.nat(3) }), {
  minLength: 1,
  maxLength: 4,
});
const arbitrarySteps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ type: fc.constant("write" as const), isMine: fc.boolean(), acts: arbitraryActs }),
    },
    { weight: 3, arbitrary: fc.constant<Step>({ type: "meet" }) },
    { weight: 1, arbitrary: fc.constant<Step>({ type: "pause" }) },
  ),
  { minLength: 2, maxLength: 9 },
);

interface Board extends Record<string, unknown> {
  text: string;
  list: unknown[];
}

const base = A.from<Board>(
  { k0: 1, k1: { inner: 1 }, k2: "text", k3: new A.Counter(1), list: [0, { inner: 0 }, 2], text: "abc" },
  { actor: "bb".repeat(16) },
);

function write(draft: Board, act: Act, at: number, value: number): void {
  const { list, text } = draft;
  const key = `k${at}`;
  switch (act) {
    case "put":
      draft[key] = value;
      return;
    case "delete":
      delete draft[key];
      return;
    case "nest":
      draft[key] = { inner: value, list: [value] };
      return;
    case "inner":
      for (const inner of [draft[key], list[at]]) if (isMap(inner)) inner.inner = value;
      return;
    case "item":
      if (at < list.length) list[at] = value;
      return;
    case "nestItem":
      if (at < list.length) list[at] = { inner: value };
      return;
    case "insert":
      list.splice(Math.min(at, list.length), 0, value);
      return;
    case "remove":
      if (at < list.length) list.splice(at, 1);
      return;
    case "type":
      return A.splice(draft, ["text"], Math.min(at, text.length), at % 2, `${value}`);
    case "count":
      if (draft[key] instanceof A.Counter) draft[key].increment(10);
      return;
    default:
      unreachable(act);
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof A.Counter);
}

/** Made anew: what Automerge has kept up to date may be wrong. */
function shownBy(doc: A.Doc<Board>): unknown {
  return plainValue(A.view(doc, A.getHeads(doc)));
}

/** A page that can undo, without all that is around it. */
class Writer {
  doc: A.Doc<Board> = A.clone(base, { actor: mine });
  nowMs = 0;
  readonly #history = new UndoHistory(automerge, () => this.nowMs);

  write(change: (draft: Board) => void): void {
    const before = A.getHeads(this.doc);
    this.doc = A.change(this.doc, { time: 0 }, change);
    const after = A.getHeads(this.doc);
    if (after.join() !== before.join()) this.#history.add({ before, after });
  }

  /** False when there is nothing to be done. */
  step(way: "undo" | "redo"): boolean {
    const step = this.#history.begin(way, this.doc as RawDoc);
    if (step === undefined) return false;
    const before = A.getHeads(this.doc);
    this.doc = A.change(this.doc, { time: 0 }, (draft) => step.apply(draft as RawDoc));
    const after = A.getHeads(this.doc);
    step.done(after.join() === before.join() ? undefined : { before, after });
    return true;
  }

  get shown(): unknown {
    return shownBy(this.doc);
  }
}

function play(steps: readonly Step[], other: string): Writer {
  const writer = new Writer();
  let theirs = A.clone(base, { actor: other });
  for (const [number, step] of steps.entries()) {
    if (step.type === "pause") writer.nowMs += undoPauseMs + 1;
    else if (step.type === "meet") {
      writer.doc = A.merge(writer.doc, theirs);
      theirs = A.merge(theirs, writer.doc);
    } else {
      const change = (draft: Board): void => {
        for (const [i, { act, at }] of step.acts.entries()) write(draft, act, at, 10 * number + i);
      };
      if (step.isMine) writer.write(change);
      else theirs = A.change(theirs, { time: 0 }, change);
    }
  }
  writer.doc = A.merge(writer.doc, theirs);
  return writer;
}

/** By what is in it: the ops by others that are shown, and of each key. Of a list that is enough, as its items move. */
function foreignIn(doc: A.Doc<Board>): Map<string, ReadonlySet<string>> {
  const handle = automerge.getBackend(doc as RawDoc);
  const found = new Map<string, ReadonlySet<string>>();
  const left: (readonly [string, unknown])[] = [["_root", shownBy(doc)]];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [object, value] = next;
    const isList = Array.isArray(value);
    const ops = new Set<string>();
    for (const key of isList ? value.keys() : Object.keys(value as object)) {
      const [type, ...rest] = handle.getAll(object, key).at(-1) as string[];
      const op = String(rest.at(-1));
      if (!op.endsWith(mine)) ops.add(isList ? op : `${key} ${op}`);
      if (type === "map" || type === "list") left.push([op, (value as Record<string | number, unknown>)[key]]);
    }
    found.set(object, ops);
  }
  return found;
}

test("[DOC-70] whatever two wrote, undoing changes no value that another's op has put there, and redoing brings back what was there", () => {
  fc.assert(
    fc.property(arbitrarySteps, fc.constantFrom(...others), (steps, other) => {
      const writer = play(steps, other);
      const states: unknown[] = [];
      for (;;) {
        const [heads, before, foreign] = [A.getHeads(writer.doc), writer.shown, foreignIn(writer.doc)];
        if (!writer.step("undo")) break;
        const after = foreignIn(writer.doc);
        // What is in an object that is not there any more, as this page had put it there, went with it.
        for (const [object, ops] of foreign) {
          const there = after.get(object);
          if (there !== undefined) expect([...ops].filter((op) => !there.has(op))).toEqual([]);
        }
        if (A.getHeads(writer.doc).join() !== heads.join()) states.push(before);
      }
      for (const state of states.reverse()) {
        expect(writer.step("redo")).toBe(true);
        expect(writer.shown).toEqual(state);
      }
      expect(writer.step("redo")).toBe(false);
    }),
    { numRuns: 25 },
  );
});

test("[DOC-70] items of a list of comparedItemsMax are looked at, and those of a longer one come back all the same", () => {
  for (const length of [comparedItemsMax, comparedItemsMax + 1]) {
    const writer = new Writer();
    writer.write((draft) => Object.assign(draft, { list: new Array(length).fill(0) }));
    writer.nowMs += undoPauseMs + 1;
    const theirs = A.clone(writer.doc, { actor: others[1] as string });
    const setItems = ({ list }: Board): void => {
      for (const at of [0, 1, 2]) list[at] = "mine";
    };
    writer.write(setItems);
    const seen = A.merge(theirs, writer.doc);
    const setOne = ({ list }: Board): void => {
      list[2] = "theirs";
    };
    writer.doc = A.merge(writer.doc, A.change(seen, { time: 0 }, setOne));
    expect(writer.step("undo")).toBe(true);
    expect((writer.doc.list as unknown[]).slice(0, 4)).toEqual([0, 0, length > comparedItemsMax ? 0 : "theirs", 0]);
  }
});
