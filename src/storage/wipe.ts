/** Deleting everything that is stored of one instance, and whether somebody did. */
import { deleteDB } from "idb";
import { storageOpenTimeoutMs } from "../core/limits.ts";
import { inTime } from "./in-time.ts";
import { deleteOutbox } from "./outbox.ts";
import { isRefusal, toStorageError, unavailable } from "./storage-error.ts";
import { deleteStoredLock } from "./stored-lock.ts";

/** A page that comes back waits for it. */
const listTimeoutMs = 2_000;

/**
 * Resolves when nothing is there any more, also when nothing was. Whoever has a connection is asked to let go, and does at once when it is one of ours.
 * Rejects with STORAGE_UNAVAILABLE when somebody else keeps it, as an app of an old build that hangs: then it goes when that is closed.
 */
export async function deleteStored(instance: string, timeoutMs: number = storageOpenTimeoutMs): Promise<void> {
  if (globalThis.indexedDB === undefined) return;
  try {
    const deleting = [deleteDB(storedName(instance)), deleteOutbox(instance), deleteStoredLock(instance)];
    await inTime<unknown>(timeoutMs, Promise.all(deleting), () => {
      throw unavailable(`not deleted after ${timeoutMs} ms: another tab holds it`);
    });
  } catch (error) {
    const known = toStorageError(error);
    // Where it is forbidden to this page, nothing was ever stored.
    if (!isRefusal(known)) throw known;
  }
}

/** Whether what was stored of the instance is not there any more. Where the browser does not say what there is, or not soon, it is taken to be. */
export async function isDeleted(instance: string, timeoutMs: number = listTimeoutMs): Promise<boolean> {
  try {
    const there = await inTime(timeoutMs, indexedDB.databases(), () => undefined);
    return there?.every(({ name }) => name !== storedName(instance)) ?? false;
  } catch {
    return false;
  }
}

function storedName(instance: string): string {
  return `tidemark/${instance}`;
}
