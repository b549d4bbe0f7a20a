/** Which peers are dialled, where and when, and who of those that come is taken. */
import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { connectTimeoutMs } from "../core/limits.ts";
import { WRITE } from "../core/store/power.ts";
import type { Clock } from "../ports/clock.ts";
import { MemoryDisk } from "../storage/memory.ts";
import { createChannelPair } from "../testing/memory-channel.ts";
import { RawChannel } from "../testing/raw-peer.ts";
import type { SimulatedIdentity } from "../testing/simulated-keys.ts";
import {
  connected,
  converge,
  never,
  newKey,
  open,
  type Pair,
  pair,
  pathsOf,
  quiet,
  rawPeer,
  retrying,
} from "../testing/site-pair.ts";

/** Sends what no peer may send. */
function breakProtocol({ channel }: RawChannel): void {
  channel.send(new Uint8Array([0xff]));
}

describe("[CONNECT-6] connect", () => {
  test("resolves when the handshake is done, at once when the peer is connected", async () => {
    const both = await pair();
    const { cluster, ann, ben, id } = both;
    await cluster.settle(ann.peers.connect({ peer: ben.key }, never));
    expect(ann.peers.info(ben.key)).toMatchObject({
      connection: "connected",
      paths: [{ path: "memory", carries: true }],
    });
    await ann.write(id, "r");
    await converge(both);
    expect([ben.rows(id), ann.registry.peer(ben.key)]).toMatchObject([
      ["r"],
      { attempts: 1, successes: 1, version: 2, addresses: [{ address: "memory:b", successes: 1, failures: 0 }] },
    ]);
    await expect(ann.peers.connect({ peer: ben.key }, never)).resolves.toBe(ben.key);
    expect([ann.registry.peer(ben.key)?.attempts, ann.errors, ben.errors]).toEqual([1, [], []]);
  });

  test("to an address finds out who is there, and remembers it", async () => {
    const { cluster, ann, ben } = await pair();
    ann.registry.remove(ben.key);
    expect(await cluster.settle(ann.peers.connect({ address: "memory:b" }, never))).toBe(ben.key);
    expect(ann.registry.peer(ben.key)?.addresses.map(({ address }) => address)).toEqual(["memory:b"]);
  });

  test("rejects with why the last address failed, or with ABORTED", async () => {
    const { cluster, ann, ben, switchboard } = await pair();
    const { publicKey } = (await cluster.addIdentity()).identity;
    await expect(ann.peers.connect({ peer: publicKey }, never)).rejects.toMatchObject({ code: "PEER_UNKNOWN" });
    ann.registry.add(publicKey, { addresses: ["memory:nobody"] });
    const nobody = ann.peers.connect({ peer: publicKey }, never);
    await expect(cluster.settle(nobody)).rejects.toMatchObject({ code: "CONNECT_FAILED" });
    const wrong = ann.peers.connect({ address: "pigeon:b" }, never);
    await expect(wrong).rejects.toMatchObject({ code: "ADDRESS_INVALID" });
    const controller = new AbortController();
    const aborted = ann.peers.connect({ address: "memory:b" }, controller.signal);
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: "ABORTED" });
    switchboard.answer("mute", () => {});
    const another = new AbortController();
    const handshaking = ann.peers.connect({ address: "memory:mute" }, another.signal);
    await cluster.pass(1_000);
    another.abort();
    await expect(handshaking).rejects.toMatchObject({ code: "ABORTED" });
    await cluster.until(() => switchboard.between("a", "mute").length === 0);
    ann.setOnline(false);
    await expect(ann.peers.connect({ peer: ben.key }, never)).rejects.toMatchObject({ code: "CONNECT_FAILED" });
  });

  test("to a peer without an address waits as long as a dial would take whether it comes by itself", async () => {
    const both = await pair();
    const { cluster, ann } = both;
    const identity = await newKey(both);
    ann.registry.add(identity.publicKey, {});
    const alone = ann.peers.connect({ peer: identity.publicKey }, never);
    await expect(cluster.settle(alone)).rejects.toMatchObject({ code: "CONNECT_FAILED" });
    const met = ann.peers.connect({ peer: identity.publicKey }, never);
    await rawPeer(both, identity);
    await expect(met).resolves.toBe(identity.publicKey);
  });
});

