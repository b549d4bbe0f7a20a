/** Those who wait for a peer that cannot be dialled: it may be met in a room. */
import { TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { connectTimeoutMs } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import { aborting } from "./dialler.ts";

export class Meetings {
  readonly #clock: Clock;
  readonly #waiters = new Map<PublicKey, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The peer came up. */
  met(peer: PublicKey): void {
    for (const wake of this.#waiters.get(peer) ?? []) wake();
  }

  /** Resolves when the peer comes up. Rejects with CONNECT_FAILED after `connectTimeoutMs`, or with ABORTED. */
  async await(peer: PublicKey, signal: AbortSignal): Promise<void> {
    const waiters = this.#waiters.get(peer) ?? new Set();
    this.#waiters.set(peer, waiters);
    let stop: () => void = () => {};
    const met = new Promise<void>((resolve, reject) => {
      const reason = `it has no address, and was not met within ${connectTimeoutMs} ms`;
      const cancel = this.#clock.after(connectTimeoutMs, () =>
        reject(new TidemarkError("CONNECT_FAILED", { address: "", reason })),
      );
      waiters.add(resolve);
      stop = () => {
        cancel();
        waiters.delete(resolve);
        if (waiters.size === 0) this.#waiters.delete(peer);
      };
    });
    await aborting(met, signal).finally(stop);
  }
}
