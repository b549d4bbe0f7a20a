/** More than anybody needs, from strangers and from members: what it costs stays bounded, and who is beside them is served. */
import { describe, expect, test } from "vitest";
import type { PublicKey } from "../core/ids.ts";
import {
  badSignaturesMax,
  handshakeGraceMs,
  handshakesMax,
  inboundMessagesMax,
  peerMessagesBurst,
  peerMessagesPerSecond,
  pendingEntriesMax,
  proofsPerSessionMax,
  refusalReportsBurst,
  refusalReportsPerSecond,
  strangerHandshakesBurst,
  strangerHandshakesPerSecond,
  strangerMessagesBurst,
  strangerMessagesPerSecond,
} from "../core/limits.ts";
import { READ, WRITE } from "../core/store/power.ts";
import type { Network, NetworkListener } from "../ports/transport.ts";
import { Cluster, type Group } from "./cluster.ts";
import type { Device } from "./device.ts";
import { type FloodSubject, flood, floodBadSignatures, floodNames, floodOrphans } from "./hostile-floods.ts";
import { HostilePeer } from "./hostile-peer.ts";
import type { HostileTalk } from "./hostile-talk.ts";
import { createChannelPair, type MemoryChannel } from "./memory-channel.ts";
import { keyOf, rowParts } from "./writers.ts";

interface Scene extends Group {
  readonly cluster: Cluster;
  readonly alice: Device;
  readonly bob: Device;
  readonly mallory: HostilePeer;
  readonly talk: HostileTalk;
  readonly subject: FloodSubject;
}

/** Alice and Bob share a database; Mallory knows its id, or is a member whose device turned bad. */
async function open(seed: number, power?: typeof READ | typeof WRITE): Promise<Scene> {
  const cluster = new Cluster(seed);
  const { id, devices } = await cluster.addMembers([
    { power: WRITE },
    { power: WRITE },
    ...(power === undefined ? [] : [{ power }]),
  ]);
  const [alice, bob, turned] = devices as [Device, Device, Device | undefined];
  await cluster.converge(id, devices as Device[]);
  turned?.crash();
  await cluster.pass(100);
  const as = turned === undefined ? {} : { as: turned.identity };
  const mallory = await HostilePeer.join(cluster, { database: id, ...as });
  const talk = await mallory.meet(alice.key);
  // Whoever does not greet is greeted after a while, and what may come at once has gathered.
  await cluster.pass(10_000);
  const subject = { database: id, random: cluster.random.fork(), nowMs: () => cluster.clock.now() };
  return { cluster, id, devices: [alice, bob], alice, bob, mallory, talk, subject };
}

/** Bob's next row is with Alice in a second or two, whatever else goes on. */
async function expectServed({ cluster, id, alice, bob }: Scene, row: string): Promise<void> {
  await cluster.settle(bob.write(id, row, { n: 1 }));
  await cluster.until(() => alice.rows(id).has(row), 2_000);
}

function inboundOf({ alice, id }: Scene): number {
  return alice.instance.backlog(id).inbound;
}

describe.each([
  ["a stranger", undefined, strangerMessagesPerSecond, strangerMessagesBurst],
  ["a reader", READ, peerMessagesPerSecond, peerMessagesBurst],
] as const)("%s", (_who, power, perSecond, burst) => {
  test("[HOSTILE-6] is answered no faster than the limits allow, and is cut off when it goes on", async () => {
    const scene = await open(1, power);
    const { cluster, talk, subject } = scene;
    const begunMs = cluster.clock.now();
    const most = (): number => burst + (perSecond * (cluster.clock.now() - begunMs)) / 1_000;
    flood(talk, "pings", subject, burst + inboundMessagesMax / 2);
    for (let i = 0; i < 5; i++) {
      await cluster.pass(20);
      expect(talk.heard("pong").length).toBeLessThanOrEqual(most());
    }
    expect(talk.heard("pong").length).toBeGreaterThan(0.9 * burst);
    await expectServed(scene, "during");
    flood(talk, "pings", subject, burst + 2 * inboundMessagesMax);
    await cluster.pass(200);
    expect(talk.isOpen).toBe(false);
    expect(scene.alice.problems.map(({ code }) => code)).toContain("MESSAGE_TOO_LARGE");
    await expectServed(scene, "after");
  });

  test.each(floodNames)(
    "[HOSTILE-5] floods with %s: little waits, few signatures are checked, and the peer beside it is served",
    async (name) => {
      const scene = await open(2, power);
      const { cluster, alice, talk, subject } = scene;
      const checks = alice.checks;
      // As much as the kind of message is large.
      const count = name === "digests" || name === "wants" ? 300 : 5_000;
      for (let round = 0; round < 4; round++) {
        flood(talk, name, subject, count / 4);
        await cluster.pass(5);
        expect(inboundOf(scene)).toBeLessThanOrEqual(inboundMessagesMax);
      }
      await expectServed(scene, "during");
      await cluster.pass(1_000);
      expect(talk.bytesHeard.length).toBeLessThanOrEqual(2 * count + 100);
      // Whether a proof is good only those know who hold the database: it is the number of proofs that is bounded.
      const checksMax = name === "proofs" ? proofsPerSessionMax : badSignaturesMax;
      expect(alice.checks - checks).toBeLessThan(checksMax + 50);
      await expectServed(scene, "after");
    },
  );
});

