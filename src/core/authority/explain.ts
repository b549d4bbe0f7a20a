/** Why a key may do what it may, and why an entry counts or does not, in steps that a person can follow. */
import { millisecondsOf } from "../clock.ts";
import type { Graph } from "../graph.ts";
import type { EntryId, PublicKey } from "../ids.ts";
import { followedBy, type Node } from "../node.ts";
import type { Replica } from "../replica.ts";
import { OWNER, type Permission, type Power, permissionName } from "../store/power.ts";
import type { Authority } from "./authority.ts";
import type { Cause } from "./cause.ts";
import { powerOf, publicOf, saidOf, type View } from "./power-of.ts";

export interface GrantStep {
  readonly entry: EntryId;
  /** Who gave the power: the author of the entry; for a redemption whoever made the invite. */
  readonly author: PublicKey;
  readonly power: Power;
  /** Milliseconds since 1970, by the clock of whoever wrote the entry. */
  readonly atMs: number;
  readonly via: "root" | "set" | "redeem" | "public";
}

export interface KeyExplanation {
  readonly key: PublicKey;
  readonly power: Power;
  readonly permission: Permission;
  /** It is entitled to this because everybody is. */
  readonly isPublic: boolean;
  /** From the root down to what says it of the key: each step is by the key of the one before. Empty when nothing was ever said of it. */
  readonly chain: readonly GrantStep[];
}

/** What would make an entry void, had `by` not taken its effect. */
export interface RevivalExplanation {
  /** A settings entry that has no effect. It cuts the entry itself, or what entitles its author. */
  readonly would: EntryId;
  /** Left out where uses decided it, not one entry. */
  readonly by?: EntryId;
}

/** Good entries have no rule. */
export interface EntryExplanation {
  readonly type: "counts" | "void" | "unknown";
  readonly author?: PublicKey;
  /** Why it does not count by itself. */
  readonly rule?: Cause["rule"];
  /** The settings entry that decided it, where there is one. */
  readonly by?: EntryId;
  /** It counts all the same because this good entry stands on it. */
  readonly keptUnder?: EntryId;
  /** It is good because what would make it void lost its own effect. */
  readonly revived?: RevivalExplanation;
}

export function explainKey({ authority, graph }: Replica, key: PublicKey): KeyExplanation {
  const view = authority.view();
  const power = powerOf(key, view);
  const said = key === view.owner ? undefined : saidOf(key, view);
  const open = publicOf(view);
  const isPublic = key !== view.owner && open !== undefined && open.power === power && said?.power !== power;
  return {
    key,
    power,
    permission: permissionName(power),
    isPublic,
    chain: chainOf(key, view, graph, authority, isPublic),
  };
}

/** An entry that was not accepted is unknown. */
export function explainEntry({ authority, graph }: Replica, id: EntryId): EntryExplanation {
  const node = graph.get(id);
  if (node === undefined) return { type: "unknown" };
  const { author } = node;
  const cause = authority.causeOf(node);
  if (cause === undefined) return { type: "counts", author, ...revivalIn(authority, node) };
  const why = { author, rule: cause.rule, ...(cause.by === undefined ? {} : { by: cause.by.id }) };
  const above = graph.counts(node) ? goodAbove(node, graph) : undefined;
  return above === undefined ? { type: "void", ...why } : { type: "counts", ...why, keptUnder: above.id };
}

function revivalIn(authority: Authority, node: Node): { readonly revived?: RevivalExplanation } {
  const revival = authority.revivalOf(node);
  if (revival === undefined) return {};
  const { would, by } = revival;
  return { revived: { would: would.id, ...(by === undefined ? {} : { by: by.id }) } };
}

/** Each step goes to what its author knew, so the walk ends at the root. */
function chainOf(
  key: PublicKey,
  now: View,
  graph: Graph,
  authority: Authority,
  isPublic: boolean,
): readonly GrantStep[] {
  const chain: GrantStep[] = [];
  let view = now;
  for (let at = key, open = isPublic; at !== view.owner; open = false) {
    const step = open ? publicStep(view) : saidStep(at, view, authority);
    if (step === undefined) return chain;
    chain.unshift(step.step);
    at = step.step.author;
    view = { ...view, latest: step.node.settingsBefore };
  }
  const { root } = graph;
  if (root === undefined) return chain;
  const { id, author, time } = root;
  return [{ entry: id, author, power: OWNER, atMs: millisecondsOf(time), via: "root" }, ...chain];
}

interface Step {
  readonly node: Node;
  readonly step: GrantStep;
}

function saidStep(key: PublicKey, view: View, authority: Authority): Step | undefined {
  const said = saidOf(key, view);
  if (said === undefined) return undefined;
  const { node, power, via } = said;
  const author = authority.rulingOf(node)?.invite?.node.author ?? node.author;
  return { node, step: { entry: node.id, author, power, atMs: millisecondsOf(node.time), via } };
}

function publicStep(view: View): Step | undefined {
  const open = publicOf(view);
  if (open === undefined) return undefined;
  const { node, power } = open;
  const step = { entry: node.id, author: node.author, power, atMs: millisecondsOf(node.time), via: "public" } as const;
  return { node, step };
}

/** The first good entry that stands on a node, however far above. */
function goodAbove(node: Node, graph: Graph): Node | undefined {
  const above = new Set<Node>([node]);
  for (let position = node.position + 1; position < graph.size; position++) {
    const each = graph.at(position);
    if (!followedBy(each).some((below) => above.has(below))) continue;
    if (graph.isGood(each)) return each;
    above.add(each);
  }
  return undefined;
}
