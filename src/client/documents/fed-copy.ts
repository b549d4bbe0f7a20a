/**
 * A copy of a document with what whoever leads says of it: the one that is shown, or one that is on its way to take its place.
 *
 * [DOC-62] What comes is applied in turns of their own, in the order in which it came.
 * Not here: what is changed on the page, and when a copy has to be made anew (replica.ts).
 */
import { TidemarkError } from "../../core/errors.ts";
import type { DatabaseId } from "../../core/ids.ts";
import type { DocChanges, DocOpened, DocOptions } from "../../worker/api.ts";
import type { Line } from "../line.ts";
import type { Automerge } from "./automerge.ts";
import { Copy } from "./copy.ts";
import { Feed, type Feeds } from "./feed.ts";
import { Incoming } from "./incoming.ts";

/** What copies need of their page. */
export interface FedPage {
  readonly automerge: Automerge;
  readonly line: Line;
  readonly feeds: Feeds;
  /** Runs it in a turn of its own, soon. */
  readonly schedule: (run: () => void) => void;
  /** Runs it after so many milliseconds, or sooner. */
  readonly after: (ms: number, run: () => void) => void;
  /** In milliseconds. */
  readonly now: () => number;
}

export interface FedCopyOptions {
  readonly page: FedPage;
  readonly database: DatabaseId;
  readonly store: string;
  /** Under which it is changed. */
  readonly nonce: Uint8Array;
  readonly useSnapshot: boolean;
  /** How long a turn may take in which what comes is applied; Infinity: all that is there goes into one. */
  readonly turnMs: number;
  readonly owner: FedCopyOwner;
}

/** Who made it. After each call that says that it is of no use, it has to be closed. */
export interface FedCopyOwner {
  /** The hash of the last change that was made in it and is durable; undefined: none, or it is not shown. */
  lastDurable(): string | undefined;
  isShown(): boolean;
  /** A leader answered: there is a copy, of a snapshot of so many bytes, or empty. */
  began(snapshotBytes: number | undefined): void;
  /** To be put into the copy. Throws what Automerge throws. */
  apply(copy: Copy, changes: Uint8Array[]): void;
  /** What came until now is applied. `isWhole`: it is all that the leader has. */
  applied(isWhole: boolean): void;
  /** One change that Automerge does not take is left out. */
  leftOut(error: TidemarkError): void;
  /** The document is another than the one that it is of. */
  outdated(): void;
  snapshotFailed(): void;
  /** Automerge failed: nobody knows what is in the copy. */
  broke(error: unknown): void;
  /** It cannot be opened. */
  failed(error: unknown): void;
}

export class FedCopy {
  readonly #options: FedCopyOptions;
  readonly #incoming: Incoming;
  readonly #feed: Feed;
  #copy: Copy | undefined;
  /** What is asked for is what comes after these. */
  #heads: readonly string[] = [];
  /** Nothing has been put into it. */
  #isEmpty = true;
  #isClosed = false;

  /** Asks nobody until `open`. */
  constructor(options: FedCopyOptions) {
    this.#options = options;
    const { page, database, store, turnMs, owner } = options;
    const { schedule, now } = page;
    this.#incoming = new Incoming({
      ...{ schedule, now, turnMs, apply: (changes) => this.#apply(changes) },
      // Who opens a document has nothing else to do.
      after: (ms, run) => (owner.isShown() ? page.after(ms, run) : schedule(run)),
    });
    this.#feed = new Feed(page.line, page.feeds, database, store, {
      asked: () => this.#asked(),
      opened: (answer) => this.#opened(answer),
      take: (changes) => this.#take(changes),
      failed: (error) => owner.failed(error),
    });
  }

  /** Undefined until a leader answered. */
  get copy(): Copy | undefined {
    return this.#copy;
  }

  open(): void {
    this.#feed.open();
  }

  /** Nothing comes any more. The copy stays as it is. */
  close(): void {
    this.#isClosed = true;
    this.#feed.close();
    this.#incoming.close();
  }

  #asked(): DocOptions {
    const { nonce, useSnapshot, owner } = this.#options;
    // What was written here is not told again, and what is void by now has to be noticed all the same.
    const own = owner.lastDurable();
    const heads = own === undefined ? this.#heads : [...this.#heads, own];
    return { heads, nonce, snapshot: useSnapshot && this.#copy === undefined };
  }

  #opened({ author, snapshot }: DocOpened): void {
    const { page, database, nonce, owner } = this.#options;
    if (this.#copy !== undefined) {
      // The database is written with another key now, so nothing would be taken that is written under the old one's actor.
      if (this.#copy.author !== author) owner.outdated();
      return;
    }
    try {
      const failed = (error: unknown): void => owner.broke(error);
      this.#copy = new Copy({ automerge: page.automerge, failed, nonce, database, author }, snapshot);
    } catch (error) {
      // It is a cache: what it was made of is there.
      return snapshot === undefined ? owner.failed(error) : owner.snapshotFailed();
    }
    this.#heads = snapshot?.heads ?? [];
    this.#isEmpty = snapshot === undefined;
    owner.began(snapshot?.bytes.length);
  }

  #take({ isAnew, bytes, ends, left, heads }: DocChanges): void {
    const { owner } = this.#options;
    if (isAnew && (!this.#isEmpty || owner.isShown())) return owner.outdated();
    this.#isEmpty &&= ends.length === 0;
    const changes = [...ends].map((end, at) => bytes.subarray(at === 0 ? 0 : ends[at - 1], end));
    this.#incoming.push(changes, () => {
      this.#heads = heads;
      owner.applied(left === 0);
    });
  }

  #apply(changes: Uint8Array[]): void {
    const { owner } = this.#options;
    if (this.#copy === undefined) throw new Error("Tidemark bug: changes came before the answer");
    try {
      owner.apply(this.#copy, changes);
    } catch (error) {
      // After anything else nobody knows what is in it.
      if (!(error instanceof RangeError)) return owner.broke(error);
      this.#applyRest(changes, error);
    }
  }

  /** A batch is refused as a whole, and nothing of it is in the document: what is to blame for it is left out. */
  #applyRest(changes: Uint8Array[], error: unknown): void {
    if (changes.length === 1) {
      const details = { got: String(error), expected: "a change that Automerge takes" };
      return this.#options.owner.leftOut(new TidemarkError("DOC_CHANGE", details, { cause: error }));
    }
    const half = changes.length >> 1;
    for (const part of [changes.slice(0, half), changes.slice(half)]) if (!this.#isClosed) this.#apply(part);
  }
}
