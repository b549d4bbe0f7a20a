/** Any database in IndexedDB, to look at and to damage. */
import { finished } from "./raw-idb.ts";

export interface RawValue {
  readonly id: IDBValidKey;
  readonly value: unknown;
}

/** What an object store holds, in the order of its keys. */
export async function listValues(database: string, store: string): Promise<readonly RawValue[]> {
  return await withValues(database, store, async (values) => {
    const [ids, all] = await Promise.all([finished(values.getAllKeys()), finished(values.getAll())]);
    return ids.map((id, i) => ({ id, value: all[i] }));
  });
}

export async function putValue(database: string, store: string, { id, value }: RawValue): Promise<void> {
  await withValues(database, store, (values) => finished(values.put(value, id)));
}

async function withValues<T>(name: string, store: string, use: (values: IDBObjectStore) => Promise<T>): Promise<T> {
  const db = await finished(indexedDB.open(name));
  try {
    return await use(db.transaction(store, "readwrite").objectStore(store));
  } finally {
    db.close();
  }
}
