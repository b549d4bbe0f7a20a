/**
 * The state of a database at earlier tips: folded on demand from what these stand on.
 *
 * [HISTORY-7] It is the state of a replica that holds exactly these entries and what they stand on, byte for byte; at the present tips it is the present state.
 * [HISTORY-8] What cannot be opened yet and what the disk has lost is left out, and counted.
 * [HISTORY-9] Checkpoints that hold nothing else are the beginning, so that a state of late costs the entries after them. At most 500 entries or 1 MiB of
 *             them are in memory at a time.
 */
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { eachFollowed } from "../core/node.ts";
import { Past } from "../core/past.ts";
import type { DatabaseState } from "../core/store/state.ts";
import type { CheckpointPart } from "../ports/storage.ts";
import type { OpenDatabase } from "./database.ts";
import { durableNode } from "./entry-history.ts";
import { agreeingParts, type FoldTarget, mergeEntry, restoreParts } from "./folding.ts";
import type { EnginePorts } from "./ports.ts";
import { readSound } from "./sound-reading.ts";

export interface FoldingProgress {
  /** Entries that are in the state, or cannot be. */
  readonly entries: number;
  /** How many count there. */
  readonly total: number;
}

export interface PastStateOptions {
  readonly ports: Pick<EnginePorts, "storage">;
  /** Of one that is open here, and is another object when it was loaded anew. Fails with DATABASE_UNKNOWN. */
  readonly database: () => OpenDatabase;
  readonly tips: readonly EntryId[];
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: FoldingProgress) => void;
}

export interface PastState {
  readonly database: DatabaseId;
  readonly state: DatabaseState;
  /** Of those that were given, the ones that no other stands on, by id. */
  readonly tips: readonly EntryId[];
  /** How many entries count there. */
  readonly entries: number;
  /** Of these, how many want a key that is not here. */
  readonly sealed: number;
  /** Of these, how many the disk has lost. */
  readonly damaged: number;
}

const entriesAtOnce = 500;
const bytesAtOnce: number = 1 << 20;

/** Rejects with ENTRY_UNKNOWN, DATABASE_UNKNOWN, ABORTED, or a STORAGE_ code. */
export async function foldPast(options: PastStateOptions): Promise<PastState> {
  const database = options.database();
  try {
    return await new PastFolding(database, options).fold();
  } catch (error) {
    if (options.signal.aborted) throw aborted();
    // It is loaded anew: what failed may have been the old one.
    if (options.database() !== database) return await foldPast(options);
    throw error;
  }
}

class PastFolding {
  readonly #database: OpenDatabase;
  readonly #options: PastStateOptions;
  readonly #past: Past;
  #entries = 0;
  #damaged = 0;

  constructor(database: OpenDatabase, options: PastStateOptions) {
    const { replica } = database;
    this.#database = database;
    this.#options = options;
    const nodes = options.tips.map((id) => durableNode(database, id));
    this.#past = new Past(replica.graph, replica.authority, nodes);
  }

  async fold(): Promise<PastState> {
    const past = this.#past;
    const { parts, ...target } = restoreParts(await this.#parts(), this.#database.replica.context);
    const from = parts.at(-1)?.through ?? 0;
    for (let position = 0; position < from; position++) this.#entries += Number(past.counts(position));
    this.#tell();
    for (let next = from; next < past.end; ) {
      const lot = this.#lot(next);
      await this.#merge(target, lot.nodes);
      next = lot.end;
      this.#tell();
    }
    return {
      database: this.#database.id,
      state: target.state,
      tips: past.tips.map(({ id }) => id),
      entries: past.counting,
      sealed: target.unopened.count,
      damaged: this.#damaged,
    };
  }

  /** Those that hold nothing but what counts there, and all of it up to where they end. */
  async #parts(): Promise<readonly CheckpointPart[]> {
    const past = this.#past;
    let whole = 0;
    while (whole < past.end && past.has(whole)) whole += 1;
    const { storage } = this.#options.ports;
    const kept = (await storage.checkpoints(this.#database.id)).filter(({ through }) => through <= whole);
    if (kept.length === 0) return [];
    const parts = agreeingParts(await this.#database.encryption.openParts(kept), {
      size: whole,
      voidCount: past.size - past.counting,
      at: (position) => this.#nodeAt(position),
      counts: ({ position }) => past.counts(position),
    });
    // What could not be opened for a part may be opened by now.
    let usable = parts.length;
    while (usable > 0 && (parts[usable - 1]?.sealed ?? []).length > 0) usable -= 1;
    return parts.slice(0, usable);
  }

  /** What counts from a position on, as much as is in memory at a time; and where to go on. */
  #lot(from: number): { readonly nodes: readonly Node[]; readonly end: number } {
    const nodes: Node[] = [];
    let end = from;
    for (let size = 0; end < this.#past.end && nodes.length < entriesAtOnce && size < bytesAtOnce; end++) {
      if (!this.#past.counts(end)) continue;
      const node = this.#nodeAt(end);
      nodes.push(node);
      size += node.size;
    }
    return { nodes, end };
  }

  async #merge(target: FoldTarget, nodes: readonly Node[]): Promise<void> {
    const { read, ids } = await readSound(this.#database, nodes);
    const opened = await this.#database.encryption.open(read);
    if (this.#options.signal.aborted) throw aborted();
    const positions = new Map(nodes.map(({ id, position }) => [id, position]));
    for (const entry of read) mergeEntry(target, { entry, position: positions.get(entry.id) ?? 0 }, opened);
    this.#entries += nodes.length;
    this.#damaged += ids.length;
  }

  #tell(): void {
    this.#options.onProgress?.({ entries: this.#entries, total: this.#past.counting });
  }

  #nodeAt(position: number): Node {
    return this.#database.replica.graph.at(position);
  }
}

function aborted(): TidemarkError {
  return new TidemarkError("ABORTED", { call: "at" });
}

/** What `foldPast` makes the present state of: the tips of what is durable and counts. */
export function presentTips({ replica: { graph, authority, stored } }: OpenDatabase): readonly EntryId[] {
  const tips = graph.tips();
  if (tips.every(({ position }) => position < stored)) return tips.map(({ id }) => id);
  const durable = new Set<Node>();
  const waiting = new Set(tips);
  for (const node of waiting) {
    if (node.position < stored) durable.add(node);
    else eachFollowed(node, (each) => waiting.add(each));
  }
  return new Past(graph, authority, [...durable]).tips.map(({ id }) => id);
}
