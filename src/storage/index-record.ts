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
import type { EntryIndex } from "../ports/storage.ts";
import { idColumnLength, readIdColumn, writeIdColumn } from "./id-column.ts";
import { IntegerReader, IntegerWriter } from "./integers.ts";
import { corrupt, createRecord, frameWords, openRecord, sealRecord, wholeWords } from "./record.ts";

const headerWords: number = frameWords + 5;

export interface IndexRecord {
  readonly first: number;
  readonly entries: readonly EntryIndex[];
}

/** What the next row is expected to say, from the row above and that of its `prev`. */
function expectedSeq(prev: EntryIndex | undefined): number {
  return prev === undefined ? 0 : after(prev.seq);
}

function expectedHeight(above: EntryIndex | undefined, prev: EntryIndex | undefined): number {
  return prev === undefined ? (above?.height ?? 0) : after(prev.height);
}

function expectedTime(above: EntryIndex | undefined): number {
  return above?.time ?? 0;
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
    writer.write(entry.seq - expectedSeq(prev));
    writer.write(entry.height - expectedHeight(above, prev));
    writer.write(entry.time - expectedTime(above));
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
  const { bytes, words } = openRecord("index", value, headerWords);
  const [first = 0, count = 0, authorCount = 0, outsideCount = 0, rowsLength = 0] = words.subarray(frameWords);
  const authorsStart = headerWords * 4 + idColumnLength(count);
  const outsideStart = authorsStart + idColumnLength(authorCount);
  const rowsStart = outsideStart + idColumnLength(outsideCount);
  // Nothing is made for a count that the record only claims.
  if (count === 0 || bytes.length !== wholeWords(rowsStart + rowsLength)) {
    throw corrupt(`index record of ${bytes.length} bytes for ${count} entries`);
  }
  const ids = readIdColumn<EntryId>(bytes.subarray(headerWords * 4, authorsStart));
  const authors = readIdColumn<PublicKey>(bytes.subarray(authorsStart, outsideStart));
  const outside = readIdColumn<EntryId>(bytes.subarray(outsideStart, rowsStart));
  const rows = new IntegerReader(bytes.subarray(rowsStart, rowsStart + rowsLength));
  return { first, entries: decodeRows(rows, ids, authors, outside) };
}

/** The entries of records that follow one another. */
export function joinEntries(records: readonly IndexRecord[]): readonly EntryIndex[] {
  const all: EntryIndex[] = [];
  for (const { entries } of records) for (const entry of entries) all.push(entry);
  return all;
}

function decodeRows(
  rows: IntegerReader,
  ids: readonly EntryId[],
  authors: readonly PublicKey[],
  outside: readonly EntryId[],
): readonly EntryIndex[] {
  const entries: EntryIndex[] = [];
  for (let row = 0; row < ids.length; row++) {
    const id = ids[row] as EntryId;
    const authorAndSettings = rows.read();
    const author = authors[Math.floor(authorAndSettings / 2)];
    if (author === undefined) throw corrupt("an index record names no author");
    const prevReference = rows.read();
    const prev = prevReference === 0 ? undefined : follow(prevReference, row, ids, outside);
    const parents = readParents(rows, row, ids, outside);
    const above = entries[row - 1];
    const chain = prevReference > 0 ? entries[row - prevReference] : undefined;
    const seq = natural(expectedSeq(chain) + rows.read());
    const height = natural(expectedHeight(above, chain) + rows.read());
    const time = natural(expectedTime(above) + rows.read());
    const size = natural(rows.read());
    entries.push({ id, author, seq, prev, parents, height, time, size, settings: authorAndSettings % 2 === 1 });
  }
  if (rows.left > 0) throw corrupt("an index record has bytes left over");
  return entries;
}

/** Most entries have none besides `prev`; one array for all of them. */
const noParents: readonly EntryId[] = [];

function readParents(
  rows: IntegerReader,
  row: number,
  ids: readonly EntryId[],
  outside: readonly EntryId[],
): readonly EntryId[] {
  const count = rows.read();
  if (count === 0) return noParents;
  if (count < 0 || count > rows.left) throw corrupt("an index record has a wrong number of parents");
  return Array.from({ length: count }, () => follow(rows.read(), row, ids, outside));
}

function follow(reference: number, row: number, ids: readonly EntryId[], outside: readonly EntryId[]): EntryId {
  const id = reference > 0 ? ids[row - reference] : outside[-1 - reference];
  if (id === undefined) throw corrupt("an index record refers to an entry that is not there");
  return id;
}

function natural(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw corrupt("a number of an index record is out of range");
  return value;
}
