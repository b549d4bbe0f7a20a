/**
 * The frame of a packed record: which kind it is, and a checksum over the rest, so that damage on the disk is noticed
 * before anything is read out of it.
 *
 * Records are whole 32-bit words in the byte order of the machine: a disk is not carried to a machine with another one.
 */
import { TidemarkError } from "../core/errors.ts";

/** The kind and the format's version in four letters. */
export const recordKinds = { index: 0x31494d54, segment: 0x31534d54 } as const;
export type RecordKind = keyof typeof recordKinds;

/** The words before a record's own: kind, checksum. */
export const frameWords = 2;

export function corrupt(where: string): TidemarkError<"STORAGE_CORRUPT"> {
  return new TidemarkError("STORAGE_CORRUPT", { where });
}

/** A record of zeros that is long enough for `length` bytes. */
export function createRecord(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(wholeWords(length));
}

export function wholeWords(length: number): number {
  return Math.ceil(length / 4) * 4;
}

/** Writes the frame. The record does not change after that. */
export function sealRecord(kind: RecordKind, record: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(record.buffer);
  words[0] = recordKinds[kind];
  words[1] = checksum(words);
  return record;
}

/** Makes a record one that will not open: what is in it is not to be trusted. */
export function breakSeal(record: Uint8Array): void {
  record[4] = (record[4] as number) ^ 0xff;
}

export interface OpenedRecord {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

/** Checks the frame, and that at least `wordsMin` words are there. Throws STORAGE_CORRUPT. */
export function openRecord(kind: RecordKind, value: unknown, wordsMin: number): OpenedRecord {
  if (!(value instanceof Uint8Array)) throw corrupt(`${kind} record is not bytes`);
  // IndexedDB gives a buffer of its own; anything else would be misaligned at worst.
  const bytes = value.byteOffset % 4 === 0 ? value : value.slice();
  if (bytes.length % 4 !== 0 || bytes.length < wordsMin * 4) throw corrupt(`${kind} record of ${bytes.length} bytes`);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  if (words[0] !== recordKinds[kind]) throw corrupt(`${kind} record of another kind`);
  if (words[1] !== checksum(words)) throw corrupt(`${kind} record with a wrong checksum`);
  return { bytes, words };
}

/**
 * Each step maps the sum one-to-one, so damage to one word is always noticed, other damage all but once in 2^32. 0.3 ms
 * per MB; a cryptographic hash is not needed, as whoever can write here can also write what is hashed.
 */
function checksum(words: Uint32Array): number {
  let sum = words.length;
  for (let i = frameWords; i < words.length; i++) {
    sum = Math.imul(sum ^ (words[i] as number), 0x9e3779b1);
    // Multiplying carries upwards only.
    sum = (sum << 15) | (sum >>> 17);
  }
  return sum >>> 0;
}
