/**
 * Ids of entries and keys, in memory as lower-case hex.
 *
 * Hex is chosen because its order as text is the order of the bytes, so `<` on an `EntryId` is the byte comparison the
 * rules ask for. People see CIDs (`formatCid`); only this file knows how the two forms relate.
 */
import { TidemarkError } from "./errors.ts";

declare const brand: unique symbol;
/** The SHA-256 digest inside an entry's CID, 64 hex digits. */
export type EntryId = string & { readonly [brand]: "EntryId" };
/** The id of a database: the id of its root entry. */
export type DatabaseId = EntryId;
/** An Ed25519 public key, 64 hex digits. */
export type PublicKey = string & { readonly [brand]: "PublicKey" };

/** SHA-256, handed to the core by whoever has the fastest one. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** CIDv1, codec dag-cbor (0x71), multihash sha2-256 of 32 bytes. */
const cidPrefix = Uint8Array.of(0x01, 0x71, 0x12, 0x20);
const cidBytesLength = 36;

const hexDigits = "0123456789abcdef";
const hexCodes = Uint8Array.from(hexDigits, (digit) => digit.charCodeAt(0));

function high(byte: number): number {
  return hexCodes[byte >> 4] as number;
}

function low(byte: number): number {
  return hexCodes[byte & 15] as number;
}

/** For short byte strings such as digests and keys. */
export function encodeHex(bytes: Uint8Array): string {
  const codes = new Array<number>(2 * bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    codes[2 * i] = high(byte);
    codes[2 * i + 1] = low(byte);
  }
  // One flat text: one put together from pieces keeps the pieces, four times the memory for every id that is held.
  return String.fromCharCode.apply(null, codes);
}

/** The value of a digit by its character code. */
const hexValues = Uint8Array.from({ length: 128 }, (_, code) =>
  Math.max(0, hexDigits.indexOf(String.fromCharCode(code))),
);

/** Writes the bytes of valid lower-case hex into `target` at `offset`. */
export function writeHex(hex: string, target: Uint8Array, offset: number): void {
  for (let i = 0; i < hex.length; i += 2) {
    const value = ((hexValues[hex.charCodeAt(i)] as number) << 4) | (hexValues[hex.charCodeAt(i + 1)] as number);
    target[offset + (i >> 1)] = value;
  }
}

export function decodeHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >> 1);
  writeHex(hex, bytes, 0);
  return bytes;
}

const hex64 = /^[0-9a-f]{64}$/;

export function isHex64(text: string): boolean {
  return hex64.test(text);
}

/** The door for entry ids from a 32-byte digest. */
export function entryIdFromDigest(digest: Uint8Array): EntryId {
  return encodeHex(digest) as EntryId;
}

export function publicKeyFromBytes(bytes: Uint8Array): PublicKey {
  if (bytes.length !== 32) {
    throw new TidemarkError("INPUT_INVALID", {
      field: "public key",
      got: `${bytes.length} bytes`,
      expected: "32 bytes",
    });
  }
  return encodeHex(bytes) as PublicKey;
}

/** The door for ids that come back from our own storage or messages as hex. */
export function entryIdFromHex(hex: string): EntryId {
  if (!isHex64(hex)) {
    throw new TidemarkError("INPUT_INVALID", { field: "entry id", got: hex.slice(0, 80), expected: "64 hex digits" });
  }
  return hex as EntryId;
}

export function publicKeyFromHex(hex: string): PublicKey {
  if (!isHex64(hex)) {
    throw new TidemarkError("INPUT_INVALID", { field: "public key", got: hex.slice(0, 80), expected: "64 hex digits" });
  }
  return hex as PublicKey;
}

/** The 36 bytes of the CID. */
export function cidBytes(id: EntryId): Uint8Array {
  const bytes = new Uint8Array(cidBytesLength);
  bytes.set(cidPrefix);
  writeHex(id, bytes, cidPrefix.length);
  return bytes;
}

const base32Digits = "abcdefghijklmnopqrstuvwxyz234567";

/** The CID as people and other IPLD tools read it: multibase base32, `bafyrei…`. */
export function formatCid(id: EntryId): string {
  let text = "b";
  let bits = 0;
  let value = 0;
  for (const byte of cidBytes(id)) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += base32Digits.charAt((value >> bits) & 31);
    }
  }
  return bits === 0 ? text : text + base32Digits.charAt((value << (5 - bits)) & 31);
}

/** The inverse of `formatCid`. Fails with `INPUT_INVALID` for anything that `formatCid` would not print. */
export function parseCid(text: string): EntryId {
  const bytes = new Uint8Array(cidBytesLength);
  let at = 0;
  let bits = 0;
  let value = 0;
  for (const digit of text.slice(1, 60)) {
    value = ((value << 5) | base32Digits.indexOf(digit)) & 0xfff;
    bits += 5;
    if (bits >= 8 && at < cidBytesLength) {
      bits -= 8;
      bytes[at++] = (value >> bits) & 0xff;
    }
  }
  const id = encodeHex(bytes.subarray(cidPrefix.length)) as EntryId;
  // Printing it again also tells whether the bytes before the digest were ours.
  if (formatCid(id) !== text) {
    throw new TidemarkError("INPUT_INVALID", {
      field: "database id",
      got: JSON.stringify(text.slice(0, 80)),
      expected: "a CID such as bafyrei…",
    });
  }
  return id;
}
