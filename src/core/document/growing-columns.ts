/** Columns of what a document knows of its changes: typed arrays that grow, so that 60,000 changes are a few arrays and not as many objects. */

/** By half at the least: doubling would leave a quarter of the memory unused on average. */
function grown(length: number, needed: number): number {
  return Math.max(needed, length + (length >> 1));
}

/** Unsigned integers of 32 bits. */
export class WordColumn {
  #words = new Uint32Array(16);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  at(place: number): number {
    return this.#words[place] as number;
  }

  push(word: number): void {
    if (this.#length === this.#words.length) this.reserve(1);
    this.#words[this.#length++] = word;
  }

  set(place: number, word: number): void {
    this.#words[place] = word;
  }

  append(words: ArrayLike<number>): void {
    this.reserve(words.length);
    this.#words.set(words, this.#length);
    this.#length += words.length;
  }

  truncate(length: number): void {
    this.#length = length;
  }

  /** Good until the next that is written. */
  view(from = 0, to: number = this.#length): Uint32Array {
    return this.#words.subarray(from, to);
  }

  /** Room for so many more. */
  reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#words.length) return;
    const larger = new Uint32Array(grown(this.#words.length, needed));
    larger.set(this.#words.subarray(0, this.#length));
    this.#words = larger;
  }
}

export class ByteColumn {
  #bytes = new Uint8Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What is written and room for more. Good until the next that is written. */
  get room(): Uint8Array {
    return this.#bytes;
  }

  append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(grown(this.#bytes.length, needed));
      larger.set(this.view());
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = needed;
  }

  truncate(length: number): void {
    this.#length = length;
  }

  /** Good until the next that is written. */
  view(from = 0, to: number = this.#length): Uint8Array {
    return this.#bytes.subarray(from, to);
  }
}
