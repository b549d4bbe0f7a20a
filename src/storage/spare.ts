/**
 * The object store `spare`: second copies of records that nothing else could make again, and entries that were put aside.
 *
 * A database's record says by which key and ticket this device takes part, and a value may be that key: they are few and small.
 */
import { type DatabaseId, isHex64 } from "../core/ids.ts";
import type { AsideEntries, DatabaseRecord } from "../ports/storage.ts";
import type { Transaction } from "./connection.ts";
import { decodeDatabase, decodeLocal, encodeDatabase, encodeLocal } from "./forms.ts";
import { encodeSegment, looseEntries, Segment } from "./segment-record.ts";

const recordPrefix = "database ";
const valuePrefix = "value ";
const afterAll = "\uffff";

export function recordCopyKey(database: string): string {
  return recordPrefix + database;
}

export function valueCopyKey(name: string): string {
  return valuePrefix + name;
}

export function allRecordCopies(): IDBKeyRange {
  return IDBKeyRange.bound(recordPrefix, recordPrefix + afterAll);
}

export function allValueCopies(): IDBKeyRange {
  return IDBKeyRange.bound(valuePrefix, valuePrefix + afterAll);
}

function asideKey(database: DatabaseId, number: number): string {
  return `aside ${database} ${String(number).padStart(16, "0")}`;
}

/** What was put aside of a database, numbered above `after`. */
export function asideAfter(database: DatabaseId, after: number): IDBKeyRange {
  return IDBKeyRange.bound(asideKey(database, after), `aside ${database} ${afterAll}`, true);
}

function asideNumber(key: string): number {
  return Number(key.slice(key.lastIndexOf(" ") + 1));
}

// --- Records of databases

/** Both copies. */
export function putDatabaseRecord(
  transaction: Transaction<"databases" | "spare", "readwrite">,
  record: DatabaseRecord,
): readonly Promise<unknown>[] {
  const stored = encodeDatabase(record);
  return [
    transaction.objectStore("databases").put(stored, record.id),
    transaction.objectStore("spare").put(stored, recordCopyKey(record.id)),
  ];
}

export interface FoundRecord {
  readonly record: DatabaseRecord;
  /** The first copy was as it was written. */
  readonly isSound: boolean;
}

/**
 * Of a database with this key: of two damaged copies nothing is left but the id, and it is not synced: it may have been one that was never
 * shared. Undefined for what is no id.
 */
export function findRecord(key: string, stored: unknown, copy: unknown): FoundRecord | undefined {
  const record = readRecord(stored, key);
  if (record !== undefined) return { record, isSound: true };
  if (!isHex64(key)) return undefined;
  return {
    record: readRecord(copy, key) ?? { id: key as DatabaseId, name: "", relays: [], sync: false },
    isSound: false,
  };
}

export function readRecord(stored: unknown, id: string): DatabaseRecord | undefined {
  try {
    const record = decodeDatabase(stored);
    return record.id === id ? record : undefined;
  } catch {
    return undefined;
  }
}

// --- Values

/** Both copies. */
export function putValue(
  transaction: Transaction<"values" | "spare", "readwrite">,
  name: string,
  value: unknown,
): readonly Promise<unknown>[] {
  const stored = encodeLocal(value);
  return [
    transaction.objectStore("values").put(stored, name),
    transaction.objectStore("spare").put(stored, valueCopyKey(name)),
  ];
}

/** From whichever copy is sound; throws STORAGE_CORRUPT when none is. */
export function openEither(stored: unknown, copy: unknown, name: string): unknown {
  try {
    return decodeLocal(stored, `value ${name}`);
  } catch (error) {
    if (copy === undefined) throw error;
    return decodeLocal(copy, `value ${name}`);
  }
}

/** Undefined when neither is. */
export function readEither(stored: unknown, copy: unknown, name: string): unknown {
  try {
    return openEither(stored, copy, name);
  } catch {
    return undefined;
  }
}

// --- Entries that were put aside

/** Numbers them after all that are there. Also of none: that something was lost is told by it. */
export async function putAside(
  transaction: Transaction<"spare", "readwrite">,
  database: DatabaseId,
  entries: readonly Uint8Array[],
): Promise<void> {
  const spare = transaction.objectStore("spare");
  const keys = await spare.getAllKeys(asideAfter(database, 0));
  const number = asideNumber(keys.at(-1) ?? asideKey(database, 0)) + 1;
  await spare.put(encodeSegment(0, entries), asideKey(database, number));
}

export async function findAside(
  transaction: Transaction<"spare", "readonly">,
  database: DatabaseId,
  after: number,
): Promise<AsideEntries | undefined> {
  const spare = transaction.objectStore("spare");
  const range = asideAfter(database, after);
  const [key, value] = await Promise.all([spare.getKey(range), spare.get(range)]);
  return key === undefined ? undefined : { number: asideNumber(key), entries: entriesIn(value) };
}

export async function dropAside(
  transaction: Transaction<"spare", "readwrite">,
  database: DatabaseId,
  number: number,
): Promise<void> {
  await transaction.objectStore("spare").delete(asideKey(database, number));
}

function entriesIn(value: unknown): readonly Uint8Array[] {
  try {
    return new Segment(value).entries();
  } catch {
    return looseEntries(value, undefined);
  }
}
