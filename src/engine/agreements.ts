/**
 * Those who wait until this device and a peer hold the same of a database.
 *
 * [SYNC-1] Whoever waits is told of the next agreement with that peer about that database on no less than it held then, across
 *          reconnects, and of no other; an aborted wait rejects with ABORTED at once, and closing rejects all that are left.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";

interface Waiter {
  readonly from: number;
  readonly endsWithSession: boolean;
  readonly resolve: () => void;
  readonly reject: (error: TidemarkError) => void;
}

export class Agreements {
  readonly #waiters = new Map<string, Set<Waiter>>();

  /**
   * Resolves with the next agreement on `from` entries or more, or when the peer is gone if the wait `endsWithSession`. Rejects with
   * ABORTED, and with what `close` is given.
   */
  next(
    peer: PublicKey,
    database: DatabaseId,
    from: number,
    signal: AbortSignal,
    endsWithSession = false,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new TidemarkError("ABORTED", { call: "whenSynced" }));
      const key = keyOf(peer, database);
      const waiters = this.#waiters.get(key) ?? new Set();
      const abort = (): void => {
        this.#forget(key, waiter);
        reject(new TidemarkError("ABORTED", { call: "whenSynced" }));
      };
      const settle = (done: () => void): void => {
        signal.removeEventListener("abort", abort);
        done();
      };
      const waiter: Waiter = {
        from,
        endsWithSession,
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      };
      signal.addEventListener("abort", abort);
      this.#waiters.set(key, waiters.add(waiter));
    });
  }

  /** Both hold the same as when we held what is below `position`. */
  reached(peer: PublicKey, database: DatabaseId, position: number): void {
    const key = keyOf(peer, database);
    for (const waiter of [...(this.#waiters.get(key) ?? [])]) {
      if (waiter.from > position) continue;
      this.#forget(key, waiter);
      waiter.resolve();
    }
  }

  /** The database is gone from here. */
  forget(database: DatabaseId, error: TidemarkError): void {
    for (const [key, waiters] of [...this.#waiters]) {
      if (!key.startsWith(`${database}/`)) continue;
      this.#waiters.delete(key);
      for (const { reject } of waiters) reject(error);
    }
  }

  /** The session with the peer is over. */
  parted(peer: PublicKey): void {
    for (const [key, waiters] of this.#waiters) {
      if (!key.endsWith(`/${peer}`)) continue;
      for (const waiter of [...waiters].filter((each) => each.endsWithSession)) {
        this.#forget(key, waiter);
        waiter.resolve();
      }
    }
  }

  /** For whoever waited when it is over: each rejects with this. */
  close(error: TidemarkError): void {
    const waiters = [...this.#waiters.values()].flatMap((each) => [...each]);
    this.#waiters.clear();
    for (const { reject } of waiters) reject(error);
  }

  #forget(key: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(key);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(key);
  }
}

function keyOf(peer: PublicKey, database: DatabaseId): string {
  return `${database}/${peer}`;
}
