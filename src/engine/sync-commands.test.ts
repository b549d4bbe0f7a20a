/** Every command on whole devices: what it answers, and the code with which it rejects when it cannot be done. */
import { beforeEach, describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { MemorySwitchboard } from "../testing/memory-transport.ts";
import type { CommandName, SyncCommands, SyncResults } from "./commands.ts";

const never: AbortSignal = new AbortController().signal;
const stranger = "ab".repeat(32) as PublicKey;
const nowhere = "cd".repeat(32) as DatabaseId;
const noEntry = "ef".repeat(32) as EntryId;

let cluster: Cluster;
let switchboard: MemorySwitchboard;
let ann: Device;
let ben: Device;
let id: DatabaseId;

beforeEach(async () => {
  cluster = new Cluster(1);
  switchboard = new MemorySwitchboard({ clock: cluster.clock, random: cluster.random });
  const group = await cluster.addGroup(2, { ports: (ports) => ({ ...ports, transports: [switchboard.builder] }) });
  [ann, ben] = group.devices as [Device, Device];
  id = group.id;
  await cluster.pass(5_000);
});

function start<Name extends CommandName>(
  device: Device,
  name: Name,
  command: SyncCommands[Name],
  signal: AbortSignal = never,
): Promise<SyncResults[Name]> {
  return device.instance.sync.execute(name, command, signal);
}

function run<Name extends CommandName>(
  device: Device,
  name: Name,
  command: SyncCommands[Name],
): Promise<SyncResults[Name]> {
  return cluster.settle(start(device, name, command), 120_000);
}

/** The code with which a call is refused. */
async function outcomeOf(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => "resolved",
    (error: unknown) => (error instanceof TidemarkError ? error.code : String(error)),
  );
}

function refusal<Name extends CommandName>(device: Device, name: Name, command: SyncCommands[Name]): Promise<string> {
  return cluster.settle(outcomeOf(start(device, name, command)), 120_000);
}

function lastId(device: Device): EntryId {
  const { graph } = device.instance.database(id).replica;
  return graph.at(graph.size - 1).id;
}

describe("[SYNC-8] commands about peers", () => {
  test("register, name, list and remove", async () => {
    const added = await run(ann, "addPeer", { peer: stranger, name: "Cid", addresses: ["memory:cid"] });
    expect(added).toMatchObject({ key: stranger, name: "Cid", isRegistered: true, state: "active", paths: [] });
    const updated = await run(ann, "updatePeer", { peer: stranger, name: "Cyd", addresses: ["memory:cyd"] });
    expect([updated.name, updated.addresses.map(({ address }) => address)]).toEqual([
      "Cyd",
      ["memory:cid", "memory:cyd"],
    ]);
    const listed = await run(ann, "peers", {});
    expect(listed.map(({ key }) => key)).toEqual([stranger, ben.key].sort());
    await run(ann, "removePeer", { peer: stranger });
    expect((await run(ann, "peers", {})).map(({ key }) => key)).toEqual([ben.key]);
  });

  test("one that is connected is shown with its path, its times, its bytes and its round trip", async () => {
    await ann.write(id, "r", {});
    await run(ann, "flush", {});
    await cluster.pass(120_000);
    const [shown] = await run(ann, "peers", {});
    expect(shown).toMatchObject({
      key: ben.key,
      connection: "connected",
      queuedEntries: 0,
      queuedBytes: 0,
      version: 2,
    });
    expect(shown?.paths).toMatchObject([{ path: "memory", carries: true }]);
    expect(shown?.roundTripMs).toBeGreaterThan(0);
    expect(shown?.firstSeenMs).toBeLessThanOrEqual(shown?.lastSeenMs ?? 0);
    cluster.network.drop(ann.key, ben.key);
    await cluster.pass(100);
    const [after] = await run(ann, "peers", {});
    expect(after?.bytesSent).toBeGreaterThan(100);
    expect(after?.bytesReceived).toBeGreaterThan(100);
    expect(after?.lastSeenMs).toBeGreaterThan(shown?.firstSeenMs ?? 0);
  });

  test("are refused with a code, and nothing is changed", async () => {
    const before = await run(ann, "peers", {});
    expect(await refusal(ann, "addPeer", { peer: "x" as PublicKey })).toBe("INPUT_INVALID");
    expect(await refusal(ann, "addPeer", { peer: stranger, name: "x".repeat(65) })).toBe("INPUT_INVALID");
    expect(await refusal(ann, "addPeer", { peer: stranger, addresses: ["nothing"] })).toBe("ADDRESS_INVALID");
    expect(await refusal(ann, "updatePeer", { peer: ben.key, state: "gone" as "active" })).toBe("INPUT_INVALID");
    for (const name of ["updatePeer", "removePeer", "disconnect", "diagnose", "syncWithPeer"] as const)
      expect([name, await refusal(ann, name, { peer: stranger })]).toEqual([name, "PEER_UNKNOWN"]);
    expect(await run(ann, "peers", {})).toEqual(before);
  });

  test("leave out what they do not know", async () => {
    const extra = { peer: stranger, name: "Cid", isRegistered: false, key: nowhere } as { peer: PublicKey };
    expect(await run(ann, "addPeer", extra)).toMatchObject({ key: stranger, name: "Cid", isRegistered: true });
  });
});

