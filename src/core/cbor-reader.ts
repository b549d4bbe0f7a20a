/**
 * Reads canonical DAG-CBOR, item by item, and refuses everything else.
 *
 * [CBOR-5] Whatever is not the one canonical form is refused: CBOR_NONCANONICAL for another form of a value we have,
 *          CBOR_UNSUPPORTED for a value we do not have, CBOR_UNEXPECTED for a value of another type than asked for.
 * [CBOR-6] Input that ends early is CBOR_TRUNCATED, input left over at `end` is CBOR_TRAILING.
 * [CBOR-7] Nothing is allocated for a length that the input only claims: an item of n bytes, an array of n items needs n
 *          bytes left. Nesting and number of items in one value are limited: CBOR_TOO_DEEP, CBOR_TOO_LARGE.
 * Byte strings are views into the input, except inside a `value`. Not here: the order of keys in maps read by hand; `value` checks its own.
 */
import { type CborKind, type CborValue, linkBytesLength, linkPrefix, major, simple } from "./cbor.ts";
import { TidemarkError } from "./errors.ts";
import { type EntryId, entryIdFromDigest, type PublicKey, publicKeyFromBytes } from "./ids.ts";
import { depthMax, valueItemsMax } from "./limits.ts";
import { readUtf8 } from "./utf8.ts";

/** By major type. */
const kinds = Object.keys(major) as readonly CborKind[];

/** The least argument that takes so many bytes behind the head: a smaller one has a shorter form. */
const leastBySize: readonly number[] = [0, 24, 0x100, 0, 0x1_0000, 0, 0, 0, 0x1_0000_0000];

/** For `skip`, by depth: how many items are left, and whether they are those of a map. */
const itemsLeft = new Uint32Array(depthMax + 1);
const isMap = new Uint8Array(depthMax + 1);

const float64 = new DataView(new ArrayBuffer(8));

