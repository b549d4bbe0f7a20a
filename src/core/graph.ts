/**
 * The Merkle graph of one database: which entries are held, what follows what, tips and heads.
 *
 * [GRAPH-1] An entry is in the graph only when everything it follows is in it.
 * [GRAPH-2] Tips are the counting entries that nothing counting follows; their order is that of their ids.
 * [GRAPH-3] Heads of an author are its counting entries that no counting entry of the same author names as `prev`; more than
 *           one is a fork.
 * [GRAPH-4] Adding the same entries in any order that respects GRAPH-1 gives the same tips, heads and frontier.
 * [GRAPH-5] The latest settings are the entries that write `_settings` and that no other such entry follows, however far.
 * [GRAPH-6] What counts is what is good, and everything it stands on. Positions, `size` and GRAPH-5 are over void entries too.
 *
 * Holds what every entry needs in memory, never its bytes. It does not check entries: `replica.ts` does before it adds. Which
 * are good is told to it (authority/authority.ts).
 */
import { assert } from "./errors.ts";
import type { Frontier, Head } from "./frontier.ts";
import type { EntryId, PublicKey } from "./ids.ts";
import type { LogIndex } from "./log-index.ts";
import { linksOf } from "./log-links.ts";
import { type EntryIndex, eachFollowed, isSameLatest, isSettings, linkNode, type Node } from "./node.ts";
import { RestoredNodes } from "./restored-nodes.ts";

export type { EntryIndex, Node } from "./node.ts";

/** What began to count and what no longer does; no node is in both. */
export interface Recount {
  readonly revived: readonly Node[];
  readonly voided: readonly Node[];
}

/** For the graph alone. */
type OwnNode = Node & { followers: number; coversAll: boolean };

export class Graph {
  /** At the first positions. */
  #restored: RestoredNodes | undefined;
  /** After those. */
  readonly #nodes: OwnNode[] = [];
  readonly #byId = new Map<EntryId, OwnNode>();
  /** Of what counts, as are the heads. */
  readonly #tips = new Map<EntryId, Node>();
  readonly #heads = new Map<PublicKey, Set<Node>>();
  /** What is not good: it counts all the same when something that counts stands on it. */
  readonly #bad = new Set<Node>();
  readonly #void = new Map<PublicKey, Set<Node>>();
  #voidCount = 0;
  #voidBytes = 0;
  #settings: readonly Node[] = noNodes;

  /** Everything held, void entries included. */
  get size(): number {
    return this.#restoredLength + this.#nodes.length;
  }

  /** How many entries are held that do not count. */
  get voidCount(): number {
    return this.#voidCount;
  }

  /** Their bytes. */
  get voidBytes(): number {
    return this.#voidBytes;
  }

  get root(): Node | undefined {
    return this.size === 0 ? undefined : this.at(0);
  }

  get(id: EntryId): Node | undefined {
    return this.#byId.get(id) ?? this.#restored?.get(id);
  }

  has(id: EntryId): boolean {
    return this.#byId.has(id) || this.#restored?.index.positionOf(id) !== undefined;
  }

