/** Deleting everything that is stored of one instance. */
import { deleteDB } from "idb";
import { storageOpenTimeoutMs } from "../core/limits.ts";
import { deleteOutbox } from "./outbox.ts";
import { isRefusal, toStorageError, unavailable } from "./storage-error.ts";

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
    await Promise.race([Promise.all([deleteDB(`tidemark/${instance}`), deleteOutbox(instance)]), late]);
  } catch (error) {
    const known = toStorageError(error);
    // Where it is forbidden to this page, nothing was ever stored.
    if (!isRefusal(known)) throw known;
  } finally {
    clearTimeout(timer);
  }
}
