/**
 * What pages keep on the disk by themselves, in a small database beside the engine's: writes that were not answered when the page went, and a few facts.
 *
 * [OUTBOX-1] What is put while the page goes is there for whoever leads then, without anything of the page running on.
 * [OUTBOX-2] A write leaves the outbox when its page heard the answer, or when a leader has done it.
 * [OUTBOX-3] What became of the outbox answers nothing: a page that is back asks for each write again, and leaders know what was done. A leader holds
 *            the lock of the tab from before it reads the tab's writes until they are cleared, and the page all the time that it can run.
 * [OUTBOX-5] Whoever deletes the outbox, or opens it, waits for no page that is frozen, and for nobody without an end.
 *
 * Where nothing can be kept, nothing is: every function does what it can, and writes are as safe as they are without it.
 */
import { type DBSchema, deleteDB, type IDBPDatabase, type IDBPObjectStore, openDB } from "idb";
import type { DatabaseId } from "../core/ids.ts";
import { storageOpenTimeoutMs } from "../core/limits.ts";
import { within } from "./open-database.ts";
import { type ChecksumForm, checksumOf } from "./sealed-value.ts";

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
  /** Undefined: nothing that can be done without its page. */
  readonly edit: OutboxEdit | undefined;
}

/** With a checksum beside it; pages of earlier builds put none, and look at none. */
interface StoredWrite extends OutboxWrite {
  readonly sum?: number;
}

interface OutboxSchema extends DBSchema {
  writes: { readonly key: [tab: string, number: number]; readonly value: StoredWrite };
  facts: { readonly key: string; readonly value: unknown };
}

type Db = IDBPDatabase<OutboxSchema>;

/** Whatever the newest is: a row does not say its form, and one whose sum is another is taken for damaged. */
const sumForm: ChecksumForm = 2;

export function outboxName(instance: string): string {
  return `tidemark/${instance}/outbox`;
}

/** A page's side. Nothing of it rejects or throws unless it says so. */
export class Outbox {
  readonly #instance: string;
  readonly #tab: string;
  /** Numbers of what may be in there. */
  readonly #put = new Set<number>();
  /** Of these, what is in there, as far as this page knows. */
  readonly #kept = new Set<number>();
  #db: Db | undefined;
  #opening: Promise<Db> | undefined;
  #isClosed = false;

  constructor(instance: string, tab: string) {
    this.#instance = instance;
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
        this.#put.add(number);
        const write = { tab: this.#tab, number, edit };
        const put = transaction.store.put({ ...write, sum: sumOf(write) }, [this.#tab, number]);
        put.catch(() => {});
      }
      const stored = (): void => {
        for (const { number } of fresh) if (this.#put.has(number)) this.#kept.add(number);
      };
      transaction.done.then(stored, () => {}); // There was no space: the next time that the page goes it is tried again.
      transaction.commit();
    } catch {
      // The browser took the connection away: there is no time for another.
    }
  }

  /** Resolves when it is not in there. Rejects when that cannot be said. */
  async forget(number: number): Promise<void> {
    if (!this.#put.has(number)) return;
    this.#kept.delete(number);
    await inOne(await this.#open(), "writes", "readwrite", (store) => store.delete([this.#tab, number]));
    this.#put.delete(number);
  }

  /** Others may have taken out what is there: all of it is put anew when the page goes again. */
  doubt(): void {
    this.#kept.clear();
  }

  /** What was put comes to its end; from then on nobody waits for this page. There is a connection again when it is used. */
  rest(): void {
    this.#db?.close();
    this.#db = undefined;
    this.#opening = undefined;
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
    this.rest();
  }

  /**
   * `close`, for whoever hears that the instance was wiped: all let go of the outbox when it was deleted, so a connection that is there now has made it anew.
   */
  discard(): void {
    const isMadeAnew = this.#opening !== undefined;
    this.close();
    if (isMadeAnew) deleteOutbox(this.#instance).catch(() => {});
  }

  /** Rejects where there is no IndexedDB, after `close`, and when somebody keeps it for too long. */
  #open(): Promise<Db> {
    if (this.#isClosed) return Promise.reject(new Error("the outbox is closed"));
    if (this.#opening !== undefined) return this.#opening;
    const opening: Promise<Db> = this.#connect(() => this.#opening === opening).catch((error: unknown) => {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    });
    this.#opening = opening;
    return opening;
  }

  async #connect(isWanted: () => boolean): Promise<Db> {
    const lose = (db: Db): void => {
      if (this.#db === db) this.rest();
      db.close();
    };
    const db = await connect(outboxName(this.#instance), lose);
    if (isWanted()) this.#db = db;
    else db.close();
    return db;
  }
}

/** For whoever leads: the writes of all tabs, in the order of the tabs and, of each, of the numbers. What is damaged is left out. */
export async function readOutbox(instance: string): Promise<readonly OutboxWrite[]> {
  const stored = await use(instance, (db) => inOne(db, "writes", "readonly", (store) => store.getAll()));
  return (stored ?? []).filter(isWrite).map(({ tab, number, edit }) => ({ tab, number, edit }));
}

/** For whoever leads: the tab's writes up to this number are done, or cannot be. Rejects when they stay. */
export async function clearOutbox(instance: string, tab: string, through: number): Promise<void> {
  await use(instance, (db) => inOne(db, "writes", "readwrite", (store) => store.delete(rangeOf(tab, through))));
}

/** The instance is no more. Resolves also when there is none. */
export async function deleteOutbox(instance: string): Promise<void> {
  if (globalThis.indexedDB !== undefined) await deleteDB(outboxName(instance));
}

/** Undefined where there is no IndexedDB. */
async function use<T>(instance: string, work: (db: Db) => Promise<T>): Promise<T | undefined> {
  if (globalThis.indexedDB === undefined) return undefined;
  const db = await connect(outboxName(instance), (lost) => lost.close());
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

function connect(name: string, lose: (db: Db) => void): Promise<Db> {
  const open = async (): Promise<Db> => {
    const db: Db = await openDB<OutboxSchema>(name, 1, {
      upgrade: (created) => {
        created.createObjectStore("writes");
        created.createObjectStore("facts");
      },
      // Whoever deletes it waits until we let go.
      blocking: () => lose(db),
      terminated: () => lose(db),
    });
    return db;
  };
  return within(storageOpenTimeoutMs, open);
}

function rangeOf(tab: string, through: number): IDBKeyRange {
  return IDBKeyRange.bound([tab], [tab, through]);
}

/** What is on the disk may be damaged, or another build's. */
function isWrite(value: unknown): value is OutboxWrite {
  const { tab, number, edit, sum } = (value ?? {}) as Partial<Record<keyof StoredWrite, unknown>>;
  if (typeof tab !== "string" || !Number.isSafeInteger(number) || (edit !== undefined && !isEdit(edit))) return false;
  return sum === undefined || sum === sumOf(value as StoredWrite);
}

function sumOf({ tab, number, edit }: OutboxWrite): number {
  return checksumOf({ tab, number, edit }, sumForm);
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