describe("[SYNC-8] commands about relations", () => {
  test("add, list and take away", async () => {
    await run(ann, "addRelation", { database: id, peer: stranger });
    const listed = await run(ann, "relations", { database: id });
    expect(listed.map(({ peer, state }) => [peer, state])).toEqual(
      [stranger, ben.key].sort().map((key) => [key, "on"]),
    );
    expect(listed.find(({ peer }) => peer === ben.key)?.isSynced).toBe(true);
    expect(listed.find(({ peer }) => peer === stranger)?.isSynced).toBe(false);
    await run(ann, "removeRelation", { database: id, peer: stranger });
    expect(await run(ann, "relations", { peer: stranger })).toMatchObject([{ state: "off", heldThrough: 0 }]);
  });

  test("are refused with a code", async () => {
    expect(await refusal(ann, "addRelation", { database: nowhere, peer: ben.key })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "removeRelation", { database: nowhere, peer: ben.key })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "addRelation", { database: id, peer: "x" as PublicKey })).toBe("INPUT_INVALID");
    expect((await run(ann, "relations", {})).map(({ peer }) => peer)).toEqual([ben.key]);
  });
});

describe("[SYNC-8] commands about transports", () => {
  test("add, start, listen, dial, hang up, stop and remove", async () => {
    for (const [device, key] of [
      [ann, "ann"],
      [ben, "ben"],
    ] as const) {
      const added = await run(device, "addTransport", { name: "lan", type: "memory", config: { key } });
      expect(added).toMatchObject({ name: "lan", type: "memory", isRunning: false });
      expect(await run(device, "startTransport", { name: "lan" })).toMatchObject({ isRunning: true });
    }
    expect(await refusal(ann, "connect", { address: "memory:ben" })).toBe("CONNECT_REFUSED");
    expect(await run(ben, "startListening", { transport: "lan" })).toEqual(["memory:ben"]);
    expect(await run(ben, "transportAddresses", { name: "lan" })).toEqual(["memory:ben"]);
    cluster.cut(ann.key, ben.key);
    await cluster.pass(40_000);
    expect(await run(ann, "connect", { address: "memory:ben" })).toMatchObject({
      key: ben.key,
      connection: "connected",
      addresses: [{ address: "memory:ben", successes: 1 }],
    });
    await run(ann, "disconnect", { peer: ben.key });
    await cluster.pass(60_000);
    expect(await run(ann, "peers", {})).toMatchObject([{ key: ben.key, connection: "offline" }]);
    expect(await run(ann, "connect", { peer: ben.key })).toMatchObject({ connection: "connected" });
    await run(ben, "stopListening", {});
    expect(await run(ann, "transports", {})).toMatchObject([{ name: "webrtc" }, { name: "lan", isRunning: true }]);
    expect(await run(ann, "stopTransport", { name: "lan" })).toMatchObject({ isRunning: false });
    await run(ann, "removeTransport", { name: "lan" });
    expect((await run(ann, "transports", {})).map(({ name }) => name)).toEqual(["webrtc"]);
  });

  test("are refused with a code", async () => {
    const lan = { name: "lan", type: "memory", config: { key: "ann" } };
    for (const name of ["startTransport", "stopTransport", "removeTransport", "transportAddresses"] as const)
      expect([name, await refusal(ann, name, { name: "lan" })]).toEqual([name, "TRANSPORT_UNKNOWN"]);
    expect(await refusal(ann, "startListening", { transport: "lan" })).toBe("TRANSPORT_UNKNOWN");
    expect(await refusal(ann, "stopListening", { transport: "lan" })).toBe("TRANSPORT_UNKNOWN");
    expect(await refusal(ann, "addTransport", { ...lan, type: "pigeon" })).toBe("INPUT_INVALID");
    expect(await refusal(ann, "addTransport", { ...lan, name: "" })).toBe("INPUT_INVALID");
    expect(await refusal(ann, "addTransport", { ...lan, config: {} })).toBe("TRANSPORT_CONFIG");
    await run(ann, "addTransport", lan);
    expect(await refusal(ann, "addTransport", lan)).toBe("TRANSPORT_EXISTS");
    expect(await refusal(ann, "addTransport", { ...lan, type: "webrtc" })).toBe("TRANSPORT_TYPE");
    expect(await refusal(ann, "stopTransport", { name: "lan" })).toBe("TRANSPORT_STOPPED");
    expect(await refusal(ann, "transportAddresses", { name: "lan" })).toBe("TRANSPORT_STOPPED");
    await run(ann, "startTransport", { name: "lan" });
    expect(await refusal(ann, "startTransport", { name: "lan" })).toBe("TRANSPORT_STARTED");
    expect(await refusal(ann, "connect", { address: "pigeon:7" })).toBe("ADDRESS_INVALID");
    expect(await refusal(ann, "connect", { address: "memory:nobody" })).toBe("CONNECT_FAILED");
    expect(await refusal(ann, "connect", { peer: stranger })).toBe("PEER_UNKNOWN");
    await run(ann, "addPeer", { peer: stranger });
    expect(await refusal(ann, "connect", { peer: stranger })).toBe("CONNECT_FAILED");
    ann.instance.setOnline(false);
    expect(await refusal(ann, "connect", { peer: ben.key })).toBe("CONNECT_FAILED");
  });
});

