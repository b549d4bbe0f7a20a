/** Puts a message together from its parts. */
import { concatBytes } from "../core/bytes.ts";
import type { Part } from "./packet.ts";

export class Assembly {
  readonly #room: () => number;
  #parts: Uint8Array[] = [];
  #length = 0;
  /** Of the message that is under way. */
  #left: number | undefined;

  /** `room`: how many bytes more may be kept. */
  constructor(room: () => number) {
    this.#room = room;
  }

  /** Bytes that are kept. */
  get length(): number {
    return this.#length;
  }

  /** The message, when this was its last part. "wrong": it does not follow from the one before it, or the message is too long. */
  add({ left, bytes }: Pick<Part, "left" | "bytes">): Uint8Array | "wrong" | undefined {
    const isFirst = this.#left === undefined;
    const follows = isFirst ? bytes.length > 0 || left === 0 : bytes.length > 0 && this.#left === left + bytes.length;
    if (!follows || bytes.length + left > this.#room()) {
      this.#clear();
      return "wrong";
    }
    this.#parts.push(bytes);
    this.#length += bytes.length;
    this.#left = left;
    if (left > 0) return undefined;
    const message = concatBytes(...this.#parts);
    this.#clear();
    return message;
  }

  #clear(): void {
    this.#parts = [];
    this.#length = 0;
    this.#left = undefined;
  }
}
