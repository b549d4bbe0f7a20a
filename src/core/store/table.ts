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
import { assert, attempt, type Result } from "../errors.ts";
import { KeyOrder } from "./key-order.ts";
import type { Stamp, StoreKind, StoreState } from "./kind.ts";
import { isAfter, laterPart, PartCounts, unsaved } from "./part-counts.ts";
import { SavedRows } from "./saved-rows.ts";
import { encodeRows, type SavedRow } from "./table-checkpoint.ts";
import { decodeTablePayload, type TablePayload } from "./table-payload.ts";
import { TableRow } from "./table-row.ts";
import type { Row } from "./values.ts";

/** Ids of the rows that read differently now, in order. */
export type TableChange = readonly string[];

export class TableState implements StoreState<TablePayload, TableChange> {
  /** Deleted rows stay, so that older writes to them are known as older. */
  readonly #rows = new Map<string, TableRow>();
  /** Rows that a checkpoint holds and nobody has asked for: each is here or among the others. Those of `#rows` are not what is here of them. */
  #saved: readonly SavedRows[] = [];
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
    const row = this.#rows.get(id);
    return row === undefined ? this.#readSaved(id)?.visible : row.visible;
  }

  /** All rows by id, in text order of the ids. Rows merged during the iteration may or may not come. */
  *all(): IterableIterator<readonly [id: string, row: Row]> {
    this.#takeSaved(() => true);
    for (const id of this.#order.sorted()) {
      const row = this.get(id);
      if (row !== undefined) yield [id, row];
    }
  }

  merge(ops: TablePayload, stamp: Stamp): TableChange | undefined {
    const changed: string[] = [];
    for (const op of ops) {
      const row = this.#rows.get(op.id) ?? this.#take(op.id) ?? this.#add(op.id);
      const existed = row.visible !== undefined;
      const effect = row.merge(op, stamp);
      if (effect !== "none") this.#alter(row, existed, unsaved);
      if (effect === "visible") changed.push(op.id);
    }
    return changed.length === 0 ? undefined : changed;
  }

  checkpoint(since: number, number: number): Uint8Array | undefined {
    assert(number > since, "checkpoints are numbered upwards");
    this.#takeSaved(({ part }) => isAfter(part, since));
    const ids = this.#order.sorted().filter((id) => isAfter(this.#row(id).part, since));
    if (ids.length === 0) return undefined;
    const bytes = encodeRows(
      ids.map((id) => ({ id, ...this.#row(id).registers() })),
      true,
    );
    for (const id of ids) {
      const row = this.#row(id);
      this.#parts.move(row.part, number);
      row.part = number;
    }
    return bytes;
  }

  restore(bytes: Uint8Array, number: number): Result<void> {
    const saved = SavedRows.open(bytes, number);
    if (!saved.ok) return saved;
    return attempt(() => this.#restore(saved.value));
  }

  sizeSince(since: number): number {
    return this.#parts.sizeSince(since);
  }

  encode(): Uint8Array {
    this.#takeSaved(() => true);
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

  /** Rows that are known already are merged, the others wait for somebody to ask for them. */
  #restore(saved: SavedRows): void {
    const known = new Set<number>();
    if (this.#rows.size > 0)
      for (let place = 0; place < saved.length; place++) if (this.#rows.has(saved.id(place))) known.add(place);
    for (const earlier of this.#saved) for (const [, place] of earlier.shared(saved)) known.add(place);
    for (const place of known) this.#mergeSaved(saved.row(place), saved.part);
    if (known.size === saved.length) return;
    this.#size += saved.countVisible();
    for (const place of known) if (saved.isVisible(place)) this.#size -= 1;
    this.#parts.add(saved.part, saved.length - known.size);
    this.#saved = [...this.#saved, saved];
  }

  #mergeSaved(saved: SavedRow, number: number): void {
    const row = this.#rows.get(saved.id) ?? this.#take(saved.id);
    assert(row, "merged are rows that are known");
    const existed = row.visible !== undefined;
    row.mergeRegisters(saved);
    this.#alter(row, existed, laterPart(row.part, number));
  }

  /** A row as it was saved; for one that is not among `#rows`. */
  #readSaved(id: string): TableRow | undefined {
    for (const saved of this.#saved) {
      const place = saved.find(id);
      if (place < 0) continue;
      const row = new TableRow();
      row.part = saved.part;
      row.mergeRegisters(saved.row(place));
      return row;
    }
    return undefined;
  }

  /** The same, which is from now on one of `#rows`. */
  #take(id: string): TableRow | undefined {
    const row = this.#readSaved(id);
    if (row === undefined) return undefined;
    this.#rows.set(id, row);
    this.#order.add(id);
    return row;
  }

  /** Takes all rows of some parts, whose bytes are not kept any longer. */
  #takeSaved(isWanted: (saved: SavedRows) => boolean): void {
    for (const saved of this.#saved.filter(isWanted)) {
      for (let place = 0; place < saved.length; place++) {
        const registers = saved.row(place);
        if (this.#rows.has(registers.id)) continue;
        const row = new TableRow();
        row.part = saved.part;
        row.mergeRegisters(registers);
        this.#rows.set(registers.id, row);
        this.#order.add(registers.id);
      }
      this.#saved = this.#saved.filter((each) => each !== saved);
    }
  }
}

export const tableKind: StoreKind<TablePayload, TableChange, TableState> = {
  type: "table",
  decode: decodeTablePayload,
  createState: () => new TableState(),
};
