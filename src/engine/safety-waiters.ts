/** Calls that wait until enough devices hold a log up to a position. What resolves costs its own number, however many go on waiting. */
import { TidemarkError } from "../core/errors.ts";

interface Waiter {
  readonly through: number;
  readonly resolve: () => void;
  readonly reject: (error: TidemarkError) => void;
}

/** Of one database. */
export class SafetyWaiters {
  /** By the number of copies; each in the order of `through`. */
  readonly #byCopies = new Map<number, Set<Waiter>>();
  /** The largest `through` that was added, by the number of copies. */
  readonly #lastThrough = new Map<number, number>();
  readonly #ended: () => void;

  /** @param ended called once for every wait that is over */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /** Rejects with ABORTED, or with what `rejectAll` is given. */
  wait(through: number, copies: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#byCopies.get(copies)?.delete(waiter);
        signal.removeEventListener("abort", abort);
        this.#ended();
      };
      const fail = (error: TidemarkError): void => {
        end();
        reject(error);
      };
      const abort = (): void => fail(new TidemarkError("ABORTED", { call: "whenSafe" }));
      const done = (): void => {
        end();
        resolve();
      };
      const waiter: Waiter = { through, resolve: done, reject: fail };
      this.#add(copies, waiter);
      signal.addEventListener("abort", abort);
    });
  }

  /** Resolves those who have enough. @param safeThrough how far that many copies reach */
  settle(safeThrough: (copies: number) => number): void {
    for (const [copies, waiters] of this.#byCopies) {
      if (waiters.size === 0) continue;
      const safe = safeThrough(copies);
      for (const waiter of waiters) {
        if (waiter.through > safe) break;
        waiter.resolve();
      }
    }
  }

  rejectAll(error: TidemarkError): void {
    for (const waiters of this.#byCopies.values()) for (const waiter of waiters) waiter.reject(error);
  }

  #add(copies: number, waiter: Waiter): void {
    const waiters = this.#byCopies.get(copies) ?? new Set();
    const isInOrder = waiters.size === 0 || waiter.through >= (this.#lastThrough.get(copies) ?? 0);
    if (isInOrder) this.#lastThrough.set(copies, waiter.through);
    // Positions grow, so who comes later waits for more: only a caller that took its position earlier comes out of order.
    this.#byCopies.set(copies, isInOrder ? waiters.add(waiter) : new Set(sorted([...waiters, waiter])));
  }
}

function sorted(waiters: readonly Waiter[]): readonly Waiter[] {
  return [...waiters].sort((a, b) => a.through - b.through);
}
