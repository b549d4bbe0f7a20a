/** Introducers in one thread, for tests of what stands on them: notes arrive in order after a latency, or not at all. */
import type { PublicKey } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Introducer, IntroducerListener } from "../ports/introducer.ts";
import type { RelayStatus } from "../ports/transport.ts";

export class MemoryRelay {
  /** Notes carried so far, by sender. */
  readonly notes: { readonly from: PublicKey; readonly to: PublicKey; readonly note: Uint8Array }[] = [];
  readonly #clock: Clock;
  readonly #latencyMs: number;
  readonly #clients = new Map<PublicKey, Client>();
  #up = true;

  constructor(clock: Clock, latencyMs = 5) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
  }

  /** A device's introducer. Joining with a key that is here replaces it, as a reload does. */
  join(key: PublicKey): Introducer {
    this.#clients.get(key)?.close();
    const client: Client = new Client(key, {
      isUp: () => this.#up,
      changed: () => this.#introduceAll(),
      note: (to, note) => this.#carry(client, to, note),
    });
    this.#clients.set(key, client);
    return client;
  }

  /** Goes away for everybody, or comes back. */
  setUp(up: boolean): void {
    this.#up = up;
    for (const client of this.#clients.values()) client.listener?.statusChanged(client.status);
    this.#introduceAll();
  }

  #introduceAll(): void {
    for (const one of this.#clients.values()) {
      for (const other of this.#clients.values()) {
        if (one !== other) this.#introduce(one, other);
      }
    }
  }

  #introduce(one: Client, other: Client): void {
    const common = this.#up && !one.closed && !other.closed && one.shares(other);
    if (one.met.get(other.key) === (common ? other : undefined)) return;
    if (common) one.met.set(other.key, other);
    else one.met.delete(other.key);
    this.#clock.after(this.#latencyMs, () => {
      if (one.closed) return;
      if (common) one.listener?.met(other.key);
      else one.listener?.left(other.key);
    });
  }

  #carry(from: Client, to: PublicKey, note: Uint8Array): void {
    const receiver = from.met.get(to);
    if (receiver === undefined || !this.#up) return;
    this.notes.push({ from: from.key, to, note });
    this.#clock.after(this.#latencyMs, () => {
      if (!receiver.closed) receiver.listener?.noted(from.key, note);
    });
  }
}

interface ClientRelay {
  isUp(): boolean;
  changed(): void;
  note(to: PublicKey, note: Uint8Array): void;
}

class Client implements Introducer {
  readonly key: PublicKey;
  readonly met = new Map<PublicKey, Client>();
  readonly #rooms = new Map<symbol, string>();
  readonly #relay: ClientRelay;
  listener: IntroducerListener | undefined;
  closed = false;

  constructor(key: PublicKey, relay: ClientRelay) {
    this.key = key;
    this.#relay = relay;
  }

  get status(): RelayStatus {
    return { url: "memory:", state: this.#relay.isUp() ? "connected" : "waiting" };
  }

  shares(other: Client): boolean {
    const rooms = new Set(other.#rooms.values());
    return [...this.#rooms.values()].some((room) => rooms.has(room));
  }

  listen(listener: IntroducerListener): void {
    this.listener = listener;
  }

  enter(room: Uint8Array): () => void {
    const wish = Symbol("room");
    this.#rooms.set(wish, room.join());
    this.#relay.changed();
    return () => {
      this.#rooms.delete(wish);
      this.#relay.changed();
    };
  }

  note(peer: PublicKey, note: Uint8Array): void {
    if (!this.closed) this.#relay.note(peer, note);
  }

  retry(): void {}

  close(): void {
    this.closed = true;
    this.#relay.changed();
  }
}
