/**
 * Whether a database of this device is synced at all.
 *
 * [SYNC-20] A database that was made here and in which nobody was given anything is not looked for at any relay, and is to every peer
 *           as one that is not here. Giving somebody something, joining, or the user turns that on; the user can turn it off again.
 * [SYNC-21] What is not synced is looked for nowhere, and nobody is shown anything that is about it.
 */
import type { PublicKey } from "../core/ids.ts";
import { NONE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import type { DatabaseRecord } from "../ports/storage.ts";

export function isSynced(record: Pick<DatabaseRecord, "sync"> | undefined): boolean {
  return record?.sync !== false;
}

/** The record with the switch on or off. */
export function withSync({ sync: _before, ...record }: DatabaseRecord, on: boolean): DatabaseRecord {
  return on ? record : { ...record, sync: false };
}

/** Whether an op gives anybody but `self` anything. */
export function gives(op: SettingsOp, self: PublicKey): boolean {
  if (op.type === "set") return op.key !== self && op.power < NONE;
  return (op.type === "invite" || op.type === "public") && op.power < NONE;
}
