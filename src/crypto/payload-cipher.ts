/** AES-256-GCM from WebCrypto, and the payload keys of epochs. */
import { concatBytes } from "../core/bytes.ts";
import { domainTags } from "../core/domain-tags.ts";
import { epochKeyIdFromBytes, keyIdBytesLength } from "../core/store/sealed.ts";
import { encodeUtf8 } from "../core/utf8.ts";
import type { Cipher, PayloadKey } from "../ports/payload-keys.ts";
import { unshared } from "./web-crypto.ts";

export const secretBytesLength = 32;
export const tagBytesLength = 16;

/** The key may be non-extractable; it has to allow both uses. */
export function cipherOf(subtle: SubtleCrypto, key: CryptoKey): Cipher {
  const algorithm = (nonce: Uint8Array, associated: Uint8Array): AesGcmParams => {
    return { name: "AES-GCM", iv: unshared(nonce), additionalData: unshared(associated) };
  };
  return {
    seal: async (content, nonce, associated) =>
      new Uint8Array(await subtle.encrypt(algorithm(nonce, associated), key, unshared(content))),
    open: async (sealed, nonce, associated) => {
      try {
        return new Uint8Array(await subtle.decrypt(algorithm(nonce, associated), key, unshared(sealed)));
      } catch {
        return undefined;
      }
    },
  };
}

/** The key that seals the content of an epoch, with the name that everybody who has its secret gives it. */
export async function createPayloadKey(subtle: SubtleCrypto, secret: Uint8Array): Promise<PayloadKey> {
  const base = await subtle.importKey("raw", unshared(secret), "HKDF", false, ["deriveBits", "deriveKey"]);
  const [id, key] = await Promise.all([
    subtle.deriveBits(hkdf(domainTags.epochId), base, 8 * keyIdBytesLength),
    deriveCipherKey(subtle, base, hkdf(domainTags.epochContent)),
  ]);
  return { id: epochKeyIdFromBytes(new Uint8Array(id)), ...cipherOf(subtle, key) };
}

export function deriveCipherKey(subtle: SubtleCrypto, base: CryptoKey, derivation: HkdfParams): Promise<CryptoKey> {
  return subtle.deriveKey(derivation, base, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

/** Without salt: what is derived from is uniform, or a shared secret that is used once. */
export function hkdf(tag: string, ...info: readonly Uint8Array[]): HkdfParams {
  const bytes = concatBytes(encodeUtf8(tag), ...info);
  return { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: bytes as Uint8Array<ArrayBuffer> };
}
