/**
 * What came on one channel and was not taken yet.
 *
 * [ENGINE-8] A peer's messages are taken in their order.
 * [ENGINE-19] A peer that sends faster than it is answered is let wait, and cut off when more than `inboundMessagesMax`
 *             messages or `inboundBytesMax` bytes of it wait; from a stranger 1/64 of these bytes.
 * [PATH-3] What comes is taken no faster than the caps allow.
 */
import { inboundBytesMax, inboundMessagesMax, outboundMessagesMax } from "../core/limits.ts";
import type { Allowance } from "./allowance.ts";
import type { PeerBandwidth } from "./bandwidth.ts";
import type { InboundBudget, InboundHolder } from "./inbound-budget.ts";
import type { Outbound } from "./outbound.ts";

export interface InboundOptions {
  readonly budget: InboundBudget;
  readonly bandwidth: Pick<PeerBandwidth, "receiving">;
  readonly allowance: Pick<Allowance, "taking" | "trust" | "close">;
  readonly outbound: Pick<Outbound, "waiting" | "settled">;
  /** The next message is not taken before it is done. */
  readonly take: (bytes: Uint8Array) => void | Promise<void>;
  /** More waits than may, here or of all peers. */
  readonly overrun: (got: number, max: number) => void;
  readonly failed: (error: unknown) => void;
}

export class Inbound implements InboundHolder {
  readonly #options: InboundOptions;
  /** One after the other. */
  #tasks: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #waitingBytes = 0;
  #waitingBytesMax: number = inboundBytesMax / 64;
  #isClosed = false;

  constructor(options: InboundOptions) {
    this.#options = options;
  }

  /** Messages that came and were not taken. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The peer is a stranger no more. */
  trust(): void {
    this.#waitingBytesMax = inboundBytesMax;
    this.#options.allowance.trust();
  }

  add(bytes: Uint8Array): void {
    this.#waiting += 1;
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > this.#waitingBytesMax) return this.overrun(this.#waitingBytes, this.#waitingBytesMax);
    if (this.#waiting > inboundMessagesMax) return this.overrun(this.#waiting, inboundMessagesMax);
    this.#options.budget.add(this, bytes.length);
    this.run(() => this.#take(bytes));
  }

  /** Runs something after all that came before. */
  run(task: () => void | Promise<void>): void {
    this.#tasks = this.#tasks
      .then(() => (this.#isClosed ? undefined : task()))
      .catch((error: unknown) => this.#options.failed(error));
  }

  overrun(got: number, max: number): void {
    this.#options.overrun(got, max);
  }

  /** What waits is dropped. */
  close(): void {
    this.#isClosed = true;
    this.#options.budget.release(this);
    this.#options.allowance.close();
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const { allowance, bandwidth, budget, outbound, take } = this.#options;
    // It waits while it waits for the caps: whoever sends faster than it may runs into the limits above.
    await allowance.taking(bytes.length);
    await bandwidth.receiving(bytes.length);
    this.#waiting -= 1;
    this.#waitingBytes -= bytes.length;
    budget.take(this, bytes.length);
    // Answers must not pile up for somebody who asks and does not read.
    if (outbound.waiting > outboundMessagesMax) await outbound.settled();
    if (!this.#isClosed) await take(bytes);
  }
}
