/** Signing and checking. Every implementation accepts exactly the same signatures: [KEYS-1] in docs/spec.md. */
import type { PublicKey } from "../core/ids.ts";

/** This device's identity. The private key cannot be read through this port. */
export interface Identity {
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

export interface Verifier {
  /** Never rejects for bad input: malformed keys and signatures are simply not valid. */
  verify(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
}
