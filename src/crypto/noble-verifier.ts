import { concatBytes, equalBytes } from "../core/bytes.ts";
import { decodeHex, encodeHex, type PublicKey } from "../core/ids.ts";
import type { Verifier } from "../ports/keys.ts";
import { isAcceptableKey, isAcceptableSignature } from "./acceptance.ts";
import { Point, sha512 } from "./noble.ts";

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(bytes.toReversed())}`);
}

function decodePoint(bytes: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(bytes);
  } catch {
    return undefined;
  }
}

function isValid(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!isAcceptableKey(publicKey) || !isAcceptableSignature(signature)) return false;
  const key = decodePoint(publicKey);
  if (key === undefined) return false;
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  const k = littleEndian(sha512(concatBytes(r, publicKey, message))) % Point.CURVE().n;
  // The library's own verify multiplies by the cofactor and so accepts more than WebCrypto does. R = [S]B - [k]A, compared
  // as bytes, is what WebCrypto's implementations check.
  const expected = Point.BASE.multiply(s, false).subtract(key.multiply(k, false));
  return equalBytes(expected.toBytes(), r);
}

/** The reference, and the fallback where WebCrypto has no Ed25519. Keeps nothing; about 2 ms per signature. */
export class NobleVerifier implements Verifier {
  async verify(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    return isValid(decodeHex(publicKey), message, signature);
  }
}
