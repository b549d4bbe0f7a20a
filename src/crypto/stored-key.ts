/**
 * Ed25519 key pairs as storage keeps them, and how they come to life.
 *
 * Where the platform has Ed25519 the private key is a non-extractable CryptoKey, which storage can keep but no script can
 * read. Elsewhere the secret seed itself is kept, because there is nothing better: see docs/security.md, "Keys".
 */
import { concatBytes } from "../core/bytes.ts";
import { TidemarkError } from "../core/errors.ts";
import { decodeHex, type PublicKey, publicKeyFromBytes } from "../core/ids.ts";
import type { Identity } from "../ports/keys.ts";
import { publicKeyBytesLength } from "./acceptance.ts";
import { getPublicKey, sign } from "./noble.ts";
import { platformRandom } from "./random.ts";
import { hasEd25519 } from "./verifier.ts";
import { unshared } from "./web-crypto.ts";

export const seedBytesLength = 32;
/** RFC 8410: what stands before the 32 bytes of the seed in a PKCS #8 private key. */
const pkcs8Prefix = decodeHex("302e020100300506032b657004220420");

/** It survives a structured clone, and both forms stay readable for ever. */
export type StoredKey =
  | { readonly type: "key"; readonly publicKey: Uint8Array; readonly privateKey: CryptoKey }
  | { readonly type: "seed"; readonly seed: Uint8Array };

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

export function isCryptoKey(value: unknown): value is CryptoKey {
  // Not by instanceof: insecure contexts have no CryptoKey to ask.
  return Object.prototype.toString.call(value) === "[object CryptoKey]";
}

function isStoredKey(value: unknown): value is StoredKey {
  if (typeof value !== "object" || value === null || !("type" in value)) return false;
  if (value.type === "seed") return "seed" in value && isBytes(value.seed, seedBytesLength);
  if (value.type !== "key" || !("publicKey" in value) || !("privateKey" in value)) return false;
  return isBytes(value.publicKey, publicKeyBytesLength) && isCryptoKey(value.privateKey);
}

/** The platform, if it can sign with Ed25519. */
export async function withEd25519(subtle: SubtleCrypto | undefined): Promise<SubtleCrypto | undefined> {
  return subtle !== undefined && (await hasEd25519(subtle)) ? subtle : undefined;
}

/** A new key pair that nobody has ever seen. */
export async function generateKey(platform: SubtleCrypto | undefined): Promise<StoredKey> {
  if (platform === undefined) return { type: "seed", seed: platformRandom.bytes(seedBytesLength) };
  // "Ed25519" always gives a pair; the declared type also covers algorithms with a single key.
  const pair = (await platform.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
  const publicKey = new Uint8Array(await platform.exportKey("raw", pair.publicKey));
  return { type: "key", publicKey, privateKey: pair.privateKey };
}

/** The key pair of a 32-byte seed. What was copied of it is overwritten, where the platform keeps the key. */
export async function keyFromSeed(seed: Uint8Array, platform: SubtleCrypto | undefined): Promise<StoredKey> {
  if (seed.length !== seedBytesLength) {
    throw new TidemarkError("INPUT_INVALID", { field: "seed", got: `${seed.length} bytes`, expected: "32 bytes" });
  }
  if (platform === undefined) return { type: "seed", seed: seed.slice() };
  const publicKey = getPublicKey(seed);
  const pkcs8 = unshared(concatBytes(pkcs8Prefix, seed));
  try {
    return { type: "key", publicKey, privateKey: await platform.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]) };
  } finally {
    pkcs8.fill(0);
  }
}

/**
 * What signs with a stored key. Rejects with STORAGE_CORRUPT for what is no key (`where` names it), and with
 * ENVIRONMENT_UNSUPPORTED when it needs WebCrypto and the platform has no Ed25519 any more.
 */
export async function reviveKey(stored: unknown, platform: SubtleCrypto | undefined, where: string): Promise<Identity> {
  if (!isStoredKey(stored)) throw new TidemarkError("STORAGE_CORRUPT", { where });
  if (stored.type === "seed") return signWithSeed(stored.seed, platform);
  if (platform === undefined)
    throw new TidemarkError("ENVIRONMENT_UNSUPPORTED", { missing: "Ed25519 in crypto.subtle" });
  return signWithKey(platform, publicKeyFromBytes(stored.publicKey), stored.privateKey);
}

async function signWithSeed(seed: Uint8Array, platform: SubtleCrypto | undefined): Promise<Identity> {
  if (platform === undefined)
    return { publicKey: publicKeyFromSeed(seed), sign: async (message) => sign(message, seed) };
  return reviveKey(await keyFromSeed(seed, platform), platform, "seed");
}

function signWithKey(platform: SubtleCrypto, publicKey: PublicKey, privateKey: CryptoKey): Identity {
  return {
    publicKey,
    sign: async (message) => new Uint8Array(await platform.sign("Ed25519", privateKey, unshared(message))),
  };
}

/** The public key of a 32-byte secret seed. */
export function publicKeyFromSeed(seed: Uint8Array): PublicKey {
  return publicKeyFromBytes(getPublicKey(seed));
}