describe("[CONNECT-1] of several addresses", () => {
  test("a dead one does not keep the next from being dialled, and the one that worked is the first next time", async () => {
    const { cluster, ann, ben, switchboard } = await pair();
    switchboard.swallow("a-ghost");
    ann.registry.update(ben.key, { addresses: ["memory:a-ghost"] });
    const startedMs = cluster.clock.now();
    await cluster.settle(ann.peers.connect({ peer: ben.key }, never));
    expect(switchboard.dialled).toEqual(["a-ghost", "b"]);
    expect(cluster.clock.now() - startedMs).toBeLessThan(connectTimeoutMs + 1_000);
    expect(ann.registry.peer(ben.key)).toMatchObject({
      attempts: 2,
      successes: 1,
      addresses: [
        { address: "memory:b", failures: 0 },
        { address: "memory:a-ghost", failures: 1, lastError: { code: "CONNECT_FAILED" } },
      ],
    });
    ann.peers.disconnect(ben.key);
    await cluster.settle(ann.peers.connect({ peer: ben.key }, never));
    expect(switchboard.dialled).toEqual(["a-ghost", "b", "b"]);
  });

  test("no more are dialled once the peer came by itself", async () => {
    const { cluster, ann, ben, switchboard } = await pair();
    switchboard.swallow("a-ghost");
    ann.registry.update(ben.key, { addresses: ["memory:a-ghost"] });
    const dialled = ann.peers.connect({ peer: ben.key }, never);
    await cluster.settle(ben.peers.connect({ peer: ann.key }, never));
    await cluster.settle(dialled);
    expect(switchboard.dialled).toEqual(["a-ghost", "a"]);
  });

  test("one where somebody else answers is no way to the peer", async () => {
    const both = await pair();
    const { cluster, ann, ben, switchboard } = both;
    const carl = await open(both, "c");
    ann.registry.add(carl.key, { addresses: ["memory:b"] });
    const failing = ann.peers.connect({ peer: carl.key }, never);
    await expect(cluster.settle(failing)).rejects.toMatchObject({ code: "HANDSHAKE_PEER" });
    expect(ann.events).toEqual(["HANDSHAKE_PEER", "parked memory:b HANDSHAKE_PEER"]);
    await cluster.until(() => switchboard.between("a", "b").length === 0);
    expect(ann.peers.carrier(ben.key)).toBeUndefined();
  });
});

test("[CONNECT-1] a failed handshake with somebody whom a relay announced is remembered as its last error", async () => {
  const both = await pair();
  const { cluster, ann, ben } = both;
  const line = { clock: cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
  ann.peers.take(createChannelPair(line, cluster.random.bytes(32)).left, ben.key);
  await cluster.pass(11_000);
  expect(ann.registry.peer(ben.key)).toMatchObject({ attempts: 0, lastError: { code: "HANDSHAKE_TIMEOUT" } });
});

describe("[CONNECT-2] a peer with a relation and an address", () => {
  test("is dialled by itself, with pauses that double, and connected once it is there", async () => {
    const both = await pair({ ann: { settings: retrying } });
    const { cluster, ann, ben, id, switchboard } = both;
    ben.setOnline(false);
    await cluster.pass(10);
    ann.peers.changed(ben.key);
    await cluster.pass(60_000);
    expect(switchboard.dialled).toEqual([]);
    ann.registry.relate(ben.key, id);
    ann.peers.changed(ben.key);
    await cluster.pass(20_000);
    const after20s = switchboard.dialled.length;
    // Pauses of at most 1, 2, 4, 8 … s, and at least half of that.
    expect([after20s >= 5, after20s <= 7]).toEqual([true, true]);
    expect(ann.peers.info(ben.key).connection).toBe("waiting");
    await cluster.pass(30_000);
    expect(switchboard.dialled.length - after20s).toBeLessThan(4);
    ben.setOnline(true);
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 70_000);
    await converge(both);
    expect(ann.peers.info(ben.key)).toMatchObject({ connection: "connected", nextAttemptMs: undefined });
  });

  test("is dialled at once when the network comes back, and when its connection broke", async () => {
    const both = await pair({ ann: { settings: retrying } });
    const { cluster, ann, ben, id, switchboard } = both;
    ann.setOnline(false);
    ann.registry.relate(ben.key, id);
    ann.setOnline(true);
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 500);
    await cluster.pass(60_000);
    switchboard.between("a", "b")[0]?.left.drop();
    await cluster.until(() => ann.events.includes("parted"), 500);
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 500);
    // One that breaks at once is not hammered.
    switchboard.between("a", "b")[0]?.left.drop();
    await cluster.pass(300);
    expect([ann.peers.info(ben.key).connection, switchboard.dialled.length]).toEqual(["waiting", 2]);
    ann.peers.wake();
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 300);
  });

  test("is reached while others never answer, neither the dial nor the handshake", async () => {
    const both = await pair({ ann: { settings: retrying } });
    const { cluster, ann, ben, id, switchboard } = both;
    switchboard.answer("mute", () => {});
    switchboard.swallow("ghost");
    ann.registry.relate(ben.key, id);
    for (const address of ["memory:mute", "memory:ghost", "memory:mute", "memory:ghost"]) {
      const { publicKey } = (await cluster.addIdentity()).identity;
      ann.registry.add(publicKey, { addresses: [address] });
      ann.registry.relate(publicKey, id);
    }
    ann.peers.wake();
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 500);
    expect(switchboard.dialled).toHaveLength(5);
    await cluster.pass(11_000);
    expect(ann.errors.map(({ code }) => code)).toEqual(["HANDSHAKE_TIMEOUT", "HANDSHAKE_TIMEOUT"]);
  });

  test("waits for a transport that is still to come", async () => {
    const both = await pair({ ann: { keys: [], settings: retrying } });
    const { cluster, ann, ben, id } = both;
    ann.registry.relate(ben.key, id);
    ann.peers.changed(ben.key);
    await cluster.pass(100);
    expect([ann.events, ann.peers.info(ben.key).connection]).toEqual([["parked memory:b ADDRESS_INVALID"], "parked"]);
    ann.transports.add("late", "memory", { key: "late" });
    await ann.transports.start("late");
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 500);
  });
});

