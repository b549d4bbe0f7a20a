/** The only way to write: calls are collected on the page and committed as one entry. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { validateStoreName } from "../core/store/kinds.ts";
import { KvChanges } from "../core/store/kv-changes.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import { invalid, type JsonValue } from "../core/store/values.ts";
import type { StoreWrites } from "../worker/api.ts";
import type { RawDoc } from "./documents/automerge.ts";
import { type Doc, replicaOf } from "./documents/doc.ts";
import type { Replica } from "./documents/replica.ts";
import { assertFunction } from "./input.ts";

/** Any object of JSON values and bytes; an interface without an index signature fits too. */
export type RowLike = object;

/** A row as it is read: its columns, and its id as `id`. */
export type Row<T extends RowLike> = T & { readonly id: string };

/** For `update`: the columns to change; a column given as undefined is removed. */
export type RowChanges<T extends RowLike> = { readonly [Column in keyof T]?: T[Column] | undefined };

export interface TableWriter<T extends RowLike> {
  /** Replaces the row, or makes it. Throws INPUT_INVALID. */
  put(id: string, row: T): void;
  /** Changes single columns. Throws INPUT_INVALID; the commit rejects with ROW_MISSING when there is no such row. */
  update(id: string, changes: RowChanges<T>): void;
  /** The row need not exist. Throws INPUT_INVALID. */
  delete(id: string): void;
}

export interface KvWriter {
  /** Throws INPUT_INVALID. */
  set(key: string, value: JsonValue): void;
  /** The key need not be there. Throws INPUT_INVALID. */
  delete(key: string): void;
}

export interface DocWriter<T extends object> {
  /**
   * As `change` of the document, but when the function given to `transact` has returned. What it throws is thrown by `transact`, and nothing is written. It
   * is called once more when the document has become another meanwhile.
   */
  change(change: (draft: T) => void): void;
}

/** What a transaction does to a document. */
export interface DocumentChanges {
  readonly replica: Replica;
  readonly changes: ((draft: RawDoc) => void)[];
}

/** Open while the function given to `transact` runs; after that every call throws INPUT_INVALID. */
export class Transaction {
  readonly #tables = new Map<string, TableChanges>();
  readonly #kvs = new Map<string, KvChanges>();
  readonly #docs = new Map<string, DocumentChanges>();
  readonly #database: DatabaseId;
  #open = true;

  /** For `Database`. */
  constructor(database: DatabaseId) {
    this.#database = database;
  }

  table<T extends RowLike>(name: string): TableWriter<T> {
    const changes = this.#changes(this.#tables, name, () => new TableChanges(name));
    return {
      put: (id, row) => changes().put(id, withoutId(name, id, row)),
      update: (id, columns) => changes().update(id, withoutId(name, id, columns)),
      delete: (id) => changes().delete(id),
    };
  }

  kv(name: string): KvWriter {
    const changes = this.#changes(this.#kvs, name, () => new KvChanges(name));
    return {
      set: (key, value) => changes().set(key, value),
      delete: (key) => changes().delete(key),
    };
  }

  /** Throws INPUT_INVALID, also for a document of another database. */
  doc<T extends object>(doc: Doc<T>): DocWriter<T> {
    const replica = replicaOf(doc);
    if (replica.database !== this.#database) throw invalid("doc", doc.name, "a document of this database");
    const changes = this.#changes(this.#docs, doc.name, () => ({ replica, changes: [] }));
    return {
      change: (change) => {
        assertFunction(change, "change");
        changes().changes.push(change as (draft: RawDoc) => void);
      },
    };
  }

  /** For `Database`: no call may follow. */
  close(): void {
    this.#open = false;
  }

  /** For `Database`: what it writes, store by store. Empty when it writes nothing. */
  writes(): readonly StoreWrites[] {
    const tables = [...this.#tables].filter(([, changes]) => !changes.isEmpty);
    const kvs = [...this.#kvs].filter(([, changes]) => !changes.isEmpty);
    return [
      ...tables.map(([store, changes]): StoreWrites => {
        return { type: "table", store, payload: changes.encode(), updatedRows: changes.missingRows(undefined) };
      }),
      ...kvs.map(
        ([store, changes]): StoreWrites => ({ type: "kv", store, payload: changes.encode(), updatedRows: [] }),
      ),
    ];
  }

  /** For `Database`: the documents that it changes. */
  documents(): readonly DocumentChanges[] {
    return [...this.#docs.values()].filter(({ changes }) => changes.length > 0);
  }

  #changes<Changes>(stores: Map<string, Changes>, name: string, create: () => Changes): () => Changes {
    validateStoreName(name);
    const types = [
      ["table", this.#tables],
      ["kv", this.#kvs],
      ["doc", this.#docs],
    ] as const;
    const [got = ""] = types.find(([, all]) => all === (stores as unknown)) ?? [];
    const [expected] = types.find(([, all]) => all !== (stores as unknown) && all.has(name)) ?? [];
    if (expected !== undefined) throw new TidemarkError("STORE_TYPE", { store: name, got, expected });
    const changes = stores.get(name) ?? create();
    stores.set(name, changes);
    return () => {
      if (this.#open) return changes;
      throw invalid("transaction", "a call after its end", "calls while the function given to transact runs");
    };
  }
}

/** A row that was read may be put back as it is: `id` is no column, but may repeat the row's id. */
function withoutId(store: string, id: string, row: object): object {
  if (typeof row !== "object" || row === null || !Object.hasOwn(row, "id")) return row;
  const { id: given, ...columns } = row as { id: unknown };
  if (given === id) return columns;
  throw invalid(`${store} ${id}: id`, given, `${JSON.stringify(id)}, or no id: the first argument is the row's id`);
}
