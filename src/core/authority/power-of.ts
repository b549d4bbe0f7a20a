/**
 * What a key may do, and which invite stands, at the latest of some settings entries.
 *
 * Of an entry that is decided only what is decided before it may be asked: `below` is its stratum.
 */
import type { Node } from "../graph.ts";
import type { PublicKey } from "../ids.ts";
import { NONE, OWNER, type Power, WRITE } from "../store/power.ts";
import { type InviteTerms, isExpired, type Ledger } from "./ledger.ts";
import type { Rulings } from "./rulings.ts";

/** What is known where something is judged. */
export interface View {
  readonly ledger: Ledger;
  readonly rulings: Rulings;
  readonly owner: PublicKey | undefined;
  /** Only what these entries know. */
  readonly latest: readonly Node[];
  /** Only what was decided in an earlier stratum. */
  readonly below: number;
}

/** What was said of a key, and by which entry. */
export interface Said {
  readonly node: Node;
  readonly power: Power;
  readonly via: "set" | "redeem";
}

/** Why an invite does not admit a key. removed: somebody lowered or removed it by name after the invite, or not known to it. */
export type RedeemFault = "unknown" | "withdrawn" | "unentitled" | "expired" | "used up" | "removed" | "needless";

/** What was said of the key by name; undefined when nothing. A redemption never weighs against a set that it does not know. */
export function saidOf(key: PublicKey, view: View): Said | undefined {
  const latest = latestOf(sayings(key, view), view.ledger);
  const sets = latest.filter((said) => said.via === "set");
  if (sets.length > 0) return sets.reduce((weakest, said) => (said.power > weakest.power ? said : weakest));
  return latest.reduce<Said | undefined>(
    (strongest, said) => (strongest === undefined || said.power < strongest.power ? said : strongest),
    undefined,
  );
}

/** What every key may do. */
export function publicOf(view: View): { readonly node: Node; readonly power: Power } | undefined {
  const known = view.ledger.publics().filter(({ node }) => isDecided(node, view));
  return weakestOf(latestOf(known, view.ledger));
}

export function powerOf(key: PublicKey, view: View): Power {
  if (key === view.owner) return OWNER;
  const said = saidOf(key, view)?.power;
  if (said === NONE || view.ledger.publics().length === 0) return said ?? NONE;
  return Math.min(said ?? NONE, publicOf(view)?.power ?? NONE);
}

/** The terms of an invite: of concurrent ones the weakest. Those of a withdrawn one have power 999. */
export function inviteOf(key: PublicKey, view: View): InviteTerms | undefined {
  return weakestOf(
    latestOf(
      view.ledger.invites(key).filter(({ node }) => isDecided(node, view)),
      view.ledger,
    ),
  );
}

/** The invite that a key redeems at this time, or why it cannot. How often it was redeemed is not looked at. */
export function redeemableBy(
  author: PublicKey,
  inviteKey: PublicKey,
  time: number,
  view: View,
): InviteTerms | Exclude<RedeemFault, "used up"> {
  const invite = inviteOf(inviteKey, view);
  if (invite === undefined) return "unknown";
  if (invite.power === NONE) return "withdrawn";
  const inviter = powerOf(invite.node.author, view);
  if (inviter >= WRITE || inviter >= invite.power) return "unentitled";
  if (isExpired(invite, time)) return "expired";
  if (powerOf(author, view) <= invite.power) return "needless";
  return isLoweredFor(author, invite, view) ? "removed" : invite;
}

/**
 * Whether the key was set by name to less than the invite gives by somebody of whom whoever made the invite did not know. Who was set to none
 * stays out of any. What a later invite gave the key does not count: it would let an earlier one in again.
 */
export function isLoweredFor(key: PublicKey, { node, power }: InviteTerms, view: View): boolean {
  const sets = latestOf(
    sayings(key, view).filter((said) => said.via === "set"),
    view.ledger,
  );
  return sets.some((set) => set.power > power && (set.power === NONE || !view.ledger.knows(node, set.node)));
}

/** When a redemption is decided: after all that is stronger than what it gives, and before whoever has it is judged. */
export function redemptionStratum({ power }: InviteTerms): number {
  return Math.min(power, WRITE) - 0.5;
}

function isDecided(node: Node, { ledger, rulings, latest, below }: View): boolean {
  const ruling = rulings.of(node);
  return ruling !== undefined && ruling.stratum < below && ledger.isKnown(node, latest);
}

/** In the order recorded. */
function sayings(key: PublicKey, view: View): readonly Said[] {
  const said: Said[] = [];
  for (const grant of view.ledger.grants(key)) {
    if (!isDecided(grant.node, view)) continue;
    const power = grant.via === "set" ? grant.power : view.rulings.of(grant.node)?.invite?.power;
    if (power !== undefined) said.push({ node: grant.node, power, via: grant.via });
  }
  return said;
}

/** Those that none of the others knows. They were recorded after what they know. */
function latestOf<Item extends { readonly node: Node }>(items: readonly Item[], ledger: Ledger): readonly Item[] {
  if (items.length < 2) return items;
  const latest: Item[] = [];
  for (const item of [...items].reverse())
    if (!latest.some(({ node }) => ledger.knows(node, item.node))) latest.push(item);
  return latest;
}

/** Of several with the same power the one with the lowest id. */
function weakestOf<Item extends { readonly node: Node; readonly power: Power }>(
  items: readonly Item[],
): Item | undefined {
  return items.reduce<Item | undefined>((weakest, item) => {
    if (weakest === undefined || item.power > weakest.power) return item;
    return item.power === weakest.power && item.node.id < weakest.node.id ? item : weakest;
  }, undefined);
}
