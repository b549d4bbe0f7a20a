/**
 * The form in which people pass public keys on: `ed25519:` and 48 characters, which hold the key and a checksum.
 *
 *   base64url of the key's 32 bytes and the first 4 bytes of SHA-256 over `tidemark/key/1\0` and the key
 *
 * [KEYS-13] Formatting and parsing are inverses. The 64 hex digits that the APIs give out are read as well. Anything else is refused
 *           with KEY_MALFORMED, and so is every text with one character changed.
 *
 * Deliberately not here: whether the key is a point of the curve. A key that is none signs nothing.
 */

import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { concatBytes, equalBytes } from "./bytes.ts";
import { domainTags } from "./domain-tags.ts";
import { failure, type Result, show, success } from "./errors.ts";
import { decodeHex, isHex64, type PublicKey, publicKeyFromBytes, publicKeyFromHex, type Sha256 } from "./ids.ts";
import { encodeUtf8 } from "./utf8.ts";

export const keyTextPrefix = "ed25519:";
const checksumTag = encodeUtf8(domainTags.key);
const keyBytesLength = 32;
const checksumBytesLength = 4;
const expected = "ed25519: and 48 characters, or 64 hex digits in lower case";

export function formatKey(key: PublicKey, sha256: Sha256): string {
  const bytes = decodeHex(key);
  return keyTextPrefix + encodeBase64Url(concatBytes(bytes, checksumOf(bytes, sha256)));
}

/** Spaces and line breaks around the text are left out. Fails with KEY_MALFORMED. */
export function parseKey(text: string, sha256: Sha256): Result<PublicKey> {
  const trimmed = text.trim();
  if (isHex64(trimmed)) return success(publicKeyFromHex(trimmed));
  const bytes = trimmed.startsWith(keyTextPrefix) ? decodeBase64Url(trimmed.slice(keyTextPrefix.length)) : undefined;
  if (bytes?.length !== keyBytesLength + checksumBytesLength) {
    return failure("KEY_MALFORMED", { got: show(text), expected });
  }
  const key = bytes.subarray(0, keyBytesLength);
  if (!equalBytes(checksumOf(key, sha256), bytes.subarray(keyBytesLength))) {
    return failure("KEY_MALFORMED", { got: show(text), expected: "a checksum that fits the key" });
  }
  return success(publicKeyFromBytes(key));
}

function checksumOf(key: Uint8Array, sha256: Sha256): Uint8Array {
  return sha256(concatBytes(checksumTag, key)).subarray(0, checksumBytesLength);
}
