/** What is told about who may do what: the shapes that the engine gives and apps see, ids as they are inside. */
import type { EntryId, PublicKey } from "../core/ids.ts";
import type { Permission, Power } from "../core/store/power.ts";
import type { JoinRefusal } from "../ports/storage.ts";

/** root: made the database. set: an admin's word. redeem: came in by an invite. public: by what everybody may do. */
export type GrantedBy = "root" | "set" | "redeem" | "public";

/** A key that may do something in a database by a permission of its own. */
export interface Member {
  readonly key: PublicKey;
  /** What an admin, or they themselves when they came in by an invite, said that it is called; empty: nobody did. */
  readonly name: string;
  readonly permission: Permission;
  /** 0 to 300; lower is stronger. */
  readonly power: Power;
  /** The key that this device uses in the database. */
  readonly isYou: boolean;
  /** Who made it so: of one that came in by an invite whoever made the invite, of the owner itself. */
  readonly setBy: PublicKey;
  /** When, by the clock of whoever wrote it, in milliseconds since 1970. */
  readonly setAtMs: number;
  readonly via: GrantedBy;
}

/** One link of the chain by which a key got its power. */
export interface GrantLink {
  readonly entry: EntryId;
  /** Who gave the power: of one that came by an invite whoever made the invite. */
  readonly author: PublicKey;
  /** Given by this link. */
  readonly power: Power;
  readonly atMs: number;
  readonly via: GrantedBy;
}

/** Why a key may do what it may. */
export interface KeyExplained {
  readonly key: PublicKey;
  readonly power: Power;
  readonly permission: Permission;
  /** It is entitled to this because everybody is. */
  readonly isPublic: boolean;
  /** From the root to what says it of the key; empty when nobody ever gave it anything. */
  readonly chain: readonly GrantLink[];
}

/**
 * What became of an entry.
 *
 * counts: it is part of the database. void: it is here, but has no effect. waiting: for what it stands on, or for its time. refused: it was not
 * taken in. unknown: it is not here, or was refused too long ago.
 */
export interface EntryExplained {
  readonly type: "counts" | "void" | "waiting" | "refused" | "unknown";
  readonly entry: EntryId;
  readonly author?: PublicKey;
  /** Why it is void, or would be were it not kept: cut, uses, or not entitled. Of a refused one what was missing, in a few words. */
  readonly rule?: string;
  /** Of a refused one: why, as in the documentation of errors. */
  readonly code?: string;
  /** The settings entry that cut it; of a refused one that which says what its author, or its invite, was not entitled to, where there is one. */
  readonly by?: EntryId;
  /** Of a refused one: the entry that it stands on and that `by` cuts. */
  readonly follows?: EntryId;
  /** It is void by the rule, and counts all the same because this one stands on it. */
  readonly keptUnder?: EntryId;
  /** It counts because what would cut it lost its own effect. */
  readonly revived?: RevivalExplained;
}

/** What brought an entry back. */
export interface RevivalExplained {
  /** The settings entry that would cut it, or what entitled its author, and has no effect. */
  readonly would: EntryId;
  /** The settings entry that took that one's effect away; left out where it was the uses of an invite. */
  readonly by?: EntryId;
}

/** What counts anew, and what does not count any more. */
export interface Recounted {
  /** Entries that counted and do not any more. */
  readonly voided: readonly EntryId[];
  /** Entries that did not count and do now. */
  readonly revived: readonly EntryId[];
  /** The settings entries that decided it. */
  readonly because: readonly EntryId[];
}

/** What changed about permissions, and about what counts because of them; at most 1,000 entries of each sort. */
export interface PermissionsChanged extends Recounted {
  /** As they are now. */
  readonly members: readonly Member[];
}

/** An invite that was not withdrawn. */
export interface InviteInfo {
  /** Its public half, which says nothing to whoever lacks the ticket. */
  readonly key: PublicKey;
  readonly permission: Permission;
  readonly power: Power;
  readonly label: string | undefined;
  /** In milliseconds since 1970; undefined: never. */
  readonly expiresAtMs: number | undefined;
  /** How many may come in by it; undefined: any number. */
  readonly uses: number | undefined;
  /** How many came in by it so far, as far as is known here. */
  readonly used: number;
  /** Who made it. */
  readonly by: PublicKey;
  readonly atMs: number;
  /** It lets somebody in now: by this device's clock, and as long as whoever made it may still give what it gives. */
  readonly isValid: boolean;
}

/** Somebody who asks to be let in. */
export interface RequestInfo {
  readonly key: PublicKey;
  /** What they say: at most 64 bytes. */
  readonly name: string;
  /** At most 512 bytes. */
  readonly note: string;
  /** What they would like to have. */
  readonly permission: Permission;
  readonly state: "pending" | "approved" | "rejected";
  readonly askedAtMs: number;
  readonly decidedBy: PublicKey | undefined;
  readonly decidedAtMs: number | undefined;
}

/**
 * How this device stands to a database.
 *
 * member: it has it. joining: it waits for somebody who has it. pending: it asks to be let in, whether or not anybody has heard it. rejected: nobody
 * lets it in. A device that is not told that it was removed stays a member; `blockedBy` of its status says `refused` then.
 */
export interface Access {
  readonly state: "member" | "joining" | "pending" | "rejected";
  /** As far as is known here. */
  readonly permission: Permission;
  /** Of one that is rejected. */
  readonly reason?: JoinRefusal;
  /** Its owner removed it: it can be read, and nobody writes to it. Left out while nobody did. */
  readonly removed?: true;
}
