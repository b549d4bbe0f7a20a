/**
 * The next entry of a key, on top of what a replica holds.
 *
 * [REPLICA-9] A draft follows everything that counts and its author's newest entry of that, and is accepted by whoever holds the
 *             same.
 */
import type { Authority } from "./authority/authority.ts";
import { nextTime } from "./clock.ts";
import type { EntryBody, StorePart } from "./entry.ts";
import type { Graph } from "./graph.ts";
import type { DatabaseId, PublicKey } from "./ids.ts";
import { greatest } from "./judgement.ts";
import { parentsMax } from "./limits.ts";
import type { Node } from "./node.ts";

/** What an entry is drafted on. */
export interface Ground {
  readonly database: DatabaseId;
  readonly graph: Graph;
  readonly authority: Authority;
}

export function draftOn(ground: Ground, author: PublicKey, stores: readonly StorePart[], nowMs: number): EntryBody {
  const prev = newest(ground.graph.heads(author));
  const tips = tipsToFollow(ground);
  const followed = prev === undefined ? tips : [prev, ...tips];
  const isPlain = tips.length === 1 && tips[0] === prev;
  return {
    database: followed.length === 0 ? undefined : ground.database,
    author,
    seq: prev === undefined ? 0 : prev.seq + 1,
    prev: prev?.id,
    parents: isPlain ? [] : tips.map((tip) => tip.id),
    height: followed.length === 0 ? 0 : 1 + greatest(followed, (node) => node.height),
    time: nextTime(
      nowMs,
      greatest(followed, (node) => node.time),
    ),
    stores,
  };
}

/** Of too many those first from which the latest settings are known: by these the draft is judged. */
function tipsToFollow({ graph, authority }: Ground): readonly Node[] {
  const tips = graph.tips();
  if (tips.length <= parentsMax) return tips;
  const informed = new Set<Node>();
  for (const node of graph.settings().filter((each) => graph.counts(each))) {
    const tip = tips.find((each) => authority.ledger.knows(each, node));
    if (tip !== undefined) informed.add(tip);
  }
  const followed = new Set([...new Set([...informed, ...tips])].slice(0, parentsMax));
  return tips.filter((tip) => followed.has(tip));
}

function newest(heads: readonly Node[]): Node | undefined {
  return heads.reduce<Node | undefined>(
    (best, head) => (best === undefined || head.seq > best.seq ? head : best),
    undefined,
  );
}
