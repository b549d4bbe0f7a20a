/**
 * This device's identity: an Ed25519 key pair that signs everything the device writes.
 *
 * Where the platform has Ed25519 the private key is a non-extractable CryptoKey, which storage can keep but no script can
 * read. Elsewhere the secret seed itself is kept, because there is nothing better: see docs/security.md, "Keys".
 */
import { concatBytes } from "../core/bytes.ts";
import { TidemarkError } from "../core/errors.ts";
import { decodeHex, type PublicKey, publicKeyFromBytes } from "../core/ids.ts";
import type { Identity } from "../ports/keys.ts";
import type { Storage } from "../ports/storage.ts";
import { publicKeyBytesLength } from "./acceptance.ts";
import { getPublicKey, sign } from "./noble.ts";
import { platformRandom } from "./random.ts";
import { hasEd25519 } from "./verifier.ts";
import { findSubtle, unshared } from "./web-crypto.ts";

/** The name in storage under which the key pair is kept. */
const storedName = "identity";
const seedBytesLength = 32;
/** RFC 8410: what stands before the 32 bytes of the seed in a PKCS #8 private key. */
const pkcs8Prefix = decodeHex("302e020100300506032b657004220420");

/** What is kept: it survives a structured clone, and both forms stay readable for ever. */
type StoredIdentity =
  | { readonly type: "key"; readonly publicKey: Uint8Array; readonly privateKey: CryptoKey }
  | { readonly type: "seed"; readonly seed: Uint8Array };

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

function isCryptoKey(value: unknown): value is CryptoKey {
  // Not by instanceof: insecure contexts have no CryptoKey to ask.
  return Object.prototype.toString.call(value) === "[object CryptoKey]";
}

function isStoredIdentity(value: unknown): value is StoredIdentity {
  if (typeof value !== "object" || value === null || !("type" in value)) return false;
  if (value.type === "seed") return "seed" in value && isBytes(value.seed, seedBytesLength);
  if (value.type !== "key" || !("publicKey" in value) || !("privateKey" in value)) return false;
  return isBytes(value.publicKey, publicKeyBytesLength) && isCryptoKey(value.privateKey);
}

async function withEd25519(subtle: SubtleCrypto | undefined): Promise<SubtleCrypto | undefined> {
  return subtle !== undefined && (await hasEd25519(subtle)) ? subtle : undefined;
}

async function generate(platform: SubtleCrypto | undefined): Promise<StoredIdentity> {
  if (platform === undefined) return { type: "seed", seed: platformRandom.bytes(seedBytesLength) };
  // "Ed25519" always gives a pair; the declared type also covers algorithms with a single key.
  const pair = (await platform.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
  const publicKey = new Uint8Array(await platform.exportKey("raw", pair.publicKey));
  return { type: "key", publicKey, privateKey: pair.privateKey };
}

function identityFromKey(platform: SubtleCrypto, publicKey: PublicKey, privateKey: CryptoKey): Identity {
  return {
    publicKey,
    sign: async (message) => new Uint8Array(await platform.sign("Ed25519", privateKey, unshared(message))),
  };
}

/** The public key of a 32-byte secret seed. */
export function publicKeyFromSeed(seed: Uint8Array): PublicKey {
  return publicKeyFromBytes(getPublicKey(seed));
}

/**
 * The identity of a 32-byte secret seed, such as an invite's. The seed is copied; signing happens inside WebCrypto where
 * it has Ed25519. Rejects with INPUT_INVALID for another length.
 */
export async function identityFromSeed(
  seed: Uint8Array,
  subtle: SubtleCrypto | undefined = findSubtle(),
): Promise<Identity> {
  if (seed.length !== seedBytesLength) {
    throw new TidemarkError("INPUT_INVALID", { field: "seed", got: `${seed.length} bytes`, expected: "32 bytes" });
  }
  const secret = seed.slice();
  const publicKey = publicKeyFromSeed(secret);
  const platform = await withEd25519(subtle);
  if (platform === undefined) return { publicKey, sign: async (message) => sign(message, secret) };
  const pkcs8 = unshared(concatBytes(pkcs8Prefix, secret));
  return identityFromKey(platform, publicKey, await platform.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]));
}

async function revive(stored: unknown, platform: SubtleCrypto | undefined): Promise<Identity> {
  if (!isStoredIdentity(stored)) throw new TidemarkError("STORAGE_CORRUPT", { where: storedName });
  if (stored.type === "seed") return identityFromSeed(stored.seed, platform);
  if (platform === undefined)
    throw new TidemarkError("ENVIRONMENT_UNSUPPORTED", { missing: "Ed25519 in crypto.subtle" });
  return identityFromKey(platform, publicKeyFromBytes(stored.publicKey), stored.privateKey);
}

/**
 * The identity kept in this storage, made at the first call. Openers at the same moment get the same one.
 *
 * Rejects with STORAGE_CORRUPT when what is kept is no identity (it is never replaced: that would disown the device's
 * entries), with ENVIRONMENT_UNSUPPORTED when it needs WebCrypto and the platform has no Ed25519 any more, and with
 * what the storage rejects with.
 */
export async function loadIdentity(
  storage: Pick<Storage, "getValue" | "putValueOnce">,
  subtle: SubtleCrypto | undefined = findSubtle(),
): Promise<Identity> {
  const platform = await withEd25519(subtle);
  const kept = await storage.getValue(storedName);
  return revive(kept ?? (await storage.putValueOnce(storedName, await generate(platform))), platform);
}