describe("[CONNECT-3] an address that fails for good", () => {
  test("is reported once and not dialled again until something changes", async () => {
    const both = await pair({ ann: { settings: { ...retrying, attemptsMax: 100 } } });
    const { cluster, ann, ben, id, switchboard } = both;
    ben.transports.accept(false);
    ann.registry.relate(ben.key, id);
    ann.peers.changed(ben.key);
    await cluster.pass(300_000);
    expect([switchboard.dialled, ann.events]).toEqual([["b"], ["parked memory:b CONNECT_REFUSED"]]);
    expect(ann.peers.info(ben.key).connection).toBe("parked");
    // Another address of the same peer that may work some day is tried again and again, the bad one is not.
    ann.registry.update(ben.key, { addresses: ["memory:nobody"] });
    ann.peers.changed(ben.key);
    await cluster.pass(10_000);
    expect(switchboard.dialled.filter((key) => key === "b")).toHaveLength(2);
    expect(switchboard.dialled.filter((key) => key === "nobody").length).toBeGreaterThan(2);
    ben.transports.accept(true);
    ann.peers.wake();
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 1_000);
  });
});

describe("[CONNECT-4] a peer that is not reached", () => {
  test("is given up after as many failures as the settings say, once, until something changes", async () => {
    const both = await pair({ ann: { settings: { ...retrying, attemptsMax: 3 } } });
    const { cluster, ann, ben, id, switchboard } = both;
    ben.setOnline(false);
    await cluster.pass(10);
    ann.registry.relate(ben.key, id);
    ann.peers.changed(ben.key);
    await cluster.pass(600_000);
    expect([switchboard.dialled.length, ann.events]).toEqual([3, ["PEER_GIVEN_UP"]]);
    expect(ann.errors[0]?.details).toEqual({ peer: ben.key, attempts: 3 });
    ben.setOnline(true);
    ann.peers.wake();
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 1_000);
  });
});

