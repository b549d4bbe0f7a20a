/**
 * A table: rows with string ids, in which every column is a last-writer register.
 *
 * [TABLE-2] A row is there when its latest put or delete is a put. It then shows the columns of that put and of later updates.
 * [TABLE-3] Of several writes to one column the one latest by stamp shows. Updates of different columns all show.
 * [TABLE-4] A put hides every column written earlier, and takes away none that is written later.
 * [TABLE-5] An update never brings a deleted row back, whatever its stamp; a put later than the delete does, and shows the
 *           updates later than itself.
 * [TABLE-6] A change names, in order and once each, exactly the rows that a reader sees differently than before.
 * [TABLE-7] Rows are listed by id, and a row's columns in the order of map keys, on every replica alike.
 *
 * Deliberately not here: schemas, indexes and queries, which belong to whoever reads.
 */
import { assert, type Result, success } from "../errors.ts";
import { KeyOrder } from "./key-order.ts";
import type { Stamp, StoreKind, StoreState } from "./kind.ts";
import { isAfter, laterPart, PartCounts, unsaved } from "./part-counts.ts";
import { decodeRows, encodeRows, type SavedRow } from "./table-checkpoint.ts";
import { decodeTablePayload, type TablePayload } from "./table-payload.ts";
import { TableRow } from "./table-row.ts";
import type { Row } from "./values.ts";

/** Ids of the rows that read differently now, in order. */
export type TableChange = readonly string[];

export class TableState implements StoreState<TablePayload, TableChange> {
  /** Deleted rows stay, so that older writes to them are known as older. */
  readonly #rows = new Map<string, TableRow>();
  readonly #order = new KeyOrder();
  readonly #parts = new PartCounts();
  #size = 0;

  /** How many rows are there, deleted ones not counted. */
  get size(): number {
    return this.#size;
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** The row as it is now. It is replaced, never altered, by later merges; do not alter it either. */
  get(id: string): Row | undefined {
    return this.#rows.get(id)?.visible;
  }

  /** All rows by id, in text order of the ids. Rows merged during the iteration may or may not come. */
  *all(): IterableIterator<readonly [id: string, row: Row]> {
    for (const id of this.#order.sorted()) {
      const row = this.get(id);
      if (row !== undefined) yield [id, row];
    }
  }

  merge(ops: TablePayload, stamp: Stamp): TableChange | undefined {
    const changed: string[] = [];
    for (const op of ops) {
      const row = this.#rows.get(op.id) ?? this.#add(op.id);
      const existed = row.visible !== undefined;
      const effect = row.merge(op, stamp);
      if (effect !== "none") this.#alter(row, existed, unsaved);
      if (effect === "visible") changed.push(op.id);
    }
    return changed.length === 0 ? undefined : changed;
  }

  checkpoint(since: number, number: number): Uint8Array | undefined {
    assert(number > since, "checkpoints are numbered upwards");
    const ids = this.#order.sorted().filter((id) => isAfter(this.#row(id).part, since));
    if (ids.length === 0) return undefined;
    const bytes = this.#encode(ids);
    for (const id of ids) {
      const row = this.#row(id);
      this.#parts.move(row.part, number);
      row.part = number;
    }
    return bytes;
  }

  restore(bytes: Uint8Array, number: number): Result<void> {
    const rows = decodeRows(bytes);
    if (!rows.ok) return rows;
    for (const saved of rows.value) this.#restoreRow(saved, number);
    return success(undefined);
  }

  sizeSince(since: number): number {
    return this.#parts.sizeSince(since);
  }

  encode(): Uint8Array {
    return this.#encode(this.#order.sorted());
  }

  #encode(ids: readonly string[]): Uint8Array {
    return encodeRows(ids.map((id) => ({ id, ...this.#row(id).registers() })));
  }

  #row(id: string): TableRow {
    const row = this.#rows.get(id);
    assert(row, "every id in the order has a row");
    return row;
  }

  #add(id: string): TableRow {
    const row = new TableRow();
    this.#rows.set(id, row);
    this.#order.add(id);
    this.#parts.add(row.part);
    return row;
  }

  #alter(row: TableRow, existed: boolean, part: number): void {
    this.#size += Number(row.visible !== undefined) - Number(existed);
    this.#parts.move(row.part, part);
    row.part = part;
  }

  #restoreRow(saved: SavedRow, number: number): void {
    const known = this.#rows.get(saved.id);
    const row = known ?? this.#add(saved.id);
    const existed = row.visible !== undefined;
    row.mergeRegisters(saved);
    this.#alter(row, existed, known === undefined ? number : laterPart(known.part, number));
  }
}

export const tableKind: StoreKind<TablePayload, TableChange, TableState> = {
  type: "table",
  decode: decodeTablePayload,
  createState: () => new TableState(),
};
