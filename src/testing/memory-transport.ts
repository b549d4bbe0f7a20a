/**
 * Transports in one thread: `memory:<key>` is an address like those of real ones, dialled and met at in simulated time.
 *
 * [TRANSPORT-10] Whoever dials a key reaches the running transport of that key; those who seek a room at one address meet there.
 *
 * Beside instances, a test can sit at an address itself: `answer`, or `swallow` for one that never says a word.
 */
import { show, TidemarkError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Channel, Transport, TransportBuilder, TransportListener } from "../ports/transport.ts";
import { type ChannelPair, createChannelPair, type MemoryChannel } from "./memory-channel.ts";
import type { SeededRandom } from "./random.ts";

export interface MemorySwitchboardOptions {
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** One way, drawn anew for every message. Default 1 to 40 ms. */
  readonly latencyMsMin?: number;
  readonly latencyMsMax?: number;
}

/** Who is reached at a key. */
interface Answerer {
  readonly accepts: boolean;
  connected(channel: MemoryChannel): void;
}

/** Connects the memory transports of any number of instances. */
export class MemorySwitchboard {
  /** What all have sent so far. */
  messages = 0;
  bytes = 0;
  /** Keys that were dialled, in order. */
  readonly dialled: string[] = [];
  readonly #options: MemorySwitchboardOptions;
  readonly #answerers = new Map<string, Answerer>();
  readonly #swallowed = new Set<string>();
  readonly #members = new Set<MemoryTransport>();
  /** Channels that are open at one end at least. */
  readonly #pairs = new Map<ChannelPair, readonly [string, string]>();

  constructor(options: MemorySwitchboardOptions) {
    this.#options = options;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  /** Builds transports that are configured with `{ key }`. */
  get builder(): TransportBuilder {
    return {
      type: "memory",
      addressTypes: ["memory"],
      checkConfig: (name, config) => {
        keyOf(name, config);
      },
      build: ({ name, config }) => new MemoryTransport(this, keyOf(name, config)),
    };
  }

  /** Whoever dials `key` from now on gets a channel whose other end is handed to `connected`. */
  answer(key: string, connected: (channel: MemoryChannel) => void): void {
    this.#answerers.set(key, { accepts: true, connected });
  }

  /** Whoever dials `key` from now on hears nothing, neither yes nor no. */
  swallow(key: string): void {
    this.#swallowed.add(key);
  }

  /** Channels that are open between two keys, oldest first. */
  between(one: string, other: string): readonly ChannelPair[] {
    const open = [...this.#pairs].filter(([, [a, b]]) => (a === one && b === other) || (a === other && b === one));
    return open.map(([pair]) => pair);
  }

  latencyMs(): number {
    const { random, latencyMsMin = 1, latencyMsMax = 40 } = this.#options;
    return latencyMsMin + random.int(latencyMsMax - latencyMsMin + 1);
  }

  enter(transport: MemoryTransport): void {
    if (this.#answerers.has(transport.key)) {
      const expected = "a key that nobody else uses";
      throw new TidemarkError("TRANSPORT_CONFIG", { name: transport.key, field: "key", got: transport.key, expected });
    }
    this.#answerers.set(transport.key, transport);
    this.#members.add(transport);
  }

  leave(transport: MemoryTransport): void {
    if (!this.#members.delete(transport)) return;
    this.#answerers.delete(transport.key);
  }

  /** Tells the caller later what became of it: a channel, or why there is none. */
  call(from: MemoryTransport, key: string, told: (result: MemoryChannel | TidemarkError) => void): void {
    this.dialled.push(key);
    this.#later(() => {
      if (this.#swallowed.has(key)) return;
      const result = this.#connect(from, key);
      this.#later(() => told(result));
    });
  }

  /** Connects with everybody who is in the same room, once. */
  meet(transport: MemoryTransport): void {
    for (const other of this.#members) if (other !== transport) this.#meet(transport, other, this.latencyMs());
  }

  #meet(one: MemoryTransport, other: MemoryTransport, afterMs: number): void {
    this.clock.after(afterMs, () => {
      if (one.met.has(other) || !this.#isMember(one) || !this.#isMember(other) || !one.shares(other)) return;
      const [a, b] = one.key < other.key ? [one, other] : [other, one];
      one.met.add(other);
      other.met.add(one);
      const pair = this.#pair(a.key, b.key, () => {
        one.met.delete(other);
        other.met.delete(one);
        this.#meet(one, other, 1_000 + this.#options.random.int(1_000));
      });
      this.#later(() => a.connected(pair.left));
      this.#later(() => b.connected(pair.right));
    });
  }

  #isMember(transport: MemoryTransport): boolean {
    return this.#members.has(transport);
  }

