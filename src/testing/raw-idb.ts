/** The IndexedDB under a storage, to look at, to damage, and to let fail. */

export type StoreName =
  | "databases"
  | "indexes"
  | "segments"
  | "checkpoints"
  | "snapshots"
  | "_sync"
  | "values"
  | "lease"
  | "writes"
  | "spare";

export interface RawRecord {
  readonly key: IDBValidKey;
  readonly value: unknown;
}

export function finished<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** A connection that does not let go when another one asks it to. */
export function openRaw(name: string, version?: number): Promise<IDBDatabase> {
  return finished(indexedDB.open(`tidemark/${name}`, version));
}

export async function deleteRaw(name: string): Promise<void> {
  await finished(indexedDB.deleteDatabase(`tidemark/${name}`));
}

/** What an object store holds, in the order of the keys. */
export async function listRaw(name: string, store: StoreName): Promise<readonly RawRecord[]> {
  return await withRaw(name, store, async (objects) => {
    const [keys, values] = await Promise.all([finished(objects.getAllKeys()), finished(objects.getAll())]);
    return keys.map((key, i) => ({ key, value: values[i] }));
  });
}

/** Puts a value in place of another; `undefined` removes it. */
export async function putRaw(name: string, store: StoreName, { key, value }: RawRecord): Promise<void> {
  await withRaw<unknown>(name, store, (objects) =>
    value === undefined ? finished(objects.delete(key)) : finished(objects.put(value, key)),
  );
}

/** Object store, key and value. */
/** As a page does that is frozen in the middle of writing: whoever wants any of it waits until `letGo`, which resolves when it has ended. */
export async function keepBusy(name: string): Promise<() => Promise<void>> {
  const db = await openRaw(name);
  const transaction = db.transaction([...db.objectStoreNames], "readwrite");
  const ended = new Promise<void>((resolve) => {
    transaction.oncomplete = () => resolve();
  });
  let isBusy = true;
  const stay = (): void => {
    if (isBusy) transaction.objectStore("lease").count().onsuccess = stay;
  };
  stay();
  return async () => {
    isBusy = false;
    await ended;
    db.close();
  };
}

export type RawVersion1 = readonly [store: string, key: IDBValidKey, value: unknown];

/** A database as version 1 made it, which had these object stores. */
export async function putVersion1(name: string, records: readonly RawVersion1[]): Promise<void> {
  const opening = indexedDB.open(`tidemark/${name}`, 1);
  opening.onupgradeneeded = () => {
    for (const store of ["databases", "indexes", "segments", "checkpoints", "cursors", "values"])
      opening.result.createObjectStore(store);
    for (const [store, key, value] of records) opening.transaction?.objectStore(store).put(value, key);
  };
  (await finished(opening)).close();
}

async function withRaw<T>(name: string, store: StoreName, use: (objects: IDBObjectStore) => Promise<T>): Promise<T> {
  const db = await openRaw(name);
  try {
    return await use(db.transaction(store, "readwrite").objectStore(store));
  } finally {
    db.close();
  }
}

type Call = "put" | "get" | "delete";

/** Counts the calls of one method on object stores of these names, and may let one of them fail. */
export class WatchedCalls {
  readonly #call: Call;
  readonly #original: (typeof IDBObjectStore.prototype)[Call];
  calls = 0;

  /** @param done runs when a call has succeeded, with its number from 1 */
  constructor(call: Call, stores: readonly StoreName[], done: (number: number, store: IDBObjectStore) => void) {
    this.#call = call;
    const original = IDBObjectStore.prototype[call] as (...args: unknown[]) => IDBRequest;
    this.#original = original;
    const count = (store: IDBObjectStore, request: IDBRequest): void => {
      if (!stores.some((name) => name === store.name)) return;
      this.calls += 1;
      const number = this.calls;
      request.addEventListener("success", () => done(number, store));
    };
    Object.defineProperty(IDBObjectStore.prototype, call, {
      configurable: true,
      writable: true,
      value(this: IDBObjectStore, ...args: unknown[]): IDBRequest {
        const request = original.apply(this, args);
        count(this, request);
        return request;
      },
    });
  }

  stop(): void {
    Object.defineProperty(IDBObjectStore.prototype, this.#call, {
      configurable: true,
      writable: true,
      value: this.#original,
    });
  }
}

/** As the browser does when the disk is full: the transaction is aborted, and says so. */
export function abortForQuota({ transaction }: IDBObjectStore): void {
  transaction.abort();
  const error = new DOMException("simulated", "QuotaExceededError");
  Object.defineProperty(transaction, "error", { configurable: true, value: error });
}
