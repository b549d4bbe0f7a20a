import * as A from "@automerge/automerge";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryBatches, loadedAnew, plainValue, playBatches, type Shelf } from "../../testing/batched-edits.ts";
import { DocEngine } from "../../testing/doc-engine.ts";
import type { Automerge, RawDoc } from "./automerge.ts";
import { Correction } from "./correction.ts";
import type { DocPatch, DocPath } from "./patches.ts";

const automerge: Automerge = A;
const ada = "11".repeat(16);
const bob = "22".repeat(16);

type Change = (shelf: Shelf) => void;

/** Somebody who shows what came to whom. */
class Reader {
  doc: A.Doc<Shelf>;
  /** What a listener has, who does what it is told. */
  heard: unknown;
  readonly #correction = new Correction(automerge);

  constructor(base: A.Doc<Shelf>) {
    this.doc = A.clone(base, { actor: "99".repeat(16) });
    this.heard = plainValue(this.doc);
  }

  take(batch: Uint8Array[]): void {
    let patches: readonly DocPatch[] = [];
    const patchCallback = (found: A.Patch[]): void => {
      patches = found as readonly DocPatch[];
    };
    const before = this.doc as unknown as RawDoc;
    const [doc] = A.applyChanges(before, batch, { patchCallback });
    const corrected = this.#correction.afterBatch(before, { doc, patches }, batch);
    this.doc = corrected.doc as unknown as A.Doc<Shelf>;
    this.heard = told(this.heard, corrected.patches);
  }

  get loaded(): unknown {
    return plainValue(loadedAnew(this.doc, ada));
  }
}

describe("what is shown after a batch", () => {
  test("[DOC-77] is what loading the document would show, and so is what listeners were told: any changes in any batches", () => {
    fc.assert(
      fc.property(arbitraryBatches, (batches) => {
        const { base, batches: comings } = playBatches(batches);
        const reader = new Reader(base);
        for (const batch of comings) {
          reader.take(batch);
          expect(plainValue(reader.doc)).toEqual(reader.loaded);
          expect(reader.heard).toEqual(reader.loaded);
        }
      }),
      { numRuns: 200 },
    );
  });

  const set =
    (key: string, value: unknown): Change =>
    (shelf) => {
      shelf[key] = value;
    };
  const replace =
    (value: unknown): Change =>
    (shelf) => {
      shelf.list[0] = value;
    };
  const begun = A.from<Shelf>({ list: [1], text: "" }, { actor: "aa".repeat(16) });

  /** What each of two made without the other, in one batch. */
  function together(base: A.Doc<Shelf>, first: readonly Change[], second: readonly Change[]): Uint8Array[] {
    const made = [first, second].map((changes, i) => {
      let doc = A.clone(base, { actor: i === 0 ? ada : bob });
      for (const change of changes) doc = A.change(doc, { time: 0 }, change);
      return A.getChanges(base, doc);
    });
    return made.flat();
  }

  /** Both changed it before, and everybody knows. */
  function after(base: A.Doc<Shelf>, first: Change, second: Change): A.Doc<Shelf> {
    return A.applyChanges(base, together(base, [first], [second]))[0];
  }

  const cases: readonly (readonly [string, () => readonly [A.Doc<Shelf>, Uint8Array[]], unknown])[] = [
    [
      "a value of a key deleted, and another put beside it",
      () => {
        const base = A.change(A.clone(begun), { time: 0 }, set("other", 1));
        const old = A.change(A.clone(base, { actor: bob }), set("key", "old"));
        const without = A.change(old, (shelf) => {
          delete shelf.key;
        });
        const put = A.change(A.clone(base, { actor: ada }), set("key", "new"));
        return [old, [...A.getChanges(base, put), ...A.getChanges(old, without)]];
      },
      { key: "new", list: [1], other: 1, text: "" },
    ],
    [
      "a counter incremented, and another value put beside it",
      () => {
        const base = A.change(A.clone(begun), set("other", 1));
        const counted = A.change(A.clone(base, { actor: bob }), set("key", new A.Counter(1)));
        const more = A.change(counted, (shelf) => void (shelf.key as A.Counter).increment(10));
        const put = A.change(A.clone(base, { actor: ada }), set("key", "put"));
        return [counted, [...A.getChanges(base, put), ...A.getChanges(counted, more)]];
      },
      { key: { counter: 11 }, list: [1], other: 1, text: "" },
    ],
    [
      "one of two values of an element deleted, and something inserted behind it",
      () => {
        const replaced = A.change(A.clone(begun, { actor: ada }), replace(2));
        const removed: Change = (shelf) => {
          shelf.list.push(3);
          shelf.list.shift();
        };
        return [replaced, A.getChanges(begun, A.change(A.clone(begun, { actor: bob }), { time: 0 }, removed))];
      },
      { list: [2, 3], text: "" },
    ],
    [
      "a counter in a list incremented, and something inserted behind it",
      () => {
        const base = A.change(A.clone(begun), replace(new A.Counter(1)));
        const edit: Change = (shelf) => {
          (shelf.list[0] as A.Counter).increment(1);
          shelf.list.push("behind");
        };
        return [base, together(base, [edit], [])];
      },
      { list: [{ counter: 2 }, "behind"], text: "" },
    ],
  ];

  for (const [what, make, value] of cases) {
    test(`[DOC-77] ${what}, in one call: Automerge shows something else, a reader what is so`, () => {
      const [base, batch] = make();
      expect(plainValue(A.applyChanges(A.clone(base), batch)[0])).not.toEqual(value);
      const reader = new Reader(base);
      reader.take(batch);
      expect(plainValue(reader.doc)).toEqual(value);
      expect(reader.heard).toEqual(value);
      expect(reader.loaded).toEqual(value);
      reader.take(
        A.getChanges(
          reader.doc,
          A.change(A.clone(reader.doc), (shelf) => void shelf.list.push("then")),
        ),
      );
      expect(plainValue(reader.doc)).toEqual(reader.loaded);
    });
  }

  test("[DOC-77] a counter that two made is incremented here: what is shown is the one that wins", () => {
    const base = after(begun, set("key", new A.Counter(1)), set("key", new A.Counter(2)));
    let patches: readonly DocPatch[] = [];
    const patchCallback = (found: A.Patch[]): void => {
      patches = found as readonly DocPatch[];
    };
    const before = A.clone(base);
    const doc = A.change(before, { patchCallback }, (shelf) => (shelf.key as A.Counter).increment(10));
    expect(plainValue(doc.key)).toEqual({ counter: 11 });
    const corrected = new Correction(automerge).afterChange(before as unknown as RawDoc, {
      doc: doc as unknown as RawDoc,
      patches,
    });
    expect(plainValue(corrected.doc.key)).toEqual({ counter: 12 });
    expect(told(plainValue(base), corrected.patches)).toEqual(plainValue(corrected.doc));
    expect(plainValue(loadedAnew(doc, ada))).toEqual(plainValue(corrected.doc));
  });

  test("[DOC-77] where all is right, what did not become different is the same object as before", () => {
    const base = A.change(A.clone(begun), (shelf) => {
      shelf.still = { deep: [1] };
      shelf.text = "a text";
    });
    const reader = new Reader(base);
    const { still } = reader.doc;
    reader.take(together(base, [(shelf) => A.splice(shelf, ["text"], 0, 1)], [(shelf) => void shelf.list.shift()]));
    expect(reader.doc.still).toBe(still);
    expect(plainValue(reader.doc)).toEqual({ list: [], still: { deep: [1] }, text: " text" });
  });
});