describe("[SYNC-8] commands about entries", () => {
  test("send, queue, compare, flush and wait", async () => {
    await run(ann, "setPreferences", {
      ...{ database: id, user: "app", enabled: true, onCommit: false, intervalMs: 0, properties: {} },
    });
    await ann.write(id, "r", {});
    const entry = lastId(ann);
    await cluster.pass(5_000);
    expect(ben.rows(id).size).toBe(0);
    await run(ann, "sendEntries", { database: id, peer: ben.key, ids: [entry] });
    await cluster.until(() => ben.rows(id).size === 1);
    await run(ann, "queueEntry", { database: id, peer: ben.key, id: entry });
    await run(ann, "flush", {});
    await run(ann, "syncWithPeer", { peer: ben.key, database: id });
    await run(ann, "syncWithPeer", {});
    await run(ann, "whenSafe", { database: id, copies: 2 });
    await run(ann, "whenSynced", { database: id, peer: ben.key });
    expect(ann.instance.status(id)).toMatchObject({
      pending: { entries: 0, bytes: 0 },
      queue: { entries: 0, bytes: 0 },
    });
    expect((await run(ann, "history", { database: id, peer: ben.key })).length).toBeGreaterThan(0);
    await run(ann, "wake", {});
  });

  test("are refused with a code", async () => {
    const entry = lastId(ann);
    expect(await refusal(ann, "sendEntries", { database: nowhere, peer: ben.key, ids: [] })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "queueEntry", { database: nowhere, peer: ben.key, id: entry })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "whenSafe", { database: nowhere, copies: 2 })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "whenSynced", { database: nowhere, peer: ben.key })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "syncWithPeer", { database: nowhere })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "syncWithPeer", { database: nowhere, peer: ben.key })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "sendEntries", { database: id, peer: stranger, ids: [entry] })).toBe("PEER_UNKNOWN");
    expect(await refusal(ann, "queueEntry", { database: id, peer: stranger, id: entry })).toBe("PEER_UNKNOWN");
    for (const ids of [[noEntry], ["x" as EntryId]])
      expect(await refusal(ann, "sendEntries", { database: id, peer: ben.key, ids })).toBe("INPUT_INVALID");
    expect(await refusal(ann, "queueEntry", { database: id, peer: ben.key, id: noEntry })).toBe("INPUT_INVALID");
    for (const copies of [0, 33, 1.5])
      expect(await refusal(ann, "whenSafe", { database: id, copies })).toBe("INPUT_INVALID");
    ann.instance.setOnline(false);
    expect(await refusal(ann, "sendEntries", { database: id, peer: ben.key, ids: [entry] })).toBe("CONNECT_FAILED");
    expect(await refusal(ann, "syncWithPeer", { peer: ben.key })).toBe("CONNECT_FAILED");
    expect(await refusal(ann, "queueEntry", { database: id, peer: ben.key, id: entry })).toBe("resolved");
  });
});