describe("[CONNECT-5] a peer that is blocked or inactive", () => {
  for (const state of ["blocked", "inactive"] as const) {
    const code = state === "blocked" ? "PEER_BLOCKED" : "PEER_INACTIVE";

    test(`is not dialled (${state}), nor connected when asked for`, async () => {
      const both = await pair({ ann: { settings: retrying } });
      const { cluster, ann, ben, id, switchboard } = both;
      ann.registry.relate(ben.key, id);
      ann.registry.update(ben.key, { state });
      ann.peers.changed(ben.key);
      ann.peers.wake();
      await cluster.pass(100_000);
      await expect(ann.peers.connect({ peer: ben.key }, never)).rejects.toMatchObject({ code });
      expect(switchboard.dialled).toEqual([]);
    });

    test(`is let go as soon as it is proven (${state}), before anything is said about databases`, async () => {
      const both = await pair();
      const { ann } = both;
      const identity = await newKey(both, WRITE);
      ann.registry.add(identity.publicKey, {});
      ann.registry.update(identity.publicKey, { state });
      const { raw } = await rawPeer(both, identity);
      expect([raw.transcript !== undefined, raw.isOpen, raw.received]).toEqual([true, false, []]);
      const known = await rawPeer(both, identity, true);
      expect([known.raw.transcript, known.raw.isOpen]).toEqual([undefined, false]);
      expect([ann.events, ann.peers.all()]).toEqual([[], []]);
    });

    test(`is let go when it becomes so (${state}), and taken again when it is active`, async () => {
      const both = await connected();
      const { cluster, ann, ben, switchboard } = both;
      await cluster.settle(ann.peers.connect({ address: "memory:b" }, never));
      await cluster.until(() => pathsOf(ann, ben) === 2 && pathsOf(ben, ann) === 2);
      const before = switchboard.messages;
      ann.registry.update(ben.key, { state });
      ann.peers.changed(ben.key);
      await cluster.until(() => switchboard.between("a", "b").length === 0);
      // Ben may say what he wants on the other path; Ann says nothing any more.
      expect(switchboard.messages - before).toBeLessThanOrEqual(1);
      const refused = ben.peers.connect({ peer: ann.key }, never);
      await cluster.settle(refused.catch(() => {}));
      await cluster.pass(1_000);
      expect([ann.peers.all(), ben.peers.all()]).toEqual([[], []]);
      ann.registry.update(ben.key, { state: "active" });
      await cluster.settle(ben.peers.connect({ peer: ann.key }, never));
      await cluster.until(() => ann.peers.carrier(ben.key) !== undefined);
    });
  }

  test("is so after a restart too", async () => {
    const disk = new MemoryDisk();
    const both = await pair({ ann: { disk } });
    const { cluster, ann, ben, id } = both;
    ann.registry.relate(ben.key, id);
    ann.registry.update(ben.key, { state: "blocked" });
    await cluster.settle(ann.close());
    const again = await open(both, "a", { disk, settings: retrying });
    await cluster.settle(ben.peers.connect({ peer: again.key }, never).catch(() => {}));
    await cluster.pass(10_000);
    expect([again.registry.peer(ben.key)?.state, again.peers.all(), again.peers.info(ben.key).connection]).toEqual([
      "blocked",
      [],
      "offline",
    ]);
  });
});

describe("[CONNECT-7] a peer that was disconnected", () => {
  test("is not dialled until something changes, and taken when it comes by itself", async () => {
    const both = await connected({ ann: { settings: retrying } });
    const { cluster, ann, ben, id, switchboard } = both;
    ann.registry.relate(ben.key, id);
    await cluster.pass(20_000);
    ann.peers.disconnect(ben.key);
    await cluster.pass(100_000);
    expect([switchboard.dialled, ann.peers.info(ben.key).connection]).toEqual([["b"], "offline"]);
    await cluster.settle(ben.peers.connect({ peer: ann.key }, never));
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined);
    ann.peers.disconnect(ben.key);
    await cluster.pass(1_000);
    ann.peers.wake();
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined);
  });

  test("while it is being dialled is not connected", async () => {
    const { cluster, ann, ben } = await pair();
    const dialled = ann.peers.connect({ peer: ben.key }, never);
    ann.peers.disconnect(ben.key);
    await expect(cluster.settle(dialled)).rejects.toMatchObject({ code: "ABORTED" });
    await cluster.pass(1_000);
    expect(ann.peers.all()).toEqual([]);
  });
});

