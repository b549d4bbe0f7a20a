/**
 * Sends what there is to send to a relay, in order, one by one and within the rate that every relay takes.
 *
 * What comes next is asked for when it can be sent, so that what became pointless while waiting is never sent.
 */
import { relayBytesBurst, relayBytesPerSecond, relayMessagesBurst, relayMessagesPerSecond } from "../core/limits.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import type { Clock } from "../ports/clock.ts";
import type { RelaySocket } from "./relay-socket.ts";

/** Above this the network does not keep up, and nothing more is handed to the socket. */
const waitingBytesMax: number = 256 * 1024;
const congestionPollMs = 250;

export class RelayOutbox {
  readonly #socket: RelaySocket;
  readonly #clock: Clock;
  readonly #next: () => Promise<Uint8Array> | undefined;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  #isSending = false;
  #isClosed = false;
  #wake: () => void = () => {};

  /** `next` gives the next encoded message, or undefined when there is none; it is called after `kick`. */
  constructor(socket: RelaySocket, clock: Clock, next: () => Promise<Uint8Array> | undefined) {
    this.#socket = socket;
    this.#clock = clock;
    this.#next = next;
    this.#messages = new TokenBucket(relayMessagesPerSecond, relayMessagesBurst, clock.now());
    this.#bytes = new TokenBucket(relayBytesPerSecond, relayBytesBurst, clock.now());
  }

  /** There is something to send. */
  kick(): void {
    if (!this.#isSending) void this.#sendAll();
  }

  /** Nothing is sent from now on. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    try {
      while (!this.#isClosed) {
        await this.#allowed(this.#messages, 1);
        const coming = this.#isClosed ? undefined : this.#next();
        if (coming === undefined) break;
        const frame = await coming;
        await this.#allowed(this.#bytes, frame.length);
        if (this.#isClosed) break;
        this.#messages.take(1, this.#clock.now());
        this.#bytes.take(frame.length, this.#clock.now());
        this.#socket.send(frame);
      }
    } catch (error) {
      this.#socket.abandon(error instanceof Error ? error.message : String(error));
    } finally {
      this.#isSending = false;
    }
  }

  async #allowed(bucket: TokenBucket, count: number): Promise<void> {
    for (;;) {
      const rateMs = bucket.waitMs(count, this.#clock.now());
      const waitMs = this.#socket.waitingBytes > waitingBytesMax ? Math.max(rateMs, congestionPollMs) : rateMs;
      if (waitMs === 0 || this.#isClosed) return;
      await this.#wait(waitMs);
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
