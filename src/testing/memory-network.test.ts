import { describe, expect, test } from "vitest";
import { type PublicKey, publicKeyFromBytes } from "../core/ids.ts";
import type { Channel, Network } from "../ports/transport.ts";
import { channelContract } from "./channel-contract.ts";
import { SimulatedClock } from "./clock.ts";
import { createChannelPair } from "./memory-channel.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { SeededRandom } from "./random.ts";

describe("a channel in memory", () => {
  for (const { title, check } of channelContract) {
    test(title, async () => {
      const clock = new SimulatedClock();
      const random = new SeededRandom(1);
      const latencyMs = (): number => 1 + random.int(20);
      const line = { clock, latencyMs, bytesPerSecond: () => 5_000_000, sent: () => {}, ended: () => {} };
      await check({
        ...createChannelPair(line, random.bytes(64)),
        until: async (condition) => {
          while (!condition()) expect(clock.runNext()).toBe(true);
        },
      });
    });
  }
});

const [alice, bob, carol] = [1, 2, 3].map((n) => publicKeyFromBytes(new Uint8Array(32).fill(n))) as [
  PublicKey,
  PublicKey,
  PublicKey,
];
const room = new Uint8Array(32).fill(1);
const anotherRoom = new Uint8Array(32).fill(2);

class World {
  readonly clock = new SimulatedClock(0);
  readonly network: MemoryNetwork;
  readonly log: string[] = [];
  readonly channels = new Map<string, Channel>();

  constructor(seed = 1) {
    this.network = new MemoryNetwork({ clock: this.clock, random: new SeededRandom(seed) });
  }

  join(key: PublicKey, ...rooms: readonly Uint8Array[]): Network {
    const name = key.slice(0, 2);
    const network = this.network.join(key);
    network.listen({
      relayChanged: () => {},
      connected: (channel, peer) => {
        const way = `${name}>${peer.slice(0, 2)}`;
        this.channels.set(way, channel);
        this.#note(`${way} connected`);
        channel.listen({
          message: (bytes) => this.#note(`${way} got ${bytes.join()}`),
          drained: () => {},
          closed: () => this.#note(`${way} closed`),
        });
      },
    });
    for (const one of rooms) network.seek(one);
    return network;
  }

  send(way: string, value: number): void {
    this.channels.get(way)?.send(Uint8Array.of(value));
  }

  /** What happened since the last call, without times. */
  news(ms: number): string[] {
    this.clock.advance(ms);
    return this.log
      .splice(0)
      .map((line) => line.slice(line.indexOf(" ") + 1))
      .sort();
  }

  #note(what: string): void {
    this.log.push(`${this.clock.now()} ${what}`);
  }
}

test("[SIMULATION-3] the same seed gives the same run to the millisecond, another seed another one", () => {
  const run = (seed: number) => {
    const world = new World(seed);
    for (const key of [alice, bob, carol]) world.join(key, room);
    world.clock.advance(200);
    for (let i = 0; i < 20; i++) world.send("01>02", i);
    world.network.drop(bob, carol);
    world.clock.advance(5_000);
    return world.log;
  };
  expect(run(7)).toEqual(run(7));
  expect(run(7)).not.toEqual(run(8));
  expect(run(7)).toHaveLength(30);
});

test("[SIMULATION-3] devices that seek a common room are connected once, and others are not", () => {
  const world = new World();
  world.join(alice, room, anotherRoom);
  world.join(bob, anotherRoom, room);
  const third = world.join(carol);
  expect(world.news(5_000)).toEqual(["01>02 connected", "02>01 connected"]);
  expect(world.channels.get("01>02")?.initiator).toBe(true);
  expect(world.channels.get("02>01")?.initiator).toBe(false);
  const stop = third.seek(room);
  expect(world.news(5_000)).toHaveLength(4);
  stop();
  world.network.drop(alice, carol);
  world.network.drop(alice, bob);
  expect(world.news(5_000)).toEqual([
    "01>02 closed",
    "01>02 connected",
    "01>03 closed",
    "02>01 closed",
    "02>01 connected",
    "03>01 closed",
  ]);
});

test("[SIMULATION-4] what was under way at a cut arrives when it is healed in time", () => {
  const world = new World();
  world.join(alice, room);
  world.join(bob, room);
  world.news(1_000);
  world.send("01>02", 1);
  world.network.cut(alice, bob);
  world.send("01>02", 2);
  world.send("02>01", 3);
  expect(world.news(29_000)).toEqual([]);
  world.network.heal(bob, alice);
  expect(world.news(1_000)).toEqual(["01>02 got 3", "02>01 got 1", "02>01 got 2"]);
  expect([world.network.messages, world.network.bytes]).toEqual([3, 3]);
});

test("[SIMULATION-4] a cut that lasts closes both ends; healing connects the two anew", () => {
  const world = new World();
  world.join(alice, room);
  world.join(bob, room);
  world.news(1_000);
  world.network.cut(alice, bob);
  world.send("01>02", 1);
  expect(world.news(60_000)).toEqual(["01>02 closed", "02>01 closed"]);
  expect(world.network.connected(alice, bob)).toBe(false);
  world.network.heal(alice, bob);
  expect(world.news(1_000)).toEqual(["01>02 connected", "02>01 connected"]);
  expect(world.network.connected(alice, bob)).toBe(true);
});

