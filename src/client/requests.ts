/** People who ask to be let in to a database, and what its admins say. */
import type { DatabaseId } from "../core/ids.ts";
import type { RequestInfo } from "../engine/permissions-info.ts";
import { assertBoolean, assertLabel, assertObject, given, toPublicKey } from "./input.ts";
import type { Line } from "./line.ts";
import { Listeners, type Stop } from "./listeners.ts";
import { type SettablePermission, toPower } from "./permissions.ts";

export interface RequestsEvents {
  /** All requests, after any of them came, changed or went. At most 20 times a second. */
  changed: readonly RequestInfo[];
}

export class Requests {
  readonly #database: DatabaseId;
  readonly #line: Line;
  readonly #listeners = new Listeners<RequestsEvents>(["changed"]);

  /** For `Database`. */
  constructor(database: DatabaseId, line: Line) {
    this.#database = database;
    this.#line = line;
  }

  /** Those that this device was told of, the latest first: only admins are. Kept for 30 days, at most 100. */
  list(): Promise<readonly RequestInfo[]> {
    return this.#line.call("requests.list", (api) => api.requests(this.#database));
  }

  /**
   * Lets somebody in who asked, by their key: with what they asked for, which is `write` at most, or with `permission`, which may be more. They hear of it at once when they are
   * connected, else when they come back. `name` takes the place of what they call themselves. Resolves when it is durable here. Rejects with
   * REQUEST_UNKNOWN, REQUEST_DECIDED, PERMISSION_DENIED, INPUT_INVALID or a STORAGE_ code.
   *
   * @example
   * db.requests.on("changed", async (requests) => {
   *   for (const { key, state } of requests) if (state === "pending") await db.requests.approve(key, { permission: "write" });
   * });
   */
  async approve(
    key: string,
    options: { readonly permission?: SettablePermission; readonly name?: string } = {},
  ): Promise<void> {
    assertObject(options, "options of approve", "{ permission, name }");
    const { permission, name } = options;
    if (name !== undefined) assertLabel(name, "name");
    const power = permission === undefined ? undefined : toPower(permission);
    const asker = toPublicKey(key, "key");
    const approval = given({ key: asker, power, name });
    await this.#line.write("requests.approve", (api, write) => api.approveRequest(this.#database, approval, write));
  }

  /** Turns somebody down; they are told, now and should they ask again. Rejects as `approve` does. */
  async reject(key: string): Promise<void> {
    const asker = toPublicKey(key, "key");
    await this.#line.write("requests.reject", (api, write) => api.rejectRequest(this.#database, asker, write));
  }

  /** Whether this device keeps requests of this database; remembered. Those who ask are answered alike. Default: true. */
  async accept(on: boolean): Promise<void> {
    assertBoolean(on, "on");
    await this.#line.call("requests.accept", (api) => api.acceptRequests(this.#database, on));
  }

  on<E extends keyof RequestsEvents>(event: E, listener: (data: RequestsEvents[E]) => void): Stop {
    return this.#listeners.on(event, listener);
  }

  /** For `Instance`: another leader serves this page, whose requests may be others. */
  async reread(): Promise<void> {
    if (!this.#listeners.has("changed")) return;
    const requests = await this.list().catch(() => undefined); // Closed, or the database is gone: there is nothing to show.
    if (requests !== undefined) this.take(requests);
  }

  /** For `Instance`: an event of the worker. */
  take(requests: readonly RequestInfo[]): void {
    this.#listeners.emit("changed", requests);
  }
}
