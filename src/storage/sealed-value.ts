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

const form = 1;

export function sealValue(value: unknown): SealedValue {
  return { sealed: form, sum: checksumOf(value), value };
}

/** Throws STORAGE_CORRUPT. `where`: what it is, in words. */
export function openValue(stored: unknown, where: string): unknown {
  if (!looksSealed(stored)) return stored;
  const { sealed, sum, value } = stored;
  if (sealed !== form || sum !== checksumOf(value)) throw corrupt(where);
  return value;
}

export function looksSealed(stored: unknown): stored is SealedValue {
  return typeof stored === "object" && stored !== null && "sealed" in stored && "sum" in stored && "value" in stored;
}

/** The same for what a structured clone makes of the value. */
function checksumOf(value: unknown): number {
  const sum = new Checksum();
  sum.add(value);
  return sum.result;
}

/** After that of packed records: every change of one word is noticed. */
class Checksum {
  #sum = 0;
  /** Where each object was met first: a value may hold itself. */
  readonly #places = new Map<object, number>();

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
    // Not by `#word`: a checkpoint is tens of megabytes, and this is in the way of the first read.
    let sum = this.#sum;
    for (let i = 0; i < words.length; i++) {
      const product = Math.imul(sum ^ (words[i] as number), 0x9e3779b1);
      sum = (product << 15) | (product >>> 17);
    }
    this.#sum = sum;
    for (let i = words.length * 4; i < whole.length; i++) this.#word(whole[i] as number);
  }

  #word(word: number): void {
    const sum = Math.imul(this.#sum ^ word, 0x9e3779b1);
    // Multiplying carries upwards only.
    this.#sum = (sum << 15) | (sum >>> 17);
  }
}
