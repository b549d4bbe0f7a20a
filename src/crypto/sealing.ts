/**
 * Sealed notes: what two peers tell each other through a relay that must neither read nor forge it.
 *
 * A *card* is the public half of a sealing key, vouched for by an identity: identity key (32 bytes), uncompressed P-256
 * point (65), Ed25519 signature of both under the domain tag (64). A sealing key lives as long as its process. Two cards
 * determine two AES-256-GCM keys, one per direction: HKDF-SHA-256 over the ECDH secret, with both cards as its info. A
 * sealed note is the sender's counter (8 bytes, big-endian) and the ciphertext; the counter is the nonce too, so none is
 * used twice under a key. See docs/decisions/0004-sealing-with-p256.md.
 *
 * Deliberately not here: forward secrecy within one process, padding, and any promise about delivery.
 */
import { concatBytes } from "../core/bytes.ts";
import { domainTags } from "../core/domain-tags.ts";
import { TidemarkError } from "../core/errors.ts";
import { decodeHex, encodeHex, type PublicKey, publicKeyFromBytes } from "../core/ids.ts";
import { noteBytesMax } from "../core/limits.ts";
import { encodeUtf8 } from "../core/utf8.ts";
import type { Identity, Verifier } from "../ports/keys.ts";
import { publicKeyBytesLength, signatureBytesLength } from "./acceptance.ts";
import { ReplayWindow } from "./replay-window.ts";
import { requireSubtle, unshared } from "./web-crypto.ts";

const cardTag = encodeUtf8(domainTags.card);
const keyTag = encodeUtf8(domainTags.noteKey);
const sealingKeyBytesLength = 65;
const signedBytesLength: number = publicKeyBytesLength + sealingKeyBytesLength;
export const cardBytesLength: number = signedBytesLength + signatureBytesLength;
const counterBytesLength = 8;
const nonceBytesLength = 12;
/** What sealing adds to a note: the counter and the authentication tag. */
export const sealBytesLength: number = counterBytesLength + 16;
/** Cards remembered with their keys and counters, about 1 kB each; the one not used for longest is forgotten first. */
const correspondentsMax = 4_096;

const ecdh: EcKeyGenParams = { name: "ECDH", namedCurve: "P-256" };

/** Somebody whose card was checked. */
interface Correspondent {
  readonly publicKey: PublicKey;
  readonly outgoing: CryptoKey;
  readonly incoming: CryptoKey;
  readonly opened: ReplayWindow;
}

function nonceOf(counter: number): Uint8Array<ArrayBuffer> {
  const nonce = new Uint8Array(nonceBytesLength);
  new DataView(nonce.buffer).setBigUint64(nonceBytesLength - counterBytesLength, BigInt(counter));
  return nonce;
}

function counterOf(sealed: Uint8Array): number {
  return Number(new DataView(sealed.buffer, sealed.byteOffset).getBigUint64(0));
}

/** Seals and opens notes for one identity, as long as the process lives. */
export class Sealer {
  /** What peers need to seal notes for us: 161 bytes. */
  readonly card: Uint8Array;
  readonly #subtle: SubtleCrypto;
  readonly #privateKey: CryptoKey;
  readonly #verifier: Verifier;
  /** By card in hex, in order of last use. */
  readonly #correspondents = new Map<string, Promise<Correspondent | undefined>>();
  /** One counter for all we write to: it never repeats, not even towards somebody who was forgotten in between. */
  #counter = 0;

  /** Makes a new sealing key and has the identity sign its card. Rejects with ENVIRONMENT_UNSUPPORTED without WebCrypto. */
  static async create(identity: Identity, verifier: Verifier): Promise<Sealer> {
    const subtle = requireSubtle();
    const pair = await subtle.generateKey(ecdh, false, ["deriveBits"]);
    const sealingKey = new Uint8Array(await subtle.exportKey("raw", pair.publicKey));
    const signed = concatBytes(decodeHex(identity.publicKey), sealingKey);
    const card = concatBytes(signed, await identity.sign(concatBytes(cardTag, signed)));
    return new Sealer(subtle, pair.privateKey, verifier, card);
  }

  private constructor(subtle: SubtleCrypto, privateKey: CryptoKey, verifier: Verifier, card: Uint8Array) {
    this.#subtle = subtle;
    this.#privateKey = privateKey;
    this.#verifier = verifier;
    this.card = card;
  }

