/** The IndexedDB database of one instance: its object stores, and opening it without ever hanging. */
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { CheckpointPart, Cursor, DatabaseRecord } from "../ports/storage.ts";

export interface Schema extends DBSchema {
  databases: { key: DatabaseId; value: DatabaseRecord };
  /** The bytes of consecutive entries, by the position of the first. */
  segments: { key: [DatabaseId, number]; value: Uint8Array };
  /** What the graph needs of the same entries: see segment.ts. */
  indexes: { key: [DatabaseId, number]; value: Uint8Array };
  checkpoints: { key: [DatabaseId, number]; value: CheckpointPart };
  cursors: { key: [DatabaseId, PublicKey]; value: Cursor };
  values: { key: string; value: unknown };
}

export type Connection = IDBPDatabase<Schema>;

const schemaVersion = 1;
const storeNames = ["databases", "segments", "indexes", "checkpoints", "cursors", "values"] as const;
/** Another tab with an older version of the page can hold up an upgrade; an answer that never comes is not to be waited for. */
const openTimeoutMs = 10_000;

/** Rejects with STORAGE_UNAVAILABLE. `lost` is called when the connection ends without our doing. */
export async function openConnection(name: string, lost: (reason: string) => void): Promise<Connection> {
  if (globalThis.indexedDB === undefined)
    throw new TidemarkError("STORAGE_UNAVAILABLE", { reason: "no IndexedDB here" });
  const opening = openDB<Schema>(`tidemark/${name}`, schemaVersion, {
    upgrade: (connection) => {
      for (const store of storeNames) connection.createObjectStore(store);
    },
    blocking: (_from, _to, event) => {
      (event.target as IDBDatabase | null)?.close();
      lost("a newer version of the page needs the database");
    },
    terminated: () => lost("the browser closed the database"),
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it did not open in time")), openTimeoutMs);
  });
  try {
    return await Promise.race([opening, tooLate]);
  } catch (cause) {
    opening.then((connection) => connection.close()).catch(() => {});
    throw new TidemarkError("STORAGE_UNAVAILABLE", { reason: String(cause) }, { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** All keys of one database in a store keyed by [database, …]. */
export function rangeOf(database: DatabaseId): IDBKeyRange {
  return IDBKeyRange.bound([database], [database, []]);
}
