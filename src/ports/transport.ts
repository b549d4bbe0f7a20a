/**
 * A channel carries whole messages to one peer and back: ordered, each once, or the channel closes.
 *
 * [CHANNEL-1] Messages arrive whole, in the order sent, however large within `messageBytesMax`, until the channel closes.
 * [CHANNEL-2] A peer's message above the receive limit closes the channel with MESSAGE_TOO_LARGE before its bytes are held.
 * [CHANNEL-3] After `closed`, nothing arrives and `send` does nothing.
 * [CHANNEL-4] Messages that arrive before a listener is set are kept and delivered to it, in order; the limit bounds them together.
 * [CHANNEL-5] Both ends have the same binding, and one of them is the initiator.
 */
import type { PublicKey } from "../core/ids.ts";

export interface ChannelListener {
  message(bytes: Uint8Array): void;
  /** `send` may be called again: what is buffered fell below the low-water mark. */
  drained(): void;
  /** Called once, whoever closed. `code` is set when it was for a reason with a code. */
  closed(code: string | undefined): void;
}

export interface Channel {
  /** Both ends of the channel see the same bytes, and an attacker in the middle cannot arrange that. See [HANDSHAKE-3]. */
  readonly binding: Uint8Array;
  /** Exactly one side of a channel is the initiator. */
  readonly initiator: boolean;
  /** For people and tests: "webrtc", "memory". */
  readonly path: string;
  /** True when the caller should wait for `drained`; a message sent all the same is still carried. */
  readonly congested: boolean;
  /** The bytes must not be altered afterwards. */
  send(message: Uint8Array): void;
  listen(listener: ChannelListener): void;
  /** The largest message accepted from the peer from now on, in bytes. Starts at `strangerMessageBytesMax`. */
  limit(messageBytesMax: number): void;
  /** Idempotent. What was sent before is carried if the peer is still there. */
  close(code?: string): void;
}

/** Something that finds peers for databases and makes channels to them. */
export interface Network {
  /** Starts to look for peers in a room (32 bytes that tell nothing about the database) until the returned function is called. */
  seek(room: Uint8Array): () => void;
  /** The network came back, or the user asks: try now whatever is waiting. */
  retry(): void;
  /** Told of every channel that comes up, and of whether introductions work at present. */
  listen(listener: NetworkListener): void;
  close(): void;
}

export interface NetworkListener {
  /** `expected` is who the relay says it is; the handshake must prove it. */
  connected(channel: Channel, expected: PublicKey): void;
  relayChanged(status: RelayStatus): void;
}

export interface RelayStatus {
  readonly url: string;
  readonly state: "connecting" | "connected" | "waiting" | "refused";
  readonly reason?: string;
}
