/**
 * Plain values as they lie on the disk: each beside a checksum over all of it, so that damage is noticed before anything is read out of it.
 *
 * What cannot be looked into, such as a key that cannot be exported, is covered by its kind alone. A value without a checksum, from before there
 * were any, is as good as its shape.
 */
import { corrupt } from "./record.ts";

interface SealedValue {
  readonly sealed: number;
  readonly sum: number;
  readonly value: unknown;
}

/**
 * How bytes are summed up. Of form 1: word by word. Of form 2: in four sums side by side, which is as good, and of 64 KB and more takes about
 * half the time. What was written with a form is read with it, so none ever changes: a better one has another number.
 */
export type ChecksumForm = 1 | 2;

const newestForm: ChecksumForm = 2;

export function sealValue(value: unknown): SealedValue {
  return { sealed: newestForm, sum: checksumOf(value, newestForm), value };
}

/** Throws STORAGE_CORRUPT. `where`: what it is, in words. */
export function openValue(stored: unknown, where: string): unknown {
  if (!looksSealed(stored)) return stored;
  const { sealed, sum, value } = stored;
  if ((sealed !== 1 && sealed !== 2) || sum !== checksumOf(value, sealed)) throw corrupt(where);
  return value;
}

export function looksSealed(stored: unknown): stored is SealedValue {
  return typeof stored === "object" && stored !== null && "sealed" in stored && "sum" in stored && "value" in stored;
}

/** 32 bits, the same for what a structured clone makes of the value. Whoever stores it stores the form as well, or has one for ever. */
export function checksumOf(value: unknown, form: ChecksumForm): number {
  const sum = new Checksum(form);
  sum.add(value);
  return sum.result;
}

/** After that of packed records: every change of one word is noticed. */
class Checksum {
  #sum = 0;
  readonly #form: ChecksumForm;
  /** Where each object was met first: a value may hold itself. */
  readonly #places = new Map<object, number>();

  constructor(form: ChecksumForm) {
    this.#form = form;
  }

  get result(): number {
    return this.#sum >>> 0;
  }

  add(value: unknown): void {
    if (typeof value === "object" && value !== null) return this.#object(value);
    this.#text(typeof value);
    if (typeof value === "number") this.#number(value);
    else this.#text(String(value));
  }

  #object(value: object): void {
    const place = this.#places.get(value);
    if (place !== undefined) {
      this.#text("again");
      return this.#word(place);
    }
    this.#places.set(value, this.#places.size);
    this.#text(Object.prototype.toString.call(value));
    if (ArrayBuffer.isView(value)) this.#bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    else if (value instanceof ArrayBuffer) this.#bytes(new Uint8Array(value));
    else if (value instanceof Date) this.#number(value.getTime());
    else if (value instanceof Map || value instanceof Set) this.#all([...value]);
    else if (Array.isArray(value)) this.#all(value);
    else this.#fields(value as Readonly<Record<string, unknown>>);
  }

  #all(values: readonly unknown[]): void {
    this.#word(values.length);
    for (const each of values) this.add(each);
  }

  #fields(value: Readonly<Record<string, unknown>>): void {
    const names = Object.keys(value).sort();
    this.#word(names.length);
    for (const name of names) {
      this.#text(name);
      this.add(value[name]);
    }
  }

  #number(value: number): void {
    const words = new Uint32Array(new Float64Array([value]).buffer);
    for (const word of words) this.#word(word);
  }

  #text(text: string): void {
    this.#word(text.length);
    for (let i = 0; i < text.length; i++) this.#word(text.charCodeAt(i));
  }

  #bytes(bytes: Uint8Array): void {
    this.#word(bytes.length);
    const whole = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const words = new Uint32Array(whole.buffer, whole.byteOffset, whole.length >> 2);
    if (this.#form === 1) this.#sum = sumWords(words, this.#sum);
    else for (const sum of sumLanes(words)) this.#word(sum);
    for (let i = words.length * 4; i < whole.length; i++) this.#word(whole[i] as number);
  }

  #word(word: number): void {
    this.#sum = step(this.#sum, word);
  }
}

/** One-to-one in both: every change of one word is noticed. */
function step(sum: number, word: number): number {
  const product = Math.imul(sum ^ word, 0x9e3779b1);
  // Multiplying carries upwards only.
  return (product << 15) | (product >>> 17);
}

/** Not by `Checksum`: a checkpoint is tens of megabytes, and this is in the way of the first read. */
function sumWords(words: Uint32Array, from: number): number {
  let sum = from;
  for (let i = 0; i < words.length; i++) sum = step(sum, words[i] as number);
  return sum;
}

/** Every fourth word each: none of the four waits for another. */
function sumLanes(words: Uint32Array): readonly number[] {
  let [one, two, three, four] = [1, 2, 3, 4];
  const end = words.length - (words.length % 4);
  for (let i = 0; i < end; i += 4) {
    one = step(one, words[i] as number);
    two = step(two, words[i + 1] as number);
    three = step(three, words[i + 2] as number);
    four = step(four, words[i + 3] as number);
  }
  return [one, two, three, sumWords(words.subarray(end), four)];
}
