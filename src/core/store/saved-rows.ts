/**
 * The rows of one part of a table's checkpoint, as the bytes that storage kept: a row is made when somebody wants it.
 *
 * A table is opened to read a few rows, and making all of them would cost more than everything else that opening does. Of a checkpoint that
 * does not say where its rows are the structure is checked: that every item is whole, that ids ascend, that stamps are there.
 */
import { CborReader } from "../cbor-reader.ts";
import { attempt, type Result, TidemarkError } from "../errors.ts";
import { columnNameBytesMax, rowIdBytesMax } from "../limits.ts";
import { encodeUtf8 } from "../utf8.ts";
import { payloadError, readName } from "./payload.ts";
import { decodePlaces, type RowPlaces, RowStarts } from "./places.ts";
import { readPlace, SavedStamps, scanStamps } from "./stamp-table.ts";
import { readRow, rowFieldsMax, type SavedRow } from "./table-checkpoint.ts";

const form = "checkpoint";

type Counted = { readonly length: number };

export class SavedRows {
  /** The number of the part. */
  readonly part: number;
  readonly #bytes: Uint8Array;
  /** One for all ids: they are compared by the million. */
  readonly #ids: CborReader;
  readonly #stamps: SavedStamps;
  readonly #starts: RowStarts;

  private constructor(part: number, bytes: Uint8Array, { stamps, rows }: RowPlaces) {
    this.part = part;
    this.#bytes = bytes;
    this.#ids = new CborReader(bytes);
    this.#stamps = new SavedStamps(bytes, stamps);
    this.#starts = rows;
  }

  /** Fails with a CBOR_ code or `ENTRY_PAYLOAD`. The bytes must not change afterwards. */
  static open(bytes: Uint8Array, part: number): Result<SavedRows> {
    return attempt(() => {
      const length = new CborReader(bytes).array(3);
      if (length < 2) throw payloadError(form, "another length", "[stamps, rows, places]");
      return new SavedRows(part, bytes, length === 3 ? decodePlaces(bytes) : scanRows(bytes));
    });
  }

  get length(): number {
    return this.#starts.length;
  }

  isVisible(place: number): boolean {
    return this.#starts.isVisible(place);
  }

  countVisible(): number {
    return this.#starts.countVisible();
  }

  /** The place of a row, or -1. */
  find(id: string): number {
    const bytes = encodeUtf8(id);
    const place = this.#firstFrom(0, bytes, 0, bytes.length);
    return this.#compare(place, bytes, 0, bytes.length) === 0 ? place : -1;
  }

  /** The places here of the rows that `other` has too, with their places there; both ascend. */
  *shared(other: SavedRows): IterableIterator<readonly [place: number, placeThere: number]> {
    let place = 0;
    for (let there = 0; there < other.length && place < this.length; there++) {
      const [from, to] = other.#idAt(there);
      place = this.#firstAfter(place, other.#bytes, from, to);
      if (this.#compare(place, other.#bytes, from, to) === 0) yield [place, there];
    }
  }

  id(place: number): string {
    return this.#read(place, (reader) => {
      reader.array(rowFieldsMax);
      return readName(reader, form, rowIdBytesMax);
    });
  }

  /** Fails with STORAGE_CORRUPT for what has the structure of a row and is none. */
  row(place: number): SavedRow {
    return this.#read(place, (reader) => {
      const fields = reader.array(rowFieldsMax);
      return readRow(reader, form, readName(reader, form, rowIdBytesMax), fields, this.#stamps);
    });
  }

  #read<T>(place: number, read: (reader: CborReader) => T): T {
    const result = attempt(() => read(new CborReader(this.#bytes, this.#starts.at(place))));
    if (result.ok) return result.value;
    throw new TidemarkError("STORAGE_CORRUPT", { where: `a row of a checkpoint: ${result.failure.code}` });
  }

  /** The same as `#firstFrom`, faster when it is near: in steps that double. */
  #firstAfter(low: number, bytes: Uint8Array, from: number, to: number): number {
    let step = 1;
    let place = low;
    for (; place + step <= this.length && this.#compare(place + step - 1, bytes, from, to) < 0; step *= 2)
      place += step;
    return this.#firstFrom(place, bytes, from, to, Math.min(place + step, this.length));
  }

  /** The first place at or after `low` whose row does not come before this id; `high` when those below it do. */
  #firstFrom(low: number, bytes: Uint8Array, from: number, to: number, high = this.length): number {
    let place = low;
    for (let end = high; place < end; ) {
      const middle = (place + end) >> 1;
      if (this.#compare(middle, bytes, from, to) < 0) place = middle + 1;
      else end = middle;
    }
    return place;
  }

  /** The id at a place against another one; positive when there is none. */
  #compare(place: number, bytes: Uint8Array, from: number, to: number): number {
    if (place >= this.length) return 1;
    const start = this.#toId(place);
    return compareBytes(this.#bytes, start, this.#ids.at, bytes, from, to);
  }

  #idAt(place: number): readonly [from: number, to: number] {
    return [this.#toId(place), this.#ids.at];
  }

  /** Where the id at a place starts; `#ids` is at its end then. */
  #toId(place: number): number {
    this.#ids.seek(this.#starts.at(place));
    this.#ids.array(rowFieldsMax);
    return this.#ids.skipText(rowIdBytesMax);
  }
}

