/**
 * Makes the folded state of an open database anew, because entries became void or count again.
 *
 * [ENGINE-24] After a recount the state is made anew from storage, beginning with the newest checkpoint that agrees, while commits and batches
 *             go on; then it takes the place of the old one in one step. A recount meanwhile begins it again.
 * [ENGINE-25] Whatever a crash leaves behind is opened as what counts: nothing of the old state is trusted.
 *
 * Merging cannot be undone, so what a void entry wrote can only be left out of a state that is made without it.
 */
import type { Entry } from "../core/entry.ts";
import { assert, type Result } from "../core/errors.ts";
import type { EntryId } from "../core/ids.ts";
import type { DecodedPart } from "../core/store/kinds.ts";
import { sealedType } from "../core/store/sealed.ts";
import type { DatabaseState } from "../core/store/state.ts";
import { Checkpoints } from "./checkpoints.ts";
import {
  agreeingParts,
  chunkEnd,
  type FoldedLog,
  foldRange,
  mergeEntry,
  type PlacedEntry,
  restoreParts,
} from "./folding.ts";
import type { Unopened } from "./unopened.ts";

export interface Refolded {
  readonly state: DatabaseState;
  /** What it lacks, because the keys are not here. */
  readonly unopened: Unopened;
  readonly checkpoints: Checkpoints;
  /** How many entries were merged for it, beside what the checkpoints hold. */
  readonly entries: number;
}

export interface RefoldingOptions extends FoldedLog {
  /** Entries at positions below can be read from storage. */
  readonly stored: () => number;
  /** Resolves when no checkpoint is on its way to storage. */
  readonly checkpointed: () => Promise<void>;
  /** An accepted entry, when it is in memory: all that are not stored yet are. */
  readonly recall: (position: number) => Entry | undefined;
  /** Entries may be gone from the disk: the state lacks them now, and will. */
  readonly mayLack: boolean;
  /** Everything that counts is in this state, in this very turn. */
  readonly done: (refolded: Refolded) => void;
  /** With a STORAGE_ code. */
  readonly failed: (error: unknown) => void;
}

export class Refolding {
  readonly #options: RefoldingOptions;
  /** Goes up with every recount: what was begun before is of no use. */
  #round = 0;
  #running: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: RefoldingOptions) {
    this.#options = options;
  }

  /** What counts has changed. */
  begin(): void {
    this.#round += 1;
    if (!this.#isStopped) this.#running ??= this.#run();
  }

  /** Nothing more is begun or told. Resolves when storage is let go of. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    try {
      // A part that is still being written takes away others, which must not be built upon.
      await this.#options.checkpointed();
      for (let round: number | undefined; round !== this.#round && !this.#isStopped; ) {
        round = this.#round;
        await this.#fold(round);
      }
    } catch (error) {
      if (!this.#isStopped) this.#options.failed(error);
    }
    this.#running = undefined;
  }

  /** Comes to nothing when there is a recount meanwhile. */
  async #fold(round: number): Promise<void> {
    const { storage, database, graph, stored, mayLack, done, encryption } = this.#options;
    const isOver = (): boolean => round !== this.#round || this.#isStopped;
    const kept = await storage.checkpoints(database);
    const { parts, ...target } = restoreParts(agreeingParts(await encryption.openParts(kept), graph), this.#options);
    if (isOver()) return;
    let entries = 0;
    let next = parts.at(-1)?.through ?? 0;
    const opened = new Map<EntryId, Result<readonly DecodedPart[]>>();
    const tried = new Set<EntryId>();
    for (;;) {
      const tail = this.#recallFrom(next);
      if (tail === undefined) {
        const end = chunkEnd(graph, next, stored());
        assert(end > next, "what is not stored is in memory");
        entries += (await foldRange(this.#options, target, next, end, mayLack)).entries;
        next = end;
      } else {
        const closed = tail.flatMap(({ entry }) => (isClosed(entry) && !tried.has(entry.id) ? [entry] : []));
        if (closed.length === 0) {
          for (const entry of tail) mergeEntry(target, entry, opened);
          // Parts that do not agree stay until the next one takes their place: after a recount back they are right again.
          const checkpoints = new Checkpoints(parts, target.state, kept.at(-1)?.number);
          return done({ ...target, checkpoints, entries: entries + tail.length });
        }
        // Opening takes time, in which more may come: what is merged in one turn has to be open before it.
        for (const [id, found] of await encryption.open(closed)) opened.set(id, found);
        for (const { id } of closed) tried.add(id);
      }
      if (isOver()) return;
    }
  }

  /** What counts from a position on, when all of it is in memory. */
  #recallFrom(from: number): readonly PlacedEntry[] | undefined {
    const { graph, recall } = this.#options;
    const entries: PlacedEntry[] = [];
    for (let position = from; position < graph.size; position++) {
      if (!graph.counts(graph.at(position))) continue;
      const entry = recall(position);
      if (entry === undefined) return undefined;
      entries.push({ position, entry });
    }
    return entries;
  }
}

function isClosed({ stores }: Entry): boolean {
  return stores.some(({ type }) => type === sealedType);
}
