/** Why an accepted entry is not good: which rule makes it so, and which settings entry. */
import { isSettings, type Node } from "../node.ts";
import type { Cuts } from "./cuts.ts";
import { cutterOf, rulingAmong } from "./effective.ts";
import type { Exceptions } from "./rulings.ts";
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

export function causeOf(node: Node, rulings: Exceptions, standings: Standings, cuts: Cuts): Cause {
  const cut = isSettings(node) ? causeOfSettings(node, rulings, standings) : causeOfContent(node, rulings, cuts);
  if (cut !== undefined) return cut;
  // What gave the author its power, and had an effect when the entry was written.
  const lost = standings.ledger
    .grants(node.author)
    .find((grant) => rulings.of(grant.node) === undefined && standings.ledger.isKnown(grant.node, node.settingsBefore));
  return { rule: "not entitled", by: lost && causeOf(lost.node, rulings, standings, cuts).by };
}

function causeOfContent(node: Node, rulings: Exceptions, cuts: Cuts): Cause | undefined {
  if (!cuts.isEntitled(node, rulings)) return undefined;
  return { rule: "cut", by: cuts.cutterOf(node, rulings, () => true) };
}

function causeOfSettings(node: Node, rulings: Exceptions, standings: Standings): Cause | undefined {
  const effect = rulingAmong(node, rulings, () => false, standings);
  if (effect === undefined) return undefined;
  const isConcurrent = (other: Node): boolean =>
    rulings.of(other) !== undefined && standings.ledger.isConcurrent(node, other);
  const by = cutterOf(node, effect, isConcurrent, rulings, standings);
  return by === undefined ? { rule: "uses", by: undefined } : { rule: "cut", by };
}
