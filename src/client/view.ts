/** An earlier state of a database, as the app reads it. */
import { formatCid } from "../core/ids.ts";
import { validateStoreName } from "../core/store/kinds.ts";
import type { StoreListing } from "../core/store/state.ts";
import type { JsonValue } from "../core/store/values.ts";
import type { OpenView } from "./past-views.ts";
import { toRow } from "./table.ts";
import type { Row, RowLike } from "./transaction.ts";

/** What a replica shows that holds exactly some entries and what they stand on. It never changes; close it when it is not needed any more. */
export class View {
  /** Of the entries that were named, those that no other of them stands on: CIDs. */
  readonly tips: readonly string[];
  /** What was written to until then, sorted by name, then by type. */
  readonly stores: readonly StoreListing[];
  /** How many entries it is made of. */
  readonly entries: number;
  /** How many of them are encrypted with a key that is not here, or not yet: what they wrote is missing. */
  readonly sealed: number;
  /** How many of them the disk has lost, and no peer has sent again yet: what they wrote is missing. */
  readonly damaged: number;
  readonly #view: OpenView;

  /** For `Database.at`. */
  constructor(view: OpenView) {
    const { tips, stores, entries, sealed, damaged } = view.info;
    this.tips = tips.map(formatCid);
    this.stores = stores;
    this.entries = entries;
    this.sealed = sealed;
    this.damaged = damaged;
    this.#view = view;
  }

  /** A table of that name as it was; it need not have existed. */
  table<T extends RowLike = Record<string, unknown>>(name: string): ViewTable<T> {
    return new ViewTable<T>(validateStoreName(name), this.#view);
  }

  /** A kv store of that name as it was. */
  kv(name: string): ViewKv {
    return new ViewKv(validateStoreName(name), this.#view);
  }

  /**
   * What a document of that name had come to: its heads, as `at` of the document takes them; none when nothing was written to it. A change that does not count any
   * more is in no document now: then `at` does not know them.
   */
  heads(name: string): Promise<readonly string[]> {
    const store = validateStoreName(name);
    return this.#view.call("heads", (api, view) => api.viewHeads(view, store));
  }

  /** Lets go of it: reads reject with VIEW_CLOSED from now on. */
  close(): void {
    this.#view.close();
  }
}

/** Reads reject with VIEW_CLOSED after `close`, and with DATABASE_UNKNOWN when the database was forgotten. */
export class ViewTable<T extends RowLike> {
  readonly name: string;
  readonly #view: OpenView;

  /** For `View`. */
  constructor(name: string, view: OpenView) {
    this.name = name;
    this.#view = view;
  }

  async get(id: string): Promise<Row<T> | undefined> {
    const columns = await this.#view.call("get", (api, view) => api.viewRow(view, this.name, id));
    return columns === undefined ? undefined : toRow<T>(id, columns);
  }

  /** All rows, in the order of their ids' UTF-8 bytes. */
  async all(): Promise<readonly Row<T>[]> {
    const rows = await this.#view.call("all", (api, view) => api.viewRows(view, this.name));
    return rows.map(([id, columns]) => toRow<T>(id, columns));
  }
}

/** Reads reject as those of `ViewTable` do. */
export class ViewKv {
  readonly name: string;
  readonly #view: OpenView;

  /** For `View`. */
  constructor(name: string, view: OpenView) {
    this.name = name;
    this.#view = view;
  }

  get(key: string): Promise<JsonValue | undefined> {
    return this.#view.call("get", (api, view) => api.viewValue(view, this.name, key));
  }

  /** Keys that start with `prefix`, with their values, in the order of the keys' UTF-8 bytes. */
  entries(prefix: string = ""): Promise<readonly (readonly [string, JsonValue])[]> {
    return this.#view.call("entries", (api, view) => api.viewValues(view, this.name, prefix));
  }
}
