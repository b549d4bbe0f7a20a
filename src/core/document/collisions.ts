/**
 * Which of two changes of one actor with one number is applied. Only a cheat signs both: an honest page never uses a nonce again.
 *
 * [DOC-17] Of changes with the same actor and number, each of them sound, the one is applied on which more changes of other authors stand, directly or not;
 *          of equal ones the one of the earlier entry by time and id. The rest are left out with all that stands on them.
 * [DOC-18] It is decided for the lowest in the document first, so what fell with one is not in the way of another.
 *
 * What stands on each is counted as changes come; the decision is made again only when it can come out differently.
 */
import type { ChangeGraph } from "./change-graph.ts";
import { seqOn } from "./clocks.ts";

/** What is asked of the entries that changes stand in. */
export interface Entries {
  authorOf(entry: number): number;
  /** Less than 0: the first is earlier. */
  compare(entry: number, other: number): number;
}

/** What came out differently. */
export interface Decision {
  /** Left out now, and not before. */
  readonly fallen: readonly number[];
  readonly revived: readonly number[];
  /** Those of the fallen that have lost themselves. */
  readonly rejected: readonly number[];
}

/** Changes that compete, and what tells them from others. */
interface Contest {
  readonly rivals: readonly number[];
  readonly startOp: number;
  readonly seq: number;
  readonly hash: string;
}

/** As many bits as an integer has. */
const countedAtOnce = 32;

export class Collisions {
  readonly #graph: ChangeGraph;
  readonly #entries: Entries;
  /** The changes that compete, with how many of other authors stand on each. */
  readonly #weights = new Map<number, number>();
  #leftOut = new Set<number>();
  /** Of those that compete. */
  readonly #rejected = new Set<number>();
  #isOpen = false;

  constructor(graph: ChangeGraph, entries: Entries) {
    this.#graph = graph;
    this.#entries = entries;
  }

  /** What is not applied, and all that stands on it. */
  get leftOut(): ReadonlySet<number> {
    return this.#leftOut;
  }

  /** What has lost, without what stands on it. */
  get rejected(): ReadonlySet<number> {
    return this.#rejected;
  }

