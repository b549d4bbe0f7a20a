import fc from "fast-check";
import { expect, test } from "vitest";
import { type PublicKey, publicKeyFromBytes } from "../core/ids.ts";
import { connectingMax, connectTimeoutMs } from "../core/limits.ts";
import type { Introducer } from "../ports/introducer.ts";
import type { Channel, Network } from "../ports/transport.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { MemoryRelay } from "../testing/memory-introducer.ts";
import { type MemoryPage, MemoryPages } from "../testing/memory-page.ts";
import { SeededRandom } from "../testing/random.ts";
import { encodeNote, parseNote } from "./signal.ts";
import { createWebRtcNetwork } from "./webrtc.ts";

const room = new Uint8Array(32);
const anotherRoom = new Uint8Array(32).fill(1);
const [alice, bob, carol, dave] = [1, 2, 3, 4].map((n) => publicKeyFromBytes(new Uint8Array(32).fill(n))) as [
  PublicKey,
  PublicKey,
  PublicKey,
  PublicKey,
];

interface Device {
  readonly network: Network;
  readonly page: MemoryPage;
  readonly channels: Channel[];
  readonly log: string[];
}

class World {
  readonly clock = new SimulatedClock(0);
  readonly relay: MemoryRelay = new MemoryRelay(this.clock);
  readonly pages = new MemoryPages(this.clock);
  #seed = 1;

  open(key: PublicKey, rooms: readonly Uint8Array[] = [room], peersMax: number | (() => number) = 100): Device {
    const page = this.pages.open();
    const network = createWebRtcNetwork({
      introducer: this.relay.join(key),
      page: page.worker,
      self: key,
      clock: this.clock,
      random: new SeededRandom(this.#seed++),
      iceServers: [],
      peersMax: typeof peersMax === "number" ? () => peersMax : peersMax,
    });
    const device: Device = { network, page, channels: [], log: [] };
    network.listen({
      relayChanged: ({ state }) => device.log.push(state),
      connected: (channel, peer) => this.#note(device, channel, peer.slice(0, 2)),
    });
    for (const one of rooms) network.seek(one);
    return device;
  }

  /** What happened at a device in this time. Lets microtasks run between timers. */
  async run(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    await Promise.resolve();
    while ((this.clock.nextAt ?? Number.POSITIVE_INFINITY) <= end) {
      this.clock.runNext();
      await Promise.resolve();
    }
    this.clock.advance(end - this.clock.now());
  }

  /** When `from` sent notes of a type to `to`. */
  notesOf(from: PublicKey, to: PublicKey, type: string): number {
    return this.relay.notes.filter((one) => {
      const note = parseNote(one.note);
      return one.from === from && one.to === to && note.ok && note.value.type === type;
    }).length;
  }

  #note(device: Device, channel: Channel, peer: string): void {
    device.channels.push(channel);
    device.log.push(`${peer} connected`);
    channel.listen({
      message: (bytes) => device.log.push(`${peer} ${bytes.join()}`),
      drained: () => {},
      closed: () => device.log.push(`${peer} closed`),
    });
  }
}

/** A device that is present at the relay and says what a test makes it say. */
function intruder(
  world: World,
  key: PublicKey,
): Introducer & { readonly received: { at: number; note: Uint8Array }[] } {
  const introducer = world.relay.join(key);
  const received: { at: number; note: Uint8Array }[] = [];
  introducer.listen({
    met: () => {},
    left: () => {},
    noted: (_, note) => received.push({ at: world.clock.now(), note }),
    statusChanged: () => {},
  });
  introducer.enter(room);
  return Object.assign(introducer, { received });
}

test("[LINK-1] a pair that shares several rooms has one connection, whose initiator is the smaller key", async () => {
  for (const keys of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const world = new World();
    const [one, other] = keys.map((key) => world.open(key, [room, anotherRoom])) as [Device, Device];
    await world.run(60_000);
    expect([one.channels.length, other.channels.length]).toEqual([1, 1]);
    expect(one.channels[0]?.initiator).toBe(keys[0] === alice);
    expect(other.channels[0]?.initiator).toBe(keys[1] === alice);
    expect(one.channels[0]?.binding).toEqual(other.channels[0]?.binding);
    expect(world.pages.asked).toBe(2);
    one.channels[0]?.send(Uint8Array.of(1, 2));
    await world.run(100);
    expect(other.log.at(-1)).toBe(`${keys[0].slice(0, 2)} 1,2`);
  }
});

