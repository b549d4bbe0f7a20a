/**
 * What Automerge 3.5 shows of what came, where that is not so, and what is.
 *
 * [DOC-77] What is shown after each batch is what loading the document would show.
 * `applyChanges` keeps the value that it hands out up to date by what it takes to have become different, and that is wrong
 * - where a value of a key is deleted or incremented, and another is put beside it in the same call: it is not shown;
 * - where, of several values of an element of a list, one is deleted, or a counter in a list is incremented, and something behind it becomes
 *   different in the same call: that is shown one place too far ahead. One change can be all of it, so smaller batches are not enough;
 * - where this page increments a counter that several made at once: of what all of them are then, the wrong one is shown.
 * A value made anew from what Automerge holds is right, and texts are always: no element of them has two values. Its `diff` is no help: in such lists it is
 * wrong as well.
 *
 * So where a change increments, or deletes but in a text, the value is made anew and compared. It is taken only if it differs: else what did not become
 * different stays the same object. What is then told is found by comparing, and says nothing of marks.
 */
import { glanceAt } from "../../core/document/glance.ts";
import type { Automerge, RawDoc } from "./automerge.ts";
import { differences } from "./differences.ts";
import type { DocPatch } from "./patches.ts";

export interface Corrected {
  readonly doc: RawDoc;
  /** What is different from before. */
  readonly patches: readonly DocPatch[];
}

export class Correction {
  readonly #automerge: Automerge;
  /** Those sequences which are known to be texts. */
  readonly #texts = new Set<string>();

  constructor(automerge: Automerge) {
    this.#automerge = automerge;
  }

  /** `given` is what Automerge gave when it put these changes into `before`. */
  afterBatch(before: RawDoc, given: Corrected, changes: readonly Uint8Array[]): Corrected {
    return changes.some((change) => this.#mayMislead(given.doc, change)) ? this.#compare(before, given) : given;
  }

  /** `given` is what Automerge gave when this page changed `before`. */
  afterChange(before: RawDoc, given: Corrected): Corrected {
    return given.patches.some(isOfCounter) ? this.#compare(before, given) : given;
  }

  #mayMislead(doc: RawDoc, change: Uint8Array): boolean {
    const glance = glanceAt(change);
    if (typeof glance === "string") return glance === "anything";
    const { sequence } = glance;
    if (this.#texts.has(sequence)) return false;
    if (!this.#isText(doc, sequence)) return true;
    this.#texts.add(sequence);
    return false;
  }

  #isText(doc: RawDoc, sequence: string): boolean {
    try {
      return this.#automerge.getBackend(doc).objInfo(sequence).type === "text";
    } catch (error) {
      // What it is in has not come.
      if (error instanceof RangeError) return false;
      throw error;
    }
  }

  #compare(before: RawDoc, given: Corrected): Corrected {
    const handle = this.#automerge.getBackend(given.doc);
    // As `load` makes it.
    const doc = handle.materialize("/", undefined, { handle, heads: undefined, patchCallback: undefined }) as RawDoc;
    if (differences(given.doc, doc).next().done === true) return given;
    return { doc, patches: [...differences(before, doc)] };
  }
}

function isOfCounter(patch: DocPatch): boolean {
  // Automerge calls it an increment, or, where there are several, a put of what only looks like a number when it is printed.
  return patch.action === "inc" || (patch.action === "put" && isCounter(patch.value));
}

function isCounter(value: unknown): boolean {
  return typeof value === "object" && value !== null && "increment" in value;
}
