/**
 * Wrapping an epoch's secret for one reader.
 *
 *   for a member   key id (16), ephemeral point (65), AES-256-GCM of the secret (48). The key: HKDF-SHA-256 of the ECDH secret
 *                  on P-256, info = tag, ephemeral point, member's point
 *   for an invite  key id (16), AES-256-GCM of the secret (48). The key: HKDF-SHA-256 of the invite's secret, info = tag, key id
 *
 * Each of these keys encrypts one message, ever: the ephemeral key is new each time, and an id belongs to one secret. So the nonce is zero.
 * Deliberately not here: who is given a secret.
 */
import { concatBytes, equalBytes } from "../core/bytes.ts";
import { domainTags } from "../core/domain-tags.ts";
import { decodeHex } from "../core/ids.ts";
import { keyIdBytesLength, nonceBytesLength } from "../core/store/sealed.ts";
import { sealKeyBytesLength } from "../core/store/settings-op.ts";
import {
  cipherOf,
  createPayloadKey,
  deriveCipherKey,
  hkdf,
  secretBytesLength,
  tagBytesLength,
} from "./payload-cipher.ts";
import { unshared } from "./web-crypto.ts";

export const ecdh: EcKeyGenParams = { name: "ECDH", namedCurve: "P-256" };
const zeroNonce: Uint8Array = new Uint8Array(nonceBytesLength);
const none: Uint8Array = new Uint8Array(0);
const encryptedBytesLength: number = secretBytesLength + tagBytesLength;
export const wrappedForInviteBytesLength: number = keyIdBytesLength + encryptedBytesLength;
export const wrappedForMemberBytesLength: number = wrappedForInviteBytesLength + sealKeyBytesLength;

/** Undefined when `sealKey` is no point of the curve. */
export async function wrapForMember(
  subtle: SubtleCrypto,
  secret: Uint8Array,
  sealKey: Uint8Array,
): Promise<Uint8Array | undefined> {
  const pair = await subtle.generateKey(ecdh, false, ["deriveBits"]);
  const point = new Uint8Array(await subtle.exportKey("raw", pair.publicKey));
  const key = await agree(subtle, pair.privateKey, sealKey, point, sealKey);
  if (key === undefined) return undefined;
  const encrypted = await cipherOf(subtle, key).seal(secret, zeroNonce, none);
  return concatBytes(await keyIdOf(subtle, secret), point, encrypted);
}

/** Undefined unless it was wrapped for the holder of this private key. `sealKey` is its public half. */
export async function unwrapForMember(
  subtle: SubtleCrypto,
  wrapped: Uint8Array,
  privateKey: CryptoKey,
  sealKey: Uint8Array,
): Promise<Uint8Array | undefined> {
  if (wrapped.length !== wrappedForMemberBytesLength) return undefined;
  const from = keyIdBytesLength + sealKeyBytesLength;
  const point = wrapped.subarray(keyIdBytesLength, from);
  const key = await agree(subtle, privateKey, point, point, sealKey);
  const secret = key && (await cipherOf(subtle, key).open(wrapped.subarray(from), zeroNonce, none));
  return secret && (await named(subtle, secret, wrapped));
}

/** What wraps for whoever holds the seed of an invite: it opens epochs and admits nobody. */
export async function inviteKeyOf(subtle: SubtleCrypto, seed: Uint8Array): Promise<Uint8Array> {
  const base = await subtle.importKey("raw", unshared(seed), "HKDF", false, ["deriveBits"]);
  return new Uint8Array(await subtle.deriveBits(hkdf(domainTags.inviteSecret), base, 256));
}

export async function wrapForInvite(
  subtle: SubtleCrypto,
  secret: Uint8Array,
  inviteKey: Uint8Array,
): Promise<Uint8Array> {
  const id = await keyIdOf(subtle, secret);
  const key = await deriveFrom(subtle, inviteKey, id);
  return concatBytes(id, await cipherOf(subtle, key).seal(secret, zeroNonce, none));
}

/** Undefined unless it was wrapped with this key. */
export async function unwrapWithInvite(
  subtle: SubtleCrypto,
  wrapped: Uint8Array,
  inviteKey: Uint8Array,
): Promise<Uint8Array | undefined> {
  if (wrapped.length !== wrappedForInviteBytesLength) return undefined;
  const key = await deriveFrom(subtle, inviteKey, wrapped.subarray(0, keyIdBytesLength));
  const secret = await cipherOf(subtle, key).open(wrapped.subarray(keyIdBytesLength), zeroNonce, none);
  return secret && (await named(subtle, secret, wrapped));
}

async function agree(
  subtle: SubtleCrypto,
  privateKey: CryptoKey,
  theirs: Uint8Array,
  ephemeral: Uint8Array,
  sealKey: Uint8Array,
): Promise<CryptoKey | undefined> {
  try {
    const point = await subtle.importKey("raw", unshared(theirs), ecdh, false, []);
    const bits = await subtle.deriveBits({ name: "ECDH", public: point }, privateKey, 256);
    const base = await subtle.importKey("raw", bits, "HKDF", false, ["deriveKey"]);
    return await deriveCipherKey(subtle, base, hkdf(domainTags.wrapForMember, ephemeral, sealKey));
  } catch {
    return undefined;
  }
}

async function deriveFrom(subtle: SubtleCrypto, inviteKey: Uint8Array, id: Uint8Array): Promise<CryptoKey> {
  const base = await subtle.importKey("raw", unshared(inviteKey), "HKDF", false, ["deriveKey"]);
  return deriveCipherKey(subtle, base, hkdf(domainTags.wrapForInvite, id));
}

/** A secret under another's name would make devices disagree about which key they hold. */
async function named(subtle: SubtleCrypto, secret: Uint8Array, wrapped: Uint8Array): Promise<Uint8Array | undefined> {
  const id = await keyIdOf(subtle, secret);
  return equalBytes(id, wrapped.subarray(0, keyIdBytesLength)) ? secret : undefined;
}

async function keyIdOf(subtle: SubtleCrypto, secret: Uint8Array): Promise<Uint8Array> {
  return decodeHex((await createPayloadKey(subtle, secret)).id);
}
