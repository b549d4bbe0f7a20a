/** A kv store, as the app holds it. */
import type { JsonValue } from "../core/store/values.ts";
import type { Database } from "./database.ts";
import { assertFunction } from "./input.ts";
import { callSafely, type Stop } from "./listeners.ts";
import { OrderedItems } from "./watched.ts";

/** Text keys of 1 to 1,024 bytes with JSON values or bytes; of concurrent writes to a key the later one wins. */
export class Kv {
  readonly name: string;
  readonly #database: Database;

  /** For `Database.kv`. */
  constructor(name: string, database: Database) {
    this.name = name;
    this.#database = database;
  }

  /** Resolves when durable. Rejects with INPUT_INVALID or a code of `transact`. */
  set(key: string, value: JsonValue): Promise<void> {
    return this.#database.transact((tx) => tx.kv(this.name).set(key, value));
  }

  /** Resolves when durable, also when there was no such key. Rejects with INPUT_INVALID or a code of `transact`. */
  delete(key: string): Promise<void> {
    return this.#database.transact((tx) => tx.kv(this.name).delete(key));
  }

  get(key: string): Promise<JsonValue | undefined> {
    return this.#database.call("get", (api, database) => api.getValue(database, this.name, key));
  }

  /** Keys that start with `prefix`, with their values, in the order of the keys' UTF-8 bytes. */
  entries(prefix: string = ""): Promise<readonly (readonly [string, JsonValue])[]> {
    return this.#database.call("entries", (api, database) => api.allValues(database, this.name, prefix));
  }

  /** Calls `listener` with all values by key, in the order of the keys: first as they are, then after every change. */
  subscribe(listener: (values: ReadonlyMap<string, JsonValue>) => void): Stop {
    assertFunction(listener, "listener");
    const values = new OrderedItems((key, value) => [key, value as JsonValue] as const);
    return this.#database.watch("kv", this.name, values, (all) => callSafely(listener, new Map(all)));
  }
}
