/** What the page watches, and what of it changed: one event per watch and turn, however many entries came in that turn. */
import type { DatabaseId } from "../core/ids.ts";
import type { DatabaseState, StoreChange } from "../core/store/state.ts";
import type { JsonValue, Row } from "../core/store/values.ts";
import type { WatchedType, WorkerEvent } from "./api.ts";

interface Watch {
  readonly number: number;
  readonly database: DatabaseId;
  readonly type: WatchedType;
  readonly store: string;
  readonly changed: Set<string>;
}

export class Watches {
  readonly #watches = new Map<number, Watch>();
  readonly #stateOf: (database: DatabaseId) => DatabaseState | undefined;
  readonly #post: (event: WorkerEvent) => void;
  #scheduled = false;

  constructor(stateOf: (database: DatabaseId) => DatabaseState | undefined, post: (event: WorkerEvent) => void) {
    this.#stateOf = stateOf;
    this.#post = post;
  }

  add(number: number, database: DatabaseId, type: WatchedType, store: string): void {
    const watch = { number, database, type, store, changed: new Set<string>() };
    this.#watches.set(number, watch);
    this.#postAll(watch);
  }

  /** Nothing is watched any more. */
  close(): void {
    this.#watches.clear();
  }

  delete(number: number): void {
    this.#watches.delete(number);
  }

  note(database: DatabaseId, changes: readonly StoreChange[]): void {
    for (const watch of this.#watches.values()) {
      if (watch.database !== database) continue;
      for (const change of changes) {
        if (change.type !== watch.type || change.name !== watch.store) continue;
        for (const id of change.type === "table" ? change.rows : change.keys) watch.changed.add(id);
      }
    }
    this.#schedule();
  }

  /** Everything watched of a database is sent anew. */
  refresh(database: DatabaseId): void {
    for (const watch of this.#watches.values()) if (watch.database === database) this.#postAll(watch);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (const watch of this.#watches.values()) this.#postChanged(watch);
    });
  }

  #postChanged({ number, database, type, store, changed }: Watch): void {
    if (changed.size === 0) return;
    const items = [...changed].map((id) => [id, itemIn(this.#stateOf(database), type, store, id)] as const);
    changed.clear();
    this.#post({ type: "items", watch: number, all: false, items });
  }

  #postAll({ number, database, type, store, changed }: Watch): void {
    changed.clear();
    this.#post({ type: "items", watch: number, all: true, items: itemsIn(this.#stateOf(database), type, store) });
  }
}

function itemIn(
  state: DatabaseState | undefined,
  type: WatchedType,
  store: string,
  id: string,
): Row | JsonValue | undefined {
  return type === "table" ? state?.table(store)?.get(id) : state?.kv(store)?.get(id);
}

function itemsIn(
  state: DatabaseState | undefined,
  type: WatchedType,
  store: string,
): readonly (readonly [string, Row | JsonValue])[] {
  return [...((type === "table" ? state?.table(store)?.all() : state?.kv(store)?.entries("")) ?? [])];
}