test("[LINK-1] no connection is made before a peer is met, nor in other rooms", async () => {
  const world = new World();
  world.open(alice, [room]);
  world.open(bob, [anotherRoom]);
  await world.run(300_000);
  expect(world.pages.asked).toBe(0);
});

test("[LINK-2] signals of another attempt do not reach the connection", async () => {
  const world = new World();
  const { page } = world.open(alice);
  const bobs = intruder(world, bob);
  await world.run(10);
  const sdp = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
  const answer = (attempt: string) => encodeNote({ type: "signals", attempt, signals: [{ type: "answer", sdp }] });
  bobs.note(alice, encodeNote({ type: "ask", attempt: "0123456789abcdef" }));
  bobs.note(alice, answer("fedcba9876543210"));
  await world.run(100);
  expect(page.heard.map(({ type }) => type)).toEqual(["connect"]);
  bobs.note(alice, answer("0123456789abcdef"));
  await world.run(100);
  expect(page.heard.map(({ type }) => type)).toEqual(["connect", "signal"]);
});

test("[LINK-2] an attempt that is asked for again goes on", async () => {
  const world = new World();
  const { page } = world.open(alice);
  const bobs = intruder(world, bob);
  for (let i = 0; i < 3; i++) {
    await world.run(2_000);
    bobs.note(alice, encodeNote({ type: "ask", attempt: "0123456789abcdef" }));
  }
  await world.run(100);
  expect(page.heard.map(({ type }) => type)).toEqual(["connect"]);
});

test("[LINK-2] a peer that reloads at any moment of the handshake is connected soon, and stale halves are dropped", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(60), fc.constantFrom(alice, bob), async (reloadAtMs, reloading) => {
      const world = new World();
      const devices = new Map([alice, bob].map((key) => [key, world.open(key)]));
      await world.run(reloadAtMs);
      devices.get(reloading)?.page.vanish();
      devices.set(reloading, world.open(reloading));
      await world.run(5_000);
      const [one, other] = [...devices.values()] as [Device, Device];
      expect(one.channels.at(-1)?.binding).toEqual(other.channels.at(-1)?.binding);
      one.channels.at(-1)?.send(Uint8Array.of(9));
      await world.run(100);
      expect(other.log.at(-1)).toMatch(/ 9$/);
      expect([one.page.connections, other.page.connections]).toEqual([1, 1]);
    }),
    { numRuns: 60 },
  );
});

test("[LINK-3] a peer that comes back without its connection is connected anew, and the stale channel is closed", async () => {
  for (const reloading of [alice, bob]) {
    const world = new World();
    const devices = new Map([alice, bob].map((key) => [key, world.open(key)]));
    await world.run(10_000);
    devices.get(reloading)?.page.vanish();
    const reloaded = world.open(reloading);
    await world.run(500);
    const survivor = devices.get(reloading === alice ? bob : alice);
    const name = reloading.slice(0, 2);
    expect(survivor?.log.slice(1)).toEqual([`${name} connected`, `${name} closed`, `${name} connected`]);
    expect(reloaded.channels[0]?.binding).toEqual(survivor?.channels[1]?.binding);
  }
});

test("[LINK-3] after any troubles a pair that is left in peace has one connection again", async () => {
  const trouble = fc.record({
    afterMs: fc.nat(3_000),
    kind: fc.constantFrom("reload", "break", "relay away", "relay back", "page stuck", "page well"),
    who: fc.constantFrom(alice, bob),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(trouble, { maxLength: 12 }), async (troubles) => {
      const world = new World();
      const devices = new Map([alice, bob].map((key) => [key, world.open(key)]));
      for (const { afterMs, kind, who } of troubles) {
        await world.run(afterMs);
        const page = devices.get(who)?.page;
        if (kind === "break") page?.breakAll();
        else if (kind === "relay away" || kind === "relay back") world.relay.setUp(kind === "relay back");
        else if (kind === "reload") {
          page?.vanish();
          devices.set(who, world.open(who));
        } else if (page !== undefined) page.dead = kind === "page stuck";
      }
      const [one, other] = [...devices.values()] as [Device, Device];
      one.page.dead = false;
      other.page.dead = false;
      world.relay.setUp(true);
      await world.run(connectTimeoutMs + 65_000);
      expect([one.page.connections, other.page.connections]).toEqual([1, 1]);
      other.channels.at(-1)?.send(Uint8Array.of(9));
      await world.run(100);
      expect(one.log.at(-1)).toMatch(/ 9$/);
    }),
    { numRuns: 200 },
  );
});

