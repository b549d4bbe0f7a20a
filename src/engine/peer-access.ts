/**
 * Whether a peer is let in: the user says so, and it did not break the protocol again and again.
 *
 * [CONNECT-5] Blocked and inactive peers are not dialled, and are let go before anything is said about databases.
 * [CONNECT-11] A peer that broke the protocol twice in a row or more, and comes by itself, is let in when its back-off is over.
 */
import { TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { breachesForgottenMs, connectionMsMin } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import { Attempts, breaksProtocol } from "./attempts.ts";
import type { Registry } from "./registry.ts";

/** The code with which a peer is let go; undefined for one that is let in. */
export function refusalOf(registry: Registry, key: PublicKey): "PEER_BLOCKED" | "PEER_INACTIVE" | undefined {
  const state = registry.peer(key)?.state;
  if (state === "blocked") return "PEER_BLOCKED";
  return state === "inactive" ? "PEER_INACTIVE" : undefined;
}

/** Throws PEER_UNKNOWN, PEER_BLOCKED or PEER_INACTIVE. */
export function assertActive(registry: Registry, peer: PublicKey): void {
  if (registry.peer(peer) === undefined) throw new TidemarkError("PEER_UNKNOWN", { peer });
  const refusal = refusalOf(registry, peer);
  if (refusal !== undefined) throw new TidemarkError(refusal, { peer });
}

/** Peers that broke the protocol on a channel on which they had proved who they are: nobody else can be blamed. */
export class Breaches {
  readonly #clock: Clock;
  readonly #attempts: Attempts;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#attempts = new Attempts({ random, attemptsMax: () => Number.POSITIVE_INFINITY });
  }

  /** A channel to it, open for so long, ended; with this code when there was a reason. */
  ended(key: PublicKey, code: string | undefined, lastedMs: number): void {
    // Whoever is silent may have lost its network, or we ours; it cannot come often either.
    if (code === "PEER_SILENT") return;
    const isBreach = code !== undefined && breaksProtocol(code);
    if (lastedMs >= (isBreach ? breachesForgottenMs : connectionMsMin)) this.#attempts.reset(key);
    if (isBreach) this.#attempts.failed(key, this.#clock.now(), false);
  }

  /** Once can happen to anybody; more often it waits. */
  isWaiting(key: PublicKey): boolean {
    return this.#attempts.failuresOf(key) > 1 && (this.#attempts.dueAt(key) ?? 0) > this.#clock.now();
  }

  reset(key: PublicKey): void {
    this.#attempts.reset(key);
  }
}
