/**
 * How many values a payload unfolds to, told from its bytes alone: a byte on the wire can become sixty in memory.
 *
 * [STORE-14] All payloads of one entry together hold at most `entryItemsMax` values, names and ops; byte strings count four.
 *            More is refused with CBOR_TOO_LARGE before anything is decoded.
 *
 * It judges no form: what it cannot make sense of it counts as something, and the decoder refuses it.
 */
const bytesMajor = 2;
const textMajor = 3;
/** An empty `Uint8Array` takes some 200 bytes, anything else some 60. */
const bytesWeight = 4;

/** Stops counting above `max`. */
export function countItems(bytes: Uint8Array, max: number): number {
  let count = 0;
  let at = 0;
  while (at < bytes.length && count <= max) {
    const first = bytes[at] as number;
    const major = first >> 5;
    const extra = extraBytes(first & 31);
    count += major === bytesMajor ? bytesWeight : 1;
    if (major === bytesMajor || major === textMajor) at += extra === 0 ? first & 31 : readUint(bytes, at + 1, extra);
    at += 1 + extra;
  }
  return count;
}

/** How many bytes of the head follow its first, by the low five bits of that. */
function extraBytes(info: number): number {
  return info >= 24 && info <= 27 ? 1 << (info - 24) : 0;
}

function readUint(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
