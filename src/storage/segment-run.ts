/** The records of neighbouring segments: whether they fit together, and one segment made of them. */
import { decodeIndex, type IndexRecord } from "./index-record.ts";
import { type PackedSegment, packSegment } from "./pack.ts";
import { corrupt } from "./record.ts";
import { Segment } from "./segment-record.ts";

/**
 * Throws STORAGE_CORRUPT unless the indexes follow one another from position `start` on, and the segments beside them
 * end where they do.
 */
export function requireContiguous(indexes: readonly IndexRecord[], ends: readonly number[], start: number): void {
  let end = start;
  for (const [i, { first, entries }] of indexes.entries()) {
    if (first !== end) throw corrupt(`the index of entry ${Math.min(first, end)} is missing or there twice`);
    end += entries.length;
    if (ends[i] !== end) throw corrupt(`the bytes of the entries before ${end} are missing`);
  }
  if (ends.length !== indexes.length) throw corrupt(`the index of entry ${end} is missing`);
}

/** Takes records as they were stored, in order. Undefined when there are none. Throws STORAGE_CORRUPT. */
export function mergeSegments(
  indexValues: readonly unknown[],
  segmentValues: readonly unknown[],
): PackedSegment | undefined {
  const indexes = indexValues.map(decodeIndex);
  const segments = segmentValues.map((value) => new Segment(value));
  const first = indexes[0]?.first;
  if (first === undefined) return undefined;
  const ends = segments.map(({ end }) => end);
  requireContiguous(indexes, ends, first);
  const bytes = segments.flatMap((segment) => segment.entries());
  const entries = indexes.flatMap((index) => index.entries);
  return packSegment(
    first,
    entries.map((entry, i) => ({ ...entry, bytes: bytes[i] as Uint8Array })),
  );
}
