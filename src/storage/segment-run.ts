/** The records of neighbouring segments: whether they fit together, and one segment made of them. */
import { decodeIndex } from "./index-record.ts";
import { type PackedSegment, packSegment, type SegmentExtent } from "./pack.ts";
import { corrupt } from "./record.ts";
import { Segment } from "./segment-record.ts";

/**
 * Throws STORAGE_CORRUPT unless the indexes follow one another from position `start` on, and the segments beside them
 * end where they do.
 */
export function requireContiguous(
  indexes: readonly Pick<SegmentExtent, "first" | "end">[],
  ends: readonly number[],
  start: number,
): void {
  let end = start;
  for (const [i, index] of indexes.entries()) {
    if (index.first !== end)
      throw corrupt(`the index of entry ${Math.min(index.first, end)} is missing or there twice`);
    end = index.end;
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
