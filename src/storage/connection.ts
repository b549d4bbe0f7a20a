/**
 * A connection to IndexedDB: opened again when the browser closed it, closed for a reason, and used through whole transactions only.
 *
 * A transaction that ended with the connection is run once more. It may have been stored all the same, with only its end not told: so
 * what is run here must come to the same when it is run twice.
 *
 * [STORAGE-47] Whatever can be is asked for in one turn and finished in it: then the browser carries it through, also when this page does not go
 * on, and nobody waits for a page that is frozen.
 */
import type { IDBPDatabase } from "idb";
import { TidemarkError } from "../core/errors.ts";
import { inTime } from "./in-time.ts";
import { type Claim, holdClaim, lastTerm, standsClaim, takeClaim, undoesFailures } from "./lease.ts";
import { noteFormat } from "./migrations.ts";
import { openDatabase } from "./open-database.ts";
import {
  type AnyTransaction,
  type Attempt,
  type Mode,
  run,
  type StoreName,
  type Transaction,
  type Work,
} from "./running.ts";
import type { Schema } from "./schema.ts";
import { isConflict, isDisconnection, toStorageError, unavailable } from "./storage-error.ts";

export type { Attempt, StoreName, Transaction } from "./running.ts";

export interface ConnectionOptions {
  /** Another tab with an older version can block us for as long as it likes. */
  readonly openTimeoutMs: number;
  /** The browser, or another tab, took the connection away for good. Called at most once, and not after `close`. */
  readonly onLost: (error: TidemarkError) => void;
}

/** A transaction that was asked for. */
interface Call<T = unknown> {
  /** Grows in the order of the calls. */
  readonly number: number;
  readonly stores: readonly StoreName[];
  readonly mode: Mode;
  readonly durability: IDBTransactionDurability;
  readonly work: Work<T>;
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
  /** The claim did not stand any more when the database was opened again. */
  #isOusted = false;
  /** The browser undoes a transaction that fails after it was finished. */
  #canFinish = false;
  #era = 0;
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
   * As long as it stays the same, nobody else has written since: what was stored then can be known without asking. Undefined: anybody
   * may, as there is no claim.
   */
  get era(): number | undefined {
    return this.#claim === undefined || this.#isOusted ? undefined : this.#era;
  }

  /**
   * Runs `work` in a transaction of its own, which starts after those that were asked for earlier and share a store. Rejects with a
   * storage code when `work` or the browser failed.
   *
   * @param work asks for everything in the turn in which it is called
   */
  read<S extends StoreName, T>(
    stores: readonly S[],
    work: (transaction: Transaction<S, "readonly">) => Promise<T>,
  ): Promise<T> {
    const whole: Work<T> = (transaction, { finish }) => {
      const working = work(transaction as Transaction<S, "readonly">);
      finish();
      return working;
    };
    return this.#call({ stores, mode: "readonly", durability: "default", work: whole });
  }

  /**
   * The same, after everything that was to be written before. Resolves when it is complete: all of it is there then; when it rejects,
   * nothing of it is. Rejects with STORAGE_FENCED when somebody else has claimed the database since this connection did.
   *
   * @param ask must come to the same when it is run twice
   */
  async write<S extends StoreName>(
    stores: readonly S[],
    ask: (transaction: Transaction<S, "readwrite">) => readonly Promise<unknown>[],
    durability: "strict" | "relaxed" = "strict",
  ): Promise<void> {
    const whole = async (transaction: Transaction<S, "readwrite">, { finish }: Attempt): Promise<void> => {
      const asked = ask(transaction);
      finish();
      await Promise.all(asked);
    };
    await this.change(stores, whole, durability);
  }

  /**
   * The same for what is decided by what it reads: whoever else wants to write waits until it has ended, for as long as this page is
   * frozen meanwhile.
   *
   * @param work may finish in the turn in which it is called
   */
  async change<S extends StoreName, T>(
    stores: readonly S[],
    work: (transaction: Transaction<S | "lease", "readwrite">, attempt: Attempt) => Promise<T>,
    durability: "strict" | "relaxed" = "strict",
  ): Promise<T> {
    const claim = this.#claim;
    const fenced: Work<T> = async (transaction, attempt) => {
      if (claim !== undefined && this.#isOusted) throw fencedBy(claim, 0);
      const writable = transaction as Transaction<S | "lease", "readwrite">;
      // Asked for first; the rest does not wait for the answer: when it is no, nothing of the transaction is written.
      const held = claim === undefined ? undefined : holdClaim(writable.objectStore("lease"), claim);
      const [result] = await Promise.all([(async () => await work(writable, attempt))(), held]);
      return result;
    };
    try {
      return await this.#call({ stores: [...stores, "lease"], mode: "readwrite", durability, work: fenced });
    } catch (error) {
      throw claim !== undefined && isConflict(error) ? await this.#fenced(claim) : error;
    }
  }

  /**
   * Makes this connection the only one that writes, and says the number of the claim. Rejects with STORAGE_NEWER, and with STORAGE_UNAVAILABLE when
   * another tab keeps the stored data busy for longer than opening may take; then nothing is claimed, nor will be.
   */
  async claim(): Promise<number> {
    // Asked for in the same turn, so that nothing that is asked for later comes in between.
    const undoes = this.#reopening === undefined ? undoesFailures(this.#db) : this.#canFinish;
    const work: Work<Claim> = async (transaction) => {
      const lease = (transaction as Transaction<"lease", "readwrite">).objectStore("lease");
      const claiming = Promise.all([takeClaim(lease), noteFormat(lease)]);
      const { openTimeoutMs } = this.#options;
      const [claim] = await inTime(openTimeoutMs, claiming, () => {
        throw unavailable(`not claimed after ${openTimeoutMs} ms: another tab keeps it busy`);
      });
      return claim;
    };
    // It orders what tabs of this browser do: whatever loses it on the disk has no tab left.
    const claiming = this.#call({ stores: ["lease"], mode: "readwrite", durability: "relaxed", work });
    [this.#claim, this.#canFinish] = await Promise.all([claiming, undoes]);
    this.#isOusted = false;
    this.#era += 1;
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

  async #fenced(claim: Claim): Promise<TidemarkError> {
    const last = this.read(["lease"], (transaction) => lastTerm(transaction.objectStore("lease")));
    return fencedBy(claim, await last.catch(() => 0));
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
    const canFinish = call.mode === "readonly" || this.#canFinish;
    const running = run(transaction, call.work, { isRepeated, canFinish });
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
    // It may have been deleted and made again meanwhile.
    if (this.#claim !== undefined) this.#isOusted = !(await standsClaim(this.#db, this.#claim));
    this.#era += 1;
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

/** @param last the number of the last claim, if it is known */
function fencedBy({ term }: Claim, last: number): TidemarkError<"STORAGE_FENCED"> {
  return new TidemarkError("STORAGE_FENCED", { got: term, expected: Math.max(last, term + 1) });
}
