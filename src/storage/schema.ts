/**
 * The object stores of the IndexedDB database `tidemark/<name>`, their keys, and the check of what comes out of them.
 *
 * A segment stands under the position after its last entry. So the first key above a position is the segment that holds
 * it, and the last key is the number of entries: neither needs a table in memory, and a merged segment keeps the key of the last
 * one merged.
 */
import type { DBSchema } from "idb";
import { type DatabaseId, isHex64 } from "../core/ids.ts";
import type { CheckpointPart, DatabaseRecord, RecordKind } from "../ports/storage.ts";
import { corrupt } from "./record.ts";

export const schemaVersion = 4;

export interface Schema extends DBSchema {
  databases: { key: string; value: unknown };
  /** What load() reads, by [database, end]. */
  indexes: { key: [string, number]; value: unknown };
  /** The entries' bytes, by [database, end]. */
  segments: { key: [string, number]; value: unknown };
  /** By [database, number]. */
  checkpoints: { key: [string, number]; value: unknown };
  /** Caches of pages, by [database, key]. */
  snapshots: { key: [string, string]; value: unknown };
  /** What the engine remembers for itself, by [kind, key]. */
  _sync: { key: [RecordKind, string]; value: unknown };
  values: { key: string; value: unknown };
  /** Who may write, and in which format it is stored. There is one row of each role at most. */
  lease: { key: string; value: unknown; indexes: { role: string } };
  /** What was done for each tab. */
  writes: { key: string; value: unknown };
  /** Second copies, and what was put aside: see spare.ts. */
  spare: { key: string; value: unknown };
}

/** The object stores whose keys start with a database's id. */
export const databaseStores = ["indexes", "segments", "checkpoints", "snapshots"] as const;

/** Everything of a database. An array sorts after every number and every text. */
export function allOf(database: DatabaseId): IDBKeyRange {
  return IDBKeyRange.bound([database], [database, []]);
}

export function allOfKind(kind: RecordKind): IDBKeyRange {
  return IDBKeyRange.bound([kind], [kind, []]);
}

/** The segments that end after `first`, and at most at `end`: first come those that hold the positions from `first` on. */
export function endingWithin(database: DatabaseId, first: number, end: number = Number.POSITIVE_INFINITY): IDBKeyRange {
  return IDBKeyRange.bound([database, first], [database, end], true);
}

/** The same without the one that ends at `end`, where `first` < `end`. */
export function endingBetween(database: DatabaseId, first: number, end: number): IDBKeyRange {
  return IDBKeyRange.bound([database, first], [database, end], true, true);
}

/** The segments that end at `end` or after it. */
export function endingFrom(database: DatabaseId, end: number): IDBKeyRange {
  return IDBKeyRange.bound([database, end], [database, []]);
}

/** The parts numbered `from` ≤ number < `to`, where `from` < `to`. */
export function numberedWithin(database: DatabaseId, from: number, to: number): IDBKeyRange {
  return IDBKeyRange.bound([database, from], [database, to], false, true);
}

/** Structured clone writes the whole buffer behind a view. */
export function ownBuffer(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

export function ownBuffers(part: CheckpointPart): CheckpointPart {
  return { ...part, stores: part.stores.map((store) => ({ ...store, bytes: ownBuffer(store.bytes) })) };
}

export function toDatabaseRecord(value: unknown): DatabaseRecord {
  const { id, name, ticket, relays } = fields(value);
  const isRecord =
    isText(id) &&
    isHex64(id) &&
    isText(name) &&
    (ticket === undefined || isText(ticket)) &&
    Array.isArray(relays) &&
    relays.every(isText);
  if (!isRecord) throw corrupt("the record of a database");
  return value as DatabaseRecord;
}

/** Parts that were written before entries could be void name none. */
export function toCheckpointPart(value: unknown): CheckpointPart {
  const { number, through, stores, void: left = [] } = fields(value);
  const isPart =
    isCount(number) &&
    isCount(through) &&
    Array.isArray(stores) &&
    stores.every(isStorePart) &&
    Array.isArray(left) &&
    left.every(isCount);
  if (!isPart) throw corrupt("a checkpoint");
  return { ...(value as CheckpointPart), void: left };
}

function isStorePart(value: unknown): boolean {
  const { name, type, bytes } = fields(value);
  return isText(name) && isText(type) && bytes instanceof Uint8Array;
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
