/**
 * Writes canonical DAG-CBOR into one growing buffer.
 *
 * [CBOR-1] What the methods write is canonical, provided that array and map heads are followed by as many items as they say.
 * [CBOR-3] `writeValue` refuses with INPUT_INVALID what a reader would refuse, and says where it stands.
 * Not here: sorting the keys of maps written by hand (`map`, then `text` and a value each); `writeValue` sorts its own.
 */
import { compareKeys, linkBytesLength, linkPrefix, major, simple } from "./cbor.ts";
import { assert, TidemarkError } from "./errors.ts";
import { type EntryId, type PublicKey, writeHex } from "./ids.ts";
import { depthMax, valueItemsMax } from "./limits.ts";
import { utf8Length, writeAscii, writeUtf8 } from "./utf8.ts";

/** Far above anything written in one piece; a guess that stops a runaway before the allocator does. */
const bytesMaxDefault = 2 ** 30;
const headBytesMax = 9;
const float64 = new DataView(new ArrayBuffer(8));

export class CborWriter {
  #bytes: Uint8Array;
  #length = 0;
  readonly #bytesMax: number;
  /** Where `writeValue` stands: the field it was called for, then keys and indexes. */
  #path: (string | number)[] = [];
  #items = 0;

  /** `capacity` is a first guess in bytes. Growing past `bytesMax` fails with CBOR_TOO_LARGE. */
  constructor(capacity = 256, bytesMax: number = bytesMaxDefault) {
    this.#bytes = new Uint8Array(capacity);
    this.#bytesMax = bytesMax;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Starts anew. Views handed out before see their bytes overwritten. */
  reset(): void {
    this.#length = 0;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** What was written, without copying. Later writes leave it as it is; `reset` does not. */
  view(from = 0, to: number = this.#length): Uint8Array {
    return this.#bytes.subarray(from, to);
  }

  uint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "uint of a number that is none");
    this.#head(major.uint, value);
  }

  /** Any integer within ±(2^53 − 1). */
  int(value: number): void {
    assert(Number.isSafeInteger(value), "int of a number that is none");
    if (value < 0) this.#head(major.negative, -1 - value);
    else this.#head(major.uint, value);
  }

  /** Any finite number in its one canonical form: an int when it is a safe integer, else a float of 64 bits. */
  number(value: number): void {
    if (Number.isSafeInteger(value)) return this.int(value);
    if (!Number.isFinite(value)) throw this.#invalid(value, "a finite number");
    const at = this.#room(9);
    this.#bytes[at] = simple.float64;
    float64.setFloat64(0, value);
    for (let i = 0; i < 8; i++) this.#bytes[at + 1 + i] = float64.getUint8(i);
    this.#length = at + 9;
  }

  boolean(value: boolean): void {
    this.#byte(value ? simple.true : simple.false);
  }

  null(): void {
    this.#byte(simple.null);
  }

  bytes(value: Uint8Array): void {
    this.#head(major.bytes, value.length);
    this.raw(value);
  }

