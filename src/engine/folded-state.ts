/**
 * Keeps the folded state of one open database true to what counts and to the keys at hand, and says when a part of it becomes a checkpoint.
 *
 * [ENGINE-24] While it is made anew, and where entries may be gone from the disk, no checkpoint is taken of it.
 *
 * Deliberately not here: merging what was just accepted, which the replica does.
 */
import type { DatabaseId } from "../core/ids.ts";
import type { Replica } from "../core/replica.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { DatabaseListener, Recount } from "./database-listener.ts";
import type { DatabaseLog } from "./database-log.ts";
import type { Encryption } from "./encryption.ts";
import { voidBetween } from "./folding.ts";
import type { Journal } from "./journal.ts";
import { LateFolding } from "./late-folding.ts";
import type { EnginePorts } from "./ports.ts";
import { type Refolded, Refolding } from "./refolding.ts";

export interface FoldedStateOptions {
  readonly ports: Pick<EnginePorts, "storage" | "sha256">;
  readonly database: DatabaseId;
  readonly replica: Replica;
  readonly encryption: Encryption;
  readonly journal: Journal;
  readonly log: DatabaseLog;
  readonly listener: Pick<DatabaseListener, "changed" | "refused" | "recounted" | "refolded" | "notTended">;
  /** Undefined: entries may be gone from the disk, so the state is not whole, and will not be. */
  readonly checkpoints: Checkpoints | undefined;
  /** With a STORAGE_ code. */
  readonly failed: (error: unknown) => void;
}

export class FoldedState {
  readonly #options: FoldedStateOptions;
  readonly #refolding: Refolding;
  readonly #lateFolding: LateFolding;
  /** Undefined while the state is not whole, or not that of what counts. */
  #checkpoints: Checkpoints | undefined;
  #isFilling = false;

  constructor(options: FoldedStateOptions) {
    const { ports, database, replica, encryption, journal, log, listener, checkpoints, failed } = options;
    this.#options = options;
    this.#checkpoints = checkpoints;
    this.#refolding = new Refolding({
      ...{ storage: ports.storage, sha256: ports.sha256, encryption, failed },
      database,
      graph: replica.graph,
      stored: () => replica.stored,
      checkpointed: () => journal.checkpointed(),
      recall: (position) => log.recall(position),
      mayLack: checkpoints === undefined,
      done: (refolded) => this.#adopt(refolded),
    });
    this.#lateFolding = new LateFolding({
      ...{ replica, encryption },
      read: (from, to) => log.readCounting(from, to),
      changed: (changes) => listener.changed(changes),
      refused: (refusals) => listener.refused(refusals),
      failed: (error) => listener.notTended(error),
    });
  }

  /** A peer has announced more entries than have come: checkpoints are rarer meanwhile. */
  fill(isFilling: boolean): void {
    this.#isFilling = isFilling;
  }

  /** For the journal: a part that is due, when everything below `through` is stored. */
  checkpoint(through: number): ReturnType<Checkpoints["take"]> {
    const { replica, encryption } = this.#options;
    return this.#checkpoints?.take(
      replica.state,
      through,
      this.#isFilling,
      (from, to) => voidBetween(replica.graph, from, to),
      () => encryption.unopened.ranges(),
    );
  }

  recount(recount: Recount): void {
    const { listener, journal } = this.#options;
    const before = listener.recounted(recount);
    if (before !== undefined) journal.storeAfter(before);
    // What the state lacks or has too much must not become part of a checkpoint.
    this.#checkpoints = undefined;
    this.#refolding.begin();
  }

  /** A key may have come. Resolves when everything is folded that the keys at hand open. */
  async open(): Promise<void> {
    await this.#lateFolding.wake();
  }

  /** Nothing more is begun or told. Resolves when storage is let go of. */
  async stop(): Promise<void> {
    await Promise.all([this.#refolding.stop(), this.#lateFolding.stop()]);
  }

  /** The state that was made anew takes the place of the old one. */
  #adopt({ state, unopened, checkpoints, entries }: Refolded): void {
    const { replica, encryption, journal, listener } = this.#options;
    replica.adoptState(state);
    encryption.unopened = unopened;
    if (this.#options.checkpoints !== undefined) this.#checkpoints = checkpoints;
    journal.writeCheckpoint();
    listener.refolded(entries);
    // A key may have come while entries were read that want it.
    void this.#lateFolding.wake();
  }
}
