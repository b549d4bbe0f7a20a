/**
 * What one transaction did to the settings of a database, as bytes.
 *
 * [SETTINGS-1] A payload is a list of ops in any order, at least one:
 *   ["name", text]                    the database's name, 1 to 256 bytes
 *   ["set", key, power]               key to power: granting, lowering and taking away
 *   ["invite", key, power]            whoever proves the secret of this key is to be set to power; 999 withdraws the invite
 *   ["invite", key, power, label]     the same with a label for people, 1 to 256 bytes
 *   ["nonce", bytes]                  16 random bytes, so that two databases made in the same instant differ
 *   Keys are Ed25519 public keys, 32 bytes; a power is an integer from 0 to 999.
 * [SETTINGS-2] One payload holds at most one name, one nonce, one set per key and one invite per key.
 * [SETTINGS-3] An op of another form makes the payload invalid: skipping it would let replicas disagree about who may do what.
 *
 * Deliberately not here: whether an op has an effect (authority.ts).
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { attempt, type Result, unreachable } from "../errors.ts";
import { isHex64, type PublicKey } from "../ids.ts";
import { labelBytesMax, settingsOpsMax } from "../limits.ts";
import { payloadError, readName } from "./payload.ts";
import { isPower, NONE, type Power } from "./power.ts";
import { invalid, validateName } from "./values.ts";

export const settingsStoreName = "_settings";
export const settingsType = "settings";
export const nonceBytesLength = 16;

export type SettingsOp =
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "set"; readonly key: PublicKey; readonly power: Power }
  | { readonly type: "invite"; readonly key: PublicKey; readonly power: Power; readonly label?: string }
  | { readonly type: "nonce"; readonly nonce: Uint8Array };

/** In the order in which they were written. */
export type SettingsPayload = readonly SettingsOp[];

/** The inverse of `decodeSettings`. Fails with `INPUT_INVALID`. */
export function encodeSettings(ops: SettingsPayload): Uint8Array {
  if (ops.length === 0 || ops.length > settingsOpsMax) throw invalid("settings", ops, `1 to ${settingsOpsMax} ops`);
  const repeated = findRepeated(ops);
  if (repeated !== undefined) throw invalid("settings", repeated, "each name, nonce, set and invite once");
  const writer = new CborWriter();
  writer.array(ops.length);
  for (const op of ops) {
    validateOp(op);
    writeSettingsOp(writer, op);
  }
  return writer.finish();
}

/** Fails with a CBOR_ code or `ENTRY_PAYLOAD`. */
export function decodeSettings(store: string, bytes: Uint8Array): Result<SettingsPayload> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    const ops: SettingsOp[] = [];
    for (let left = reader.array(settingsOpsMax); left > 0; left--) ops.push(readSettingsOp(reader, store));
    reader.end();
    if (ops.length === 0) throw payloadError(store, "no ops", "at least one");
    const repeated = findRepeated(ops);
    if (repeated !== undefined) throw payloadError(store, `${repeated} twice`, "each name, nonce, set and invite once");
    return ops;
  });
}

/** Which register of the settings an op writes. A text of ASCII. */
export function settingsRegister(op: SettingsOp): string {
  return op.type === "set" || op.type === "invite" ? `${op.type} ${op.key}` : op.type;
}

function findRepeated(ops: SettingsPayload): string | undefined {
  const seen = new Set<string>();
  for (const op of ops) {
    const register = settingsRegister(op);
    if (seen.has(register)) return register;
    seen.add(register);
  }
  return undefined;
}

function validateOp(op: SettingsOp): void {
  if (op.type === "name") validateName(op.name, "database name", labelBytesMax);
  if (op.type === "nonce" && op.nonce.length !== nonceBytesLength) throw invalid("nonce", op.nonce, "16 bytes");
  if (op.type !== "set" && op.type !== "invite") return;
  if (!isHex64(op.key)) throw invalid("key", op.key, "64 hex digits");
  if (!isPower(op.power)) throw invalid("power", op.power, "an integer from 0 to 999");
  if (op.type === "invite" && op.label !== undefined) validateName(op.label, "label", labelBytesMax);
}

export function writeSettingsOp(writer: CborWriter, op: SettingsOp): void {
  switch (op.type) {
    case "name":
      writer.array(2);
      writer.text("name");
      return writer.text(op.name);
    case "nonce":
      writer.array(2);
      writer.text("nonce");
      return writer.bytes(op.nonce);
    case "set":
    case "invite":
      return writeKeyOp(writer, op);
    default:
      return unreachable(op);
  }
}

function writeKeyOp(writer: CborWriter, op: Extract<SettingsOp, { readonly key: PublicKey }>): void {
  const label = op.type === "invite" ? op.label : undefined;
  writer.array(label === undefined ? 3 : 4);
  writer.text(op.type);
  writer.publicKey(op.key);
  writer.uint(op.power);
  if (label !== undefined) writer.text(label);
}

/** Throws `TidemarkError`s with a CBOR_ code or ENTRY_PAYLOAD. */
export function readSettingsOp(reader: CborReader, store: string): SettingsOp {
  const fields = reader.array(4);
  if (fields === 0) throw payloadError(store, "an empty array", "a type first");
  const type = reader.text(labelBytesMax);
  switch (`${type} ${fields}`) {
    case "name 2":
      return { type: "name", name: readName(reader, store, labelBytesMax) };
    case "nonce 2":
      // Copied: a view would keep the whole entry in memory.
      return { type: "nonce", nonce: reader.fixedBytes(nonceBytesLength).slice() };
    case "set 3":
      return { type: "set", key: reader.publicKey(), power: reader.uint(NONE) };
    case "invite 3":
      return { type: "invite", key: reader.publicKey(), power: reader.uint(NONE) };
    case "invite 4":
      return {
        type: "invite",
        key: reader.publicKey(),
        power: reader.uint(NONE),
        label: readName(reader, store, labelBytesMax),
      };
    default:
      throw payloadError(
        store,
        `${JSON.stringify(type.slice(0, 40))} of ${fields} fields`,
        "name, set, invite or nonce",
      );
  }
}
