/** The platform's cryptography, and the two things about it that each user would otherwise repeat. */
import { TidemarkError } from "../core/errors.ts";

/** WebCrypto, or undefined where the page is not a secure context and the browser therefore hides it. */
export function findSubtle(): SubtleCrypto | undefined {
  return globalThis.crypto?.subtle;
}

/** WebCrypto. Throws ENVIRONMENT_UNSUPPORTED where there is none. */
export function requireSubtle(): SubtleCrypto {
  const subtle = findSubtle();
  if (subtle === undefined) {
    throw new TidemarkError("ENVIRONMENT_UNSUPPORTED", { missing: "crypto.subtle, which needs https or localhost" });
  }
  return subtle;
}

/** WebCrypto refuses views of shared memory: such bytes are copied, all others passed as they are. */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
