/**
 * Keys for content that only members may read: making, wrapping and using them. See docs/spec.md, ENCRYPTION.
 *
 * An *epoch's secret* is 32 random bytes. Its *payload key* seals content and is named by a hash of the secret. It reaches members
 * *wrapped*: for a sealing key (an uncompressed point of P-256, whose private half no script can read) or for whoever knows
 * the secret of an invite.
 */
import type { EpochKeyId } from "../core/store/sealed.ts";

/** AES-256-GCM or what stands in for it. The same nonce must never come twice. */
export interface Cipher {
  /** 16 bytes longer than `content`. */
  seal(content: Uint8Array, nonce: Uint8Array, associated: Uint8Array): Promise<Uint8Array>;
  /** Undefined unless this is what was sealed with this key, nonce and associated data. Never rejects. */
  open(sealed: Uint8Array, nonce: Uint8Array, associated: Uint8Array): Promise<Uint8Array | undefined>;
}

export interface PayloadKey extends Cipher {
  readonly id: EpochKeyId;
}

/** A sealing key that can be carried elsewhere: in a backup, and nowhere else. */
export interface SpareSealingKey {
  /** 65 bytes. */
  readonly publicKey: Uint8Array;
  /** Whoever has read it overwrites it. */
  readonly privateKey: Uint8Array;
}

/** A wrapped secret begins with the id of its payload key: whoever cannot open it still knows which one it is. */
export interface SealingKeys {
  /** The public half of this device's sealing key: 65 bytes. */
  readonly publicKey: Uint8Array;
  /** For what is kept on this device alone. */
  readonly disk: Cipher;
  createPayloadKey(secret: Uint8Array): Promise<PayloadKey>;
  /** Undefined when the bytes are no sealing key. Never rejects. */
  wrap(secret: Uint8Array, sealKey: Uint8Array): Promise<Uint8Array | undefined>;
  /** Undefined unless it was wrapped for this device, or for a key that was restored here. Never rejects. */
  unwrap(wrapped: Uint8Array): Promise<Uint8Array | undefined>;
  /** For a backup; it is not kept here. */
  createSpare(): Promise<SpareSealingKey>;
  /** Keeps one from a backup, so that no script can read it. Rejects with INPUT_INVALID for what is none, and with a STORAGE_ code. */
  restore(spare: SpareSealingKey): Promise<void>;
  /** What wraps for whoever holds the seed of an invite, 32 bytes. It opens epochs and admits nobody. */
  inviteKey(seed: Uint8Array): Promise<Uint8Array>;
  wrapForInvite(secret: Uint8Array, inviteKey: Uint8Array): Promise<Uint8Array>;
  /** Undefined unless it was wrapped with this key. Never rejects. */
  unwrapWithInvite(wrapped: Uint8Array, inviteKey: Uint8Array): Promise<Uint8Array | undefined>;
}
