/**
 * Many devices in one thread: connects those that seek a common room, and does to what is between them what a test asks for.
 *
 * [SIMULATION-3] What happens, and when, depends on the clock, the random numbers and the calls alone.
 * [SIMULATION-4] A cut holds back everything between two devices; what was under way arrives when it is healed in time,
 *   else the channel is closed at both ends. Afterwards, and after a drop, the two are connected anew.
 * [SIMULATION-10] A lost message is never confirmed: nothing that was sent after it arrives either, and the channel is closed at
 *   both ends after `deadAfterMs`.
 *
 * A *way* is one direction between two devices. What is done to it stays, whether the two are connected, or there at all, until it
 * is undone. Each way draws from random numbers of its own: what one does not shift what happens on another.
 */
import type { PublicKey } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network, NetworkListener } from "../ports/transport.ts";
import { type ChannelPair, createChannelPair, type End, type Fate, type MemoryLine } from "./memory-channel.ts";
import { SeededRandom } from "./random.ts";

export interface MemoryNetworkOptions {
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** One way, drawn anew for every message. Default 1 to 40 ms. */
  readonly latencyMsMin?: number;
  readonly latencyMsMax?: number;
  /** How long a cut lasts before channels are given up. Default 30 s, as browsers do. */
  readonly deadAfterMs?: number;
}

/** What a way is like. What is left out is as it is everywhere. */
export interface WayConditions {
  readonly latencyMsMin?: number;
  readonly latencyMsMax?: number;
  /** A clogged way lets so much through, and a sender run ahead by half a second of it. */
  readonly bytesPerSecond?: number;
  /** Chances from 0 to 1 that a message is lost, delivered twice, or overtaken by the next one. */
  readonly lose?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
}

/** Told of every message, and of what became of it. `channel` is the same object for all messages of a channel. */
export interface NetworkTap {
  sent(from: PublicKey, to: PublicKey, message: Uint8Array, channel: ChannelPair): void;
  arrived(from: PublicKey, to: PublicKey, message: Uint8Array, channel: ChannelPair): void;
}

interface Way {
  readonly random: SeededRandom;
  /** No message has overtaken another on it so far. */
  isOrdered: boolean;
  /** It never was so slow that messages waited for room. */
  isPrompt: boolean;
  conditions: WayConditions;
  isHeld: boolean;
}

/** What is between two devices. `a` has the smaller key and is the initiator. */
interface Link {
  readonly a: Device;
  readonly b: Device;
  readonly out: Way;
  readonly back: Way;
  channel: ChannelPair | undefined;
  /** Something was lost on the channel: it will not come to life again. */
  isStuck: boolean;
  cancelAttempt: () => void;
  cancelDeath: () => void;
}

const plain: WayConditions = {};

export class MemoryNetwork {
  /** What all devices have sent so far. */
  messages = 0;
  bytes = 0;
  /** How many channels there were. */
  channels = 0;
  /** How many messages met another fate than to arrive. */
  readonly fates: Record<Exclude<Fate, "arrives">, number> = { lost: 0, twice: 0, overtaken: 0 };
  tap: NetworkTap | undefined;
  readonly #clock: Clock;
  readonly #seed: number;
  readonly #latencyMsMin: number;
  readonly #latencyMsMax: number;
  readonly #deadAfterMs: number;
  readonly #devices = new Map<PublicKey, Device>();
  readonly #links = new Map<string, Link>();
  readonly #ways = new Map<string, Way>();

  constructor(options: MemoryNetworkOptions) {
    this.#clock = options.clock;
    this.#seed = options.random.int(2 ** 32);
    this.#latencyMsMin = options.latencyMsMin ?? 1;
    this.#latencyMsMax = options.latencyMsMax ?? 40;
    this.#deadAfterMs = options.deadAfterMs ?? 30_000;
  }

