/** Peers with several paths: which of them carries the session, how they end, and how many there may be. */
import { describe, expect, test } from "vitest";
import { pathsPerPeerMax } from "../core/limits.ts";
import { WRITE } from "../core/store/power.ts";
import type { Network } from "../ports/transport.ts";
import { MemoryDisk } from "../storage/memory.ts";
import { createChannelPair } from "../testing/memory-channel.ts";
import { MemoryNetwork } from "../testing/memory-network.ts";
import {
  carriers,
  connected,
  converge,
  never,
  newKey,
  open,
  pair,
  pathsOf,
  quiet,
  type Raw,
  rawPeer,
  retrying,
  world,
} from "../testing/site-pair.ts";
import type { SyncSite } from "../testing/sync-site.ts";
import { relayTransport } from "./relay-transport.ts";

describe("[ENGINE-13] of several paths to one peer", () => {
  test("both ends let the same one carry the session, whichever came first", async () => {
    const kept = new Set<boolean>();
    for (let seed = 1; seed <= 20; seed++) {
      const both = await connected({ seed });
      const { cluster, ann, ben, id } = both;
      const first = ann.peers.carrier(ben.key)?.rank ?? "";
      await cluster.settle(ann.peers.connect({ address: "memory:b" }, never));
      await cluster.until(() => pathsOf(ann, ben) === 2 && pathsOf(ben, ann) === 2);
      const [carrier, other] = carriers(both);
      kept.add(carrier === first);
      expect(carrier).toBe(other);
      expect(carrier !== undefined && carrier <= first).toBe(true);
      await Promise.all([ann.write(id, "from ann"), ben.write(id, "from ben")]);
      await converge(both);
      expect(ann.peers.info(ben.key).paths.filter(({ carries }) => carries)).toHaveLength(1);
      expect([ann.errors, ben.errors]).toEqual([[], []]);
    }
    expect(kept).toEqual(new Set([true, false]));
  });

  test("dials that cross settle on one, and nothing that is written meanwhile is missing", async () => {
    let crossed = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const both = await pair({ seed });
      const { cluster, ann, ben, id } = both;
      const dials = [ann.peers.connect({ peer: ben.key }, never), ben.peers.connect({ peer: ann.key }, never)];
      await ann.write(id, "before");
      await cluster.pass(cluster.random.int(80));
      await ann.write(id, "meanwhile");
      await cluster.settle(Promise.all(dials));
      await cluster.until(() => pathsOf(ann, ben) === pathsOf(ben, ann));
      await ann.write(id, "after");
      await converge(both);
      await cluster.pass(200);
      const [carrier, other] = carriers(both);
      expect([seed, carrier === other, carrier !== undefined, ben.rows(id)]).toEqual([
        seed,
        true,
        true,
        ["after", "before", "meanwhile"],
      ]);
      expect([seed, ann.errors, ben.errors, pathsOf(ann, ben)]).toEqual([seed, [], [], pathsOf(ben, ann)]);
      crossed += pathsOf(ann, ben) === 2 ? 1 : 0;
    }
    expect(crossed).toBeGreaterThan(100);
  });

  test("of two relays that both have, each has one that stays: they do not replace each other", async () => {
    const place = world();
    const { cluster } = place;
    const networks = new Map(
      ["one", "two"].map((url) => [url, new MemoryNetwork({ clock: cluster.clock, random: cluster.random.fork() })]),
    );
    const made: string[] = [];
    const openSite = async (name: string): Promise<SyncSite> => {
      let key = "";
      const openNetwork = (url: string): Network => {
        made.push(`${name} ${url}`);
        return (networks.get(url) as MemoryNetwork).join(key as never);
      };
      const site = await open(place, name, { builders: [relayTransport(openNetwork)] });
      key = site.key;
      site.transports.ensure("webrtc", "webrtc");
      for (const url of networks.keys()) site.transports.seek(`relay:${url}`, new Uint8Array(32));
      return site;
    };
    const [ann, ben] = [await openSite("a"), await openSite("b")];
    const both = { ...place, ann, ben, id: await ann.createDatabase(ben.key) };
    await ben.await(both.id);
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined);
    await cluster.pass(10_000);
    const before = ann.peers.info(ben.key).paths;
    expect([before.length, made]).toEqual([2, ["a one", "a two", "b one", "b two"]]);
    await cluster.pass(600_000);
    expect([ann.peers.info(ben.key).paths, ann.events.includes("parted"), ben.events.includes("parted")]).toEqual([
      before,
      false,
      false,
    ]);
    await ann.write(both.id, "r");
    await converge(both);
  });

  test("there are at most four, one more is turned away, and a channel that ends at once leaves nothing behind", async () => {
    const both = await connected();
    const { cluster, ann, ben, switchboard } = both;
    for (let i = 0; i < 2 * pathsPerPeerMax; i++)
      expect(await cluster.settle(ann.peers.connect({ address: "memory:b" }, never))).toBe(ben.key);
    await cluster.pass(1_000);
    expect([pathsOf(ann, ben), pathsOf(ben, ann), switchboard.between("a", "b").length]).toEqual([4, 4, 4]);
    const identity = await newKey(both, WRITE);
    for (let i = 0; i < 2 * ann.settings.peersMax; i++) {
      const line = { clock: cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
      const ends = createChannelPair(line, cluster.random.bytes(32));
      if (i % 2 === 0) ends.left.close();
      ann.peers.take(ends.left, i % 3 === 0 ? identity.publicKey : undefined);
      if (i % 2 === 1) ends.left.drop();
      await cluster.pass(5);
    }
    // So many strangers at once use up what they may begin.
    await cluster.pass(1_000);
    expect((await rawPeer(both, identity)).raw.isOpen).toBe(true);
    expect(ann.peers.all()).toHaveLength(2);
  });
});

