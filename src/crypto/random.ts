import type { Random } from "../ports/random.ts";

/** The most that `getRandomValues` fills in one call, by its specification. */
const chunkBytesMax = 65_536;

function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += chunkBytesMax) {
    globalThis.crypto.getRandomValues(bytes.subarray(at, at + chunkBytesMax));
  }
  return bytes;
}

/** The platform's generator. Works in insecure contexts too. */
export const platformRandom: Random = { bytes: randomBytes };
