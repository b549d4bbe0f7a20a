/**
 * What the settings entries of one database say, found by key, and what each of them knows of the others.
 *
 * Deliberately not here: which of them have an effect (rulings.ts).
 */
import { millisecondsOf } from "../clock.ts";
import type { Node } from "../graph.ts";
import type { PublicKey } from "../ids.ts";
import type { Power } from "../store/power.ts";
import type { RedeemOp, SettingsOp } from "../store/settings.ts";

/** An entry that gives a key a power. */
export type Grant =
  | { readonly via: "set"; readonly node: Node; readonly power: Power }
  /** The power is that of the invite, and which one that is depends on what has an effect. */
  | { readonly via: "redeem"; readonly node: Node };

export interface PublicGrant {
  readonly node: Node;
  readonly power: Power;
}

/** One op about an invite. There is one object for each, so that redemptions of it can be told from those of another. */
export interface InviteTerms {
  readonly node: Node;
  readonly key: PublicKey;
  readonly power: Power;
  readonly expiresMs: number;
  readonly uses: number;
}

/** Settings entries each of which stands on the one before and on no other. */
interface Run {
  readonly first: Node;
  last: Node;
}

interface Place {
  readonly run: Run;
  readonly index: number;
}

const noPlace: { readonly run?: never; readonly index: number } = { index: 0 };

export class Ledger {
  readonly #ops = new Map<Node, readonly SettingsOp[]>();
  readonly #grants = new Map<PublicKey, Grant[]>();
  readonly #publics: PublicGrant[] = [];
  readonly #invites = new Map<PublicKey, InviteTerms[]>();
  readonly #redemptions = new Map<PublicKey, Node[]>();
  readonly #byAuthor = new Map<PublicKey, Node[]>();
  /** Those that know every settings entry at a lower position. */
  readonly #covering = new Set<Node>();
  readonly #places = new Map<Node, Place>();