describe("[PATH-5] a path that ends", () => {
  test("while others stand by loses nothing, is no reason to dial, and the peer stays connected", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const both = await connected({
        seed,
        ann: { settings: retrying },
        ben: { keys: ["b", "b2"], settings: retrying },
      });
      const { cluster, ann, ben, id, switchboard } = both;
      ann.registry.relate(ben.key, id);
      const written: string[] = [];
      const addresses = ["memory:b", "memory:b2"];
      let dials = switchboard.dialled.length;
      for (let step = 0; step < 25; step++) {
        if (pathsOf(ann, ben) < 2) {
          dials += 1;
          await cluster.settle(ann.peers.connect({ address: cluster.random.pick(addresses) }, never));
          await cluster.until(() => pathsOf(ann, ben) === 2 && pathsOf(ben, ann) === 2);
        }
        for (const site of [ann, ben]) {
          written.push(`${step} ${site.key}`);
          await site.write(id, `${step} ${site.key}`);
        }
        await cluster.pass(cluster.random.int(60));
        const open = [...switchboard.between("a", "b"), ...switchboard.between("a", "b2")];
        const ending = cluster.random.pick(open).left;
        if (cluster.random.chance(0.5)) ending.drop();
        else ending.close();
        await cluster.until(() => pathsOf(ann, ben) === 1 && pathsOf(ben, ann) === 1);
      }
      await converge(both);
      expect([seed, ann.rows(id)]).toEqual([seed, written.sort()]);
      expect([ann.events.includes("parted"), ben.events.includes("parted")]).toEqual([false, false]);
      expect([switchboard.dialled.length, ann.errors, ben.errors]).toEqual([dials, [], []]);
    }
  });

  test("at one end only does not hold up what is written there", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const both = await pair({ seed });
      const { cluster, ann, ben, id, switchboard } = both;
      // Ben opens both channels: it is for him to greet, and he does not know yet that he should.
      for (let i = 0; i < 2; i++) await cluster.settle(ben.peers.connect({ address: "memory:a" }, never));
      await cluster.until(() => pathsOf(ann, ben) === 2 && pathsOf(ben, ann) === 2);
      await ann.write(id, "before");
      await converge(both);
      const rank = ann.peers.carrier(ben.key)?.rank;
      const [first, second] = switchboard.between("a", "b");
      const carrying = ann.peers.info(ben.key).paths[0]?.carries === true ? first : second;
      carrying?.left.pause();
      ann.peers.carrier(ben.key)?.close();
      expect(ann.peers.carrier(ben.key)?.rank).not.toBe(rank);
      await ann.write(id, "after");
      await cluster.until(() => ben.rows(id).includes("after"), 1_000);
    }
  });

  test("at one end only, before another is there, does not keep the other from carrying", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const both = await connected({ seed });
      const { cluster, ann, ben, id, switchboard } = both;
      switchboard.between("a", "b")[0]?.left.pause();
      ann.peers.carrier(ben.key)?.close();
      await ann.write(id, "after");
      // Ben opens it, and may take the channel that is gone for the one that carries.
      await cluster.settle(ben.peers.connect({ address: "memory:a" }, never));
      await cluster.until(() => ben.rows(id).includes("after"), 6_000);
    }
  });

  test("is not made up for by another when all are closed", async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const both = await connected({ seed });
      const { cluster, ann, ben } = both;
      await cluster.settle(ann.peers.connect({ address: "memory:b" }, never));
      await cluster.until(() => pathsOf(ann, ben) === 2 && pathsOf(ben, ann) === 2);
      ann.events.length = 0;
      ann.peers.disconnect(ben.key);
      expect(ann.events).toEqual(["parted"]);
    }
  });

  test("as the last one is a parting", async () => {
    const { cluster, ann, ben, switchboard } = await connected();
    switchboard.between("a", "b")[0]?.left.drop();
    await cluster.pass(100);
    expect([ann.events, ben.events]).toEqual([
      ["carried", "parted"],
      ["carried", "parted"],
    ]);
    expect(ann.peers.info(ben.key)).toMatchObject({ connection: "offline", paths: [] });
  });
});

