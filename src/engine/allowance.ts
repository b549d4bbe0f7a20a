/**
 * How fast the peer at the other end of one channel may make us work.
 *
 * [HOSTILE-6] Messages are taken no faster than the limits allow: `strangerMessagesPerSecond` and `strangerBytesPerSecond` until a
 *             database is shared, `peerMessagesPerSecond` from then on. Whoever sends faster waits, until it runs into what may wait.
 * [HOSTILE-7] Signatures are checked for one peer no faster than `peerChecksPerSecond`; after `badSignaturesMax` that were bad it is
 *             cut off.
 *
 * What was checked is paid for afterwards: the next message waits. How much may wait is for inbound.ts to say.
 */
import {
  badSignaturesMax,
  peerChecksBurst,
  peerChecksPerSecond,
  peerMessagesBurst,
  peerMessagesPerSecond,
  strangerBytesBurst,
  strangerBytesPerSecond,
  strangerMessagesBurst,
  strangerMessagesPerSecond,
} from "../core/limits.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import type { Clock } from "../ports/clock.ts";

export class Allowance {
  readonly #clock: Clock;
  readonly #messages: TokenBucket;
  readonly #checks: TokenBucket;
  /** Undefined once the peer is a stranger no more: from then on only what the user set caps the bytes. */
  #bytes: TokenBucket | undefined;
  /** Checks that were made and not paid for. */
  #owed = 0;
  #bad = 0;
  #cancel: () => void = () => {};
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    const nowMs = clock.now();
    this.#messages = new TokenBucket(strangerMessagesPerSecond, strangerMessagesBurst, nowMs);
    this.#bytes = new TokenBucket(strangerBytesPerSecond, strangerBytesBurst, nowMs);
    this.#checks = new TokenBucket(peerChecksPerSecond, peerChecksBurst, nowMs);
  }

  /** The peer is a stranger no more. */
  trust(): void {
    this.#messages.change(peerMessagesPerSecond, peerMessagesBurst, this.#clock.now());
    this.#bytes = undefined;
  }

  /** Resolves when the next message may be taken; undefined: at once. Not to be asked again before. */
  taking(bytes: number): Promise<void> | undefined {
    const waitMs = this.#waitMs(bytes);
    if (waitMs > 0 && !this.#isClosed) return this.#wait(bytes, waitMs);
    this.#pay(bytes);
    return undefined;
  }

  /** So many signatures were checked for the peer, and so many of them were bad. False: it is to be cut off. */
  checked(count: number, bad: number): boolean {
    this.#owed += count;
    this.#bad += bad;
    return this.#bad <= badSignaturesMax;
  }

  /** Idempotent. Nothing waits any more. */
  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  #wait(bytes: number, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(waitMs, () => {
        this.#pay(bytes);
        resolve();
      });
      this.#cancel = () => {
        cancel();
        resolve();
      };
    });
  }

  #waitMs(bytes: number): number {
    const nowMs = this.#clock.now();
    return Math.max(
      this.#messages.waitMs(1, nowMs),
      this.#bytes?.waitMs(bytes, nowMs) ?? 0,
      this.#checks.waitMs(this.#owed, nowMs),
    );
  }

  #pay(bytes: number): void {
    const nowMs = this.#clock.now();
    this.#messages.take(1, nowMs);
    this.#bytes?.take(bytes, nowMs);
    this.#checks.take(this.#owed, nowMs);
    this.#owed = 0;
  }
}
