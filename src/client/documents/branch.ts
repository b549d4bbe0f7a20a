/**
 * A document as somebody still sees it to whom not all that came is shown: what is changed here is to be put into the whole.
 *
 * [DOC-76] It is where it was changed last, and goes on from there to where it is wanted next with the changes that it lacks: Automerge makes the
 * document of an earlier moment out of all changes before it, which takes most of a second in a long one.
 *
 * Not here: what the document is now (copy.ts). The whole does not have what was made here until that is taken.
 */
import { equalBytes } from "../../core/bytes.ts";
import { invalid } from "../../core/store/values.ts";
import type { Automerge, RawChangeOptions, RawDoc } from "./automerge.ts";
import { isSameHeads } from "./heads.ts";

export interface BranchOptions {
  readonly automerge: Automerge;
  /** Hex digits. */
  readonly actor: string;
  /** Whether that actor made the change. */
  readonly isOwn: (change: Uint8Array) => boolean;
}

export class Branch {
  readonly #options: BranchOptions;
  #doc: RawDoc | undefined;
  /** Noted: while a callback runs, Automerge must not be asked. */
  #heads: readonly string[] = [];
  /** All that the actor changed is in it. */
  #hasOwn = false;
  /** What was changed here and was not taken. */
  #made: Uint8Array[] = [];
  /** The last of these. */
  #last: string | undefined;
  /** What it is without these: heads that the whole has had. */
  #base: readonly string[] = [];

  constructor(options: BranchOptions) {
    this.#options = options;
  }

  /** The head of what was made here and was not taken. */
  get last(): string | undefined {
    return this.#last;
  }

  /** Whether it can be changed as at these heads without another word. */
  isAt(heads: readonly string[]): boolean {
    return this.#hasOwn && this.#doc !== undefined && isSameHeads(this.#heads, heads);
  }

  /**
   * It is as the document was at these heads, which the whole has had, or this. Throws INPUT_INVALID when some of what the actor changed is not
   * among them: two changes of one actor would be numbered alike.
   */
  move(whole: RawDoc, heads: readonly string[]): void {
    const { automerge, isOwn } = this.#options;
    const base = this.#last === undefined ? heads : [...this.#base, ...heads.filter((head) => head !== this.#last)];
    const later = automerge.getChangesSince(whole, [...base]);
    if (later.some(isOwn) || (this.#last !== undefined && !heads.includes(this.#last)))
      throw invalid("heads", heads, "heads that have all that was changed here before in them");
    const lacking = this.#lacking(whole, later);
    if (this.#doc === undefined || lacking === undefined) this.#doc = this.#fork(whole, heads);
    else if (lacking.length > 0) [this.#doc] = automerge.applyChanges(this.#doc, lacking, {});
    this.#heads = automerge.getHeads(this.#doc);
    this.#hasOwn = true;
    this.#base = base;
  }

  /** Heads of what was made; undefined when nothing was. Throws what the callback throws; then nothing is changed. */
  change(options: RawChangeOptions, callback: (draft: RawDoc) => void): readonly string[] | undefined {
    if (this.#doc === undefined) throw new Error("Tidemark bug: a branch is changed before it is anywhere");
    const { automerge } = this.#options;
    const before = this.#doc;
    this.#doc = automerge.change(before, options, callback);
    if (this.#doc === before) return undefined;
    this.#made.push(...automerge.getChangesSince(this.#doc, [...this.#heads]));
    this.#heads = automerge.getHeads(this.#doc);
    this.#last = this.#heads[0];
    return this.#heads;
  }

  /** What was made since the last call, in that order: the whole has it from now on. */
  take(): Uint8Array[] {
    const made = this.#made;
    this.#base = this.#heads;
    this.#made = [];
    this.#last = undefined;
    return made;
  }

  /** The actor changed the whole: what was made here has been taken. */
  leave(): void {
    this.#hasOwn = false;
  }

  /** How many operations it holds. */
  get ops(): number {
    return this.#doc === undefined ? 0 : this.#options.automerge.stats(this.#doc).numOps;
  }

  free(): void {
    if (this.#doc !== undefined) this.#options.automerge.free(this.#doc);
    this.#doc = undefined;
    this.#made = [];
    this.#last = undefined;
  }

  /** What the whole without the later ones has, and this has not; undefined when this has something that is later. */
  #lacking(whole: RawDoc, later: readonly Uint8Array[]): Uint8Array[] | undefined {
    if (this.#doc === undefined) return undefined;
    // Both lists are in the order of the whole, so one look at each of its changes is enough.
    let passed = 0;
    const lacking = this.#options.automerge.getChangesSince(whole, [...this.#base]).filter((change) => {
      const next = later[passed];
      const isLater = next !== undefined && equalBytes(change, next);
      if (isLater) passed += 1;
      return !isLater;
    });
    return passed === later.length ? lacking : undefined;
  }

  #fork(whole: RawDoc, heads: readonly string[]): RawDoc {
    // What was made on it would be lost; but then the base is among the heads, and nothing of it can be later.
    if (this.#last !== undefined) throw new Error("Tidemark bug: a branch with changes of its own is given up");
    const { automerge, actor } = this.#options;
    this.free();
    return automerge.clone(automerge.view(whole, [...heads]), { actor });
  }
}