describe("pages", () => {
  const inList =
    (change: (list: unknown[]) => void) =>
    (draft: Record<string, unknown>): void =>
      change(draft.list as unknown[]);

  test("[DOC-77] show and tell what is so when others increment a counter of a list and write behind it", async () => {
    const engine = new DocEngine();
    const [a, b] = [await engine.page("a").open(), await engine.page("b").open()];
    a.change((draft) => Object.assign(draft, { list: [new A.Counter(1)], text: "" }));
    await engine.settle();
    const before = plainValue(b.value);
    b.events.length = 0;
    a.change(inList((list) => (list[0] as A.Counter).increment(1)));
    a.change(inList((list) => list.push("behind")));
    await engine.settle();
    const shown = { list: [{ counter: 2 }, "behind"], text: "" };
    expect(plainValue(b.value)).toEqual(shown);
    expect(plainValue(b.events.at(-1)?.value)).toEqual(shown);
    expect(b.events.reduce((value, { patches }) => told(value, patches), before)).toEqual(shown);
    b.change(inList((list) => list.push("and on")));
    await engine.settle();
    expect(plainValue(a.value)).toEqual({ ...shown, list: [...shown.list, "and on"] });
    expect(plainValue(b.value)).toEqual(plainValue(a.value));
  });

  test("[DOC-77] show the same of a counter that two made, and one of them increments", async () => {
    const engine = new DocEngine();
    const [a, b] = [await engine.page("a").open(), await engine.page("b").open()];
    a.change((draft) => Object.assign(draft, { counter: new A.Counter(1) }));
    b.change((draft) => Object.assign(draft, { counter: new A.Counter(2) }));
    await engine.settle();
    for (const page of [a, b]) {
      page.change((draft: Record<string, A.Counter>) => draft.counter?.increment(10));
      const shown = plainValue(page.value);
      expect(page.events.at(-1)).toMatchObject({ origin: "local", value: page.value });
      await engine.settle();
      expect([plainValue(a.value), plainValue(b.value)]).toEqual([shown, shown]);
    }
  });
});

type Container = Record<string | number, unknown>;

/** `value`, as the patches make it. */
function told(value: unknown, patches: readonly DocPatch[]): unknown {
  const root = { value: structuredClone(value) };
  for (const patch of patches) obey(root, patch);
  return root.value;
}

function obey(root: { value: unknown }, patch: DocPatch): void {
  const path: DocPath = ["value", ...patch.path];
  const objects = path.map((_, depth) =>
    path.slice(0, depth).reduce<unknown>((at, key) => (at as Container)[key], root),
  );
  const [outer, within] = objects.slice(-2);
  const [place, key] = path.slice(-2) as [string | number, string | number];
  // What is in a block is no part of the text as a string.
  if (objects.slice(0, -1).some((object) => typeof object === "string")) return;
  if (typeof within === "string") (outer as Container)[place] = spliced(within, Number(key), patch);
  else alter(within as Container, key, patch);
}

function alter(within: Container, key: string | number, patch: DocPatch): void {
  const list = within as unknown as unknown[];
  if (patch.action === "put") within[key] = plainValue(patch.value);
  if (patch.action === "insert") list.splice(Number(key), 0, ...patch.values.map(plainValue));
  if (patch.action === "inc") (within[key] as { counter: number }).counter += patch.value;
  if (patch.action !== "del") return;
  if (Array.isArray(within)) list.splice(Number(key), patch.length ?? 1);
  else delete within[key];
}

function spliced(text: string, at: number, patch: DocPatch): string {
  if (patch.action === "splice") return text.slice(0, at) + patch.value + text.slice(at);
  if (patch.action === "insert") return text.slice(0, at) + "\uFFFC".repeat(patch.values.length) + text.slice(at);
  if (patch.action === "del") return text.slice(0, at) + text.slice(at + (patch.length ?? 1));
  return text;
}
