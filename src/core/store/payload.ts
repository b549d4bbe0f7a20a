/**
 * The form that payloads of tables and kv stores share: a list of ops, each an array that starts with a name.
 *
 * [STORE-4] A list is sorted by the names' UTF-8 bytes and names nothing twice, and a payload holds at least one op.
 */

import { CborReader } from "../cbor-reader.ts";
import { attempt, type Result, TidemarkError } from "../errors.ts";
import { rowsPerTransactionMax } from "../limits.ts";
import { compareUtf8 } from "../utf8.ts";

export function payloadError(store: string, got: string, expected: string): TidemarkError {
  return new TidemarkError("ENTRY_PAYLOAD", { store, got, expected });
}

/** A text of 1 to `bytesMax` bytes. */
export function readName(reader: CborReader, store: string, bytesMax: number): string {
  const name = reader.text(bytesMax);
  if (name === "") throw payloadError(store, "an empty name", "a text that is not empty");
  return name;
}

export interface NamedForm<Item> {
  readonly nameBytesMax: number;
  /** The most items an op's array may have, its name included. */
  readonly fieldsMax: number;
  /** Reads what follows the name: `fields` - 1 items. */
  readonly read: (reader: CborReader, store: string, name: string, fields: number) => Item;
}

/** Throws `TidemarkError`s with a CBOR_ code or ENTRY_PAYLOAD. */
export function readNamed<Item>(
  reader: CborReader,
  store: string,
  countMax: number,
  form: NamedForm<Item>,
): readonly Item[] {
  const items: Item[] = [];
  let previous = "";
  for (let left = reader.array(countMax); left > 0; left--) {
    const fields = reader.array(form.fieldsMax);
    if (fields === 0) throw payloadError(store, "an empty array", "a name first");
    const name = readName(reader, store, form.nameBytesMax);
    if (compareUtf8(previous, name) >= 0) throw payloadError(store, "names out of order", "sorted and unique names");
    previous = name;
    items.push(form.read(reader, store, name, fields));
  }
  return items;
}

export function decodeNamed<Item>(store: string, bytes: Uint8Array, form: NamedForm<Item>): Result<readonly Item[]> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    const items = readNamed(reader, store, rowsPerTransactionMax, form);
    if (items.length === 0) throw payloadError(store, "no ops", "at least one");
    reader.end();
    return items;
  });
}
