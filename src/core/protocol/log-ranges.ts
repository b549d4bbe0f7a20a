/**
 * Positions in a database's log, as ranges: what waits to be sent, without a list of it.
 *
 * [LANE-7] What waits is kept as ranges of positions and leaves in their order; what would need one range too many is left out.
 *
 * Entries that follow each other in the log cost nothing each: a million that wait are one range.
 */
import type { Node } from "../graph.ts";

interface Range {
  from: number;
  /** Not part of it. */
  to: number;
}

export class LogRanges {
  readonly #nodeAt: (position: number) => Node;
  /** Ascending; between two of them is a gap. */
  #ranges: Range[] = [];
  #count = 0;
  #bytes = 0;

  constructor(nodeAt: (position: number) => Node) {
    this.#nodeAt = nodeAt;
  }

  get count(): number {
    return this.#count;
  }

  /** Of the entries at these positions, as they are stored. */
  get bytes(): number {
    return this.#bytes;
  }

  get rangeCount(): number {
    return this.#ranges.length;
  }

  /** The lowest position; undefined when there is none. */
  get first(): number | undefined {
    return this.#ranges[0]?.from;
  }

  has(position: number): boolean {
    const range = this.#ranges[this.#find(position)];
    return range !== undefined && range.from <= position;
  }

  countFrom(position: number): number {
    let count = 0;
    for (let i = this.#ranges.length - 1; i >= 0; i--) {
      const { from, to } = this.#ranges[i] as Range;
      if (to <= position) break;
      count += to - Math.max(from, position);
    }
    return count;
  }

  /** False when it is not there and would need one more range than `rangesMax`. */
  add(node: Node, rangesMax: number): boolean {
    const { position } = node;
    const at = this.#find(position);
    const next = this.#ranges[at];
    if (next !== undefined && next.from <= position) return true;
    const before = this.#ranges[at - 1];
    const [extendsBefore, extendsNext] = [before?.to === position, next?.from === position + 1];
    if (!extendsBefore && !extendsNext && this.#ranges.length >= rangesMax) return false;
    if (before !== undefined && extendsBefore) {
      before.to = next !== undefined && extendsNext ? next.to : position + 1;
      if (extendsNext) this.#ranges.splice(at, 1);
    } else if (next !== undefined && extendsNext) next.from = position;
    else this.#ranges.splice(at, 0, { from: position, to: position + 1 });
    this.#count += 1;
    this.#bytes += node.size;
    return true;
  }

  remove(position: number): void {
    const at = this.#find(position);
    const range = this.#ranges[at];
    if (range === undefined || range.from > position) return;
    const parts = [
      { from: range.from, to: position },
      { from: position + 1, to: range.to },
    ];
    this.#ranges.splice(at, 1, ...parts.filter(({ from, to }) => from < to));
    this.#count -= 1;
    this.#bytes -= this.#nodeAt(position).size;
  }

  /** Takes away everything below a position. */
  dropBelow(position: number): void {
    while ((this.first ?? position) < position) this.#takeFirst();
  }

  clear(): void {
    this.#ranges = [];
    this.#count = 0;
    this.#bytes = 0;
  }

  /** Takes the first of those below `before`, as many as fit, and at least one if there is one. */
  take(before: number, entriesMax: number, bytesMax: number): readonly Node[] {
    const taken: Node[] = [];
    let bytes = 0;
    for (let first = this.first; first !== undefined && first < before; first = this.first) {
      const node = this.#nodeAt(first);
      if (taken.length > 0 && (taken.length === entriesMax || bytes + node.size > bytesMax)) break;
      bytes += node.size;
      taken.push(this.#takeFirst());
    }
    return taken;
  }

  /** The bytes of what `take` would take. */
  measure(before: number, entriesMax: number, bytesMax: number): number {
    let [count, bytes] = [0, 0];
    for (const { from, to } of this.#ranges) {
      for (let position = from; position < to; position++) {
        if (position >= before) return bytes;
        const { size } = this.#nodeAt(position);
        if (count > 0 && (count === entriesMax || bytes + size > bytesMax)) return bytes;
        count += 1;
        bytes += size;
      }
    }
    return bytes;
  }

  #takeFirst(): Node {
    const range = this.#ranges[0] as Range;
    const node = this.#nodeAt(range.from);
    range.from += 1;
    if (range.from === range.to) this.#ranges.shift();
    this.#count -= 1;
    this.#bytes -= node.size;
    return node;
  }

  /** The place of the first range that ends behind the position: it may hold it. */
  #find(position: number): number {
    let [low, high] = [0, this.#ranges.length];
    const last = this.#ranges[high - 1];
    if (last === undefined || last.to <= position) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranges[middle] as Range).to <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