describe("[SYNC-8] commands about preferences, settings and jobs", () => {
  const wish = { user: "app", enabled: true, onCommit: false, intervalMs: 5_000, properties: { colour: "red" } };

  test("set and combine preferences, change settings, and start, pause, resume and cancel jobs", async () => {
    await run(ann, "setPreferences", { database: id, ...wish });
    const { user: _user, ...combined } = wish;
    expect(await run(ann, "preferences", { database: id })).toEqual(combined);
    await run(ann, "removePreferences", { database: id, user: "app" });
    expect(await run(ann, "preferences", { database: id })).toMatchObject({ onCommit: true, properties: {} });
    expect(await run(ann, "changeSettings", { batchEntries: 7 })).toMatchObject({ batchEntries: 7 });
    expect(await run(ann, "settings", {})).toMatchObject({ batchEntries: 7, peersMax: 128 });
    cluster.cut(ann.key, ben.key);
    await cluster.pass(60_000);
    const job = await run(ann, "startJob", { database: id });
    expect(job).toMatchObject({ peer: ben.key, database: id, type: "backfill", state: "waiting" });
    expect(await run(ann, "pauseJob", { job: job.id })).toMatchObject({ state: "paused" });
    expect(await run(ann, "resumeJob", { job: job.id })).toMatchObject({ state: "waiting" });
    expect(await run(ann, "cancelJob", { job: job.id })).toMatchObject({ state: "cancelled" });
    expect(await run(ann, "jobs", { database: id })).toMatchObject([{ id: job.id, state: "cancelled" }]);
    expect(await run(ann, "jobs", { database: nowhere })).toEqual([]);
  });

  test("are refused with a code, and nothing is changed", async () => {
    expect(await refusal(ann, "setPreferences", { database: nowhere, ...wish })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "removePreferences", { database: nowhere, user: "app" })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "preferences", { database: nowhere })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "setPreferences", { database: id, ...wish, intervalMs: 5 })).toBe("INPUT_INVALID");
    const before = await run(ann, "settings", {});
    expect(await refusal(ann, "changeSettings", { jitter: 0.1, batchEntries: 0 })).toBe("INPUT_INVALID");
    expect(await refusal(ann, "changeSettings", { colour: 1 } as object)).toBe("INPUT_INVALID");
    expect(await run(ann, "settings", {})).toEqual(before);
    expect(await refusal(ann, "startJob", { database: nowhere })).toBe("DATABASE_UNKNOWN");
    expect(await refusal(ann, "startJob", { database: id, peer: stranger })).toBe("PEER_UNKNOWN");
    for (const name of ["pauseJob", "resumeJob", "cancelJob"] as const)
      expect([name, await refusal(ann, name, { job: "7" })]).toEqual([name, "JOB_UNKNOWN"]);
    cluster.cut(ann.key, ben.key);
    await cluster.pass(60_000);
    const { id: job } = await run(ann, "startJob", { database: id });
    expect(await refusal(ann, "resumeJob", { job })).toBe("JOB_STATE");
    for (const [state, code] of [
      ["inactive", "PEER_INACTIVE"],
      ["blocked", "PEER_BLOCKED"],
    ] as const) {
      await run(ann, "updatePeer", { peer: ben.key, state });
      expect(await refusal(ann, "startJob", { database: id, peer: ben.key })).toBe(code);
      expect(await refusal(ann, "connect", { peer: ben.key })).toBe(code);
      expect(await run(ann, "jobs", {})).toMatchObject([
        { id: job, state: "failed", error: { code: "PEER_INACTIVE" } },
      ]);
    }
    expect(await refusal(ann, "startJob", { database: id })).toBe("PEER_UNKNOWN");
    for (const name of ["pauseJob", "resumeJob", "cancelJob"] as const)
      expect([name, await refusal(ann, name, { job })]).toEqual([name, "JOB_STATE"]);
  });
});

