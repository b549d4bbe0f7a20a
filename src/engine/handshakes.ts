/**
 * The handshakes under way, and who may begin one: each costs a signature and a check, and keeps a place for seconds.
 *
 * [HOSTILE-8] Strangers begin at most `strangerHandshakesPerSecond` handshakes, and at most `handshakesMax` of theirs are under way; whoever
 *             comes then takes the place of the one that takes longest, if that had `handshakeGraceMs`. Peers that we know, and
 *             those that we dial, are not held up by strangers.
 */
import type { PublicKey } from "../core/ids.ts";
import {
  handshakeGraceMs,
  handshakesMax,
  pathsPerPeerMax,
  strangerHandshakesBurst,
  strangerHandshakesPerSecond,
} from "../core/limits.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import type { Clock } from "../ports/clock.ts";
import type { Path } from "./path.ts";

export class Handshakes {
  readonly #clock: Clock;
  readonly #isKnown: (key: PublicKey) => boolean;
  readonly #paths = new Set<Path>();
  readonly #allowance: TokenBucket;

  constructor(clock: Clock, isKnown: (key: PublicKey) => boolean) {
    this.#clock = clock;
    this.#isKnown = isKnown;
    this.#allowance = new TokenBucket(strangerHandshakesPerSecond, strangerHandshakesBurst, clock.now());
  }

  get size(): number {
    return this.#paths.size;
  }

  add(path: Path): void {
    this.#paths.add(path);
  }

  delete(path: Path): void {
    this.#paths.delete(path);
  }

  /** Whether one more may begin with whoever is expected, if anybody; makes room for it. */
  admits(expected: PublicKey | undefined, address: string | undefined): boolean {
    const begun = [...this.#paths].filter((path) => expected !== undefined && path.expected === expected).length;
    if (begun >= pathsPerPeerMax) return false;
    if (!this.#isStranger(expected, address)) return true;
    if (!this.#allowance.take(1, this.#clock.now())) return false;
    return this.#strangers().length < handshakesMax || this.makeRoom();
  }

  /** Lets the stranger go that takes longest, if that is long. */
  makeRoom(): boolean {
    const nowMs = this.#clock.now();
    const [slowest] = this.#strangers().filter(({ sinceMs }) => nowMs - sinceMs >= handshakeGraceMs);
    slowest?.close();
    return slowest !== undefined;
  }

  closeAll(): void {
    for (const path of [...this.#paths]) path.close();
  }

  #strangers(): readonly Path[] {
    return [...this.#paths].filter(({ expected, address }) => this.#isStranger(expected, address));
  }

  #isStranger(expected: PublicKey | undefined, address: string | undefined): boolean {
    return address === undefined && (expected === undefined || !this.#isKnown(expected));
  }
}
