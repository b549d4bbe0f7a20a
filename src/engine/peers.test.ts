/** Peers with several paths, reached at their addresses. */
import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { connectTimeoutMs, pathsPerPeerMax } from "../core/limits.ts";
import { WRITE } from "../core/store/power.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network } from "../ports/transport.ts";
import { MemoryDisk } from "../storage/memory.ts";
import { Cluster } from "../testing/cluster.ts";
import { type ChannelPair, createChannelPair } from "../testing/memory-channel.ts";
import { MemoryNetwork } from "../testing/memory-network.ts";
import { MemorySwitchboard } from "../testing/memory-transport.ts";
import { RawChannel } from "../testing/raw-peer.ts";
import type { SimulatedIdentity } from "../testing/simulated-keys.ts";
import { type SiteOptions, SyncSite } from "../testing/sync-site.ts";
import { setPower, settingsParts } from "../testing/writers.ts";
import { relayTransport } from "./relay-transport.ts";
import type { SyncSettings } from "./settings.ts";

const never = new AbortController().signal;
/** No timer of its own does anything: what happens, happens because of what the test does. */
const quiet: Partial<SyncSettings> = { antiEntropyMs: 0, retryScanMs: 0, connectionCheckMs: 0 };
const retrying: Partial<SyncSettings> = { ...quiet, retryScanMs: 30_000 };

interface World {
  readonly cluster: Cluster;
  readonly switchboard: MemorySwitchboard;
}

function world(seed = 1): World {
  const cluster = new Cluster(seed);
  return { cluster, switchboard: new MemorySwitchboard({ clock: cluster.clock, random: cluster.random.fork() }) };
}

type Given = Partial<Pick<SiteOptions, "disk" | "secret" | "keys" | "settings" | "builders">>;

function open({ cluster, switchboard }: World, name: string, given: Given = {}): Promise<SyncSite> {
  const secret = new Uint8Array(32).fill(name.charCodeAt(0));
  return SyncSite.open({
    cluster,
    switchboard,
    disk: new MemoryDisk(),
    secret,
    keys: [name],
    settings: quiet,
    ...given,
  });
}

interface Pair extends World {
  readonly ann: SyncSite;
  readonly ben: SyncSite;
  readonly id: DatabaseId;
}

interface PairOptions {
  readonly seed?: number;
  readonly ann?: Given;
  readonly ben?: Given;
}

/** Two devices that share a database which the first has made; they know each other's first address. */
async function pair({ seed = 1, ann: forAnn = {}, ben: forBen = {} }: PairOptions = {}): Promise<Pair> {
  const place = world(seed);
  const [ann, ben] = [await open(place, "a", forAnn), await open(place, "b", forBen)];
  const id = await ann.createDatabase(ben.key);
  await ben.await(id);
  ann.registry.add(ben.key, { addresses: ["memory:b"] });
  ben.registry.add(ann.key, { addresses: ["memory:a"] });
  return { ...place, ann, ben, id };
}

/** Two whose first path is up, and who hold the same. */
async function connected(options: PairOptions = {}): Promise<Pair> {
  const both = await pair(options);
  await both.cluster.settle(both.ann.peers.connect({ peer: both.ben.key }, never));
  await converge(both);
  return both;
}

async function converge({ cluster, ann, ben, id }: Pair): Promise<void> {
  await cluster.until(() => ben.database(id).hasRoot && ann.digest(id) === ben.digest(id));
}

/** The ranks of the paths that carry the session, as both ends see it. */
function carriers({ ann, ben }: Pair): readonly (string | undefined)[] {
  return [ann.peers.carrier(ben.key)?.rank, ben.peers.carrier(ann.key)?.rank];
}

function pathsOf(site: SyncSite, peer: SyncSite): number {
  return site.peers.info(peer.key).paths.length;
}

/** A key that is not an instance, and the far end of a channel to it; it may write when `power` says so. */
interface Raw {
  readonly raw: RawChannel;
  readonly pair: ChannelPair;
}

async function rawPeer(both: Pair, identity: SimulatedIdentity, isExpected = false, nonce?: Uint8Array): Promise<Raw> {
  const { cluster, ann } = both;
  const { sha256 } = await cluster.addIdentity();
  const line = { clock: cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
  const ends = createChannelPair(line, cluster.random.bytes(32));
  const raw = new RawChannel(ends.right, ann.key, identity, nonce ?? cluster.random.bytes(32), sha256);
  ann.peers.take(ends.left, isExpected ? identity.publicKey : undefined);
  await cluster.pass(20);
  return { raw, pair: ends };
}

async function newKey({ cluster, ann, id }: Pair, power?: number): Promise<SimulatedIdentity> {
  const { identity } = await cluster.addIdentity();
  const parts = settingsParts(setPower(identity.publicKey, power ?? 999));
  if (power !== undefined) await cluster.settle(ann.database(id).commit(() => parts));
  return identity;
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

/** Sends what no peer may send. */
function breakProtocol({ channel }: RawChannel): void {
  channel.send(new Uint8Array([0xff]));
}

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
