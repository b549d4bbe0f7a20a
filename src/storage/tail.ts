/**
 * Decides when small segments at the end of a database are merged into one.
 *
 * Every commit makes a segment, so 10,000 commits of one entry would leave 10,000 pairs of records, and `load` costs time
 * per record. A segment below 64 KiB and 256 entries is small. As soon as 64 small ones stand side by side they become one;
 * if that is still small, it is the first of the next 64. A large segment closes the row: what stands before it is merged.
 *
 * What it costs: with entries of 300 B one merge writes 64 to 126 entries or more, at most 64 KiB + 19 KiB, each 63 commits;
 * an entry is rewritten two or three times until its segment is large, together under 1 KiB per commit.
 * What is left: a pair of records per 64 KiB or 256 entries, and fewer than 64 pairs besides. A merge handles at most
 * 64 × 64 KiB = 4 MiB and 64 × 256 = 16,384 entries.
 */
import type { SegmentExtent } from "./pack.ts";

const smallSize: number = 64 * 1024;
const smallEntries = 256;
const rowLengthMax = 64;

/** Segments that together cover the positions `first` ≤ position < `end`. */
export interface Run {
  readonly first: number;
  readonly end: number;
}

export class Tail {
  #row: SegmentExtent = { first: 0, end: 0, size: 0 };
  #segments = 0;

  /** Notes the segment that follows the last one; answers with the run that is to be merged now, if any. */
  append(segment: SegmentExtent): Run | undefined {
    const continues = this.#segments > 0 && segment.first === this.#row.end;
    if (!isSmall(segment)) return this.#close(continues);
    this.#row = continues
      ? { first: this.#row.first, end: segment.end, size: this.#row.size + segment.size }
      : { ...segment };
    this.#segments = continues ? this.#segments + 1 : 1;
    if (this.#segments < rowLengthMax) return undefined;
    this.#segments = isSmall(this.#row) ? 1 : 0;
    return { first: this.#row.first, end: this.#row.end };
  }

  #close(continues: boolean): Run | undefined {
    const due = continues && this.#segments > 1;
    this.#segments = 0;
    return due ? { first: this.#row.first, end: this.#row.end } : undefined;
  }
}

function isSmall({ first, end, size }: SegmentExtent): boolean {
  return size < smallSize && end - first < smallEntries;
}