describe("[CONNECT-9] no timer runs", () => {
  /** Ann has failed to reach Ben, and will try again. */
  async function failing(settings = retrying): Promise<Pair> {
    const both = await pair({ ann: { settings } });
    both.ben.setOnline(false);
    both.ann.registry.relate(both.ben.key, both.id);
    both.ann.peers.changed(both.ben.key);
    await both.cluster.pass(3_000);
    expect(both.ann.peers.info(both.ben.key).connection).toBe("waiting");
    return both;
  }

  /** How many timers end in five seconds, after it has settled. */
  async function timers({ cluster }: Pair): Promise<number> {
    await cluster.pass(70_000);
    const clock: Clock = cluster.clock;
    const after = clock.after.bind(clock);
    let count = 0;
    clock.after = (ms, action) =>
      after(ms, () => {
        count++;
        action();
      });
    await cluster.pass(5_000);
    clock.after = after;
    return count;
  }

  test("for a peer that was disconnected while its dial was failing", async () => {
    const both = await failing();
    both.ann.peers.disconnect(both.ben.key);
    expect(await timers(both)).toBeLessThan(5);
    expect(both.ann.peers.info(both.ben.key)).toMatchObject({ connection: "offline", nextAttemptMs: undefined });
  });

  test("for a peer that came by itself", async () => {
    const both = await failing();
    both.ben.setOnline(true);
    await both.cluster.settle(both.ben.peers.connect({ peer: both.ann.key }, never));
    expect(await timers(both)).toBeLessThan(20);
  });

  test("for a peer whose relation was taken away, which waits for nothing then", async () => {
    const both = await failing();
    both.ann.registry.unrelate(both.ben.key, both.id);
    expect(await timers(both)).toBeLessThan(5);
    expect(both.ann.peers.info(both.ben.key)).toMatchObject({ connection: "offline", nextAttemptMs: undefined });
  });

  test("for a peer that was removed, and a dial that is under way ends", async () => {
    const both = await failing();
    const { ann, ben, switchboard, cluster } = both;
    ben.setOnline(true);
    const dialled = ann.peers.connect({ peer: ben.key }, never).catch(({ code }) => code);
    ann.registry.remove(ben.key);
    ann.peers.changed(ben.key);
    expect(await cluster.settle(dialled)).toBe("ABORTED");
    expect(await timers(both)).toBeLessThan(5);
    expect([ann.registry.peer(ben.key), switchboard.between("a", "b")]).toEqual([undefined, []]);
  });

  test("for those who wait for their turn while as many as may be are dialled", async () => {
    const both = await failing();
    const { cluster, ann, id, switchboard } = both;
    switchboard.swallow("ghost");
    for (let i = 0; i < 40; i++) {
      const { publicKey } = (await cluster.addIdentity()).identity;
      ann.registry.add(publicKey, { addresses: ["memory:ghost"] });
      ann.registry.relate(publicKey, id);
    }
    ann.peers.wake();
    expect(await timers(both)).toBeLessThan(200);
  });

  test("is needed beside the back-off: a failed dial is tried again without a periodic scan", async () => {
    const { cluster, ann, ben } = await failing(quiet);
    ben.setOnline(true);
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 10_000);
  });
});

describe("[CONNECT-10] a peer that breaks the protocol", () => {
  test("is dialled less and less often, however long it kept to it, and noted with its address", async () => {
    const both = await pair({ ann: { settings: { ...quiet, attemptsMax: 100 } } });
    const { cluster, ann, id, switchboard } = both;
    const { identity, sha256 } = await cluster.addIdentity();
    const key = identity.publicKey;
    switchboard.answer("evil", (channel) => {
      const raw = new RawChannel(channel, ann.key, identity, cluster.random.bytes(32), sha256);
      cluster.clock.after(11_000, () => breakProtocol(raw));
    });
    ann.registry.add(key, { addresses: ["memory:evil"] });
    ann.registry.relate(key, id);
    ann.peers.changed(key);
    await cluster.pass(11_300);
    const failed = { failuresInRow: 1, lastError: { code: "CBOR_UNEXPECTED" } };
    const addresses = [{ address: "memory:evil", ...failed }];
    expect(ann.registry.peer(key)).toMatchObject({ addresses, lastError: failed.lastError });
    await cluster.pass(588_000);
    // 11 s each and pauses of at least 0.5, 1, 2 … 32 s; without them there were 50.
    const dialled = switchboard.dialled.length;
    expect([dialled > 7, dialled < 20]).toEqual([true, true]);
  });

  test("once, after it kept to it for an hour, is dialled again as after a first failure", async () => {
    const both = await connected({ ann: { settings: retrying } });
    const { cluster, ann, ben, id, switchboard } = both;
    ann.registry.relate(ben.key, id);
    for (let i = 0; i < 4; i++) {
      ann.peers.carrier(ben.key)?.fail(new TidemarkError("EXCHANGE_STALLED", { peer: ben.key, afterMs: 1 }));
      await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 20_000);
    }
    await cluster.pass(3_600_000);
    const before = switchboard.dialled.length;
    ann.peers.carrier(ben.key)?.fail(new TidemarkError("EXCHANGE_STALLED", { peer: ben.key, afterMs: 1 }));
    await cluster.pass(100);
    expect([switchboard.dialled.length, ann.peers.info(ben.key).connection]).toEqual([before, "waiting"]);
    await cluster.until(() => ann.peers.carrier(ben.key) !== undefined, 1_500);
  });
});

