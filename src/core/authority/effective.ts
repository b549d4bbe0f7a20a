/**
 * Decides which settings entries have an effect.
 *
 * [AUTHORITY-6] They are decided from strong to weak: what an admin of some power did depends on what stronger keys did alone, so
 *               there are no ties and no loops. A redemption is decided after all keys that are stronger than what it gives.
 *
 * The whole is decided anew (`decideAll`) only where concurrent entries may cut each other. Else the ruling of each entry follows from its own
 * past, and adding it changes no other.
 */

import type { PublicKey } from "../ids.ts";
import { type Node, settingsPast } from "../node.ts";
import { NONE, OWNER, type Power, WRITE } from "../store/power.ts";
import { lackOf } from "./allowed.ts";
import { type InviteTerms, isEarlier, type Ledger } from "./ledger.ts";
import { powerOf, redeemableBy, redemptionStratum, type View } from "./power-of.ts";
import { type Effect, Exceptions, isSameRuling, type OwnRulings, type Ruling, type Rulings } from "./rulings.ts";

export interface Decided {
  readonly ledger: Ledger;
  readonly own: OwnRulings;
  readonly owner: () => PublicKey | undefined;
}

/** The ruling of an entry that nothing else knows, by those of what it knows, and of what is concurrent with it. */
export function rulingAmong(
  node: Node,
  rulings: Rulings,
  isConcurrent: (other: Node) => boolean,
  decided: Decided,
): Ruling {
  const { ledger, owner } = decided;
  const view = { ledger, rulings, owner: owner(), latest: node.settingsBefore };
  for (const stratum of strataOf(node, ledger, view.owner)) {
    const effect = effectAt(node, stratum, { ...view, below: stratum });
    if (effect === undefined) continue;
    const isDecided = (other: Node): boolean => (rulings.of(other)?.stratum ?? WRITE) < stratum && isConcurrent(other);
    if (cutterOf(node, effect, isDecided, rulings, decided) !== undefined) continue;
    const { invite } = effect;
    if (invite === undefined || !Number.isFinite(invite.uses)) return effect;
    // Those that come first keep the uses whatever comes later, so that need not be decided as a whole.
    const isFirst = (each: Node): boolean => ledger.knows(node, each) || (isEarlier(each, node) && isConcurrent(each));
    const isTaken = (each: Node): boolean => rulings.of(each)?.invite === invite && isFirst(each);
    const taken = ledger.redemptions(invite.key).filter((each) => each !== node && isTaken(each));
    if (taken.length < invite.uses) return effect;
  }
  return undefined;
}

/** Those of a set that contains exactly what the latest ones know, decided from strong to weak. */
export function decideAll(latest: readonly Node[], decided: Decided): Exceptions {
  const { ledger, own } = decided;
  const nodes = [...settingsPast(latest)].sort((a, b) => a.height - b.height || (a.id < b.id ? -1 : 1));
  const effects = new Map<Node, Effect>();
  const strata = new Map(nodes.map((node) => [node, strataOf(node, ledger, decided.owner())]));
  for (const stratum of ascending([...strata.values()].flat())) {
    const here = nodes.filter((node) => !effects.has(node) && strata.get(node)?.includes(stratum));
    for (const [node, effect] of decideStratum(here, stratum, effects, decided)) effects.set(node, effect);
  }
  const exceptions = nodes.filter((node) => !isSameRuling(effects.get(node), own.of(node)));
  return new Exceptions(own, new Map(exceptions.map((node) => [node, effects.get(node)])));
}

/**
 * Whether an entry that has an effect, and that nothing else knows, may take theirs from others that are concurrent with it. Says yes too often,
 * never too seldom.
 */
export function isContested(
  node: Node,
  { invite }: Effect,
  rulings: Rulings,
  isConcurrent: (other: Node) => boolean,
  decided: Decided,
): boolean {
  if (invite === undefined) return mayCut(node, isConcurrent, rulings, decided);
  const redemptions = Number.isFinite(invite.uses) ? decided.ledger.redemptions(invite.key) : [];
  return redemptions.length > invite.uses && redemptions.some(isConcurrent);
}

/** Every stratum at which the entry may turn out to be allowed. */
function strataOf(node: Node, ledger: Ledger, owner: PublicKey | undefined): readonly number[] {
  const redeem = ledger.redeemIn(node);
  if (redeem !== undefined) {
    const invites = ledger.invites(redeem.invite).filter(({ power }) => power !== NONE);
    return ascending(invites.map(redemptionStratum));
  }
  if (node.author === owner) return [OWNER];
  return ascending(ledger.grants(node.author).flatMap((grant) => possiblePowers(grant.node, grant, ledger)));
}

function possiblePowers(
  node: Node,
  grant: { readonly via: "set"; readonly power: Power } | { readonly via: "redeem" },
  ledger: Ledger,
): readonly Power[] {
  if (grant.via === "set") return grant.power < WRITE ? [grant.power] : [];
  const invites = ledger.invites(ledger.redeemIn(node)?.invite ?? ("" as PublicKey));
  return invites.map(({ power }) => power).filter((power) => power < WRITE);
}

