/** The segments read last, so that reading a range in small steps, or entries one by one, does not read a segment each time. */
import type { Segment } from "./segment-record.ts";

/** A few segments of the usual size, for a few databases that are read at the same time. */
const cacheSizeMax: number = 8 << 20;

interface Cached {
  /** What it belongs to: an object, so that a database which was deleted and made again is another one. */
  readonly owner: object;
  readonly segment: Segment;
}

export class SegmentCache {
  /** The one used last is at the end. */
  #cached: Cached[] = [];
  #size = 0;

  find(owner: object, position: number): Segment | undefined {
    const at = this.#cached.findLastIndex((each) => each.owner === owner && each.segment.has(position));
    if (at < 0) return undefined;
    const [found] = this.#cached.splice(at, 1) as [Cached];
    this.#cached.push(found);
    return found.segment;
  }

  add(owner: object, segment: Segment): void {
    if (segment.size > cacheSizeMax) return;
    this.#cached.push({ owner, segment });
    this.#size += segment.size;
    while (this.#size > cacheSizeMax) this.#size -= this.#cached.shift()?.segment.size ?? 0;
  }

  drop(owner: object): void {
    this.#cached = this.#cached.filter((each) => each.owner !== owner);
    this.#size = this.#cached.reduce((size, { segment }) => size + segment.size, 0);
  }
}
