/** A network as an engine has it whose realm may be frozen, or die: what comes while it is frozen waits, and nothing reaches the dead. */
import type { Clock } from "../ports/clock.ts";
import type { Channel, ChannelListener, Network, NetworkListener } from "../ports/transport.ts";
import type { Realm } from "./tabs-world.ts";

export interface RealmNetworkOptions {
  readonly realm: Realm;
  /** That runs on when the realm does not. */
  readonly clock: Clock;
  /** How long after the realm's death its peers notice, in milliseconds. */
  readonly goneAfterMs: () => number;
}

export function openRealmNetwork(inner: Network, { realm, clock, goneAfterMs }: RealmNetworkOptions): Network {
  const channels = new Set<Channel>();
  const close = (): void => {
    inner.close();
    for (const channel of channels) channel.close();
    channels.clear();
  };
  realm.atDeath(() => void clock.after(goneAfterMs(), close));
  return {
    seek: (room) => inner.seek(room),
    retry: () => inner.retry(),
    listen: (listener: NetworkListener) =>
      inner.listen({
        connected: (channel, expected) => {
          channels.add(channel);
          realm.run(() => listener.connected(new RealmChannel(channel, realm), expected));
        },
        relayChanged: (status) => realm.run(() => listener.relayChanged(status)),
      }),
    close: () => inner.close(),
  };
}

class RealmChannel implements Channel {
  readonly binding: Uint8Array;
  readonly initiator: boolean;
  readonly path: string;
  readonly #inner: Channel;
  readonly #realm: Realm;

  constructor(inner: Channel, realm: Realm) {
    this.binding = inner.binding;
    this.initiator = inner.initiator;
    this.path = inner.path;
    this.#inner = inner;
    this.#realm = realm;
  }

  get congested(): boolean {
    return this.#inner.congested;
  }

  send(message: Uint8Array): void {
    this.#inner.send(message);
  }

  listen(listener: ChannelListener): void {
    const realm = this.#realm;
    this.#inner.listen({
      message: (bytes) => realm.run(() => listener.message(bytes)),
      part: () => realm.run(() => listener.part?.()),
      drained: () => realm.run(() => listener.drained()),
      closed: (code) => realm.run(() => listener.closed(code)),
    });
  }

  limit(messageBytesMax: number): void {
    this.#inner.limit(messageBytesMax);
  }

  close(code?: string): void {
    this.#inner.close(code);
  }
}
