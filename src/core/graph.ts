/**
 * The Merkle graph of one database: which entries are held, what follows what, tips and heads.
 *
 * [GRAPH-1] An entry is in the graph only when everything it follows is in it.
 * [GRAPH-2] Tips are the entries that nothing in the graph follows; their order is that of their ids.
 * [GRAPH-3] Heads of an author are its entries that no entry of the same author names as `prev`; more than one is a fork.
 * [GRAPH-4] Adding the same entries in any order that respects GRAPH-1 gives the same tips, heads and frontier.
 * [GRAPH-5] The latest settings are the entries that write `_settings` and that no other such entry follows, however far.
 *
 * Holds what every entry needs in memory, never its bytes. It does not check entries: `replica.ts` does before it adds.
 */
import { assert } from "./errors.ts";
import type { Frontier, Head } from "./frontier.ts";
import type { EntryId, PublicKey } from "./ids.ts";

/** The part of an entry that the graph keeps. */
export interface EntryIndex {
  readonly id: EntryId;
  readonly author: PublicKey;
  readonly seq: number;
  readonly prev: EntryId | undefined;
  readonly parents: readonly EntryId[];
  readonly height: number;
  readonly time: number;
  /** Bytes of the whole entry. */
  readonly size: number;
  /** True when the entry writes `_settings`: the few that decide who may do what. */
  readonly settings: boolean;
}

export interface Node {
  readonly id: EntryId;
  /** The number of entries accepted here before it; differs between replicas. */
  readonly position: number;
  readonly author: PublicKey;
  readonly seq: number;
  readonly prev: Node | undefined;
  /** The entry's parents, without `prev` when they are just that. */
  readonly parents: readonly Node[];
  readonly height: number;
  readonly time: number;
  readonly size: number;
  /** The latest entries that write `_settings` among what it follows: none of them is in another's past. Shared between nodes. */
  readonly settingsBefore: readonly Node[];
  /** The same with this entry itself, when it writes `_settings`. */
  readonly settings: readonly Node[];
}

export class Graph {
  readonly #nodes: Node[] = [];
  readonly #byId = new Map<EntryId, Node>();
  readonly #tips = new Map<EntryId, Node>();
  readonly #heads = new Map<PublicKey, Set<Node>>();
  #settings: readonly Node[] | undefined;

  get size(): number {
    return this.#nodes.length;
  }

  get root(): Node | undefined {
    return this.#nodes[0];
  }

  get(id: EntryId): Node | undefined {
    return this.#byId.get(id);
  }

  has(id: EntryId): boolean {
    return this.#byId.has(id);
  }

  at(position: number): Node {
    const node = this.#nodes[position];
    assert(node, `no entry at position ${position}`);
    return node;
  }

