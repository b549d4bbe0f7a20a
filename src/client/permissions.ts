/** Who may do what in a database, why, and how to change it. */
import type { DatabaseId } from "../core/ids.ts";
import { NONE, OWNER, type Permission, type Power, parsePermission } from "../core/store/power.ts";
import { invalid } from "../core/store/values.ts";
import type { Member } from "../engine/permissions-info.ts";
import type { PermissionChange } from "../worker/api.ts";
import {
  assertInteger,
  assertLabel,
  assertObject,
  given,
  isKeyText,
  toEntryId,
  toPublicKey,
  toSealKey,
} from "./input.ts";
import type { Line } from "./line.ts";
import { Listeners, type Stop } from "./listeners.ts";
import { type Explanation, type PermissionsChange, toEntryExplanation, toKeyExplanation } from "./permissions-info.ts";

export interface PermissionsEvents {
  /**
   * Somebody's permission changed, an invite, what everybody may do, or what counts. That an invite expires is not told. Changes that
   * come together are told together, at most 20 times a second.
   */
  changed: PermissionsChange;
}

/** What a key can be given: one of the names, or a power, from 1 to 300 or 999. */
export type SettablePermission = Exclude<Permission, "owner"> | number;

/** The fields of a change that are never left out. */
type Wanted = Pick<PermissionChange, "key" | "power">;

export class Permissions {
  readonly #database: DatabaseId;
  readonly #line: Line;
  readonly #listeners = new Listeners<PermissionsEvents>(["changed"]);

  /** For `Database`. */
  constructor(database: DatabaseId, line: Line) {
    this.#database = database;
    this.#line = line;
  }

  /** Everyone who may do something here by a permission of their own, strongest first; of equals in the order of their keys. */
  list(): Promise<readonly Member[]> {
    return this.#line.call("permissions.list", (api) => api.members(this.#database));
  }

  /**
   * Sets what a key may do: granting, lowering and taking away are one operation. A permission is one of the names, or a
   * power from 1 to 300, lower being stronger: 1 to 99 admin, to 100 write, to 200 read, to 300, in encrypted databases, relay; "admin" is the strongest, 1.
   * Only admins may, and only keys and powers that are weaker than their own; an admin may step down itself. The owner stays the owner,
   * and gives itself a name by setting its own key to "owner". `name` is what people see, 1 to 64 bytes; left out, it
   * stays. In an encrypted database `sealingKey`, which that device's instance shows, is needed for it to read, unless it came by
   * an invite or has asked. Resolves when it is durable here. Rejects with PERMISSION_DENIED, INPUT_INVALID, DATABASE_NOT_READY or a STORAGE_ code.
   *
   * @example
   * await db.permissions.set(key, "write", { name: "Ada's phone" });
   */
  async set(
    key: string,
    permission: SettablePermission | "owner",
    options: { readonly name?: string; readonly sealingKey?: string } = {},
  ): Promise<void> {
    assertObject(options, "options of set", "{ name, sealingKey }");
    const { name, sealingKey } = options;
    if (name !== undefined) assertLabel(name, "name");
    const sealKey = sealingKey === undefined ? undefined : toSealKey(sealingKey);
    await this.#set({
      key: toPublicKey(key, "key"),
      power: permission === "owner" ? OWNER : toPower(permission),
      name,
      sealKey,
    });
  }

  /**
   * Takes everything away from a key: `set(key, "none")`. What it writes later, or wrote meanwhile without anybody else
   * having built on it, is void on every device; what it has received stays in its hands. It cannot come back by an invite, only by
   * `set`. Rejects as `set` does.
   */
  async revoke(key: string): Promise<void> {
    await this.#set({ key: toPublicKey(key, "key"), power: NONE });
  }

  /**
   * What every key may do at least: write, read, or, in an encrypted database, relay; "none" ends it. Whoever was set
   * to "none" stays out. Rejects as `set` does.
   */
  async setPublic(permission: "write" | "read" | "relay" | "none"): Promise<void> {
    if (!publicPermissions.includes(permission)) throw invalid("permission", permission, publicPermissions.join(", "));
    const power = parsePermission(permission);
    await this.#line.write("permissions.setPublic", (api, write) => api.setPublic(this.#database, power, write));
  }

  /** What everybody may do: "none" unless `setPublic` was called. */
  public(): Promise<Permission> {
    return this.#line.call("permissions.public", (api) => api.publicPermission(this.#database));
  }

  /**
   * Why a key may do what it may, from the owner down to it; or, given the id of an entry, whether the entry counts, and by which rule and
   * because of which entries it was refused, does not count, or counts again. Also tells of the last 1,000 entries that were refused since the instance was
   * opened. Rejects with INPUT_INVALID for what is neither a key nor an entry's id.
   *
   * @example
   * const why = await db.permissions.explain(key);
   * if (why.type === "key") render(why.chain.map(({ via, author }) => `${via} by ${author}`));
   */
  async explain(keyOrEntry: string): Promise<Explanation> {
    if (isKeyText(keyOrEntry)) {
      const key = toPublicKey(keyOrEntry, "key");
      return toKeyExplanation(
        await this.#line.call("permissions.explain", (api) => api.explainKey(this.#database, key)),
      );
    }
    const id = toEntryId(keyOrEntry, "key or entry");
    return toEntryExplanation(
      await this.#line.call("permissions.explain", (api) => api.explainEntry(this.#database, id)),
    );
  }

  on<E extends keyof PermissionsEvents>(event: E, listener: (data: PermissionsEvents[E]) => void): Stop {
    return this.#listeners.on(event, listener);
  }

  /** For `Instance`: an event of the worker. */
  take(change: PermissionsChange): void {
    this.#listeners.emit("changed", change);
  }

  async #set(
    change: { readonly [K in keyof PermissionChange]: PermissionChange[K] | undefined } & Wanted,
  ): Promise<void> {
    const set = given(change);
    await this.#line.write("permissions.set", (api, write) => api.setPermission(this.#database, set, write));
  }
}

const publicPermissions: readonly string[] = ["write", "read", "relay", "none"];

/** Not the owner's: there is one, for ever. */
export function toPower(permission: unknown): Power {
  if (typeof permission === "number") {
    assertInteger(permission, "permission", 1, NONE);
    return permission;
  }
  const power = parsePermission(permission as string);
  if (power === 0) throw invalid("permission", permission, "admin, write, read, relay, none, or a power from 1 to 999");
  return power;
}
