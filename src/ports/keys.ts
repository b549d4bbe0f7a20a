/** Signing and checking. Every implementation accepts exactly the same signatures: [KEYS-1] in docs/spec.md. */
import type { PublicKey } from "../core/ids.ts";

/** A key to sign with. The private key cannot be read through this port. */
export interface Identity {
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

export interface Verifier {
  /** Never rejects for bad input: malformed keys and signatures are simply not valid. */
  verify(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

/** The name of the key that is the device itself: peers know it by this one. */
export const deviceKeyName = "device";

export interface KeyInfo {
  readonly name: string;
  readonly publicKey: PublicKey;
  /** Milliseconds since 1970; undefined for the device's key, which notes none. */
  readonly createdMs: number | undefined;
}

/**
 * The keys that this device can sign with, by name: its own, and those that were made or restored here.
 *
 * [KEYS-14] A name stands for one key until that is deleted, at every opening and for openers at the same moment.
 * [KEYS-15] A stored key that cannot be read is reported, keeps its name, and is never replaced.
 */
export interface KeyRing {
  /** The device's key, then the others in the order of their names; those that cannot be read are left out. */
  list(): readonly KeyInfo[];
  /** Undefined for a key that is not here or cannot be read. */
  identity(name: string): Identity | undefined;
  /**
   * Makes a key that cannot be exported. The name has 1 to 64 bytes. Rejects with INPUT_INVALID, KEY_EXISTS, KEY_LIMIT or a STORAGE_
   * code; then there is no such key.
   */
  create(name: string): Promise<KeyInfo>;
  /** Keeps the key of a 32-byte secret seed, as if it had been made here. Rejects as `create`; the same key under the same name is fine. */
  add(name: string, seed: Uint8Array): Promise<KeyInfo>;
  /** For good, also one that cannot be read. Rejects with KEY_UNKNOWN, with KEY_IN_USE for the device's key, or with a STORAGE_ code. */
  delete(name: string): Promise<void>;
}