describe("[PATH-4] a peer that was opened anew", () => {
  test("replaces all its old paths at once, and late channels of its earlier life are closed", async () => {
    const both = await pair();
    const { ann } = both;
    const identity = await newKey(both, WRITE);
    // A raw peer's boot id is part of its nonce.
    const nonce = new Uint8Array(32);
    const old = await rawPeer(both, identity, false, nonce);
    await both.cluster.settle(ann.write(both.id, "r"));
    const fresh = await rawPeer(both, identity);
    expect([old.raw.isOpen, fresh.raw.isOpen]).toEqual([false, true]);
    expect(ann.peers.all().map(({ rank }) => rank)).toEqual([ann.peers.carrier(identity.publicKey)?.rank]);
    expect(ann.events).toEqual(["carried", "carried"]);
    const late = await rawPeer(both, identity, false, nonce);
    expect([late.raw.isOpen, fresh.raw.isOpen]).toEqual([false, true]);
  });

  test("comes back with what both have, though this side has not noticed that it was gone", async () => {
    const disk = new MemoryDisk();
    const both = await connected({ ben: { disk } });
    const { cluster, ann, ben, id, switchboard } = both;
    // Its channel just stops: nobody is told.
    switchboard.between("a", "b")[0]?.left.pause();
    await cluster.settle(ben.close());
    const again = await open(both, "b", { disk });
    again.registry.add(ann.key, { addresses: ["memory:a"] });
    await cluster.settle(again.peers.connect({ peer: ann.key }, never));
    await ann.write(id, "after");
    await converge({ ...both, ben: again });
    expect([again.rows(id), pathsOf(ann, again)]).toEqual([["after"], 1]);
  });
});

describe("[PATH-2] a peer that says nothing", () => {
  test("is asked whether it lives, and its path ends 20 s later", async () => {
    const both = await connected({ ann: { settings: { ...quiet, connectionCheckMs: 60_000, jitter: 0 } } });
    const { cluster, ann, ben, switchboard } = both;
    await cluster.pass(200_000);
    expect([ann.events, ann.peers.carrier(ben.key)?.roundTripMs !== undefined]).toEqual([["carried"], true]);
    switchboard.between("a", "b")[0]?.left.pause();
    await cluster.pass(60_000);
    expect(ann.events).toEqual(["carried"]);
    await cluster.pass(80_001);
    expect(ann.events).toEqual(["carried", "PEER_SILENT", "parted"]);
    expect(ann.errors[0]?.details).toEqual({ peer: ben.key, afterMs: 20_000 });
    expect(ann.registry.peer(ben.key)?.lastError?.code).toBe("PEER_SILENT");
  });

  test("is asked at once when the device wakes, or when the peer comes on another path; one that lives stays", async () => {
    const both = await connected();
    const { cluster, ann, ben, switchboard } = both;
    ann.peers.wake();
    await cluster.pass(30_000);
    expect([ann.events, pathsOf(ann, ben)]).toEqual([["carried"], 1]);
    switchboard.between("a", "b")[0]?.left.pause();
    await cluster.settle(ben.peers.connect({ address: "memory:a" }, never));
    await cluster.pass(21_000);
    expect([ann.events.includes("PEER_SILENT"), ann.events.includes("parted"), pathsOf(ann, ben)]).toEqual([
      true,
      false,
      1,
    ]);
    expect(carriers(both)[0]).toBe(carriers(both)[1]);
  });
});

test("[PATH-2] a peer that answers no ping, and says something else in time, stays", async () => {
  const both = await connected();
  const { raw } = await rawPeer(both, await newKey(both, WRITE));
  both.ann.peers.wake();
  await both.cluster.pass(15_000);
  raw.send({ type: "want", database: both.id, ids: [] });
  await both.cluster.pass(15_000);
  expect(raw.isOpen).toBe(true);
  both.ann.peers.wake();
  await both.cluster.pass(21_000);
  expect([raw.isOpen, both.ann.events.filter((event) => event === "PEER_SILENT")]).toEqual([false, ["PEER_SILENT"]]);
});

