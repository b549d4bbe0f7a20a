/** The IndexedDB database under the storage adapter: opened when it is first needed, and again when the browser closed it. */
import { type DBSchema, type IDBPDatabase, type IDBPObjectStore, openDB } from "idb";
import { TidemarkError } from "../core/errors.ts";
import { storageOpenTimeoutMs } from "../core/limits.ts";
import { within } from "../storage/open-database.ts";
import { isDisconnection, toStorageError } from "../storage/storage-error.ts";
import type { StoredValue } from "./stored-value.ts";

interface Schema extends DBSchema {
  /** By numbers that grow, so that a range can be read in the order in which it was written. */
  values: { readonly key: number; readonly value: StoredValue; readonly indexes: { readonly key: string[] } };
}

const version = 1;

type Mode = "readonly" | "readwrite";
export type Values<M extends Mode> = IDBPObjectStore<Schema, ["values"], "values", M>;
type Work<M extends Mode, T> = (values: Values<M>) => Promise<T>;

export class Connection {
  readonly #name: string;
  #db: IDBPDatabase<Schema> | undefined;
  #opening: Promise<IDBPDatabase<Schema>> | undefined;
  /** From then on it has to be there: a new one would be taken for the old one with everything in it. */
  #wasOpen = false;
  #closed: TidemarkError<"STORAGE_CLOSED"> | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Runs `work` in a transaction of its own; resolves when that is complete. Rejects with a storage code; then nothing of it is stored.
   *
   * @param work must come to the same when it is run twice
   */
  async run<M extends Mode, T>(mode: M, work: Work<M, T>): Promise<T> {
    let db = await this.#open();
    try {
      return await attempt(db, mode, work);
    } catch (error) {
      if (!isDisconnection(error)) throw toStorageError(error);
    }
    this.#drop(db);
    db = await this.#open();
    try {
      return await attempt(db, mode, work);
    } catch (error) {
      throw toStorageError(this.#closed ?? error);
    }
  }

  /** Resolves when what was begun is through. Whatever is called later rejects with STORAGE_CLOSED. */
  async close(): Promise<void> {
    this.#closed ??= closed("close() was called");
    await this.#opening?.catch(() => {});
    this.#db?.close();
  }

  async #open(): Promise<IDBPDatabase<Schema>> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#db !== undefined) return this.#db;
    this.#opening ??= within(storageOpenTimeoutMs, () => this.#openOnce()).finally(() => {
      this.#opening = undefined;
    });
    try {
      this.#db = await this.#opening;
    } catch (error) {
      throw this.#closed ?? toStorageError(error);
    }
    this.#wasOpen = true;
    return this.#db;
  }

  #openOnce(): Promise<IDBPDatabase<Schema>> {
    const opening = openDB<Schema>(this.#name, version, {
      upgrade: (db, _from, _to, transaction) => {
        if (this.#wasOpen) return this.#refuse(transaction);
        db.createObjectStore("values", { autoIncrement: true }).createIndex("key", "key", { unique: true });
      },
      blocking: (_from, _to, event) => {
        (event.target as IDBDatabase).close();
        this.#closed ??= closed("another tab deletes or upgrades the stored data");
      },
      terminated: () => {
        opening.then((db) => this.#drop(db)).catch(() => {});
      },
    });
    return opening;
  }

  #refuse(upgrade: { readonly done: Promise<void>; abort(): void }): void {
    upgrade.done.catch(() => {});
    upgrade.abort();
    this.#closed ??= closed("the stored data was deleted");
  }

  /** A later call may have opened it again already. */
  #drop(db: IDBPDatabase<Schema>): void {
    db.close();
    if (this.#db === db) this.#db = undefined;
  }
}

function closed(reason: string): TidemarkError<"STORAGE_CLOSED"> {
  return new TidemarkError("STORAGE_CLOSED", { reason });
}

/** Of what failed most says only that the transaction was aborted; one of the reasons is why. */
async function attempt<M extends Mode, T>(db: IDBPDatabase<Schema>, mode: M, work: Work<M, T>): Promise<T> {
  const transaction = db.transaction("values", mode, { durability: "strict" });
  const [worked, done] = await Promise.allSettled([work(transaction.store), transaction.done]);
  if (worked.status === "fulfilled" && done.status === "fulfilled") return worked.value;
  const reasons: readonly unknown[] = [worked, done].flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  throw reasons.find((reason) => !isDisconnection(reason)) ?? reasons[0];
}