test("[LINK-4] a peer that never answers is tried after pauses that double, up to 64 s, and holds up nobody", async () => {
  for (const [self, ghost] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const world = new World();
    intruder(world, ghost);
    const [device, other] = [world.open(self, [room], 1), world.open(carol, [room], 1)];
    await world.run(100);
    expect([device.log.at(-1), other.log.at(-1)]).toEqual(["03 connected", `${self.slice(0, 2)} connected`]);
    await world.run(600_000);
    const tries = world.notesOf(self, ghost, self === alice ? "hello" : "ask");
    expect(tries).toBeGreaterThanOrEqual(5 + 540 / 64);
    expect(tries).toBeLessThanOrEqual(7 + 600 / 32);
  }
});

test("[LINK-4] the pauses before the next tries are 0.5–1, 1–2, 2–4 … 32–64 s", async () => {
  const world = new World();
  const { received } = intruder(world, alice);
  world.open(bob);
  await world.run(1_000_000);
  const pauses = received.slice(1).map(({ at }, index) => at - (received[index]?.at ?? 0));
  for (const [index, pause] of pauses.entries()) {
    const longest = Math.min(64_000, 1_000 * 2 ** index);
    expect(pause).toBeGreaterThanOrEqual(longest / 2);
    expect(pause).toBeLessThanOrEqual(longest);
  }
  expect(pauses.length).toBeGreaterThan(15);
});

test("[LINK-4] retry tries at once", async () => {
  const world = new World();
  const { received } = intruder(world, alice);
  const { network } = world.open(bob);
  await world.run(300_000);
  const before = received.length;
  network.retry();
  await world.run(10);
  expect(received.length).toBe(before + 1);
  await world.run(1_100);
  expect(received.length).toBeGreaterThanOrEqual(before + 2);
});

test("[LINK-4] a retry on either side connects at once", async () => {
  for (const retrying of [0, 1]) {
    const world = new World();
    const devices = [world.open(alice), world.open(bob)];
    await world.run(100_000);
    devices[0]?.page.breakAll();
    await world.run(10);
    devices[retrying]?.network.retry();
    await world.run(100);
    expect(devices.map(({ channels }) => channels.length)).toEqual([2, 2]);
  }
});

test("[LINK-4] an attempt that does not come up is taken down after its time and made again", async () => {
  const world = new World();
  const [one, other] = [world.open(alice), world.open(bob)];
  other.page.dead = true;
  await world.run(connectTimeoutMs - 100);
  expect(one.page.connections).toBe(1);
  await world.run(200);
  expect([one.page.connections, other.page.connections]).toEqual([0, 0]);
  expect(one.page.heard.at(-1)?.type).toBe("close");
  other.page.dead = false;
  await world.run(5_000);
  expect([one.log.at(-1), other.log.at(-1)]).toEqual(["02 connected", "01 connected"]);
});

test("[LINK-4] a connection that breaks is made again while the peer is present", async () => {
  const world = new World();
  const [one, other] = [world.open(alice), world.open(bob)];
  await world.run(100_000);
  one.page.breakAll();
  await world.run(3_000);
  expect(one.log).toEqual(["connected", "02 connected", "02 closed", "02 connected"]);
  expect(other.log).toEqual(["connected", "01 connected", "01 closed", "01 connected"]);
});

test("[LINK-5] an established channel outlives the relay, and is the only one when the relay is back", async () => {
  const world = new World();
  const [one, other] = [world.open(alice), world.open(bob)];
  await world.run(1_000);
  world.relay.setUp(false);
  await world.run(120_000);
  one.channels[0]?.send(Uint8Array.of(5));
  await world.run(100);
  expect(other.log).toEqual(["connected", "01 connected", "waiting", "01 5"]);
  world.relay.setUp(true);
  await world.run(120_000);
  expect(world.pages.asked).toBe(2);
});

test("[LINK-5] a peer that left is not tried again", async () => {
  const world = new World();
  const [one, other] = [world.open(alice), world.open(bob)];
  await world.run(1_000);
  other.network.close();
  await world.run(1_000);
  expect(one.log).toEqual(["connected", "02 connected", "02 closed"]);
  const notes = world.relay.notes.length;
  await world.run(600_000);
  expect(world.relay.notes.length).toBe(notes);
});

test("[LINK-6] there are never more connections than allowed, and one that ends makes room for another", async () => {
  const world = new World();
  const one = world.open(dave, [room], 2);
  const others = [alice, bob, carol].map((key) => world.open(key, [room], 1));
  await world.run(120_000);
  expect(one.page.connections).toBe(2);
  const connected = others.filter(({ page }) => page.connections > 0);
  connected[0]?.network.close();
  await world.run(200_000);
  expect(one.page.connections).toBe(2);
});

