/** Pages with channels for messages of the app between them, without an engine: everybody reaches everybody on another device. */
import type { AppMessage, Messages, MessagesEvents, MessagesPeer } from "../client/messages.ts";
import type { PublicKey } from "../core/ids.ts";

type Channel = Pick<Messages, "peers" | "send" | "on" | "close">;

export class Places {
  readonly channels: Set<OpenChannel> = new Set();
  /** Packets so far, and the bytes of the largest. */
  sent = 0;
  largest = 0;

  /** A page of the device with this key. */
  open(key: string): Place {
    return new Place(this, key as PublicKey);
  }
}

export class Place {
  readonly key: PublicKey;
  /** What came on its channels. */
  readonly heard: Uint8Array[] = [];
  /** What sending ends with. */
  failure: Error | undefined;
  /** What is sent is handed on when this is resolved. */
  stuck: Promise<void> | undefined;
  readonly #places: Places;

  constructor(places: Places, key: PublicKey) {
    this.#places = places;
    this.key = key;
  }

  readonly sync: { messages(channel: string): Channel } = {
    messages: () => new OpenChannel(this.#places, this),
  };
}

class OpenChannel implements Channel {
  readonly place: Place;
  readonly #places: Places;
  readonly #messages = new Set<(message: AppMessage) => void>();
  readonly #peers = new Set<(peer: MessagesPeer) => void>();

  constructor(places: Places, place: Place) {
    this.#places = places;
    this.place = place;
    const isFirst = !this.#ofDevice(place.key).length;
    places.channels.add(this);
    if (isFirst) this.#tellOthers(true);
    queueMicrotask(() => {
      for (const peer of this.peers()) for (const listener of this.#peers) listener({ peer, isUp: true });
    });
  }

  peers(): readonly PublicKey[] {
    return [...new Set([...this.#places.channels].map(({ place }) => place.key))].filter(
      (key) => key !== this.place.key,
    );
  }

  async send(peer: string, bytes: Uint8Array): Promise<void> {
    await this.place.stuck;
    if (this.place.failure !== undefined) throw this.place.failure;
    this.#places.sent += 1;
    this.#places.largest = Math.max(this.#places.largest, bytes.length);
    for (const other of this.#ofDevice(peer)) other.#take({ peer: this.place.key, bytes: bytes.slice() });
  }

  on<E extends keyof MessagesEvents>(event: E, listener: (data: MessagesEvents[E]) => void): () => void {
    const listeners = (event === "message" ? this.#messages : this.#peers) as Set<(data: MessagesEvents[E]) => void>;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  close(): void {
    this.#places.channels.delete(this);
    if (this.#ofDevice(this.place.key).length === 0) this.#tellOthers(false);
  }

  #take(message: AppMessage): void {
    this.place.heard.push(message.bytes);
    for (const listener of this.#messages) listener(message);
  }

  #ofDevice(key: string): readonly OpenChannel[] {
    return [...this.#places.channels].filter(({ place }) => place.key === key);
  }

  #tellOthers(isUp: boolean): void {
    for (const other of this.#places.channels)
      if (other.place.key !== this.place.key)
        for (const listener of other.#peers) listener({ peer: this.place.key, isUp });
  }
}
