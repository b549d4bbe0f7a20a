/**
 * How many bytes lie in a log from a position on: sums at every 1,024th position, so that any question costs a walk of at most as many entries.
 *
 * Asked for lazily: whoever never asks pays nothing, and every entry is added up once.
 */
import type { Graph } from "../core/graph.ts";

const strideEntries = 1_024;

export class LogBytes {
  readonly #graph: Pick<Graph, "size" | "at">;
  /** At `i` the bytes at positions below `i * strideEntries`. */
  readonly #sums: number[] = [0];
  /** Positions below are added up in `#total`. */
  #summed = 0;
  #total = 0;

  constructor(graph: Pick<Graph, "size" | "at">) {
    this.#graph = graph;
  }

  /** The bytes of all entries at this position and above. */
  from(position: number): number {
    this.#addUp();
    const stride = Math.floor(position / strideEntries);
    let below = this.#sums[stride] ?? this.#total;
    for (let at = stride * strideEntries; at < position; at++) below += this.#graph.at(at).size;
    return this.#total - below;
  }

  #addUp(): void {
    for (; this.#summed < this.#graph.size; this.#summed++) {
      this.#total += this.#graph.at(this.#summed).size;
      if ((this.#summed + 1) % strideEntries === 0) this.#sums.push(this.#total);
    }
  }
}
