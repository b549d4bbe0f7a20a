/** What an app in plain JavaScript may hand in by mistake. All throw INPUT_INVALID with what was got and what was expected. */
import { attempt, unwrap } from "../core/errors.ts";
import { type DatabaseId, decodeHex, type EntryId, isHex64, type PublicKey, parseCid } from "../core/ids.ts";
import { keyTextPrefix, parseKey } from "../core/key-text.ts";
import {
  addressBytesMax,
  addressesPerPeerMax,
  inviteExpiresMsMax,
  peerNameBytesMax,
  viewTipsMax,
  wantsMax,
} from "../core/limits.ts";
import { sealKeyBytesLength } from "../core/store/settings-op.ts";
import { invalid } from "../core/store/values.ts";
import { plainSha256 } from "../crypto/plain-sha256.ts";
import { checkLabel, isTextOf } from "../engine/label.ts";

export function assertObject(value: unknown, field: string, expected: string): void {
  if (typeof value !== "object" || value === null) throw invalid(field, value, expected);
}

export function assertFunction(value: unknown, field: string): void {
  if (typeof value !== "function") throw invalid(field, value, "a function");
}

export function assertText(value: unknown, field: string, expected: string): void {
  if (typeof value !== "string") throw invalid(field, value, expected);
}

export function assertBoolean(value: unknown, field: string): void {
  if (typeof value !== "boolean") throw invalid(field, value, "true or false");
}

export function assertOneOf(value: unknown, field: string, choices: readonly string[]): void {
  if (!choices.includes(value as string)) throw invalid(field, value, choices.join(", "));
}

/** Within both ends. */
export function assertInteger(value: unknown, field: string, min: number, max: number): void {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
  throw invalid(field, value, `a whole number from ${min} to ${max}`);
}

/** A key in either form. Throws KEY_MALFORMED for a text that begins as a key's does and is none. */
export function toPublicKey(value: unknown, field = "peer"): PublicKey {
  if (isKeyText(value)) return unwrap(parseKey(value as string, plainSha256));
  throw invalid(field, value, "a public key: ed25519:…, or 64 hex digits in lower case");
}

/** What `Instance.sealingKey` shows on the device that it belongs to. */
export function toSealKey(value: unknown): Uint8Array {
  if (typeof value === "string" && sealKeyText.test(value)) return decodeHex(value);
  throw invalid("sealingKey", value, `a device's sealing key: ${2 * sealKeyBytesLength} hex digits in lower case`);
}

const sealKeyText = new RegExp(`^04[0-9a-f]{${2 * sealKeyBytesLength - 2}}$`);

export function toDatabaseId(value: unknown): DatabaseId {
  assertText(value, "database", "a database's id, such as bafyrei…");
  return parseCid(value as string);
}

/** A key in either form, as far as one can tell without checking it. */
export function isKeyText(value: unknown): boolean {
  return typeof value === "string" && (isHex64(value) || value.startsWith(keyTextPrefix));
}

/** By its CID. */
export function toEntryId(value: unknown, field: string): EntryId {
  const entry = attempt(() => parseCid(String(value)));
  if (!entry.ok) throw invalid(field, value, "the id of an entry, such as bafyrei…");
  return entry.value;
}

/** Entries that name a state: one, several, or none. */
export function toTips(value: unknown, field: string): readonly EntryId[] {
  const tips = Array.isArray(value) ? value : [value];
  if (tips.length > viewTipsMax) throw invalid(field, `${tips.length} of them`, `at most ${viewTipsMax}`);
  return tips.map((id: unknown) => toEntryId(id, field));
}

export function toEntryIds(value: unknown): readonly EntryId[] {
  if (!Array.isArray(value)) throw invalid("ids", value, "an array of ids of entries, such as bafyrei…");
  if (value.length > wantsMax) throw invalid("ids", `${value.length} of them`, `at most ${wantsMax}`);
  return value.map((id: unknown) => toEntryId(id, "ids"));
}

export function assertAddress(value: unknown, field = "address"): void {
  const isGood = isTextOf(value, addressBytesMax) && /^[a-z][a-z0-9+.-]*:[^\s]+$/.test(value);
  if (!isGood) throw invalid(field, value, "an address: its type, a colon, and the rest, such as memory:office");
}

export function assertAddresses(value: unknown): void {
  if (!Array.isArray(value)) throw invalid("addresses", value, "an array of addresses");
  if (value.length > addressesPerPeerMax) throw invalid("addresses", value, `at most ${addressesPerPeerMax}`);
  for (const address of value) assertAddress(address, "addresses");
}

/** A moment, as a Date or in milliseconds since 1970; whole milliseconds. */
export function toMs(value: unknown, field: string): number {
  const ms = value instanceof Date ? value.getTime() : value;
  if (typeof ms === "number" && ms >= 0 && ms <= inviteExpiresMsMax) return Math.floor(ms);
  throw invalid(field, value, "a Date, or milliseconds since 1970");
}

/** A short name that people or parts of the app have. */
export function assertLabel(value: unknown, field: string): void {
  checkLabel(field, value as string, peerNameBytesMax);
  if (value === "") throw invalid(field, value, "a text that is not empty");
}

type Given<T> = { readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Without what was left out: a command has no fields that are undefined. */
export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}
