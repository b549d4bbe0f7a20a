/**
 * Entries packed for storage: a segment is the bytes of consecutive entries, its index what the graph needs of each.
 *
 * The index is an array [authors, entries]; an entry is [digest, author's place, seq, prev, parents, height, time, size,
 * settings], where prev is 0 for the same author's entry before in this segment. About 55 bytes per entry of a plain chain.
 */
import { CborReader } from "../core/cbor-reader.ts";
import { CborWriter } from "../core/cbor-writer.ts";
import { assert, TidemarkError } from "../core/errors.ts";
import { decodeHex, type EntryId, entryIdFromDigest, type PublicKey } from "../core/ids.ts";
import { entryBytesMax, parentsMax } from "../core/limits.ts";
import type { EntryIndex, StoredEntry } from "../ports/storage.ts";

/** Records of this size are written and read at full speed; a larger entry gets one of its own. */
export const segmentBytesMax: number = 1024 * 1024;
export const segmentEntriesMax = 10_000;

/** Cuts entries into runs that fit a segment. */
export function cutSegments(entries: readonly StoredEntry[]): readonly (readonly StoredEntry[])[] {
  const runs: StoredEntry[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    bytes += entry.bytes.length;
    const run = runs.at(-1);
    if (run !== undefined && bytes <= segmentBytesMax && run.length < segmentEntriesMax) run.push(entry);
    else {
      runs.push([entry]);
      bytes = entry.bytes.length;
    }
  }
  return runs;
}

/** One buffer of its own: a structured clone of a view would store the whole buffer behind it. */
export function packBytes(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(pieces.reduce((total, piece) => total + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    packed.set(piece, at);
    at += piece.length;
  }
  return packed;
}

export function encodeIndex(entries: readonly EntryIndex[]): Uint8Array {
  const authors = [...new Set(entries.map((entry) => entry.author))];
  const places = new Map(authors.map((author, place) => [author, place]));
  const newest = new Map<PublicKey, EntryId>();
  const writer = new CborWriter(64 * (entries.length + 1));
  writer.array(2);
  writer.array(authors.length);
  for (const author of authors) writer.publicKey(author);
  writer.array(entries.length);
  for (const entry of entries) {
    writeEntry(writer, entry, places.get(entry.author) ?? 0, newest.get(entry.author));
    newest.set(entry.author, entry.id);
  }
  return writer.finish();
}

function writeEntry(writer: CborWriter, entry: EntryIndex, place: number, before: EntryId | undefined): void {
  writer.array(9);
  writer.bytes(decodeHex(entry.id));
  writer.uint(place);
  writer.uint(entry.seq);
  if (before !== undefined && entry.prev === before) writer.uint(0);
  else writer.linkOrNull(entry.prev);
  writer.array(entry.parents.length);
  for (const parent of entry.parents) writer.link(parent);
  writer.uint(entry.height);
  writer.uint(entry.time);
  writer.uint(entry.size);
  writer.boolean(entry.settings);
}

/** Fails with STORAGE_CORRUPT for anything that `encodeIndex` did not write. */
export function decodeIndex(bytes: unknown, where: string): readonly EntryIndex[] {
  try {
    assert(bytes instanceof Uint8Array, "an index is bytes");
    const reader = new CborReader(bytes);
    if (reader.array(2) !== 2) throw corrupt(where);
    const authors: PublicKey[] = [];
    for (let left = reader.array(); left > 0; left--) authors.push(reader.publicKey());
    const newest = new Map<PublicKey, EntryId>();
    const entries: EntryIndex[] = [];
    for (let left = reader.array(); left > 0; left--) {
      const entry = readEntry(reader, authors, newest, where);
      newest.set(entry.author, entry.id);
      entries.push(entry);
    }
    reader.end();
    return entries;
  } catch (cause) {
    throw new TidemarkError("STORAGE_CORRUPT", { where }, { cause });
  }
}

function readEntry(
  reader: CborReader,
  authors: readonly PublicKey[],
  newest: ReadonlyMap<PublicKey, EntryId>,
  where: string,
): EntryIndex {
  if (reader.array(9) !== 9) throw corrupt(where);
  const id = entryIdFromDigest(reader.fixedBytes(32));
  const author = authors[reader.uint()];
  if (author === undefined) throw corrupt(where);
  const seq = reader.uint();
  const prev = reader.peek() === "uint" ? derivedPrev(reader, newest.get(author), where) : reader.linkOrNull();
  const parents: EntryId[] = [];
  for (let left = reader.array(parentsMax); left > 0; left--) parents.push(reader.link());
  return {
    id,
    author,
    seq,
    prev,
    parents,
    height: reader.uint(),
    time: reader.uint(),
    size: reader.uint(entryBytesMax),
    settings: reader.boolean(),
  };
}

function derivedPrev(reader: CborReader, before: EntryId | undefined, where: string): EntryId {
  if (reader.uint(0) !== 0 || before === undefined) throw corrupt(where);
  return before;
}

function corrupt(where: string): TidemarkError {
  return new TidemarkError("STORAGE_CORRUPT", { where });
}
