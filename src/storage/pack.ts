/** Cuts a commit's entries into segments, and packs each into its two records. */
import type { StoredEntry } from "../ports/storage.ts";
import { encodeIndex } from "./index-record.ts";
import { encodeSegment } from "./segment-record.ts";

/**
 * A segment is cut when it has this many bytes or entries, whichever comes first. To read one entry its whole segment is
 * read, at about 1 ms per MiB; an entry that is larger has a segment of its own.
 */
const segmentBytesMax: number = 1 << 20;
const segmentEntriesMax = 4_096;

/** The positions a segment covers, and the bytes of its entries. */
export interface SegmentExtent {
  readonly first: number;
  readonly end: number;
  readonly size: number;
}

export interface PackedSegment extends SegmentExtent {
  readonly index: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Copies everything: the caller may alter the bytes afterwards. */
export function packSegments(position: number, entries: readonly StoredEntry[]): readonly PackedSegment[] {
  const packed: PackedSegment[] = [];
  let from = 0;
  while (from < entries.length) {
    const to = cut(entries, from);
    packed.push(packSegment(position + from, entries.slice(from, to)));
    from = to;
  }
  return packed;
}

export function packSegment(first: number, entries: readonly StoredEntry[]): PackedSegment {
  return {
    first,
    end: first + entries.length,
    size: entries.reduce((size, { bytes }) => size + bytes.length, 0),
    index: encodeIndex(first, entries),
    bytes: encodeSegment(
      first,
      entries.map(({ bytes }) => bytes),
    ),
  };
}

function cut(entries: readonly StoredEntry[], from: number): number {
  let size = 0;
  for (let i = from; i < entries.length; i++) {
    size += entries[i]?.bytes.length ?? 0;
    if (i > from && (size > segmentBytesMax || i - from === segmentEntriesMax)) return i;
  }
  return entries.length;
}
