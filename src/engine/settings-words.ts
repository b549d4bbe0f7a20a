/** What an entry did to the settings, as programs can show it: without secrets, and without what only makes entries differ. */
import type { PublicKey } from "../core/ids.ts";
import { labelBytesMax, memberNameBytesMax } from "../core/limits.ts";
import { NONE, type Permission, type Power, permissionName } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { isLabel } from "./label.ts";

/** In the order in which they were written. Texts that would mislead are left out: whoever writes entries by hand writes any. */
export type SettingsChange =
  /** The database got a name. */
  | { readonly type: "name"; readonly name: string }
  /** A key got a permission: granting, lowering and taking away are one. */
  | {
      readonly type: "set";
      readonly key: PublicKey;
      readonly permission: Permission;
      readonly power: Power;
      readonly name?: string;
    }
  /** An invite was made, or its terms changed. */
  | {
      readonly type: "invite";
      readonly invite: PublicKey;
      readonly permission: Permission;
      readonly power: Power;
      readonly label?: string;
      /** In milliseconds since 1970. */
      readonly expiresAtMs?: number;
      readonly uses?: number;
    }
  /** An invite lets nobody in any more. */
  | { readonly type: "withdraw"; readonly invite: PublicKey }
  /** The author came in by an invite. */
  | { readonly type: "redeem"; readonly invite: PublicKey; readonly name?: string }
  /** What everybody may do. */
  | { readonly type: "public"; readonly permission: Permission; readonly power: Power }
  /** The key of an epoch of an encrypted database was given to so many. */
  | { readonly type: "epoch"; readonly number: number; readonly keys: number }
  /** The database was removed, for everybody and for ever. */
  | { readonly type: "remove" };

export function settingsWords(ops: readonly SettingsOp[]): readonly SettingsChange[] {
  return ops.flatMap((op) => wordsOf(op) ?? []);
}

function wordsOf(op: SettingsOp): SettingsChange | undefined {
  switch (op.type) {
    case "nonce":
      return undefined;
    case "name":
      return { type: "name", name: isLabel(op.name, labelBytesMax) ? op.name : "" };
    case "set":
      return { type: "set", key: op.key, ...powerOf(op), ...nameOf(op) };
    case "invite":
      return inviteOf(op);
    case "redeem":
      return { type: "redeem", invite: op.invite, ...nameOf(op) };
    case "public":
      return { type: "public", ...powerOf(op) };
    case "epoch":
      return { type: "epoch", number: op.number, keys: op.keys.length };
    case "remove":
      return { type: "remove" };
  }
}

function inviteOf(op: Extract<SettingsOp, { readonly type: "invite" }>): SettingsChange {
  const { key: invite, label, expiresMs, uses } = op;
  if (op.power === NONE) return { type: "withdraw", invite };
  return {
    type: "invite",
    invite,
    ...powerOf(op),
    ...(label !== undefined && isLabel(label, labelBytesMax) && { label }),
    ...(expiresMs !== undefined && { expiresAtMs: expiresMs }),
    ...(uses !== undefined && { uses }),
  };
}

function powerOf({ power }: { readonly power: Power }): { readonly permission: Permission; readonly power: Power } {
  return { permission: permissionName(power), power };
}

function nameOf({ name }: { readonly name?: string }): { readonly name?: string } {
  return name !== undefined && isLabel(name, memberNameBytesMax) ? { name } : {};
}
