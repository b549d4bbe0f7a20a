/** Digests of 32 bytes by their place, and the place of each: without a text or an object for any of them. */
import { encodeHex, writeHex } from "../ids.ts";
import { ByteColumn } from "./growing-columns.ts";

export const digestBytes = 32;
const scratch = new Uint8Array(digestBytes);

export class DigestTable {
  readonly #digests = new ByteColumn();
  /** By where a digest's first and last bytes point to, or the next that is free: its place and 1. At least half of them are 0. */
  #slots = new Int32Array(16);
  /** Leaves as many of 32 bits as tell the slots apart. */
  #shift = 28;

  get length(): number {
    return this.#digests.length / digestBytes;
  }

  /** The place of the digest at `offset` of `bytes`; −1: it is not there. */
  find(bytes: Uint8Array, offset = 0): number {
    const digests = this.#digests.room;
    const slots = this.#slots;
    for (let slot = this.#slotOf(bytes, offset); ; slot = (slot + 1) & (slots.length - 1)) {
      const place = (slots[slot] as number) - 1;
      if (place < 0 || isSame(digests, place * digestBytes, bytes, offset)) return place;
    }
  }

  findHex(hex: string): number {
    writeHex(hex, scratch, 0);
    return this.find(scratch);
  }

  /** Of one that is not there. */
  add(bytes: Uint8Array, offset = 0): number {
    const place = this.length;
    this.addAll(bytes.subarray(offset, offset + digestBytes));
    return place;
  }

  /** Of digests one behind the other, none of which is there. */
  addAll(bytes: Uint8Array): void {
    let from = this.length;
    this.#digests.append(bytes);
    if (2 * this.length > this.#slots.length) {
      this.#makeRoom();
      from = 0;
    }
    for (let place = from; place < this.length; place++) this.#enter(place);
  }

  /** Only those at the places below stay. */
  truncate(length: number): void {
    for (let place = this.length - 1; place >= length; place--) this.#leave(place);
    this.#digests.truncate(length * digestBytes);
  }

  /** Good until the next is added. */
  view(from: number, to: number): Uint8Array {
    return this.#digests.view(from * digestBytes, to * digestBytes);
  }

  hexAt(place: number): string {
    return encodeHex(this.view(place, place + 1));
  }

  #slotOf(bytes: Uint8Array, offset: number): number {
    const word = wordAt(bytes, offset) ^ wordAt(bytes, offset + digestBytes - 4);
    return Math.imul(word, 0x9e37_79b1) >>> this.#shift;
  }

  #enter(place: number): void {
    const slots = this.#slots;
    let slot = this.#slotOf(this.#digests.room, place * digestBytes);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = place + 1;
  }

  /** Of the last that entered: none has stepped aside for it. */
  #leave(place: number): void {
    const slots = this.#slots;
    let slot = this.#slotOf(this.#digests.room, place * digestBytes);
    while (slots[slot] !== place + 1) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = 0;
  }

  /** All have to enter again. */
  #makeRoom(): void {
    let length = this.#slots.length;
    for (; 2 * this.length > length; length *= 2) this.#shift--;
    this.#slots = new Int32Array(length);
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  return low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}

function isSame(a: Uint8Array, offsetA: number, b: Uint8Array, offsetB: number): boolean {
  for (let i = 0; i < digestBytes; i++) if (a[offsetA + i] !== b[offsetB + i]) return false;
  return true;
}