describe("a member whose device turned bad", () => {
  test("[HOSTILE-7] is cut off after a hundred bad signatures, and comes back ever more slowly", async () => {
    const scene = await open(3, WRITE);
    const { cluster, alice, mallory, id, subject } = scene;
    const forger = mallory.forger({ database: id });
    const checks = alice.checks;
    const begunMs = cluster.clock.now();
    while (cluster.clock.now() - begunMs < 60_000) {
      const talk = mallory.talkWith(alice.key);
      if (talk !== undefined) await floodBadSignatures(talk, forger, subject, 500);
      await cluster.pass(500);
    }
    const sessions = mallory.talks.filter(({ peer }) => peer === alice.key).length;
    expect(alice.problems.map(({ code }) => code)).toContain("MESSAGE_UNEXPECTED");
    expect(sessions).toBeLessThan(60);
    // Of each session one batch at most beyond the limit, and its handshake.
    expect(alice.checks - checks).toBeLessThan(8 * (badSignaturesMax + 500) + 2 * sessions);
    await expectServed(scene, "after");
  });

  test("[HOSTILE-17] whose entries are refused by the thousand, is told of to the app a few times a second", async () => {
    const scene = await open(9, READ);
    const { cluster, alice, mallory, id, subject } = scene;
    const forger = mallory.forger({ database: id });
    const talk = await mallory.meet(alice.key);
    const before = alice.problems.length;
    const begunMs = cluster.clock.now();
    for (let batch = 0; batch < 60 && talk.isOpen; batch++) {
      const forbidden = (): ReturnType<typeof forger.forge> =>
        forger.forge(rowParts("forbidden", { n: subject.random.int(2 ** 31) }), { height: 1 });
      talk.offer(id, await Promise.all(Array.from({ length: 20 }, forbidden)));
      await cluster.pass(50);
    }
    const seconds = (cluster.clock.now() - begunMs) / 1_000;
    const told = alice.problems.length - before;
    expect(told).toBeGreaterThanOrEqual(refusalReportsBurst);
    expect(told).toBeLessThanOrEqual(refusalReportsBurst + refusalReportsPerSecond * seconds + 5);
    await expectServed(scene, "after");
  });

  test("[HOSTILE-5] fills no more than its share with entries that wait for what nobody has", async () => {
    const scene = await open(4, WRITE);
    const { cluster, alice, mallory, id, subject, talk } = scene;
    const forger = mallory.forger({ database: id });
    await floodOrphans(talk, forger, subject, 2_000);
    await cluster.pass(2_000);
    expect(alice.instance.database(id).replica.pending.size).toBeLessThanOrEqual(pendingEntriesMax);
    expect(alice.instance.database(id).replica.pending.size).toBeGreaterThan(0);
    await expectServed(scene, "after");
  });

  test("[HOSTILE-5] that sends a message larger than anything there is, is cut off before it is held", async () => {
    const scene = await open(5, WRITE);
    const { cluster, talk } = scene;
    talk.sayBytes(new Uint8Array(40 * 1024 * 1024));
    await cluster.pass(500);
    expect(talk.isOpen).toBe(false);
    await expectServed(scene, "after");
  });
});