describe("[CONNECT-11] a peer that comes by itself and breaks the protocol", () => {
  async function enter(both: Pair, identity: SimulatedIdentity): Promise<boolean> {
    const { raw } = await rawPeer(both, identity);
    const isIn = both.ann.peers.carrier(identity.publicKey) !== undefined;
    if (isIn) breakProtocol(raw);
    await both.cluster.pass(20);
    expect(both.ann.peers.carrier(identity.publicKey)).toBeUndefined();
    return isIn;
  }

  test("is let wait from the second time on, longer each time, until its back-off is over; others are not", async () => {
    const both = await connected();
    const { cluster, ann, ben } = both;
    const identity = await newKey(both);
    expect([await enter(both, identity), await enter(both, identity), await enter(both, identity)]).toEqual([
      true,
      true,
      false,
    ]);
    const other = await newKey(both);
    await rawPeer(both, other);
    expect([ann.peers.carrier(other.publicKey), ann.peers.carrier(ben.key)]).not.toContain(undefined);
    let ins = 0;
    for (let i = 0; i < 300; i++) {
      await cluster.pass(1_000);
      if (await enter(both, identity)) ins++;
    }
    expect([ins > 5, ins < 16]).toEqual([true, true]);
    await cluster.pass(64_000);
    expect(await enter(both, identity)).toBe(true);
    expect(await enter(both, identity)).toBe(false);
    ann.peers.changed(identity.publicKey);
    expect(await enter(both, identity)).toBe(true);
  });

  test("and then keeps to it for 10 s is as any other again", async () => {
    const both = await connected();
    const identity = await newKey(both);
    await enter(both, identity);
    await enter(both, identity);
    await both.cluster.pass(2_000);
    const { raw } = await rawPeer(both, identity);
    await both.cluster.pass(10_000);
    raw.channel.close();
    await both.cluster.pass(20);
    expect([await enter(both, identity), await enter(both, identity)]).toEqual([true, true]);
  });
});

describe("[CONNECT-8] the times of the settings", () => {
  test("let everything be compared, one database by itself, and 0 is never", async () => {
    const messagesIn = async (both: Pair, ms: number): Promise<number> => {
      const before = both.switchboard.messages;
      await both.cluster.pass(ms);
      return both.switchboard.messages - before;
    };
    const both = await connected();
    await both.cluster.pass(5_000);
    expect(await messagesIn(both, 3_600_000)).toBe(0);
    both.ann.settings = { ...both.ann.settings, antiEntropyMs: 300_000 };
    both.ann.peers.settingsChanged();
    // Twelve times a digest and its answer.
    const compared = await messagesIn(both, 3_600_000);
    expect([compared >= 20, compared <= 28]).toEqual([true, true]);
    both.ann.settings = { ...both.ben.settings };
    both.ann.peers.settingsChanged();
    await both.cluster.pass(1_000);
    expect(await messagesIn(both, 3_600_000)).toBe(0);
    both.ann.peers.compareEvery(both.id, 600_000);
    const oneCompared = await messagesIn(both, 3_600_000);
    expect([oneCompared >= 10, oneCompared <= 14]).toEqual([true, true]);
    both.ann.peers.compareEvery(both.id, 0);
    expect(await messagesIn(both, 3_600_000)).toBe(0);
    both.ann.peers.compareEvery(both.id, 600_000);
    both.ann.peers.close();
    expect(await messagesIn(both, 3_600_000)).toBeLessThan(3);
  });
});
