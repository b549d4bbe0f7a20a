/**
 * Sealing a file chunk by chunk under a passphrase, so that neither side holds more than one chunk.
 *
 * The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
 * Misuse-Resistance, 2015) on AES-256-GCM. The key is Argon2id of the passphrase and a salt of the file's own, so no two files share one. The nonce
 * of a chunk is a random prefix (7 bytes), its number (4), and 1 for the last one, else 0 (1).
 *
 * [EXPORT-6] A chunk that was changed, left out, put elsewhere or taken from another file does not open, and neither does the rest of a
 *            file that was cut.
 * [EXPORT-7] A wrong passphrase is BACKUP_PASSPHRASE before anything else is looked at: nothing was damaged.
 */
import { TidemarkError } from "../core/errors.ts";
import { keyCheckBytesLength, prefixBytesLength, type SealFigures, saltBytesLength } from "../core/export/framing.ts";
import type { ChunkCipher, ChunkCiphers, SealedFile } from "../ports/chunk-cipher.ts";
import type { Cipher } from "../ports/payload-keys.ts";
import { defaultCost } from "./backup.ts";
import { checkNewPassphrase, deriveKey, type PassphraseCost } from "./passphrase.ts";
import { cipherOf } from "./payload-cipher.ts";
import { platformRandom } from "./random.ts";
import { requireSubtle } from "./web-crypto.ts";

const nonceBytesLength = 12;
const chunksMax = 2 ** 32;
/** No chunk has this end of a nonce: nothing, sealed under it, is what tells a wrong passphrase. */
const checkMark = 2;
const nothing: Uint8Array = new Uint8Array(0);

/** `cost`: of every guess at the passphrase of a new file. */
export function chunkCiphers(cost: PassphraseCost = defaultCost): ChunkCiphers {
  return {
    create: (passphrase) => create(passphrase, cost),
    open: async (figures, passphrase) => new StreamCipher(await openKey(figures, passphrase), figures.prefix),
  };
}

async function create(passphrase: string, cost: PassphraseCost): Promise<SealedFile> {
  checkNewPassphrase(passphrase);
  const salt = platformRandom.bytes(saltBytesLength);
  const prefix = platformRandom.bytes(prefixBytesLength);
  const key = cipherOf(requireSubtle(), await deriveKey(passphrase, salt, cost));
  const check = await key.seal(nothing, nonceOf(prefix, 0, checkMark), salt);
  const figures = { memoryKib: cost.memoryKib, passes: cost.passes, lanes: cost.lanes, salt, prefix, check };
  return { figures, cipher: new StreamCipher(key, prefix) };
}

/** The header's check was right, so it is not damaged: what does not fit is the passphrase. */
async function openKey(figures: SealFigures, passphrase: string): Promise<Cipher> {
  const { salt, prefix, check } = figures;
  const key = cipherOf(requireSubtle(), await deriveKey(passphrase, salt, figures));
  const opened = await key.open(check, nonceOf(prefix, 0, checkMark), salt);
  if (opened?.length !== 0 || check.length !== keyCheckBytesLength)
    throw new TidemarkError("BACKUP_PASSPHRASE", { expected: "the one with which the file was made" });
  return key;
}

class StreamCipher implements ChunkCipher {
  readonly #key: Cipher;
  readonly #prefix: Uint8Array;
  #next = 0;

  constructor(key: Cipher, prefix: Uint8Array) {
    this.#key = key;
    this.#prefix = prefix;
  }

  seal(chunk: Uint8Array, isLast: boolean, header: Uint8Array): Promise<Uint8Array> {
    return this.#key.seal(chunk, this.#nonce(isLast), header);
  }

  open(sealed: Uint8Array, isLast: boolean, header: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#key.open(sealed, this.#nonce(isLast), header);
  }

  #nonce(isLast: boolean): Uint8Array {
    if (this.#next === chunksMax)
      throw new TidemarkError("EXPORT_MALFORMED", { got: "more chunks", expected: `at most ${chunksMax}` });
    const nonce = nonceOf(this.#prefix, this.#next, isLast ? 1 : 0);
    this.#next += 1;
    return nonce;
  }
}

function nonceOf(prefix: Uint8Array, number: number, mark: number): Uint8Array {
  const nonce = new Uint8Array(nonceBytesLength);
  nonce.set(prefix);
  const view = new DataView(nonce.buffer);
  view.setUint32(prefixBytesLength, number);
  view.setUint8(nonceBytesLength - 1, mark);
  return nonce;
}
