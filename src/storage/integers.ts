/**
 * A row of integers in few bytes: small ones, which are most, take one.
 *
 * The first byte holds a sign and six bits, every further one seven bits, lowest first; the top bit says that another
 * byte follows. Any safe integer fits into eight bytes.
 */
import { corrupt } from "./record.ts";

const follows = 0x80;
const negative = 0x40;
const firstRange = 0x40;
const furtherRange = 0x80;

export class IntegerWriter {
  #bytes: Uint8Array = new Uint8Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Takes any safe integer. */
  write(integer: number): void {
    if (this.#length + 8 > this.#bytes.length) this.#grow();
    const magnitude = Math.abs(integer);
    let rest = Math.floor(magnitude / firstRange);
    this.#bytes[this.#length++] = (magnitude % firstRange) | (integer < 0 ? negative : 0) | (rest > 0 ? follows : 0);
    while (rest > 0) {
      const low = rest % furtherRange;
      rest = Math.floor(rest / furtherRange);
      this.#bytes[this.#length++] = low | (rest > 0 ? follows : 0);
    }
  }

  /** What was written; a view. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

export class IntegerReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  /** Reads `bytes` from `from` up to `to`. */
  constructor(bytes: Uint8Array, from = 0, to: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  /** The bytes not read yet: an upper limit for how many integers can follow. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** Throws STORAGE_CORRUPT when there is no safe integer. */
  read(): number {
    const first = this.#next();
    if (first < negative) return first;
    let magnitude = first & (firstRange - 1);
    let place = firstRange;
    for (let byte = first; byte >= follows; place *= furtherRange) {
      byte = this.#next();
      magnitude += (byte & (furtherRange - 1)) * place;
      if (magnitude > Number.MAX_SAFE_INTEGER) throw corrupt("an integer of an index record is too large");
    }
    return (first & negative) === 0 ? magnitude : -magnitude;
  }

  #next(): number {
    if (this.#at >= this.#end) throw corrupt("an index record ends early");
    return this.#bytes[this.#at++] as number;
  }
}
