/**
 * Letting somebody in who proves the secret of a ticket: what is signed, and what an invite is worth at present.
 *
 * [SESSION-9] Whoever proves the secret of an invite that stands is a guest of the session: it may read the database as long as the
 *             invite stands, to write the redemption by which every replica admits it. A key that was removed, or lowered by name unknown to the
 *             invite, stays out. Everybody else is told `unavailable`, as for a database that does not exist.
 *
 * Deliberately not here: whether a redemption counts (authority).
 */
import type { InviteTerms } from "../authority/ledger.ts";
import { inviteOf, isLoweredFor } from "../authority/power-of.ts";
import { concatBytes } from "../bytes.ts";
import { domainTags } from "../domain-tags.ts";
import { decodeHex, type PublicKey } from "../ids.ts";
import type { Replica } from "../replica.ts";
import { NONE, type Power, WRITE } from "../store/power.ts";
import type { SettingsView } from "../store/settings-view.ts";
import { encodeUtf8 } from "../utf8.ts";

const joinTag = encodeUtf8(domainTags.join);
const proveTag = encodeUtf8(domainTags.prove);

/**
 * What a ticket's secret signs: good in one session, for one key and one database. The commitment stands for the database, so that a proof is
 * checked alike by those who hold it and those who do not.
 */
export function joinMessage(transcript: Uint8Array, joiner: PublicKey, commitment: string): Uint8Array {
  return concatBytes(joinTag, decodeHex(joiner), decodeHex(commitment), transcript);
}

/** What a further key signs with which `prover` takes part in the database: good in one session. */
export function proveMessage(transcript: Uint8Array, prover: PublicKey, commitment: string): Uint8Array {
  return concatBytes(proveTag, decodeHex(prover), decodeHex(commitment), transcript);
}

/** Why an invite admits nobody. unentitled: whoever made it may no longer give what it gives. */
export type InviteFault = "withdrawn" | "expired" | "usedUp" | "unentitled";

/** An invite as the replica knows it, the clock left aside. */
export interface KnownInvite {
  readonly power: Power;
  readonly expiresMs: number;
  readonly uses: number;
  /** How many redeemed it, as far as is known. */
  readonly used: number;
  readonly redeemers: ReadonlySet<PublicKey>;
  readonly fault: InviteFault | undefined;
  readonly terms: InviteTerms;
}

/** By settings, which change with every grant: asked for at every use of a guest's session. */
const invitesByView = new WeakMap<SettingsView, Map<PublicKey, KnownInvite>>();

/** All that are not withdrawn. */
export function knownInvites({ settings, authority }: Replica): ReadonlyMap<PublicKey, KnownInvite> {
  const known = invitesByView.get(settings);
  if (known !== undefined) return known;
  const view = authority.view();
  const invites = new Map<PublicKey, KnownInvite>();
  for (const { key } of settings.invites()) {
    // By the rule that judges redemptions: what was written last may be concurrent with a withdrawal.
    const terms = inviteOf(key, view);
    if (terms === undefined || terms.power === NONE) continue;
    const { power, expiresMs, uses, node } = terms;
    const redemptions = authority.ledger.redemptions(key);
    const inEffect = redemptions.filter((each) => authority.rulingOf(each)?.invite === terms);
    const used = inEffect.length;
    const inviter = authority.power(node.author);
    const isEntitled = inviter < WRITE && inviter < power;
    const fault = !isEntitled ? "unentitled" : used >= uses ? "usedUp" : undefined;
    const redeemers = new Set(inEffect.map(({ author }) => author));
    invites.set(key, { power, expiresMs, uses, used, redeemers, fault, terms });
  }
  invitesByView.set(settings, invites);
  return invites;
}

/** Undefined: it stands. */
export function inviteFault(replica: Replica, invite: PublicKey, nowMs: number): InviteFault | undefined {
  const known = knownInvites(replica).get(invite);
  if (known === undefined) return "withdrawn";
  return known.fault ?? (nowMs > known.expiresMs ? "expired" : undefined);
}

/** Whether an invite that is known admits all but this key, because somebody removed it, or lowered it unknown to the invite. */
export function isBarred(replica: Replica, key: PublicKey, invite: PublicKey): boolean {
  const terms = knownInvites(replica).get(invite)?.terms;
  return terms !== undefined && isLoweredFor(key, terms, replica.authority.view());
}

/** Whether somebody with the authority to do so has taken everything from this key. */
export function isRemoved({ settings, authority }: Replica, key: PublicKey): boolean {
  if (authority.power(key) !== NONE) return false;
  return settings.sets().some((each) => each.via === "set" && each.key === key && each.power === NONE);
}
