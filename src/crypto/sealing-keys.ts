/**
 * This device's sealing key: a P-256 pair that no script can read, kept in storage, for which others wrap the keys of content.
 *
 * Beside it is kept an AES key of the same kind, for what an encrypted database leaves on the disk in a form of ours.
 */
import { TidemarkError } from "../core/errors.ts";
import { encodeHex } from "../core/ids.ts";
import { sealKeyBytesLength } from "../core/store/settings-op.ts";
import type { SealingKeys, SpareSealingKey } from "../ports/payload-keys.ts";
import type { Storage } from "../ports/storage.ts";
import { ecdh, inviteKeyOf, unwrapForMember, unwrapWithInvite, wrapForInvite, wrapForMember } from "./key-wrap.ts";
import { cipherOf, createPayloadKey } from "./payload-cipher.ts";
import { isCryptoKey } from "./stored-key.ts";
import { unshared } from "./web-crypto.ts";

/** The name in storage under which the keys are kept. */
const storedName = "sealing";

/** The names under which keys from backups are kept: this, and their public halves in hex. */
const restoredPrefix = "sealing/";

interface StoredPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: CryptoKey;
}

interface StoredKeys extends StoredPair {
  readonly diskKey: CryptoKey;
}

function isStoredPair(value: unknown): value is StoredPair {
  if (typeof value !== "object" || value === null || !("publicKey" in value && "privateKey" in value)) return false;
  if (!(value.publicKey instanceof Uint8Array) || value.publicKey.length !== sealKeyBytesLength) return false;
  return isCryptoKey(value.privateKey);
}

function isStoredKeys(value: unknown): value is StoredKeys {
  return isStoredPair(value) && "diskKey" in value && isCryptoKey(value.diskKey);
}

async function generate(subtle: SubtleCrypto): Promise<StoredKeys> {
  const pair = await subtle.generateKey(ecdh, false, ["deriveBits"]);
  const publicKey = new Uint8Array(await subtle.exportKey("raw", pair.publicKey));
  const diskKey = await subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  return { publicKey, privateKey: pair.privateKey, diskKey };
}

/**
 * The keys kept in this storage, made at the first call. Openers at the same moment get the same ones. Undefined where there is no
 * WebCrypto: nothing can be sealed or opened there.
 *
 * Rejects with STORAGE_CORRUPT when what is kept are no keys (they are never replaced: that would lock the device out), and with what
 * the storage rejects with.
 */
export async function loadSealingKeys(
  storage: Pick<Storage, "getValue" | "putValueOnce" | "values">,
  subtle: SubtleCrypto | undefined,
): Promise<SealingKeys | undefined> {
  if (subtle === undefined) return undefined;
  const kept = await storage.getValue(storedName);
  const keys = kept ?? (await storage.putValueOnce(storedName, await generate(subtle)));
  if (!isStoredKeys(keys)) throw new TidemarkError("STORAGE_CORRUPT", { where: storedName });
  const { publicKey, privateKey, diskKey } = keys;
  // One that cannot be read opens nothing, like one that is not there: its backup can be restored again.
  const restored = (await storage.values(restoredPrefix)).map(([, value]) => value).filter(isStoredPair);
  return {
    publicKey,
    disk: cipherOf(subtle, diskKey),
    createPayloadKey: (secret) => createPayloadKey(subtle, secret),
    wrap: (secret, sealKey) => wrapForMember(subtle, secret, sealKey),
    unwrap: (wrapped) => unwrapWithAny(subtle, wrapped, [{ privateKey, publicKey }, ...restored]),
    createSpare: () => createSpare(subtle),
    restore: async (spare) => {
      const pair = await importSpare(subtle, spare);
      const kept = await storage.putValueOnce(restoredPrefix + encodeHex(pair.publicKey), pair);
      if (isStoredPair(kept)) restored.push(kept);
    },
    inviteKey: (seed) => inviteKeyOf(subtle, seed),
    wrapForInvite: (secret, inviteKey) => wrapForInvite(subtle, secret, inviteKey),
    unwrapWithInvite: (wrapped, inviteKey) => unwrapWithInvite(subtle, wrapped, inviteKey),
  };
}

async function unwrapWithAny(
  subtle: SubtleCrypto,
  wrapped: Uint8Array,
  pairs: readonly StoredPair[],
): Promise<Uint8Array | undefined> {
  for (const { privateKey, publicKey } of pairs) {
    const secret = await unwrapForMember(subtle, wrapped, privateKey, publicKey);
    if (secret !== undefined) return secret;
  }
  return undefined;
}

async function createSpare(subtle: SubtleCrypto): Promise<SpareSealingKey> {
  const pair = await subtle.generateKey(ecdh, true, ["deriveBits"]);
  const [publicKey, privateKey] = await Promise.all([
    subtle.exportKey("raw", pair.publicKey),
    subtle.exportKey("pkcs8", pair.privateKey),
  ]);
  return { publicKey: new Uint8Array(publicKey), privateKey: new Uint8Array(privateKey) };
}

async function importSpare(subtle: SubtleCrypto, { publicKey, privateKey }: SpareSealingKey): Promise<StoredPair> {
  try {
    await subtle.importKey("raw", unshared(publicKey), ecdh, false, []);
    const imported = await subtle.importKey("pkcs8", unshared(privateKey), ecdh, false, ["deriveBits"]);
    return { publicKey: publicKey.slice(), privateKey: imported };
  } catch {
    throw new TidemarkError("INPUT_INVALID", { field: "sealing key", got: "other bytes", expected: "a key of P-256" });
  }
}
