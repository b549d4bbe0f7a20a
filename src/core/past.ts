/**
 * What some entries of a graph stand on, themselves included, and which of it counts where nothing else is known.
 *
 * [HISTORY-6] What counts among the entries at and before some tips follows from these alone: whatever else a replica holds, and
 *             whatever became void or counts again since, makes no difference.
 *
 * A byte for each entry up to the latest of them, whatever the entries hold: a walk over 100,000 takes some milliseconds.
 */
import type { Authority } from "./authority/authority.ts";
import { assert } from "./errors.ts";
import type { Graph } from "./graph.ts";
import { isSameLatest, latestSettings, type Node } from "./node.ts";

const isIn = 1;
const isCounting = 2;
const isFollowed = 4;

export class Past {
  /** Of the entries that were given, those that no other of them stands on, by id. */
  readonly tips: readonly Node[];
  /** How many entries it has. */
  readonly size: number;
  /** How many of them count. */
  readonly counting: number;
  /** By position. */
  readonly #marks: Uint8Array;

  /** `nodes`: of that graph, in any order. None is fine: nothing was written yet. */
  constructor(graph: Graph, authority: Authority, nodes: readonly Node[]) {
    this.#marks = new Uint8Array(1 + nodes.reduce((last, { position }) => Math.max(last, position), -1));
    for (const { position } of nodes) this.#marks[position] = isIn;
    const isGood = goodness(graph, authority, latestSettings(nodes));
    let [size, counting] = [0, 0];
    for (let position = this.#marks.length - 1; position >= 0; position--) {
      if (this.#marks[position] === 0) continue;
      // Whatever follows it stands at higher positions, and was looked at.
      const counts = this.counts(position) || isGood(position);
      const mark = isIn | isFollowed | (counts ? isCounting : 0);
      if (counts) this.#mark(position, isCounting);
      graph.eachFollowedAt(position, (followed) => this.#mark(followed, mark));
      size += 1;
      counting += Number(counts);
    }
    this.size = size;
    this.counting = counting;
    const open = nodes.filter(({ position }) => !this.#has(position, isFollowed));
    this.tips = [...new Set(open)].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** All its positions are below. */
  get end(): number {
    return this.#marks.length;
  }

  has(position: number): boolean {
    return this.#has(position, isIn);
  }

  /** Whether the entry at a position is in it and counts. */
  counts(position: number): boolean {
    return this.#has(position, isCounting);
  }

  #has(position: number, mark: number): boolean {
    return ((this.#marks[position] ?? 0) & mark) !== 0;
  }

  #mark(position: number, mark: number): void {
    const marks = this.#marks[position];
    assert(marks !== undefined, "GRAPH-1");
    this.#marks[position] = marks | mark;
  }
}

/** For entries by their positions. Those that know all these settings were accepted by them: most are no more than looked up. */
function goodness(graph: Graph, authority: Authority, latest: readonly Node[]): (position: number) => boolean {
  const isGood = authority.goodAt(latest);
  const known = new Map<readonly Node[], boolean>([[latest, true]]);
  return (position) => {
    const settings = graph.settingsAt(position);
    const isAll = known.get(settings) ?? isSameLatest(settings, latest);
    known.set(settings, isAll);
    return (isAll && settings[0]?.position !== position) || isGood(graph.at(position));
  };
}
