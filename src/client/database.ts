/** A database, as the app holds it. */
import { transfer } from "comlink";
import { type DatabaseId, formatCid } from "../core/ids.ts";
import { validateStoreName } from "../core/store/kinds.ts";
import type { Permission } from "../core/store/power.ts";
import { invalid } from "../core/store/values.ts";
import type { DatabaseInfo, StateDigest, WatchedType, WorkerApi } from "../worker/api.ts";
import { assertFunction, assertObject } from "./input.ts";
import { Kv } from "./kv.ts";
import type { Stop } from "./listeners.ts";
import { Sync } from "./sync.ts";
import { Table } from "./table.ts";
import { type RowLike, Transaction } from "./transaction.ts";
import type { OrderedItems, Watched } from "./watched.ts";
import type { WorkerLink } from "./worker-link.ts";

/** What a ticket can give. */
export type SharedPermission = Extract<Permission, "admin" | "write" | "read">;
const sharedPermissions: readonly SharedPermission[] = ["admin", "write", "read"];

/** All entries that descend from one root entry, and the stores they make. */
export class Database {
  /** The CID of the root entry: the same on every device. */
  readonly id: string;
  /** What is saved where, and who is connected. */
  readonly sync: Sync;
  readonly #id: DatabaseId;
  readonly #link: WorkerLink;
  readonly #watched: Watched;

  /** For `Instance`. */
  constructor({ id }: DatabaseInfo, link: WorkerLink, watched: Watched) {
    this.id = formatCid(id);
    this.#id = id;
    this.#link = link;
    this.#watched = watched;
    this.sync = new Sync(() => this.call("status", (api, database) => api.status(database)));
  }

  /**
   * Writes to any number of stores as one entry: all of it or nothing. The function collects the writes; what it throws is
   * thrown and nothing is written. Resolves when the entry is durable on this device, at once when nothing was written.
   *
   * Rejects with DATABASE_NOT_READY, PERMISSION_DENIED, ROW_MISSING, STORE_TYPE, INPUT_INVALID, ENTRY_TOO_LARGE (above
   * 32 MiB), or a STORAGE_ code.
   *
   * @example
   * await db.transact((tx) => {
   *   tx.table("notes").update("n1", { done: true });
   *   tx.kv("prefs").set("theme", "dark");
   * });
   */
  async transact(write: (tx: Transaction) => void | Promise<void>): Promise<void> {
    assertFunction(write, "transaction");
    const tx = new Transaction();
    try {
      await write(tx);
    } finally {
      tx.close();
    }
    const stores = tx.writes();
    if (stores.length === 0) return;
    const buffers = stores.map(({ payload }) => payload.buffer as ArrayBuffer);
    await this.call("transact", (api, database) => api.commit(database, transfer([...stores], buffers)));
  }

  /** A table of that name; it need not exist. The type is the app's word: rows of other devices are not checked against it. */
  table<T extends RowLike = Record<string, unknown>>(name: string): Table<T> {
    validateStoreName(name);
    return new Table<T>(name, this);
  }

  kv(name: string): Kv {
    validateStoreName(name);
    return new Kv(name, this);
  }

  /**
   * A ticket: whoever holds it gets in with that permission, so treat it like a key. The device that made it lets them in,
   * and has to be reachable for that. Resolves when the invite is durable. Rejects with PERMISSION_DENIED or INPUT_INVALID.
   */
  async share(options: { readonly permission: SharedPermission }): Promise<string> {
    assertObject(options, "options of share", "{ permission }");
    const { permission } = options;
    if (!sharedPermissions.includes(permission)) throw invalid("permission", permission, sharedPermissions.join(", "));
    return this.call("share", (api, database) => api.share(database, permission));
  }

  /**
   * Resolves when what the ticket promised has arrived and is durable; at once for a database that is here. Rejects with JOIN_REFUSED when
   * the device that made the ticket refuses it, and with ABORTED.
   */
  ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.call("ready", (api, database) => api.ready(database), options.signal);
  }

  /** The name that its owner gave it; empty while it has not arrived. */
  async name(): Promise<string> {
    return (await this.sync.status()).name;
  }

  /** Equal on any two devices that hold the same entries: to check, to test, to report. */
  digest(): Promise<StateDigest> {
    return this.call("digest", (api, database) => api.stateDigest(database));
  }

  /** For stores: a call about this database. */
  call<T>(name: string, run: (api: WorkerApi, database: DatabaseId) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#link.call(name, (api) => run(api, this.#id), signal);
  }

  /** For stores: everything in one of them, now and after every change. */
  watch<Item>(
    type: WatchedType,
    store: string,
    items: OrderedItems<Item>,
    show: (items: readonly Item[]) => void,
  ): Stop {
    const number = this.#watched.add(items, show);
    this.call("subscribe", (api, database) => api.watch(number, database, type, store)).catch(reportUncaught);
    return () => {
      this.#watched.delete(number);
      this.call("unsubscribe", (api) => api.unwatch(number)).catch(() => {}); // Closed: nothing is watched any more.
    };
  }
}

/** A subscription has no promise: its failure reaches the page as any uncaught error does. */
function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