describe("strangers who only open channels", () => {
  /** A device's network through which a test opens channels to it, beside those that come about by themselves. */
  function doorOf(cluster: Cluster): {
    readonly openNetwork: (relayUrl: string, key: Device["key"]) => Network;
    knock(number: number, key?: PublicKey): Pick<MemoryChannel, "isOpen" | "close">;
  } {
    let inside: NetworkListener | undefined;
    const line = { clock: cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
    return {
      openNetwork: (_relayUrl, key) => {
        const network = cluster.join(key);
        const listen = (listener: NetworkListener): void => {
          inside = listener;
          network.listen(listener);
        };
        return {
          seek: (room) => network.seek(room),
          retry: () => network.retry(),
          close: () => network.close(),
          listen,
        };
      },
      knock: (number, key = keyOf(number)) => {
        const { left, right } = createChannelPair(line, cluster.random.bytes(32));
        inside?.connected(right, key);
        return left;
      },
    };
  }

  async function openBehindDoor(
    seed: number,
  ): Promise<Group & { readonly cluster: Cluster; readonly door: ReturnType<typeof doorOf> }> {
    const cluster = new Cluster(seed);
    const door = doorOf(cluster);
    const { id, devices } = await cluster.addMembers([
      { power: WRITE, openNetwork: door.openNetwork },
      { power: WRITE },
    ]);
    await cluster.converge(id, devices as Device[]);
    await cluster.pass(5_000);
    return { cluster, door, id, devices: devices as Device[] };
  }

  test("[HOSTILE-8] and never say a word, keep few places, and hold up nobody who is known", async () => {
    const { cluster, door, id, devices } = await openBehindDoor(6);
    const [alice, bob] = devices as [Device, Device];
    cluster.network.drop(alice.key, bob.key);
    await cluster.settle(bob.write(id, "row", { n: 1 }));
    const all: { readonly isOpen: boolean }[] = [];
    for (let i = 0; i < 300; i++) {
      all.push(...Array.from({ length: 10 }, (_, at) => door.knock(1_000 + 10 * i + at)));
      // Whoever is turned away hears of it at once.
      await cluster.pass(10);
      expect(all.filter((each) => each.isOpen).length).toBeLessThanOrEqual(handshakesMax);
    }
    expect(alice.rows(id).has("row")).toBe(true);
  });

  test("[HOSTILE-8] at one moment, however many, do not take the place of somebody who is known", async () => {
    const { cluster, door, devices } = await openBehindDoor(9);
    const [, bob] = devices as [Device, Device];
    const all = Array.from({ length: 2 * handshakesMax }, (_, i) => door.knock(1_000 + i));
    const known = door.knock(0, bob.key);
    // Nobody has to give way yet.
    await cluster.pass(handshakeGraceMs / 2);
    expect(all.filter(({ isOpen }) => isOpen)).toHaveLength(handshakesMax);
    expect(known.isOpen).toBe(true);
  });

  test("[HOSTILE-8] and go again at once, begin as few handshakes as the limits say, while who is known comes and goes", async () => {
    const { cluster, door, id, devices } = await openBehindDoor(8);
    const [alice, bob] = devices as [Device, Device];
    const beganMs = cluster.clock.now();
    let begun = 0;
    for (let i = 0; i < 600; i++) {
      const fresh = Array.from({ length: 10 }, (_, at) => door.knock(1_000 + 10 * i + at));
      await cluster.pass(10);
      begun += fresh.filter((each) => each.isOpen).length;
      for (const each of fresh) each.close();
      if (i === 100) cluster.network.drop(alice.key, bob.key);
      if (i === 110) await cluster.settle(bob.write(id, "row", { n: 1 }));
    }
    const seconds = (cluster.clock.now() - beganMs) / 1_000;
    expect(begun).toBeLessThanOrEqual(strangerHandshakesBurst + strangerHandshakesPerSecond * seconds);
    expect(begun).toBeGreaterThan(strangerHandshakesBurst);
    expect(alice.rows(id).has("row")).toBe(true);
  });

  test("[HOSTILE-8] make room for others after a second, so that somebody new gets in", async () => {
    const { cluster, door, id, devices } = await openBehindDoor(7);
    const [alice] = devices as [Device];
    const silent = Array.from({ length: handshakesMax }, (_, i) => door.knock(1_000 + i));
    await cluster.pass(1_500);
    const before = silent.filter(({ isOpen }) => isOpen).length;
    expect(before).toBe(handshakesMax);
    const mallory = await HostilePeer.join(cluster, { database: id });
    await mallory.meet(alice.key);
    expect(silent.filter(({ isOpen }) => isOpen).length).toBeLessThan(before);
  });
});
