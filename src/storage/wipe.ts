/** Deleting everything that is stored of one instance, and whether somebody did. */
import { deleteDB } from "idb";
import { storageOpenTimeoutMs } from "../core/limits.ts";
import { deleteOutbox } from "./outbox.ts";
import { isRefusal, toStorageError, unavailable } from "./storage-error.ts";
import { deleteStoredLock } from "./stored-lock.ts";

/**
 * Resolves when nothing is there any more, also when nothing was. Whoever has a connection is asked to let go, and does at once when it is one of ours.
 * Rejects with STORAGE_UNAVAILABLE when somebody else keeps it, as an app of an old build that hangs: then it goes when that is closed.
 */
export async function deleteStored(instance: string, timeoutMs: number = storageOpenTimeoutMs): Promise<void> {
  if (globalThis.indexedDB === undefined) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = unavailable(`not deleted after ${timeoutMs} ms: another tab holds it`);
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  try {
    const deleting = [deleteDB(storedName(instance)), deleteOutbox(instance), deleteStoredLock(instance)];
    await Promise.race([Promise.all(deleting), late]);
  } catch (error) {
    const known = toStorageError(error);
    // Where it is forbidden to this page, nothing was ever stored.
    if (!isRefusal(known)) throw known;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether what was stored of the instance is not there any more. Where the browser does not say what there is, it is taken to be. */
export async function isDeleted(instance: string): Promise<boolean> {
  try {
    return (await indexedDB.databases()).every(({ name }) => name !== storedName(instance));
  } catch {
    return false;
  }
}

function storedName(instance: string): string {
  return `tidemark/${instance}`;
}