  /** What an entry says is the same whether it is accepted or not; what follows it must not be recorded before it. */
  record(node: Node, ops: readonly SettingsOp[]): void {
    this.#ops.set(node, ops);
    this.#places.set(node, this.#placeOf(node));
    listed(this.#byAuthor, node.author).push(node);
    for (const op of ops) {
      if (op.type === "set") listed(this.#grants, op.key).push({ via: "set", node, power: op.power });
      else if (op.type === "public") this.#publics.push({ node, power: op.power });
      else if (op.type === "invite") listed(this.#invites, op.key).push(termsOf(node, op));
      else if (op.type === "redeem") {
        listed(this.#grants, node.author).push({ via: "redeem", node });
        listed(this.#redemptions, op.invite).push(node);
      }
    }
  }

  /** Undoes `record` for an entry that was only tried. */
  forget(node: Node): void {
    drop(this.#byAuthor, node.author, (each) => each === node);
    for (const op of this.opsOf(node)) {
      if (op.type === "set") drop(this.#grants, op.key, (each) => each.node === node);
      else if (op.type === "public") removeLast(this.#publics, (each) => each.node === node);
      else if (op.type === "invite") drop(this.#invites, op.key, (each) => each.node === node);
      else if (op.type === "redeem") {
        drop(this.#grants, node.author, (each) => each.node === node);
        drop(this.#redemptions, op.invite, (each) => each === node);
      }
    }
    this.#ops.delete(node);
    const place = this.#places.get(node);
    this.#places.delete(node);
    if (place?.run.last === node) place.run.last = node.settingsBefore[0] ?? node;
  }

  /** That it knows every settings entry at a lower position. */
  noteCovering(node: Node): void {
    this.#covering.add(node);
  }

  opsOf(node: Node): readonly SettingsOp[] {
    return this.#ops.get(node) ?? [];
  }

  nodes(): Iterable<Node> {
    return this.#ops.keys();
  }

  /** Whatever gives this key a power, in the order recorded, as are the others. */
  grants(key: PublicKey): readonly Grant[] {
    return this.#grants.get(key) ?? [];
  }

  /** Keys that something was ever said about. */
  keys(): Iterable<PublicKey> {
    return this.#grants.keys();
  }

  publics(): readonly PublicGrant[] {
    return this.#publics;
  }

  invites(key: PublicKey): readonly InviteTerms[] {
    return this.#invites.get(key) ?? [];
  }

  redemptions(invite: PublicKey): readonly Node[] {
    return this.#redemptions.get(invite) ?? [];
  }

  /** The settings entries that this key wrote. */
  writtenBy(author: PublicKey): readonly Node[] {
    return this.#byAuthor.get(author) ?? [];
  }

  /** Undefined for what is not a redemption. */
  redeemIn(node: Node): RedeemOp | undefined {
    const op = this.opsOf(node)[0];
    return op?.type === "redeem" ? op : undefined;
  }

  /** Whether a settings entry is in the past of another. Walks from run to run. */
  isBefore(node: Node, other: Node): boolean {
    const place = this.#places.get(node);
    const seen = new Set<Run>();
    const waiting: Node[] = [other];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      // Whatever has the node in its past is higher and came later.
      if (at.height <= node.height || at.position < node.position) continue;
      if (at.position > node.position && this.#covering.has(at)) return true;
      const { run, index } = this.#places.get(at) ?? noPlace;
      if (run === undefined) continue;
      if (run === place?.run) {
        if (place.index < index) return true;
        continue;
      }
      if (seen.has(run)) continue;
      seen.add(run);
      if (run.first.settingsBefore.includes(node)) return true;
      waiting.push(...run.first.settingsBefore);
    }
    return false;
  }

  /** Whether a settings entry is among the latest given ones or in the past of one. */
  isKnown(node: Node, latest: readonly Node[]): boolean {
    return latest.some((each) => each === node || (each.height > node.height && this.isBefore(node, each)));
  }

  /** Whether an entry, or what it is itself, knows a settings entry. */
  knows(entry: Node, node: Node): boolean {
    return this.isKnown(node, entry.settings);
  }

  /** Whether neither of two settings entries knows the other. */
  isConcurrent(one: Node, other: Node): boolean {
    return one !== other && !this.knows(one, other) && !this.knows(other, one);
  }

  /** In the run of what it stands on, when nothing else goes on with that, else in a run of its own. */
  #placeOf(node: Node): Place {
    const [before] = node.settingsBefore;
    const place = before && node.settingsBefore.length === 1 ? this.#places.get(before) : undefined;
    if (place === undefined || place.run.last !== before) return { run: { first: node, last: node }, index: 0 };
    place.run.last = node;
    return { run: place.run, index: place.index + 1 };
  }
}

/** The order in which redemptions of one invite take its uses. */
export function isEarlier(one: Node, other: Node): boolean {
  return one.time < other.time || (one.time === other.time && one.id < other.id);
}

/** Of the root, which is in no other's past, and of all others. */
export function isRoot({ height }: Node): boolean {
  return height === 0;
}

/** Judged by the hybrid time that its author wrote, not by any clock. */
export function isExpired({ expiresMs }: InviteTerms, time: number): boolean {
  return millisecondsOf(time) > expiresMs;
}

function termsOf(node: Node, op: Extract<SettingsOp, { readonly type: "invite" }>): InviteTerms {
  const { key, power, expiresMs = Number.POSITIVE_INFINITY, uses = Number.POSITIVE_INFINITY } = op;
  return { node, key, power, expiresMs, uses };
}

function listed<Key, Value>(lists: Map<Key, Value[]>, key: Key): Value[] {
  const known = lists.get(key);
  if (known !== undefined) return known;
  const list: Value[] = [];
  lists.set(key, list);
  return list;
}

function drop<Key, Value>(lists: Map<Key, Value[]>, key: Key, isIt: (value: Value) => boolean): void {
  const list = lists.get(key);
  if (list === undefined) return;
  removeLast(list, isIt);
  if (list.length === 0) lists.delete(key);
}

/** From the end, where what was only tried stands. */
function removeLast<Value>(list: Value[], isIt: (value: Value) => boolean): void {
  let at = list.length - 1;
  while (at >= 0 && !isIt(list[at] as Value)) at -= 1;
  if (at >= 0) list.splice(at, 1);
}
