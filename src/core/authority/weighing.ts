/**
 * What an entry makes of what counts, found out from what it may change alone.
 *
 * [AUTHORITY-13] Nothing is judged twice unless a lowering is concurrent with what the lowered key wrote, and settings are decided as a
 *                whole only when that was settings.
 */
import { chainsAbove } from "../frontier.ts";
import type { Graph } from "../graph.ts";
import type { PublicKey } from "../ids.ts";
import { isSameLatest, isSettings, type Node } from "../node.ts";
import type { Cuts } from "./cuts.ts";
import type { Exceptions } from "./rulings.ts";
import type { Standings } from "./standings.ts";

/** What the rule cost so far. */
export interface AuthorityWork {
  /** How often the settings were decided from strong to weak as a whole. */
  strata: number;
  /** How often entries that were judged before were judged again. */
  recounts: number;
  /** Entries judged by such a recount. */
  judged: number;
}

/** What an entry that was linked makes of the whole. */
export interface Weighing {
  readonly isGood: boolean;
  /** Nodes that become good, or are good no longer. */
  readonly changes: ReadonlyMap<Node, boolean>;
  readonly rulings: Exceptions;
}

export class Scales {
  readonly #graph: Graph;
  readonly #standings: Standings;
  readonly #cuts: Cuts;
  readonly #work: AuthorityWork;

  /** Counts in `work` what it costs. */
  constructor(graph: Graph, standings: Standings, cuts: Cuts, work: AuthorityWork) {
    this.#graph = graph;
    this.#standings = standings;
    this.#cuts = cuts;
    this.#work = work;
  }

  /** A node that was just linked, where `now` are the rulings of the whole graph without it. Changes nothing. */
  weigh(node: Node, now: Exceptions): Weighing {
    if (isSettings(node)) return this.#weighSettings(node, now);
    return { isGood: this.#isGoodNow(node, now), changes: noChanges, rulings: now };
  }

  /** All nodes of the graph that are not good. */
  badIn(now: Exceptions): ReadonlyMap<Node, boolean> {
    const bad = new Map<Node, boolean>();
    for (const node of this.#graph.unaware()) if (!this.#isGoodNow(node, now)) bad.set(node, false);
    return bad;
  }

  #weighSettings(node: Node, now: Exceptions): Weighing {
    const { rulings, changed } = this.#rulingsWith(node, now);
    const isGood = rulings.of(node) !== undefined;
    const changes = new Map<Node, boolean>();
    const note = (each: Node, good: boolean): void => {
      if (good !== this.#graph.isGood(each)) changes.set(each, good);
    };
    for (const each of changed) note(each, rulings.of(each) !== undefined);
    const cut = isGood ? this.#cuts.cutBy(node, this.#standings.ledger.opsOf(node), rulings) : [];
    for (const each of cut) note(each, false);
    const affected = changed.length === 0 ? [] : this.#writtenBy(this.#affectedBy(changed));
    for (const each of affected)
      note(
        each,
        this.#cuts.isGood(each, rulings, () => true),
      );
    if (cut.length + affected.length > 0) this.#work.recounts += 1;
    this.#work.judged += cut.length + affected.length;
    return { isGood, changes, rulings };
  }

  /** With one more settings entry, and for which of them that makes a difference. */
  #rulingsWith(node: Node, now: Exceptions): { readonly rulings: Exceptions; readonly changed: readonly Node[] } {
    const latest = this.#graph.settings();
    if (isSameLatest(node.settingsBefore, latest)) return { rulings: this.#standings.at(node.settings), changed: [] };
    const rulings = this.#standings.with(node, now, () => true);
    if (rulings !== "contested") return { rulings, changed: [] };
    const anew = this.#standings.decideAnew([
      ...latest.filter((each) => !this.#standings.ledger.knows(node, each)),
      node,
    ]);
    return { rulings: anew, changed: anew.difference(now) };
  }

  /** Whose content may be good or bad now because the rulings on some settings entries are others. */
  #affectedBy(changed: readonly Node[]): ReadonlySet<PublicKey> {
    const keys = new Set<PublicKey>();
    for (const node of changed)
      for (const op of this.#standings.ledger.opsOf(node)) {
        if (op.type === "public") return this.#graph.authors();
        if (op.type === "set") keys.add(op.key);
        if (op.type === "redeem") keys.add(node.author);
      }
    return keys;
  }

  #writtenBy(authors: ReadonlySet<PublicKey>): readonly Node[] {
    return [...authors].flatMap((author) => chainsAbove(this.#graph.allHeads(author), []));
  }

  #isGoodNow(node: Node, rulings: Exceptions): boolean {
    if (this.#graph.isAware(node)) return true;
    return this.#cuts.isGood(node, rulings, () => true);
  }
}

const noChanges: ReadonlyMap<Node, boolean> = new Map();
