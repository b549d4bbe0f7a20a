/**
 * UTF-8, without the platform: the pure folders have no TextEncoder, and short ASCII texts are faster this way.
 *
 * [CBOR-4] Only well-formed text is written and read: no lone surrogates, no overlong forms, nothing above U+10FFFF.
 * Not here: normalisation. Texts that look alike but differ in code points are different texts.
 */
import { TidemarkError } from "./errors.ts";

function isSurrogate(unit: number): boolean {
  return unit >> 11 === 0x1b;
}

/** True when a high surrogate at `i` is followed by its low one. */
function isPairAt(text: string, i: number): boolean {
  return (text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
}

/** The length in bytes, or -1 when the text has a lone surrogate. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (isSurrogate(unit)) {
      if (!isPairAt(text, i)) return -1;
      i++;
      length += 2;
    } else {
      length += unit < 0x800 ? 1 : 2;
    }
  }
  return length;
}

/** Writes well-formed text whose `utf8Length` fits behind `offset`. Returns the offset after it. */
export function writeUtf8(text: string, target: Uint8Array, offset: number): number {
  let at = offset;
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i) as number;
    if (point < 0x80) {
      target[at++] = point;
    } else if (point < 0x800) {
      target[at++] = 0xc0 | (point >> 6);
      target[at++] = 0x80 | (point & 63);
    } else if (point < 0x10000) {
      target[at++] = 0xe0 | (point >> 12);
      target[at++] = 0x80 | ((point >> 6) & 63);
      target[at++] = 0x80 | (point & 63);
    } else {
      target[at++] = 0xf0 | (point >> 18);
      target[at++] = 0x80 | ((point >> 12) & 63);
      target[at++] = 0x80 | ((point >> 6) & 63);
      target[at++] = 0x80 | (point & 63);
      i++;
    }
  }
  return at;
}

/** Writes text that is ASCII only. Returns false, having written a part of it, when it is not. */
export function writeAscii(text: string, target: Uint8Array, offset: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return false;
    target[offset + i] = unit;
  }
  return true;
}

/** Fails with `INPUT_INVALID` for a lone surrogate. */
export function encodeUtf8(text: string): Uint8Array {
  const length = utf8Length(text);
  if (length < 0) {
    throw new TidemarkError("INPUT_INVALID", { field: "text", got: "a lone surrogate", expected: "well-formed text" });
  }
  const bytes = new Uint8Array(length);
  writeUtf8(text, bytes, 0);
  return bytes;
}

/**
 * The order of the UTF-8 bytes, which is that of the code points. It differs from `<` in one place: a surrogate is half of
 * a code point above all others.
 */
export function compareUtf8(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA === unitB) continue;
    const surrogates = Number(isSurrogate(unitA)) - Number(isSurrogate(unitB));
    return surrogates !== 0 ? surrogates : unitA - unitB;
  }
  return a.length - b.length;
}

const toText = String.fromCharCode;

/**
 * Room for the code units of one call, by their number. Texts are made in one piece: pieces joined with `+` stay apart in
 * memory, a text of 130 characters in eights at six times its size, until something reads across them.
 */
const asciiPieceMax = 256;
const unitsByLength: readonly number[][] = Array.from({ length: asciiPieceMax + 1 }, (_, length) =>
  Array.from({ length }, () => 0),
);

/** The text in `bytes` from `from` up to `to`, which must lie inside, or undefined when that is not UTF-8. */
export function readUtf8(bytes: Uint8Array, from: number, to: number): string | undefined {
  let text = "";
  for (let at = from; at < to; at += asciiPieceMax) {
    const length = Math.min(to - at, asciiPieceMax);
    const units = unitsByLength[length] as number[];
    for (let i = 0; i < length; i++) {
      const byte = bytes[at + i] as number;
      if (byte >= 0x80) return readMultibyte(bytes, at, to, text);
      units[i] = byte;
    }
    text += toText.apply(null, units);
  }
  return text;
}

/** Code units are collected in pieces of this size: an argument list must stay far below the engine's stack. */
const unitsPerPiece = 1_024;

function readMultibyte(bytes: Uint8Array, from: number, to: number, before: string): string | undefined {
  let text = before;
  let units: number[] = [];
  let at = from;
  while (at < to) {
    const point = pointAt(bytes, at, to);
    if (point < 0) return undefined;
    if (point < 0x10000) units.push(point);
    else units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + (point & 0x3ff));
    at += pointLength(point);
    if (units.length >= unitsPerPiece) {
      text += toText(...units);
      units = [];
    }
  }
  return text + toText(...units);
}

function pointLength(point: number): number {
  if (point < 0x80) return 1;
  if (point < 0x800) return 2;
  return point < 0x10000 ? 3 : 4;
}

/** The code point that starts at `at` and ends before `to`, or -1. */
function pointAt(bytes: Uint8Array, at: number, to: number): number {
  const lead = bytes[at] as number;
  if (lead < 0x80) return lead;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + length > to) return -1;
  let point = lead & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    const next = bytes[at + i] as number;
    if ((next & 0xc0) !== 0x80) return -1;
    point = (point << 6) | (next & 63);
  }
  // An overlong form has a shorter one; surrogates are no characters.
  return pointLength(point) !== length || isSurrogate(point) || point > 0x10ffff ? -1 : point;
}