  at(position: number): Node {
    if (this.#restored !== undefined && position < this.#restored.length) return this.#restored.at(position);
    const node = this.#nodes[position - this.#restoredLength];
    assert(node, `no entry at position ${position}`);
    return node;
  }

  /** The time of the entry at a position. Like the next two it makes no node of what was restored. */
  timeAt(position: number): number {
    const restored = this.#restored;
    return restored !== undefined && position < restored.length
      ? restored.index.time(position)
      : this.at(position).time;
  }

  /** The latest settings that the entry at a position knows, with itself; the same array as its node has. */
  settingsAt(position: number): readonly Node[] {
    const restored = this.#restored;
    if (restored !== undefined && position < restored.length) return restored.settingsAfter(position);
    return this.at(position).settings;
  }

  /** The position of each entry that the one at a position follows; its `prev` may come twice. */
  eachFollowedAt(position: number, act: (position: number) => void): void {
    const restored = this.#restored;
    if (restored !== undefined && position < restored.length) return restored.index.eachFollowed(position, act);
    eachFollowed(this.at(position), (node) => act(node.position));
  }

  /** [GRAPH-6] for a node of this graph. */
  counts(node: Node): boolean {
    return node.followers > 0 || !this.#bad.has(node);
  }

  /** Whether a node of this graph counts by itself, whatever stands on it. */
  isGood(node: Node): boolean {
    return !this.#bad.has(node);
  }

  tips(): readonly Node[] {
    return [...this.#tips.values()].sort(byId);
  }

  /** An author's heads among what counts at positions below `through`. */
  heads(author: PublicKey, through: number = this.size): readonly Node[] {
    return headsBelow(this.#heads.get(author) ?? new Set(), through);
  }

  /** Nodes with every entry of an author at or below one of them, void ones included. Some may be below others. */
  allHeads(author: PublicKey, through: number = this.size): readonly Node[] {
    const heads = this.#heads.get(author) ?? new Set<Node>();
    const ends = this.#void.get(author);
    return headsBelow(ends === undefined ? heads : new Set([...heads, ...ends]), through);
  }

  /** Whoever wrote something that is held. */
  authors(): ReadonlySet<PublicKey> {
    return new Set([...this.#heads.keys(), ...this.#void.keys()]);
  }

  countHeads(author: PublicKey): number {
    return this.#heads.get(author)?.size ?? 0;
  }

  /** The frontier of what counts at positions below `through`, which is closed under everything it follows. */
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
    return this.#settings;
  }

  /** Whether a node knows all settings that there are, and writes none: then it was accepted by all of them. */
  isAware(node: Node): boolean {
    return node.settings === this.#settings && !isSettings(node);
  }

  /** All other nodes, by position. */
  unaware(): readonly Node[] {
    const restored = this.#restored?.unaware(this.#settings) ?? noNodes;
    return [...restored, ...this.#nodes.filter((node) => !this.isAware(node))];
  }

  /** Adds a checked entry that is good. */
  add(entry: EntryIndex): Node {
    const node = this.link(entry);
    this.insert(node, true);
    return node;
  }

  /**
   * Adds entries to an empty graph, all of them good: as `add` would one by one, with what depends on the last of them found out once. `inserted` is
   * told of each that writes settings, while the latest settings are those up to it; tips and heads are there in the end.
   */
  restore(index: LogIndex, inserted: (node: Node) => void): void {
    assert(this.size === 0, "a graph is restored when it is empty");
    const links = linksOf(index);
    const restored = new RestoredNodes(index, links);
    this.#restored = restored;
    for (const { position, list } of links.steps) {
      this.#settings = restored.list(list);
      inserted(restored.at(position));
    }
    this.#settings = restored.list(links.last);
    for (const node of restored.tips()) this.#tips.set(node.id, node);
    for (const node of restored.heads()) this.#addHead(node);
  }

  /** The node of a checked entry whose followed entries are all held: to be inserted before another is linked. */
  link(entry: EntryIndex): Node {
    assert(!this.has(entry.id), "an entry is added once");
    return linkNode(entry, this.size, (id) => this.get(id));
  }

  /** Adds a node that was just linked. Answers with what counts because it does, itself left out. */
  insert(node: Node, isGood: boolean): readonly Node[] {
    assert(node.position === this.size, "a node is inserted when it was linked");
    const own: OwnNode = node;
    this.#nodes.push(own);
    this.#byId.set(own.id, own);
    this.#noteSettings(own);
    if (!isGood) {
      this.#bad.add(own);
      this.#setAside(own);
      return noNodes;
    }
    const appeared = this.#appear(own);
    own.coversAll = this.#tips.size === 1 && this.#voidCount === 0;
    return appeared.length === 1 ? noNodes : appeared.filter((each) => each !== own);
  }

  /** Takes up which nodes are good now, and are not as they were. */
  regard(changes: ReadonlyMap<Node, boolean>): Recount {
    const revived: Node[] = [];
    const voided: Node[] = [];
    for (const [node, isGood] of changes) {
      if (!isGood || !this.#bad.delete(node) || node.followers > 0) continue;
      for (const each of this.#appear(node)) revived.push(each);
    }
    // Afterwards: what no longer counts by itself may be what something stands on that counts again.
    for (const [node, isGood] of changes) {
      if (isGood || this.#bad.has(node)) continue;
      this.#bad.add(node);
      if (node.followers === 0) for (const each of this.#vanish(node)) voided.push(each);
    }
    for (const author of new Set(voided.map((node) => node.author))) this.#lowerHeads(author);
    return { revived, voided };
  }

  get #restoredLength(): number {
    return this.#restored?.length ?? 0;
  }

  /** A node that is not counted yet, and whatever counts because it does now. */
  #appear(first: Node): readonly Node[] {
    const appeared: Node[] = [first];
    for (const node of appeared) {
      eachFollowed(node, (each) => {
        if (!this.counts(each)) appeared.push(each);
        (each as OwnNode).followers += 1;
        this.#tips.delete(each.id);
      });
    }
    if (first.followers === 0) this.#tips.set(first.id, first);
    // Upwards, so that each takes the place of the one it continues.
    if (appeared.length > 1) appeared.sort((a, b) => a.position - b.position);
    for (const node of appeared) this.#extendChain(node);
    return appeared;
  }

  /** A node that does not count any more, and what counted because it did. Heads are left to be lowered. */
  #vanish(first: Node): readonly Node[] {
    const vanished: Node[] = [first];
    for (const node of vanished) {
      this.#tips.delete(node.id);
      this.#setAside(node);
      eachFollowed(node, (each) => {
        (each as OwnNode).followers -= 1;
        if (each.followers > 0) return;
        if (this.#bad.has(each)) vanished.push(each);
        else this.#tips.set(each.id, each);
      });
    }
    return vanished;
  }

  #setAside(node: Node): void {
    const others = this.#void.get(node.author) ?? new Set();
    this.#void.set(node.author, others.add(node));
    this.#voidCount += 1;
    this.#voidBytes += node.size;
  }

  #extendChain(node: Node): void {
    if (this.#voidCount > 0) this.#takeBack(node);
    if (node.prev !== undefined) this.#heads.get(node.author)?.delete(node.prev);
    this.#addHead(node);
  }

  #addHead(node: Node): void {
    const heads = this.#heads.get(node.author) ?? new Set();
    this.#heads.set(node.author, heads.add(node));
  }

  #takeBack(node: Node): void {
    const others = this.#void.get(node.author);
    if (others?.delete(node) !== true) return;
    if (others.size === 0) this.#void.delete(node.author);
    this.#voidCount -= 1;
    this.#voidBytes -= node.size;
  }

  /** Heads that do not count any more give way to what counts below them. */
  #lowerHeads(author: PublicKey): void {
    const lowered = new Set<Node>();
    for (const head of this.#heads.get(author) ?? []) {
      let node: Node | undefined = head;
      while (node !== undefined && !this.counts(node)) node = node.prev;
      if (node !== undefined) lowered.add(node);
    }
    if (lowered.size === 0) this.#heads.delete(author);
    else this.#heads.set(author, new Set(withoutAncestors(lowered)));
  }

  #noteSettings(node: Node): void {
    if (isSettings(node)) {
      const kept = this.#settings.filter((each) => !node.settingsBefore.includes(each));
      this.#settings = kept.length === 0 ? node.settings : [...kept, node];
    } else if (node.settings !== this.#settings && isSameLatest(node.settings, this.#settings)) {
      // One array for all that know the same: what follows from it is found out once.
      this.#settings = node.settings;
    }
  }
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
