import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  arbitraryBatches,
  type BatchedEdit,
  type Batches,
  plainValue,
  playBatches,
  type Shelf,
} from "../../testing/batched-edits.ts";
import { automerge } from "../../testing/doc-engine.ts";
import type { RawDoc } from "./automerge.ts";
import { exactDiff } from "./exact-diff.ts";
import { applyPatches, type DocPatch } from "./patches.ts";

const actor = "99".repeat(16);

/** As the document was at these heads. */
function at(doc: A.Doc<Shelf>, heads: A.Heads): A.Doc<Shelf> {
  return A.clone(A.view(doc, heads), { actor });
}

function applied(doc: A.Doc<Shelf>, heads: A.Heads, patches: readonly DocPatch[]): unknown {
  const changed = A.change(at(doc, heads), (draft) => applyPatches(automerge, draft as RawDoc, patches));
  return plainValue(A.view(changed, A.getHeads(changed)));
}

function diffed(doc: A.Doc<Shelf>, before: A.Heads, after: A.Heads): readonly DocPatch[] {
  return exactDiff(automerge, doc as unknown as RawDoc, before, after);
}

test("[DOC-70] what leads from one state to another leads there, whatever was written: any changes by three", () => {
  // Marks and blocks are not in the value.
  const isValue = ({ act }: BatchedEdit): boolean => act !== "mark" && act !== "block" && act !== "unblock";
  const ofValues = arbitraryBatches.map((all): Batches => ({ ...all, edits: all.edits.filter(isValue) }));
  fc.assert(
    fc.property(ofValues, fc.nat(20), fc.nat(20), (batches, from, to) => {
      const { base, batches: comings } = playBatches(batches);
      let doc = A.clone(base, { actor });
      const states = [A.getHeads(doc)];
      for (const change of comings.flat()) {
        doc = A.applyChanges(doc, [change])[0];
        states.push(A.getHeads(doc));
      }
      const [before, after] = [from, to].map((n) => states[n % states.length] as A.Heads) as [A.Heads, A.Heads];
      expect(applied(doc, before, diffed(doc, before, after))).toEqual(plainValue(A.view(doc, after)));
    }),
    { numRuns: 25 },
  );
});

test("[DOC-70] an item that three wrote at once, of which one goes that is not shown, is as it was: Automerge says otherwise", () => {
  const base = A.from<Shelf>({ list: [0], text: "" }, { actor: "aa".repeat(16) });
  const [first, second, third] = [11, 22, 33].map((value) =>
    A.change(A.clone(base, { actor: `${value}`.repeat(16) }), (shelf) => {
      shelf.list[0] = value;
    }),
  ) as [A.Doc<Shelf>, A.Doc<Shelf>, A.Doc<Shelf>];
  const two = A.getHeads(A.merge(A.clone(first), third));
  const doc = A.merge(A.merge(A.clone(first), third), second);
  const all = A.getHeads(doc);
  const theirs = automerge.getBackend(doc as unknown as RawDoc).diff(all, two);
  expect(applied(doc, all, theirs)).toEqual({ list: [11], text: "" });
  expect(applied(doc, all, diffed(doc, all, two))).toEqual({ list: [33], text: "" });
});
