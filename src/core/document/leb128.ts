/**
 * Reads and writes integers as Automerge does: LEB128, seven bits to a byte, the lowest first.
 *
 * Strict and bounded: an integer has its shortest form and lies within ±(2^53 − 1); a length is of bytes that are there. What is not so is
 * refused by throwing what the reader was given for that, because the same bytes are an entry's here and an app's there.
 * Not here: what the integers mean.
 */
import { readUtf8 } from "../utf8.ts";

/** Makes the error for bytes that are refused. Called for nothing else, so it may be slow. */
export type Refuse = (got: string, expected: string) => Error;

export class LebReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;
  readonly refuse: Refuse;

  /** Reads `bytes` from `from` up to `to`. */
  constructor(bytes: Uint8Array, refuse: Refuse, from = 0, to: number = bytes.length) {
    this.bytes = bytes;
    this.refuse = refuse;
    this.at = from;
    this.end = to;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  byte(): number {
    if (this.at >= this.end) throw this.refuse("bytes that end early", "more of them");
    return this.bytes[this.at++] as number;
  }

  /** An unsigned integer up to `max`. */
  uint(max: number = Number.MAX_SAFE_INTEGER): number {
    const first = this.byte();
    const value = first < 0x80 ? first : this.#rest(first, false);
    if (value > max) throw this.refuse(`${value}`, `at most ${max}`);
    return value;
  }

  /** A signed integer. */
  int(): number {
    const first = this.byte();
    if (first < 0x80) return first < 0x40 ? first : first - 0x80;
    return this.#rest(first, true);
  }

  /** The next `length` bytes, as a view. */
  take(length: number): Uint8Array {
    const from = this.skip(length);
    return this.bytes.subarray(from, this.at);
  }

  /** Steps over `length` bytes and returns where they start. */
  skip(length: number): number {
    if (length > this.end - this.at) throw this.refuse("bytes that end early", `${length} of them`);
    const from = this.at;
    this.at = from + length;
    return from;
  }

  /** A length and as many bytes of UTF-8, at most `max`. */
  text(max: number = Number.MAX_SAFE_INTEGER): string {
    const from = this.skip(this.uint(max));
    const text = readUtf8(this.bytes, from, this.at);
    if (text === undefined) throw this.refuse("text that is not UTF-8", "UTF-8");
    return text;
  }

  /** What follows the first byte of an integer that has more of them. */
  #rest(first: number, isSigned: boolean): number {
    let low = first & 0x7f;
    let previous = first;
    for (let unit = 0x80; ; unit *= 0x80) {
      const byte = this.byte();
      if (byte >= 0x80) {
        low += (byte & 0x7f) * unit;
        previous = byte;
        continue;
      }
      const high = isSigned && byte >= 0x40 ? byte - 0x80 : byte;
      if (isRedundant(high, previous, isSigned)) throw this.refuse("an integer in a longer form", "the shortest");
      // The sign is in before anything is rounded: the sum is exact where it is safe, and unsafe where it is not.
      const value = high * unit + low;
      if (Number.isSafeInteger(value)) return value;
      throw this.refuse("an integer beyond 2^53 − 1", "one within");
    }
  }
}

/** Whether the last seven bits say nothing that the byte before does not: its highest bit of value is the sign of a signed integer. */
function isRedundant(high: number, previous: number, isSigned: boolean): boolean {
  if (!isSigned) return high === 0;
  return (previous & 0x40) === 0 ? high === 0 : high === -1;
}

/** How many bytes an unsigned integer takes. */
export function uintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

/** Writes an unsigned integer at `offset` and returns the offset after it. */
export function writeUint(value: number, target: Uint8Array, offset: number): number {
  let at = offset;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[at++] = 0x80 | (rest % 0x80);
  target[at++] = rest;
  return at;
}
