/**
 * Letting somebody in who proves the secret of a ticket: what is signed, and what a proof is worth.
 *
 * [SESSION-9] Whoever proves a ticket's secret is granted what its invite says, if the invite stands, this key may grant it
 *             and the peer has less. A key that was removed stays out. Everybody else is told `unavailable`, as for a
 *             database that does not exist.
 */
import { concatBytes } from "../bytes.ts";
import { type DatabaseId, decodeHex, type PublicKey } from "../ids.ts";
import type { Replica } from "../replica.ts";
import { NONE, type Power } from "../store/power.ts";
import { encodeUtf8 } from "../utf8.ts";

const joinTag = encodeUtf8("tidemark/join/1\0");

/** What a ticket's secret signs: good in one session, for one key and one database. */
export function joinMessage(transcript: Uint8Array, joiner: PublicKey, database: DatabaseId): Uint8Array {
  return concatBytes(joinTag, decodeHex(joiner), decodeHex(database), transcript);
}

/** What `self` may grant `peer` for the secret of `invite`; undefined when nothing. */
export function offeredPower(
  replica: Replica | undefined,
  self: PublicKey,
  peer: PublicKey,
  invite: PublicKey,
): Power | undefined {
  const power = replica?.state.settings.invites().find(({ key }) => key === invite)?.power;
  if (replica === undefined || power === undefined || !replica.authority.maySet(self, peer, power)) return undefined;
  const present = replica.authority.power(peer);
  return present > power && !(present === NONE && wasSet(replica, peer)) ? power : undefined;
}

function wasSet(replica: Replica, peer: PublicKey): boolean {
  return replica.state.settings.sets().some(({ key }) => key === peer);
}
