/**
 * Those who wait until nothing more is under way to the peers that are connected.
 *
 * [SYNC-7] Such a wait ends when each of these peers has confirmed what waited for it, or is gone.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { LaneState } from "../core/protocol/session.ts";
import type { Path } from "./path.ts";

interface Waiter {
  readonly lanes: Map<PublicKey, Set<DatabaseId>>;
  readonly resolve: () => void;
  readonly reject: (error: TidemarkError) => void;
}

export class Settling {
  readonly #waiters = new Set<Waiter>();

  /** At once for no lanes. Rejects with ABORTED, and with what `close` is given. */
  all(lanes: readonly (readonly [PublicKey, DatabaseId])[], signal: AbortSignal): Promise<void> {
    if (lanes.length === 0) return Promise.resolve();
    const byPeer = new Map<PublicKey, Set<DatabaseId>>();
    for (const [peer, database] of lanes) byPeer.set(peer, (byPeer.get(peer) ?? new Set()).add(database));
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new TidemarkError("ABORTED", { call: "flush" }));
      const abort = (): void => waiter.reject(new TidemarkError("ABORTED", { call: "flush" }));
      const settle = (done: () => void): void => {
        this.#waiters.delete(waiter);
        signal.removeEventListener("abort", abort);
        done();
      };
      const waiter: Waiter = {
        lanes: byPeer,
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      };
      signal.addEventListener("abort", abort);
      this.#waiters.add(waiter);
    });
  }

  /** Nothing of the database waits for the peer. */
  settled(peer: PublicKey, database: DatabaseId): void {
    for (const waiter of this.#waiters) {
      const databases = waiter.lanes.get(peer);
      databases?.delete(database);
      if (databases?.size === 0) this.#drop(waiter, peer);
    }
  }

  /** The peer is gone. */
  parted(peer: PublicKey): void {
    for (const waiter of this.#waiters) this.#drop(waiter, peer);
  }

  close(error: TidemarkError): void {
    for (const { reject } of this.#waiters) reject(error);
  }

  #drop({ lanes, resolve }: Waiter, peer: PublicKey): void {
    lanes.delete(peer);
    if (lanes.size === 0) resolve();
  }
}

/** Who has something to confirm, and of which database. */
export function unsettledLanes(
  paths: readonly Path[],
  databases: readonly { readonly id: DatabaseId }[],
): readonly (readonly [PublicKey, DatabaseId])[] {
  return paths.flatMap((path) => {
    const { key } = path;
    const unsettled = key === undefined ? [] : databases.filter(({ id }) => !isSettled(path, id));
    return unsettled.map(({ id }): readonly [PublicKey, DatabaseId] => [key as PublicKey, id]);
  });
}

/** Nothing of the database waits for the peer, but what it asked us to hold back. */
export function isSettled({ session }: Path, database: DatabaseId): boolean {
  const { phase, unconfirmed, isPaused } = session?.lane(database) ?? idle;
  return isPaused || (phase !== "comparing" && unconfirmed === 0);
}

const idle: Pick<LaneState, "phase" | "unconfirmed" | "isPaused"> = { phase: "idle", unconfirmed: 0, isPaused: false };
