/**
 * The packed indexes of the entries of one segment: everything the graph needs to know of them, without their bytes.
 *
 * Words: frame, first position, number of entries, of authors, of outside ids, bytes of the rows.
 * Then 32 bytes for each entry's id, each author, each outside id; then a row of integers per entry:
 *   author (its place among the authors, doubled, plus one for an entry that writes settings), `prev`, number of parents,
 *   each parent, and how `seq`, `height`, `time` and `size` differ from what is expected after the rows before.
 * What an entry follows is written as 0 for nothing, d for the entry d rows above, -k for the k-th outside id.
 * So a run of one author's chain costs 32 bytes of id and about 9 bytes each.
 */
import type { EntryId, PublicKey } from "../core/ids.ts";
import { type Appended, emptyColumns, type LogColumns, nowhere, outsidePlace } from "../core/log-index.ts";
import type { EntryIndex } from "../ports/storage.ts";
import { idColumnLength, readIdColumn, writeIdColumn } from "./id-column.ts";
import { IntegerReader, IntegerWriter } from "./integers.ts";
import { corrupt, createRecord, frameWords, openRecord, sealRecord, wholeWords } from "./record.ts";

const headerWords: number = frameWords + 5;

export interface IndexRecord {
  readonly first: number;
  readonly end: number;
  readonly entries: readonly EntryIndex[];
}

/** Capped, so that the difference to any safe integer is one. */
function after(value: number): number {
  return Math.min(value + 1, Number.MAX_SAFE_INTEGER);
}

export function encodeIndex(first: number, entries: readonly EntryIndex[]): Uint8Array<ArrayBuffer> {
  const authors = new Places<PublicKey>();
  const outside = new Places<EntryId>();
  const rows = encodeRows(entries, authors, outside);
  const ids = [...entries.map(({ id }) => id), ...authors.all, ...outside.all];
  const rowsStart = headerWords * 4 + idColumnLength(ids.length);
  const record = createRecord(rowsStart + rows.length);
  new Uint32Array(record.buffer).set([first, entries.length, authors.size, outside.size, rows.length], frameWords);
  writeIdColumn(ids, record, headerWords * 4);
  record.set(rows.bytes(), rowsStart);
  return sealRecord("index", record);
}

function encodeRows(
  entries: readonly EntryIndex[],
  authors: Places<PublicKey>,
  outside: Places<EntryId>,
): IntegerWriter {
  const writer = new IntegerWriter();
  const rowsById = new Map<EntryId, number>();
  for (const [row, entry] of entries.entries()) {
    const refer = (id: EntryId): number => {
      const inside = rowsById.get(id);
      return inside === undefined ? -1 - outside.place(id) : row - inside;
    };
    const prevRow = entry.prev === undefined ? undefined : rowsById.get(entry.prev);
    const above = entries[row - 1];
    const prev = prevRow === undefined ? undefined : entries[prevRow];
    writer.write(authors.place(entry.author) * 2 + (entry.settings ? 1 : 0));
    writer.write(entry.prev === undefined ? 0 : refer(entry.prev));
    writer.write(entry.parents.length);
    for (const parent of entry.parents) writer.write(refer(parent));
    writer.write(entry.seq - (prev === undefined ? 0 : after(prev.seq)));
    writer.write(entry.height - (prev === undefined ? (above?.height ?? 0) : after(prev.height)));
    writer.write(entry.time - (above?.time ?? 0));
    writer.write(entry.size);
    rowsById.set(entry.id, row);
  }
  return writer;
}

/** Numbers different values in the order of their first use. */
class Places<T> {
  readonly #places = new Map<T, number>();

