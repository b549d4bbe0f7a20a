/**
 * One entry in the graph: what it follows, and the latest settings that it knows.
 *
 * [GRAPH-5] The latest settings are the entries that write `_settings` and that no other such entry follows, however far.
 */
import { assert } from "./errors.ts";
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
  /** How many counting nodes of its graph follow it directly. Goes up and down. */
  readonly followers: number;
  /** Everything at lower positions of its graph is in its past. */
  readonly coversAll: boolean;
}

/** A node on top of what it follows, which `find` must know: [GRAPH-1]. It is in no graph by that. */
export function linkNode(entry: EntryIndex, position: number, find: (id: EntryId) => Node | undefined): Node {
  const prev = entry.prev === undefined ? undefined : held(entry.prev, find);
  const parents = entry.parents.length === 0 ? noNodes : entry.parents.map((id) => held(id, find));
  const settingsBefore =
    prev !== undefined && parents.length === 0
      ? prev.settings
      : latestSettings(prev === undefined ? parents : [prev, ...parents]);
  const node = {
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
    followers: 0,
    coversAll: false,
  };
  if (entry.settings) node.settings = [node];
  return node;
}

function held(id: EntryId, find: (id: EntryId) => Node | undefined): Node {
  const node = find(id);
  assert(node, "GRAPH-1");
  return node;
}

/** Whether `find` knows everything that an entry follows. */
export function isLinkable({ prev, parents }: EntryIndex, find: (id: EntryId) => Node | undefined): boolean {
  return (prev === undefined || find(prev) !== undefined) && parents.every((id) => find(id) !== undefined);
}

/** Whether it writes `_settings` itself. */
export function isSettings(node: Node): boolean {
  return node.settings[0] === node;
}

/** Each node that it follows, once. */
export function eachFollowed({ prev, parents }: Node, act: (node: Node) => void): void {
  for (let i = 0; i < parents.length; i++) act(parents[i] as Node);
  if (prev !== undefined && !parents.includes(prev)) act(prev);
}

/** What a node follows, each once. */
export function followedBy({ prev, parents }: Node): readonly Node[] {
  return prev === undefined || parents.includes(prev) ? parents : [...parents, prev];
}

/** The latest of the settings that some nodes know: an array that one of the nodes has, where that is the same. */
export function latestSettings(followed: readonly Node[]): readonly Node[] {
  const first = followed[0]?.settings ?? noNodes;
  if (followed.every((node) => node.settings === first)) return first;
  const all = [...new Set(followed.flatMap((node) => node.settings))];
  const past = settingsPastAbove(all);
  const latest = all.filter((node) => !past.has(node));
  return followed.find(({ settings }) => isSameLatest(settings, latest))?.settings ?? latest;
}

export function isSameLatest(one: readonly Node[], other: readonly Node[]): boolean {
  return one === other || (one.length === other.length && one.every((node) => other.includes(node)));
}

/** What the given settings entries know of each other: their pasts down to the lowest of them. */
function settingsPastAbove(all: readonly Node[]): ReadonlySet<Node> {
  const floor = all.reduce((lowest, { height }) => Math.min(lowest, height), Number.POSITIVE_INFINITY);
  const past = new Set<Node>();
  const waiting = all.flatMap((node) => node.settingsBefore);
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (past.has(node) || node.height < floor) continue;
    past.add(node);
    for (const before of node.settingsBefore) waiting.push(before);
  }
  return past;
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

const noNodes: readonly Node[] = [];