  /** A change has come. */
  add(node: number): void {
    const graph = this.#graph;
    if (graph.forked.size === 0) return;
    if (this.#standsOnLeftOut(node)) this.#leftOut.add(node);
    this.#weigh(node);
    if (graph.forked.has(graph.actorOf(node))) this.#enter(node);
  }

  /** Many have come at once, or an entry turned out earlier. */
  reopen(): void {
    if (this.#graph.forked.size === 0) return;
    this.#weights.clear();
    for (const actor of this.#graph.forked) for (const node of this.#rivals(actor)) this.#weights.set(node, 0);
    this.#count([...this.#weights.keys()]);
    this.#isOpen = true;
  }

  /** Decides anew if anything may come out differently. Undefined: it need not. */
  decide(): Decision | undefined {
    if (!this.#isOpen) return undefined;
    this.#isOpen = false;
    const leftOut = this.#leftOut;
    const rejected = new Set(this.#rejected);
    this.#decideAll();
    return {
      fallen: [...this.#leftOut].filter((node) => !leftOut.has(node)),
      revived: [...leftOut].filter((node) => !this.#leftOut.has(node)),
      rejected: [...this.#rejected].filter((node) => !rejected.has(node)),
    };
  }

  /** More stands on those in its past. */
  #weigh(node: number): void {
    const author = this.#authorOf(node);
    const past = this.#graph.pastOf(node);
    for (const [rival, weight] of this.#weights) {
      if (rival === node || seqOn(past, this.#graph.lineOf(rival)) < this.#graph.seqOf(rival)) continue;
      if (this.#authorOf(rival) === author) continue;
      this.#weights.set(rival, weight + 1);
      if (this.#rejected.has(rival) || this.#leftOut.has(rival)) this.#isOpen = true;
    }
  }

  /** Of an actor that has used numbers twice: the change may compete with others, or make others compete. */
  #enter(node: number): void {
    const rivals = this.#rivalsOf(node).filter((rival) => !this.#weights.has(rival));
    if (rivals.length === 0) return;
    for (const rival of rivals) this.#weights.set(rival, 0);
    this.#count(rivals);
    this.#isOpen = true;
  }

  /** The changes that follow the same change of their actor as this one does, itself among them, if there is more than one. */
  #rivalsOf(node: number): readonly number[] {
    const graph = this.#graph;
    const seq = graph.seqOf(node);
    const before = graph.beforeOf(node);
    const rivals: number[] = [];
    for (const number of graph.linesOf(graph.actorOf(node))) {
      const { first, nodes } = graph.line(number);
      const rival = nodes[seq - first];
      if (rival !== undefined && graph.beforeOf(rival) === before) rivals.push(rival);
    }
    return rivals.length > 1 ? rivals : [];
  }

  /** All changes of an actor that compete. */
  #rivals(actor: number): ReadonlySet<number> {
    const rivals = new Set<number>();
    for (const number of this.#graph.linesOf(actor)) {
      const start = this.#graph.line(number).nodes[0] as number;
      if (!rivals.has(start)) for (const rival of this.#rivalsOf(start)) rivals.add(rival);
    }
    return rivals;
  }

  /** Goes over the document once for each 32 of them. */
  #count(rivals: readonly number[]): void {
    for (let from = 0; from < rivals.length; from += countedAtOnce) {
      const counted = rivals.slice(from, from + countedAtOnce);
      const weights = counted.map(() => 0);
      this.#standingOn(counted, (node, bits) => {
        const author = this.#authorOf(node);
        for (const [i, rival] of counted.entries())
          if ((bits & (1 << i)) !== 0 && author !== this.#authorOf(rival)) weights[i] = (weights[i] as number) + 1;
      });
      for (const [i, rival] of counted.entries()) this.#weights.set(rival, weights[i] as number);
    }
  }

  /** Tells of each change that stands on some of these on which, as bits. */
  #standingOn(counted: readonly number[], tell: (node: number, bits: number) => void): void {
    const graph = this.#graph;
    const bitsOf = new Int32Array(graph.size);
    for (const [i, node] of counted.entries()) bitsOf[node] = 1 << i;
    for (let node = Math.min(...counted); node < graph.size; node++) {
      let bits = 0;
      const deps = graph.depsOf(node);
      for (let i = 0; i < deps.length; i++) bits |= bitsOf[deps[i] as number] as number;
      if (bits === 0) continue;
      bitsOf[node] = (bitsOf[node] as number) | bits;
      tell(node, bits);
    }
  }

  #decideAll(): void {
    this.#rejected.clear();
    const cuts = new Map<number, number>();
    for (const rivals of this.#contests()) {
      const left = rivals.filter((node) => !this.#isCut(node, cuts)).sort((a, b) => this.#compare(a, b));
      for (const node of left.slice(1)) {
        this.#rejected.add(node);
        const line = this.#graph.lineOf(node);
        cuts.set(line, Math.min(cuts.get(line) ?? Number.MAX_VALUE, this.#graph.seqOf(node)));
      }
    }
    this.#leftOut = new Set(this.#rejected);
    if (this.#rejected.size === 0) return;
    const rejected = [...this.#rejected];
    for (let node = Math.min(...rejected); node < this.#graph.size; node++)
      if (this.#standsOnLeftOut(node)) this.#leftOut.add(node);
  }

  /** Whether a change stands on one that has lost, by the number from which on each line is lost. */
  #isCut(node: number, cuts: ReadonlyMap<number, number>): boolean {
    const past = this.#graph.pastOf(node);
    for (const [line, seq] of cuts) if (seqOn(past, line) >= seq) return true;
    return false;
  }

  /** The groups that compete, in the same order on all replicas. */
  #contests(): readonly (readonly number[])[] {
    const seen = new Set<number>();
    const contests: Contest[] = [];
    for (const node of this.#weights.keys()) {
      if (seen.has(node)) continue;
      const rivals = this.#rivalsOf(node);
      for (const rival of rivals) seen.add(rival);
      contests.push({
        rivals,
        startOp: rivals.reduce((least, rival) => Math.min(least, this.#graph.startOpOf(rival)), Number.MAX_VALUE),
        seq: this.#graph.seqOf(node),
        hash: rivals.map((rival) => this.#graph.hashOf(rival)).reduce((least, hash) => (hash < least ? hash : least)),
      });
    }
    contests.sort((a, b) => a.startOp - b.startOp || a.seq - b.seq || (a.hash < b.hash ? -1 : 1));
    return contests.map(({ rivals }) => rivals);
  }

  /** Less than 0: the first is to be applied. */
  #compare(a: number, b: number): number {
    const heavier = (this.#weights.get(b) ?? 0) - (this.#weights.get(a) ?? 0);
    if (heavier !== 0) return heavier;
    const earlier = this.#entries.compare(this.#graph.entryOf(a), this.#graph.entryOf(b));
    return earlier !== 0 ? earlier : this.#graph.indexOf(a) - this.#graph.indexOf(b);
  }

  #standsOnLeftOut(node: number): boolean {
    const deps = this.#graph.depsOf(node);
    for (let i = 0; i < deps.length; i++) if (this.#leftOut.has(deps[i] as number)) return true;
    return false;
  }

  #authorOf(node: number): number {
    return this.#entries.authorOf(this.#graph.entryOf(node));
  }
}
