/**
 * Who may do what, and what counts, as the signed entries say it.
 *
 * [AUTHORITY-1] The author of the root is the owner. Any other key's power is what the latest effective `set` of that key says; of
 *               concurrent ones the weakest. A key that was never set has what everybody has.
 * [AUTHORITY-2] An entry is accepted only if its author was entitled in the entry's own past: power write or stronger.
 * [AUTHORITY-3] Settings are written by admins, and only strictly below themselves.
 * [AUTHORITY-4] The verdict about an entry depends on its past alone: it is the same on every replica, for ever.
 * [AUTHORITY-5] Content is cut by a concurrent lowering of its author (cuts.ts), settings likewise.
 * [AUTHORITY-6] Settings are decided from strong to weak (effective.ts).
 *
 * What counts follows from the whole graph and is kept up to date: `weigh` says what a new entry changes, `adopt` takes it up. The usual
 * entry changes nothing and costs a few look-ups; `work` counts what costs more.
 */

import type { Failure } from "../errors.ts";
import type { Graph } from "../graph.ts";
import type { EntryId, PublicKey } from "../ids.ts";
import { isSameLatest, isSettings, latestSettings, type Node } from "../node.ts";
import { OWNER, type Power, READ, WRITE } from "../store/power.ts";
import type { RedeemOp, SettingsOp } from "../store/settings.ts";
import { lackOf } from "./allowed.ts";
import { blamedFor, blamedForInvite } from "./blame.ts";
import { type Cause, causeOf, type Grounds, type Revival, revivalOf } from "./cause.ts";
import { Cuts } from "./cuts.ts";
import { isAtOrBelow, knownHeads } from "./known-heads.ts";
import type { Ledger } from "./ledger.ts";
import { powerOf, type RedeemFault, redeemableBy, type View } from "./power-of.ts";
import type { Exceptions, Ruling } from "./rulings.ts";
import { effectiveAt, Standings } from "./standings.ts";
import { type AuthorityWork, Scales, type Weighing } from "./weighing.ts";

/** What only redemptions are judged by. */
export interface Redeeming {
  readonly time: number;
  /** It is all that the entry does. */
  readonly isAlone: boolean;
}

/** Powers that are remembered: about 1 MB. */
const powersMax = 10_000;

export class Authority {
  readonly work: AuthorityWork = { strata: 0, recounts: 0, judged: 0 };
  readonly #graph: Graph;
  readonly #standings: Standings;
  readonly #cuts: Cuts;
  readonly #scales: Scales;
  readonly #opsById = new Map<EntryId, readonly SettingsOp[]>();
  #ownerOnTrial: PublicKey | undefined;
  #now: Exceptions;
  #version = 0;
  #powers = new WeakMap<readonly Node[], Map<PublicKey, Power>>();
  #powersCount = 0;

