/**
 * What records are in the object stores, in this format and in the earlier ones: the one place that knows of older forms. Entries and
 * their indexes have forms of their own (record.ts), which are as old as the first format.
 *
 * Formats 3 and 4: every value lies beside a checksum (sealed-value.ts). Format 2: it does not. Format 1: nor does a part of a checkpoint have the
 * list of what it left out, which is empty then; some of format 2 have none either.
 */
import type { CheckpointPart, DatabaseRecord } from "../ports/storage.ts";
import { corrupt } from "./record.ts";
import { ownBuffer, ownBuffers, toCheckpointPart, toDatabaseRecord } from "./schema.ts";
import { looksSealed, openValue, sealValue } from "./sealed-value.ts";

/** The last one that changed the form of records. */
export const formedVersion = 3;

export const formedStores = ["databases", "checkpoints", "_sync", "values"] as const;
export type FormedStore = (typeof formedStores)[number];

export function encodeDatabase(record: DatabaseRecord): unknown {
  return sealValue(record);
}

/** Throws STORAGE_CORRUPT. */
export function decodeDatabase(stored: unknown): DatabaseRecord {
  return toDatabaseRecord(openValue(stored, "the record of a database"));
}

export function encodePart(part: CheckpointPart): unknown {
  return sealValue(ownBuffers(part));
}

/** Throws STORAGE_CORRUPT. */
export function decodePart(stored: unknown): CheckpointPart {
  return toCheckpointPart(openValue(stored, "a checkpoint"));
}

export function encodeSnapshot(bytes: Uint8Array): unknown {
  return sealValue(ownBuffer(bytes));
}

/** Throws STORAGE_CORRUPT. There never was one without a checksum. */
export function decodeSnapshot(stored: unknown): Uint8Array {
  const bytes = looksSealed(stored) ? openValue(stored, "a snapshot") : undefined;
  if (bytes instanceof Uint8Array) return bytes;
  throw corrupt("a snapshot");
}

/** Of a value whose shape is none of storage's business. */
export function encodeLocal(value: unknown): unknown {
  return sealValue(value);
}

/** Throws STORAGE_CORRUPT; `where` says what it is. */
export function decodeLocal(stored: unknown, where = "a local record"): unknown {
  return openValue(stored, where);
}

/** The same in the form of this format; undefined when it has it, or cannot be read: then it stays for whoever heals it. */
export function renew(store: FormedStore, stored: unknown): unknown {
  if (looksSealed(stored)) return undefined;
  try {
    if (store === "databases") return encodeDatabase(decodeDatabase(stored));
    if (store === "checkpoints") return encodePart(decodePart(stored));
    return encodeLocal(stored);
  } catch {
    return undefined;
  }
}
