/**
 * Peers over WebRTC, seen from the worker: an introducer says who is there, the page makes the connections, and every
 * data channel that comes up is handed on as a `Channel`.
 */
import type { PublicKey } from "../core/ids.ts";
import { connectingMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Introducer, IntroducerListener } from "../ports/introducer.ts";
import type { Random } from "../ports/random.ts";
import type { Network, NetworkListener, RelayStatus } from "../ports/transport.ts";
import { PeerLink } from "./peer-link.ts";
import { WebRtcConnection, type WebRtcConnectionOptions } from "./webrtc-connection.ts";
import type { ToPage, ToWorker } from "./webrtc-messages.ts";

/** Keys a relay may claim to be present. Beyond these they are not noticed until others leave. A guess. */
const linksMax = 1_024;

export interface WebRtcNetworkOptions {
  /** Closed together with the network. */
  readonly introducer: Introducer;
  /** The other end is held by `PeerConnections` on a page. */
  readonly page: MessagePort;
  readonly self: PublicKey;
  readonly clock: Clock;
  readonly random: Random;
  /** STUN and TURN servers; empty for peers in one local network. */
  readonly iceServers: readonly RTCIceServer[];
  /** Connections at one time, those that are coming up included. Asked anew before each. */
  readonly peersMax: () => number;
}

/** Makes connections to peers of the rooms that are sought, and to nobody else. */
export function createWebRtcNetwork(options: WebRtcNetworkOptions): Network {
  return new WebRtcNetwork(options);
}

class WebRtcNetwork implements Network, IntroducerListener {
  readonly #options: WebRtcNetworkOptions;
  readonly #links = new Map<PublicKey, PeerLink>();
  readonly #connections = new Map<number, WebRtcConnection>();
  readonly #connecting = new Set<number>();
  #nextId = 0;
  #listener: NetworkListener | undefined;
  #closed = false;

  constructor(options: WebRtcNetworkOptions) {
    this.#options = options;
    options.page.onmessage = ({ data }: MessageEvent<ToWorker>) => this.#receive(data);
    // Where browsers tell it (Chromium 122). Elsewhere the worker ends with its page, or the page says `gone`.
    options.page.addEventListener("close", () => this.close());
    options.introducer.listen(this);
  }

  seek(room: Uint8Array): () => void {
    return this.#options.introducer.enter(room);
  }

  retry(): void {
    this.#options.introducer.retry();
    for (const link of this.#links.values()) link.retry();
  }

  listen(listener: NetworkListener): void {
    this.#listener = listener;
    listener.relayChanged(this.#options.introducer.status);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.introducer.close();
    for (const link of this.#links.values()) link.close("network closed");
    this.#links.clear();
    this.#options.page.close();
  }

  met(peer: PublicKey): void {
    if (this.#closed || peer === this.#options.self) return;
    const known = this.#links.get(peer);
    if (known === undefined && this.#links.size >= linksMax) return;
    const link = known ?? this.#createLink(peer);
    this.#links.set(peer, link);
    link.met();
  }

  left(peer: PublicKey): void {
    this.#links.get(peer)?.left();
    this.#forgetIfIdle(peer);
  }

  noted(peer: PublicKey, note: Uint8Array): void {
    this.#links.get(peer)?.noted(note);
  }

  statusChanged(status: RelayStatus): void {
    this.#listener?.relayChanged(status);
  }

  #createLink(peer: PublicKey): PeerLink {
    const { self, clock, random, introducer } = this.#options;
    return new PeerLink({
      initiator: self < peer,
      clock,
      random,
      note: (note) => introducer.note(peer, note),
      connected: (channel) => this.#listener?.connected(channel, peer),
      connect: (options) => this.#connect(peer, options),
    });
  }

  #connect(
    peer: PublicKey,
    options: Pick<WebRtcConnectionOptions, "initiator" | "signalled" | "connected" | "ended">,
  ): WebRtcConnection | undefined {
    if (this.#closed || !this.#hasRoom()) return undefined;
    const id = this.#nextId++;
    const connection = new WebRtcConnection({
      ...options,
      id,
      clock: this.#options.clock,
      iceServers: this.#options.iceServers,
      toPage: (message: ToPage) => this.#options.page.postMessage(message),
      connected: (channel) => {
        this.#connecting.delete(id);
        options.connected(channel);
      },
      ended: (reason) => {
        this.#connecting.delete(id);
        this.#connections.delete(id);
        options.ended(reason);
        this.#forgetIfIdle(peer);
      },
    });
    this.#connections.set(id, connection);
    this.#connecting.add(id);
    return connection;
  }

  #hasRoom(): boolean {
    return this.#connections.size < this.#options.peersMax() && this.#connecting.size < connectingMax;
  }

  #receive(message: ToWorker): void {
    if (message.type === "gone") this.close();
    else this.#connections.get(message.id)?.receive(message);
  }

  #forgetIfIdle(peer: PublicKey): void {
    if (this.#links.get(peer)?.idle === true) this.#links.delete(peer);
  }
}