/** What the entry is at a stratum, concurrent ones and uses left aside. */
function effectAt(node: Node, stratum: number, view: View): Effect | undefined {
  const redeem = view.ledger.redeemIn(node);
  if (redeem !== undefined) {
    const invite = redeemableBy(node.author, redeem.invite, node.time, view);
    return typeof invite !== "string" && redemptionStratum(invite) === stratum ? { stratum, invite } : undefined;
  }
  if (powerOf(node.author, view) !== stratum) return undefined;
  const ops = view.ledger.opsOf(node);
  return ops.every((op) => lackOf(node.author, stratum, op, view) === undefined) ? { stratum } : undefined;
}

function decideStratum(
  here: readonly Node[],
  stratum: number,
  effects: ReadonlyMap<Node, Effect>,
  decided: Decided,
): ReadonlyMap<Node, Effect> {
  const { ledger } = decided;
  const rulings: Rulings = { of: (node) => effects.get(node) };
  const found = new Map<Node, Effect>();
  for (const node of here) {
    const view = { ledger, rulings, owner: decided.owner(), latest: node.settingsBefore, below: stratum };
    const effect = effectAt(node, stratum, view);
    const isConcurrent = (other: Node): boolean => effects.has(other) && ledger.isConcurrent(node, other);
    if (effect === undefined) continue;
    if (cutterOf(node, effect, isConcurrent, rulings, decided) === undefined) found.set(node, effect);
  }
  return withinUses(found);
}

/** Of the redemptions of one invite the first ones in time. All of them are of this stratum. */
function withinUses(found: ReadonlyMap<Node, Effect>): ReadonlyMap<Node, Effect> {
  const byInvite = new Map<InviteTerms, Node[]>();
  for (const [node, { invite }] of found)
    if (invite !== undefined && Number.isFinite(invite.uses))
      byInvite.set(invite, [...(byInvite.get(invite) ?? []), node]);
  const kept = new Map(found);
  for (const [{ uses }, nodes] of byInvite)
    for (const node of nodes.sort((a, b) => (isEarlier(a, b) ? -1 : 1)).slice(uses)) kept.delete(node);
  return kept;
}

/** [AUTHORITY-5] for a settings entry, uses left aside: a concurrent one that leaves too little for what it does. */
export function cutterOf(
  node: Node,
  { stratum, invite }: Effect,
  isConcurrent: (other: Node) => boolean,
  rulings: Rulings,
  { ledger, owner }: Decided,
): Node | undefined {
  const lowers = (key: PublicKey, need: Power): Node | undefined =>
    ledger.grants(key).find((grant) => grant.via === "set" && grant.power > need && isConcurrent(grant.node))?.node;
  if (invite === undefined) return lowers(node.author, stratum);
  const inviter = invite.node.author;
  const view = { ledger, rulings, owner: owner(), latest: node.settingsBefore, below: stratum };
  return (
    lowers(node.author, Math.max(invite.power, WRITE)) ??
    lowers(inviter, powerOf(inviter, view)) ??
    ledger.invites(invite.key).find((other) => other.power > invite.power && isConcurrent(other.node))?.node
  );
}

function mayCut(
  node: Node,
  isConcurrent: (other: Node) => boolean,
  rulings: Rulings,
  { ledger, owner }: Decided,
): boolean {
  const isBeyond = (other: Node, power: Power): boolean => {
    const effect = rulings.of(other);
    return effect !== undefined && power > (effect.invite?.power ?? effect.stratum) && isConcurrent(other);
  };
  /** A redemption is in the name of whoever made the invite. */
  const isInviterBeyond = (other: Node, inviter: PublicKey, power: Power): boolean => {
    const effect = rulings.of(other);
    if (effect?.invite?.node.author !== inviter || !isConcurrent(other)) return false;
    const view = { ledger, rulings, owner: owner(), latest: other.settingsBefore, below: effect.stratum };
    return power > powerOf(inviter, view);
  };
  return ledger.opsOf(node).some((op) => {
    if (op.type === "invite") return ledger.redemptions(op.key).some((other) => isBeyond(other, op.power));
    if (op.type !== "set") return false;
    const own = ledger.writtenBy(op.key);
    if (own.some((other) => isBeyond(other, op.power))) return true;
    const redemptions = invitesIn(own, ledger).flatMap((key) => ledger.redemptions(key));
    return redemptions.some((other) => isInviterBeyond(other, op.key, op.power));
  });
}

function invitesIn(nodes: readonly Node[], ledger: Ledger): readonly PublicKey[] {
  return nodes.flatMap((node) => ledger.opsOf(node).flatMap((op) => (op.type === "invite" ? [op.key] : [])));
}

function ascending(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}
