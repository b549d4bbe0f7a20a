/**
 * One copy of a document in this page's memory, under one nonce: what came is put into it, and what is changed in it is read out once.
 *
 * A copy that has to be made anew gets another nonce, and with it another actor: numbers of its changes may have been used by the one before.
 */

import { equalBytes } from "../../core/bytes.ts";
import { actorOf } from "../../core/document/actor.ts";
import { splitChange } from "../../core/document/change-bytes.ts";
import { type DatabaseId, encodeHex, type PublicKey } from "../../core/ids.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";
import type { DocSnapshot } from "../../worker/api.ts";
import type { Automerge, RawChangeOptions, RawDoc } from "./automerge.ts";
import { Branch } from "./branch.ts";
import { Correction } from "./correction.ts";
import { freezeDocument } from "./frozen.ts";
import { isSameHeads } from "./heads.ts";
import type { DocPatch, DocPath } from "./patches.ts";
import { TextEdits, type TextSplice } from "./text-edits.ts";

/** Heads before some changes of this page and behind them, and nobody else's in between. */
export interface OwnRange {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

export interface OwnChanges extends OwnRange {
  readonly changes: readonly Uint8Array[];
}

export interface ChangedAt {
  readonly heads: readonly string[];
  /** What it makes different in the whole, where it is from now on. Costs far more than the change did: else it is put there when somebody looks. */
  readonly merge: () => readonly DocPatch[];
}

export interface CopyOptions {
  readonly automerge: Automerge;
  readonly nonce: Uint8Array;
  readonly database: DatabaseId;
  readonly author: PublicKey;
  /** Automerge failed over what was changed before: it is lost, and what is in the copy is not known. */
  readonly failed: (error: unknown) => void;
}

export class Copy {
  readonly nonce: Uint8Array;
  readonly author: PublicKey;
  /** As its changes name it. */
  readonly actor: Uint8Array;
  readonly #automerge: Automerge;
  readonly #failed: (error: unknown) => void;
  #doc: RawDoc;
  /** Of what Automerge shows. */
  readonly #correction: Correction;
  /** Where it is changed as if some of it had not come yet. */
  readonly #branch: Branch;
  /** Up to here it is read out. */
  #read: readonly string[];
  /** What is not in `#doc` yet: in it before anybody looks. */
  #edits: TextEdits | undefined;
  #isShared = false;

