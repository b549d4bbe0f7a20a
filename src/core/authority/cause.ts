/** Why an accepted entry is not good, or is good again: which rule makes it so, and which settings entry. */
import { isSettings, type Node } from "../node.ts";
import { type Power, WRITE } from "../store/power.ts";
import type { Cuts } from "./cuts.ts";
import { cutterOf, rulingAmong } from "./effective.ts";
import { publicOf, saidOf } from "./power-of.ts";
import type { Exceptions, Rulings } from "./rulings.ts";
import type { Standings } from "./standings.ts";

/**
 * cut: something concurrent takes what it needs. uses: others took the uses of the invite before. not entitled: what it was entitled by has
 * no effect itself.
 */
export interface Cause {
  readonly rule: "cut" | "uses" | "not entitled";
  /** What decided it, where there is one entry that did. */
  readonly by: Node | undefined;
}

export interface Revival {
  /** It would cut the entry, or what entitles its author, had it not lost its own effect. */
  readonly would: Node;
  /** What took that effect away, where there is one entry that did. */
  readonly by: Node | undefined;
}

/** What is known where it is asked. */
export interface Grounds {
  readonly rulings: Exceptions;
  /** Which settings entries are known there. */
  readonly isMember: (node: Node) => boolean;
  readonly standings: Standings;
  readonly cuts: Cuts;
}

/** Of an entry that is not good there. */
export function causeOf(node: Node, grounds: Grounds): Cause {
  const cut = isSettings(node) ? causeOfSettings(node, grounds) : causeOfContent(node, grounds);
  return cut ?? { rule: "not entitled", by: takerOf(node, grounds) };
}

/**
 * Of an entry that is good there; undefined when nothing that lost its effect would change that. Each step goes to a stronger author, so
 * there are few.
 */
export function revivalOf(node: Node, grounds: Grounds, unknownTo: Node = node): Revival | undefined {
  const { ledger } = grounds.standings;
  const settled: Grounds = { ...grounds, isMember: (other) => ledger.knows(unknownTo, other) };
  // Whoever knew what ended it wrote on after that: nothing was at stake any more.
  const isUnknown = (other: Node): boolean =>
    grounds.isMember(other) && !ledger.knows(unknownTo, other) && causeOf(other, settled).by === undefined;
  const would = lostCutterOf(node, isUnknown, grounds);
  if (would !== undefined) return { would, by: causeOf(would, grounds).by };
  const support = supportOf(node, grounds);
  return support && revivalOf(support, grounds, unknownTo);
}

function causeOfContent(node: Node, { rulings, isMember, cuts }: Grounds): Cause | undefined {
  if (!cuts.isEntitled(node, rulings)) return undefined;
  return { rule: "cut", by: cuts.cutterOf(node, rulings, isMember) };
}

function causeOfSettings(node: Node, { rulings, isMember, standings }: Grounds): Cause | undefined {
  const effect = rulingAmong(node, rulings, () => false, standings);
  if (effect === undefined) return undefined;
  const isConcurrent = (other: Node): boolean =>
    (rulings.of(other)?.stratum ?? WRITE) < effect.stratum &&
    isMember(other) &&
    standings.ledger.isConcurrent(node, other);
  const by = cutterOf(node, effect, isConcurrent, rulings, standings);
  return by === undefined ? { rule: "uses", by: undefined } : { rule: "cut", by };
}

/** What took away the effect of what entitled the author when the entry was written; or what has one again, and takes it. */
function takerOf(node: Node, grounds: Grounds): Node | undefined {
  const { rulings, standings } = grounds;
  const { ledger, own } = standings;
  const then = standings.at(node.settingsBefore);
  const need = own.of(node)?.invite?.power ?? own.of(node)?.stratum ?? WRITE;
  const known = wordsFor(node, standings).filter((word) => ledger.isKnown(word.node, node.settingsBefore));
  const back = known.find(
    (word) => word.power > need && then.of(word.node) === undefined && rulings.of(word.node) !== undefined,
  );
  if (back !== undefined) return back.node;
  const lost = known.find(
    (word) => word.power <= need && then.of(word.node) !== undefined && rulings.of(word.node) === undefined,
  );
  return lost && causeOf(lost.node, grounds).by;
}

/** Whatever says what the author may do: by name, by the invite that is redeemed, as everybody. */
function wordsFor(node: Node, { ledger }: Standings): readonly { readonly node: Node; readonly power: Power }[] {
  const redeem = ledger.redeemIn(node);
  const invites = redeem === undefined ? [] : ledger.invites(redeem.invite);
  const keys = new Set([node.author, ...invites.map((invite) => invite.node.author)]);
  const grants = [...keys].flatMap((key) => ledger.grants(key));
  // A redemption only ever gives.
  const named = grants.map((grant) => ({ node: grant.node, power: grant.via === "set" ? grant.power : 0 }));
  return [...invites, ...named, ...ledger.publics()];
}

function lostCutterOf(
  node: Node,
  isUnknown: (other: Node) => boolean,
  { rulings, standings, cuts }: Grounds,
): Node | undefined {
  const { ledger, own } = standings;
  const isLost = (other: Node): boolean =>
    rulings.of(other) === undefined && own.of(other) !== undefined && isUnknown(other);
  if (!isSettings(node)) return cuts.cutterAmong(node, rulings, isLost);
  const effect = rulings.of(node);
  if (effect === undefined) return undefined;
  const isConcurrent = (other: Node): boolean =>
    isLost(other) && (own.of(other)?.stratum ?? WRITE) < effect.stratum && ledger.isConcurrent(node, other);
  return cutterOf(node, effect, isConcurrent, rulings, standings);
}

/** The settings entry without which the author was not entitled. */
function supportOf(node: Node, { rulings, standings, cuts }: Grounds): Node | undefined {
  const { ledger } = standings;
  const owner = standings.owner();
  const effect = rulings.of(node);
  const below = effect?.stratum ?? Number.POSITIVE_INFINITY;
  const view = { ledger, rulings, owner, latest: node.settingsBefore, below };
  const said = saidOf(node.author, view);
  const entitling = said !== undefined && said.power <= WRITE ? said : publicOf(view);
  const support = effect?.invite?.node ?? (node.author === owner ? undefined : entitling?.node);
  if (support === undefined) return undefined;
  const without: Rulings = { of: (each) => (each === support ? undefined : rulings.of(each)) };
  const isEntitled = isSettings(node)
    ? rulingAmong(node, without, () => false, standings) !== undefined
    : cuts.isEntitled(node, without);
  return isEntitled ? undefined : support;
}
