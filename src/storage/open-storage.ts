/** Storage wherever the page runs: on IndexedDB, or where there is none, in memory. */
import type { Storage } from "../ports/storage.ts";
import { type IdbStorageOptions, openIdbStorage } from "./idb.ts";
import { createMemoryStorage } from "./memory.ts";
import { isRefusal } from "./storage-error.ts";

/**
 * Like `openIdbStorage`, but where IndexedDB is missing, or forbidden as in some private windows, the storage is in memory and its
 * `kind` says so. A disk that is full, data that is damaged or of a later version, or held by another tab, is an error all the same:
 * whoever has data is not given an empty storage instead.
 */
export async function openStorage(name: string, options: IdbStorageOptions = {}): Promise<Storage> {
  try {
    return await openIdbStorage(name, options);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return createMemoryStorage();
  }
}
