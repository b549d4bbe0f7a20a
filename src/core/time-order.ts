/**
 * The entries of a graph by time, then by id: an order in which each comes after all that it follows, the same on every replica.
 *
 * [HISTORY-1] The order is that of the stamps by which the last writer wins; an entry that comes late stands where its time says.
 *
 * Four bytes for each entry. Taking in what is new costs what it is, and what has to make room for what came late.
 */
import type { Graph, Node } from "./graph.ts";

type TimedGraph = Pick<Graph, "at" | "timeAt">;

export class TimeOrder {
  readonly #graph: TimedGraph;
  /** Longer than what was taken in. */
  #positions = new Uint32Array(0);
  #length = 0;

  constructor(graph: TimedGraph) {
    this.#graph = graph;
  }

  /** How many entries were taken in: those at positions below. */
  get length(): number {
    return this.#length;
  }

  /** Takes in what stands at positions below `through`. Positions never change what they stand for. */
  extend(through: number): void {
    if (through > this.#positions.length) this.#grow(Math.max(through, 2 * this.#length));
    const order = this.#positions;
    const late: number[] = [];
    let end = this.#length;
    for (let position = this.#length; position < through; position++) {
      if (end === 0 || this.#compare(order[end - 1] as number, position) < 0) order[end++] = position;
      else late.push(position);
    }
    late.sort((a, b) => this.#compare(a, b));
    for (let at = through - 1; late.length > 0; at--) {
      const last = late.at(-1) as number;
      const isBefore = end > 0 && this.#compare(order[end - 1] as number, last) > 0;
      order[at] = isBefore ? (order[--end] as number) : (late.pop() as number);
    }
    this.#length = Math.max(this.#length, through);
  }

  /** The position of the entry at a place of this order. */
  at(place: number): number {
    return this.#positions[place] as number;
  }

  /** The place of an entry that was taken in. */
  placeOf({ position }: Pick<Node, "position">): number {
    let [low, high] = [0, this.#length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.at(middle), position) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(one: number, other: number): number {
    if (one === other) return 0;
    const between = this.#graph.timeAt(one) - this.#graph.timeAt(other);
    if (between !== 0) return between;
    return this.#graph.at(one).id < this.#graph.at(other).id ? -1 : 1;
  }

  #grow(capacity: number): void {
    const positions = new Uint32Array(capacity);
    positions.set(this.#positions);
    this.#positions = positions;
  }
}
