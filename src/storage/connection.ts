/**
 * A connection to IndexedDB: opened again when the browser closed it, closed for a reason, and used through whole transactions only.
 *
 * A transaction that ended with the connection is run once more. It may have been stored all the same, with only its end not told: so
 * what is run here must come to the same when it is run twice.
 */
import type { IDBPDatabase, IDBPObjectStore, IDBPTransaction, StoreNames } from "idb";
import { TidemarkError } from "../core/errors.ts";
import { type Claim, requireClaim, takeClaim } from "./lease.ts";
import { noteFormat } from "./migrations.ts";
import { openDatabase } from "./open-database.ts";
import type { Schema } from "./schema.ts";
import { isDisconnection, toStorageError, unavailable } from "./storage-error.ts";

export interface ConnectionOptions {
  /** Another tab with an older version can block us for as long as it likes. */
  readonly openTimeoutMs: number;
  /** The browser, or another tab, took the connection away for good. Called at most once, and not after `close`. */
  readonly onLost: (error: TidemarkError) => void;
}

type Mode = "readonly" | "readwrite";
export type StoreName = StoreNames<Schema>;
/** As much of a transaction as its work needs: one with more object stores can be given in its place. */
export interface Transaction<S extends StoreName, M extends Mode> {
  objectStore<N extends S>(name: N): IDBPObjectStore<Schema, StoreName[], N, M>;
}

type AnyTransaction = IDBPTransaction<Schema, StoreName[], Mode>;

/** A transaction that was asked for. */
interface Call<T = unknown> {
  /** Grows in the order of the calls. */
  readonly number: number;
  readonly stores: readonly StoreName[];
  readonly mode: Mode;
  readonly durability: IDBTransactionDurability;
  /** @param isRepeated it was run before, and may have been stored */
  readonly work: (transaction: AnyTransaction, isRepeated: boolean) => Promise<T>;
}

interface Waiting {
  readonly number: number;
  begin(): void;
}

export class Connection {
  readonly #name: string;
  readonly #options: ConnectionOptions;
  readonly #calls = new Set<Promise<unknown>>();
  readonly #transactions = new Set<Promise<unknown>>();
  #db: IDBPDatabase<Schema>;
  #claim: Claim | undefined;
  #number = 0;
  #reopening: Promise<void> | undefined;
  /** Something was done since it was opened. */
  #isProven = true;
  /** For a connection: calls that were made meanwhile, and those that ended with the last one. */
  #waiting: Waiting[] = [];
  /** Nothing is taken any more. */
  #closed: TidemarkError<"STORAGE_CLOSED"> | undefined;
  /** Nor is anything finished. */
  #isLost = false;

  private constructor(name: string, options: ConnectionOptions, db: IDBPDatabase<Schema>) {
    this.#name = name;
    this.#options = options;
    this.#db = db;
  }

  /** Rejects with STORAGE_UNAVAILABLE, STORAGE_NEWER, STORAGE_QUOTA or STORAGE_CORRUPT. */
  static async open(name: string, options: ConnectionOptions): Promise<Connection> {
    let [giveWay, reopen] = [() => {}, () => {}];
    const db = await openDatabase(name, {
      timeoutMs: options.openTimeoutMs,
      mustExist: false,
      blocking: () => giveWay(),
      terminated: () => reopen(),
    });
    const connection = new Connection(name, options, db);
    giveWay = () => connection.#giveWay();
    reopen = () => connection.#reopen();
    return connection;
  }

  /**
   * Runs `work` in a transaction of its own, which starts after those that were asked for earlier and share a store. Rejects with a
   * storage code when `work` or the browser failed.
   */
  read<S extends StoreName, T>(
    stores: readonly S[],
    work: (transaction: Transaction<S, "readonly">) => Promise<T>,
  ): Promise<T> {
    return this.#call({ stores, mode: "readonly", durability: "default", work: work as Call<T>["work"] });
  }

  /**
   * The same, after everything that was to be written before. Resolves when it is complete: all of it is there then; when it rejects,
   * nothing of it is. Rejects with STORAGE_FENCED when somebody else has claimed the database since this connection did.
   *
   * @param work must come to the same when it is run twice; `isRepeated` says that it is
   */
  write<S extends StoreName, T>(
    stores: readonly S[],
    work: (transaction: Transaction<S | "lease", "readwrite">, isRepeated: boolean) => Promise<T>,
    durability: "strict" | "relaxed" = "strict",
  ): Promise<T> {
    const claim = this.#claim;
    const all = [...stores, "lease"] as const;
    const fenced: Call<T>["work"] = async (transaction, isRepeated) => {
      // Asked for first, and answered first; the rest does not wait for the answer: when it is no, the transaction is aborted.
      const fence = claim === undefined ? undefined : requireClaim(transaction.objectStore("lease"), claim);
      const [result] = await Promise.all([(work as Call<T>["work"])(transaction, isRepeated), fence]);
      return result;
    };
    return this.#call({ stores: all, mode: "readwrite", durability, work: fenced });
  }

