/** A peer without an engine: completes handshakes as it should, and then says whatever a test wants it to say. */
import { unwrap } from "../core/errors.ts";
import { type DatabaseId, encodeHex, type PublicKey, type Sha256 } from "../core/ids.ts";
import { Handshake, type HandshakeEvent } from "../core/protocol/handshake.ts";
import { decodeMessage, encodeMessage, type Message } from "../core/protocol/message.ts";
import { roomOf } from "../engine/rooms.ts";
import type { Channel, Network } from "../ports/transport.ts";
import type { Cluster } from "./cluster.ts";
import type { SimulatedIdentity } from "./simulated-keys.ts";

/** One channel of a raw peer, from its handshake on. */
export class RawChannel {
  readonly peer: PublicKey;
  readonly channel: Channel;
  /** What the other side said. */
  readonly received: Message[] = [];
  transcript: Uint8Array | undefined;
  isOpen = true;
  /** Called for every message, after it was noted. */
  onMessage: (message: Message) => void = () => {};
  readonly #handshake: Handshake;
  readonly #identity: SimulatedIdentity;

  constructor(channel: Channel, peer: PublicKey, identity: SimulatedIdentity, nonce: Uint8Array, sha256: Sha256) {
    this.channel = channel;
    this.peer = peer;
    this.#identity = identity;
    const { initiator, binding } = channel;
    const self = identity.publicKey;
    const ids = { epoch: "ee".repeat(16), boot: encodeHex(nonce.subarray(0, 8)) };
    this.#handshake = new Handshake({ initiator, self, expected: peer, binding, nonce, features: [], ...ids, sha256 });
    channel.limit(2 ** 30);
    this.#step({ type: "started" });
    channel.listen({
      message: (bytes) => this.#take(bytes),
      drained: () => {},
      closed: () => {
        this.isOpen = false;
      },
    });
  }

  /** Whether the handshake is done. */
  get isReady(): boolean {
    return this.transcript !== undefined && this.isOpen;
  }

  send(...messages: readonly Message[]): void {
    for (const message of messages) this.channel.send(encodeMessage(message));
  }

  #take(bytes: Uint8Array): void {
    if (this.transcript === undefined) return this.#step({ type: "received", bytes });
    const message = unwrap(decodeMessage(bytes));
    this.received.push(message);
    this.onMessage(message);
  }

  #step(event: HandshakeEvent): void {
    for (const effect of this.#handshake.step(event)) {
      if (effect.type === "send") this.channel.send(effect.bytes);
      if (effect.type === "sign") this.#step({ type: "signed", signature: this.#identity.signNow(effect.message) });
      if (effect.type === "verify") this.#step({ type: "verified", valid: true });
      if (effect.type === "completed") this.transcript = effect.transcript;
      if (effect.type === "failed") throw new Error(`a raw peer's handshake failed: ${effect.failure.code}`);
    }
  }
}

export class RawPeer {
  readonly identity: SimulatedIdentity;
  readonly sha256: Sha256;
  readonly network: Network;
  /** Every channel there ever was, in order. */
  readonly channels: RawChannel[] = [];
  /** Called for every new channel, before anything is said on it. */
  onChannel: (channel: RawChannel) => void = () => {};

  private constructor(cluster: Cluster, identity: SimulatedIdentity, sha256: Sha256) {
    this.identity = identity;
    this.sha256 = sha256;
    this.network = cluster.join(identity.publicKey);
    this.network.listen({
      relayChanged: () => {},
      connected: (channel, expected) => {
        const raw = new RawChannel(channel, expected, identity, cluster.random.bytes(32), sha256);
        this.channels.push(raw);
        this.onChannel(raw);
      },
    });
  }

  /** Somebody in the room of a database, whose id it knows; new, or with the key of a device that is gone. */
  static async enter(cluster: Cluster, database: DatabaseId, known?: SimulatedIdentity): Promise<RawPeer> {
    const { identity, sha256 } = await cluster.addIdentity();
    const peer = new RawPeer(cluster, known ?? identity, sha256);
    peer.network.seek(roomOf(database, { sha256 }));
    return peer;
  }

  get key(): PublicKey {
    return this.identity.publicKey;
  }

  /** The channel to somebody, if it is there and its handshake is done. */
  to(peer: PublicKey): RawChannel | undefined {
    return this.channels.find((channel) => channel.peer === peer && channel.isReady);
  }
}
