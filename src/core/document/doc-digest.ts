/** The bytes by which replicas tell that they have the same document: what is applied by its heads, what is not by entry and place. */
import { CborWriter } from "../cbor-writer.ts";
import { decodeHex } from "../ids.ts";
import type { ChangeHash } from "./change-bytes.ts";
import type { EntryTable } from "./entry-table.ts";

/** A change by its entry and its place in that. */
export interface PlacedChange {
  readonly entry: number;
  readonly index: number;
}

export interface KeyedFault<Reason extends string = string> extends PlacedChange {
  readonly reason: Reason;
}

/** Heads and faults are in order. */
export function encodeDoc(
  heads: readonly ChangeHash[],
  faults: readonly KeyedFault[],
  waiting: readonly PlacedChange[],
  entries: EntryTable,
): Uint8Array {
  const writer = new CborWriter();
  writer.array(3);
  writer.array(heads.length);
  for (const head of heads) writer.bytes(decodeHex(head));
  writer.array(faults.length);
  for (const fault of faults) {
    writePlaced(writer, fault, entries, 3);
    writer.text(fault.reason);
  }
  const sorted = [...waiting].sort((a, b) => entries.compareIds(a.entry, b.entry) || a.index - b.index);
  writer.array(sorted.length);
  for (const change of sorted) writePlaced(writer, change, entries, 2);
  return writer.finish();
}

function writePlaced(writer: CborWriter, { entry, index }: PlacedChange, entries: EntryTable, fields: number): void {
  writer.array(fields);
  writer.bytes(entries.idBytes(entry));
  writer.uint(index);
}
