/** This device's identity: an Ed25519 key pair that signs what the device writes, where a database does not use another. */
import type { Identity } from "../ports/keys.ts";
import type { Storage } from "../ports/storage.ts";
import { generateKey, keyFromSeed, reviveKey, withEd25519 } from "./stored-key.ts";
import { findSubtle } from "./web-crypto.ts";

/** The name in storage under which the key pair is kept. */
const storedName = "identity";

/**
 * The identity of a 32-byte secret seed, such as an invite's. The seed is copied; signing happens inside WebCrypto where
 * it has Ed25519. Rejects with INPUT_INVALID for another length.
 */
export async function identityFromSeed(
  seed: Uint8Array,
  subtle: SubtleCrypto | undefined = findSubtle(),
): Promise<Identity> {
  const platform = await withEd25519(subtle);
  return reviveKey(await keyFromSeed(seed, platform), platform, "seed");
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
  return reviveKey(kept ?? (await storage.putValueOnce(storedName, await generateKey(platform))), platform, storedName);
}
