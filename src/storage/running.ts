/** Runs what is to be done in a transaction, and says how that came out. */
import { type IDBPObjectStore, type IDBPTransaction, type StoreNames, unwrap } from "idb";
import type { Schema } from "./schema.ts";
import { isDisconnection } from "./storage-error.ts";

export type Mode = "readonly" | "readwrite";
export type StoreName = StoreNames<Schema>;
/** As much of a transaction as its work needs: one with more object stores can be given in its place. */
export interface Transaction<S extends StoreName, M extends Mode> {
  objectStore<N extends S>(name: N): IDBPObjectStore<Schema, StoreName[], N, M>;
}

export type AnyTransaction = IDBPTransaction<Schema, StoreName[], Mode>;

export interface Attempt {
  /** It was run before, and may have been stored. */
  readonly isRepeated: boolean;
  /**
   * Nothing more will be asked for: from here on the browser needs nothing of this page to carry it through, and whatever was asked for and fails
   * undoes all of it. To be called in the turn in which the work began, or not at all.
   */
  readonly finish: () => void;
}

export type Work<T> = (transaction: AnyTransaction, attempt: Attempt) => Promise<T>;

export interface RunOptions {
  readonly isRepeated: boolean;
  /** False: the browser would keep the rest of what failed after `finish`, so the transaction ends when it has nothing more to do. */
  readonly canFinish: boolean;
}

export async function run<T>(transaction: AnyTransaction, work: Work<T>, options: RunOptions): Promise<T> {
  const { isRepeated, canFinish } = options;
  const finish = (): void => {
    if (canFinish) transaction.commit();
  };
  const working = (async () => await work(transaction, { isRepeated, finish }))().catch((error: unknown) => {
    abort(transaction);
    throw error;
  });
  let worked: PromiseSettledResult<T> | undefined;
  const answered = Promise.allSettled([working]).then(([result]) => {
    worked = result;
  });
  const aborted = new Promise<void>((resolve) => {
    unwrap(transaction).addEventListener("abort", () => resolve());
  });
  const [done] = await Promise.allSettled([transaction.done]);
  // Of a transaction that it aborts after it was finished, as when the disk is full, Chromium leaves some requests without an answer.
  await Promise.race([answered, aborted]);
  return outcomeOf(worked, done);
}

function outcomeOf<T>(worked: PromiseSettledResult<T> | undefined, done: PromiseSettledResult<void>): T {
  if (worked?.status === "fulfilled" && done.status === "fulfilled") return worked.value;
  const reasons: readonly unknown[] = [worked, done].flatMap((one) => (one?.status === "rejected" ? [one.reason] : []));
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
