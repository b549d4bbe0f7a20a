/**
 * What one transaction did to the settings of a database, as bytes.
 *
 * [SETTINGS-1] A payload is a list of ops in any order, at least one; settings-op.ts has their forms.
 * [SETTINGS-2] One payload holds at most one name, one nonce, one public, one remove, one set per key, one invite per key and
 *              one epoch per number. A redeem stands alone.
 * [SETTINGS-3] An op of another form makes the payload invalid: skipping it would let replicas disagree about who may
 *   do what.
 *
 * Deliberately not here: whether an op has an effect (authority.ts).
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import type { StorePart } from "../entry.ts";
import { attempt, type Result } from "../errors.ts";
import type { PublicKey } from "../ids.ts";
import { settingsOpsMax } from "../limits.ts";
import type { PayloadKind } from "./kind.ts";
import { payloadError } from "./payload.ts";
import type { Power } from "./power.ts";
import { isRedeem, readSettingsOp, validateSettingsOp, writeSettingsOp } from "./settings-op.ts";
import { invalid } from "./values.ts";

export const settingsStoreName = "_settings";
export const settingsType = "settings";

/** The key of one epoch, wrapped for one member's sealing key or for an invite. */
export interface WrappedKey {
  readonly key: PublicKey;
  readonly wrapped: Uint8Array;
}

export type SettingsOp =
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "nonce"; readonly nonce: Uint8Array }
  | {
      readonly type: "set";
      readonly key: PublicKey;
      readonly power: Power;
      readonly name?: string;
      readonly sealKey?: Uint8Array;
    }
  | {
      readonly type: "invite";
      readonly key: PublicKey;
      readonly power: Power;
      readonly label?: string;
      /** Milliseconds since 1970. */
      readonly expiresMs?: number;
      readonly uses?: number;
    }
  | {
      readonly type: "redeem";
      readonly invite: PublicKey;
      /** By the invite's key, of `redeemMessage`. */
      readonly proof: Uint8Array;
      readonly name?: string;
      readonly sealKey?: Uint8Array;
    }
  | { readonly type: "public"; readonly power: Power }
  | { readonly type: "epoch"; readonly number: number; readonly keys: readonly WrappedKey[] }
  | { readonly type: "remove" };

export type RedeemOp = Extract<SettingsOp, { readonly type: "redeem" }>;

/** In the order in which they were written. */
export type SettingsPayload = readonly SettingsOp[];

export const settingsKind: PayloadKind<SettingsPayload> = { type: settingsType, decode: decodeSettings };

const once = "each name, nonce, public, remove, set, invite and epoch once, and a redeem alone";

/** The inverse of `decodeSettings`. Fails with `INPUT_INVALID`. */
export function encodeSettings(ops: SettingsPayload): Uint8Array {
  if (ops.length === 0 || ops.length > settingsOpsMax) throw invalid("settings", ops, `1 to ${settingsOpsMax} ops`);
  const misplaced = findMisplaced(ops);
  if (misplaced !== undefined) throw invalid("settings", misplaced, once);
  const writer = new CborWriter();
  writer.array(ops.length);
  for (const op of ops) {
    validateSettingsOp(op);
    writeSettingsOp(writer, op);
  }
  return writer.finish();
}

/** What an entry holds that does this. Fails with `INPUT_INVALID`. */
export function settingsPart(ops: SettingsPayload): StorePart {
  return { name: settingsStoreName, type: settingsType, payload: encodeSettings(ops) };
}

/** Fails with a CBOR_ code or `ENTRY_PAYLOAD`. */
export function decodeSettings(store: string, bytes: Uint8Array): Result<SettingsPayload> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    const ops: SettingsOp[] = [];
    for (let left = reader.array(settingsOpsMax); left > 0; left--) ops.push(readSettingsOp(reader, store));
    reader.end();
    if (ops.length === 0) throw payloadError(store, "no ops", "at least one");
    const misplaced = findMisplaced(ops);
    if (misplaced !== undefined) throw payloadError(store, `${misplaced} twice or not alone`, once);
    return ops;
  });
}

/**
 * The redeem that a payload consists of. Undefined for any other and for what is no payload. Reads no more than it
 * has to.
 */
export function decodeRedeem(bytes: Uint8Array): RedeemOp | undefined {
  if (!isRedeem(bytes)) return undefined;
  const ops = decodeSettings(settingsStoreName, bytes);
  const op = ops.ok ? ops.value[0] : undefined;
  return op?.type === "redeem" ? op : undefined;
}

/** Of a root: whether its database is encrypted. */
export function beginsEpoch(ops: readonly SettingsOp[]): boolean {
  return ops.some(({ type }) => type === "epoch");
}

/** Which register of the settings an op writes. A text of ASCII. */
export function settingsRegister(op: SettingsOp): string {
  if (op.type === "epoch") return `epoch ${op.number}`;
  return op.type === "set" || op.type === "invite" ? `${op.type} ${op.key}` : op.type;
}

/** The register that is written twice, or a redeem that does not stand alone. */
function findMisplaced(ops: SettingsPayload): string | undefined {
  const seen = new Set<string>();
  for (const op of ops) {
    const register = settingsRegister(op);
    if (seen.has(register) || (op.type === "redeem" && ops.length > 1)) return register;
    seen.add(register);
  }
  return undefined;
}
