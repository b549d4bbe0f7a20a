/** The worker's half of one connection that the page makes: its signals, its time-out, and its channel once it is up. */
import { connectTimeoutMs } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import { DataChannelPipe } from "./data-channel.ts";
import { FrameChannel } from "./frame-channel.ts";
import type { FramePipe } from "./frame-pipe.ts";
import { PortPipe } from "./port-pipe.ts";
import type { Signal } from "./signal.ts";
import type { AboutConnection, ToPage } from "./webrtc-messages.ts";

/** Candidates come in bursts; one note carries those of this long. */
const candidateBatchMs = 10;
/** Each candidate of a peer makes the browser send probes to the address in it. */
const candidatesMax = 64;

export interface WebRtcConnectionOptions {
  readonly id: number;
  readonly initiator: boolean;
  readonly iceServers: readonly RTCIceServer[];
  readonly clock: Clock;
  readonly toPage: (message: ToPage) => void;
  /** Signals for the other side, in order. */
  readonly signalled: (signals: readonly Signal[]) => void;
  /** At most once: open, and both certificates known. */
  readonly connected: (channel: FrameChannel) => void;
  /** Exactly once, at last. */
  readonly ended: (reason: string) => void;
}

export class WebRtcConnection {
  readonly #options: WebRtcConnectionOptions;
  #channel: FrameChannel | undefined;
  #open = false;
  #bound = false;
  #ended = false;
  #descriptionSeen = false;
  #candidatesSeen = 0;
  #outgoing: Signal[] = [];
  #cancelBatch: (() => void) | undefined;
  #cancelTimeout: () => void;

  constructor(options: WebRtcConnectionOptions) {
    this.#options = options;
    const { id, initiator, iceServers } = options;
    this.#cancelTimeout = options.clock.after(connectTimeoutMs, () => this.close("not connected in time"));
    options.toPage({ type: "connect", id, initiator, iceServers });
  }

  /** A signal of the other side. One description and a limited number of candidates are passed on, the rest is dropped. */
  signal(signal: Signal): void {
    if (signal.type === "candidate") {
      if (this.#candidatesSeen++ >= candidatesMax) return;
    } else {
      if (this.#descriptionSeen || (signal.type === "offer") === this.#options.initiator) return;
      this.#descriptionSeen = true;
    }
    this.#options.toPage({ type: "signal", id: this.#options.id, signal });
  }

  /** What the page says about this connection. */
  receive(message: AboutConnection): void {
    switch (message.type) {
      case "signal":
        this.#signalled(message.signal);
        return;
      case "channel":
        this.#carry(new DataChannelPipe(message.channel), "webrtc");
        return;
      case "port":
        this.#carry(new PortPipe(message.port), "webrtc by port");
        return;
      case "bound":
        this.#bound = true;
        this.#channel?.bind(message.binding);
        this.#up();
        return;
      case "closed":
        this.#end(message.reason);
    }
  }

  /** Takes it down at once; what its channel has not carried yet is lost. Idempotent. */
  close(reason: string): void {
    if (this.#ended) return;
    this.#options.toPage({ type: "close", id: this.#options.id });
    this.#end(reason);
  }

  #carry(pipe: FramePipe, path: string): void {
    this.#channel = new FrameChannel(pipe, {
      initiator: this.#options.initiator,
      path,
      clock: this.#options.clock,
      opened: () => {
        this.#open = true;
        this.#up();
      },
      ended: () => this.close("channel closed"),
    });
  }

  #up(): void {
    if (!this.#open || !this.#bound || this.#channel === undefined) return;
    this.#cancelTimeout();
    this.#options.connected(this.#channel);
  }

  #signalled(signal: Signal): void {
    this.#outgoing.push(signal);
    if (signal.type !== "candidate") this.#flush();
    else this.#cancelBatch ??= this.#options.clock.after(candidateBatchMs, () => this.#flush());
  }

  #flush(): void {
    this.#cancelBatch?.();
    this.#cancelBatch = undefined;
    const signals = this.#outgoing;
    this.#outgoing = [];
    this.#options.signalled(signals);
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimeout();
    this.#cancelBatch?.();
    this.#channel?.abandon();
    this.#options.ended(reason);
  }
}
