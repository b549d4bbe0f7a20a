/**
 * What is checked of a key and a signature before any library sees them, so that every library answers alike.
 *
 * Ed25519 verifiers differ in exactly three places: encodings that are not canonical, points of small order, and whether
 * the equation is multiplied by the cofactor. The first two are refused here, on the bytes alone; the third is settled by
 * comparing encodings of R without the cofactor, as WebCrypto does. See docs/decisions/0003-one-signature-acceptance-rule.md.
 */
import { decodeHex } from "../core/ids.ts";

export const publicKeyBytesLength = 32;
export const signatureBytesLength = 64;

/** The order of the base point, 2^252 + 27742317777372353535851937790883648493, little-endian. */
const order = decodeHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
/** The prime 2^255 - 19, little-endian. */
const prime = decodeHex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
/**
 * The y of the eight points whose order divides 8; a point and its negative share one. Among them are 1 and -1, the only
 * points with x = 0, so the forbidden encoding of x = 0 with a sign bit is refused together with them.
 */
const smallOrderYs: readonly Uint8Array[] = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
].map(decodeHex);

/** Whether a 32-byte little-endian number, without the bits that `topMask` clears in the last byte, is below `bound`. */
function isBelow(bytes: Uint8Array, bound: Uint8Array, topMask: number): boolean {
  for (let i = 31; i >= 0; i--) {
    const digit = (bytes[i] as number) & (i === 31 ? topMask : 0xff);
    const limit = bound[i] as number;
    if (digit !== limit) return digit < limit;
  }
  return false;
}

function isSmallOrder(point: Uint8Array): boolean {
  return smallOrderYs.some((y) => y.every((byte, i) => byte === ((point[i] as number) & (i === 31 ? 0x7f : 0xff))));
}

/** Whether these 32 bytes are the only encoding of what they encode, and that is not one of the eight points of small order. */
function isAcceptablePoint(point: Uint8Array): boolean {
  return isBelow(point, prime, 0x7f) && !isSmallOrder(point);
}

/** False: no signature by this key is valid. True: the key may still not be on the curve. */
export function isAcceptableKey(publicKey: Uint8Array): boolean {
  return publicKey.length === publicKeyBytesLength && isAcceptablePoint(publicKey);
}

/** False: valid under no key. True: R may still not be on the curve. */
export function isAcceptableSignature(signature: Uint8Array): boolean {
  return (
    signature.length === signatureBytesLength &&
    isAcceptablePoint(signature.subarray(0, 32)) &&
    isBelow(signature.subarray(32), order, 0xff)
  );
}