  /** Empty, or what the snapshot holds. Throws when that is not what it says. */
  constructor({ automerge, nonce, database, author, failed }: CopyOptions, snapshot: DocSnapshot | undefined) {
    this.#automerge = automerge;
    this.#failed = failed;
    this.#correction = new Correction(automerge);
    this.nonce = nonce;
    this.author = author;
    this.actor = actorOf(database, author, nonce, new Uint8Array(), plainSha256);
    const actor = encodeHex(this.actor);
    const options = { actor };
    this.#branch = new Branch({ automerge, actor, isOwn: (change) => this.isOwn(change) });
    this.#doc =
      snapshot === undefined
        ? automerge.init(options)
        : automerge.load(snapshot.bytes, { ...options, unchecked: true });
    this.#read = this.heads;
    if (snapshot !== undefined && !isSameHeads(this.#read, snapshot.heads)) {
      this.free();
      throw new Error("the snapshot has other heads than it should");
    }
  }

  /** Frozen. */
  get doc(): RawDoc {
    return freezeDocument(this.#settled());
  }

  /** For whoever may hold it longer than this is used: it is left to be collected as garbage. */
  share(): RawDoc {
    this.#isShared = true;
    return this.doc;
  }

  get heads(): readonly string[] {
    return this.#automerge.getHeads(this.#settled());
  }

  /** How many operations are kept for it. */
  get ops(): number {
    return this.#automerge.stats(this.#settled()).numOps + this.#branch.ops;
  }

  /** Whether they name a state that it has had. */
  hasHeads(heads: readonly string[]): boolean {
    const known = heads.filter((head) => head !== this.#branch.last);
    return this.#automerge.hasHeads(this.#doc, known) || this.#automerge.hasHeads(this.#settled(), [...heads]);
  }

  /** One edit of a text, to be one change with those before and after it. False when it has to be changed as anything is. */
  gather(path: DocPath, edit: TextSplice): boolean {
    if (this.#edits?.isAt(path) !== true) {
      const text = valueAt(this.#settled(), path);
      if (typeof text !== "string") return false;
      this.#edits = new TextEdits(path, text);
    }
    return this.#edits.add(edit);
  }

  /** What was made here has to be read out before: else it would be taken for what came. */
  apply(changes: Uint8Array[]): readonly DocPatch[] {
    const patches = this.#put(changes);
    this.#read = this.heads;
    return patches;
  }

  /** Whether something was changed. As fast as Automerge is, but where counters are: nothing else is done here. */
  change(options: RawChangeOptions, callback: (draft: RawDoc) => void): boolean {
    const before = this.#settled();
    let patches: DocPatch[] = [];
    const patchCallback = (found: DocPatch[]): void => {
      patches = found;
    };
    const doc = this.#automerge.change(before, { ...options, patchCallback }, callback);
    if (doc === before) return false;
    const corrected = this.#correction.afterChange(before, { doc, patches });
    this.#doc = corrected.doc;
    options.patchCallback?.([...corrected.patches]);
    this.#branch.leave();
    return true;
  }

  /**
   * Changes it as it was at these heads, which it has had, and answers with those of what was made. Undefined when nothing is changed. Throws what the
   * callback throws, and INPUT_INVALID when some of what this copy changed itself is not among them: then nothing is changed.
   */
  changeAt(
    heads: readonly string[],
    options: RawChangeOptions,
    callback: (draft: RawDoc) => void,
  ): ChangedAt | undefined {
    this.#settleEdits();
    if (!this.#branch.isAt(heads)) {
      if (this.#branch.last === undefined && isSameHeads(this.heads, heads)) return this.#changeHere(options, callback);
      this.#branch.move(this.#doc, heads);
    }
    const made = this.#branch.change(options, callback);
    return made === undefined ? undefined : { heads: made, merge: () => this.#merge() };
  }

  /** What the callback would change, as changes to `adopt` before any other is made. Throws what it throws. */
  rehearse(callback: (draft: RawDoc) => void): Uint8Array[] {
    const heads = [...this.heads];
    let stage = this.#automerge.clone(this.#settled(), { actor: encodeHex(this.actor) });
    try {
      stage = this.#automerge.change(stage, { time: 0 }, callback);
      return this.#automerge.getChangesSince(stage, heads);
    } finally {
      this.#automerge.free(stage);
    }
  }

  /** What was rehearsed, as if it had been changed here. */
  adopt(changes: Uint8Array[]): readonly DocPatch[] {
    const patches = this.#put(changes);
    this.#branch.leave();
    return patches;
  }

  /** What was changed since the last call; undefined when nothing was. */
  read(): OwnChanges | undefined {
    const before = this.#read;
    const changes = this.#automerge.getChangesSince(this.#settled(), [...before]);
    if (changes.length === 0) return undefined;
    const after = this.heads;
    this.#read = after;
    return { before, after, changes };
  }

  isOwn(change: Uint8Array): boolean {
    return equalBytes(splitChange(change).actor, this.actor);
  }

  /** It is not used any more, and neither is a view of it. */
  free(): void {
    this.#branch.free();
    if (!this.#isShared) this.#automerge.free(this.#doc);
  }

  #changeHere(options: RawChangeOptions, callback: (draft: RawDoc) => void): ChangedAt | undefined {
    let patches: readonly DocPatch[] = [];
    const patchCallback = (found: DocPatch[]): void => {
      patches = found;
    };
    if (!this.change({ ...options, patchCallback }, callback)) return undefined;
    return { heads: this.heads, merge: () => patches };
  }

  #settled(): RawDoc {
    this.#settleEdits();
    this.#merge();
    return this.#doc;
  }

  #settleEdits(): void {
    const edits = this.#edits;
    if (edits === undefined) return;
    this.#edits = undefined;
    try {
      this.change({ time: 0 }, (draft) => spliceAll(this.#automerge, draft, edits.path, edits.splices));
    } catch (error) {
      // Whoever made the edit was told long ago that it is in.
      this.#failed(error);
    }
  }

  /** What is in the branch alone. */
  #merge(): readonly DocPatch[] {
    const made = this.#branch.take();
    if (made.length === 0) return [];
    try {
      return this.#put(made);
    } catch (error) {
      this.#failed(error);
      return [];
    }
  }

  #put(changes: Uint8Array[]): readonly DocPatch[] {
    let patches: readonly DocPatch[] = [];
    const patchCallback = (found: DocPatch[]): void => {
      patches = found;
    };
    const before = this.#settled();
    const [doc] = this.#automerge.applyChanges(before, changes, { patchCallback });
    this.#doc = doc;
    const corrected = this.#correction.afterBatch(before, { doc, patches }, changes);
    this.#doc = corrected.doc;
    return corrected.patches;
  }
}

export function spliceAll(automerge: Automerge, draft: RawDoc, path: DocPath, splices: readonly TextSplice[]): void {
  // Automerge alters the array of the path.
  for (const { index, deleteCount, text } of splices) automerge.splice(draft, [...path], index, deleteCount, text);
}

/** What is at the path; undefined when nothing is. */
export function valueAt(doc: RawDoc, path: DocPath): unknown {
  return path.reduce<unknown>((object, key) => (object as RawDoc | null | undefined)?.[key], doc);
}