  #connect(from: MemoryTransport, key: string): MemoryChannel | TidemarkError {
    const address = `memory:${key}`;
    const answerer = this.#answerers.get(key);
    if (answerer === undefined) return new TidemarkError("CONNECT_FAILED", { address, reason: "nobody is there" });
    if (!answerer.accepts) return new TidemarkError("CONNECT_REFUSED", { address });
    const { left, right } = this.#pair(from.key, key, () => {});
    answerer.connected(right);
    return left;
  }

  #pair(one: string, other: string, ended: () => void): ChannelPair {
    let open = 2;
    const line = {
      clock: this.clock,
      latencyMs: () => this.latencyMs(),
      sent: (bytes: number) => {
        this.messages++;
        this.bytes += bytes;
      },
      ended: () => {
        if (--open > 0) return;
        this.#pairs.delete(pair);
        ended();
      },
    };
    const pair = createChannelPair(line, this.#options.random.bytes(64));
    this.#pairs.set(pair, [one, other]);
    return pair;
  }

  #later(action: () => void): void {
    this.clock.after(this.latencyMs(), action);
  }
}

export class MemoryTransport implements Transport, Answerer {
  readonly key: string;
  /** Those with whom it has a channel that a room made. */
  readonly met: Set<MemoryTransport> = new Set<MemoryTransport>();
  readonly #switchboard: MemorySwitchboard;
  /** Each time a room is sought counts for itself. */
  readonly #rooms = new Map<symbol, string>();
  readonly #channels = new Set<MemoryChannel>();
  #listener: TransportListener | undefined;
  #accepts = false;

  constructor(switchboard: MemorySwitchboard, key: string) {
    this.#switchboard = switchboard;
    this.key = key;
  }

  get accepts(): boolean {
    return this.#accepts;
  }

  async start(listener: TransportListener): Promise<void> {
    this.#switchboard.enter(this);
    this.#listener = listener;
  }

  async stop(): Promise<void> {
    this.#switchboard.leave(this);
    this.#listener = undefined;
    this.#rooms.clear();
    const channels = [...this.#channels];
    this.#channels.clear();
    for (const channel of channels) channel.close();
  }

  addresses(): readonly string[] {
    return this.#listener !== undefined && this.#accepts ? [`memory:${this.key}`] : [];
  }

  accept(isOn: boolean): void {
    this.#accepts = isOn;
  }

  dial(address: string, signal: AbortSignal): Promise<Channel> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(aborted());
      const [, key] = /^memory:(.+)$/.exec(address) ?? [];
      if (key === undefined) return reject(new TidemarkError("ADDRESS_INVALID", { address, expected: "memory:…" }));
      const listener = this.#listener;
      if (listener === undefined) return reject(failed(address));
      signal.addEventListener("abort", () => reject(aborted()));
      this.#switchboard.call(this, key, (result) => {
        if (result instanceof TidemarkError) return reject(result);
        if (signal.aborted || this.#listener !== listener) {
          result.close();
          return reject(failed(address));
        }
        this.#keep(result);
        resolve(result);
      });
    });
  }

  seek(address: string, room: Uint8Array): () => void {
    if (this.#listener === undefined) return () => {};
    const wish = Symbol("room");
    this.#rooms.set(wish, `${address} ${room.join()}`);
    this.#switchboard.meet(this);
    return () => this.#rooms.delete(wish);
  }

  retry(): void {
    if (this.#listener !== undefined) this.#switchboard.meet(this);
  }

  shares(other: MemoryTransport): boolean {
    const rooms = new Set(other.#rooms.values());
    return [...this.#rooms.values()].some((room) => rooms.has(room));
  }

  connected(channel: MemoryChannel): void {
    if (this.#listener === undefined) return channel.close();
    this.#keep(channel);
    this.#listener.connected(channel, undefined);
  }

  #keep(channel: MemoryChannel): void {
    for (const known of this.#channels) if (!known.isOpen) this.#channels.delete(known);
    this.#channels.add(channel);
  }
}

function keyOf(name: string, config: unknown): string {
  const key = typeof config === "object" && config !== null && "key" in config ? config.key : undefined;
  if (typeof key === "string" && key !== "") return key;
  throw new TidemarkError("TRANSPORT_CONFIG", { name, field: "key", got: show(key), expected: "a text" });
}

function aborted(): TidemarkError {
  return new TidemarkError("ABORTED", { call: "dial" });
}

function failed(address: string): TidemarkError {
  return new TidemarkError("CONNECT_FAILED", { address, reason: "this transport is stopped" });
}
