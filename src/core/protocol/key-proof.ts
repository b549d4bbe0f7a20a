/**
 * The proof of a further key, hidden from those who do not know the database's id.
 *
 * Whoever takes part in a database with a key of its own does not know which of its peers hold the database, so it tells all of them;
 * which other keys a device has is nobody else's business. The bytes are the key and the signature, masked: see mask.ts.
 *
 * [SESSION-31] Without the database's id neither is found in what is sent.
 */
import { concatBytes } from "../bytes.ts";
import { domainTags } from "../domain-tags.ts";
import { decodeHex, type PublicKey, publicKeyFromBytes } from "../ids.ts";
import { encodeUtf8 } from "../utf8.ts";
import { type MaskPlace, mask, startBytesLength, unmask } from "./mask.ts";

export interface KeyProof {
  /** The key that is proven. */
  readonly key: PublicKey;
  /** By that key over `proveMessage`: 64 bytes. */
  readonly signature: Uint8Array;
}

const tag = encodeUtf8(domainTags.proveMask);
const keyBytesLength = 32;
export const keyProofBytesLength: number = startBytesLength + 96;

export function hideKeyProof({ key, signature }: KeyProof, place: MaskPlace): Uint8Array {
  return mask(concatBytes(decodeHex(key), signature), tag, place);
}

/** Any bytes of that length are some key and some signature: whether they are a proof only a check of the signature tells. */
export function revealKeyProof(hidden: Uint8Array, place: MaskPlace): KeyProof {
  const bytes = unmask(hidden, tag, place);
  return { key: publicKeyFromBytes(bytes.subarray(0, keyBytesLength)), signature: bytes.subarray(keyBytesLength) };
}

/**
 * Checked where nothing can be revealed, so that a check is made in any case. Random bytes are mostly no point of the curve, which
 * takes less time to find out than that a signature is bad: so this has a proven key and, in the forms of R and S, numbers that are well-formed.
 */
export function decoyProof(proven: PublicKey): KeyProof {
  return { key: proven, signature: concatBytes(decodeHex(proven), new Uint8Array(32).fill(0x0f)) };
}
