/**
 * The way back over this page's own changes, and forth again, whatever others have written meanwhile.
 *
 * What is undone is taken back in a copy first (taking-back.ts); what that does to the document of now is then done in it as one ordinary change.
 * To redo is to undo the undoing.
 *
 * [DOC-70] Undoing takes back the last own changes and nothing of others; redoing brings back what was undone.
 * [DOC-71] Changes that follow each other within `undoPauseMs` are undone together.
 * Known: text that was deleted and brought back is new text. Where others wrote between its first writing and its deletion, undoing
 * the first does not take it away.
 */
import { undoDepthMax, undoPauseMs, undoRangesMax } from "../../core/limits.ts";
import type { Automerge, RawDoc } from "./automerge.ts";
import type { OwnRange } from "./copy.ts";
import { exactDiff } from "./exact-diff.ts";
import { isSameHeads } from "./heads.ts";
import { applyPatches, type DocPatch } from "./patches.ts";
import { scratchActor, takeBack } from "./taking-back.ts";

/** What is undone at once: own changes, without those of others between them. */
interface Entry {
  readonly ranges: OwnRange[];
  lastMs: number;
}

export interface UndoStep {
  /** In a change of the document. */
  readonly apply: (draft: RawDoc) => void;
  /** What it made; undefined: nothing. */
  readonly done: (made: OwnRange | undefined) => void;
}

export class UndoHistory {
  readonly #automerge: Automerge;
  readonly #now: () => number;
  #undo: Entry[] = [];
  #redo: Entry[] = [];

  constructor(automerge: Automerge, now: () => number) {
    this.#automerge = automerge;
    this.#now = now;
  }

  get canUndo(): boolean {
    return this.#undo.length > 0;
  }

  get canRedo(): boolean {
    return this.#redo.length > 0;
  }

  /** Changes of the app: nothing can be redone after them. */
  add({ before, after }: OwnRange): void {
    const nowMs = this.#now();
    this.#redo = [];
    const last = this.#undo.at(-1);
    if (last === undefined || nowMs - last.lastMs > undoPauseMs || last.ranges.length >= undoRangesMax) {
      this.#push(this.#undo, { ranges: [{ before, after }], lastMs: nowMs });
      return;
    }
    last.lastMs = nowMs;
    const range = last.ranges.at(-1);
    const isNext = range !== undefined && isSameHeads(range.after, before);
    if (isNext) last.ranges[last.ranges.length - 1] = { before: range.before, after };
    else last.ranges.push({ before, after });
  }

  /** What is to be done to `doc`; undefined when there is nothing. */
  begin(way: "undo" | "redo", doc: RawDoc): UndoStep | undefined {
    const [from, to] = way === "undo" ? [this.#undo, this.#redo] : [this.#redo, this.#undo];
    const entry = from.pop();
    if (entry === undefined) return undefined;
    let patches: readonly DocPatch[];
    try {
      patches = rehearse(this.#automerge, doc, entry.ranges);
    } catch (error) {
      from.push(entry);
      throw error;
    }
    return {
      apply: (draft) => applyPatches(this.#automerge, draft, patches),
      done: (made) => {
        if (made === undefined) return;
        // Never joined with what is written next.
        this.#push(to, { ranges: [made], lastMs: Number.NEGATIVE_INFINITY });
        extend(from.at(-1), entry, made);
      },
    };
  }

  /** The document was made anew: heads of before are in no document any more. */
  clear(): void {
    this.#undo = [];
    this.#redo = [];
  }

  #push(entries: Entry[], entry: Entry): void {
    entries.push(entry);
    if (entries.length > undoDepthMax) entries.shift();
  }
}

/**
 * The entry before ends where the undone one began, and what was made leads back there: so it ends behind that as well. Text that was deleted and
 * brought back is new text, and belongs to it.
 */
function extend(earlier: Entry | undefined, undone: Entry, made: OwnRange): void {
  const [last, only] = [earlier?.ranges.at(-1), undone.ranges[0]];
  if (earlier === undefined || last === undefined || only === undefined) return;
  if (!isSameHeads(last.after, only.before) || !isSameHeads(only.after, made.before)) return;
  earlier.ranges[earlier.ranges.length - 1] = { before: last.before, after: made.after };
}

/** What taking back these changes does to the document as it is now. */
function rehearse(automerge: Automerge, doc: RawDoc, ranges: readonly OwnRange[]): readonly DocPatch[] {
  const stage = automerge.clone(doc, { actor: scratchActor });
  try {
    const heads = automerge.getHeads(stage);
    takeBack(automerge, stage, ranges);
    return exactDiff(automerge, stage, heads, automerge.getHeads(stage));
  } finally {
    automerge.free(stage);
  }
}
