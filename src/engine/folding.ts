/**
 * The folded state of a log: the newest checkpoint parts that agree with what counts, and the counting entries after them.
 *
 * [ENGINE-23] A part is used only if it and every part before it left out exactly the entries that are void now. Void entries change nothing.
 *
 * At most 1,000 entries or 8 MiB of them are in memory at a time, however long the log is.
 */
import type { Entry, StorePart } from "../core/entry.ts";
import { type Result, TidemarkError, toError } from "../core/errors.ts";
import type { Graph } from "../core/graph.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { contentOf, type OpenedParts } from "../core/opened.ts";
import type { StateContext } from "../core/store/kind.ts";
import { type DecodedPart, decodePart } from "../core/store/kinds.ts";
import { DatabaseState } from "../core/store/state.ts";
import type { CheckpointPart } from "../ports/storage.ts";
import type { Encryption } from "./encryption.ts";
import { isCorrupt } from "./log-scan.ts";
import type { EnginePorts } from "./ports.ts";
import { decodeStored } from "./reading.ts";
import { Unopened } from "./unopened.ts";

const entriesAtOnce = 1_000;
const bytesAtOnce: number = 8 * 1024 * 1024;

export type FoldedGraph = Pick<Graph, "size" | "at" | "counts" | "voidCount">;

export interface FoldedLog extends Pick<EnginePorts, "storage" | "sha256"> {
  readonly database: DatabaseId;
  readonly graph: FoldedGraph;
  readonly encryption: Pick<Encryption, "open" | "openParts">;
}

/** What entries are merged into, and which of them could not be. */
export interface FoldTarget {
  readonly state: DatabaseState;
  readonly unopened: Unopened;
}

/** Positions `from` ≤ position < `to` of entries that are void, ascending. */
export function voidBetween(graph: FoldedGraph, from: number, to: number): readonly number[] {
  const positions: number[] = [];
  if (graph.voidCount === 0) return positions;
  for (let position = from; position < to; position++) if (!graph.counts(graph.at(position))) positions.push(position);
  return positions;
}

/** As many of a database's parts, from the first on, as left out what is void now. */
export function agreeingParts(parts: readonly CheckpointPart[], graph: FoldedGraph): readonly CheckpointPart[] {
  let from = 0;
  const agrees = ({ through, void: left }: CheckpointPart): boolean => {
    const isSame = through <= graph.size && equal(left, voidBetween(graph, from, through));
    from = through;
    return isSame;
  };
  const first = parts.findIndex((part) => !agrees(part));
  return first < 0 ? parts : parts.slice(0, first);
}

/**
 * The state that the parts hold. None is used when one is damaged, or was written by a version that knew fewer kinds of store: it spoils the
 * rest, and the entries are the truth.
 */
export function restoreParts(
  parts: readonly CheckpointPart[],
  context: StateContext,
): FoldTarget & { readonly parts: readonly CheckpointPart[] } {
  const state = new DatabaseState(context);
  const isWhole = parts.every((part) => state.restore(part).ok);
  if (!isWhole) return { parts: [], state: new DatabaseState(context), unopened: new Unopened() };
  return { parts, state, unopened: new Unopened(parts.at(-1)?.sealed) };
}

/** The end of what may be folded in one go. */
export function chunkEnd(graph: FoldedGraph, from: number, to: number): number {
  let end = from;
  for (let size = 0; end < to && end - from < entriesAtOnce && size < bytesAtOnce; end++) size += graph.at(end).size;
  return end;
}

/** What folding a stretch of the log came to. */
export interface Folded {
  /** How many entries were merged. */
  readonly entries: number;
  /** Positions whose bytes are gone, if it may lack any. */
  readonly unread: readonly number[];
}

/** Merges what counts at positions `from` ≤ position < `to`, which storage has. Rejects with a STORAGE_ code. */
export async function foldRange(
  log: FoldedLog,
  target: FoldTarget,
  from: number,
  to: number,
  mayLack: boolean,
): Promise<Folded> {
  const unread: number[] = [];
  let entries = 0;
  for (let next = from; next < to; ) {
    // One by one where some may be gone: merging in any order gives the same.
    const end = mayLack ? next + 1 : chunkEnd(log.graph, next, to);
    try {
      entries += await foldChunk(log, target, next, end);
    } catch (error) {
      if (!mayLack || !isCorrupt(error)) throw error;
      unread.push(next);
    }
    next = end;
  }
  return { entries, unread };
}

async function foldChunk(log: FoldedLog, target: FoldTarget, from: number, to: number): Promise<number> {
  const { storage, database, graph, encryption } = log;
  if (voidBetween(graph, from, to).length === to - from) return 0;
  const entries: PlacedEntry[] = [];
  for (const [i, bytes] of (await storage.read(database, from, to)).entries()) {
    const node = graph.at(from + i);
    if (graph.counts(node)) entries.push({ position: node.position, entry: decodeStored(log, bytes, node) });
  }
  const opened = await encryption.open(entries.map(({ entry }) => entry));
  for (const entry of entries) mergeEntry(target, entry, opened);
  return entries.length;
}

export interface PlacedEntry {
  readonly position: number;
  readonly entry: Entry;
}

/** Notes an entry that is not among the opened ones, and leaves out what is no content. Fails with STORAGE_CORRUPT. */
export function mergeEntry(
  { state, unopened }: FoldTarget,
  { entry, position }: PlacedEntry,
  opened: OpenedParts,
): void {
  const content = contentOf(entry.id, decodeParts(entry.stores, entry.id), opened);
  if (content.type === "sealed") unopened.note(content.keyId, position);
  else if (content.type === "parts") state.merge(content.parts, entry);
}

/** Of an entry that was accepted. Fails with STORAGE_CORRUPT. */
export function decodeParts(stores: readonly StorePart[], id: EntryId): readonly DecodedPart[] {
  return stores.map((part) => unwrapStored(decodePart(part), `entry ${id}`));
}

export function unwrapStored<T>(result: Result<T>, where: string): T {
  if (result.ok) return result.value;
  throw new TidemarkError(
    "STORAGE_CORRUPT",
    { where: `${where}: ${result.failure.code}` },
    { cause: toError(result.failure) },
  );
}

function equal(some: readonly number[], others: readonly number[]): boolean {
  return some.length === others.length && some.every((each, i) => each === others[i]);
}
