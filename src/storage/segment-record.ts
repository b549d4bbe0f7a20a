/**
 * The packed bytes of a run of entries.
 *
 * Words: frame, first position, number of entries, and for each where its bytes end; then the bytes, one after the other.
 */
import { corrupt, createRecord, frameWords, openRecord, sealRecord, wholeWords } from "./record.ts";

const headerWords: number = frameWords + 2;

/** Copies the bytes. */
export function encodeSegment(first: number, entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const start = (headerWords + entries.length) * 4;
  const record = createRecord(entries.reduce((length, bytes) => length + bytes.length, start));
  const words = new Uint32Array(record.buffer);
  words[frameWords] = first;
  words[frameWords + 1] = entries.length;
  let end = 0;
  for (const [i, bytes] of entries.entries()) {
    record.set(bytes, start + end);
    end += bytes.length;
    words[headerWords + i] = end;
  }
  return sealRecord("segment", record);
}

/** What is where the bytes of entries of these sizes should be, whatever the record says of itself. */
export function salvageSegment(value: unknown, sizes: readonly number[]): readonly (Uint8Array | undefined)[] {
  if (!(value instanceof Uint8Array)) return sizes.map(() => undefined);
  let end = (headerWords + sizes.length) * 4;
  return sizes.map((size) => {
    end += size;
    return end <= value.length ? value.slice(end - size, end) : undefined;
  });
}

/**
 * Whatever lies between the places where a record says that entries end, when it cannot be trusted: of `count` of them, or of as many as the
 * record says. Some may be no entries, or not as they were.
 */
export function looseEntries(value: unknown, count: number | undefined): readonly Uint8Array[] {
  if (!(value instanceof Uint8Array)) return [];
  const bytes = value.slice(0, value.length - (value.length % 4));
  const words = new Uint32Array(bytes.buffer);
  const claimed = count ?? words[frameWords + 1] ?? 0;
  const start = (headerWords + claimed) * 4;
  if (claimed === 0 || start > bytes.length) return [];
  const entries: Uint8Array[] = [];
  for (let i = 0; i < claimed; i++) {
    const from = start + (i === 0 ? 0 : (words[headerWords + i - 1] as number));
    const to = start + (words[headerWords + i] as number);
    if (from < to && to <= bytes.length) entries.push(bytes.slice(from, to));
  }
  return entries;
}

export class Segment {
  readonly first: number;
  readonly end: number;
  readonly #bytes: Uint8Array;
  /** Where each entry's bytes end, counted from `#start`. */
  readonly #ends: Uint32Array;
  readonly #start: number;

  /** Throws STORAGE_CORRUPT unless `value` is what `encodeSegment` may have made. */
  constructor(value: unknown) {
    const { bytes, words } = openRecord("segment", value, headerWords);
    const [first = 0, count = 0] = words.subarray(frameWords);
    if (count === 0 || count > words.length - headerWords) throw corrupt(`segment record for ${count} entries`);
    this.first = first;
    this.end = first + count;
    this.#bytes = bytes;
    this.#ends = words.subarray(headerWords, headerWords + count);
    this.#start = (headerWords + count) * 4;
    const isSorted = this.#ends.every((end, i) => i === 0 || end >= (this.#ends[i - 1] as number));
    if (!isSorted || bytes.length !== wholeWords(this.#start + (this.#ends[count - 1] as number))) {
      throw corrupt(`segment record of ${bytes.length} bytes whose entries do not fill it`);
    }
  }

  /** Of the whole record. */
  get size(): number {
    return this.#bytes.length;
  }

  has(position: number): boolean {
    return position >= this.first && position < this.end;
  }

  /** A copy, which the caller may alter or transfer. The position is one that it has. */
  entry(position: number): Uint8Array {
    const i = position - this.first;
    const from = i === 0 ? 0 : (this.#ends[i - 1] as number);
    return this.#bytes.slice(this.#start + from, this.#start + (this.#ends[i] as number));
  }

  /** All of them, in order, as copies. */
  entries(): readonly Uint8Array[] {
    return Array.from({ length: this.end - this.first }, (_, i) => this.entry(this.first + i));
  }
}
