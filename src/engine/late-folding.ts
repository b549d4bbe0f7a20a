/**
 * Folds entries whose key came after they were accepted.
 *
 * [ENCRYPTION-7] When a key comes, the entries that waited for it are folded: the state is then what it would be had the key been there
 *   from the start.
 *
 * Merging in any order gives the same, so nothing is folded anew: the log is read from the first entry that waits for the key.
 */
import type { Entry } from "../core/entry.ts";
import type { Refusal, Replica } from "../core/replica.ts";
import { type EpochKeyId, sealedIn } from "../core/store/sealed.ts";
import type { StoreChange } from "../core/store/state.ts";
import type { Encryption } from "./encryption.ts";
import { chunkEnd } from "./folding.ts";

export interface LateFoldingOptions {
  readonly replica: Replica;
  readonly encryption: Encryption;
  /** Durable entries at positions `from` ≤ position < `to`, undefined where one is void. */
  readonly read: (from: number, to: number) => Promise<readonly (Entry | undefined)[]>;
  readonly changed: (changes: readonly StoreChange[]) => void;
  /** Of those that do not open with their key. */
  readonly refused: (refusals: readonly Refusal[]) => void;
  /** Reading failed: it is tried again at the next occasion. */
  readonly failed: (error: unknown) => void;
}

export class LateFolding {
  readonly #options: LateFoldingOptions;
  #running: Promise<void> | undefined;
  /** There may be more since it was looked last. */
  #isAwake = false;
  #isStopped = false;

  constructor(options: LateFoldingOptions) {
    this.#options = options;
  }

  /** Settings may have brought a key, or entries that wait for one may be durable. Resolves when all is folded that can be. Never rejects. */
  wake(): Promise<void> {
    if (this.#isStopped || !this.#options.encryption.isOn) return this.#running ?? Promise.resolve();
    this.#isAwake = true;
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Nothing more is begun or told. Resolves when storage is let go of. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#isAwake && !this.#isStopped) {
        this.#isAwake = false;
        await this.#foldDue();
      }
    } catch (error) {
      if (!this.#isStopped) this.#options.failed(error);
    }
    this.#running = undefined;
  }

  async #foldDue(): Promise<void> {
    const { encryption, replica } = this.#options;
    await encryption.keys.learn();
    const { unopened } = encryption;
    const through = replica.stored;
    const { keys, from } = unopened.due((key) => encryption.keys.has(key), through);
    if (keys.size === 0) return;
    const found = new Map<EpochKeyId, number>();
    for (let next = from; next < through && !this.#isStopped; ) {
      const end = chunkEnd(replica.graph, next, through);
      await this.#foldChunk(next, end, keys, found);
      next = end;
    }
    // Another state may have been made meanwhile, of what it lacks it knows itself.
    if (!this.#isStopped) for (const key of keys) unopened.settle(key, through, found.get(key) ?? 0);
  }

  async #foldChunk(
    from: number,
    to: number,
    keys: ReadonlySet<EpochKeyId>,
    found: Map<EpochKeyId, number>,
  ): Promise<void> {
    const { encryption, replica, read, changed, refused } = this.#options;
    const entries: Entry[] = [];
    for (const entry of await read(from, to)) {
      const keyId = entry && sealedIn(entry)?.keyId;
      if (entry === undefined || keyId === undefined || !keys.has(keyId)) continue;
      found.set(keyId, (found.get(keyId) ?? 0) + 1);
      entries.push(entry);
    }
    const opened = await encryption.open(entries);
    if (this.#isStopped) return;
    const { changes, refusals } = replica.foldOpened(opened);
    if (changes.length > 0) changed(changes);
    if (refusals.length > 0) refused(refusals);
  }
}