  /** Whose card this is, or undefined when it is not one: wrong length, signature or point. Never rejects. */
  async verifyCard(card: Uint8Array): Promise<PublicKey | undefined> {
    return (await this.#correspondent(card))?.publicKey;
  }

  /**
   * Seals a note for the holder of a card; the result is `sealBytesLength` longer.
   * Rejects with INPUT_INVALID when the card is not valid or the note longer than `noteBytesMax`.
   */
  async seal(to: Uint8Array, note: Uint8Array): Promise<Uint8Array> {
    if (note.length > noteBytesMax) {
      throw new TidemarkError("INPUT_INVALID", {
        field: "note",
        got: `${note.length} bytes`,
        expected: `at most ${noteBytesMax} bytes`,
      });
    }
    const correspondent = await this.#correspondent(to);
    if (correspondent === undefined) {
      throw new TidemarkError("INPUT_INVALID", { field: "card", got: `${to.length} bytes`, expected: "a valid card" });
    }
    const iv = nonceOf(++this.#counter);
    const cipher = { name: "AES-GCM", iv };
    const encrypted = await this.#subtle.encrypt(cipher, correspondent.outgoing, unshared(note));
    return concatBytes(iv.subarray(nonceBytesLength - counterBytesLength), new Uint8Array(encrypted));
  }

  /**
   * The note, or undefined when it was not sealed for us by the holder of this card, was altered, or was opened before:
   * each note is opened at most once. Never rejects.
   */
  async open(from: Uint8Array, sealed: Uint8Array): Promise<Uint8Array | undefined> {
    if (sealed.length < sealBytesLength || sealed.length > noteBytesMax + sealBytesLength) return undefined;
    const counter = counterOf(sealed);
    if (!Number.isSafeInteger(counter)) return undefined;
    const correspondent = await this.#correspondent(from);
    if (correspondent === undefined) return undefined;
    const note = await this.#decrypt(correspondent.incoming, counter, sealed.subarray(counterBytesLength));
    // Only now, and without an await between the two: a forgery must not use a counter up, and of two copies opened at
    // the same time one comes first.
    return note !== undefined && correspondent.opened.use(counter) ? note : undefined;
  }

  async #decrypt(key: CryptoKey, counter: number, encrypted: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      const cipher = { name: "AES-GCM", iv: nonceOf(counter) };
      return new Uint8Array(await this.#subtle.decrypt(cipher, key, unshared(encrypted)));
    } catch {
      return undefined;
    }
  }

  #correspondent(card: Uint8Array): Promise<Correspondent | undefined> {
    if (card.length !== cardBytesLength) return Promise.resolve(undefined);
    const name = encodeHex(card);
    const correspondent = this.#correspondents.get(name) ?? this.#meet(name, card.slice());
    this.#correspondents.delete(name);
    this.#correspondents.set(name, correspondent);
    if (this.#correspondents.size > correspondentsMax) {
      const [oldest] = this.#correspondents.keys();
      if (oldest !== undefined) this.#correspondents.delete(oldest);
    }
    return correspondent;
  }

  async #meet(name: string, card: Uint8Array): Promise<Correspondent | undefined> {
    const correspondent = await this.#check(card);
    // Cards that are not valid must not push out those that are.
    if (correspondent === undefined) this.#correspondents.delete(name);
    return correspondent;
  }

  async #check(card: Uint8Array): Promise<Correspondent | undefined> {
    const signed = card.subarray(0, signedBytesLength);
    const publicKey = publicKeyFromBytes(card.subarray(0, publicKeyBytesLength));
    const signature = card.subarray(signedBytesLength);
    if (!(await this.#verifier.verify(publicKey, concatBytes(cardTag, signed), signature))) return undefined;
    const secret = await this.#agree(signed.subarray(publicKeyBytesLength));
    if (secret === undefined) return undefined;
    const [outgoing, incoming] = await Promise.all([
      this.#deriveKey(secret, this.card, card, "encrypt"),
      this.#deriveKey(secret, card, this.card, "decrypt"),
    ]);
    return { publicKey, outgoing, incoming, opened: new ReplayWindow() };
  }

  /** The secret that both holders of the two sealing keys can compute; undefined when the bytes are no point of the curve. */
  async #agree(sealingKey: Uint8Array): Promise<CryptoKey | undefined> {
    try {
      const theirs = await this.#subtle.importKey("raw", unshared(sealingKey), ecdh, false, []);
      const bits = await this.#subtle.deriveBits({ name: "ECDH", public: theirs }, this.#privateKey, 256);
      return await this.#subtle.importKey("raw", bits, "HKDF", false, ["deriveKey"]);
    } catch {
      return undefined;
    }
  }

  #deriveKey(secret: CryptoKey, from: Uint8Array, to: Uint8Array, usage: "encrypt" | "decrypt"): Promise<CryptoKey> {
    const info = unshared(concatBytes(keyTag, from, to));
    const derivation = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info };
    return this.#subtle.deriveKey(derivation, secret, { name: "AES-GCM", length: 256 }, false, [usage]);
  }
}
