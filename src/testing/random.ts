/** Randomness that repeats: the same seed gives the same run. Never for keys or nonces of a real device. */
import { assert } from "../core/errors.ts";
import type { Random } from "../ports/random.ts";

/** The generator is sfc32 by Chris Doty-Humphrey (PractRand): four 32-bit words, of which one counts. */
export class SeededRandom implements Random {
  readonly #state: Uint32Array;

  /** @param seed an integer; only its low 32 bits count */
  constructor(seed: number) {
    this.#state = Uint32Array.of(seed, 0x9e3779b9, 0x243f6a88, 1);
    // The first outputs of neighbouring seeds resemble each other.
    for (let i = 0; i < 16; i++) this.#next();
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.#next();
    return bytes;
  }

  /** An integer from 0 up to but not including `max`. */
  int(max: number): number {
    return Math.floor(this.fraction() * max);
  }

  /** A number from 0 up to but not including 1. */
  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    assert(items.length > 0, "pick from nothing");
    return items[this.int(items.length)] as T;
  }

  /** A generator of its own: what one part of a simulation draws does not shift what another draws. */
  fork(): SeededRandom {
    return new SeededRandom(this.#next());
  }

  #next(): number {
    const s = this.#state;
    const [a, b, c, counter] = [s[0] as number, s[1] as number, s[2] as number, s[3] as number];
    const out = (a + b + counter) >>> 0;
    s[0] = b ^ (b >>> 9);
    s[1] = c + (c << 3);
    s[2] = ((c << 21) | (c >>> 11)) + out;
    s[3] = counter + 1;
    return out;
  }
}
