/** What an entry says of its place: what it follows, its number in its author's chain, its height. */
import type { Entry } from "../core/entry.ts";
import type { Node } from "../core/graph.ts";
import type { EntryId, PublicKey } from "../core/ids.ts";

export interface Place {
  readonly author: PublicKey;
  readonly seq: number;
  readonly height: number;
  readonly prev: EntryId | undefined;
  readonly parents: readonly EntryId[];
}

/** What its bytes say: it may be altered later. */
export function placeOf({ author, seq, height, prev, parents }: Entry): Place {
  return { author, seq, height, prev, parents };
}

/** What a graph says. */
export function placeOfNode({ author, seq, height, prev, parents }: Node): Place {
  return { author, seq, height, prev: prev?.id, parents: parents.map(({ id }) => id) };
}

export function followsOf({ prev, parents }: Pick<Place, "prev" | "parents">): readonly EntryId[] {
  return prev === undefined ? parents : [prev, ...parents];
}
