/** Looks for what must not be found: a text inside anything that was stored or sent. */
import { equalBytes } from "../core/bytes.ts";
import { encodeUtf8 } from "../core/utf8.ts";

/** Whether the text is somewhere in a value: in a string, in bytes, or in whatever holds them. */
export function holdsText(value: unknown, text: string): boolean {
  if (typeof value === "string") return value.includes(text);
  if (value instanceof Uint8Array) return holdsBytes(value, encodeUtf8(text));
  if (value instanceof Map) return [...value].some(([key, each]) => holdsText(key, text) || holdsText(each, text));
  if (Array.isArray(value)) return value.some((each) => holdsText(each, text));
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, each]) => key.includes(text) || holdsText(each, text));
}

export function holdsBytes(bytes: Uint8Array, part: Uint8Array): boolean {
  return placeOf(bytes, part) >= 0;
}

/** Where these bytes are first; −1: nowhere. */
export function placeOf(bytes: Uint8Array, part: Uint8Array): number {
  for (let at = bytes.indexOf(part[0] ?? 0); at >= 0; at = bytes.indexOf(part[0] ?? 0, at + 1))
    if (equalBytes(bytes.subarray(at, at + part.length), part)) return at;
  return -1;
}
