/**
 * Base64 with the alphabet for URLs and without padding (RFC 4648, section 5), strict: one text per bytes.
 *
 * Deliberately not here: padding, line breaks, the other alphabet. Such texts are refused.
 */

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export function encodeBase64Url(bytes: Uint8Array): string {
  let text = "";
  let value = 0;
  let bits = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0x3fff;
    for (bits += 8; bits >= 6; bits -= 6) text += digits.charAt((value >> (bits - 6)) & 63);
  }
  return bits === 0 ? text : text + digits.charAt((value << (6 - bits)) & 63);
}

/** Undefined for anything that `encodeBase64Url` would not write. */
export function decodeBase64Url(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 6) / 8));
  let at = 0;
  let value = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = digits.indexOf(text.charAt(i));
    if (digit < 0) return undefined;
    value = ((value << 6) | digit) & 0x3fff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (value >> bits) & 0xff;
  }
  // A sixth digit with no byte to it, or bits of the last digit that no byte holds.
  const isExact = bits < 6 && (value & ((1 << bits) - 1)) === 0;
  return isExact ? bytes : undefined;
}
