/**
 * One copy of a document in this page's memory, under one nonce: what came is put into it, and what is changed in it is read out once.
 *
 * A copy that has to be made anew gets another nonce, and with it another actor: numbers of its changes may have been used by the one before.
 */

import { equalBytes } from "../../core/bytes.ts";
import { actorOf } from "../../core/document/actor.ts";
import { splitChange } from "../../core/document/change-bytes.ts";
import { type DatabaseId, encodeHex, type PublicKey } from "../../core/ids.ts";
import { invalid } from "../../core/store/values.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";
import type { DocSnapshot } from "../../worker/api.ts";
import type { Automerge, RawChangeOptions, RawDoc } from "./automerge.ts";
import type { DocPatch } from "./patches.ts";

/** Heads before some changes of this page and behind them, and nobody else's in between. */
export interface OwnRange {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

export interface OwnChanges extends OwnRange {
  readonly changes: readonly Uint8Array[];
}

export class Copy {
  readonly nonce: Uint8Array;
  readonly author: PublicKey;
  /** As its changes name it. */
  readonly actor: Uint8Array;
  readonly #automerge: Automerge;
  #doc: RawDoc;
  /** Where it was changed last as if some of it had not come yet. */
  #branch: RawDoc | undefined;
  /** Up to here it is read out. */
  #read: readonly string[];

  /** Empty, or what the snapshot holds. Throws when that is not what it says. */
  constructor(
    automerge: Automerge,
    { nonce, database, author }: { nonce: Uint8Array; database: DatabaseId; author: PublicKey },
    snapshot: DocSnapshot | undefined,
  ) {
    this.#automerge = automerge;
    this.nonce = nonce;
    this.author = author;
    this.actor = actorOf(database, author, nonce, new Uint8Array(), plainSha256);
    const options = { actor: encodeHex(this.actor), freeze: true };
    this.#doc = snapshot === undefined ? automerge.init(options) : automerge.load(snapshot.bytes, options);
    this.#read = this.heads;
    if (snapshot !== undefined && !isSameHeads(this.#read, snapshot.heads)) {
      this.free();
      throw new Error("the snapshot has other heads than it should");
    }
  }

  get doc(): RawDoc {
    return this.#doc;
  }

  get heads(): readonly string[] {
    return this.#automerge.getHeads(this.#doc);
  }

  /** What was made here has to be read out before: else it would be taken for what came. */
  apply(changes: Uint8Array[]): readonly DocPatch[] {
    const patches = this.#put(changes);
    this.#read = this.heads;
    return patches;
  }

  /** Whether something was changed. As fast as Automerge is: nothing else is done here. */
  change(options: RawChangeOptions, callback: (draft: RawDoc) => void): boolean {
    const before = this.#doc;
    this.#doc = this.#automerge.change(before, options, callback);
    if (this.#doc === before) return false;
    this.#endBranch();
    return true;
  }

  /**
   * Changes it as it was at these heads, which it has had, and puts that into what it is now. Undefined when nothing is changed. Throws what the callback
   * throws, and INPUT_INVALID when some of what this copy changed itself is not among them: then nothing is changed.
   */
  changeAt(
    heads: readonly string[],
    options: RawChangeOptions,
    callback: (draft: RawDoc) => void,
  ): { readonly heads: readonly string[]; readonly patches: readonly DocPatch[] } | undefined {
    const automerge = this.#automerge;
    const branch = this.#branchAt(heads);
    this.#branch = automerge.change(branch, options, callback);
    const changes = automerge.getChangesSince(this.#branch, [...heads]);
    if (changes.length === 0) return undefined;
    return { heads: automerge.getHeads(this.#branch), patches: this.#put(changes) };
  }

  /** What the callback would change, as changes to `adopt` before any other is made. Throws what it throws. */
  rehearse(callback: (draft: RawDoc) => void): Uint8Array[] {
    const heads = [...this.heads];
    let stage = this.#automerge.clone(this.#doc, { actor: encodeHex(this.actor) });
    try {
      stage = this.#automerge.change(stage, { time: 0 }, callback);
      return this.#automerge.getChangesSince(stage, heads);
    } finally {
      this.#automerge.free(stage);
    }
  }

  /** What was rehearsed, as if it had been changed here. */
  adopt(changes: Uint8Array[]): readonly DocPatch[] {
    return this.#put(changes);
  }

  /** What was changed since the last call; undefined when nothing was. */
  read(): OwnChanges | undefined {
    const before = this.#read;
    const changes = this.#automerge.getChangesSince(this.#doc, [...before]);
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
    this.#endBranch();
    this.#automerge.free(this.#doc);
  }

  /** Whoever goes on where it was changed last has what is needed. */
  #branchAt(heads: readonly string[]): RawDoc {
    const automerge = this.#automerge;
    if (this.#branch !== undefined && isSameHeads(automerge.getHeads(this.#branch), heads)) return this.#branch;
    const after = automerge.getChangesSince(this.#doc, [...heads]);
    if (after.some((change) => this.isOwn(change)))
      throw invalid("heads", heads, "heads that have all that was changed here before in them");
    this.#endBranch();
    this.#branch = automerge.clone(automerge.view(this.#doc, [...heads]), { actor: encodeHex(this.actor) });
    return this.#branch;
  }

  #endBranch(): void {
    if (this.#branch !== undefined) this.#automerge.free(this.#branch);
    this.#branch = undefined;
  }

  #put(changes: Uint8Array[]): readonly DocPatch[] {
    let patches: readonly DocPatch[] = [];
    const patchCallback = (found: DocPatch[]): void => {
      patches = found;
    };
    [this.#doc] = this.#automerge.applyChanges(this.#doc, changes, { patchCallback });
    return patches;
  }
}

export function isSameHeads(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && [...a].sort().join() === [...b].sort().join();
}
