/**
 * Who was let read on the strength of an invite alone, as far as this device knows since it opened the database.
 *
 * [SESSION-30] Of one invite a device serves at most as many different keys as uses are left, so that whoever never redeems uses one too.
 */
import type { PublicKey } from "../ids.ts";
import { guestsMax } from "../limits.ts";
import type { Replica } from "../replica.ts";
import { inviteFault, type KnownInvite, knownInvites } from "./admission.ts";

const guestsByReplica = new WeakMap<Replica, Guests>();

/** Sessions come and go, and a key stays the one that it is: all of a database count together. */
export function guestsOf(replica: Replica): Guests {
  const guests = guestsByReplica.get(replica) ?? new Guests(replica);
  guestsByReplica.set(replica, guests);
  return guests;
}

export class Guests {
  readonly #replica: Replica;
  readonly #served = new Map<PublicKey, Set<PublicKey>>();
  #size = 0;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Whether a key may be served on the strength of an invite that stands; from then on it counts. */
  admit(invite: PublicKey, key: PublicKey, nowMs: number): boolean {
    const known = knownInvites(this.#replica).get(invite);
    if (known === undefined) return false;
    const served = this.#served.get(invite) ?? new Set();
    if (served.has(key)) return true;
    if (!known.redeemers.has(key) && !hasRoom(known, served)) return false;
    if (this.#size >= guestsMax) this.#forgetIdle(nowMs);
    if (this.#size >= guestsMax) return false;
    // Forgetting may have taken the set away.
    this.#served.set(invite, (this.#served.get(invite) ?? new Set()).add(key));
    this.#size += 1;
    return true;
  }

  /** Invites that admit nobody, and keys that their redemption counts for. */
  #forgetIdle(nowMs: number): void {
    for (const [invite, served] of this.#served) {
      const isOver = inviteFault(this.#replica, invite, nowMs) !== undefined;
      const redeemers = knownInvites(this.#replica).get(invite)?.redeemers;
      for (const key of served) if (isOver || redeemers?.has(key) === true) served.delete(key);
      if (served.size === 0) this.#served.delete(invite);
    }
    this.#size = [...this.#served.values()].reduce((sum, { size }) => sum + size, 0);
  }
}

function hasRoom({ uses, used, redeemers }: KnownInvite, served: ReadonlySet<PublicKey>): boolean {
  let taken = used;
  for (const key of served) if (!redeemers.has(key)) taken += 1;
  return taken < uses;
}