export class CborReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  #items = 0;
  #levelsMax = 0;

  /** Reads `bytes` from `from` up to `to`. Positions in failures count from the start of `bytes`. */
  constructor(bytes: Uint8Array, from = 0, to: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  /** The position of the next item. */
  get at(): number {
    return this.#at;
  }

  /** Goes on from a position where an item starts. */
  seek(at: number): void {
    this.#at = at;
  }

  /** The type of the next item. Fails with CBOR_TRUNCATED when there is none. */
  peek(): CborKind {
    return kinds[this.#first() >> 5] as CborKind;
  }

  /** Fails with CBOR_TRAILING when something is left. */
  end(): void {
    if (this.#at < this.#end) throw new TidemarkError("CBOR_TRAILING", { at: this.#at });
  }

  /** An integer from 0 to `max`. Above: CBOR_TOO_LARGE. */
  uint(max: number = Number.MAX_SAFE_INTEGER): number {
    return limited(this.#head(major.uint), max);
  }

  /** An integer within ±(2^53 − 1). */
  int(): number {
    if (this.#first() >> 5 !== major.negative) return this.uint();
    const at = this.#at;
    const value = -1 - this.#head(major.negative);
    if (!Number.isSafeInteger(value)) throw unsupported(at, "integer beyond 2^53 − 1");
    return value;
  }

  /** Any finite number. */
  number(): number {
    if (this.#first() >> 5 !== major.simple) return this.int();
    return this.#first() === simple.float64 ? this.#float() : this.#refuseSimple("number");
  }

  boolean(): boolean {
    const first = this.#first();
    if (first !== simple.true && first !== simple.false) return this.#refuseSimple("boolean");
    this.#at++;
    return first === simple.true;
  }

  /** Steps over a null if one is next, and says whether it was. */
  null(): boolean {
    if (this.#first() !== simple.null) return false;
    this.#at++;
    return true;
  }

  /** A byte string of at most `max` bytes, as a view into the input. */
  bytes(max: number = Number.MAX_SAFE_INTEGER): Uint8Array {
    const from = this.#span(major.bytes, max);
    return this.#bytes.subarray(from, this.#at);
  }

  /** A text of at most `max` bytes of UTF-8. */
  text(max: number = Number.MAX_SAFE_INTEGER): string {
    const from = this.#span(major.text, max);
    const text = readUtf8(this.#bytes, from, this.#at);
    if (text === undefined) throw nonCanonical(from, "text that is not UTF-8");
    return text;
  }

  /** The head of an array of at most `max` items; returns how many follow. */
  array(max: number = Number.MAX_SAFE_INTEGER): number {
    const length = limited(this.#head(major.array), max);
    this.#need(length);
    return length;
  }

  /** The head of a map of at most `max` pairs; returns how many follow. */
  map(max: number = Number.MAX_SAFE_INTEGER): number {
    const length = limited(this.#head(major.map), max);
    this.#need(2 * length);
    return length;
  }

  /** A link to an entry. Any other CID is CBOR_UNSUPPORTED. */
  link(): EntryId {
    const at = this.#at;
    for (let i = 0; i < linkPrefix.length; i++) {
      if (this.#bytes[at + i] !== linkPrefix[i]) this.#refuseLink(at, i);
    }
    this.#need(linkBytesLength);
    this.#at = at + linkBytesLength;
    return entryIdFromDigest(this.#bytes.subarray(at + linkPrefix.length, this.#at));
  }

  linkOrNull(): EntryId | undefined {
    return this.null() ? undefined : this.link();
  }

  /** A byte string of 32 bytes. */
  publicKey(): PublicKey {
    return publicKeyFromBytes(this.fixedBytes(32));
  }

  /** A byte string of exactly `length` bytes. Another length: CBOR_UNEXPECTED. */
  fixedBytes(length: number): Uint8Array {
    const at = this.#at;
    const bytes = this.bytes();
    if (bytes.length !== length) throw unexpected(at, `${bytes.length} bytes`, `${length} bytes`);
    return bytes;
  }

  /**
   * The next item with everything in it: what `CborWriter.writeValue` writes. Arrays and maps may be nested `levels` deep
   * (CBOR_TOO_DEEP) and hold `valueItemsMax` values in all (CBOR_TOO_LARGE). Keys such as `__proto__` are own properties.
   */
  value(levels: number = depthMax): CborValue {
    this.#items = 0;
    this.#levelsMax = levels;
    return this.#value(levels);
  }

  /**
   * Steps over what `value` would return. Its structure is checked: types, lengths, nesting and number of items; not what texts hold, nor the order of
   * keys. One loop, because this goes over everything that is kept of a database.
   */
  skip(): void {
    this.#levelsMax = depthMax;
    let depth = 0;
    itemsLeft[0] = 1;
    for (let items = 0; depth >= 0; ) {
      const left = itemsLeft[depth] as number;
      if (left === 0) {
        depth--;
        continue;
      }
      itemsLeft[depth] = left - 1;
      const type = this.#first() >> 5;
      // Of a map an even number of items is left where a key comes next.
      if (depth > 0 && isMap[depth] === 1 && left % 2 === 0) {
        if (type !== major.text) throw unexpected(this.#at, kinds[type] as CborKind, "text");
      } else limited(++items, valueItemsMax);
      if (type === major.text || type === major.bytes) this.#span(type, Number.MAX_SAFE_INTEGER);
      else if (type === major.array || type === major.map) {
        this.#checkLevels(depthMax - depth);
        depth++;
        itemsLeft[depth] = type === major.map ? 2 * this.map() : this.array();
        isMap[depth] = type === major.map ? 1 : 0;
      } else if (type === major.uint || type === major.negative) this.int();
      else if (type === major.tag) throw unsupported(this.#at, "tag");
      else this.#simple();
    }
  }

  /** Steps over a byte string of exactly `length` bytes. Another length: CBOR_UNEXPECTED. */
  skipFixedBytes(length: number): void {
    const at = this.#at;
    const from = this.#span(major.bytes, Number.MAX_SAFE_INTEGER);
    const got = this.#at - from;
    if (got !== length) throw unexpected(at, `${got} bytes`, `${length} bytes`);
  }

  /** Steps over a text of at most `max` bytes and returns where its content starts; it ends at the new position. */
  skipText(max: number = Number.MAX_SAFE_INTEGER): number {
    return this.#span(major.text, max);
  }

  #value(levels: number): CborValue {
    limited(++this.#items, valueItemsMax);
    switch (this.#first() >> 5) {
      case major.uint:
      case major.negative:
        return this.int();
      case major.bytes:
        return this.bytes().slice(); // A value outlives the input, and cloning a view to a page would clone all of it.
      case major.text:
        return this.text();
      case major.array:
        return this.#list(levels);
      case major.map:
        return this.#object(levels);
      case major.tag:
        throw unsupported(this.#at, "tag");
      default:
        return this.#simple();
    }
  }

  #list(levels: number): readonly CborValue[] {
    this.#checkLevels(levels);
    const list: CborValue[] = [];
    for (let left = this.array(); left > 0; left--) list.push(this.#value(levels - 1));
    return list;
  }

  #checkLevels(levels: number): void {
    if (levels === 0) throw new TidemarkError("CBOR_TOO_DEEP", { at: this.#at, max: this.#levelsMax });
  }

  #object(levels: number): Readonly<Record<string, CborValue>> {
    this.#checkLevels(levels);
    const object: Record<string, CborValue> = {};
    let previous = -1;
    for (let left = this.map(); left > 0; left--) {
      const at = this.#at;
      const key = this.text();
      if (previous >= 0 && !this.#ascends(previous, at)) throw nonCanonical(at, "map keys repeated or out of order");
      previous = at;
      setOwn(object, key, this.#value(levels - 1));
    }
    return object;
  }

  /**
   * Whether the item at `b` is greater than the one at `a`. Comparing them with their heads gives the order of [CBOR-2]: a
   * shorter text has a smaller head. The item at `a` ends before `b`, so a byte differs before either ends, or they are equal.
   */
  #ascends(a: number, b: number): boolean {
    const length = this.#at - b;
    for (let i = 0; i < length; i++) {
      const difference = (this.#bytes[b + i] as number) - (this.#bytes[a + i] as number);
      if (difference !== 0) return difference > 0;
    }
    return false;
  }

  #simple(): CborValue {
    const first = this.#first();
    if (first === simple.float64) return this.#float();
    if (this.null()) return null;
    return first === simple.true || first === simple.false ? this.boolean() : this.#refuseSimple("value");
  }

  #float(): number {
    const at = this.#at;
    this.#need(9);
    for (let i = 0; i < 8; i++) float64.setUint8(i, this.#bytes[at + 1 + i] as number);
    const value = float64.getFloat64(0);
    if (!Number.isFinite(value)) throw nonCanonical(at, "NaN or Infinity");
    if (Number.isSafeInteger(value)) throw nonCanonical(at, "integer as a float");
    this.#at = at + 9;
    return value;
  }

  /** Steps over a byte string or text and returns where its content starts; it ends at the new position. */
  #span(type: number, max: number): number {
    const length = limited(this.#head(type), max);
    this.#need(length);
    const from = this.#at;
    this.#at = from + length;
    return from;
  }

  #first(): number {
    this.#need(1);
    return this.#bytes[this.#at] as number;
  }

  #need(count: number): void {
    if (count > this.#end - this.#at) throw new TidemarkError("CBOR_TRUNCATED", { at: this.#end });
  }

  /** Steps over an item's head of this major type and returns its argument. */
  #head(type: number): number {
    const first = this.#first();
    if (first >> 5 !== type) throw unexpected(this.#at, kinds[first >> 5] as CborKind, kinds[type] as CborKind);
    const info = first & 31;
    if (info >= 24) return this.#longArgument(info);
    this.#at++;
    return info;
  }

  #longArgument(info: number): number {
    const at = this.#at;
    if (info === 31) throw nonCanonical(at, "indefinite length");
    if (info > 27) throw unsupported(at, "reserved length");
    const size = 1 << (info - 24);
    this.#need(1 + size);
    let value = 0;
    for (let i = 1; i <= size; i++) value = value * 256 + (this.#bytes[at + i] as number);
    if (value < (leastBySize[size] as number)) throw nonCanonical(at, "number in a longer form than needed");
    if (!Number.isSafeInteger(value)) throw unsupported(at, "integer beyond 2^53 − 1");
    this.#at = at + 1 + size;
    return value;
  }

  #refuseLink(at: number, matched: number): never {
    if (at + matched >= this.#end) throw new TidemarkError("CBOR_TRUNCATED", { at: this.#end });
    if (matched >= 2) throw unsupported(at, "link that is not a CIDv1 of dag-cbor and sha2-256");
    throw unexpected(at, this.peek(), "link");
  }

  /** Fails for the item that comes next, which is not of the expected simple type. */
  #refuseSimple(expected: string): never {
    const first = this.#first();
    if (first >> 5 !== major.simple) throw unexpected(this.#at, this.peek(), expected);
    if (first === 0xf9 || first === 0xfa) throw nonCanonical(this.#at, "float in a shorter form");
    if (first === 0xff) throw nonCanonical(this.#at, "indefinite length");
    const known = Object.entries(simple).find(([, byte]) => byte === first);
    if (known !== undefined) throw unexpected(this.#at, known[0], expected);
    throw unsupported(this.#at, first === 0xf7 ? "undefined" : "simple value");
  }
}

function limited(got: number, max: number): number {
  if (got > max) throw new TidemarkError("CBOR_TOO_LARGE", { got, max });
  return got;
}

/** Names that assigning to may do something else with than make a property. Looked up here, because asking the object costs more. */
const inherited: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/** An inherited name, `__proto__` above all, must not reach a setter or a read-only property. */
function setOwn(object: Record<string, CborValue>, key: string, value: CborValue): void {
  if (inherited.has(key))
    Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
  else object[key] = value;
}

function nonCanonical(at: number, what: string): TidemarkError {
  return new TidemarkError("CBOR_NONCANONICAL", { at, what });
}

function unsupported(at: number, what: string): TidemarkError {
  return new TidemarkError("CBOR_UNSUPPORTED", { at, what });
}

function unexpected(at: number, got: string, expected: string): TidemarkError {
  return new TidemarkError("CBOR_UNEXPECTED", { at, got, expected });
}