  /** Fails with INPUT_INVALID for a lone surrogate. */
  text(value: string): void {
    const start = this.#length;
    this.#head(major.text, value.length);
    const at = this.#room(value.length);
    if (writeAscii(value, this.#bytes, at)) this.#length = at + value.length;
    else this.#multibyteText(value, start);
  }

  #multibyteText(value: string, start: number): void {
    this.#length = start;
    const length = utf8Length(value);
    if (length < 0) throw this.#invalid("text with a lone surrogate", "well-formed text");
    this.#head(major.text, length);
    const at = this.#room(length);
    this.#length = writeUtf8(value, this.#bytes, at);
  }

  /** The head of an array; `length` items follow. */
  array(length: number): void {
    this.#head(major.array, length);
  }

  /** The head of a map; `length` pairs of a text and a value follow, the keys in the order of [CBOR-2]. */
  map(length: number): void {
    this.#head(major.map, length);
  }

  link(id: EntryId): void {
    const at = this.#room(linkBytesLength);
    this.#bytes.set(linkPrefix, at);
    writeHex(id, this.#bytes, at + linkPrefix.length);
    this.#length = at + linkBytesLength;
  }

  linkOrNull(id: EntryId | undefined): void {
    if (id === undefined) this.null();
    else this.link(id);
  }

  /** The key's 32 bytes as a byte string. */
  publicKey(key: PublicKey): void {
    this.#head(major.bytes, 32);
    const at = this.#room(32);
    writeHex(key, this.#bytes, at);
    this.#length = at + 32;
  }

  /** Bytes as they are: something encoded before. */
  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    this.#length = at + bytes.length;
  }

  /**
   * Writes null, booleans, numbers, texts, Uint8Arrays, arrays and plain objects of these, nested at most `depthMax` deep and
   * at most `valueItemsMax` in all. Anything else (undefined, NaN, holes, class instances, cycles) fails with INPUT_INVALID;
   * its `field` starts with the given one, and nothing has been written then.
   */
  writeValue(value: unknown, field = "value"): void {
    const start = this.#length;
    this.#path = [field];
    this.#items = 0;
    let complete = false;
    try {
      this.#value(value);
      complete = true;
    } finally {
      if (!complete) this.#length = start;
      this.#path = [];
    }
  }

  #value(value: unknown): void {
    if (++this.#items > valueItemsMax) throw this.#invalid("more", `at most ${valueItemsMax} values`);
    if (typeof value === "string") this.text(value);
    else if (typeof value === "number") this.number(value);
    else if (typeof value === "boolean") this.boolean(value);
    else if (value === null) this.null();
    else if (value instanceof Uint8Array) this.bytes(value);
    else if (Array.isArray(value)) this.#list(value);
    else if (isPlainObject(value)) this.#object(value);
    else throw this.#invalid(value, "null, boolean, number, text, Uint8Array, array or plain object");
  }

  #list(list: readonly unknown[]): void {
    const length = list.length;
    this.array(length);
    const level = this.#descend();
    for (let i = 0; i < length; i++) {
      this.#path[level] = i;
      this.#value(list[i]);
    }
    this.#path.length = level;
  }

  #object(object: Readonly<Record<string, unknown>>): void {
    const keys = Object.keys(object);
    if (!isSorted(keys)) keys.sort(compareKeys);
    this.map(keys.length);
    const level = this.#descend();
    for (const key of keys) {
      this.#path[level] = key;
      this.text(key);
      this.#value(object[key]);
    }
    this.#path.length = level;
  }

  /** The place in the path for what stands inside this array or object. Also ends cycles. */
  #descend(): number {
    const level = this.#path.length;
    if (level > depthMax) throw this.#invalid("deeper nesting or a cycle", `at most ${depthMax} levels`);
    return level;
  }

  #invalid(value: unknown, expected: string): TidemarkError {
    const [field = "number or text", ...steps] = this.#path;
    const path = steps.map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`)).join("");
    return new TidemarkError("INPUT_INVALID", { field: `${field}${path}`, got: describe(value), expected });
  }

  #byte(byte: number): void {
    const at = this.#room(1);
    this.#bytes[at] = byte;
    this.#length = at + 1;
  }

  #head(type: number, argument: number): void {
    const at = this.#room(headBytesMax);
    const bytes = this.#bytes;
    const high = type << 5;
    if (argument < 24) {
      bytes[at] = high | argument;
      this.#length = at + 1;
    } else if (argument < 0x100) {
      bytes[at] = high | 24;
      bytes[at + 1] = argument;
      this.#length = at + 2;
    } else if (argument < 0x10000) {
      bytes[at] = high | 25;
      this.#bigEndian(argument, at + 1, 2);
    } else if (argument < 0x1_0000_0000) {
      bytes[at] = high | 26;
      this.#bigEndian(argument, at + 1, 4);
    } else {
      bytes[at] = high | 27;
      this.#bigEndian(Math.floor(argument / 0x1_0000_0000), at + 1, 4);
      this.#bigEndian(argument, at + 5, 4);
    }
  }

  /** Writes the low `count` bytes (at most 4) and ends what was written behind them. */
  #bigEndian(value: number, at: number, count: number): void {
    for (let i = 0; i < count; i++) this.#bytes[at + i] = value >>> (8 * (count - 1 - i));
    this.#length = at + count;
  }

  /** Makes room for `count` more bytes and returns where they go. */
  #room(count: number): number {
    if (this.#length + count > this.#bytes.length) this.#grow(count);
    return this.#length;
  }

  #grow(count: number): void {
    const needed = this.#length + count;
    if (needed > this.#bytesMax) throw new TidemarkError("CBOR_TOO_LARGE", { got: needed, max: this.#bytesMax });
    const larger = new Uint8Array(Math.max(needed, Math.min(2 * this.#bytes.length, this.#bytesMax)));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function isSorted(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) {
    if (compareKeys(keys[i - 1] as string, keys[i] as string) > 0) return false;
  }
  return true;
}

function describe(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || value === undefined) return String(value);
  return typeof value === "object" ? Object.prototype.toString.call(value) : typeof value;
}
