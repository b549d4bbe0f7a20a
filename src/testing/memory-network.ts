/**
 * Many devices in one thread: connects those that seek a common room, and cuts, heals and drops what is between them.
 *
 * [SIMULATION-3] What happens, and when, depends on the clock, the random numbers and the calls alone.
 * [SIMULATION-4] A cut holds back everything between two devices; what was under way arrives when it is healed in time,
 *   else the channel is closed at both ends. Afterwards, and after a drop, the two are connected anew.
 */
import type { PublicKey } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network, NetworkListener } from "../ports/transport.ts";
import { type ChannelPair, createChannelPair } from "./memory-channel.ts";
import type { SeededRandom } from "./random.ts";

export interface MemoryNetworkOptions {
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** One way, drawn anew for every message. Default 1 to 40 ms. */
  readonly latencyMsMin?: number;
  readonly latencyMsMax?: number;
  /** How long a cut lasts before channels are given up. Default 30 s, as browsers do. */
  readonly deadAfterMs?: number;
}

/** What is between two devices. `a` has the smaller key and is the initiator. */
interface Link {
  readonly a: Device;
  readonly b: Device;
  channel: ChannelPair | undefined;
  cut: boolean;
  cancelAttempt: (() => void) | undefined;
  cancelDeath: (() => void) | undefined;
}

export class MemoryNetwork {
  /** What all devices have sent so far. */
  messages = 0;
  bytes = 0;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #latencyMsMin: number;
  readonly #latencyMsMax: number;
  readonly #deadAfterMs: number;
  readonly #devices = new Map<PublicKey, Device>();
  readonly #links = new Map<string, Link>();

  constructor(options: MemoryNetworkOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#latencyMsMin = options.latencyMsMin ?? 1;
    this.#latencyMsMax = options.latencyMsMax ?? 40;
    this.#deadAfterMs = options.deadAfterMs ?? 30_000;
  }

  /** A new device's view of the network. A key that was here before must have closed its own. */
  join(key: PublicKey): Network {
    const device = new Device(key, (changed, closed) => this.#changed(changed, closed));
    for (const other of this.#devices.values()) this.#addLink(device, other);
    this.#devices.set(key, device);
    return device;
  }

  /** Nothing passes between two devices until `heal`. */
  cut(one: PublicKey, other: PublicKey): void {
    const link = this.#link(one, other);
    if (link.cut) return;
    link.cut = true;
    link.channel?.left.pause();
    link.cancelDeath = this.#clock.after(this.#deadAfterMs, () => link.channel?.left.drop());
  }

  heal(one: PublicKey, other: PublicKey): void {
    const link = this.#link(one, other);
    link.cut = false;
    link.cancelDeath?.();
    link.channel?.left.resume();
    this.#attempt(link, this.#latencyMs());
  }

  /** Breaks the channel between two devices, if there is one. */
  drop(one: PublicKey, other: PublicKey): void {
    this.#link(one, other).channel?.left.drop();
  }

  /** True while both ends of a channel between the two are open. */
  connected(one: PublicKey, other: PublicKey): boolean {
    const channel = this.#link(one, other).channel;
    return channel?.left.isOpen === true && channel.right.isOpen;
  }

  #addLink(one: Device, other: Device): void {
    const [a, b] = one.key < other.key ? [one, other] : [other, one];
    const link: Link = { a, b, channel: undefined, cut: false, cancelAttempt: undefined, cancelDeath: undefined };
    this.#links.set(a.key + b.key, link);
  }

  #link(one: PublicKey, other: PublicKey): Link {
    const link = this.#links.get(one < other ? one + other : other + one);
    if (link === undefined) throw new Error("cut, heal, drop and connected are about two devices that have joined");
    return link;
  }

  /** A device seeks another room, tries again, or has closed. */
  #changed(device: Device, closed: boolean): void {
    for (const link of this.#links.values()) {
      if (link.a !== device && link.b !== device) continue;
      const end = link.a === device ? link.channel?.left : link.channel?.right;
      if (closed) end?.close();
      else this.#attempt(link, this.#latencyMs());
    }
    if (closed) this.#devices.delete(device.key);
  }

  #attempt(link: Link, afterMs: number): void {
    link.cancelAttempt?.();
    link.cancelAttempt = this.#clock.after(afterMs, () => this.#connect(link));
  }

  #connect(link: Link): void {
    if (link.cut || link.channel !== undefined || !link.a.shares(link.b)) return;
    let open = 2;
    const line = {
      clock: this.#clock,
      latencyMs: () => this.#latencyMs(),
      sent: (bytes: number) => {
        this.messages++;
        this.bytes += bytes;
      },
      ended: () => {
        if (--open > 0) return;
        link.channel = undefined;
        this.#attempt(link, 1_000 + this.#random.int(1_000));
      },
    };
    const channel = createChannelPair(line, this.#random.bytes(64));
    link.channel = channel;
    // Neither side knows when the other is told.
    this.#clock.after(this.#latencyMs(), () => link.a.listener?.connected(channel.left, link.b.key));
    this.#clock.after(this.#latencyMs(), () => link.b.listener?.connected(channel.right, link.a.key));
  }

  #latencyMs(): number {
    return this.#latencyMsMin + this.#random.int(this.#latencyMsMax - this.#latencyMsMin + 1);
  }
}

class Device implements Network {
  readonly key: PublicKey;
  listener: NetworkListener | undefined;
  readonly #changed: (device: Device, closed: boolean) => void;
  /** Each time a room is sought counts for itself. */
  readonly #rooms = new Map<symbol, string>();
  #closed = false;

  constructor(key: PublicKey, changed: (device: Device, closed: boolean) => void) {
    this.key = key;
    this.#changed = changed;
  }

  shares(other: Device): boolean {
    const rooms = new Set(other.#rooms.values());
    return [...this.#rooms.values()].some((room) => rooms.has(room));
  }

  seek(room: Uint8Array): () => void {
    const wish = Symbol("room");
    if (!this.#closed) this.#rooms.set(wish, room.join());
    this.retry();
    return () => this.#rooms.delete(wish);
  }

  retry(): void {
    if (!this.#closed) this.#changed(this, false);
  }

  listen(listener: NetworkListener): void {
    this.listener = listener;
    listener.relayChanged({ url: "memory:", state: "connected" });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.listener = undefined;
    this.#rooms.clear();
    this.#changed(this, true);
  }
}
