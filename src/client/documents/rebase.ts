/**
 * A document that had to be made anew, with what this page had written to the old one and the new one has not.
 *
 * Both are put into a third one, where Automerge tells what to do to the new one: what others had written there, or was refused, and is not in
 * the new one any more, is taken back first.
 */
import { splitChange } from "../../core/document/change-bytes.ts";
import type { Automerge, RawDoc } from "./automerge.ts";
import type { Copy, OwnRange } from "./copy.ts";
import { exactDiff } from "./exact-diff.ts";
import { hashOf } from "./outgoing.ts";
import type { OwnPast } from "./own-past.ts";
import { applyPatches, type DocPatch } from "./patches.ts";
import { scratchActor, takeBack } from "./taking-back.ts";

/** Some milliseconds each: what was written by turns with somebody who was removed is not so much that a page stands still for it. */
const runsMax = 64;

/** Where it is found out what is to be written again. */
interface Stage {
  readonly doc: RawDoc;
  /** Heads of what of it is in the new document. */
  readonly before: string[];
  /** Whether the new one is in it. */
  readonly isBoth: boolean;
}

/** Writes to `next` what this page had written to `old`, and is wanted. Returns what is different in `next` from what `old` showed. */
export function rebase(automerge: Automerge, old: Copy, next: Copy, past: OwnPast): readonly DocPatch[] {
  const { doc: stage, before, isBoth } = openStage(automerge, old, next);
  try {
    const lost = automerge.getChangesSince(stage, before);
    const isWanted = (change: Uint8Array): boolean => past.isWanted(old, change);
    const wanted = lost.filter(isWanted);
    if (wanted.length > 0) {
      takeBack(automerge, stage, runsOf(lost, before, isWanted));
      const patches = exactDiff(automerge, stage, before, automerge.getHeads(stage));
      next.change({ time: 0 }, (draft) => (isBoth ? applyPatches : applyFitting)(automerge, draft, patches));
      past.wroteAgain(wanted);
      if (isBoth) automerge.getBackend(stage).merge(automerge.getBackend(next.doc));
    }
    if (!isBoth) return replaceAll(automerge, old.doc, next.doc);
    return exactDiff(automerge, stage, old.heads, next.heads);
  } finally {
    automerge.free(stage);
  }
}

/** Both in one; or, where a cheat used a number twice and each of them has another of the two, the old one alone: Automerge takes no two such changes. */
function openStage(automerge: Automerge, old: Copy, next: Copy): Stage {
  const both = automerge.clone(next.doc, { actor: scratchActor });
  try {
    automerge.getBackend(both).merge(automerge.getBackend(old.doc));
    return { doc: both, before: [...next.heads], isBoth: true };
  } catch (error) {
    automerge.free(both);
    if (!(error instanceof RangeError)) throw error;
    const doc = automerge.clone(old.doc, { actor: scratchActor });
    return { doc, before: commonHeads(automerge, old, next), isBoth: false };
  }
}

/** Of what both have. */
function commonHeads(automerge: Automerge, old: Copy, next: Copy): string[] {
  const known = new Set(automerge.getChangesSince(next.doc, []).map(hashOf));
  const heads = new Set<string>();
  for (const change of automerge.getChangesSince(old.doc, [])) {
    const hash = hashOf(change);
    if (!known.has(hash)) continue;
    for (const dep of splitChange(change).deps) heads.delete(dep);
    heads.add(hash);
  }
  return [...heads];
}

/** To a document that may lack what they alter, or have less of it. */
function applyFitting(automerge: Automerge, draft: RawDoc, patches: readonly DocPatch[]): void {
  for (const patch of patches) {
    try {
      applyPatches(automerge, draft, [patch]);
    } catch (error) {
      // What was written into something that fell has no place any more.
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    }
  }
}

/** Changes that follow each other and are to be taken back. */
function runsOf(
  lost: readonly Uint8Array[],
  before: readonly string[],
  isWanted: (change: Uint8Array) => boolean,
): OwnRange[] {
  const heads = new Set(before);
  const runs: OwnRange[] = [];
  let begun: readonly string[] | undefined;
  for (const change of lost) {
    if (!isWanted(change)) begun ??= [...heads];
    else if (begun !== undefined) {
      runs.push({ before: begun, after: [...heads] });
      begun = undefined;
    }
    for (const dep of splitChange(change).deps) heads.delete(dep);
    heads.add(hashOf(change));
  }
  if (begun !== undefined) runs.push({ before: begun, after: [...heads] });
  return atMost(runs);
}

/** Each costs a copy of the document. Of more than so many the first are taken back with what was written between them. */
function atMost(runs: OwnRange[]): OwnRange[] {
  const joined = runs.splice(0, Math.max(0, runs.length - runsMax));
  const [first, last] = [joined[0], runs[0]];
  if (first !== undefined && last !== undefined) runs[0] = { before: first.before, after: last.after };
  return runs;
}

/** What tells one document from another where nothing else can: all that is there goes, and all comes. */
export function replaceAll(automerge: Automerge, old: RawDoc, next: RawDoc): readonly DocPatch[] {
  const gone = Object.keys(old).map((key): DocPatch => ({ action: "del", path: [key] }));
  return [...gone, ...exactDiff(automerge, next, [], automerge.getHeads(next))];
}
