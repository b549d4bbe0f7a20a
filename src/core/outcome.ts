/** What one event led to in a replica, collected while entries are judged one after the other. */
import { type Entry, follows, type VouchedEntry } from "./entry.ts";
import type { Failure } from "./errors.ts";
import type { Node, Recount } from "./graph.ts";
import type { EntryId, PublicKey } from "./ids.ts";
import { wantsMax } from "./limits.ts";
import type { SealedNode } from "./opened.ts";
import type { DecodedPart } from "./store/kinds.ts";
import type { StoreChange } from "./store/state.ts";

/** Why an entry was refused, is held back (ENTRY_TIME_AHEAD), or is remarkable though accepted (ENTRY_FORKS). */
export interface Refusal {
  readonly id: EntryId;
  readonly author: PublicKey;
  readonly failure: Failure;
}

export type ReplicaEffect =
  /**
   * What counts has changed: the folded state is wrong until `adoptState` is given another. Comes before the effects of the
   * entries that did it. `because`: the entries whose arrival decided it.
   */
  | {
      readonly type: "recounted";
      readonly voided: readonly Node[];
      readonly revived: readonly Node[];
      readonly because: readonly Node[];
    }
  /** Write these, in this order; answer with `stored`. */
  | { readonly type: "store"; readonly entries: readonly Entry[]; readonly nodes: readonly Node[] }
  | { readonly type: "show"; readonly changes: readonly StoreChange[] }
  /** Accepted and counting, and not folded: their keys are not here. Should they come, `foldOpened` is called. */
  | { readonly type: "sealed"; readonly nodes: readonly SealedNode[] }
  /** Durable now: tell the peers. */
  | { readonly type: "announce"; readonly nodes: readonly Node[]; readonly permissionsChanged: boolean }
  | { readonly type: "refuse"; readonly refusals: readonly Refusal[] }
  /** Ask whoever sent them for what is missing. */
  | { readonly type: "fetch"; readonly ids: readonly EntryId[] }
  /** Come back with `ticked` in this many milliseconds. */
  | { readonly type: "wake"; readonly afterMs: number };

export interface Taken {
  readonly entry: VouchedEntry;
  readonly node: Node;
  readonly parts: readonly DecodedPart[];
}

/** What is told of entries one by one. */
export interface Folded {
  readonly changes: StoreChange[];
  readonly sealed: SealedNode[];
  readonly refusals: Refusal[];
}

export class Outcome {
  readonly taken: Taken[] = [];
  readonly folded: Folded = { changes: [], sealed: [], refusals: [] };
  readonly missing: Set<EntryId> = new Set();
  /** Why entries were refused: what stands on them and comes later in the same batch need not wait for them. */
  readonly refused: Map<EntryId, Failure> = new Map();
  readonly #batch: readonly VouchedEntry[];
  /** The first position of this step. */
  readonly #from: number;
  /** Whether each node that was here before counts now and did not, or the other way round. */
  readonly #recounted = new Map<Node, boolean>();
  readonly #because = new Set<Node>();
  #followers: ReadonlyMap<EntryId, readonly VouchedEntry[]> | undefined;

  constructor(batch: readonly VouchedEntry[], from: number) {
    this.#batch = batch;
    this.#from = from;
  }

  get isRecounted(): boolean {
    return this.#recounted.size > 0;
  }

  /** What counts changed by a node: `insert`ing it, then `regard`ing what it makes of others. */
  recounted(because: Node, inserted: readonly Node[], { revived, voided }: Recount): void {
    for (const node of [...inserted, ...revived]) this.#note(node, true, because);
    for (const node of voided) this.#note(node, false, because);
  }

  /** What stands on an entry in the same batch, however far above. */
  above(id: EntryId): readonly VouchedEntry[] {
    this.#followers ??= followersIn(this.#batch);
    const above = new Map<EntryId, VouchedEntry>();
    const ids = new Set<EntryId>([id]);
    for (const each of ids) {
      for (const entry of this.#followers.get(each) ?? []) {
        above.set(entry.id, entry);
        ids.add(entry.id);
      }
    }
    return [...above.values()];
  }

  effects(wakeMs: number | undefined): readonly ReplicaEffect[] {
    const { taken, missing } = this;
    const { changes, sealed, refusals } = this.folded;
    const effects: ReplicaEffect[] = [];
    if (this.isRecounted) {
      const counted = (isCounting: boolean): readonly Node[] =>
        [...this.#recounted].filter(([, each]) => each === isCounting).map(([node]) => node);
      effects.push({
        type: "recounted",
        voided: counted(false),
        revived: counted(true),
        because: [...this.#because],
      });
    }
    if (taken.length > 0)
      effects.push({ type: "store", entries: taken.map(({ entry }) => entry), nodes: taken.map(({ node }) => node) });
    if (changes.length > 0) effects.push({ type: "show", changes });
    if (sealed.length > 0) effects.push({ type: "sealed", nodes: sealed });
    if (refusals.length > 0) effects.push({ type: "refuse", refusals });
    if (missing.size > 0) effects.push({ type: "fetch", ids: [...missing].slice(0, wantsMax) });
    if (wakeMs !== undefined) effects.push({ type: "wake", afterMs: wakeMs });
    return effects;
  }

  /** What is of this step itself was never shown as anything else. */
  #note(node: Node, isCounting: boolean, because: Node): void {
    if (node.position >= this.#from) return;
    this.#because.add(because);
    // Back to what it was before this step.
    if (this.#recounted.get(node) === !isCounting) this.#recounted.delete(node);
    else this.#recounted.set(node, isCounting);
  }
}

export function refusal({ id, author }: Pick<Entry, "id" | "author">, failure: Failure): Refusal {
  return { id, author, failure };
}

function followersIn(batch: readonly VouchedEntry[]): ReadonlyMap<EntryId, readonly VouchedEntry[]> {
  const followers = new Map<EntryId, VouchedEntry[]>();
  for (const entry of batch) {
    for (const id of follows(entry)) {
      const known = followers.get(id);
      if (known === undefined) followers.set(id, [entry]);
      else known.push(entry);
    }
  }
  return followers;
}
