/** What a channel needs of the thing that carries its frames to the peer, in order and each once, until it closes. */

export interface FramePipeListener {
  /** Once, when frames can be sent. Frames may come in before. */
  opened(): void;
  frame(frame: Uint8Array): void;
  /** `bufferedAmount`, which was above `pipeBytesLow`, is not any more. */
  low(): void;
  /** Once; nothing comes after it. */
  closed(): void;
}

export interface FramePipe {
  /** Bytes handed over and, as far as is known, not yet on their way. */
  readonly bufferedAmount: number;
  /** To be called in the same turn in which the pipe was made, or events are missed. */
  listen(listener: FramePipeListener): void;
  /** Carries a frame that fills its buffer, which must not be used afterwards. Does nothing unless the pipe is open. */
  send(frame: Uint8Array<ArrayBuffer>): void;
  /** What was handed over before is still carried if the peer is there; `closed` follows when it is. Idempotent. */
  close(): void;
}

/** A channel fills its pipe up to this many bytes and keeps the rest itself. Measured: docs/decisions/0005. */
export const pipeBytesMax: number = 256 * 1024;
export const pipeBytesLow: number = pipeBytesMax / 2;
