/**
 * How many entries that count lie in a log from a position on, and their bytes: sums at every 1,024th position, so that any question costs a walk
 * of at most as many entries.
 *
 * Asked for lazily: whoever never asks pays nothing, and every entry is added up once. What counts must stay so; else another one is made.
 */
import type { Graph, Node } from "../core/graph.ts";

const strideEntries = 1_024;

export interface LogAmount {
  readonly entries: number;
  readonly bytes: number;
}

export type MeasuredGraph = Pick<Graph, "size" | "at" | "counts">;

const nothing: LogAmount = { entries: 0, bytes: 0 };

export class LogAmounts {
  readonly #graph: MeasuredGraph;
  /** At `i` what lies at positions below `i * strideEntries`. */
  readonly #sums: LogAmount[] = [nothing];
  /** Positions below are added up in `#total`. */
  #summed = 0;
  #total = nothing;

  constructor(graph: MeasuredGraph) {
    this.#graph = graph;
  }

  /** At this position and above. */
  from(position: number): LogAmount {
    const below = this.below(position);
    return { entries: this.#total.entries - below.entries, bytes: this.#total.bytes - below.bytes };
  }

  /** Below this position, which is at most the size of the log. */
  below(position: number): LogAmount {
    this.#addUp();
    const stride = Math.floor(position / strideEntries);
    let below = this.#sums[stride] ?? this.#total;
    for (let at = stride * strideEntries; at < position; at++) below = this.#add(below, this.#graph.at(at));
    return below;
  }

  #addUp(): void {
    for (; this.#summed < this.#graph.size; this.#summed++) {
      this.#total = this.#add(this.#total, this.#graph.at(this.#summed));
      if ((this.#summed + 1) % strideEntries === 0) this.#sums.push(this.#total);
    }
  }

  #add(sum: LogAmount, node: Node): LogAmount {
    return this.#graph.counts(node) ? { entries: sum.entries + 1, bytes: sum.bytes + node.size } : sum;
  }
}