  get all(): readonly T[] {
    return [...this.#places.keys()];
  }

  get size(): number {
    return this.#places.size;
  }

  place(value: T): number {
    const known = this.#places.get(value);
    if (known !== undefined) return known;
    this.#places.set(value, this.#places.size);
    return this.#places.size - 1;
  }
}

/** Throws STORAGE_CORRUPT unless `value` is what `encodeIndex` may have made. */
export function decodeIndex(value: unknown): IndexRecord {
  const { first, count, keys, write, ...columns } = openIndex(value);
  const [ids, outside] = [readIdColumn<EntryId>(columns.ids), readIdColumn<EntryId>(columns.outside)];
  const rows = emptyColumns(count);
  write(rows, 0);
  const follow = (place: number): EntryId => (place >= 0 ? ids[place] : outside[outsidePlace(place)]) as EntryId;
  const entries = ids.map((id, row): EntryIndex => {
    const prev = rows.prevs[row] as number;
    return {
      id,
      author: keys[rows.authors[row] as number] as PublicKey,
      seq: rows.seqs[row] as number,
      prev: prev === nowhere ? undefined : follow(prev),
      parents: rows.parents.slice(rows.parentsEnds[row - 1] ?? 0, rows.parentsEnds[row]).map(follow),
      height: rows.heights[row] as number,
      time: rows.times[row] as number,
      size: rows.sizes[row] as number,
      settings: rows.settings[row] === 1,
    };
  });
  return { first, end: first + count, entries };
}

/** What a record says of its entries, for a log. */
export interface OpenedIndex extends Appended {
  readonly first: number;
  readonly count: number;
}

/** Throws STORAGE_CORRUPT; `write` does for what cannot be. */
export function openIndex(value: unknown): OpenedIndex {
  const { bytes, words } = openRecord("index", value, headerWords);
  const [first = 0, count = 0, authorCount = 0, outsideCount = 0, rowsLength = 0] = words.subarray(frameWords);
  const authorsStart = headerWords * 4 + idColumnLength(count);
  const outsideStart = authorsStart + idColumnLength(authorCount);
  const rowsStart = outsideStart + idColumnLength(outsideCount);
  // Nothing is made for a count that the record only claims.
  if (count === 0 || bytes.length !== wholeWords(rowsStart + rowsLength)) {
    throw corrupt(`index record of ${bytes.length} bytes for ${count} entries`);
  }
  const reader = new IntegerReader(bytes, rowsStart, rowsStart + rowsLength);
  return {
    first,
    count,
    ids: bytes.subarray(headerWords * 4, authorsStart),
    keys: readIdColumn<PublicKey>(bytes.subarray(authorsStart, outsideStart)),
    outside: bytes.subarray(outsideStart, rowsStart),
    write: (columns, start) => decodeRows(reader, { count, authorCount, outsideCount }, columns, start),
  };
}

interface Counts {
  readonly count: number;
  readonly authorCount: number;
  readonly outsideCount: number;
}

function decodeRows(
  reader: IntegerReader,
  { count, authorCount, outsideCount }: Counts,
  { authors, prevs, parents, parentsEnds, seqs, heights, times, sizes, settings }: LogColumns,
  start: number,
): void {
  let [height, time] = [0, 0];
  for (let row = 0, at = start; row < count; row++, at++) {
    const authorAndSettings = reader.read();
    const author = Math.floor(authorAndSettings / 2);
    if (author < 0 || author >= authorCount) throw corrupt("an index record names no author");
    authors[at] = author;
    settings[at] = authorAndSettings % 2;
    const reference = reader.read();
    const prev = reference === 0 ? nowhere : toPlace(reference, row, outsideCount);
    // Of what is outside nothing else is known here.
    const chain = prev < 0 ? undefined : start + prev;
    prevs[at] = chain ?? prev;
    for (let left = readCount(reader); left > 0; left--) {
      const place = toPlace(reader.read(), row, outsideCount);
      parents.push(place < 0 ? place : start + place);
    }
    parentsEnds[at] = parents.length;
    seqs[at] = natural((chain === undefined ? 0 : after(seqs[chain] as number)) + reader.read());
    height = natural((chain === undefined ? height : after(heights[chain] as number)) + reader.read());
    heights[at] = height;
    time = natural(time + reader.read());
    times[at] = time;
    sizes[at] = natural(reader.read());
  }
  if (reader.left > 0) throw corrupt("an index record has bytes left over");
}

function readCount(reader: IntegerReader): number {
  const count = reader.read();
  if (count < 0 || count > reader.left) throw corrupt("an index record has a wrong number of parents");
  return count;
}

/** From d for the entry d rows above, -k for the k-th from outside. */
function toPlace(reference: number, row: number, outsideCount: number): number {
  if (reference > 0 && reference <= row) return row - reference;
  if (reference < 0 && -reference <= outsideCount) return outsidePlace(-1 - reference);
  throw corrupt("an index record refers to an entry that is not there");
}

function natural(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw corrupt("a number of an index record is out of range");
  return value;
}
