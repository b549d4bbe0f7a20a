/** Who may be told of a database, by what a device knows at that moment: readers, and guests. */
import type { EntryId, PublicKey } from "../core/ids.ts";
import type { Replica } from "../core/replica.ts";
import { isLater } from "../core/store/kind.ts";
import { NONE, READ, WRITE } from "../core/store/power.ts";

export class Readers {
  /** How often a guest was told something. */
  guests = 0;
  /** The invites whose secrets somebody was given. */
  readonly #secrets = new Map<PublicKey, Set<PublicKey>>();
  /** What somebody has asked for by name: it is given also what is void. */
  readonly #asked = new Map<PublicKey, Set<EntryId>>();

  /** From now on it may be a guest. */
  learnSecret(key: PublicKey, invite: PublicKey): void {
    this.#secrets.set(key, (this.#secrets.get(key) ?? new Set()).add(invite));
  }

  noteAsked(key: PublicKey, ids: readonly EntryId[]): void {
    const asked = this.#asked.get(key) ?? new Set();
    this.#asked.set(key, asked);
    for (const id of ids) asked.add(id);
  }

  hasAsked(key: PublicKey, id: EntryId): boolean {
    return this.#asked.get(key)?.has(id) === true;
  }

  mayBeTold(replica: Replica, key: PublicKey, nowMs: number): boolean {
    if (replica.authority.power(key) <= READ) return true;
    if (!this.#isGuest(replica, key, nowMs)) return false;
    this.guests += 1;
    return true;
  }

  /** Whether it was given the secret of an invite that admits it now. */
  #isGuest({ settings, authority }: Replica, key: PublicKey, nowMs: number): boolean {
    const sets = settings.sets();
    const isRemoved = sets.some((each) => each.via === "set" && each.key === key && each.power === NONE);
    if (isRemoved && authority.power(key) === NONE) return false;
    const last = sets.filter((each) => each.via === "set" && each.key === key).at(-1);
    return settings.invites().some((invite) => {
      const used = sets.filter((each) => each.via === "redeem" && each.invite === invite.key).length;
      const inviter = authority.power(invite.author);
      // What an invite knows was written before it.
      const isLowered = last?.via === "set" && last.power > invite.power && isLater(last.stamp, invite.stamp);
      return (
        !isLowered &&
        this.#secrets.get(key)?.has(invite.key) === true &&
        invite.power <= READ &&
        inviter < Math.min(WRITE, invite.power) &&
        used < (invite.uses ?? Number.POSITIVE_INFINITY) &&
        nowMs <= (invite.expiresMs ?? Number.POSITIVE_INFINITY)
      );
    });
  }
}
