/**
 * From one history of a document to another one, in which changes are missing: what was refused, or does not count any more.
 *
 * Editors keep the heads that they have shown last, and ask for the difference between these and those of now. A document that lacks some of the first
 * tells a wrong one, without an error. So there is a step between, which has both.
 */
import * as Automerge from "@automerge/automerge/slim";
import { applyPatches, type DocPatch } from "../client/documents/patches.ts";
import { replaceAll } from "../client/documents/rebase.ts";

type Document = Automerge.Doc<object>;

/** What is to be shown before `next`; undefined when that has all changes of `shown`. It has the heads of `next`, or none of them. */
export function bridgeTo(shown: Document, next: Document): Document | undefined {
  if (Automerge.hasHeads(next, Automerge.getHeads(shown))) return undefined;
  const both = Automerge.clone(shown);
  try {
    return Automerge.view(Automerge.merge(both, next), Automerge.getHeads(next));
  } catch {
    // They have two changes under one number. With no head in common, all is different.
    const patches = replaceAll(Automerge as never, shown as never, next as never) as DocPatch[];
    return Automerge.change(Automerge.clone(shown), (draft) =>
      applyPatches(Automerge as never, draft as never, patches),
    );
  }
}
