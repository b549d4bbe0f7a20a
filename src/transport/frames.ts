/**
 * Cuts messages into frames and puts them together again.
 *
 * The frames of a channel, one after the other, are a stream of messages, each a 4-byte big-endian length and its
 * bytes. A frame ends anywhere except inside a length: small messages share a frame, large ones span several.
 *
 * [FRAME-1] Messages come out of the assembler as they went into the packer, whatever their sizes and the frame size.
 * [FRAME-2] No frame is empty or larger than the agreed size, and waiting messages fill a frame before the next is begun.
 * [FRAME-3] A length above the limit is refused when the length is read, before any of the message's bytes are kept.
 * [FRAME-4] What is held of an unfinished message is at most twice what arrived of it, or 256 KiB.
 * [FRAME-5] Bytes that no packer makes are refused with FRAME_MALFORMED, and so is everything after a refusal.
 *
 * It knows nothing of flow control, and does not resume: after a refusal the channel is over.
 */
import { type Failure, failure, type Result, success } from "../core/errors.ts";

/** 64 KiB: what every WebRTC endpoint must accept in one message when it does not say otherwise (RFC 8841). */
export const frameBytesMax: number = 64 * 1024;
const lengthBytes = 4;
/** Memory given on the strength of a length alone: a usual batch of entries is copied once, and never moved. */
const advanceBytesMax = 256 * 1024;

/** Messages waiting to leave, taken frame by frame. */
export class FramePacker {
  readonly #frameBytesMax: number;
  readonly #messages: Uint8Array[] = [];
  /** How many messages at the start of the list have left, and how far the next one has. */
  #left = 0;
  #offset = 0;
  #bytes = 0;

  /** @param bytesMax the size of the largest frame, at least 5 bytes */
  constructor(bytesMax: number = frameBytesMax) {
    this.#frameBytesMax = bytesMax;
  }

  /** Bytes that are waiting, lengths included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a reference, not a copy: the bytes must not change until they were taken. */
  add(message: Uint8Array): void {
    this.#messages.push(message);
    this.#bytes += lengthBytes + message.length;
  }

  /** The next frame, as full as what waits allows, in a buffer of its own; undefined when nothing waits. */
  take(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#left === this.#messages.length) return undefined;
    const frame = new Uint8Array(Math.min(this.#frameBytesMax, this.#bytes));
    let at = 0;
    while (this.#left < this.#messages.length) {
      const start = this.#offset === 0 ? lengthBytes : 0;
      // A length is never cut, so up to three bytes at the end of a frame stay unused.
      if (frame.length - at < start) break;
      at = this.#fill(frame, at);
      if (this.#offset > 0) break;
    }
    this.#forget();
    return at === frame.length ? frame : frame.slice(0, at);
  }

  clear(): void {
    this.#messages.length = 0;
    this.#left = 0;
    this.#offset = 0;
    this.#bytes = 0;
  }

  /** Writes as much of the next message as fits. `#offset` counts its length bytes too. */
  #fill(frame: Uint8Array, start: number): number {
    const message = this.#messages[this.#left] as Uint8Array;
    let at = start;
    if (this.#offset === 0) {
      new DataView(frame.buffer).setUint32(at, message.length);
      at += lengthBytes;
      this.#offset = lengthBytes;
    }
    const from = this.#offset - lengthBytes;
    const count = Math.min(message.length - from, frame.length - at);
    frame.set(message.subarray(from, from + count), at);
    this.#offset += count;
    this.#bytes -= at - start + count;
    if (this.#offset === lengthBytes + message.length) {
      this.#left++;
      this.#offset = 0;
    }
    return at + count;
  }

  #forget(): void {
    if (this.#left === this.#messages.length || this.#left > 1_024) {
      this.#messages.splice(0, this.#left);
      this.#left = 0;
    }
  }
}

/** Frames in, messages out: `push` a frame, then call `next` until it has none. */
export class FrameAssembler {
  /** The largest message accepted, in bytes. Read anew at the start of every message. */
  limit: number;
  #frame: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** The unfinished message: its length, and what arrived of it in a buffer that grows. */
  #total = 0;
  #held = 0;
  #buffer: Uint8Array | undefined;
  #refusal: { readonly ok: false; readonly failure: Failure } | undefined;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes of memory kept for an unfinished message. */
  get heldBytes(): number {
    return this.#buffer?.length ?? 0;
  }

  /** Whether a message was begun and is not whole. */
  get isInside(): boolean {
    return this.#buffer !== undefined;
  }

  /** Takes one frame. The one before must have been read to its end. */
  push(frame: Uint8Array): void {
    if (frame.length === 0 || frame.length > frameBytesMax) {
      this.#refuse(malformed(`a frame of ${frame.length} bytes`, `1 to ${frameBytesMax} bytes`));
      return;
    }
    this.#frame = frame;
    this.#at = 0;
  }

  /**
   * The next whole message of the frame, or undefined when there is none before the next frame. A message that came in
   * one frame is a view into it. Fails with FRAME_MALFORMED or MESSAGE_TOO_LARGE, for good.
   */
  next(): Result<Uint8Array | undefined> {
    if (this.#refusal !== undefined) return this.#refusal;
    if (this.#at === this.#frame.length) return success(undefined);
    return this.#buffer === undefined ? this.#begin() : success(this.#resume());
  }

  #begin(): Result<Uint8Array | undefined> {
    const rest = this.#frame.length - this.#at;
    if (rest < lengthBytes) return this.#refuse(malformed(`${rest} bytes`, "a length of 4 bytes"));
    const total = new DataView(this.#frame.buffer, this.#frame.byteOffset + this.#at).getUint32(0);
    if (total > this.limit) return this.#refuse(failure("MESSAGE_TOO_LARGE", { got: total, max: this.limit }));
    this.#at += lengthBytes;
    if (total <= rest - lengthBytes) return success(this.#read(total));
    this.#total = total;
    this.#held = 0;
    this.#buffer = new Uint8Array(Math.min(total, advanceBytesMax));
    return success(this.#resume());
  }

  #resume(): Uint8Array | undefined {
    const part = this.#read(Math.min(this.#total - this.#held, this.#frame.length - this.#at));
    const buffer = this.#roomFor(this.#held + part.length);
    buffer.set(part, this.#held);
    this.#held += part.length;
    this.#buffer = this.#held === this.#total ? undefined : buffer;
    return this.#buffer === undefined ? buffer : undefined;
  }

  /** Grows by doubling: bytes that were only announced cost the sender as much as they cost us. */
  #roomFor(bytes: number): Uint8Array {
    const buffer = this.#buffer ?? new Uint8Array(0);
    if (buffer.length >= bytes) return buffer;
    const larger = new Uint8Array(Math.min(this.#total, 2 * bytes));
    larger.set(buffer.subarray(0, this.#held));
    return larger;
  }

  #read(count: number): Uint8Array {
    const part = this.#frame.subarray(this.#at, this.#at + count);
    this.#at += count;
    return part;
  }

  #refuse(refusal: Result<never>): Result<never> {
    if (!refusal.ok) this.#refusal ??= refusal;
    this.#buffer = undefined;
    return refusal;
  }
}

function malformed(got: string, expected: string): Result<never> {
  return failure("FRAME_MALFORMED", { got, expected });
}