  /** Makes this connection the only one that writes, and says the number of the claim. Rejects with STORAGE_NEWER. */
  async claim(): Promise<number> {
    const work: Call<Claim>["work"] = async (transaction) => {
      const lease = (transaction as Transaction<"lease", "readwrite">).objectStore("lease");
      const [claim] = await Promise.all([takeClaim(lease), noteFormat(lease)]);
      return claim;
    };
    this.#claim = await this.#call({ stores: ["lease"], mode: "readwrite", durability: "strict", work });
    return this.#claim.term;
  }

  /** Throws STORAGE_CLOSED. For what is answered from memory. */
  requireOpen(): void {
    if (this.#closed !== undefined) throw this.#closed;
  }

  /** Resolves when what was begun is through. */
  async close(): Promise<void> {
    this.#closed ??= new TidemarkError("STORAGE_CLOSED", { reason: "close() was called" });
    if (this.#reopening !== undefined) await this.#reopening;
    this.#db.close();
    await Promise.allSettled(this.#calls);
    // What was begun may have needed another one.
    this.#db.close();
  }

  #call<T>(asked: Omit<Call<T>, "number">): Promise<T> {
    const running = this.#run({ ...asked, number: this.#number++ });
    track(this.#calls, running);
    return running;
  }

  async #run<T>(call: Call<T>): Promise<T> {
    this.requireOpen();
    try {
      return await this.#begin(call, false);
    } catch (error) {
      if (!isDisconnection(error)) throw toStorageError(error);
    }
    try {
      return await this.#begin(call, true);
    } catch (error) {
      if (isDisconnection(error)) this.#lose("the browser closes the stored data again and again", error);
      throw toStorageError(this.#isLost ? this.#closed : error);
    }
  }

  /** The transaction is made before this returns, unless there is no connection: then in the order of the calls. */
  #begin<T>(call: Call<T>, isRepeated: boolean): Promise<T> {
    if (this.#reopening !== undefined) return this.#wait(call, isRepeated);
    if (this.#isLost) return Promise.reject(this.#closed);
    let transaction: AnyTransaction;
    try {
      transaction = this.#db.transaction([...call.stores], call.mode, { durability: call.durability });
    } catch (error) {
      if (!isDisconnection(error)) return Promise.reject(error);
      this.#reopen();
      return this.#wait(call, isRepeated);
    }
    const running = runIn(transaction, call.work, isRepeated);
    track(this.#transactions, running);
    const prove = (error?: unknown): void => {
      if (!isDisconnection(error)) this.#isProven = true;
    };
    running.then(() => prove(), prove);
    return running;
  }

  #wait<T>(call: Call<T>, isRepeated: boolean): Promise<T> {
    return new Promise((resolve) => {
      this.#waiting.push({ number: call.number, begin: () => resolve(this.#begin(call, isRepeated)) });
    });
  }

  #reopen(): void {
    this.#reopening ??= this.#openAgain()
      .catch((error: unknown) => this.#lose("the browser closed the stored data, as when site data is cleared", error))
      .then(() => this.#resume());
  }

  async #openAgain(): Promise<void> {
    // Whatever ended with the connection waits as well, so that nothing that was asked for later overtakes it.
    await Promise.allSettled(this.#transactions);
    if (this.#isLost || !this.#isProven) throw unavailable("it was closed twice in a row");
    this.#isProven = false;
    this.#db = await openDatabase(this.#name, {
      timeoutMs: this.#options.openTimeoutMs,
      mustExist: true,
      blocking: () => this.#giveWay(),
      terminated: () => this.#reopen(),
    });
  }

  #resume(): void {
    this.#reopening = undefined;
    const waiting = this.#waiting.sort((a, b) => a.number - b.number);
    this.#waiting = [];
    for (const { begin } of waiting) begin();
  }

  #giveWay(): void {
    this.#lose("another tab deletes or upgrades the stored data");
  }

  #lose(reason: string, cause?: unknown): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#db.close();
    if (this.#closed !== undefined) return;
    this.#closed = new TidemarkError("STORAGE_CLOSED", { reason }, { cause });
    this.#options.onLost(this.#closed);
  }
}

/** Forgets a promise when it has settled. */
function track(promises: Set<Promise<unknown>>, promise: Promise<unknown>): void {
  const forget = (): void => void promises.delete(promise);
  promises.add(promise);
  promise.then(forget, forget);
}

async function runIn<T>(transaction: AnyTransaction, work: Call<T>["work"], isRepeated: boolean): Promise<T> {
  const working = (async () => await work(transaction, isRepeated))().catch((error: unknown) => {
    abort(transaction);
    throw error;
  });
  return outcomeOf(...(await Promise.allSettled([working, transaction.done])));
}

function outcomeOf<T>(worked: PromiseSettledResult<T>, done: PromiseSettledResult<void>): T {
  if (worked.status === "fulfilled" && done.status === "fulfilled") return worked.value;
  const reasons: readonly unknown[] = [worked, done].flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  // Of a transaction that failed most requests say only that it was aborted; one of the reasons is why.
  throw reasons.find((reason) => !isDisconnection(reason)) ?? reasons[0];
}

function abort(transaction: { abort(): void }): void {
  try {
    transaction.abort();
  } catch {
    // It has ended already.
  }
}