/** The places of a checkpoint that says none: all of it is looked at. */
function scanRows(bytes: Uint8Array): RowPlaces {
  const reader = new CborReader(bytes);
  reader.array();
  const stamps = scanStamps(reader);
  const rows = new RowStarts(new Uint32Array(reader.array()));
  let [idFrom, idTo] = [0, 0];
  for (let place = 0; place < rows.length; place++) {
    const start = reader.at;
    const fields = reader.array(rowFieldsMax);
    const from = reader.skipText(rowIdBytesMax);
    const to = reader.at;
    if (to === from) throw payloadError(form, "an empty name", "a text that is not empty");
    if (compareBytes(bytes, from, to, bytes, idFrom, idTo) <= 0)
      throw payloadError(form, "names out of order", "sorted and unique names");
    [idFrom, idTo] = [from, to];
    rows.set(place, start, skipRow(reader, fields, stamps));
  }
  reader.end();
  return { stamps, rows };
}

/** Steps over what follows the id of a row, and says whether the row exists. */
function skipRow(reader: CborReader, fields: number, stamps: Counted): boolean {
  if (fields < 3) throw payloadError(form, `${fields} fields`, "3 or 4");
  const isWritten = !reader.null();
  if (isWritten) readPlace(reader, stamps);
  const isVisible = !reader.null();
  if (isVisible) skipColumns(reader);
  const later = fields === 3 ? 0 : reader.array();
  if (!isWritten && (isVisible || later === 0))
    throw payloadError(form, "a row that nothing wrote", "a stamp or later columns");
  for (let left = later; left > 0; left--) skipLater(reader, stamps);
  return isVisible;
}

function skipColumns(reader: CborReader): void {
  const kind = reader.peek();
  if (kind !== "map") throw payloadError(form, kind, "columns as a map");
  reader.skip();
}

function skipLater(reader: CborReader, stamps: Counted): void {
  const fields = reader.array(3);
  if (fields < 2) throw payloadError(form, `${fields} fields`, "2 or 3");
  reader.skipText(columnNameBytesMax);
  readPlace(reader, stamps);
  if (fields === 3) reader.skip();
}

function compareBytes(a: Uint8Array, aFrom: number, aTo: number, b: Uint8Array, bFrom: number, bTo: number): number {
  const shared = Math.min(aTo - aFrom, bTo - bFrom);
  for (let i = 0; i < shared; i++) {
    const difference = (a[aFrom + i] as number) - (b[bFrom + i] as number);
    if (difference !== 0) return difference;
  }
  return aTo - aFrom - (bTo - bFrom);
}