test("[LINK-6] no more than 32 connections come up at once, and as many are up as the settings say at the time", async () => {
  const world = new World();
  let peersMax = 40;
  const one = world.open(publicKeyFromBytes(new Uint8Array(32)), [room], () => peersMax);
  one.page.dead = true;
  const others = Array.from({ length: 60 }, (_, i) => world.open(publicKeyFromBytes(new Uint8Array(32).fill(i + 1))));
  await world.run(connectTimeoutMs - 1_000);
  let [comingUp, most] = [0, 0];
  for (const { type } of one.page.heard) {
    if (type !== "signal") comingUp += type === "connect" ? 1 : -1;
    most = Math.max(most, comingUp);
  }
  expect([most, one.channels.length]).toEqual([connectingMax, 0]);
  one.page.dead = false;
  await world.run(200_000);
  expect(one.page.connections).toBe(40);
  peersMax = 50;
  await world.run(200_000);
  expect([one.page.connections, others.length]).toEqual([50, 60]);
});

test("[LINK-6] notes of a hostile peer start few connections, and none of any other form does anything", async () => {
  const world = new World();
  const { page } = world.open(bob);
  const [smaller, larger] = [intruder(world, alice), intruder(world, carol)];
  await world.run(10);
  const sdp = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
  const random = new SeededRandom(1);
  for (let i = 0; i < 1_000; i++) {
    const attempt = i.toString(16).padStart(16, "0");
    const asked = parseNote(smaller.received.at(-1)?.note ?? random.bytes(1));
    smaller.note(bob, encodeNote({ type: "hello" }));
    if (asked.ok && asked.value.type === "ask") {
      smaller.note(bob, encodeNote({ ...asked.value, type: "signals", signals: [{ type: "offer", sdp }] }));
    }
    larger.note(bob, encodeNote({ type: "ask", attempt }));
    larger.note(bob, random.bytes(random.int(100)));
    await world.run(10);
  }
  // Ten seconds, four connections a second at most for each of the two.
  const connects = page.heard.flatMap((message) => (message.type === "connect" ? [message.initiator] : []));
  for (const initiator of [true, false]) {
    const count = connects.filter((one) => one === initiator).length;
    expect(count).toBeGreaterThan(1);
    expect(count).toBeLessThanOrEqual(41);
  }
  expect(page.connections).toBeLessThanOrEqual(2);
});

test("[LINK-6] one description and 64 candidates of a peer reach the browser", async () => {
  const world = new World();
  const { page } = world.open(alice);
  const bobs = intruder(world, bob);
  await world.run(10);
  const attempt = "0123456789abcdef";
  bobs.note(alice, encodeNote({ type: "ask", attempt }));
  const sdp = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
  const candidate = { type: "candidate", candidate: "c", sdpMLineIndex: 0, sdpMid: "0" } as const;
  for (let i = 0; i < 100; i++) {
    for (const type of ["offer", "answer"] as const) {
      bobs.note(alice, encodeNote({ type: "signals", attempt, signals: [{ type, sdp }, candidate] }));
    }
  }
  await world.run(100);
  const signals = page.heard.flatMap((message) => (message.type === "signal" ? [message.signal.type] : []));
  expect(signals.filter((type) => type === "answer")).toHaveLength(1);
  expect(signals.filter((type) => type === "offer")).toHaveLength(0);
  expect(signals.filter((type) => type === "candidate")).toHaveLength(64);
});

test("[LINK-7] when the page goes away all channels close and nothing is tried any more", async () => {
  const world = new World();
  const one = world.open(alice);
  world.open(bob);
  world.open(carol);
  await world.run(1_000);
  one.page.close();
  await world.run(1_000);
  expect(one.log.slice(3).sort()).toEqual(["02 closed", "03 closed"]);
  const asked = one.page.heard.length;
  world.relay.setUp(false);
  world.relay.setUp(true);
  one.network.retry();
  await world.run(100_000);
  expect(one.page.heard.length).toBe(asked);
});

test("[LINK-7] a network that is closed closes its channels and its page's connections", async () => {
  const world = new World();
  const [one, other] = [world.open(alice), world.open(bob)];
  await world.run(1_000);
  one.network.close();
  one.network.close();
  await world.run(1_000);
  expect([one.log.at(-1), other.log.at(-1)]).toEqual(["02 closed", "01 closed"]);
  expect([one.page.connections, other.page.connections]).toEqual([0, 0]);
});
