/**
 * What is done for a document when the page has nothing else to do: a snapshot, by which it opens faster the next time, and a word when it gets too large.
 *
 * [DOC-67] A snapshot is kept of what is durable alone: after the first `snapshotFirstChanges` changes without one, then after each `snapshotChanges`, or
 *          `snapshotChangesBytes` of them.
 * [DOC-68] Of a document of more than `docLargeOps` ops, or `docLargeBytes` saved, the app is told once, as the problem DOC_LARGE.
 */
import { TidemarkError } from "../../core/errors.ts";
import {
  docLargeBytes,
  docLargeOps,
  snapshotChanges,
  snapshotChangesBytes,
  snapshotFirstChanges,
} from "../../core/limits.ts";
import type { DocSnapshot } from "../../worker/api.ts";
import type { Automerge, RawDoc } from "./automerge.ts";

export interface UpkeepOptions {
  readonly automerge: Automerge;
  readonly store: string;
  /** Runs it when the page has time. */
  readonly whenIdle: (run: () => void) => void;
  /** Undefined while something in it is not durable, or it is closed. */
  readonly durable: () => RawDoc | undefined;
  readonly keep: (snapshot: DocSnapshot) => void;
  readonly report: (problem: TidemarkError) => void;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  #changes = 0;
  /** Of these. */
  #bytes = 0;
  #ops = 0;
  /** As it was when it was saved last. */
  #savedBytes = 0;
  #due = snapshotFirstChanges;
  #isPlanned = false;
  #isTold = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** It began with a snapshot of so many bytes, or without. */
  began(snapshotBytes?: number): void {
    this.#changes = 0;
    this.#bytes = 0;
    this.#due = snapshotBytes === undefined ? snapshotFirstChanges : snapshotChanges;
    this.#savedBytes = snapshotBytes ?? 0;
    this.#weigh();
  }

  /** These more are in it, and so many ops in all. */
  grew(changes: readonly Uint8Array[], ops: number): void {
    this.#changes += changes.length;
    for (const { length } of changes) this.#bytes += length;
    this.#ops = ops;
    this.#weigh();
    this.plan();
  }

  /** Also when what was not durable is, maybe. */
  plan(): void {
    if (this.#isPlanned || (this.#changes < this.#due && this.#bytes < snapshotChangesBytes)) return;
    this.#isPlanned = true;
    this.#options.whenIdle(() => {
      this.#isPlanned = false;
      const doc = this.#options.durable();
      if (doc !== undefined) this.#save(doc);
    });
  }

  #save(doc: RawDoc): void {
    const { automerge, keep } = this.#options;
    const bytes = automerge.save(doc);
    this.began(bytes.length);
    keep({ heads: automerge.getHeads(doc), bytes });
  }

  #weigh(): void {
    const [ops, bytes] = [this.#ops, this.#savedBytes];
    if (this.#isTold || (ops <= docLargeOps && bytes <= docLargeBytes)) return;
    this.#isTold = true;
    this.#options.report(new TidemarkError("DOC_LARGE", { store: this.#options.store, ops, bytes }));
  }
}
