/**
 * What the CBOR writer and the CBOR reader agree on: the values and their order.
 *
 * [CBOR-1] The form is canonical DAG-CBOR: one value has one encoding, and no other bytes are accepted for it.
 * [CBOR-2] Map keys are texts, unique, the shorter encoding first, then by bytes.
 * Not here: links inside values. Only typed readers and writers know where one stands (`link`).
 */
import { compareUtf8, utf8Length } from "./utf8.ts";

/** What `writeValue` accepts and `value` returns: JSON and bytes. Integers outside ±(2^53 − 1) are floats, −0 is 0. */
export type CborValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue };

/** The major types of RFC 8949, as they stand in the three high bits of an item's first byte. */
export const major = { uint: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;
export type CborKind = keyof typeof major;

/** The first bytes of the simple values and of a float of 64 bits. */
export const simple = { false: 0xf4, true: 0xf5, null: 0xf6, float64: 0xfb } as const;

/** A link: tag 42 around a byte string of 37: a zero and the CIDv1, of which all but the digest is the same for us. */
export const linkPrefix: readonly number[] = [0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20];
export const linkBytesLength = 41;

/** [CBOR-2] for two keys as texts. */
export function compareKeys(a: string, b: string): number {
  return utf8Length(a) - utf8Length(b) || compareUtf8(a, b);
}
