/** The networks of relays as one transport: peers are met in rooms of `relay:wss://…`, and nobody can be dialled. */
import { TidemarkError } from "../core/errors.ts";
import type { Channel, Network, Transport, TransportBuilder, TransportListener } from "../ports/transport.ts";

const type = "webrtc";
const addressType = "relay";

/** The address of the rooms at a relay. */
export function relayAddress(url: string): string {
  return `${addressType}:${url}`;
}

/** @param openNetwork a network that introduces peers through the relay at a URL; called once per URL and start */
export function relayTransport(openNetwork: (url: string) => Network): TransportBuilder {
  return {
    type,
    addressTypes: [addressType],
    checkConfig: (name, config) => {
      if (config === undefined) return;
      throw new TidemarkError("TRANSPORT_CONFIG", { name, field: "config", got: typeof config, expected: "nothing" });
    },
    build: () => new RelayTransport(openNetwork),
  };
}

class RelayTransport implements Transport {
  readonly #openNetwork: (url: string) => Network;
  /** One per relay, opened when the first room is sought there. */
  readonly #networks = new Map<string, Network>();
  #listener: TransportListener | undefined;

  constructor(openNetwork: (url: string) => Network) {
    this.#openNetwork = openNetwork;
  }

  async start(listener: TransportListener): Promise<void> {
    this.#listener = listener;
  }

  async stop(): Promise<void> {
    this.#listener = undefined;
    const networks = [...this.#networks.values()];
    this.#networks.clear();
    for (const network of networks) network.close();
  }

  addresses(): readonly string[] {
    return [];
  }

  /** Rooms are an invitation by themselves, and there is no other way in. */
  accept(): void {}

  async dial(address: string): Promise<Channel> {
    throw new TidemarkError("ADDRESS_INVALID", {
      address,
      expected: "an address of a peer: at a relay there are rooms",
    });
  }

  seek(address: string, room: Uint8Array): () => void {
    const url = urlOf(address);
    if (this.#listener === undefined) return () => {};
    return this.#network(url, this.#listener).seek(room);
  }

  retry(): void {
    for (const network of this.#networks.values()) network.retry();
  }

  #network(url: string, listener: TransportListener): Network {
    const known = this.#networks.get(url);
    if (known !== undefined) return known;
    const network = this.#openNetwork(url);
    this.#networks.set(url, network);
    const isOpen = (): boolean => this.#networks.get(url) === network;
    network.listen({
      connected: (channel, expected) => (isOpen() ? listener.connected(channel, expected) : channel.close()),
      relayChanged: (status) => {
        // One that was closed may have last words.
        if (isOpen()) listener.relayChanged({ ...status, url });
      },
    });
    return network;
  }
}

/** Whether it is a URL that can be dialled is for the network to find out, and to tell as its status. */
function urlOf(address: string): string {
  const [, url] = /^relay:(.+)$/.exec(address) ?? [];
  if (url === undefined) throw new TidemarkError("ADDRESS_INVALID", { address, expected: "relay:wss://…" });
  return url;
}
