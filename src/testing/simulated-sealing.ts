/**
 * Sealing for simulations: made in the same turn, from randomness that is handed in, and opened by whoever knows how it is made.
 * It hides what it seals, and opens only what was sealed with the same key, nonce and associated data.
 */
import { concatBytes, equalBytes } from "../core/bytes.ts";
import type { Sha256 } from "../core/ids.ts";
import { epochKeyIdFromBytes, keyIdBytesLength } from "../core/store/sealed.ts";
import { encodeUtf8 } from "../core/utf8.ts";
import type { Cipher, PayloadKey, SealingKeys } from "../ports/payload-keys.ts";

const tagLength = 16;
const none: Uint8Array = new Uint8Array(0);

/** `secret`: 32 bytes that the sealing key comes from. */
export function simulatedSealing(secret: Uint8Array, sha256: Sha256): SealingKeys {
  const derive = (purpose: string, from: Uint8Array): Uint8Array => sha256(concatBytes(encodeUtf8(purpose), from));
  const pointOf = (from: Uint8Array): Uint8Array => concatBytes(Uint8Array.of(4), derive("x", from), derive("y", from));
  const createPayloadKey = async (epochSecret: Uint8Array): Promise<PayloadKey> => {
    const id = epochKeyIdFromBytes(derive("id", epochSecret).subarray(0, keyIdBytesLength));
    return { id, ...simulatedCipher(derive("content", epochSecret), sha256) };
  };
  const idOf = (epochSecret: Uint8Array): Uint8Array => derive("id", epochSecret).subarray(0, keyIdBytesLength);
  const wrapWith = async (epochSecret: Uint8Array, key: Uint8Array): Promise<Uint8Array> => {
    const id = idOf(epochSecret);
    return concatBytes(id, await simulatedCipher(sha256(key), sha256).seal(epochSecret, id, none));
  };
  const unwrapWith = (wrapped: Uint8Array, key: Uint8Array): Promise<Uint8Array | undefined> => {
    const id = wrapped.subarray(0, keyIdBytesLength);
    return simulatedCipher(sha256(key), sha256).open(wrapped.subarray(keyIdBytesLength), id, none);
  };
  const publicKey = pointOf(secret);
  const restored: Uint8Array[] = [];
  let spares = 0;
  return {
    publicKey,
    disk: simulatedCipher(derive("disk", secret), sha256),
    createPayloadKey,
    wrap: async (epochSecret, sealKey) => (sealKey[0] === 4 ? wrapWith(epochSecret, sealKey) : undefined),
    unwrap: async (wrapped) => {
      for (const key of [publicKey, ...restored]) {
        const opened = await unwrapWith(wrapped, key);
        if (opened !== undefined) return opened;
      }
      return undefined;
    },
    createSpare: async () => {
      const privateKey = derive(`spare ${spares++}`, secret);
      return { publicKey: pointOf(privateKey), privateKey };
    },
    restore: async (spare) => void restored.push(spare.publicKey.slice()),
    inviteKey: async (seed) => derive("invite", seed),
    wrapForInvite: wrapWith,
    unwrapWithInvite: unwrapWith,
  };
}

function simulatedCipher(key: Uint8Array, sha256: Sha256): Cipher {
  const tagOf = (content: Uint8Array, nonce: Uint8Array, associated: Uint8Array): Uint8Array =>
    sha256(concatBytes(key, sha256(concatBytes(nonce, associated)), content)).subarray(0, tagLength);
  const mask = (content: Uint8Array, nonce: Uint8Array): Uint8Array => {
    const stream = sha256(concatBytes(key, nonce));
    return content.map((byte, i) => byte ^ (stream[i & 31] as number));
  };
  return {
    seal: async (content, nonce, associated) => concatBytes(mask(content, nonce), tagOf(content, nonce, associated)),
    open: async (sealed, nonce, associated) => {
      if (sealed.length < tagLength) return undefined;
      const content = mask(sealed.subarray(0, -tagLength), nonce);
      return equalBytes(sealed.subarray(-tagLength), tagOf(content, nonce, associated)) ? content : undefined;
    },
  };
}
