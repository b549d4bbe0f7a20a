/** Opens an IndexedDB database within a time, and only when what is stored can be read. */
import { type IDBPDatabase, openDB } from "idb";
import { TidemarkError } from "../core/errors.ts";
import { inTime } from "./in-time.ts";
import { requireKnownFormat, upgradeSchema } from "./migrations.ts";
import { type Schema, schemaVersion } from "./schema.ts";
import { toStorageError, unavailable } from "./storage-error.ts";

export interface OpenDatabaseOptions {
  readonly timeoutMs: number;
  /** True: the database has been there. When it is not there any more, it is not made anew. */
  readonly mustExist: boolean;
  /** Another tab deletes or upgrades the database; the connection was closed, so that it need not wait. */
  readonly blocking: () => void;
  /** The browser closed the connection. */
  readonly terminated: () => void;
}

/** Rejects with STORAGE_UNAVAILABLE, STORAGE_NEWER, STORAGE_QUOTA or STORAGE_CORRUPT; then nothing stays open, and nothing was changed. */
export async function openDatabase(name: string, options: OpenDatabaseOptions): Promise<IDBPDatabase<Schema>> {
  try {
    return await within(options.timeoutMs, () => openKnown(name, options));
  } catch (error) {
    throw isVersionError(error) ? await newer(name, error) : toStorageError(error);
  }
}

async function openKnown(name: string, options: OpenDatabaseOptions): Promise<IDBPDatabase<Schema>> {
  const db = await open(name, options);
  try {
    await requireKnownFormat(db);
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

async function open(
  name: string,
  { mustExist, blocking, terminated }: OpenDatabaseOptions,
): Promise<IDBPDatabase<Schema>> {
  let upgradeError: unknown;
  const opening = openDB<Schema>(name, schemaVersion, {
    upgrade(db, from, _to, transaction) {
      transaction.done.catch((error: unknown) => {
        upgradeError = error;
      });
      if (from > 0 || !mustExist) return upgradeSchema(db, from, transaction);
      transaction.abort();
    },
    blocking(_from, _to, event) {
      (event.target as IDBDatabase).close();
      blocking();
    },
    terminated,
  });
  // Opening says only that the upgrade was aborted; its transaction, that the disk is full.
  return opening.catch((error: unknown) => Promise.reject(upgradeError ?? error));
}

/** A connection that comes too late is closed again. Rejects with STORAGE_UNAVAILABLE. */
export async function within<T extends { close(): void }>(timeoutMs: number, open: () => Promise<T>): Promise<T> {
  if (globalThis.indexedDB === undefined) throw unavailable("there is no IndexedDB here");
  const opening = open();
  return await inTime(timeoutMs, opening, () => {
    opening.then(
      (db) => db.close(),
      () => {},
    );
    throw unavailable(`not open after ${timeoutMs} ms: another tab keeps it busy, or holds an older version of it`);
  });
}

function isVersionError(error: unknown): boolean {
  return error instanceof DOMException && error.name === "VersionError";
}

/** Not every browser says which version it is. */
async function newer(name: string, cause: unknown): Promise<TidemarkError<"STORAGE_NEWER">> {
  const known = await Promise.resolve(globalThis.indexedDB.databases?.()).catch(() => undefined);
  const got = known?.find((each) => each.name === name)?.version ?? schemaVersion + 1;
  return new TidemarkError("STORAGE_NEWER", { got, expected: schemaVersion }, { cause });
}
