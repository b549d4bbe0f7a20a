import { createSHA256, type IHasher } from "hash-wasm";
import type { Sha256 } from "../core/ids.ts";
import { plainSha256 } from "./plain-sha256.ts";

/**
 * The fastest synchronous SHA-256 that works here: WebAssembly, or plain JavaScript where a content security policy
 * forbids compiling it. Every digest is a fresh 32-byte array. Never rejects.
 */
export async function loadSha256(createHasher: () => Promise<IHasher> = createSHA256): Promise<Sha256> {
  try {
    const hasher = await createHasher();
    return (bytes) => hasher.init().update(bytes).digest("binary");
  } catch {
    return plainSha256;
  }
}
