/**
 * One op of the settings as bytes, strict: every op has one form.
 *
 *   ["name", text]                                  the database's name, 1 to 256 bytes
 *   ["nonce", bytes]                                16 random bytes, so that two databases made in the same instant
 *   differ
 *   ["set", key, power]                             key to power: granting, lowering and taking away
 *   ["set", key, power, name, sealKey]              with what people call the key, 1 to 64 bytes, and its sealing
 *   key, an
 *                                                   uncompressed point of P-256 (65 bytes); null for what is not said
 *   ["invite", key, power]                          whoever proves the secret of this key may have this power; 999
 *   withdraws
 *   ["invite", key, power, label]                   the same with a label for people, 1 to 256 bytes
 *   ["invite", key, power, label, expiresMs, uses]  until a time in milliseconds since 1970, for so many keys; null
 *   for what is
 *                                                   not said, and one of the two is
 *   ["redeem", invite, proof, name, sealKey]        by the newcomer itself, with a signature of 64 bytes by the
 *   invite's key
 *   ["public", power]                               what every key may do that nobody set, 100 to 999
 *   ["epoch", number, [[key, wrapped], …]]          keys of content, each wrapped for one key in up to 160 bytes
 *   ["remove"]                                      the database is removed, for ever
 *
 * Keys are Ed25519 public keys, 32 bytes; a power is an integer from 0 to 999.
 */
import { CborReader } from "../cbor-reader.ts";
import type { CborWriter } from "../cbor-writer.ts";
import { attempt, unreachable } from "../errors.ts";
import { isHex64, type PublicKey } from "../ids.ts";
import {
  epochKeysMax,
  inviteExpiresMsMax,
  inviteUsesMax,
  labelBytesMax,
  memberNameBytesMax,
  settingsOpsMax,
  wrappedKeyBytesMax,
} from "../limits.ts";
import { payloadError, readName } from "./payload.ts";
import { isPower, NONE, type Power, WRITE } from "./power.ts";
import type { RedeemOp, SettingsOp, WrappedKey } from "./settings.ts";
import { invalid, validateName } from "./values.ts";

export const nonceBytesLength = 16;
export const sealKeyBytesLength = 65;
const proofBytesLength = 64;

/** The most items that an op has. */
const fieldsMax = 6;

type Op<Type> = Extract<SettingsOp, { readonly type: Type }>;
/** What a key is called, and what is sealed for it. */
type Described = Pick<RedeemOp, "name" | "sealKey">;

/** Fails with `INPUT_INVALID` for an op that has no form. */
export function validateSettingsOp(op: SettingsOp): void {
  switch (op.type) {
    case "name":
      validateName(op.name, "database name", labelBytesMax);
      return;
    case "nonce":
      return validateBytes(op.nonce, "nonce", nonceBytesLength);
    case "set":
      validateKey(op.key);
      validatePower(op.power);
      return validateDescribed(op);
    case "invite":
      return validateInvite(op);
    case "redeem":
      validateKey(op.invite);
      validateBytes(op.proof, "proof", proofBytesLength);
      return validateDescribed(op);
    case "public":
      validatePower(op.power);
      if (op.power < WRITE) throw invalid("power", op.power, "write or weaker");
      return;
    case "epoch":
      return validateEpoch(op);
    case "remove":
      return;
    default:
      return unreachable(op);
  }
}

function validateInvite({ key, power, label, expiresMs, uses }: Op<"invite">): void {
  validateKey(key);
  validatePower(power);
  if (label !== undefined) validateName(label, "label", labelBytesMax);
  if (expiresMs !== undefined) validateInteger(expiresMs, "expiresMs", 0, inviteExpiresMsMax);
  if (uses !== undefined) validateInteger(uses, "uses", 1, inviteUsesMax);
}

