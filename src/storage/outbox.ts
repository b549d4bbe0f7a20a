/**
 * What pages keep on the disk by themselves, in a small database beside the engine's: writes that were not answered when the page went, and a few facts.
 *
 * [OUTBOX-1] What is put while the page goes is there for whoever leads then, without anything of the page running on.
 * [OUTBOX-2] A write leaves the outbox when its page heard the answer, when the page is back and asks itself again, or when a leader has done it.
 * [OUTBOX-3] Whoever is back learns which of its writes somebody else took over. For that, a leader holds the lock of the tab from before it
 *            reads the tab's writes until they are cleared, and the page holds it all the time that it can run.
 *
 * Where nothing can be kept, nothing is: every function does what it can, and writes are as safe as they are without it.
 */
import { type DBSchema, deleteDB, type IDBPDatabase, type IDBPObjectStore, openDB } from "idb";
import type { DatabaseId } from "../core/ids.ts";

/** What a commit writes to one store. */
export interface OutboxStore {
  readonly type: string;
  readonly store: string;
  readonly payload: Uint8Array;
  readonly updatedRows: readonly string[];
}

export interface OutboxEdit {
  readonly database: DatabaseId;
  readonly stores: readonly OutboxStore[];
}

export interface OutboxWrite {
  readonly tab: string;
  /** The number of the write among those of its tab: the one in its `WriteId`. */
  readonly number: number;
  /** Undefined: a call that only its page can make again. It is here so that the page learns that it was taken over. */
  readonly edit: OutboxEdit | undefined;
}

interface OutboxSchema extends DBSchema {
  writes: { readonly key: [tab: string, number: number]; readonly value: OutboxWrite };
  facts: { readonly key: string; readonly value: unknown };
}

type Db = IDBPDatabase<OutboxSchema>;

export function outboxName(instance: string): string {
  return `tidemark/${instance}/outbox`;
}

/** A page's side. Nothing of it rejects or throws unless it says so. */
export class Outbox {
  readonly #name: string;
  readonly #tab: string;
  /** Numbers of what is in there. */
  readonly #kept = new Set<number>();
  #db: Db | undefined;
  #opening: Promise<Db> | undefined;
  #isClosed = false;

  constructor(instance: string, tab: string) {
    this.#name = outboxName(instance);
    this.#tab = tab;
  }

  /** From now on there is a connection, as a page that goes has no time to make one. */
  warm(): void {
    this.#open().catch(() => {});
  }

