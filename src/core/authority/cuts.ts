/**
 * Which content is good: written by a key that was entitled to it, and not cut.
 *
 * [AUTHORITY-5] An effective set that leaves the author too weak cuts every entry that neither knows it nor is known by it.
 */
import { chainsAbove } from "../frontier.ts";
import type { Graph } from "../graph.ts";
import type { PublicKey } from "../ids.ts";
import { isSettings, type Node } from "../node.ts";
import { WRITE } from "../store/power.ts";
import type { SettingsOp } from "../store/settings.ts";
import { isAtOrBelow, knownHeads } from "./known-heads.ts";
import { isRoot } from "./ledger.ts";
import { powerOf, saidOf, type View } from "./power-of.ts";
import type { Rulings } from "./rulings.ts";
import type { Standings } from "./standings.ts";

export class Cuts {
  readonly #graph: Graph;
  readonly #standings: Standings;
  /** Of settings entries: their pasts never change. */
  readonly #known = new WeakMap<Node, Map<PublicKey, readonly Node[]>>();

  constructor(graph: Graph, standings: Standings) {
    this.#graph = graph;
    this.#standings = standings;
  }

  /** Whether an accepted entry is good where the rulings hold; `isMember`: which settings entries are known there. */
  isGood(node: Node, rulings: Rulings, isMember: (node: Node) => boolean): boolean {
    if (isRoot(node)) return true;
    if (isSettings(node)) return rulings.of(node) !== undefined;
    return this.isEntitled(node, rulings) && this.cutterOf(node, rulings, isMember) === undefined;
  }

  isEntitled(node: Node, rulings: Rulings): boolean {
    const ruled = this.#standings.at(node.settingsBefore);
    if (ruled === rulings) return true; // It was accepted by these.
    return powerOf(node.author, this.#viewOf(node, rulings)) <= WRITE;
  }

  /** The settings entry that cuts a content entry. */
  cutterOf(node: Node, rulings: Rulings, isMember: (node: Node) => boolean): Node | undefined {
    return this.cutterAmong(node, rulings, (each) => rulings.of(each) !== undefined && isMember(each));
  }

  /** The one of these settings entries that cuts a content entry, whether or not it has an effect. */
  cutterAmong(node: Node, rulings: Rulings, isAmong: (node: Node) => boolean): Node | undefined {
    const { ledger } = this.#standings;
    const isCutter = (each: { readonly node: Node; readonly power: number }): boolean =>
      each.power > WRITE && isAmong(each.node) && !ledger.knows(node, each.node) && !this.isKnownTo(node, each.node);
    const sets = ledger.grants(node.author).flatMap((grant) => (grant.via === "set" ? [grant] : []));
    const cutter = sets.find(isCutter) ?? ledger.publics().find(isCutter);
    if (cutter === undefined || sets.some((each) => each === cutter)) return cutter?.node;
    return this.isPublicWriter(node, rulings) ? cutter.node : undefined;
  }

  /** Content that a settings entry cuts by itself; it is linked, and need not be in the graph yet. */
  cutBy(node: Node, ops: readonly SettingsOp[], rulings: Rulings): readonly Node[] {
    const lowered = new Set(ops.flatMap((op) => (op.type === "set" && op.power > WRITE ? [op.key] : [])));
    const isPublic = ops.some((op) => op.type === "public" && op.power > WRITE);
    const authors = isPublic ? this.#graph.authors() : lowered;
    const known = authors.size === 0 ? undefined : knownHeads(this.#graph, node, authors);
    const cut: Node[] = [];
    for (const author of known?.keys() ?? [])
      for (const each of chainsAbove(this.#graph.allHeads(author), known?.get(author) ?? []))
        if (!isSettings(each) && (lowered.has(author) || this.isPublicWriter(each, rulings))) cut.push(each);
    return cut;
  }

  /** Whether an entry is in the past of a settings entry. */
  isKnownTo(node: Node, settings: Node): boolean {
    if (node.position > settings.position || node.height >= settings.height) return false;
    return isAtOrBelow(node, this.#knownHeads(settings, node.author));
  }

  /** Whether nothing but what everybody may do entitled the author. */
  isPublicWriter(node: Node, rulings: Rulings): boolean {
    if (node.author === this.#standings.owner()) return false;
    const said = saidOf(node.author, this.#viewOf(node, rulings));
    return said === undefined || said.power > WRITE;
  }

  #knownHeads(settings: Node, author: PublicKey): readonly Node[] {
    const known = this.#known.get(settings)?.get(author);
    if (known !== undefined) return known;
    const heads = knownHeads(this.#graph, settings, [author]).get(author) ?? [];
    const byAuthor = this.#known.get(settings) ?? new Map<PublicKey, readonly Node[]>();
    this.#known.set(settings, byAuthor.set(author, heads));
    return heads;
  }

  #viewOf(node: Node, rulings: Rulings): View {
    const { ledger, owner } = this.#standings;
    return { ledger, rulings, owner: owner(), latest: node.settingsBefore, below: Number.POSITIVE_INFINITY };
  }
}
