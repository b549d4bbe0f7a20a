import { decodeHex, type PublicKey } from "../core/ids.ts";
import type { Verifier } from "../ports/keys.ts";
import { isAcceptableKey, isAcceptableSignature } from "./acceptance.ts";
import { unshared } from "./web-crypto.ts";

/** Imported keys kept for the next signature of the same author. More authors than this in turn cost an import each. */
const keysMax = 1_024;

/** Ed25519 by the platform. Construct it only where WebCrypto has Ed25519: see `createVerifier`. */
export class WebCryptoVerifier implements Verifier {
  readonly #subtle: SubtleCrypto;
  /** In order of last use. Undefined for a key that the platform refuses to import. */
  readonly #keys = new Map<PublicKey, Promise<CryptoKey | undefined>>();

  constructor(subtle: SubtleCrypto) {
    this.#subtle = subtle;
  }

  async verify(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    if (!isAcceptableSignature(signature)) return false;
    const key = await this.#key(publicKey);
    if (key === undefined) return false;
    try {
      return await this.#subtle.verify("Ed25519", key, unshared(signature), unshared(message));
    } catch {
      // Some platforms meet a key that is no point of the curve only here.
      return false;
    }
  }

  #key(publicKey: PublicKey): Promise<CryptoKey | undefined> {
    const key = this.#keys.get(publicKey) ?? this.#import(decodeHex(publicKey));
    this.#keys.delete(publicKey);
    this.#keys.set(publicKey, key);
    if (this.#keys.size > keysMax) {
      const [oldest] = this.#keys.keys();
      if (oldest !== undefined) this.#keys.delete(oldest);
    }
    return key;
  }

  async #import(publicKey: Uint8Array): Promise<CryptoKey | undefined> {
    if (!isAcceptableKey(publicKey)) return undefined;
    try {
      return await this.#subtle.importKey("raw", unshared(publicKey), "Ed25519", false, ["verify"]);
    } catch {
      return undefined;
    }
  }
}