  tips(): readonly Node[] {
    return [...this.#tips.values()].sort(byId);
  }

  /** An author's heads among the entries at positions below `through`. */
  heads(author: PublicKey, through: number = this.size): readonly Node[] {
    return headsBelow(this.#heads.get(author) ?? new Set(), through);
  }

  countHeads(author: PublicKey): number {
    return this.#heads.get(author)?.size ?? 0;
  }

  /** The frontier of the entries at positions below `through`, which are closed under everything they follow. */
  frontier(through: number = this.size): Frontier {
    const frontier = new Map<PublicKey, readonly Head[]>();
    for (const [author, heads] of this.#heads) {
      const kept = [...headsBelow(heads, through)];
      if (kept.length > 0) frontier.set(author, kept.map(({ seq, id }) => ({ seq, id })).sort(byId));
    }
    return frontier;
  }

  /** The latest entries that write `_settings` in the whole graph. */
  settings(): readonly Node[] {
    this.#settings ??= latestSettings(this.tips());
    return this.#settings;
  }

  /** Adds a checked entry whose followed entries are all held. */
  add(entry: EntryIndex): Node {
    assert(!this.#byId.has(entry.id), "an entry is added once");
    const node = linkNode(entry, this.#nodes.length, (id) => this.#byId.get(id));
    this.#nodes.push(node);
    this.#byId.set(node.id, node);
    if (entry.settings) this.#settings = undefined;
    if (node.prev !== undefined) this.#tips.delete(node.prev.id);
    for (const parent of node.parents) this.#tips.delete(parent.id);
    this.#tips.set(node.id, node);
    this.#extendChain(node);
    return node;
  }

  #extendChain(node: Node): void {
    const heads = this.#heads.get(node.author) ?? new Set();
    if (node.prev !== undefined) heads.delete(node.prev);
    this.#heads.set(node.author, heads.add(node));
  }
}

/** A node on top of what it follows, which `find` must know: [GRAPH-1]. It is in no graph by that. */
export function linkNode(entry: EntryIndex, position: number, find: (id: EntryId) => Node | undefined): Node {
  const held = (id: EntryId): Node => {
    const node = find(id);
    assert(node, "GRAPH-1");
    return node;
  };
  const prev = entry.prev === undefined ? undefined : held(entry.prev);
  const parents = entry.parents.length === 0 ? noNodes : entry.parents.map(held);
  const settingsBefore = latestSettings(prev === undefined ? parents : [prev, ...parents]);
  const node: Node & { settings: readonly Node[] } = {
    id: entry.id,
    position,
    author: entry.author,
    seq: entry.seq,
    prev,
    parents,
    height: entry.height,
    time: entry.time,
    size: entry.size,
    settingsBefore,
    settings: settingsBefore,
  };
  if (entry.settings) node.settings = [node];
  return node;
}

/** Of some chains of one author, the newest nodes at positions below `through`. */
function headsBelow(heads: ReadonlySet<Node>, through: number): readonly Node[] {
  const lowered = new Set<Node>();
  let isWhole = true;
  for (const head of heads) {
    const node = lower(head, through);
    if (node !== head) isWhole = false;
    if (node !== undefined) lowered.add(node);
  }
  return isWhole || lowered.size < 2 ? [...lowered] : withoutAncestors(lowered);
}

/** The newest node at or below `head` in its chain whose position is below `through`. */
function lower(head: Node, through: number): Node | undefined {
  let node: Node | undefined = head;
  while (node !== undefined && node.position >= through) node = node.prev;
  return node;
}

/** Of nodes of one chain, those that are not below another of them. */
function withoutAncestors(nodes: ReadonlySet<Node>): readonly Node[] {
  let lowest = Number.POSITIVE_INFINITY;
  for (const { seq } of nodes) lowest = Math.min(lowest, seq);
  const below = new Set<Node>();
  for (const head of nodes) {
    for (let node = head.prev; node !== undefined && node.seq >= lowest && !below.has(node); node = node.prev)
      below.add(node);
  }
  return [...nodes].filter((node) => !below.has(node));
}

const noNodes: readonly Node[] = [];

function byId(a: { readonly id: EntryId }, b: { readonly id: EntryId }): number {
  return a.id < b.id ? -1 : 1;
}

/** The latest of the settings that some nodes know: an array that one of the nodes has, where that is the same. */
export function latestSettings(followed: readonly Node[]): readonly Node[] {
  const first = followed[0]?.settings ?? noNodes;
  if (followed.every((node) => node.settings === first)) return first;
  const all = [...new Set(followed.flatMap((node) => node.settings))];
  const past = settingsPast(all.flatMap((node) => node.settingsBefore));
  const latest = all.filter((node) => !past.has(node));
  const isLatest = ({ settings }: Node): boolean =>
    settings.length === latest.length && settings.every((node) => latest.includes(node));
  return followed.find(isLatest)?.settings ?? latest;
}

/** Every entry that writes `_settings` at or before the given latest ones. Walks the settings only, never the whole graph. */
export function settingsPast(latest: readonly Node[]): ReadonlySet<Node> {
  const past = new Set<Node>();
  const waiting = [...latest];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (past.has(node)) continue;
    past.add(node);
    for (const before of node.settingsBefore) if (!past.has(before)) waiting.push(before);
  }
  return past;
}
