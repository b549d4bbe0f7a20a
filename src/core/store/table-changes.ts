/**
 * What a transaction does to a table, collected call by call into at most one op per row.
 *
 * [TABLE-9] Calls on one row add up: an update after a put or an update adds its columns to it; a put or a delete replaces
 *           what came before. An update after a delete fails with ROW_MISSING at once.
 * [TABLE-10] A column given as undefined is left out of a put and removed by an update. An update of no column writes
 *           nothing, and a transaction of nothing else is empty.
 */

import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { assert, TidemarkError } from "../errors.ts";
import { columnsPerRowMax, rowIdBytesMax, rowsPerTransactionMax } from "../limits.ts";
import { compareUtf8 } from "../utf8.ts";
import { invalid, overlayColumns, type Row, splitColumns, validateName } from "./values.ts";

/** Where the encoded columns of an op stand among all. */
interface Span {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

type Op =
  | { readonly type: "put"; readonly columns: Span }
  | { readonly type: "update"; readonly columns: Span; readonly removed: readonly string[] }
  | { readonly type: "delete" };

export class TableChanges {
  readonly #store: string;
  readonly #ops = new Map<string, Op>();
  /** Columns are encoded when they are handed in: that checks and copies them in one go. */
  readonly #columns = new CborWriter();

  /** `store` is the table's name, for failures. */
  constructor(store: string) {
    this.#store = store;
  }

  /** True when there is nothing to write. */
  get isEmpty(): boolean {
    return ![...this.#ops.values()].some(changesSomething);
  }

  /** The row will have exactly these columns. Fails with `INPUT_INVALID`. */
  put(id: string, columns: object): void {
    this.#checkId(id);
    const { set } = splitColumns(columns, this.#field(id));
    this.#ops.set(id, { type: "put", columns: this.#encodeColumns(id, set) });
  }

  /** Changes single columns of a row. Fails with `INPUT_INVALID`, and with `ROW_MISSING` when deleted in this transaction. */
  update(id: string, columns: object): void {
    this.#checkId(id);
    const before = this.#ops.get(id);
    if (before?.type === "delete") throw new TidemarkError("ROW_MISSING", { store: this.#store, row: id });
    const { set, removed } = splitColumns(columns, this.#field(id));
    const span = this.#encodeColumns(id, set);
    const op: Op = { type: "update", columns: span, removed };
    this.#ops.set(id, before === undefined ? op : this.#add(id, before, op));
  }

  /** The row will not be there; it need not be there now. Fails with `INPUT_INVALID`. */
  delete(id: string): void {
    this.#checkId(id);
    this.#ops.set(id, { type: "delete" });
  }

  /** Rows to be updated that the table does not have: committing them would be `ROW_MISSING`. In the order of the calls. */
  missingRows(table: { has(id: string): boolean } | undefined): readonly string[] {
    const missing: string[] = [];
    for (const [id, op] of this.#ops) if (op.type === "update" && !table?.has(id)) missing.push(id);
    return missing;
  }

  /** The payload of [TABLE-1]. There must be something to write. */
  encode(): Uint8Array {
    const ids = [...this.#ops.keys()].filter((id) => changesSomething(this.#op(id))).sort(compareUtf8);
    const writer = new CborWriter(this.#columns.length + 64 * ids.length);
    writer.array(ids.length);
    for (const id of ids) this.#writeOp(writer, id, this.#op(id));
    return writer.finish();
  }

  #op(id: string): Op {
    const op = this.#ops.get(id);
    assert(op, "every row of a transaction has an op");
    return op;
  }

  #writeOp(writer: CborWriter, id: string, op: Op): void {
    writer.array(op.type === "delete" ? 1 : op.type === "put" ? 2 : 3);
    writer.text(id);
    if (op.type !== "delete") writer.raw(this.#columns.view(op.columns.from, op.columns.to));
    if (op.type !== "update") return;
    writer.array(op.removed.length);
    for (const column of [...op.removed].sort(compareUtf8)) writer.text(column);
  }

  /** The later update on top of what the transaction did to the row before. */
  #add(id: string, before: Exclude<Op, { type: "delete" }>, update: Extract<Op, { type: "update" }>): Op {
    const above = this.#decodeColumns(update.columns);
    const set = overlayColumns(this.#decodeColumns(before.columns), above, update.removed);
    if (before.type === "put") return { type: "put", columns: this.#encodeColumns(id, set) };
    const removed = before.removed.filter((column) => !Object.hasOwn(above, column));
    const all = [...new Set([...removed, ...update.removed])];
    this.#checkCount(id, all.length);
    return { type: "update", columns: this.#encodeColumns(id, set), removed: all };
  }

  #encodeColumns(id: string, columns: Readonly<Record<string, unknown>>): Span {
    const count = Object.keys(columns).length;
    this.#checkCount(id, count);
    const from = this.#columns.length;
    this.#columns.writeValue(columns, this.#field(id));
    return { from, to: this.#columns.length, count };
  }

  #decodeColumns({ from, to }: Span): Row {
    return new CborReader(this.#columns.view(from, to)).value() as Row;
  }

  #checkId(id: string): void {
    validateName(id, `${this.#store}: row id`, rowIdBytesMax);
    if (this.#ops.size < rowsPerTransactionMax || this.#ops.has(id)) return;
    throw invalid(this.#store, this.#ops.size + 1, `at most ${rowsPerTransactionMax} rows in one transaction`);
  }

  #checkCount(id: string, count: number): void {
    if (count > columnsPerRowMax) throw invalid(this.#field(id), count, `at most ${columnsPerRowMax} columns`);
  }

  #field(id: string): string {
    return `${this.#store} ${id}`;
  }
}

function changesSomething(op: Op): boolean {
  return op.type !== "update" || op.columns.count + op.removed.length > 0;
}
