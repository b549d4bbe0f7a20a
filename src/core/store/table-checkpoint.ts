/**
 * Rows of a table with everything known of them, as the items of a checkpoint ([STORE-9]), sorted by row id.
 *
 * [TABLE-8] An item is [row id, since, columns] or [row id, since, columns, later]:
 *   since    the stamp of the latest put or delete; null when there was none
 *   columns  what that put wrote and nothing overrules, as a map; null after a delete or without a put
 *   later    a list of [column, stamp, value], or [column, stamp] when removed, sorted by column; left out when empty
 */
import type { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { columnNameBytesMax } from "../limits.ts";
import { payloadError, readNamed } from "./payload.ts";
import { encodePlaces } from "./places.ts";
import { readStamp, type StampList, StampTable } from "./stamp-table.ts";
import { readColumns } from "./table-payload.ts";
import type { LaterColumn, RowRegisters } from "./table-row.ts";

export interface SavedRow extends RowRegisters {
  readonly id: string;
}

/** The rows must be sorted by id. `withPlaces`: the form that is opened without reading all of it. */
export function encodeRows(rows: readonly SavedRow[], withPlaces = false): Uint8Array {
  const stamps = new StampTable();
  for (const { since, later } of rows) {
    if (since !== undefined) stamps.place(since);
    for (const { stamp } of later) stamps.place(stamp);
  }
  const writer = new CborWriter(256 * rows.length);
  writer.array(withPlaces ? 3 : 2);
  const stampStarts = stamps.write(writer);
  writer.array(rows.length);
  const starts = rows.map((row) => {
    const start = writer.length;
    writeRow(writer, row, stamps);
    return { start, isVisible: row.columns !== undefined };
  });
  if (withPlaces) writer.bytes(encodePlaces(stampStarts, starts));
  return writer.finish();
}

function writeRow(writer: CborWriter, { id, since, columns, later }: SavedRow, stamps: StampTable): void {
  writer.array(later.length === 0 ? 3 : 4);
  writer.text(id);
  if (since === undefined) writer.null();
  else writer.uint(stamps.place(since));
  if (columns === undefined) writer.null();
  else writer.writeValue(columns);
  if (later.length > 0) writer.array(later.length);
  for (const { column, stamp, value } of later) {
    writer.array(value === undefined ? 2 : 3);
    writer.text(column);
    writer.uint(stamps.place(stamp));
    if (value !== undefined) writer.writeValue(value);
  }
}

/** The most items that a row has. */
export const rowFieldsMax = 4;

/** What follows the id of a row: `fields` - 1 items. Throws `TidemarkError`s with a CBOR_ code or ENTRY_PAYLOAD. */
export function readRow(reader: CborReader, store: string, id: string, fields: number, stamps: StampList): SavedRow {
  if (fields < 3) throw payloadError(store, `${fields} fields`, "3 or 4");
  const since = reader.null() ? undefined : readStamp(reader, stamps);
  const columns = reader.null() ? undefined : readColumns(reader, store);
  const later = fields === 3 ? [] : readLater(reader, store, stamps);
  if (since === undefined && (columns !== undefined || later.length === 0)) {
    throw payloadError(store, "a row that nothing wrote", "a stamp or later columns");
  }
  return { id, since, columns, later };
}

function readLater(reader: CborReader, store: string, stamps: StampList): readonly LaterColumn[] {
  return readNamed(reader, store, Number.MAX_SAFE_INTEGER, {
    nameBytesMax: columnNameBytesMax,
    fieldsMax: 3,
    read: (_, __, column, fields) => {
      if (fields < 2) throw payloadError(store, `${fields} fields`, "2 or 3");
      const stamp = readStamp(reader, stamps);
      return { column, stamp, value: fields === 2 ? undefined : reader.value() };
    },
  });
}
