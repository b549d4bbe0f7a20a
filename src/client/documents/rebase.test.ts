/** What becomes of a page's own changes where the old document and the new one cannot be put into one. */
import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import type { PublicKey } from "../../core/ids.ts";
import { docDatabase } from "../../testing/doc-engine.ts";
import type { Automerge, RawDoc } from "./automerge.ts";
import { Copy } from "./copy.ts";
import { OwnPast } from "./own-past.ts";
import { rebase } from "./rebase.ts";

const automerge = A as unknown as Automerge;
const author = "a".repeat(64) as PublicKey;
type Draft = Record<string, unknown>;

function copyOf(nonce: number, changes: readonly Uint8Array[]): Copy {
  const at = { nonce: new Uint8Array(16).fill(nonce), database: docDatabase, author };
  const failed = (error: unknown): never => {
    throw error;
  };
  const copy = new Copy({ automerge, failed, ...at }, undefined);
  copy.apply([...changes]);
  return copy;
}

/** A change of one actor that has made no other. */
function firstOf(actor: string, value: Draft, base: readonly Uint8Array[]): Uint8Array {
  const [doc] = A.applyChanges(A.init<Draft>({ actor }), [...base]);
  const before = A.getHeads(doc);
  return A.getChangesSince(
    A.change(doc, { time: 0 }, (draft) => void Object.assign(draft, value)),
    before,
  )[0] as Uint8Array;
}

test("[DOC-63] what was written on one of two changes of a number is written again, where the other is applied now", () => {
  const base = firstOf("bb".repeat(16), { text: "hello", map: {} }, []);
  const [twin, other] = [1, 2].map((list) => firstOf("cc".repeat(16), { list: [list] }, [base]));
  const old = copyOf(1, [base, twin as Uint8Array]);
  old.change({ time: 0 }, (draft) => {
    const board = draft as Draft;
    board.mine = 7;
    (board.map as Draft).key = "mine";
    (board.list as unknown[]).push("mine");
    automerge.splice(draft, ["text"], 5, 0, " there");
  });
  const lost = old.read()?.changes ?? [];
  const next = copyOf(2, [base, other as Uint8Array]);
  const patches = rebase(automerge, old, next, new OwnPast());
  expect(lost.length).toBe(1);
  expect(next.doc).toMatchObject({ mine: 7, text: "hello there", map: { key: "mine" } });
  expect((next.doc as Draft).list).toContain(2);
  expect((next.doc as Draft).list).not.toContain(1);
  // What the listeners are told leads from the one to the other.
  const shown = applied(old.doc, patches);
  expect(shown).toEqual(JSON.parse(JSON.stringify(next.doc)));
});

test("[DOC-63] what was refused is not written again there", () => {
  const base = firstOf("bb".repeat(16), { text: "hello" }, []);
  const [twin, other] = [1, 2].map((list) => firstOf("cc".repeat(16), { list: [list] }, [base]));
  const old = copyOf(1, [base, twin as Uint8Array]);
  old.change({ time: 0 }, (draft) => void Object.assign(draft, { mine: 7 }));
  const past = new OwnPast();
  past.refused(old.read()?.changes ?? []);
  const next = copyOf(2, [base, other as Uint8Array]);
  rebase(automerge, old, next, past);
  expect(next.doc).toEqual({ text: "hello", list: [2] });
});

test("[DOC-63] what others wrote on it, who do not count any more, is taken back, and what is this page's own is not", () => {
  const base = firstOf("bb".repeat(16), { text: "hello" }, []);
  const old = copyOf(1, [base]);
  const changes = [base];
  for (let turn = 0; turn < 3; turn++) {
    old.change({ time: 0 }, (draft) => void Object.assign(draft, { [`mine ${turn}`]: turn }));
    changes.push(...(old.read()?.changes ?? []));
    const theirs = firstOf(`c${turn}`.repeat(16), { [`theirs ${turn}`]: turn }, changes);
    old.apply([theirs]);
    changes.push(theirs);
  }
  const next = copyOf(2, [base]);
  const patches = rebase(automerge, old, next, new OwnPast());
  expect(next.doc).toEqual({ text: "hello", "mine 0": 0, "mine 1": 1, "mine 2": 2 });
  const gone = patches.filter(({ action }) => action === "del").map(({ path }) => path);
  expect(gone.sort()).toEqual([["theirs 0"], ["theirs 1"], ["theirs 2"]]);
});

test("[DOC-63] what this page overwrote of those who do not count any more stays, and what it did not is as before them", () => {
  const base = firstOf("bb".repeat(16), { k: "old", n: 1, twice: 1 }, []);
  const theirs = firstOf("cc".repeat(16), { k: "theirs", n: 5, twice: 5 }, [base]);
  const old = copyOf(1, [base, theirs]);
  old.change({ time: 0 }, (draft) => void Object.assign(draft, { n: 9 }));
  const mine = old.read()?.changes ?? [];
  old.apply([firstOf("dd".repeat(16), { twice: 6 }, [base, theirs, ...mine])]);
  const next = copyOf(2, [base]);
  const patches = rebase(automerge, old, next, new OwnPast());
  expect(next.doc).toEqual({ k: "old", n: 9, twice: 1 });
  expect(applied(old.doc, patches)).toEqual(next.doc);
});

test("[DOC-63] an item that several wrote at once, of whom one does not count any more, is told as it is", () => {
  const base = firstOf("bb".repeat(16), { list: [0] }, []);
  const [first, second, third] = [11, 22, 33].map((value) => itemBy(`${value}`.repeat(16), value, [base]));
  const old = copyOf(1, [base, first, second, third] as Uint8Array[]);
  old.change({ time: 0 }, (draft) => void Object.assign(draft, { mine: 7 }));
  const next = copyOf(2, [base, first, third] as Uint8Array[]);
  const patches = rebase(automerge, old, next, new OwnPast());
  expect(next.doc).toEqual({ list: [33], mine: 7 });
  expect(applied(old.doc, patches)).toEqual(next.doc);
});

/** Writes the first item of the list. */
function itemBy(actor: string, value: number, base: readonly Uint8Array[]): Uint8Array {
  const [doc] = A.applyChanges(A.init<{ list: number[] }>({ actor }), [...base]);
  const after = A.change(doc, { time: 0 }, ({ list }) => {
    list[0] = value;
  });
  return A.getChangesSince(after, A.getHeads(doc))[0] as Uint8Array;
}

function applied(doc: RawDoc, patches: ReturnType<typeof rebase>): unknown {
  let copy = A.clone(doc as A.Doc<Draft>);
  copy = A.change(copy, (draft) => {
    for (const { action, path } of patches) if (action === "del" && path.length === 1) delete draft[path[0] as string];
    A.applyPatches(draft, patches.filter(({ action, path }) => action !== "del" || path.length > 1) as A.Patch[]);
  });
  return JSON.parse(JSON.stringify(copy));
}
