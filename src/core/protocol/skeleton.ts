/**
 * The skeleton of one author's chain: few samples, dense near the heads, from which the other side finds where a fork left.
 *
 * [SKELETON-1] Of every branch the samples are at distances 0, 1, 2, 4, 8 … from its head: a chain of a million entries
 *              needs 21 of them. There are at most `samplesMax`, newest branches first.
 * [SKELETON-2] What is sent again below a fork is at most as much as is new above it, and never too little is sent.
 *
 * After the block locator of Bitcoin's `getheaders`.
 */
import { chainsAbove, type Head, inOrder, nodesOf } from "../frontier.ts";
import type { Graph, Node } from "../graph.ts";
import type { PublicKey } from "../ids.ts";
import { headsPerAuthorMax, samplesMax } from "../limits.ts";

/** Samples of the author's chain at positions below `through`. */
export function sampleChain(graph: Graph, author: PublicKey, through: number): readonly Head[] {
  const samples = new Set<Node>();
  const newest = [...graph.heads(author, through)].sort((a, b) => b.seq - a.seq).slice(0, headsPerAuthorMax);
  for (const head of newest) for (const sample of samplesBelow(head)) samples.add(sample);
  return [...samples].slice(0, samplesMax).map(({ seq, id }) => ({ seq, id }));
}

function samplesBelow(head: Node): readonly Node[] {
  const samples: Node[] = [];
  let next = 0;
  let distance = 0;
  for (let node: Node | undefined = head; node !== undefined; node = node.prev, distance += 1) {
    if (distance < next) continue;
    samples.push(node);
    next = Math.max(1, 2 * next);
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
  const known = nodesOf(graph, samples).filter((node) => node.author === author);
  return inOrder(chainsAbove(graph.heads(author, through), known));
}
