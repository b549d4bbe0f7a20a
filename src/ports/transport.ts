/**
 * A channel carries whole messages to one peer and back: ordered, each once, or the channel closes.
 *
 * [CHANNEL-1] Messages arrive whole, in the order sent, however large within `messageBytesMax`, until the channel closes.
 * [CHANNEL-2] A peer's message above the receive limit closes the channel with MESSAGE_TOO_LARGE before its bytes are held.
 * [CHANNEL-3] After `closed`, nothing arrives and `send` does nothing.
 * [CHANNEL-4] Messages that arrive before a listener is set are kept and delivered to it, in order; the limit bounds them together.
 * [CHANNEL-5] Both ends have the same binding, and one of them is the initiator.
 * [CHANNEL-8] A message that takes its time is heard of while it comes.
 */
import type { PublicKey } from "../core/ids.ts";

export interface ChannelListener {
  message(bytes: Uint8Array): void;
  /** Something came of a message that is not whole yet: on a slow line a large one takes many minutes, which are no silence. */
  part?(): void;
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

/** What a transport tells whoever started it. */
export interface TransportListener {
  /** Others made this channel, or a room did. `expected` is who should be at the other end, when that is known: the handshake must prove it. */
  connected(channel: Channel, expected: PublicKey | undefined): void;
  relayChanged(status: RelayStatus): void;
  /** To be found again by the next `build`; plain data. */
  stateChanged(state: unknown): void;
}

/**
 * Makes channels, by dialling addresses, by letting others in, or by meeting them in rooms.
 *
 * [TRANSPORT-1] Nothing happens before `start` and after `stop`, which closes every channel; it can be started again.
 * [TRANSPORT-2] Nobody is let in who dials us while `accept(false)`, as at first. Whoever meets us in a room that we seek is let in.
 * [TRANSPORT-3] Both ends of a dialled channel come up: the one is what `dial` resolves with, the other is `connected`, once.
 * [TRANSPORT-4] A dial that is aborted or that fails leaves no channel behind.
 */
export interface Transport {
  start(listener: TransportListener): Promise<void>;
  /** Forgets the rooms that were sought. */
  stop(): Promise<void>;
  /** Where others can dial us at present; none while they are not let in. */
  addresses(): readonly string[];
  /** Also before `start`. Channels that are there stay. */
  accept(isOn: boolean): void;
  /**
   * Rejects with ADDRESS_INVALID or CONNECT_REFUSED, which trying again does not help, with CONNECT_FAILED, or with ABORTED as soon as
   * `signal` says so. Who is at the other end is for the handshake to prove.
   */
  dial(address: string, signal: AbortSignal): Promise<Channel>;
  /**
   * Looks for peers in a room (32 bytes that tell nothing about the database) at an address of ours, until the returned function is
   * called. Throws ADDRESS_INVALID.
   */
  seek(address: string, room: Uint8Array): () => void;
  /** The network came back, or the user asks: try now whatever is waiting. */
  retry(): void;
}

export interface TransportContext {
  readonly name: string;
  /** What the app configured; checked by `checkConfig`. */
  readonly config: unknown;
  /** What the transport left with `stateChanged`, also in an earlier life. */
  readonly state: unknown;
}

/** A type of transport. */
export interface TransportBuilder {
  readonly type: string;
  /** The part before the colon of the addresses that it serves. */
  readonly addressTypes: readonly string[];
  /** Throws TRANSPORT_CONFIG. */
  checkConfig(name: string, config: unknown): void;
  /** Called once for a name and configuration, before the first `start`. */
  build(context: TransportContext): Transport;
}
