/**
 * A segment that may be damaged: what can be got out of it, and the segments it becomes when some of its entries are put back.
 *
 * The index beside it is sound, so what should be where is known. Which bytes are right is not: the checksum is of all of them.
 */
import type { EntryIndex, ReplacedEntry } from "../ports/storage.ts";
import { decodeIndex } from "./index-record.ts";
import { type PackedSegment, packSegment } from "./pack.ts";
import { breakSeal, corrupt } from "./record.ts";
import { Segment, salvageSegment } from "./segment-record.ts";

export interface Remains {
  readonly first: number;
  readonly end: number;
  readonly entries: readonly EntryIndex[];
  /** As far as they are there, in the order of `entries`. */
  readonly bytes: readonly (Uint8Array | undefined)[];
  /** Whether they are as they were written. */
  readonly isSound: boolean;
}

/** Takes records as they were stored; `segment` may be anything. Throws STORAGE_CORRUPT when the index is damaged. */
export function remainsOf(index: unknown, segment: unknown): Remains {
  const { first, end, entries } = decodeIndex(index);
  const sizes = entries.map(({ size }) => size);
  const isSound = isWritten(segment, first, sizes);
  return { first, end, entries, bytes: salvageSegment(segment, sizes), isSound };
}

function isWritten(value: unknown, first: number, sizes: readonly number[]): boolean {
  try {
    const segment = new Segment(value);
    const isThere = segment.first === first && segment.end - first === sizes.length;
    return isThere && segment.entries().every(({ length }, i) => length === sizes[i]);
  } catch {
    return false;
  }
}

/** The segments that take the place of this one. Throws STORAGE_CORRUPT when `given` are not the entries that belong there. */
export function replaceIn(
  remains: Remains,
  position: number,
  given: readonly ReplacedEntry[],
): readonly PackedSegment[] {
  const { first, entries, isSound } = remains;
  const from = Math.max(0, position - first);
  const to = Math.min(entries.length, position + given.length - first);
  const bytes = [...remains.bytes];
  for (let i = from; i < to; i++) bytes[i] = bytesOf(given[first + i - position], entries[i]);
  const pack = (start: number, end: number): PackedSegment =>
    packSegment(first + start, filled(entries, bytes, start, end));
  if (isSound) return [pack(0, entries.length)];
  return [
    ...(from > 0 ? [spoilt(pack(0, from))] : []),
    pack(from, to),
    ...(to < entries.length ? [spoilt(pack(to, entries.length))] : []),
  ];
}

/** A segment of which only the index is there. */
export function lostSegment(first: number, entries: readonly EntryIndex[]): PackedSegment {
  const none = entries.map(() => undefined);
  return spoilt(packSegment(first, filled(entries, none, 0, entries.length)));
}

function bytesOf(given: ReplacedEntry | undefined, expected: EntryIndex | undefined): Uint8Array {
  if (given === undefined || given.id !== expected?.id || given.bytes.length !== expected.size) {
    throw corrupt(`another entry is stored in place of ${given?.id}`);
  }
  return given.bytes;
}

function filled(
  entries: readonly EntryIndex[],
  bytes: readonly (Uint8Array | undefined)[],
  from: number,
  to: number,
): readonly (EntryIndex & { readonly bytes: Uint8Array })[] {
  return entries
    .slice(from, to)
    .map((entry, i) => ({ ...entry, bytes: bytes[from + i] ?? new Uint8Array(entry.size) }));
}

function spoilt(segment: PackedSegment): PackedSegment {
  breakSeal(segment.bytes);
  return segment;
}