function validateEpoch({ number, keys }: Op<"epoch">): void {
  validateInteger(number, "epoch", 1, Number.MAX_SAFE_INTEGER);
  if (keys.length === 0 || keys.length > epochKeysMax) throw invalid("epoch keys", keys, `1 to ${epochKeysMax}`);
  for (const { key, wrapped } of keys) {
    validateKey(key);
    if (wrapped.length === 0 || wrapped.length > wrappedKeyBytesMax)
      throw invalid("wrapped key", wrapped, `1 to ${wrappedKeyBytesMax} bytes`);
  }
  if (isRepetitive(keys)) throw invalid("epoch keys", keys, "each key once");
}

function validateDescribed({ name, sealKey }: Described): void {
  if (name !== undefined) validateName(name, "name", memberNameBytesMax);
  if (sealKey !== undefined) validateBytes(sealKey, "sealing key", sealKeyBytesLength);
}

function validateKey(key: PublicKey): void {
  if (!isHex64(key)) throw invalid("key", key, "64 hex digits");
}

function validatePower(power: Power): void {
  if (!isPower(power)) throw invalid("power", power, "an integer from 0 to 999");
}

function validateInteger(value: number, field: string, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw invalid(field, value, `an integer from ${min} to ${max}`);
}

function validateBytes(bytes: Uint8Array, field: string, length: number): void {
  if (bytes.length !== length) throw invalid(field, bytes, `${length} bytes`);
}

/** The op must be valid. */
export function writeSettingsOp(writer: CborWriter, op: SettingsOp): void {
  switch (op.type) {
    case "name":
      writeHead(writer, op.type, 2);
      return writer.text(op.name);
    case "nonce":
      writeHead(writer, op.type, 2);
      return writer.bytes(op.nonce);
    case "set":
      return writeSet(writer, op);
    case "invite":
      return writeInvite(writer, op);
    case "redeem":
      writeHead(writer, op.type, 5);
      writer.publicKey(op.invite);
      writer.bytes(op.proof);
      return writeDescribed(writer, op);
    case "public":
      writeHead(writer, op.type, 2);
      return writer.uint(op.power);
    case "epoch":
      return writeEpoch(writer, op);
    case "remove":
      return writeHead(writer, op.type, 1);
    default:
      return unreachable(op);
  }
}

function writeHead(writer: CborWriter, type: string, fields: number): void {
  writer.array(fields);
  writer.text(type);
}

function writeSet(writer: CborWriter, op: Op<"set">): void {
  const isDescribed = op.name !== undefined || op.sealKey !== undefined;
  writeHead(writer, op.type, isDescribed ? 5 : 3);
  writer.publicKey(op.key);
  writer.uint(op.power);
  if (isDescribed) writeDescribed(writer, op);
}

function writeDescribed(writer: CborWriter, { name, sealKey }: Described): void {
  if (name === undefined) writer.null();
  else writer.text(name);
  if (sealKey === undefined) writer.null();
  else writer.bytes(sealKey);
}

function writeInvite(writer: CborWriter, { type, key, power, label, expiresMs, uses }: Op<"invite">): void {
  const isLimited = expiresMs !== undefined || uses !== undefined;
  writeHead(writer, type, isLimited ? 6 : label === undefined ? 3 : 4);
  writer.publicKey(key);
  writer.uint(power);
  if (label !== undefined) writer.text(label);
  else if (isLimited) writer.null();
  if (isLimited) for (const limit of [expiresMs, uses]) limit === undefined ? writer.null() : writer.uint(limit);
}

function writeEpoch(writer: CborWriter, { type, number, keys }: Op<"epoch">): void {
  writeHead(writer, type, 3);
  writer.uint(number);
  writer.array(keys.length);
  for (const { key, wrapped } of keys) {
    writer.array(2);
    writer.publicKey(key);
    writer.bytes(wrapped);
  }
}

