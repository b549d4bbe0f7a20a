/**
 * Hiding what is said about a database from those who do not know its id, in a session whose peer may be one of them.
 *
 * Each byte is combined by exclusive or with one of the SHA-256 of a tag, the transcript, the speaker's key, the id, the start, and a
 * counter, for every 32 bytes. The start stands in front: 16 bytes of the SHA-256 of the same with what is hidden, so that no stream
 * hides two texts (after SIV, RFC 5297). In each session the stream is another, and so it is for each kind of thing, which has a tag of its own.
 */
import { concatBytes } from "../bytes.ts";
import { type DatabaseId, decodeHex, type PublicKey, type Sha256 } from "../ids.ts";

/** The session in which it is said, and what about. */
export interface MaskPlace {
  readonly database: DatabaseId;
  /** The session's key of whoever says it. */
  readonly speaker: PublicKey;
  readonly transcript: Uint8Array;
  readonly sha256: Sha256;
}

/** What hiding adds. */
export const startBytesLength = 16;
const blockBytesLength = 32;

/** At most 8 KiB. Equal bytes are hidden as equal ones in one session. */
export function mask(bytes: Uint8Array, tag: Uint8Array, place: MaskPlace): Uint8Array {
  const start = place.sha256(concatBytes(keyOf(tag, place), bytes)).slice(0, startBytesLength);
  return concatBytes(start, combine(bytes, start, tag, place));
}

/** The inverse; of other bytes it makes some others. */
export function unmask(hidden: Uint8Array, tag: Uint8Array, place: MaskPlace): Uint8Array {
  return combine(hidden.subarray(startBytesLength), hidden.subarray(0, startBytesLength), tag, place);
}

function combine(bytes: Uint8Array, start: Uint8Array, tag: Uint8Array, place: MaskPlace): Uint8Array {
  const result = bytes.slice();
  for (let at = 0; at < result.length; at += blockBytesLength) {
    const block = place.sha256(concatBytes(keyOf(tag, place), start, Uint8Array.of(at / blockBytesLength)));
    for (let i = at; i < Math.min(at + blockBytesLength, result.length); i++)
      result[i] = (result[i] ?? 0) ^ (block[i - at] ?? 0);
  }
  return result;
}

function keyOf(tag: Uint8Array, { database, speaker, transcript }: MaskPlace): Uint8Array {
  return concatBytes(tag, transcript, decodeHex(speaker), decodeHex(database));
}
