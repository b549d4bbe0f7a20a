/**
 * Whether the user lets a peer in.
 *
 * [CONNECT-5] Blocked and inactive peers are not dialled, and are let go before anything is said about databases.
 */
import { TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
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
