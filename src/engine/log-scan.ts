/**
 * Goes through the entries that are stored, and finds those whose bytes are not what they were.
 *
 * One damaged byte makes storage refuse a whole run of entries. Each entry's id is the hash of its bytes, so those that are sound are
 * known, and put back at once: what is left is the damage itself.
 */
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, type EntryId, entryIdFromDigest, type Sha256 } from "../core/ids.ts";
import type { ReplacedEntry, Storage } from "../ports/storage.ts";

/** What is in memory at a time: as many entries, or as soon as it is so many bytes. */
const entriesAtOnce = 1_000;
const bytesAtOnce: number = 1 << 20;

export interface StoredLog {
  readonly database: DatabaseId;
  readonly storage: Pick<Storage, "read" | "salvage" | "replace">;
  readonly sha256: Sha256;
  /** What should be at this position, where something is stored. */
  readonly at: (position: number) => { readonly id: EntryId; readonly size: number };
}

export interface Found {
  /** Positions whose bytes are gone, ascending. */
  readonly damaged: readonly number[];
  /** How many entries could not be read, and can be again. */
  readonly salvaged: number;
}

/**
 * Looks at positions `from` ≤ position < `to`, as long as `isWanted`. Rejects with a STORAGE_ code; what was salvaged before that
 * stays so.
 */
export async function scanLog(log: StoredLog, from: number, to: number, isWanted: () => boolean): Promise<Found> {
  const damaged: number[] = [];
  let salvaged = 0;
  for (let next = from; next < to && isWanted(); ) {
    const end = chunkEnd(log, next, to);
    const found = await scanChunk(log, next, end);
    damaged.push(...found.damaged);
    salvaged += found.salvaged;
    next = end;
  }
  return { damaged, salvaged };
}

function chunkEnd(log: StoredLog, from: number, to: number): number {
  let end = from;
  for (let size = 0; end < to && end - from < entriesAtOnce && size < bytesAtOnce; end++) size += log.at(end).size;
  return end;
}

async function scanChunk(log: StoredLog, from: number, to: number): Promise<Found> {
  const { database, storage } = log;
  let isReadable = true;
  const there = await storage.read(database, from, to).catch((error: unknown) => {
    if (!isCorrupt(error)) throw error;
    isReadable = false;
    return storage.salvage(database, from, to);
  });
  const entries = there.map((bytes, i) => soundEntry(log, from + i, bytes));
  const damaged = entries.flatMap((entry, i) => (entry === undefined ? [from + i] : []));
  if (isReadable) return { damaged, salvaged: 0 };
  for (const run of runsOf(entries)) await storage.replace(database, from + run.at, run.entries);
  return { damaged, salvaged: entries.length - damaged.length };
}

function soundEntry(log: StoredLog, position: number, bytes: Uint8Array | undefined): ReplacedEntry | undefined {
  const { id } = log.at(position);
  return bytes !== undefined && entryIdFromDigest(log.sha256(bytes)) === id ? { id, bytes } : undefined;
}

interface Run<T> {
  readonly at: number;
  readonly entries: readonly T[];
}

/** Neighbours without a gap. */
export function runsOf<T>(entries: readonly (T | undefined)[]): readonly Run<T>[] {
  const runs: { at: number; entries: T[] }[] = [];
  for (const [i, entry] of entries.entries()) {
    if (entry === undefined) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.at + last.entries.length === i) last.entries.push(entry);
    else runs.push({ at: i, entries: [entry] });
  }
  return runs;
}

export function isCorrupt(error: unknown): boolean {
  return error instanceof TidemarkError && error.code === "STORAGE_CORRUPT";
}
