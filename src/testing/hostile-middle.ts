/**
 * Somebody in the middle: devices believe that they are connected to each other, and every byte between them passes through here, to be
 * passed on, altered, dropped, kept for later, or sent back.
 *
 *     const middle = new Middle(cluster);
 *     const { devices } = await cluster.addGroup(2, { openNetwork: middle.openNetwork });
 *     middle.script = (message) => message.pass();
 *
 * `separate`: a relay that made each device connect to itself. Between them are two channels with two bindings, as a relay that swaps
 * session descriptions brings about. `shared`: the wire of one channel without any protection of its own, so that only what the
 * handshake does is in the way. Without a script everything is passed on.
 */
import { encodeHex, type PublicKey } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Channel, ChannelListener, Network, NetworkListener } from "../ports/transport.ts";
import type { Cluster } from "./cluster.ts";
import { createChannelPair, type MemoryChannel, type MemoryLine } from "./memory-channel.ts";
import type { SeededRandom } from "./random.ts";

/** A message on its way. What is neither passed on nor sent back is dropped. */
export interface Passing {
  readonly from: PublicKey;
  readonly to: PublicKey;
  readonly bytes: Uint8Array;
  /** Counts the connections between any two, from 0. */
  readonly connection: number;
  /** Counts the messages of this sender on this connection, from 0. */
  readonly index: number;
  /** To the one it is for: as it was, or something else, once or more often, now or later. */
  pass(bytes?: Uint8Array): void;
  /** Back to the one who sent it, as if the other had said it. */
  reflect(bytes?: Uint8Array): void;
}

export interface MiddleOptions {
  /** Default: separate. */
  readonly bindings?: "separate" | "shared";
  /** One way, in milliseconds. Default 5. */
  readonly latencyMs?: number;
}

interface Side {
  readonly key: PublicKey;
  listener: NetworkListener | undefined;
  readonly rooms: Map<symbol, string>;
}

/** Channels of two devices that both end here. */
interface Interception {
  readonly ends: readonly [MemoryChannel, MemoryChannel];
}

/** A connection that broke is made anew after so long. */
const againMs = 1_000;

export class Middle {
  /** Everything that came by, in order. */
  readonly passing: Passing[] = [];
  /** What becomes of each message. */
  script: (message: Passing) => void = (message) => message.pass();
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #options: Required<MiddleOptions>;
  readonly #sides = new Map<PublicKey, Side>();
  readonly #between = new Map<string, Interception>();
  #connections = 0;

  constructor(cluster: Cluster, options: MiddleOptions = {}) {
    this.#clock = cluster.clock;
    this.#random = cluster.random.fork();
    this.#options = { bindings: "separate", latencyMs: 5, ...options };
  }

  /** For `DeviceOptions.openNetwork`: the device knows no other network. */
  readonly openNetwork: (relayUrl: string, key: PublicKey) => Network = (_relayUrl, key) => {
    const side: Side = { key, listener: undefined, rooms: new Map() };
    this.#sides.set(key, side);
    return {
      seek: (room) => this.#seek(side, encodeHex(room)),
      retry: () => this.#connectAll(side),
      listen: (listener) => {
        side.listener = listener;
        listener.relayChanged({ url: "middle:", state: "connected" });
      },
      close: () => this.#remove(side),
    };
  };

  /** How many connections it holds at present. */
  get connections(): number {
    return this.#between.size;
  }

  /** Closes every connection, towards both sides. They come back. */
  cutAll(): void {
    for (const { ends } of this.#between.values()) for (const end of ends) end.close();
  }

  #seek(side: Side, room: string): () => void {
    const wish = Symbol("room");
    side.rooms.set(wish, room);
    this.#connectAll(side);
    return () => side.rooms.delete(wish);
  }

  #remove(side: Side): void {
    if (this.#sides.get(side.key) === side) this.#sides.delete(side.key);
    for (const [name, { ends }] of this.#between) if (name.includes(side.key)) for (const end of ends) end.close();
  }

  #connectAll(side: Side): void {
    for (const other of this.#sides.values()) {
      const [a, b] = side.key < other.key ? [side, other] : [other, side];
      if (a !== b) this.#clock.after(this.#options.latencyMs, () => this.#connect(a, b));
    }
  }

  #connect(a: Side, b: Side): void {
    const name = `${a.key} ${b.key}`;
    const areHere = this.#sides.get(a.key) === a && this.#sides.get(b.key) === b;
    if (this.#between.has(name) || !areHere || !shareRoom(a, b)) return;
    const binding = this.#random.bytes(64);
    const other = this.#options.bindings === "shared" ? binding : this.#random.bytes(64);
    const line = this.#line();
    // As for any two devices, the smaller key begins; here it talks to us, and so does the other.
    const [toA, toB] = [createChannelPair(line, binding), createChannelPair(line, other)];
    this.#between.set(name, { ends: [toA.right, toB.left] });
    const connection = this.#connections++;
    this.#carry(toA.right, toB.left, { from: a.key, to: b.key, connection }, name);
    this.#carry(toB.left, toA.right, { from: b.key, to: a.key, connection }, name);
    a.listener?.connected(toA.left, b.key);
    b.listener?.connected(toB.right, a.key);
  }

  #carry(here: Channel, there: Channel, way: Pick<Passing, "from" | "to" | "connection">, name: string): void {
    let index = 0;
    here.limit(2 ** 30);
    const listener: ChannelListener = {
      message: (bytes) => {
        const message: Passing = {
          ...way,
          bytes,
          index: index++,
          pass: (changed = bytes) => there.send(changed),
          reflect: (changed = bytes) => here.send(changed),
        };
        this.passing.push(message);
        this.script(message);
      },
      drained: () => {},
      closed: () => {
        there.close();
        this.#between.delete(name);
        this.#clock.after(againMs, () => this.#again(way.from));
      },
    };
    here.listen(listener);
  }

  #again(key: PublicKey): void {
    const side = this.#sides.get(key);
    if (side !== undefined) this.#connectAll(side);
  }

  #line(): MemoryLine {
    return { clock: this.#clock, latencyMs: () => this.#options.latencyMs, sent: () => {}, ended: () => {} };
  }
}

function shareRoom(a: Side, b: Side): boolean {
  const rooms = new Set(a.rooms.values());
  return [...b.rooms.values()].some((room) => rooms.has(room));
}
