/**
 * When to try again to reach a peer.
 *
 * [PEER-7] After n + 1 failures in a row a peer waits 2^n s, at most 64 s, less up to half; some errors wait for something to change.
 * [PEER-8] After the settings' number of failures in a row a peer is given up. `reset` takes it all back at once.
 *
 * Deliberately without timers and clock: the owner says what time it is, and asks `nextAt` when to come back.
 */
import { backOffMs } from "../core/back-off.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { failingPeersMax } from "../core/limits.ts";
import type { Random } from "../ports/random.ts";

export type AttemptAnswer =
  | { readonly type: "waits"; readonly dueAtMs: number }
  /** Trying again does not help until something changes. */
  | { readonly type: "parked" }
  /** To be reported as PEER_GIVEN_UP. */
  | { readonly type: "givenUp"; readonly attempts: number };

interface Failing {
  readonly failures: number;
  readonly dueAtMs: number;
}

const permanentCodes: ReadonlySet<string> = new Set<ErrorCode>([
  "ADDRESS_INVALID",
  "CONNECT_REFUSED",
  "HANDSHAKE_VERSION",
  "HANDSHAKE_PEER",
  "PEER_BLOCKED",
  "PEER_INACTIVE",
]);

/** Nothing that passes by itself. */
export function isPermanent(code: string): boolean {
  return permanentCodes.has(code);
}

/** The peer did not keep to the protocol: it may do so again, however well it went before. */
export function breaksProtocol(code: string): boolean {
  return breaches.test(code);
}

const breaches = /^(CBOR|ENTRY|FRAME|MESSAGE|HANDSHAKE)_|^(EXCHANGE_STALLED|PEER_SILENT)$/;

const never: number = Number.POSITIVE_INFINITY;

export class Attempts {
  readonly #random: Random;
  readonly #attemptsMax: () => number;
  /** Those that failed last at the end. */
  readonly #failing = new Map<PublicKey, Failing>();

  constructor({ random, attemptsMax }: { readonly random: Random; readonly attemptsMax: () => number }) {
    this.#random = random;
    this.#attemptsMax = attemptsMax;
  }

  /** An attempt is under way, or the peer is there: it is not due until it failed or is reset. Nothing happens to one that never failed. */
  began(key: PublicKey): void {
    const failing = this.#failing.get(key);
    if (failing !== undefined) this.#failing.set(key, { ...failing, dueAtMs: never });
  }

  failed(key: PublicKey, nowMs: number, isPermanent: boolean): AttemptAnswer {
    const failures = (this.#failing.get(key)?.failures ?? 0) + 1;
    const isOver = failures >= this.#attemptsMax();
    const waitMs = isPermanent || isOver ? never : backOffMs(failures - 1, this.#random.bytes(2));
    const dueAtMs = nowMs + waitMs;
    this.#failing.delete(key);
    this.#failing.set(key, { failures, dueAtMs });
    this.#limit();
    if (isPermanent) return { type: "parked" };
    return isOver ? { type: "givenUp", attempts: failures } : { type: "waits", dueAtMs };
  }

  /** It was reached, it appeared by itself, its addresses changed, or the user wants it: the next attempt may be at once. */
  reset(key: PublicKey): void {
    this.#failing.delete(key);
  }

  /** The network came back, the device woke. */
  resetAll(): void {
    this.#failing.clear();
  }

  /** Undefined: at once, nothing failed. Infinity: not before a reset. */
  dueAt(key: PublicKey): number | undefined {
    return this.#failing.get(key)?.dueAtMs;
  }

  /** How often it failed in a row. */
  failuresOf(key: PublicKey): number {
    return this.#failing.get(key)?.failures ?? 0;
  }

  /** Peers that failed and have waited long enough, the longest due first. */
  due(nowMs: number): readonly PublicKey[] {
    const due = [...this.#failing].filter(([, { dueAtMs }]) => dueAtMs <= nowMs);
    return due.sort(([, a], [, b]) => a.dueAtMs - b.dueAtMs).map(([key]) => key);
  }

  /** When the next of those that are awaited is due; undefined: none will be. It may have passed. */
  nextAt(isAwaited: (key: PublicKey) => boolean): number | undefined {
    let next = never;
    for (const [key, { dueAtMs }] of this.#failing) if (dueAtMs < next && isAwaited(key)) next = dueAtMs;
    return next === never ? undefined : next;
  }

  /** Forgetting one makes it due at once: so rather one that waits than one that is parked, and the one that failed longest ago. */
  #limit(): void {
    if (this.#failing.size <= failingPeersMax) return;
    const [oldest] = this.#failing.keys();
    this.#failing.delete((this.#firstWaiting() ?? oldest) as PublicKey);
  }

  #firstWaiting(): PublicKey | undefined {
    for (const [key, { dueAtMs }] of this.#failing) if (dueAtMs !== never) return key;
    return undefined;
  }
}
