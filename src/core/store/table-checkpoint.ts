/**
 * Rows of a table with everything known of them, as the items of a checkpoint ([STORE-9]), sorted by row id.
 *
 * [TABLE-8] An item is [row id, since, columns] or [row id, since, columns, later]:
 *   since    the stamp of the latest put or delete; null when there was none
 *   columns  what that put wrote and nothing overrules, as a map; null after a delete or without a put
 *   later    a list of [column, stamp, value], or [column, stamp] when removed, sorted by column; left out when empty
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { attempt, type Result } from "../errors.ts";
import { columnNameBytesMax, rowIdBytesMax } from "../limits.ts";
import type { Stamp } from "./kind.ts";
import { payloadError, readNamed } from "./payload.ts";
import { readStamp, readStamps, StampTable } from "./stamp-table.ts";
import { readColumns } from "./table-payload.ts";
import type { LaterColumn, RowRegisters } from "./table-row.ts";

export interface SavedRow extends RowRegisters {
  readonly id: string;
}

/** The rows must be sorted by id. */
export function encodeRows(rows: readonly SavedRow[]): Uint8Array {
  const stamps = new StampTable();
  for (const { since, later } of rows) {
    if (since !== undefined) stamps.place(since);
    for (const { stamp } of later) stamps.place(stamp);
  }
  const writer = new CborWriter(256 * rows.length);
  writer.array(2);
  stamps.write(writer);
  writer.array(rows.length);
  for (const row of rows) writeRow(writer, row, stamps);
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

/** Fails with a CBOR_ code or `ENTRY_PAYLOAD`. */
export function decodeRows(bytes: Uint8Array): Result<readonly SavedRow[]> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    if (reader.array(2) !== 2) throw payloadError("checkpoint", "another length", "[stamps, rows]");
    const stamps = readStamps(reader);
    const rows = readNamed(reader, "checkpoint", Number.MAX_SAFE_INTEGER, {
      nameBytesMax: rowIdBytesMax,
      fieldsMax: 4,
      read: (_, store, id, fields) => readRow(reader, store, id, fields, stamps),
    });
    reader.end();
    return rows;
  });
}

function readRow(reader: CborReader, store: string, id: string, fields: number, stamps: readonly Stamp[]): SavedRow {
  if (fields < 3) throw payloadError(store, `${fields} fields`, "3 or 4");
  const since = reader.null() ? undefined : readStamp(reader, stamps);
  const columns = reader.null() ? undefined : readColumns(reader, store);
  const later = fields === 3 ? [] : readLater(reader, store, stamps);
  if (since === undefined && (columns !== undefined || later.length === 0)) {
    throw payloadError(store, "a row that nothing wrote", "a stamp or later columns");
  }
  return { id, since, columns, later };
}

function readLater(reader: CborReader, store: string, stamps: readonly Stamp[]): readonly LaterColumn[] {
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
