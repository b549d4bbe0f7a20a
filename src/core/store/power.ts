/**
 * Power: what a key may do, as an ordered number. Lower is stronger.
 *
 * [SETTINGS-6] Permissions have names for people: owner 0, admin 1 (down to 99), write 100, read 200, relay 300, none 999. A power
 *              between two of them may do what the weaker of the two may.
 *
 * Deliberately not here: who has which power (authority.ts).
 */
import { show, TidemarkError } from "../errors.ts";

/** An integer from 0 to 999. */
export type Power = number;

/** The author of the root. */
export const OWNER: Power = 0;
/** The strongest an admin can be. */
export const ADMIN: Power = 1;
export const ADMIN_WEAKEST: Power = 99;
export const WRITE: Power = 100;
export const READ: Power = 200;
/** Holds and forwards entries without reading them. */
export const RELAY: Power = 300;
export const NONE: Power = 999;

export type Permission = "owner" | "admin" | "write" | "read" | "relay" | "none";

const permissions: ReadonlyMap<string, Power> = new Map<Permission, Power>([
  ["owner", OWNER],
  ["admin", ADMIN],
  ["write", WRITE],
  ["read", READ],
  ["relay", RELAY],
  ["none", NONE],
]);

export function isPower(value: unknown): value is Power {
  return Number.isInteger(value) && (value as number) >= OWNER && (value as number) <= NONE;
}

/** The strongest power of a permission. Fails with `INPUT_INVALID` for anything but a name of one. */
export function parsePermission(text: string): Power {
  const power = permissions.get(text);
  if (power === undefined) {
    const expected = [...permissions.keys()].join(", ");
    throw new TidemarkError("INPUT_INVALID", { field: "permission", got: show(text), expected: `one of ${expected}` });
  }
  return power;
}

/** The strongest permission that a power includes. */
export function permissionName(power: Power): Permission {
  if (power === OWNER) return "owner";
  if (power <= ADMIN_WEAKEST) return "admin";
  if (power <= WRITE) return "write";
  if (power <= READ) return "read";
  return power <= RELAY ? "relay" : "none";
}
