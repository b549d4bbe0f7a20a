import { decodeHex, publicKeyFromHex } from "../core/ids.ts";
import type { Verifier } from "../ports/keys.ts";
import { NobleVerifier } from "./noble-verifier.ts";
import { findSubtle } from "./web-crypto.ts";
import { WebCryptoVerifier } from "./webcrypto-verifier.ts";

/** RFC 8032, section 7.1, test 2. */
const knownKey = publicKeyFromHex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
const knownMessage = Uint8Array.of(0x72);
const knownSignature = decodeHex(
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
);

/** Whether this WebCrypto knows Ed25519 and checks a known signature correctly. */
export async function hasEd25519(subtle: SubtleCrypto): Promise<boolean> {
  const verifier = new WebCryptoVerifier(subtle);
  const isGoodAccepted = await verifier.verify(knownKey, knownMessage, knownSignature);
  const isBadAccepted = await verifier.verify(knownKey, Uint8Array.of(0x73), knownSignature);
  return isGoodAccepted && !isBadAccepted;
}

/**
 * The fastest verifier that works here: WebCrypto where it has Ed25519, else noble-ed25519. Both accept exactly the same
 * signatures. Never rejects.
 */
export async function createVerifier(subtle: SubtleCrypto | undefined = findSubtle()): Promise<Verifier> {
  return subtle !== undefined && (await hasEd25519(subtle)) ? new WebCryptoVerifier(subtle) : new NobleVerifier();
}