describe("[PATH-1] a path", () => {
  test("counts the bytes both ways and measures the round trip", async () => {
    const both = await connected();
    const { cluster, ann, ben, switchboard } = both;
    ann.peers.wake();
    await cluster.pass(1_000);
    for (const path of [...ann.peers.all(), ...ben.peers.all()]) path.tellMeasured();
    const [one, other] = [ann.registry.peer(ben.key), ben.registry.peer(ann.key)];
    expect([one?.bytesSent, one?.bytesReceived]).toEqual([other?.bytesReceived, other?.bytesSent]);
    expect((one?.bytesSent ?? 0) + (one?.bytesReceived ?? 0)).toBe(switchboard.bytes);
    expect(one?.roundTripMs).toBeGreaterThanOrEqual(2);
    expect(one?.roundTripMs).toBeLessThanOrEqual(80);
  });
});

describe("[PATH-3] a cap on what is received", () => {
  test("is told to the peer, which keeps to it", async () => {
    const both = await connected({ ann: { settings: { ...quiet, peerReceiveBytesPerSecond: 20_000 } } });
    const { cluster, ann, ben, id, switchboard } = both;
    await cluster.pass(1_000);
    const text = "x".repeat(10_000);
    const [startMs, before] = [cluster.clock.now(), switchboard.bytes];
    for (let i = 0; i < 20; i++) await ben.write(id, `${i}`, { text });
    await cluster.pass(5_000);
    const sentIn5s = switchboard.bytes - before;
    await converge(both);
    const tookMs = cluster.clock.now() - startMs;
    // 200 kB at 20 kB/s, of which a burst of half a second may come at once on either side.
    expect([sentIn5s < 130_000, tookMs > 8_500, tookMs < 13_000]).toEqual([true, true, true]);
    expect(ann.errors).toEqual([]);
    // Without the cap they come at once.
    ann.settings = { ...ann.settings, peerReceiveBytesPerSecond: 0 };
    ann.peers.settingsChanged();
    ann.bandwidth.change(ann.settings);
    await cluster.pass(1_000);
    const againMs = cluster.clock.now();
    for (let i = 20; i < 40; i++) await ben.write(id, `${i}`, { text });
    await converge(both);
    expect(cluster.clock.now() - againMs).toBeLessThan(2_000);
  });

  test("that a peer asks for caps all that is sent to it", async () => {
    const both = await connected();
    const { raw } = await rawPeer(both, await newKey(both, WRITE));
    const pongs = (): number => raw.received.filter(({ type }) => type === "pong").length;
    raw.send({ type: "pace", bytesPerSecond: 1_024 });
    for (let id = 0; id < 3_000; id++) raw.send({ type: "ping", id });
    await both.cluster.pass(1_000);
    expect([pongs() > 0, pongs() < 1_000]).toEqual([true, true]);
    await both.cluster.until(() => pongs() === 3_000);
  });

  test("holds also for a peer that does not keep to it: it is answered at that pace", async () => {
    const both = await connected({ ann: { settings: { ...quiet, peerReceiveBytesPerSecond: 1_024 } } });
    const { raw } = await rawPeer(both, await newKey(both, WRITE));
    const want = { type: "want", database: both.id, ids: [] } as const;
    for (let i = 0; i < 100; i++) raw.send(want);
    raw.send({ type: "ping", id: 7 });
    await both.cluster.pass(1_000);
    const isAnswered = (): boolean => raw.received.some((message) => message.type === "pong" && message.id === 7);
    expect(isAnswered()).toBe(false);
    await both.cluster.until(isAnswered, 10_000);
  });
});

describe("[ENGINE-14] at most as many peers as the settings say", () => {
  const few = { ann: { settings: { ...quiet, peersMax: 5 } } };

  test("one more is turned away when all share a database, and the paths of one peer count once", async () => {
    const both = await connected(few);
    const { cluster, ann, ben } = both;
    await cluster.settle(ann.peers.connect({ address: "memory:b" }, never));
    const peers: Raw[] = [];
    for (let i = 1; i < 5; i++) peers.push(await rawPeer(both, await newKey(both, WRITE)));
    const late = await rawPeer(both, await newKey(both, WRITE));
    expect([late.raw.isOpen, peers.map(({ raw }) => raw.isOpen)]).toEqual([false, [true, true, true, true]]);
    await cluster.until(() => pathsOf(ann, ben) === 2);
  });

  test("one more takes the place of the first that shares none", async () => {
    const both = await connected(few);
    const strangers: Raw[] = [];
    for (let i = 1; i < 5; i++) strangers.push(await rawPeer(both, await newKey(both)));
    const late = await rawPeer(both, await newKey(both, WRITE));
    expect([late.raw.isOpen, strangers.map(({ raw }) => raw.isOpen), both.ann.peers.all().length]).toEqual([
      true,
      [false, true, true, true],
      5,
    ]);
  });
});
