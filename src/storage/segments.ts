/**
 * Where the entries of one database are: the segments in order, and where each entry starts. In memory 4 bytes an entry.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";

export interface Segment {
  readonly from: number;
  /** Where each entry starts in the segment's bytes, and the end of the last. */
  readonly offsets: Uint32Array;
}

export function segmentOf(from: number, sizes: readonly number[]): Segment {
  const offsets = new Uint32Array(sizes.length + 1);
  for (const [i, size] of sizes.entries()) offsets[i + 1] = (offsets[i] as number) + size;
  return { from, offsets };
}

export function entryCount({ offsets }: Segment): number {
  return offsets.length - 1;
}

export function byteLength({ offsets }: Segment): number {
  return offsets[offsets.length - 1] as number;
}

/** Segments smaller than this are merged with those after them. */
const smallBytes = 64 * 1024;
/**
 * How many small segments gather before they become one. A commit of one entry of 400 B then costs on average 1/64 of
 * reading and writing some 26 to 64 kB again, and 10,000 such commits leave about 100 segments, not 10,000.
 */
const smallSegmentsMax = 64;

export class Segments {
  /** Grows whenever segments are merged: what was looked up before may be gone. */
  generation = 0;
  readonly #database: DatabaseId;
  readonly #segments: Segment[];

  /** In the order of their positions, without gaps. Throws STORAGE_CORRUPT. */
  constructor(database: DatabaseId, segments: readonly Segment[]) {
    this.#database = database;
    this.#segments = [...segments];
    let next = 0;
    for (const segment of segments) {
      if (segment.from !== next) throw this.#missing(next);
      next += entryCount(segment);
    }
  }

  /** How many entries there are. */
  get count(): number {
    const last = this.#segments.at(-1);
    return last === undefined ? 0 : last.from + entryCount(last);
  }

  push(segment: Segment): void {
    this.#segments.push(segment);
  }

  /** The small segments at the end, when there are so many that they should become one. */
  smallTail(): readonly Segment[] {
    let first = this.#segments.length;
    while (first > 0 && byteLength(this.#segments[first - 1] as Segment) < smallBytes) first -= 1;
    const tail = this.#segments.slice(first);
    return tail.length < smallSegmentsMax ? [] : tail;
  }

  /** Puts one segment in place of those at the end that start where it starts. */
  replaceTail(merged: Segment): void {
    while ((this.#segments.at(-1)?.from ?? -1) >= merged.from) this.#segments.pop();
    this.#segments.push(merged);
    this.generation += 1;
  }

  /** The segments that hold positions `from` to `to`, exclusive. Throws STORAGE_CORRUPT when there are fewer entries. */
  covering(from: number, to: number): readonly Segment[] {
    if (to > this.count) throw this.#missing(to - 1);
    const found: Segment[] = [];
    for (let at = this.#at(from); at < this.#segments.length; at++) {
      const segment = this.#segments[at] as Segment;
      if (segment.from >= to) break;
      found.push(segment);
    }
    return found;
  }

  /** The index of the segment that holds a position. */
  #at(position: number): number {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#segments[middle] as Segment).from <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #missing(position: number): TidemarkError {
    return new TidemarkError("STORAGE_CORRUPT", { where: `${this.#database}: no entry at position ${position}` });
  }
}
