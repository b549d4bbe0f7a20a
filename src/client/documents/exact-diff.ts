/**
 * What leads from one state of a document to another, where Automerge 3.5 does not know it.
 *
 * [DOC-77] Its `diff` puts the wrong value where an element of a list has several, and says then that there is a conflict. So what it says is tried, and
 * what is still different is added, found by comparing: that says nothing of marks.
 */
import type { Automerge, RawDoc } from "./automerge.ts";
import { differences } from "./differences.ts";
import { applyPatches, type DocPatch } from "./patches.ts";

/** Both are states that `doc` has had. */
export function exactDiff(
  automerge: Automerge,
  doc: RawDoc,
  before: readonly string[],
  after: readonly string[],
): readonly DocPatch[] {
  // Not `diff` of the document: for its last step it answers with what it was shown, which is wrong more often.
  const patches = automerge.getBackend(doc).diff([...before], [...after]);
  if (!patches.some(isOfSeveral)) return patches;
  const shown = automerge.view(doc, [...before]);
  let trial = automerge.clone(shown, { actor: "00" });
  try {
    trial = automerge.change(trial, { time: 0 }, (draft) => applyPatches(automerge, draft, patches));
    const reached = automerge.view(trial, automerge.getHeads(trial));
    return [...patches, ...differences(reached, automerge.view(doc, [...after]))];
  } finally {
    automerge.free(trial);
  }
}

function isOfSeveral(patch: DocPatch): boolean {
  return (patch.action === "put" && patch.conflict === true) || patch.action === "conflict";
}