/** Throws `TidemarkError`s with a CBOR_ code or ENTRY_PAYLOAD. What it returns holds no view into the input. */
export function readSettingsOp(reader: CborReader, store: string): SettingsOp {
  const fields = reader.array(fieldsMax);
  if (fields === 0) throw payloadError(store, "an empty array", "a type first");
  const type = reader.text(labelBytesMax);
  switch (`${type} ${fields}`) {
    case "name 2":
      return { type: "name", name: readName(reader, store, labelBytesMax) };
    case "nonce 2":
      return { type: "nonce", nonce: reader.fixedBytes(nonceBytesLength).slice() };
    case "set 3":
    case "set 5":
      return readSet(reader, store, fields);
    case "invite 3":
    case "invite 4":
    case "invite 6":
      return readInvite(reader, store, fields);
    case "redeem 5":
      return readRedeem(reader, store);
    case "public 2":
      return { type: "public", power: readAtLeast(reader, store, WRITE, NONE) };
    case "epoch 3":
      return { type: "epoch", number: readAtLeast(reader, store, 1), keys: readWrappedKeys(reader, store) };
    case "remove 1":
      return { type: "remove" };
    default:
      throw payloadError(store, `${JSON.stringify(type.slice(0, 40))} of ${fields} fields`, "an op of the settings");
  }
}

function readSet(reader: CborReader, store: string, fields: number): Op<"set"> {
  const set = { type: "set", key: reader.publicKey(), power: reader.uint(NONE) } as const;
  if (fields === 3) return set;
  const described = readDescribed(reader, store);
  if (described.name === undefined && described.sealKey === undefined)
    throw payloadError(store, "a set with two nulls", "three fields");
  return { ...set, ...described };
}

function readRedeem(reader: CborReader, store: string): RedeemOp {
  const invite = reader.publicKey();
  const proof = reader.fixedBytes(proofBytesLength).slice();
  return { type: "redeem", invite, proof, ...readDescribed(reader, store) };
}

function readDescribed(reader: CborReader, store: string): Described {
  const name = reader.null() ? undefined : readName(reader, store, memberNameBytesMax);
  const sealKey = reader.null() ? undefined : reader.fixedBytes(sealKeyBytesLength).slice();
  return { ...(name === undefined ? {} : { name }), ...(sealKey === undefined ? {} : { sealKey }) };
}

function readInvite(reader: CborReader, store: string, fields: number): Op<"invite"> {
  const invite = { type: "invite", key: reader.publicKey(), power: reader.uint(NONE) } as const;
  if (fields === 3) return invite;
  if (fields === 4) return { ...invite, label: readName(reader, store, labelBytesMax) };
  const label = reader.null() ? undefined : readName(reader, store, labelBytesMax);
  const expiresMs = reader.null() ? undefined : reader.uint(inviteExpiresMsMax);
  const uses = reader.null() ? undefined : readAtLeast(reader, store, 1, inviteUsesMax);
  if (expiresMs === undefined && uses === undefined)
    throw payloadError(store, "an invite with two nulls", "less fields");
  return {
    ...invite,
    ...(label === undefined ? {} : { label }),
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(uses === undefined ? {} : { uses }),
  };
}

function readWrappedKeys(reader: CborReader, store: string): readonly WrappedKey[] {
  const keys: WrappedKey[] = [];
  for (let left = reader.array(epochKeysMax); left > 0; left--) {
    if (reader.array(2) !== 2) throw payloadError(store, "another length", "[key, wrapped]");
    const key = reader.publicKey();
    const wrapped = reader.bytes(wrappedKeyBytesMax).slice();
    if (wrapped.length === 0) throw payloadError(store, "no bytes", "a wrapped key");
    keys.push({ key, wrapped });
  }
  if (keys.length === 0 || isRepetitive(keys)) throw payloadError(store, "other keys", "at least one, each once");
  return keys;
}

function readAtLeast(reader: CborReader, store: string, min: number, max?: number): number {
  const value = reader.uint(max);
  if (value < min) throw payloadError(store, `${value}`, `at least ${min}`);
  return value;
}

function isRepetitive(keys: readonly WrappedKey[]): boolean {
  return new Set(keys.map(({ key }) => key)).size < keys.length;
}

/** Whether a payload starts like one that is a single redeem. Reads a few bytes of it. */
export function isRedeem(payload: Uint8Array): boolean {
  const redeem = attempt(() => {
    const reader = new CborReader(payload);
    return reader.array(settingsOpsMax) === 1 && reader.array(fieldsMax) === 5 && reader.text(fieldsMax) === "redeem";
  });
  return redeem.ok && redeem.value;
}
