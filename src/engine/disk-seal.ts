/** What this device keeps for itself of an encrypted database: sealed with a key of its own, under a nonce that stands in front. */
import { concatBytes } from "../core/bytes.ts";
import { nonceBytesLength } from "../core/store/sealed.ts";
import type { Cipher } from "../ports/payload-keys.ts";
import type { Random } from "../ports/random.ts";

export async function sealForDisk(
  disk: Cipher,
  random: Random,
  bytes: Uint8Array,
  associated: Uint8Array,
): Promise<Uint8Array> {
  const nonce = random.bytes(nonceBytesLength);
  return concatBytes(nonce, await disk.seal(bytes, nonce, associated));
}

/** Undefined for what was not sealed here with the same associated data. Never rejects. */
export async function openFromDisk(
  disk: Cipher,
  sealed: Uint8Array,
  associated: Uint8Array,
): Promise<Uint8Array | undefined> {
  return await disk.open(sealed.subarray(nonceBytesLength), sealed.subarray(0, nonceBytesLength), associated);
}