  /** All in this turn, when there is a connection: a page that goes has no other. Those that are in there stay as they are. */
  put(writes: readonly Omit<OutboxWrite, "tab">[]): void {
    const fresh = writes.filter(({ number }) => !this.#kept.has(number));
    if (fresh.length === 0 || this.#db === undefined) return;
    try {
      const transaction = this.#db.transaction("writes", "readwrite");
      for (const { number, edit } of fresh) {
        const put = transaction.store.put({ tab: this.#tab, number, edit }, [this.#tab, number]);
        put.catch(() => {});
        this.#kept.add(number);
      }
      transaction.done.catch(() => {});
      transaction.commit();
    } catch {
      // The browser took the connection away: there is no time for another.
    }
  }

  /** Resolves when it is not in there. Rejects when that cannot be said. */
  async forget(number: number): Promise<void> {
    if (!this.#kept.has(number)) return;
    await inOne(await this.#open(), "writes", "readwrite", (store) => store.delete([this.#tab, number]));
    this.#kept.delete(number);
  }

  /**
   * Takes out everything that is still there. `takenOver`: what is not, because a leader has done it. Rejects when that cannot be said.
   */
  async takeBack(): Promise<{ readonly takenOver: ReadonlySet<number> }> {
    if (this.#kept.size === 0) return { takenOver: new Set() };
    const db = await this.#open();
    const takenOver = new Set(this.#kept);
    // A page that goes again while this is under way puts them in anew, after this.
    this.#kept.clear();
    try {
      const [keys] = await inOne(db, "writes", "readwrite", (store) =>
        Promise.all([store.getAllKeys(rangeOf(this.#tab)), store.delete(rangeOf(this.#tab))]),
      );
      for (const [, number] of keys) takenOver.delete(number);
      return { takenOver };
    } catch (error) {
      for (const number of takenOver) this.#kept.add(number);
      throw error;
    }
  }

  /** A small fact about this device. Undefined when there is none. */
  async get(fact: string): Promise<unknown> {
    return this.#open()
      .then((db) => inOne(db, "facts", "readonly", (store) => store.get(fact)))
      .catch(() => undefined);
  }

  async set(fact: string, value: unknown): Promise<void> {
    await this.#open()
      .then((db) => inOne(db, "facts", "readwrite", (store) => store.put(value, fact)))
      .catch(() => {});
  }

  close(): void {
    this.#isClosed = true;
    this.#db?.close();
    this.#db = undefined;
  }

  /** Rejects where there is no IndexedDB, and after `close`. */
  #open(): Promise<Db> {
    if (this.#isClosed) return Promise.reject(new Error("the outbox is closed"));
    this.#opening ??= this.#connect().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #connect(): Promise<Db> {
    const lose = (): void => {
      this.#db?.close();
      this.#db = undefined;
      this.#opening = undefined;
    };
    const db = await connect(this.#name, lose);
    if (this.#isClosed) db.close();
    else this.#db = db;
    return db;
  }
}

/** For whoever leads: the writes of all tabs, in the order of the tabs and, of each, of the numbers. What is damaged is left out. */
export async function readOutbox(instance: string): Promise<readonly OutboxWrite[]> {
  return (
    (await use(instance, (db) => inOne(db, "writes", "readonly", (store) => store.getAll())))?.filter(isWrite) ?? []
  );
}

/** For whoever leads: they are done, or cannot be. Rejects when they stay. */
export async function clearOutbox(instance: string, tab: string): Promise<void> {
  await use(instance, (db) => inOne(db, "writes", "readwrite", (store) => store.delete(rangeOf(tab))));
}

/** The instance is no more. Resolves also when there is none. */
export async function deleteOutbox(instance: string): Promise<void> {
  if (globalThis.indexedDB !== undefined) await deleteDB(outboxName(instance));
}

/** Undefined where there is no IndexedDB. */
async function use<T>(instance: string, work: (db: Db) => Promise<T>): Promise<T | undefined> {
  if (globalThis.indexedDB === undefined) return undefined;
  const db = await connect(outboxName(instance), () => db.close());
  try {
    return await work(db);
  } finally {
    db.close();
  }
}

/** Finished in the turn in which it began: nobody ever waits for a page that was frozen in the middle of it. */
async function inOne<N extends "writes" | "facts", M extends "readonly" | "readwrite", T>(
  db: Db,
  name: N,
  mode: M,
  ask: (store: IDBPObjectStore<OutboxSchema, [N], N, M>) => Promise<T>,
): Promise<T> {
  const transaction = db.transaction(name, mode);
  const asked = ask(transaction.store);
  transaction.commit();
  const [result] = await Promise.all([asked, transaction.done]);
  return result;
}

function connect(name: string, lose: () => void): Promise<Db> {
  return openDB<OutboxSchema>(name, 1, {
    upgrade: (db) => {
      db.createObjectStore("writes");
      db.createObjectStore("facts");
    },
    // Whoever deletes it waits until we let go.
    blocking: lose,
    terminated: lose,
  });
}

function rangeOf(tab: string): IDBKeyRange {
  return IDBKeyRange.bound([tab], [tab, Number.POSITIVE_INFINITY]);
}

/** What is on the disk may be damaged, or another build's. */
function isWrite(value: unknown): value is OutboxWrite {
  const { tab, number, edit } = (value ?? {}) as Partial<Record<keyof OutboxWrite, unknown>>;
  return typeof tab === "string" && Number.isSafeInteger(number) && (edit === undefined || isEdit(edit));
}

function isEdit(value: unknown): boolean {
  const { database, stores } = (value ?? {}) as Partial<Record<keyof OutboxEdit, unknown>>;
  return typeof database === "string" && Array.isArray(stores) && stores.every(isStore);
}

function isStore(value: unknown): boolean {
  const { type, store, payload, updatedRows } = (value ?? {}) as Partial<Record<keyof OutboxStore, unknown>>;
  const isNamed = typeof type === "string" && typeof store === "string" && payload instanceof Uint8Array;
  return isNamed && Array.isArray(updatedRows) && updatedRows.every((row) => typeof row === "string");
}
