/** A pair of data channels in memory, as a browser makes them: with a buffer that empties at the speed of a line. */
import type { Clock } from "../ports/clock.ts";

type Handler = ((event: MessageEvent) => void) | null;

/** Browsers throw `send queue is full` at 16 MiB; whoever keeps far below that is safe everywhere. */
const sendQueueBytesMax = 1024 * 1024;

class MemoryDataChannel {
  binaryType = "arraybuffer";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  readyState: RTCDataChannelState = "connecting";
  onopen: Handler = null;
  onmessage: Handler = null;
  onclose: Handler = null;
  onbufferedamountlow: Handler = null;
  other: MemoryDataChannel = this;
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  #freeAt = 0;

  constructor(clock: Clock, bytesPerMs: number) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerMs;
  }

  open(): void {
    this.readyState = "open";
    this.onopen?.(new MessageEvent("open"));
  }

  send(data: string | ArrayBuffer | Uint8Array): void {
    const bytes = typeof data === "string" ? data : Uint8Array.from(new Uint8Array(data)).buffer;
    const length = typeof bytes === "string" ? bytes.length : bytes.byteLength;
    this.bufferedAmount += length;
    if (this.bufferedAmount > sendQueueBytesMax) throw new Error("send queue is full");
    this.#later(length, () => {
      this.#shrink(length);
      this.other.onmessage?.(new MessageEvent("message", { data: bytes }));
    });
  }

  close(): void {
    if (this.readyState !== "connecting" && this.readyState !== "open") return;
    this.readyState = "closing";
    this.#later(0, () => {
      this.#closed();
      this.other.#closed();
    });
  }

  #later(length: number, action: () => void): void {
    this.#freeAt = Math.max(this.#freeAt, this.#clock.now()) + length / this.#bytesPerMs;
    this.#clock.after(this.#freeAt - this.#clock.now(), action);
  }

  #shrink(length: number): void {
    const wasHigh = this.bufferedAmount > this.bufferedAmountLowThreshold;
    this.bufferedAmount -= length;
    const isLow = this.bufferedAmount <= this.bufferedAmountLowThreshold;
    if (wasHigh && isLow) this.onbufferedamountlow?.(new MessageEvent("bufferedamountlow"));
  }

  #closed(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.onclose?.(new MessageEvent("close"));
  }
}

/** Two channels that are about to open. */
export function createDataChannelPair(clock: Clock, bytesPerMs: number): [RTCDataChannel, RTCDataChannel] {
  const [one, other] = [new MemoryDataChannel(clock, bytesPerMs), new MemoryDataChannel(clock, bytesPerMs)];
  one.other = other;
  other.other = one;
  clock.after(1, () => one.open());
  clock.after(2, () => other.open());
  return [one, other] as unknown as [RTCDataChannel, RTCDataChannel];
}