  /**
   * A new device's view of the network. One that was here before with the same key has closed its own, or is about to: it keeps
   * the channels that it has, and gets no others.
   */
  join(key: PublicKey): Network {
    const device = new Device(key, (changed, closed) => this.#changed(changed, closed));
    for (const other of this.#devices.values()) if (other.key !== key) this.#addLink(device, other);
    this.#devices.set(key, device);
    return device;
  }

  /** Nothing passes between two devices until `heal`. */
  cut(one: PublicKey, other: PublicKey): void {
    this.hold(one, other);
    this.hold(other, one);
  }

  heal(one: PublicKey, other: PublicKey): void {
    this.release(one, other);
    this.release(other, one);
  }

  /** Nothing passes one way until `release`; the other way it does, as long as the channel lasts. */
  hold(from: PublicKey, to: PublicKey): void {
    const way = this.#way(from, to);
    if (way.isHeld) return;
    way.isHeld = true;
    const link = this.#link(from, to);
    if (link === undefined) return;
    this.#end(link, from)?.pauseOutgoing();
    // Whatever was wrong first decides when the channel is given up.
    if (!link.isStuck && !this.#way(to, from).isHeld) this.#dieLater(link);
  }

  release(from: PublicKey, to: PublicKey): void {
    const way = this.#way(from, to);
    if (!way.isHeld) return;
    way.isHeld = false;
    const link = this.#link(from, to);
    if (link === undefined) return;
    this.#end(link, from)?.resumeOutgoing();
    if (link.out.isHeld || link.back.isHeld) return;
    if (!link.isStuck) link.cancelDeath();
    this.#attempt(link, this.#latencyMs(way));
  }

  /** What one way is like from now on. */
  change(from: PublicKey, to: PublicKey, conditions: WayConditions): void {
    const way = this.#way(from, to);
    way.conditions = conditions;
    if (conditions.bytesPerSecond !== undefined) way.isPrompt = false;
  }

  /** Undoes every `cut`, `hold` and `change`. */
  healAll(): void {
    for (const way of this.#ways.values()) way.conditions = plain;
    for (const { a, b } of [...this.#links.values()]) this.heal(a.key, b.key);
    for (const way of this.#ways.values()) way.isHeld = false;
  }

  /** Breaks the channel between two devices, if there is one. */
  drop(one: PublicKey, other: PublicKey): void {
    this.#link(one, other)?.channel?.left.drop();
  }

  /** Breaks every channel of a device. */
  dropAll(key: PublicKey): void {
    for (const link of this.#links.values()) if (link.a.key === key || link.b.key === key) link.channel?.left.drop();
  }

  /** True while both ends of a channel between the two are open. */
  connected(one: PublicKey, other: PublicKey): boolean {
    const channel = this.#link(one, other)?.channel;
    return channel?.left.isOpen === true && channel.right.isOpen;
  }

  /** Whether all messages came in their order so far, one way. */
  isOrdered(from: PublicKey, to: PublicKey): boolean {
    return this.#way(from, to).isOrdered;
  }

  /** Whether no message had to wait for room before it was sent so far, one way. */
  isPrompt(from: PublicKey, to: PublicKey): boolean {
    return this.#way(from, to).isPrompt;
  }

  #addLink(one: Device, other: Device): void {
    const [a, b] = one.key < other.key ? [one, other] : [other, one];
    const [out, back] = [this.#way(a.key, b.key), this.#way(b.key, a.key)];
    const [cancelAttempt, cancelDeath] = [() => {}, () => {}];
    this.#links.get(a.key + b.key)?.cancelAttempt();
    this.#links.set(a.key + b.key, { a, b, out, back, channel: undefined, isStuck: false, cancelAttempt, cancelDeath });
  }

  #link(one: PublicKey, other: PublicKey): Link | undefined {
    return this.#links.get(one < other ? one + other : other + one);
  }

  #way(from: PublicKey, to: PublicKey): Way {
    const known = this.#ways.get(from + to);
    if (known !== undefined) return known;
    const random = new SeededRandom(this.#seed ^ hashOf(from + to));
    const way: Way = { random, isOrdered: true, isPrompt: true, conditions: plain, isHeld: false };
    this.#ways.set(from + to, way);
    return way;
  }

  #end(link: Link, from: PublicKey): ChannelPair["left"] | undefined {
    return link.a.key === from ? link.channel?.left : link.channel?.right;
  }

  #dieLater(link: Link): void {
    link.cancelDeath();
    link.cancelDeath = this.#clock.after(this.#deadAfterMs, () => link.channel?.left.drop());
  }

  /** A device seeks another room, tries again, or has closed. */
  #changed(device: Device, closed: boolean): void {
    for (const link of this.#links.values()) {
      if (link.a !== device && link.b !== device) continue;
      if (closed) this.#end(link, device.key)?.close();
      else this.#attempt(link, this.#latencyMs(link.out));
    }
    if (closed && this.#devices.get(device.key) === device) this.#devices.delete(device.key);
  }

  #attempt(link: Link, afterMs: number): void {
    if (this.#link(link.a.key, link.b.key) !== link) return;
    link.cancelAttempt();
    link.cancelAttempt = this.#clock.after(afterMs, () => this.#connect(link));
  }

  #connect(link: Link): void {
    const { a, b, out, back } = link;
    if (out.isHeld || back.isHeld || link.channel !== undefined || !a.shares(b)) return;
    this.channels++;
    const channel = createChannelPair(this.#line(link), out.random.bytes(64));
    link.channel = channel;
    // Neither side knows when the other is told.
    this.#clock.after(this.#latencyMs(out), () => a.listener?.connected(channel.left, b.key));
    this.#clock.after(this.#latencyMs(back), () => b.listener?.connected(channel.right, a.key));
  }

  #line(link: Link): MemoryLine {
    const { a, b, out, back } = link;
    let open = 2;
    const way = (from: End): Way => (from === "left" ? out : back);
    const told = (what: "sent" | "arrived", from: End, message: Uint8Array): void => {
      if (this.tap === undefined || link.channel === undefined) return;
      const [sender, receiver] = from === "left" ? [a.key, b.key] : [b.key, a.key];
      this.tap[what](sender, receiver, message, link.channel);
    };
    return {
      clock: this.#clock,
      latencyMs: (from) => this.#latencyMs(way(from)),
      bytesPerSecond: (from) => way(from).conditions.bytesPerSecond ?? Number.POSITIVE_INFINITY,
      bufferBytes: (from) => (way(from).conditions.bytesPerSecond ?? 1024 * 1024) / 2,
      fate: (from) => this.#fate(link, way(from)),
      sent: (bytes, from, message) => {
        this.messages++;
        this.bytes += bytes;
        told("sent", from, message);
      },
      arrived: (from, message) => told("arrived", from, message),
      ended: () => {
        if (--open > 0) return;
        link.channel = undefined;
        link.isStuck = false;
        if (!out.isHeld && !back.isHeld) link.cancelDeath();
        this.#attempt(link, 1_000 + out.random.int(1_000));
      },
    };
  }

  #fate(link: Link, way: Way): Fate {
    const { conditions, random } = way;
    const { lose = 0, duplicate = 0, reorder = 0 } = conditions;
    if (lose + duplicate + reorder === 0) return "arrives";
    const drawn = random.fraction();
    if (drawn >= lose + duplicate + reorder) return "arrives";
    const fate = drawn < lose ? "lost" : drawn < lose + duplicate ? "twice" : "overtaken";
    this.fates[fate]++;
    if (fate === "overtaken") way.isOrdered = false;
    if (fate === "lost" && !link.isStuck) {
      link.isStuck = true;
      this.#dieLater(link);
    }
    return fate;
  }

  #latencyMs({ conditions, random }: Way): number {
    const { latencyMsMin = this.#latencyMsMin, latencyMsMax = Math.max(latencyMsMin, this.#latencyMsMax) } = conditions;
    return latencyMsMin + random.int(latencyMsMax - latencyMsMin + 1);
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
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
