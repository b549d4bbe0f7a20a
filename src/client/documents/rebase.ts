/**
 * A document that had to be made anew, with what this page had written to the old one and the new one has not.
 *
 * Both are put into a third one, where Automerge tells what to do to the new one: what others had written there, or was refused, and is not in
 * the new one any more, is taken back first.
 */
import type { Automerge, RawDoc } from "./automerge.ts";
import type { Copy } from "./copy.ts";
import { hashOf } from "./outgoing.ts";
import { applyPatches, type DocPatch } from "./patches.ts";

/** Sorts before any other, so that what it writes wins over nobody. */
const scratchActor = "00".repeat(16);

/**
 * Writes to `next` what the actor of `old` had written there, but what is in `refused` (by hash). Returns what is different in `next` from what `old` showed.
 */
export function rebase(automerge: Automerge, old: Copy, next: Copy, refused: ReadonlySet<string>): readonly DocPatch[] {
  const before = [...next.heads];
  let both = automerge.clone(next.doc, { actor: scratchActor });
  try {
    both = automerge.merge(both, old.doc);
    const lost = automerge.getChangesSince(both, before);
    const unwanted = lost.filter((change) => !old.isOwn(change) || refused.has(hashOf(change)));
    if (unwanted.length < lost.length) {
      if (unwanted.length > 0) both = takeBack(automerge, both, before, unwanted.map(hashOf));
      const patches = automerge.diff(both, before, automerge.getHeads(both));
      next.change({ time: 0 }, (draft) => applyPatches(automerge, draft, patches));
      both = automerge.merge(both, next.doc);
    }
    return automerge.diff(both, [...old.heads], [...next.heads]);
  } finally {
    automerge.free(both);
  }
}

/** What those changes did is undone, as far as nobody has altered it since. */
function takeBack(automerge: Automerge, both: RawDoc, before: string[], unwanted: readonly string[]): RawDoc {
  const heads = [...before, ...unwanted];
  let fork = automerge.clone(automerge.view(both, heads), { actor: scratchActor });
  try {
    const inverse = automerge.diff(fork, automerge.getHeads(fork), before);
    fork = automerge.change(fork, { time: 0 }, (draft) => applyPatches(automerge, draft, inverse));
    return automerge.merge(both, fork);
  } finally {
    automerge.free(fork);
  }
}

/** What tells one document from another where nothing else can: all that is there goes, and all comes. */
export function replaceAll(automerge: Automerge, old: RawDoc, next: RawDoc): readonly DocPatch[] {
  const gone = Object.keys(old).map((key): DocPatch => ({ action: "del", path: [key] }));
  return [...gone, ...automerge.diff(next, [], automerge.getHeads(next))];
}
