/**
 * What one transaction did to one table, as bytes.
 *
 * [TABLE-1] A payload is a list of ops, at most one per row:
 *   [row id, columns]               put     the row is exactly these columns now
 *   [row id, set columns, removed]  update  only these columns; `removed` is a sorted list of column names
 *   [row id]                        delete
 *   Columns are a map from column name to value, at most 1,000. An update changes at least one column, and none twice.
 */

import type { CborReader } from "../cbor-reader.ts";
import type { Result } from "../errors.ts";
import { columnNameBytesMax, columnsPerRowMax, rowIdBytesMax } from "../limits.ts";
import { compareUtf8, utf8Length } from "../utf8.ts";
import { decodeNamed, payloadError, readName } from "./payload.ts";
import type { Row } from "./values.ts";

export type TableOp =
  | { readonly type: "put"; readonly id: string; readonly columns: Row }
  | { readonly type: "update"; readonly id: string; readonly set: Row; readonly removed: readonly string[] }
  | { readonly type: "delete"; readonly id: string };

/** Sorted by row id, at most one op per row. */
export type TablePayload = readonly TableOp[];

/** Fails with a CBOR_ code or `ENTRY_PAYLOAD`. */
export function decodeTablePayload(store: string, bytes: Uint8Array): Result<TablePayload> {
  return decodeNamed(store, bytes, { nameBytesMax: rowIdBytesMax, fieldsMax: 3, read: readOp });
}

function readOp(reader: CborReader, store: string, id: string, fields: number): TableOp {
  if (fields === 1) return { type: "delete", id };
  const columns = readColumns(reader, store);
  if (fields === 2) return { type: "put", id, columns };
  const removed = readRemoved(reader, store);
  if (removed.length === 0 && Object.keys(columns).length === 0) {
    throw payloadError(store, "an update of no column", "at least one column");
  }
  if (removed.some((column) => Object.hasOwn(columns, column))) {
    throw payloadError(store, "a column both set and removed", "each column once");
  }
  return { type: "update", id, set: columns, removed };
}

export function readColumns(reader: CborReader, store: string): Row {
  const kind = reader.peek();
  if (kind !== "map") throw payloadError(store, kind, "columns as a map");
  // `value` returns a plain object for a map.
  const columns = reader.value() as Row;
  const names = Object.keys(columns);
  if (names.length > columnsPerRowMax) {
    throw payloadError(store, `${names.length} columns`, `at most ${columnsPerRowMax}`);
  }
  for (const name of names)
    if (!isColumnName(name)) throw payloadError(store, "a column name out of bounds", columnNameForm);
  return columns;
}

const columnNameForm = `1 to ${columnNameBytesMax} bytes`;

function isColumnName(name: string): boolean {
  // A UTF-16 unit is at most 3 bytes, which settles it for names of usual length without looking at each character.
  return name !== "" && (name.length * 3 <= columnNameBytesMax || utf8Length(name) <= columnNameBytesMax);
}

function readRemoved(reader: CborReader, store: string): readonly string[] {
  const removed: string[] = [];
  let previous = "";
  for (let left = reader.array(columnsPerRowMax); left > 0; left--) {
    const column = readName(reader, store, columnNameBytesMax);
    if (compareUtf8(previous, column) >= 0) {
      throw payloadError(store, "removed columns out of order", "sorted and unique names");
    }
    removed.push(column);
    previous = column;
  }
  return removed;
}
