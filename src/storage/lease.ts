/**
 * Who may write to an IndexedDB database: whoever claimed it last. [STORAGE-41]
 *
 * Each claim has a row of its own, and an index allows one row of that role only. Whoever writes puts its own row again: that fails
 * when another one stands there, and the transaction with it. So nothing has to be read, and nobody has to wait for an answer.
 */
import { type IDBPDatabase, type IDBPObjectStore, type StoreNames, unwrap } from "idb";
import { encodeHex } from "../core/ids.ts";
import type { Schema } from "./schema.ts";
import { isConflict } from "./storage-error.ts";

export interface Claim {
  /** Grows from claim to claim. */
  readonly term: number;
  /** 16 random bytes in hex: terms begin anew when the database was deleted and made again, and an old claim is not a new one then. */
  readonly by: string;
}

/** The object store `lease`, within a transaction. */
type LeaseStore = IDBPObjectStore<Schema, StoreNames<Schema>[], "lease">;
type WritableLeaseStore = IDBPObjectStore<Schema, StoreNames<Schema>[], "lease", "readwrite">;

const prefix = "claim ";

function allClaims(): IDBKeyRange {
  return IDBKeyRange.bound(prefix, `${prefix}\uffff`);
}

export async function takeClaim(lease: WritableLeaseStore): Promise<Claim> {
  const term = (await lastTerm(lease)) + 1;
  const claim = { term, by: encodeHex(crypto.getRandomValues(new Uint8Array(16))) };
  await Promise.all([lease.delete(allClaims()), holdClaim(lease, claim)]);
  return claim;
}

/** Asks in this turn, and fails with a ConstraintError, with all of the transaction, when somebody claimed after `claim`. */
export function holdClaim(lease: WritableLeaseStore, { term, by }: Claim): Promise<unknown> {
  return lease.put({ role: "writer", term }, prefix + by);
}

/** Of the last claim; 0: there was none. One that cannot be read is nobody's: the next one is good again. */
export async function lastTerm(lease: Pick<LeaseStore, "getAll">): Promise<number> {
  const terms = (await lease.getAll(allClaims())).map((row) => (row as { readonly term?: unknown } | null)?.term);
  return Math.max(0, ...terms.filter((term): term is number => Number.isSafeInteger(term)));
}

/** Whether `claim` is the last one of this database. */
export async function standsClaim(db: IDBPDatabase<Schema>, { by }: Claim): Promise<boolean> {
  const transaction = db.transaction("lease");
  const asked = transaction.store.getKey(prefix + by);
  transaction.commit();
  return (await asked) !== undefined;
}

/**
 * Whether a transaction of which something fails after it was finished is undone, as it has to be. In Firefox everything else of it is
 * stored. Nothing is left of the trial; it begins in this turn.
 */
export async function undoesFailures(db: IDBPDatabase<Schema>): Promise<boolean> {
  try {
    const transaction = unwrap(db).transaction("lease", "readwrite", { durability: "relaxed" });
    const [store, key] = [transaction.objectStore("lease"), "trial"];
    for (const ask of [() => store.put(0, key), () => store.add(0, key), () => store.delete(key)]) ask();
    transaction.commit();
    return await new Promise((resolve) => {
      transaction.oncomplete = () => resolve(false);
      transaction.onabort = () => resolve(isConflict(transaction.error));
    });
  } catch {
    return false;
  }
}
