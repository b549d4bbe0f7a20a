/** A connection to IndexedDB: opened within a time, closed for a reason, and used through whole transactions only. */
import { type IDBPDatabase, type IDBPTransaction, openDB, type StoreNames } from "idb";
import { TidemarkError } from "../core/errors.ts";
import { type Schema, schemaVersion, upgradeSchema } from "./schema.ts";
import { toStorageError, unavailable } from "./storage-error.ts";

export interface ConnectionOptions {
  /** Another tab with an older version can block us for as long as it likes. */
  readonly openTimeoutMs: number;
  /** The browser, or another tab, took the connection away. Called at most once, and not after `close`. */
  readonly onLost: (error: TidemarkError) => void;
}

type Name = StoreNames<Schema>;

export class Connection {
  readonly #db: IDBPDatabase<Schema>;
  readonly #onLost: (error: TidemarkError) => void;
  readonly #running = new Set<Promise<unknown>>();
  #closed: TidemarkError<"STORAGE_CLOSED"> | undefined;

  private constructor(db: IDBPDatabase<Schema>, onLost: (error: TidemarkError) => void) {
    this.#db = db;
    this.#onLost = onLost;
  }

  /** Rejects with STORAGE_UNAVAILABLE. */
  static async open(name: string, { openTimeoutMs, onLost }: ConnectionOptions): Promise<Connection> {
    let connection: Connection | undefined;
    const lose = (reason: string): void => connection?.lose(reason);
    const db = await within(openTimeoutMs, () =>
      openDB<Schema>(name, schemaVersion, {
        upgrade: upgradeSchema,
        // Whoever deletes or upgrades the database waits until we let go.
        blocking: () => lose("another tab deletes or upgrades the stored data"),
        terminated: () => lose("the browser closed the stored data, as when site data is cleared"),
      }),
    );
    connection = new Connection(db, onLost);
    return connection;
  }

  /**
   * Runs `work` in a transaction of its own, which starts after those that were asked for earlier and share a store. Resolves when
   * it is complete: all of it is there then. Rejects with a storage code when `work` or the browser failed: nothing of it is.
   */
  transact<const S extends readonly Name[], M extends "readonly" | "readwrite", T>(
    stores: S,
    mode: M,
    work: (transaction: IDBPTransaction<Schema, [...S], M>) => Promise<T>,
    durability: IDBTransactionDurability = "strict",
  ): Promise<T> {
    const running = this.#run([...stores], mode, work, durability);
    const forget = (): void => void this.#running.delete(running);
    this.#running.add(running);
    running.then(forget, forget);
    return running;
  }

  /** Throws STORAGE_CLOSED. For what is answered from memory. */
  requireOpen(): void {
    if (this.#closed !== undefined) throw this.#closed;
  }

  /** Resolves when transactions under way are through. */
  async close(): Promise<void> {
    this.#closed ??= new TidemarkError("STORAGE_CLOSED", { reason: "close() was called" });
    this.#db.close();
    await Promise.allSettled(this.#running);
  }

  lose(reason: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = new TidemarkError("STORAGE_CLOSED", { reason });
    this.#db.close();
    this.#onLost(this.#closed);
  }

  async #run<S extends Name[], M extends "readonly" | "readwrite", T>(
    stores: S,
    mode: M,
    work: (transaction: IDBPTransaction<Schema, S, M>) => Promise<T>,
    durability: IDBTransactionDurability,
  ): Promise<T> {
    this.requireOpen();
    try {
      const transaction = this.#db.transaction(stores, mode, { durability });
      const working = (async () => await work(transaction))().catch((error: unknown) => {
        abort(transaction);
        throw error;
      });
      return outcomeOf(...(await Promise.allSettled([working, transaction.done])));
    } catch (error) {
      throw toStorageError(error);
    }
  }
}

function outcomeOf<T>(worked: PromiseSettledResult<T>, done: PromiseSettledResult<void>): T {
  if (worked.status === "fulfilled" && done.status === "fulfilled") return worked.value;
  const reasons: readonly unknown[] = [worked, done].flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  // Of a transaction that failed most requests say only that it was aborted; one of the reasons is why.
  throw reasons.find((reason) => !isAbort(reason)) ?? reasons[0];
}

function isAbort(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === "AbortError";
}

function abort(transaction: { abort(): void }): void {
  try {
    transaction.abort();
  } catch {
    // It has ended already.
  }
}

/** A connection that comes too late is closed again. */
async function within(timeoutMs: number, open: () => Promise<IDBPDatabase<Schema>>): Promise<IDBPDatabase<Schema>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    if (globalThis.indexedDB === undefined) throw unavailable("there is no IndexedDB here");
    const opening = open();
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), timeoutMs);
    });
    const opened = await Promise.race([opening, late]);
    if (opened !== "late") return opened;
    opening.then(
      (db) => db.close(),
      () => {},
    );
    throw unavailable(`not open after ${timeoutMs} ms: another tab holds an older version of it`);
  } catch (error) {
    throw toStorageError(error);
  } finally {
    clearTimeout(timer);
  }
}
