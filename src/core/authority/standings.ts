/**
 * The rulings at every state of knowledge that is asked for, each found out once and shared by whatever knows the same.
 */

import type { PublicKey } from "../ids.ts";
import { type Node, settingsPast } from "../node.ts";
import type { SettingsOp } from "../store/settings.ts";
import { type Decided, decideAll, isContested, rulingAmong } from "./effective.ts";
import { Ledger } from "./ledger.ts";
import { Exceptions, isSameRuling, OwnRulings } from "./rulings.ts";

export class Standings implements Decided {
  readonly ledger: Ledger = new Ledger();
  readonly own: OwnRulings = new OwnRulings();
  readonly owner: () => PublicKey | undefined;
  readonly #none = new Exceptions(this.own, new Map());
  readonly #byLatest = new WeakMap<readonly Node[], Exceptions>();
  readonly #decidedAnew: () => void;

  /** `decidedAnew` is called whenever concurrent entries that may cut each other make the slow way necessary. */
  constructor(owner: () => PublicKey | undefined, decidedAnew: () => void) {
    this.owner = owner;
    this.#decidedAnew = decidedAnew;
  }

  /** For an entry that writes settings, after everything that it follows. */
  record(node: Node, ops: readonly SettingsOp[]): void {
    this.ledger.record(node, ops);
    this.own.set(
      node,
      rulingAmong(node, this.at(node.settingsBefore), () => false, this),
    );
  }

  /** What has an effect where exactly these entries, and what they know, are known. */
  at(latest: readonly Node[]): Exceptions {
    const known = this.#byLatest.get(latest);
    if (known !== undefined) return known;
    const found = this.#find(latest);
    this.#byLatest.set(latest, found);
    return found;
  }

  /** Saves finding out what is known already. */
  note(latest: readonly Node[], rulings: Exceptions): void {
    if (!this.#byLatest.has(latest)) this.#byLatest.set(latest, rulings);
  }

  /** The rulings with one more entry, which the members do not know; all that it knows are among them. */
  with(node: Node, rulings: Exceptions, isMember: (node: Node) => boolean): Exceptions | "contested" {
    const isConcurrent = (other: Node): boolean =>
      other !== node && rulings.of(other) !== undefined && isMember(other) && !this.ledger.knows(node, other);
    const ruling = rulingAmong(node, rulings, isConcurrent, this);
    if (ruling !== undefined && isContested(node, ruling, rulings, isConcurrent, this)) return "contested";
    return isSameRuling(ruling, this.own.of(node)) ? rulings : rulings.with(node, ruling);
  }

  /** The slow way. */
  decideAnew(latest: readonly Node[]): Exceptions {
    this.#decidedAnew();
    const decided = decideAll(latest, this);
    return decided.size === 0 ? this.#none : decided;
  }

  #find(latest: readonly Node[]): Exceptions {
    const [first] = latest;
    if (first === undefined) return this.#none;
    // What a single entry and its past know is what the entry itself was judged by.
    return latest.length === 1 ? this.at(first.settingsBefore) : this.#merge(latest);
  }

  /** Beginning with what differs most from the usual, adds what that does not know, one by one. */
  #merge(latest: readonly Node[]): Exceptions {
    const base = latest.reduce((most, node) => (this.#weight(node) > this.#weight(most) ? node : most));
    const added = new Set<Node>();
    const isMember = (node: Node): boolean => added.has(node) || this.ledger.isKnown(node, base.settings);
    let rulings = this.at(base.settings);
    for (const node of this.#beyond(base, latest)) {
      const next = this.with(node, rulings, isMember);
      if (next === "contested") return this.#sharedWith(latest, this.decideAnew(latest));
      rulings = next;
      added.add(node);
    }
    return this.#sharedWith(latest, rulings);
  }

  #weight(node: Node): number {
    return this.at(node.settings).size;
  }

  /** What the latest ones know and `base` does not, in an order in which everything comes after what it knows. */
  #beyond(base: Node, latest: readonly Node[]): readonly Node[] {
    const beyond = new Set<Node>();
    const waiting = latest.filter((node) => node !== base);
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      if (beyond.has(node) || this.ledger.isKnown(node, base.settings)) continue;
      beyond.add(node);
      waiting.push(...node.settingsBefore);
    }
    return [...beyond].sort((a, b) => a.height - b.height || (a.id < b.id ? -1 : 1));
  }

  /** Equal rulings are one object. */
  #sharedWith(latest: readonly Node[], rulings: Exceptions): Exceptions {
    if (rulings.size === 0) return this.#none;
    return latest.map((node) => this.at(node.settings)).find((each) => each.isSame(rulings)) ?? rulings;
  }
}

/** Every settings entry that has an effect at or before the latest given ones. */
export function effectiveAt(latest: readonly Node[], rulings: Exceptions): readonly Node[] {
  return [...settingsPast(latest)].filter((node) => rulings.of(node) !== undefined);
}
