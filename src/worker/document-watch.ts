/**
 * One document as a page has it: what it lacks, and when it has to begin anew.
 *
 * [DOC-30] Whoever opens a document is sent everything after what it has, each change after those that it depends on, in events of at most 2,000
 *          changes and 1 MiB; then what comes.
 * [DOC-31] What was written under the page's nonce is not sent to it, however it got here, until its replica is thrown away.
 * [DOC-32] A page that has something which does not count any more is sent everything anew; one of which all counts, what it lacks.
 */
import { concatBytes } from "../core/bytes.ts";
import { type ChangeHash, splitChange } from "../core/document/change-bytes.ts";
import type { DocChange, DocState } from "../core/document/doc-state.ts";
import type { DatabaseId } from "../core/ids.ts";
import { docEventBytesMax, docEventChangesMax } from "../core/limits.ts";
import type { DocChanges } from "./api.ts";

/** What is asked of a document. */
export type DocView = Pick<DocState, "heads" | "since" | "bytesOf" | "actorOf">;

export interface Watched {
  readonly number: number;
  readonly database: DatabaseId;
  readonly store: string;
  /** Under which the page writes, in hex. */
  readonly actor: string;
}

export class DocumentWatch {
  readonly watched: Watched;
  /** The page has these and their past. Some may be in the past of others. */
  #heads: Set<ChangeHash> = new Set();
  /** What it lacks. */
  readonly #queue = new Set<ChangeHash>();
  #isDue = false;
  #isAnew = false;
  /** Whether the page may lack what it wrote itself. */
  #isEchoed = false;

  constructor(watched: Watched, state: DocView | undefined, heads: readonly ChangeHash[]) {
    this.watched = watched;
    this.#begin(state, heads);
    this.#isDue = true;
  }

  /** Whether there is something to send. */
  get isDue(): boolean {
    return this.#isDue;
  }

  note(state: DocView, { isAnew, added }: DocChange): void {
    if (isAnew) this.#beginAnew(state);
    else this.#add(state, added);
    this.#isDue ||= isAnew || added.length > 0;
  }

  /** There is another state in the place of the one before. */
  refresh(state: DocView | undefined): void {
    const wasDue = this.#isDue;
    this.#begin(state, [...this.#heads]);
    this.#isDue = wasDue || this.#isAnew || this.#queue.size > 0;
  }

  /** The page has a change of its own that does not count: it was told that it is durable, and has it since before it asked. */
  hasVoid(state: DocView | undefined): void {
    // One that is sent everything anew throws its replica away.
    if (this.#isEchoed) return;
    this.#beginAnew(state);
    this.#isDue = true;
  }

  /** The next event. */
  take(state: DocView | undefined): DocChanges {
    const { bytes, ends } = this.#takePiece(state);
    const left = this.#queue.size;
    if (left === 0) this.#heads = new Set(state?.heads());
    const event: DocChanges = {
      ...{ type: "changes", watch: this.watched.number, isAnew: this.#isAnew },
      ...{ bytes, ends, left, heads: [...this.#heads] },
    };
    this.#isAnew = false;
    this.#isDue = left > 0;
    return event;
  }

  #begin(state: DocView | undefined, heads: readonly ChangeHash[]): void {
    const since = state === undefined ? (heads.length === 0 ? [] : undefined) : state.since(heads);
    if (since === undefined) return this.#beginAnew(state);
    this.#heads = new Set(heads);
    this.#queue.clear();
    if (state !== undefined) this.#add(state, since);
  }

  #beginAnew(state: DocView | undefined): void {
    this.#isAnew = true;
    this.#isEchoed = true;
    this.#begin(state, []);
  }

  #add(state: DocView, hashes: readonly ChangeHash[]): void {
    const { actor } = this.watched;
    for (const hash of hashes) {
      if (!this.#isEchoed && state.actorOf(hash) === actor) this.#heads.add(hash);
      else this.#queue.add(hash);
    }
  }

  #takePiece(state: DocView | undefined): Pick<DocChanges, "bytes" | "ends"> {
    const changes = new Map<ChangeHash, Uint8Array>();
    const ends: number[] = [];
    let size = 0;
    for (const hash of this.#queue) {
      const [change = new Uint8Array()] = state?.bytesOf([hash]) ?? [];
      if (ends.length > 0 && (size + change.length > docEventBytesMax || ends.length === docEventChangesMax)) break;
      this.#queue.delete(hash);
      size += change.length;
      changes.set(hash, change);
      ends.push(size);
    }
    if (this.#queue.size > 0) this.#raiseHeads(changes);
    return { bytes: concatBytes(...changes.values()), ends: Uint32Array.from(ends) };
  }

  /** While more is to come, the page has what it was sent so far, and not what the document has. */
  #raiseHeads(changes: ReadonlyMap<ChangeHash, Uint8Array>): void {
    for (const [hash, change] of changes) {
      for (const dep of splitChange(change).deps) this.#heads.delete(dep);
      this.#heads.add(hash);
    }
  }
}
