/**
 * Signatures for simulations: a thousand times faster than real ones, made in the same turn, and forged by whoever wants to.
 * A key is the hash of its secret, a signature the hash of key and message, twice.
 */
import { concatBytes, equalBytes } from "../core/bytes.ts";
import { TidemarkError } from "../core/errors.ts";
import { decodeHex, type PublicKey, publicKeyFromBytes, type Sha256 } from "../core/ids.ts";
import type { KeyMaker } from "../crypto/key-ring.ts";
import type { Identity, Verifier } from "../ports/keys.ts";
import type { Random } from "../ports/random.ts";

export interface SimulatedIdentity extends Identity {
  signNow(message: Uint8Array): Uint8Array;
}

export function simulatedIdentity(secret: Uint8Array, sha256: Sha256): SimulatedIdentity {
  const publicKey = publicKeyFromBytes(sha256(secret));
  const signNow = (message: Uint8Array): Uint8Array => signatureOf(publicKey, message, sha256);
  return { publicKey, signNow, sign: async (message) => signNow(message) };
}

/** Named keys of a simulated device; what is stored of one is its secret. */
export function simulatedKeyMaker(sha256: Sha256, random: Random): KeyMaker {
  return {
    generate: async () => random.bytes(32),
    fromSeed: async (seed) => seed.slice(),
    revive: async (stored, where) => {
      if (!(stored instanceof Uint8Array)) throw new TidemarkError("STORAGE_CORRUPT", { where });
      return simulatedIdentity(stored, sha256);
    },
  };
}

export class SimulatedVerifier implements Verifier {
  /** How many signatures were checked. */
  checks = 0;
  readonly #sha256: Sha256;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  async verify(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    this.checks += 1;
    return isSignedBy(publicKey, message, signature, this.#sha256);
  }
}

/** The same at once. */
export function isSignedBy(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array, sha256: Sha256): boolean {
  return equalBytes(signature, signatureOf(publicKey, message, sha256));
}

function signatureOf(publicKey: PublicKey, message: Uint8Array, sha256: Sha256): Uint8Array {
  const half = sha256(concatBytes(decodeHex(publicKey), message));
  return concatBytes(half, half);
}