test("[SIMULATION-4] a drop loses what is under way, and the two are connected anew", () => {
  for (let seed = 0; seed < 20; seed++) {
    const world = new World(seed);
    world.join(alice, room);
    world.join(bob, room);
    world.news(1_000);
    world.send("01>02", 1);
    world.network.drop(alice, bob);
    world.send("01>02", 2);
    world.send("02>01", 3);
    expect(world.news(500)).toEqual(["01>02 closed", "02>01 closed"]);
    expect(world.news(3_000)).toEqual(["01>02 connected", "02>01 connected"]);
  }
});

test("[SIMULATION-4] one way is held and the other flows; after a while both ends are closed, and releasing connects anew", () => {
  const world = new World();
  world.join(alice, room);
  world.join(bob, room);
  world.news(1_000);
  world.network.hold(alice, bob);
  world.send("01>02", 1);
  world.send("02>01", 2);
  expect(world.news(1_000)).toEqual(["01>02 got 2"]);
  world.network.release(alice, bob);
  expect(world.news(1_000)).toEqual(["02>01 got 1"]);
  world.network.hold(alice, bob);
  expect(world.news(29_900)).toEqual([]);
  expect(world.news(10_000)).toEqual(["01>02 closed", "02>01 closed"]);
  world.network.release(alice, bob);
  expect(world.news(1_000)).toEqual(["01>02 connected", "02>01 connected"]);
});

test("[SIMULATION-4] what is done to a way stays when a device closes and joins again, until it is undone", () => {
  const world = new World();
  world.join(alice, room);
  const network = world.join(bob, room);
  world.news(1_000);
  network.close();
  world.network.cut(alice, bob);
  world.join(bob, room);
  expect(world.news(31_000)).toEqual(["01>02 closed", "02>01 closed"]);
  world.network.healAll();
  expect(world.news(1_000)).toEqual(["01>02 connected", "02>01 connected"]);
});

test("[SIMULATION-10] after a lost message nothing arrives that way, the other way does, and both ends are closed in the end", () => {
  const world = new World();
  world.join(alice, room);
  world.join(bob, room);
  world.news(1_000);
  world.network.change(alice, bob, { lose: 1 });
  world.send("01>02", 1);
  world.network.change(alice, bob, {});
  world.send("01>02", 2);
  world.send("02>01", 3);
  expect(world.news(5_000)).toEqual(["01>02 got 3"]);
  // Not even a cut that is healed brings it back.
  world.network.cut(alice, bob);
  world.network.heal(alice, bob);
  expect(world.news(20_000)).toEqual([]);
  expect(world.news(10_000)).toEqual(["01>02 closed", "01>02 connected", "02>01 closed", "02>01 connected"]);
  expect(world.network.fates).toEqual({ lost: 1, twice: 0, overtaken: 0 });
});

test("[SIMULATION-10] an unfaithful way delivers messages twice or in another order", () => {
  const world = new World();
  world.join(alice, room);
  world.join(bob, room);
  world.news(1_000);
  const got = (): readonly string[] => {
    world.clock.advance(1_000);
    return world.log.splice(0).map((line) => line.slice(line.indexOf("got ")));
  };
  world.network.change(alice, bob, { duplicate: 1 });
  world.send("01>02", 1);
  expect(got()).toEqual(["got 1", "got 1"]);
  world.network.change(alice, bob, { reorder: 1 });
  world.send("01>02", 1);
  world.network.change(alice, bob, {});
  world.send("01>02", 2);
  world.send("01>02", 3);
  expect(got()).toEqual(["got 2", "got 1", "got 3"]);
  expect(world.network.fates).toEqual({ lost: 0, twice: 1, overtaken: 1 });
});

test("[SIMULATION-10] a clogged way takes its time, and its sender is told to wait", () => {
  const world = new World();
  world.join(alice, room);
  world.join(bob, room);
  world.news(1_000);
  world.network.change(alice, bob, { bytesPerSecond: 100 });
  const channel = world.channels.get("01>02") as Channel;
  for (let i = 0; i < 10; i++) channel.send(new Uint8Array(50).fill(i));
  expect(channel.congested).toBe(true);
  expect(world.news(2_200)).toHaveLength(4);
  expect(channel.congested).toBe(true);
  expect(world.news(2_350)).toHaveLength(5);
  expect(channel.congested).toBe(true);
  expect(world.news(500)).toHaveLength(1);
  expect(channel.congested).toBe(false);
});

test("[SIMULATION-4] a device that closes is gone for the others, and can join again", () => {
  const world = new World();
  const network = world.join(alice, room);
  world.join(bob, room);
  world.news(1_000);
  network.close();
  expect(world.news(30_000)).toEqual(["01>02 closed", "02>01 closed"]);
  world.join(alice, room);
  expect(world.news(1_000)).toEqual(["01>02 connected", "02>01 connected"]);
});