  constructor(graph: Graph) {
    this.#graph = graph;
    const owner = (): PublicKey | undefined => graph.root?.author ?? this.#ownerOnTrial;
    this.#standings = new Standings(owner, () => {
      this.work.strata += 1;
    });
    this.#cuts = new Cuts(graph, this.#standings);
    this.#scales = new Scales(graph, this.#standings, this.#cuts, this.work);
    this.#now = this.#standings.at(graph.settings());
  }

  /** Goes up whenever the settings, or which of them have an effect, may have changed. */
  get version(): number {
    return this.#version;
  }

  get ledger(): Ledger {
    return this.#standings.ledger;
  }

  /** Why a node of the graph is not good; undefined when it is. */
  causeOf(node: Node): Cause | undefined {
    return this.#graph.isGood(node)
      ? undefined
      : causeOf(
          node,
          this.#grounds(this.#now, () => true),
        );
  }

  /** Of a good node of the graph: what would make it void, had that not lost its own effect; undefined when nothing. */
  revivalOf(node: Node): Revival | undefined {
    return this.#graph.isGood(node)
      ? revivalOf(
          node,
          this.#grounds(this.#now, () => true),
        )
      : undefined;
  }

  /** Must be called for every entry that writes settings once it is linked, before it is weighed and before anything that follows it is judged. */
  record(node: Node, ops: readonly SettingsOp[]): void {
    this.#at(node.settingsBefore);
    this.#standings.record(node, ops);
    this.#opsById.set(node.id, ops);
  }

  /** Undoes `record` for an entry that was only tried, or is refused after all. The latest first. */
  forget(node: Node): void {
    this.#standings.ledger.forget(node);
    this.#opsById.delete(node.id);
  }

  /** What an accepted entry does to the settings; empty when nothing. */
  opsOf(id: EntryId): readonly SettingsOp[] {
    return this.#opsById.get(id) ?? [];
  }

  /** A key's power as the whole graph has it now. */
  power(key: PublicKey): Power {
    return this.#powerAt(key, this.#graph.settings());
  }

  mayRead(key: PublicKey): boolean {
    return this.power(key) <= READ;
  }

  mayWrite(key: PublicKey): boolean {
    return this.power(key) <= WRITE;
  }

  /** Whether our key may set `key` to `power` now. */
  maySet(author: PublicKey, key: PublicKey, power: Power): boolean {
    const view = this.view();
    return lackOf(author, powerOf(author, view), { type: "set", key, power }, view) === undefined;
  }

  /** What is known in the whole graph. */
  view(latest: readonly Node[] = this.#graph.settings(), rulings: Exceptions = this.#now): View {
    const { ledger, owner } = this.#standings;
    return { ledger, rulings, owner: owner(), latest, below: Number.POSITIVE_INFINITY };
  }

  /** How a settings entry of the graph came to have an effect; undefined when it has none. */
  rulingOf(node: Node): Ruling {
    return this.#now.of(node);
  }

  /** Settings entries of the graph that have an effect. */
  effective(): readonly Node[] {
    return effectiveAt(this.#graph.settings(), this.#now);
  }

  /**
   * Undefined when the author was entitled to everything the entry does, given the nodes it follows. `owner` is the author of
   * the root, which may be on trial itself.
   */
  judge(
    author: PublicKey,
    ops: readonly SettingsOp[],
    followed: readonly Node[],
    owner: PublicKey | undefined,
    redeeming?: Redeeming,
  ): Failure | undefined {
    this.#ownerOnTrial = owner ?? author;
    const latest = latestSettings(followed);
    const [first] = ops;
    if (first?.type === "redeem") return this.#redeemFailure(author, first, latest, redeeming);
    // The root: whoever wrote it owns the database.
    const power = followed.length === 0 ? OWNER : this.#powerAt(author, latest);
    if (power > WRITE) return denied(author, "write", this.view(latest, this.#at(latest)));
    if (ops.length === 0) return undefined;
    const view = this.view(latest, this.#at(latest));
    for (const op of ops) {
      const lack = lackOf(author, power, op, view);
      if (lack !== undefined) return denied(author, lack, view);
    }
    return undefined;
  }

  /** Undefined when all that an entry follows counts in the entry's own past. */
  standing(author: PublicKey, followed: readonly Node[]): Failure | undefined {
    const latest = latestSettings(followed);
    const rulings = this.#at(latest);
    const isMember = (node: Node): boolean => this.#standings.ledger.isKnown(node, latest);
    for (const node of followed) {
      // Who knows as much as the entry itself was judged by just that. Settings may be allowed and have no effect even so.
      if (node.settings === latest && (!isSettings(node) || rulings.of(node) !== undefined)) continue;
      if (this.#cuts.isGood(node, rulings, isMember)) continue;
      if (followed.some((other) => other !== node && this.#isInPast(node, other))) continue;
      const { by } = causeOf(node, this.#grounds(rulings, isMember));
      return { code: "ENTRY_STANDS_ON_VOID", details: { author, follows: node.id, ...given(by) } };
    }
    return undefined;
  }

  /**
   * Whether an accepted entry is good where exactly these settings entries, and what they know, are known: what it is on a replica that holds no
   * others. For entries of which all settings that they know are among those.
   */
  goodAt(latest: readonly Node[]): (node: Node) => boolean {
    const rulings = this.#at(latest);
    const isMember = (node: Node): boolean => this.#standings.ledger.isKnown(node, latest);
    return (node) => this.#cuts.isGood(node, rulings, isMember);
  }

  /** What a linked entry, which is recorded when it writes settings, makes of the whole. Changes nothing. */
  weigh(node: Node): Weighing {
    return this.#scales.weigh(node, this.#now);
  }

  /** Takes up what was weighed, once the node is in the graph. */
  adopt(node: Node, { rulings }: Weighing): void {
    this.#now = rulings;
    if (!isSettings(node)) return;
    this.#version += 1;
    this.noteInserted(node);
  }

  /** Weighs a whole graph whose entries were accepted before and inserted as good. */
  weighAll(): ReadonlyMap<Node, boolean> {
    this.#now = this.#standings.at(this.#graph.settings());
    this.#version += 1;
    return this.#scales.badIn(this.#now);
  }

  /** For an entry that writes settings and was inserted without being weighed. */
  noteInserted(node: Node): void {
    if (this.#graph.settings() === node.settings) this.#standings.ledger.noteCovering(node);
  }

  /** The rulings where exactly these settings are the latest that are known. */
  #at(latest: readonly Node[]): Exceptions {
    if (isSameLatest(latest, this.#graph.settings())) this.#standings.note(latest, this.#now);
    return this.#standings.at(latest);
  }

  #redeemFailure(
    author: PublicKey,
    { invite: key }: RedeemOp,
    latest: readonly Node[],
    redeeming: Redeeming | undefined,
  ): Failure | undefined {
    if (redeeming?.isAlone !== true) return refusedInvite(author, "not alone");
    const rulings = this.#at(latest);
    const view = this.view(latest, rulings);
    const invite = redeemableBy(author, key, redeeming.time, view);
    if (typeof invite === "string") return refusedInvite(author, invite, blamedForInvite(invite, author, key, view));
    if (!Number.isFinite(invite.uses)) return undefined;
    const isTaken = (node: Node): boolean => rulings.of(node)?.invite === invite && this.ledger.isKnown(node, latest);
    return this.ledger.redemptions(key).filter(isTaken).length < invite.uses
      ? undefined
      : refusedInvite(author, "used up", invite.node);
  }

  #grounds(rulings: Exceptions, isMember: (node: Node) => boolean): Grounds {
    return { rulings, isMember, standings: this.#standings, cuts: this.#cuts };
  }

  /** Whether something followed is in the past of something else that is followed. */
  #isInPast(node: Node, other: Node): boolean {
    return isAtOrBelow(node, knownHeads(this.#graph, other, [node.author]).get(node.author) ?? []);
  }

  #powerAt(key: PublicKey, latest: readonly Node[]): Power {
    const known = this.#powers.get(latest)?.get(key);
    if (known !== undefined) return known;
    const power = powerOf(key, this.view(latest, this.#at(latest)));
    // Keys that nobody named are anybody's to make up: remembering them would let a stranger fill the memory.
    if (this.ledger.grants(key).length > 0) this.#remember(key, latest, power);
    return power;
  }

  #remember(key: PublicKey, latest: readonly Node[], power: Power): void {
    if (this.#powersCount >= powersMax) this.#forgetPowers();
    const powers = this.#powers.get(latest) ?? new Map<PublicKey, Power>();
    this.#powers.set(latest, powers.set(key, power));
    this.#powersCount += 1;
  }

  #forgetPowers(): void {
    this.#powers = new WeakMap();
    this.#powersCount = 0;
  }
}

function denied(author: PublicKey, need: string, view: View): Failure {
  return { code: "ENTRY_PERMISSION", details: { author, need, ...given(blamedFor(author, view)) } };
}

function refusedInvite(author: PublicKey, reason: RedeemFault | "not alone", by?: Node): Failure {
  return { code: "ENTRY_INVITE", details: { author, reason, ...given(by) } };
}

function given(by: Node | undefined): { readonly by?: EntryId } {
  return by === undefined ? {} : { by: by.id };
}
