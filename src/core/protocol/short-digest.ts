/**
 * What a greeting says of many databases in few bytes, and its answer: how ids and digests are shortened.
 *
 * [MESSAGE-3] A digest takes 18 bytes a database: the first 6 bytes of its id, and the first 12 of the SHA-256 of its frontier.
 * [MESSAGE-4] The answer to a digest takes one bit a database.
 *
 * 100 databases are greeted in 1.8 kB. Ids that begin alike are compared as well, which costs a needless comparison; two
 * frontiers with the same 12 bytes take 2^48 signatures to make, and the next entry tells them apart.
 */
import type { CborReader } from "../cbor-reader.ts";
import type { CborWriter } from "../cbor-writer.ts";
import { TidemarkError } from "../errors.ts";
import { type DatabaseId, decodeHex, encodeHex, writeHex } from "../ids.ts";
import { databasesPerDigestMax } from "../limits.ts";

const prefixBytesLength = 6;
const digestBytesLength = 12;
const itemBytesLength: number = prefixBytesLength + digestBytesLength;

export interface DatabaseDigest {
  /** How the database's id begins: see `prefixOf`. */
  readonly prefix: string;
  /** How the digest of its frontier begins: see `shortDigest`. */
  readonly digest: string;
}

/** The part of a database's id that a digest names it by, as hex. */
export function prefixOf(database: DatabaseId): string {
  return database.slice(0, 2 * prefixBytesLength);
}

/** The part of a frontier's digest that is compared, as hex. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 2 * digestBytesLength);
}

export function writeDigests(writer: CborWriter, digests: readonly DatabaseDigest[]): void {
  const bytes = new Uint8Array(itemBytesLength * digests.length);
  for (const [i, { prefix, digest }] of digests.entries()) {
    writeHex(prefix, bytes, i * itemBytesLength);
    writeHex(digest, bytes, i * itemBytesLength + prefixBytesLength);
  }
  writer.bytes(bytes);
}

/** A digest in full is shortened; empty: none. */
export function writeShortDigest(writer: CborWriter, digest: string): void {
  writer.bytes(decodeHex(shortDigest(digest)));
}

export function writeBits(writer: CborWriter, bits: readonly boolean[]): void {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  for (const [i, bit] of bits.entries()) if (bit) bytes[i >> 3] = (bytes[i >> 3] as number) | (1 << (i & 7));
  writer.uint(bits.length);
  writer.bytes(bytes);
}

export function readShortDigest(reader: CborReader): string {
  const bytes = reader.bytes(digestBytesLength);
  if (bytes.length !== 0 && bytes.length !== digestBytesLength) throw malformed("digest");
  return encodeHex(bytes);
}

export function readBits(reader: CborReader): readonly boolean[] {
  const count = reader.uint(databasesPerDigestMax);
  const bytes = reader.fixedBytes(Math.ceil(count / 8));
  const bits = Array.from({ length: 8 * bytes.length }, (_, i) => (((bytes[i >> 3] as number) >> (i & 7)) & 1) === 1);
  if (bits.slice(count).includes(true)) throw malformed("bits");
  return bits.slice(0, count);
}

export function readDigests(reader: CborReader): readonly DatabaseDigest[] {
  const bytes = reader.bytes(databasesPerDigestMax * itemBytesLength);
  if (bytes.length % itemBytesLength !== 0) throw malformed("digests");
  const digests: DatabaseDigest[] = [];
  for (let at = 0; at < bytes.length; at += itemBytesLength) {
    const [from, to] = [at + prefixBytesLength, at + itemBytesLength];
    digests.push({ prefix: encodeHex(bytes.subarray(at, from)), digest: encodeHex(bytes.subarray(from, to)) });
  }
  return digests;
}

export function malformed(field: string): TidemarkError {
  return new TidemarkError("MESSAGE_MALFORMED", { field, got: "another form", expected: "a session message" });
}
