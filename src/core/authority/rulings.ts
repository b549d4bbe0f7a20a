/**
 * Which settings entries have an effect, as far as a set of them that is closed under their pasts can tell.
 *
 * Each entry has a ruling of its own past, which is that of every set in which nothing concurrent cuts it. A set only keeps in
 * which entries it differs, so the usual set keeps nothing.
 */
import type { Node } from "../graph.ts";
import type { InviteTerms } from "./ledger.ts";

/** How an entry came to have an effect. */
export interface Effect {
  /** Weaker keys' settings are decided later: the power of the author; for a redemption just before that of the invite. */
  readonly stratum: number;
  /** What a redemption redeems. */
  readonly invite?: InviteTerms;
}

/** Undefined: it has none. */
export type Ruling = Effect | undefined;

export interface Rulings {
  of(node: Node): Ruling;
}

export function isSameRuling(one: Ruling, other: Ruling): boolean {
  return one === other || (one?.stratum === other?.stratum && one?.invite === other?.invite);
}

/** The ruling of each entry in its own past with itself. */
export class OwnRulings implements Rulings {
  readonly #rulings = new WeakMap<Node, { readonly ruling: Ruling }>();

  of(node: Node): Ruling {
    return this.#rulings.get(node)?.ruling;
  }

  has(node: Node): boolean {
    return this.#rulings.has(node);
  }

  set(node: Node, ruling: Ruling): void {
    this.#rulings.set(node, { ruling });
  }
}

/** Copying everything for each entry that is added would cost the square of their number. */
const addedMax = 64;

/** Those of a set, as far as they differ from the entries' own. */
export class Exceptions implements Rulings {
  readonly #own: OwnRulings;
  readonly #exceptions: ReadonlyMap<Node, Ruling>;
  /** A few more, of other nodes. */
  readonly #added: ReadonlyMap<Node, Ruling>;

  constructor(
    own: OwnRulings,
    exceptions: ReadonlyMap<Node, Ruling>,
    added: ReadonlyMap<Node, Ruling> = new Map<Node, Ruling>(),
  ) {
    this.#own = own;
    this.#exceptions = exceptions;
    this.#added = added;
  }

  get size(): number {
    return this.#exceptions.size + this.#added.size;
  }

  of(node: Node): Ruling {
    if (this.#added.size > 0 && this.#added.has(node)) return this.#added.get(node);
    return this.#exceptions.size > 0 && this.#exceptions.has(node) ? this.#exceptions.get(node) : this.#own.of(node);
  }

  isSame(other: Exceptions): boolean {
    return this.size === other.size && this.difference(other).length === 0;
  }

  /** With one more node, which is none of them. */
  with(node: Node, ruling: Ruling): Exceptions {
    if (this.#added.size < addedMax)
      return new Exceptions(this.#own, this.#exceptions, new Map([...this.#added, [node, ruling]]));
    return new Exceptions(this.#own, new Map([...this.#exceptions, ...this.#added, [node, ruling]]));
  }

  /** The nodes on which two differ. */
  difference(other: Exceptions): readonly Node[] {
    if (this === other) return [];
    const nodes = new Set([...this.#nodes(), ...other.#nodes()]);
    return [...nodes].filter((node) => !isSameRuling(this.of(node), other.of(node)));
  }

  #nodes(): readonly Node[] {
    return [...this.#exceptions.keys(), ...this.#added.keys()];
  }
}
