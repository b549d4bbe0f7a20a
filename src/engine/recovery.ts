/**
 * Getting back to databases after every device was lost, by a key that was made for that beforehand.
 *
 * [RECOVERY-1] A recovery key is made an admin of every database that this device administers: as strong as this device may grant.
 * [RECOVERY-2] Each database that it could not be given is named with the code that says why; the others get it all the same.
 * [RECOVERY-3] Restoring joins each database that the backup names, with the restored key and without a ticket. One that is here keeps the
 *              key that it uses, unless the restored one may do more.
 *
 * Deliberately not here: what the backup looks like (crypto/backup.ts).
 */
import { asTidemarkError, type ErrorCode, TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey, Sha256 } from "../core/ids.ts";
import { addressBytesMax, backupDatabasesMax, backupRelaysMax } from "../core/limits.ts";
import { ADMIN, type Permission, permissionName, WRITE } from "../core/store/power.ts";
import { formatTicket, relaysForTicket } from "../core/ticket.ts";
import type { KeyInfo } from "../ports/keys.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { Instance } from "./instance.ts";
import { isTextOf } from "./label.ts";
import type { EnginePorts } from "./ports.ts";

/** What people see beside the key in the list of members. */
const recoveryName = "Recovery key";

export interface RecoveryKey {
  readonly key: PublicKey;
  /** Undefined where nothing can be sealed. */
  readonly sealKey: Uint8Array | undefined;
}

/** What a recovery key may do in a database, or why it may not. */
export interface RecoveryGrant {
  readonly database: DatabaseId;
  readonly name: string;
  readonly permission: Permission | undefined;
  readonly code: ErrorCode | undefined;
}

/** Where a backup leads. */
export interface RecoveryPlace {
  readonly id: DatabaseId;
  readonly name: string;
  readonly relays: readonly string[];
}

export interface RestoredDatabase {
  readonly database: DatabaseId;
  readonly name: string;
  /** "here": it was on this device already. "failed": `code` says why. */
  readonly state: "joined" | "here" | "failed";
  readonly code: ErrorCode | undefined;
}

/** Never rejects for a single database. Rejects with a STORAGE_ code. */
export async function grantRecovery(
  instance: Instance,
  { storage }: Pick<EnginePorts, "storage">,
  recovery: RecoveryKey,
): Promise<readonly RecoveryGrant[]> {
  const open = instance.records();
  const closed = (await storage.databases()).filter(({ id }) => instance.find(id) === undefined);
  const grants: RecoveryGrant[] = [];
  for (const { id, name } of [...open, ...closed]) {
    const isFull = grants.filter(({ permission }) => permission !== undefined).length >= backupDatabasesMax;
    const outcome = await grant(instance, id, recovery, isFull).then(
      (permission) => ({ permission, code: undefined }),
      (error: unknown) => ({ permission: undefined, code: asTidemarkError(error).code }),
    );
    grants.push({ database: id, name, ...outcome });
  }
  return grants;
}

async function grant(
  instance: Instance,
  id: DatabaseId,
  { key, sealKey }: RecoveryKey,
  isFull: boolean,
): Promise<Permission> {
  const { power, permission, hasRoot } = instance.database(id);
  if (!hasRoot) throw new TidemarkError("DATABASE_NOT_READY", { database: id });
  if (power >= WRITE) throw new TidemarkError("PERMISSION_DENIED", { need: "admin", got: permission });
  if (isFull) throw new TidemarkError("BACKUP_LIMIT", { max: backupDatabasesMax });
  const granted = Math.max(ADMIN, power + 1);
  const described = { name: recoveryName, ...(sealKey === undefined ? {} : { sealKey }) };
  await instance.permissions.set(id, { key, power: granted, ...described });
  return permissionName(granted);
}

/** What a backup says of a database. */
export function placeOf({ id, name, relays }: DatabaseRecord, own: readonly string[]): RecoveryPlace {
  const known = [...new Set([...relays, ...own])].filter((relay) => isTextOf(relay, addressBytesMax));
  return { id, name, relays: relaysForTicket(known).slice(0, backupRelaysMax) };
}

/** Never rejects. */
export async function rejoin(
  instance: Instance,
  { sha256 }: { readonly sha256: Sha256 },
  { name: key, publicKey }: KeyInfo,
  { id, name, relays }: RecoveryPlace,
): Promise<RestoredDatabase> {
  try {
    const here = instance.find(id);
    if (here === undefined)
      await instance.join(formatTicket({ database: id, relays, peers: [], addresses: [] }, sha256), { key });
    else if (here.replica.authority.power(publicKey) < here.power) await instance.useKey(id, key);
    return { database: id, name, state: here === undefined ? "joined" : "here", code: undefined };
  } catch (error) {
    return { database: id, name, state: "failed", code: asTidemarkError(error).code };
  }
}
