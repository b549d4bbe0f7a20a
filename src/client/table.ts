/** A table, as the app holds it. */
import type { Row as Columns } from "../core/store/values.ts";
import type { Database } from "./database.ts";
import { assertFunction } from "./input.ts";
import { callSafely, type Stop } from "./listeners.ts";
import type { Row, RowChanges, RowLike } from "./transaction.ts";
import { OrderedItems } from "./watched.ts";

/**
 * Rows with text ids of 1 to 1,024 bytes. Every column is a last-writer register: concurrent changes of different columns both
 * stay, of the same column the later one wins. Rows hold JSON values and bytes.
 */
export class Table<T extends RowLike> {
  readonly name: string;
  readonly #database: Database;

  /** For `Database.table`. */
  constructor(name: string, database: Database) {
    this.name = name;
    this.#database = database;
  }

  /** Replaces the row, or makes it. Resolves when durable. Rejects with INPUT_INVALID or a code of `transact`. */
  put(id: string, row: T): Promise<void> {
    return this.#database.transact((tx) => tx.table<T>(this.name).put(id, row));
  }

  /** Changes single columns of a row that exists. Resolves when durable. Rejects with ROW_MISSING, INPUT_INVALID or a code of `transact`. */
  update(id: string, changes: RowChanges<T>): Promise<void> {
    return this.#database.transact((tx) => tx.table<T>(this.name).update(id, changes));
  }

  /** Resolves when durable, also when there was no such row. Rejects with INPUT_INVALID or a code of `transact`. */
  delete(id: string): Promise<void> {
    return this.#database.transact((tx) => tx.table<T>(this.name).delete(id));
  }

  async get(id: string): Promise<Row<T> | undefined> {
    const columns = await this.#database.call("get", (api, database) => api.getRow(database, this.name, id));
    return columns === undefined ? undefined : toRow<T>(id, columns);
  }

  /** All rows, in the order of their ids' UTF-8 bytes. */
  async all(): Promise<readonly Row<T>[]> {
    const rows = await this.#database.call("all", (api, database) => api.allRows(database, this.name));
    return rows.map(([id, columns]) => toRow<T>(id, columns));
  }

  /**
   * Calls `listener` with all rows, in the order of their ids: first as they are, then after every change, whoever made it.
   * Changes that come together are shown together. Rows that did not change keep their identity. Stop it with what is returned.
   */
  subscribe(listener: (rows: readonly Row<T>[]) => void): Stop {
    assertFunction(listener, "listener");
    const rows = new OrderedItems((id, columns) => toRow<T>(id, columns as Columns));
    return this.#database.watch("table", this.name, rows, (all) => callSafely(listener, all));
  }
}

/** The columns are a clone of the worker's: ours to complete. */
export function toRow<T extends RowLike>(id: string, columns: Columns): Row<T> {
  return Object.assign(columns as object, { id }) as Row<T>;
}
