/** Which entries of some authors another entry knows: for each author the newest ones, by walking down from the entry. */
import type { Graph } from "../graph.ts";
import type { PublicKey } from "../ids.ts";
import { followedBy, type Node } from "../node.ts";

/**
 * The heads of these authors in the past of a node, which need not be in the graph itself. Some may be below others. Stops where a node
 * covers the whole graph below it, so the cost is that of what was written concurrently.
 */
export function knownHeads(
  graph: Graph,
  node: Node,
  authors: Iterable<PublicKey>,
): ReadonlyMap<PublicKey, readonly Node[]> {
  const found = new Map<PublicKey, Node[]>();
  const chains = new Map<PublicKey, number>();
  for (const author of authors) {
    found.set(author, []);
    // What is only tried may be a branch that the graph does not have.
    const heads = node.position === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : graph.allHeads(author).length;
    if (heads > 0) chains.set(author, heads);
  }
  const continued = new Set<Node>();
  const levels = new Levels(followedBy(node));
  let covered = -1;
  for (let at = levels.take(); at !== undefined && chains.size > 0; at = levels.take()) {
    if (at.position <= covered) continue;
    if (at.coversAll) {
      covered = at.position;
      for (const author of chains.keys()) found.get(author)?.push(...graph.allHeads(author, at.position + 1));
      continue;
    }
    if (chains.has(at.author)) {
      if (!continued.has(at)) found.get(at.author)?.push(at);
      if (at.prev !== undefined) continued.add(at.prev);
      if (chains.get(at.author) === 1) chains.delete(at.author);
    }
    for (const each of followedBy(at)) levels.add(each);
  }
  return found;
}

/** Whether a node is at or below one of some heads in their chain. */
export function isAtOrBelow(node: Node, heads: readonly Node[]): boolean {
  return heads.some((head) => {
    let at: Node | undefined = head;
    while (at !== undefined && at.seq > node.seq) at = at.prev;
    return at === node;
  });
}

/** Nodes by height, each once, highest first. */
class Levels {
  readonly #levels = new Map<number, Set<Node>>();
  #top = -1;

  constructor(nodes: readonly Node[]) {
    for (const node of nodes) this.add(node);
  }

  add(node: Node): void {
    const level = this.#levels.get(node.height);
    if (level === undefined) this.#levels.set(node.height, new Set([node]));
    else level.add(node);
    this.#top = Math.max(this.#top, node.height);
  }

  take(): Node | undefined {
    for (; this.#top >= 0; this.#top--) {
      const level = this.#levels.get(this.#top);
      const [node] = level ?? [];
      if (node === undefined) continue;
      level?.delete(node);
      return node;
    }
    return undefined;
  }
}