test("[SYNC-8] what goes on can be looked at: a diagnosis, numbers, and what happened", async () => {
  expect(await run(ann, "diagnose", {})).toMatchObject({ findings: expect.any(Array) });
  await run(ann, "diagnose", { peer: ben.key });
  const { gauges, counters } = await run(ann, "metrics", {});
  expect(gauges).toMatchObject({ "peers.connected": 1, "databases.open": 1, "queue.entries": 0, "pending.entries": 0 });
  expect(counters["paths.carried"]).toBe(1);
  expect((await run(ann, "log", {})).map(({ event }) => event)).toContain("path.carried");
});

describe("[SYNC-5] a command that is under way", () => {
  test("ends with ABORTED when it is aborted, also before it began, and whatever it waits for", async () => {
    expect(await outcomeOf(start(ann, "peers", {}, AbortSignal.abort()))).toBe("ABORTED");
    cluster.cut(ann.key, ben.key);
    await ann.write(id, "r", {});
    await run(ann, "addPeer", { peer: stranger });
    const aborting = new AbortController();
    const { signal } = aborting;
    const calls = [
      start(ann, "whenSynced", { database: id, peer: ben.key }, signal),
      start(ann, "whenSafe", { database: id, copies: 2 }, signal),
      start(ann, "syncWithPeer", { peer: ben.key }, signal),
      start(ann, "flush", {}, signal),
      start(ann, "connect", { peer: stranger }, signal),
    ].map(outcomeOf);
    await cluster.pass(1_000);
    aborting.abort();
    expect(await Promise.all(calls)).toEqual(calls.map(() => "ABORTED"));
  });

  test("ends with ABORTED at once also while it waits for the disk", async () => {
    const slow = await cluster.addDevice({ writeMs: () => 10_000 });
    const aborting = new AbortController();
    const call = outcomeOf(start(slow, "addPeer", { peer: stranger }, aborting.signal));
    await cluster.pass(1_000);
    aborting.abort();
    const startMs = cluster.clock.now();
    expect(await cluster.settle(call)).toBe("ABORTED");
    expect(cluster.clock.now()).toBe(startMs);
  });

  test("ends with INSTANCE_CLOSED when the instance is closed, and so does every later one", async () => {
    cluster.cut(ann.key, ben.key);
    await ann.write(id, "r", {});
    await run(ann, "addPeer", { peer: stranger });
    const calls = [
      start(ann, "whenSynced", { database: id, peer: ben.key }),
      start(ann, "whenSafe", { database: id, copies: 2 }),
      start(ann, "syncWithPeer", { peer: ben.key }),
      start(ann, "flush", {}),
      start(ann, "connect", { peer: stranger }),
    ].map(outcomeOf);
    await cluster.pass(1_000);
    await cluster.settle(ann.instance.close());
    expect(await Promise.all(calls)).toEqual(calls.map(() => "INSTANCE_CLOSED"));
    expect(await refusal(ann, "peers", {})).toBe("INSTANCE_CLOSED");
    expect(() => ann.instance.sync.addHook({ database: id, write: () => {} })).toThrow("INSTANCE_CLOSED");
    ann.instance.setOnline(true);
    expect(ann.instance.online).toBe(false);
  });
});
