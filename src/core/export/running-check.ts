/**
 * Chunks of a file that anybody can read: each ends in a hash of itself and of all before it.
 *
 * [EXPORT-3] A chunk that was changed, left out, put elsewhere or taken from another file is noticed, and so is everything after it. It
 *            tells accidents, and not whoever wants to deceive: entries are signed, and judged one by one.
 */
import { concatBytes, equalBytes } from "../bytes.ts";
import { domainTags } from "../domain-tags.ts";
import type { Sha256 } from "../ids.ts";
import { encodeUtf8 } from "../utf8.ts";

const tag = encodeUtf8(domainTags.exportChunk);
const checkBytesLength = 32;

/** One for writing, one for reading. Each call is the next chunk. */
export class RunningCheck {
  readonly #sha256: Sha256;
  #last: Uint8Array;

  /** `first`: the check of the header. */
  constructor(sha256: Sha256, first: Uint8Array) {
    this.#sha256 = sha256;
    this.#last = first;
  }

  seal(chunk: Uint8Array, isLast: boolean): Uint8Array {
    this.#last = this.#of(chunk, isLast);
    return concatBytes(chunk, this.#last);
  }

  /** Undefined: this is not what was sealed at this place. */
  open(sealed: Uint8Array, isLast: boolean): Uint8Array | undefined {
    if (sealed.length < checkBytesLength) return undefined;
    const chunk = sealed.subarray(0, -checkBytesLength);
    const check = this.#of(chunk, isLast);
    if (!equalBytes(check, sealed.subarray(-checkBytesLength))) return undefined;
    this.#last = check;
    return chunk;
  }

  #of(chunk: Uint8Array, isLast: boolean): Uint8Array {
    return this.#sha256(concatBytes(tag, this.#last, Uint8Array.of(isLast ? 1 : 0), chunk));
  }
}
