/** A channel made of frames: packs what is sent, assembles what comes, and keeps the pipe below full. */
import { assert } from "../core/errors.ts";
import { strangerMessageBytesMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Channel, ChannelListener } from "../ports/transport.ts";
import { type FramePipe, pipeBytesLow, pipeBytesMax } from "./frame-pipe.ts";
import { FrameAssembler, FramePacker, frameBytesMax } from "./frames.ts";

/** From here on the caller should wait: twice what the pipe takes, so that it never runs dry while the caller wakes up. */
const congestedBytes = 2 * pipeBytesMax;
/** How long a closed channel may take to carry what was sent before. */
const lingerMs = 5_000;

export interface FrameChannelOptions {
  readonly initiator: boolean;
  readonly path: string;
  readonly clock: Clock;
  /** Once, when the pipe is open. */
  opened(): void;
  /** Once, when nothing is carried any more: what made the pipe can be taken down. Later than `closed` when we closed. */
  ended(): void;
}

/** Made before its pipe is open, so that frames that come early are not lost; see `opened` and `bind`. */
export class FrameChannel implements Channel {
  readonly initiator: boolean;
  readonly path: string;
  readonly #pipe: FramePipe;
  readonly #options: FrameChannelOptions;
  readonly #packer = new FramePacker();
  readonly #assembler = new FrameAssembler(strangerMessageBytesMax);
  #binding: Uint8Array | undefined;
  #state: "live" | "closing" | "ended" = "live";
  #listener: ChannelListener | undefined;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #closeCode: string | undefined;
  #toldClosed = false;
  #congested = false;
  #flushing = false;
  #stopLinger: () => void = () => {};

  constructor(pipe: FramePipe, options: FrameChannelOptions) {
    this.initiator = options.initiator;
    this.path = options.path;
    this.#pipe = pipe;
    this.#options = options;
    pipe.listen({
      opened: () => options.opened(),
      frame: (frame) => this.#receive(frame),
      low: () => this.#pump(),
      closed: () => this.#end(),
    });
  }

  get binding(): Uint8Array {
    assert(this.#binding !== undefined, "a channel is bound before it is handed on");
    return this.#binding;
  }

  get congested(): boolean {
    return this.#congested;
  }

  bind(binding: Uint8Array): void {
    this.#binding = binding;
  }

  send(message: Uint8Array): void {
    if (this.#state !== "live") return;
    this.#packer.add(message);
    if (this.#packer.bytes + this.#pipe.bufferedAmount >= congestedBytes) this.#congested = true;
    if (this.#flushing) return;
    this.#flushing = true;
    // Messages sent in the same turn share frames: small ones cost the channel far more than their bytes.
    queueMicrotask(() => {
      this.#flushing = false;
      this.#pump();
    });
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener;
    const early = this.#early;
    this.#early = [];
    this.#earlyBytes = 0;
    for (const message of early) {
      if (!this.#toldClosed) listener.message(message);
    }
    if (!this.#isLive()) this.#tellClosed();
  }

  limit(messageBytesMax: number): void {
    this.#assembler.limit = messageBytesMax;
  }

  close(code?: string): void {
    if (!this.#isLive()) return;
    this.#state = "closing";
    this.#closeCode = code;
    this.#early = [];
    this.#stopLinger = this.#options.clock.after(lingerMs, () => this.#end());
    this.#pump();
    this.#tellClosed();
  }

  /** The pipe is gone: nothing more is carried, not even what was sent before. Idempotent. */
  abandon(): void {
    this.#end();
  }

  #isLive(): boolean {
    return this.#state === "live";
  }

  #receive(frame: Uint8Array): void {
    if (!this.#isLive()) return;
    this.#assembler.push(frame);
    // Asked anew after every message: the listener may close the channel, or set another limit.
    while (this.#isLive()) {
      const next = this.#assembler.next();
      if (!next.ok) this.close(next.failure.code);
      else if (next.value === undefined) return this.#tellPart();
      else this.#deliver(next.value);
    }
  }

  #tellPart(): void {
    if (this.#assembler.isInside) this.#listener?.part?.();
  }

  #deliver(message: Uint8Array): void {
    if (this.#listener !== undefined) {
      this.#listener.message(message);
      return;
    }
    // An empty message takes memory too.
    this.#earlyBytes += Math.max(1, message.length);
    if (this.#earlyBytes > this.#assembler.limit) this.close("MESSAGE_TOO_LARGE");
    else this.#early.push(message);
  }

  #pump(): void {
    if (this.#state === "ended") return;
    while (this.#pipe.bufferedAmount <= this.#fillTo()) {
      const frame = this.#packer.take();
      if (frame === undefined) break;
      this.#pipe.send(frame);
    }
    if (this.#packer.bytes > 0) return;
    if (this.#state === "closing") {
      this.#pipe.close();
    } else if (this.#congested) {
      this.#congested = false;
      this.#listener?.drained();
    }
  }

  /** A frame that is not full waits for company while the pipe is busy: on a slow line small frames cost far more than their bytes. */
  #fillTo(): number {
    return this.#packer.bytes < frameBytesMax ? pipeBytesLow : pipeBytesMax - frameBytesMax;
  }

  #end(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#stopLinger();
    this.#packer.clear();
    this.#tellClosed();
    this.#options.ended();
  }

  #tellClosed(): void {
    if (this.#toldClosed || this.#listener === undefined) return;
    this.#toldClosed = true;
    this.#listener.closed(this.#closeCode);
  }
}
