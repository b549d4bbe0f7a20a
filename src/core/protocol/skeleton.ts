/**
 * The skeleton of one author's chain: few samples, dense near the head, from which the other side finds where a fork left.
 *
 * [SKELETON-1] The samples are at distances 0, 1, 2, 4, 8 … from the head, so what is sent again below the fork is at most as
 *              much as what is new above it, and a chain of a million entries needs 21 samples.
 *
 * After the block locator of Bitcoin's `getheaders`.
 */
import { chainsAbove, type Head, inOrder } from "../frontier.ts";
import type { Graph, Node } from "../graph.ts";
import type { PublicKey } from "../ids.ts";
import { samplesMax } from "./message.ts";

/** Samples of the author's chain at positions below `through`, of all branches, at most `samplesMax`. */
export function sampleChain(graph: Graph, author: PublicKey, through: number): readonly Head[] {
  const heads = graph.frontier(through).get(author) ?? [];
  return heads.flatMap((head) => samplesBelow(graph.get(head.id))).slice(0, samplesMax);
}

function samplesBelow(head: Node | undefined): readonly Head[] {
  const samples: Head[] = [];
  let next = 0;
  let distance = 0;
  for (let node = head; node !== undefined; node = node.prev, distance += 1) {
    if (distance !== next) continue;
    samples.push({ seq: node.seq, id: node.id });
    next = next === 0 ? 1 : next * 2;
  }
  return samples;
}

/** Our entries of the author's chain, at positions below `through`, that are above every sample we know. */
export function aboveSamples(
  graph: Graph,
  author: PublicKey,
  samples: readonly Head[],
  through: number,
): readonly Node[] {
  const known = samples
    .map((sample) => graph.get(sample.id))
    .filter((node) => node !== undefined && node.author === author);
  const heads = (graph.frontier(through).get(author) ?? []).map((head) => graph.get(head.id));
  return inOrder(
    walkable(heads).length === 1
      ? aboveOne(walkable(heads), walkable(known))
      : chainsAbove(walkable(heads), walkable(known)),
  );
}

/** Our single branch forks off the peer's: only samples that lie on it are below it, whatever their `seq`. */
function aboveOne(heads: readonly Node[], known: readonly Node[]): readonly Node[] {
  const samples = new Set(known);
  const above: Node[] = [];
  for (let node = heads[0]; node !== undefined && !samples.has(node); node = node.prev) above.push(node);
  return above;
}

function walkable(nodes: readonly (Node | undefined)[]): readonly Node[] {
  return nodes.filter((node) => node !== undefined);
}
