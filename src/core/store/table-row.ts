/**
 * One row: last-writer registers for its existence and for every column.
 *
 * A put or a delete writes the existence; a put and an update write columns. Columns that a put wrote carry its stamp, so only
 * columns written after the latest put or delete need one of their own. Whatever is earlier than that put or delete can
 * never be seen again, because the existence only moves on. It is dropped at once, and dropping it early or late makes no
 * difference: that is why the order of merges makes none. [TABLE-2] to [TABLE-6] say what readers see of this.
 */
import { compareUtf8 } from "../utf8.ts";
import { isLater, type Stamp } from "./kind.ts";
import { unsaved } from "./part-counts.ts";
import type { TableOp } from "./table-payload.ts";
import { equalValues, type JsonValue, overlayColumns, type Row } from "./values.ts";

/** A column written after the row's latest put or delete. */
export interface LaterColumn {
  readonly column: string;
  readonly stamp: Stamp;
  /** Undefined when the column was removed. */
  readonly value: JsonValue | undefined;
}

/** All that a row has to tell another replica of itself. */
export interface RowRegisters {
  /** Of the latest put or delete; undefined when there was none yet. */
  readonly since: Stamp | undefined;
  /** What the latest put wrote, save what `later` overrules; undefined when the row was deleted or never put. */
  readonly columns: Row | undefined;
  /** In text order of the columns. */
  readonly later: readonly LaterColumn[];
}

/** What a merge did: nothing, something no reader sees yet, or something readers see. */
export type MergeEffect = "none" | "hidden" | "visible";

const noColumns: Row = Object.freeze({});

export class TableRow {
  /** The checkpoint part that holds this row as it is. */
  part: number = unsaved;
  #exists = false;
  #since: Stamp | undefined = undefined;
  /** Replaced, never altered: readers keep what they got. */
  #values: Row = noColumns;
  #later: Map<string, Stamp> | undefined = undefined;

  /** What a reader sees, or undefined when the row does not exist. */
  get visible(): Row | undefined {
    return this.#exists ? this.#values : undefined;
  }

  merge(op: TableOp, stamp: Stamp): MergeEffect {
    if (this.#since !== undefined && !isLater(stamp, this.#since)) return "none";
    if (op.type === "put") return this.#settle(op.columns, stamp);
    if (op.type === "delete") return this.#settle(undefined, stamp);
    const set = Object.keys(op.set).map((column) => ({ column, stamp, value: op.set[column] }));
    return this.#write([...set, ...op.removed.map((column) => ({ column, stamp, value: undefined }))]);
  }

  /** Takes over what another replica of the row knows. */
  mergeRegisters({ since, columns, later }: RowRegisters): MergeEffect {
    const before = this.visible;
    const isNews = since !== undefined && (this.#since === undefined || isLater(since, this.#since));
    const settled = isNews ? this.#settle(columns, since) : "none";
    const written = this.#write(later);
    return settled === "none" && written === "none" ? "none" : effect(before, this.visible);
  }

  registers(): RowRegisters {
    const columns = this.#exists ? this.#values : undefined;
    if (this.#later === undefined) return { since: this.#since, columns, later: [] };
    const later = this.#laterThan(undefined).sort((a, b) => compareUtf8(a.column, b.column));
    const overruled = later.map(({ column }) => column);
    return { since: this.#since, columns: columns && overlayColumns(columns, noColumns, overruled), later };
  }

  /** A put, or a delete when `columns` is undefined, that is later than any before. */
  #settle(columns: Row | undefined, stamp: Stamp): MergeEffect {
    const before = this.visible;
    const still = this.#laterThan(stamp);
    this.#since = stamp;
    this.#exists = columns !== undefined;
    this.#values = columns ?? noColumns;
    this.#later = undefined;
    this.#show(still);
    return effect(before, this.visible);
  }

  #write(columns: readonly LaterColumn[]): MergeEffect {
    const news = columns.filter((column) => this.#isNews(column));
    if (news.length === 0) return "none";
    const before = this.visible;
    this.#show(news);
    return effect(before, this.visible);
  }

  #isNews({ column, stamp }: LaterColumn): boolean {
    if (this.#since !== undefined && !isLater(stamp, this.#since)) return false;
    const known = this.#later?.get(column);
    return known === undefined || isLater(stamp, known);
  }

  #show(columns: readonly LaterColumn[]): void {
    if (columns.length === 0) return;
    this.#later ??= new Map();
    for (const { column, stamp } of columns) this.#later.set(column, stamp);
    const set = columns.flatMap(({ column, value }) => (value === undefined ? [] : [[column, value] as const]));
    const removed = columns.flatMap(({ column, value }) => (value === undefined ? [column] : []));
    this.#values = overlayColumns(this.#values, Object.fromEntries(set), removed);
  }

  /** The columns written after `stamp`; all that were written after the latest put or delete when there is none. */
  #laterThan(stamp: Stamp | undefined): LaterColumn[] {
    const later: LaterColumn[] = [];
    for (const [column, written] of this.#later ?? []) {
      if (stamp !== undefined && !isLater(written, stamp)) continue;
      const value = Object.hasOwn(this.#values, column) ? this.#values[column] : undefined;
      later.push({ column, stamp: written, value });
    }
    return later;
  }
}

function effect(before: Row | undefined, after: Row | undefined): MergeEffect {
  if (before === after) return "hidden";
  if (before === undefined || after === undefined) return "visible";
  return equalValues(before, after) ? "hidden" : "visible";
}
