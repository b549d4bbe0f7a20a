/** What a status says on whole devices: who holds what, what is pending, and what is in the way, as things happen. */
import { beforeEach, describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import type { Storage } from "../ports/storage.ts";
import { MemoryDisk } from "../storage/memory.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import type { CommandName, SyncCommands, SyncResults } from "./commands.ts";
import type { OpenDatabase } from "./database.ts";
import type { PreferencesRecord } from "./records.ts";
import type { Sync } from "./sync.ts";

const never: AbortSignal = new AbortController().signal;

let cluster: Cluster;
let id: DatabaseId;

beforeEach(() => {
  cluster = new Cluster(1);
});

async function group(count: number): Promise<readonly [Device, Device, Device]> {
  const made = await cluster.addGroup(count);
  id = made.id;
  await cluster.pass(5_000);
  return made.devices as readonly Device[] as readonly [Device, Device, Device];
}

function start<Name extends CommandName>(
  device: Device,
  name: Name,
  command: SyncCommands[Name],
  signal = never,
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

function prefer(device: Device, wish: Partial<PreferencesRecord>): Promise<unknown> {
  const base = { database: id, user: "app", enabled: true, onCommit: true, intervalMs: 0, properties: {} };
  return run(device, "setPreferences", { ...base, ...wish });
}

/** How it stands with a promise after all that happens without time. */
async function isOver(promise: Promise<unknown>): Promise<boolean> {
  let over = false;
  promise.then(
    () => {
      over = true;
    },
    () => {},
  );
  await cluster.pass(0);
  return over;
}

function blocks(device: Device): readonly string[] {
  return device.instance.status(id).blockedBy.map(({ type }) => type);
}

/** By whom all is held. */
function holders(device: Device): readonly string[] {
  const { heldBy } = device.instance.status(id);
  return heldBy.filter(({ isComplete }) => isComplete).map(({ peer }) => peer);
}

test("[STATUS-6] a cancelled job is told in the status and the diagnosis until one is started", async () => {
  const [ann, ben] = (await group(2)) as readonly Device[] as readonly [Device, Device];
  const job = await run(ben, "startJob", { database: id, peer: ann.key });
  await run(ben, "cancelJob", { job: job.id });
  await cluster.pass(1_000);
  const wroteMs = cluster.clock.now();
  await ann.write(id, "later", {});
  await cluster.pass(600_000);
  const { blockedBy, lastSyncedMs = 0 } = ben.instance.status(id);
  expect([ben.rows(id).has("later"), lastSyncedMs < wroteMs]).toEqual([false, true]);
  const detail = `A job with ${ann.key.slice(0, 8)} was cancelled: it holds back until one is started.`;
  expect(blockedBy).toEqual([{ type: "paused", detail }]);
  for (const command of [{}, { peer: ann.key }])
    expect((await run(ben, "diagnose", command)).summary).toBe("Start a job for “Shared” again.");
  await run(ben, "startJob", { database: id, peer: ann.key });
  await cluster.pass(10_000);
  expect([ben.rows(id).has("later"), blocks(ben)]).toEqual([true, []]);
  expect((await run(ben, "diagnose", {})).summary).toContain("All is well");
});

describe("[STATUS-5] storage", () => {
  /** Damages what is stored there, lets the device find it, and returns what it has to be healed with. */
  async function damage(device: Device, offset: number, isLost = true): Promise<OpenDatabase> {
    const disk = device.disk.databases.get(id) as { readonly bytes: Uint8Array[] };
    const at = disk.bytes.length - offset;
    if (isLost) disk.bytes[at] = (disk.bytes[at] as Uint8Array).slice().fill(7, 20, 24);
    const database = device.instance.database(id);
    const error = new TidemarkError("STORAGE_CORRUPT", { where: "x" });
    await database.healing.check([database.replica.graph.at(at)], error).catch(() => {});
    return database;
  }

  test("is in the way while entries are damaged, also when others are stored, and no longer when all have come", async () => {
    const [ann, ben] = (await group(2)) as readonly Device[] as readonly [Device, Device];
    for (const row of ["one", "two", "three"]) await ann.write(id, row, {});
    await cluster.pass(5_000);
    ben.instance.setOnline(false);
    await cluster.pass(1_000);
    const { healing } = await damage(ann, 2);
    expect([healing.damaged, blocks(ann)[0]]).toEqual([1, "storage"]);
    await ann.write(id, "four", {});
    await cluster.pass(1_000);
    expect(blocks(ann)[0]).toBe("storage");
    expect((await run(ann, "diagnose", {})).findings[0]).toMatchObject({ check: "storage", state: "failed" });
    ben.instance.setOnline(true);
    await cluster.pass(120_000);
    expect([healing.damaged, blocks(ann)]).toEqual([0, []]);
    expect((await run(ann, "diagnose", {})).findings[0]).toMatchObject({ check: "storage", state: "ok" });
  });

  test("is not in the way for what could be salvaged, which is told all the same", async () => {
    let isSpoilt = false;
    const ann = await cluster.addDevice({ ports: (ports) => ({ ...ports, storage: spoiling(ports.storage) }) });
    function spoiling(storage: Storage): Storage {
      return new Proxy(storage, {
        get: (target, name) => {
          if (name === "replace") isSpoilt = false;
          if (name === "read" && isSpoilt)
            return () => Promise.reject(new TidemarkError("STORAGE_CORRUPT", { where: "x" }));
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    }
    ({ id } = await cluster.settle(ann.instance.createDatabase("Board", { sync: true })));
    await ann.write(id, "r", {});
    isSpoilt = true;
    await damage(ann, 1, false);
    await cluster.pass(1_000);
    expect(ann.problems.map(({ code }) => code)).toEqual(["STORAGE_CORRUPT"]);
    expect([isSpoilt, blocks(ann)]).toEqual([false, ["noPeers"]]);
  });
});

describe("[SYNC-13] who holds what", () => {
  test("is told of three devices, of one that is away, and after a restart what was confirmed before is known", async () => {
    const [ann, ben, cid] = await group(3);
    await ann.write(id, "all", {});
    await run(ann, "flush", {});
    expect(holders(ann)).toEqual([ben.key, cid.key].sort());
    await run(ann, "whenSafe", { database: id, copies: 3 });
    cluster.cut(ann.key, cid.key);
    cluster.cut(ben.key, cid.key);
    await cluster.pass(60_000);
    await ann.write(id, "without cid", {});
    await run(ann, "flush", {});
    expect(holders(ann)).toEqual([ben.key]);
    expect(ann.instance.status(id)).toMatchObject({ pending: { entries: 0 }, saved: 4 });
    expect(ann.instance.status(id).heldBy.find(({ peer }) => peer === cid.key)?.entries).toBe(3);
    await run(ann, "whenSafe", { database: id, copies: 2 });
    ann.instance.setOnline(false);
    await cluster.pass(2_000);
    const again = await cluster.restart(ann);
    again.instance.setOnline(false);
    expect(holders(again)).toEqual([ben.key]);
    expect(await isOver(start(again, "whenSafe", { database: id, copies: 2 }))).toBe(true);
    const three = start(again, "whenSafe", { database: id, copies: 3 });
    expect(await isOver(three)).toBe(false);
    await again.write(id, "alone", {});
    expect(again.instance.status(id).pending.entries).toBe(1);
    expect(await isOver(start(again, "whenSafe", { database: id, copies: 2 }))).toBe(false);
    again.instance.setOnline(true);
    cluster.healAll();
    await cluster.settle(three);
    await run(again, "whenSafe", { database: id, copies: 3 });
    expect(cid.rows(id).size).toBe(3);
  });

  test("one that lost its disk holds nothing until it confirmed anew, and its loss is reported", async () => {
    const [ann, ben, cid] = await group(3);
    await ann.write(id, "r", {});
    await run(ann, "flush", {});
    expect(holders(ann)).toEqual([ben.key, cid.key].sort());
    const ticket = await cluster.settle(ann.instance.share(id, { power: WRITE }));
    await run(ann, "flush", {});
    cluster.cut(ann.key, cid.key);
    await cluster.settle(ben.instance.close());
    const { secret } = ben;
    const empty = await cluster.addDevice({ secret, disk: new MemoryDisk() });
    const other = await cluster.settle(empty.instance.createDatabase("Other"));
    expect(other.id).not.toBe(id);
    await empty.instance.join(ticket);
    // All that it says is held back: it is known to be another storage, and nothing more.
    await cluster.until(() => ann.problems.some(({ code }) => code === "PEER_LOST_DATA"));
    expect(ann.problems.filter(({ code }) => code === "PEER_LOST_DATA")).toHaveLength(1);
    expect(holders(ann)).toEqual([cid.key]);
    const safe = start(ann, "whenSafe", { database: id, copies: 3 });
    expect([await isOver(safe), empty.rows(id).size]).toEqual([false, 0]);
    await cluster.settle(safe);
    expect(empty.rows(id).size).toBe(1);
    expect(empty.instance.status(id).saved).toBeGreaterThanOrEqual(3);
  });
});

test("[PEER-10] what failed before a good session blocks nothing, and diagnosis does not speak of it", async () => {
  const [ann, ben] = await group(2);
  const { registry } = ann.instance.sync as Sync;
  ben.instance.setOnline(false);
  await cluster.pass(1_000);
  const blocks = (): readonly string[] => ann.instance.status(id).blockedBy.map(({ type }) => type);
  registry.failed(ben.key, undefined, { code: "HANDSHAKE_VERSION", atMs: cluster.clock.now() });
  expect([blocks(), JSON.stringify(await run(ann, "diagnose", {}))]).toEqual([
    ["version"],
    expect.stringContaining("HANDSHAKE_VERSION"),
  ]);
  ben.instance.setOnline(true);
  await cluster.until(() => cluster.network.connected(ann.key, ben.key), 100_000);
  await cluster.pass(1_000);
  ben.instance.setOnline(false);
  await cluster.pass(1_000);
  expect(blocks()).not.toContain("version");
  expect(JSON.stringify(await run(ann, "diagnose", {}))).not.toContain("HANDSHAKE_VERSION");
});

describe("[SYNC-14] preferences", () => {
  test("one that is disabled is to a peer as one that is not there, until anybody enables it", async () => {
    const [ann, ben] = await group(2);
    await prefer(ben, { enabled: false });
    await ann.write(id, "r", {});
    await cluster.pass(60_000);
    expect([ben.rows(id).size, blocks(ben), blocks(ann)]).toEqual([0, ["disabled"], ["noPeers"]]);
    await prefer(ben, { user: "other", enabled: true });
    await cluster.converge(id, [ann, ben], 1_000);
    expect([blocks(ben), blocks(ann)]).toEqual([[], []]);
    await run(ben, "removePreferences", { database: id, user: "other" });
    await cluster.pass(5_000);
    expect(blocks(ben)).toEqual(["disabled"]);
  });

  test("not on commit: pushed by a flush, by the interval, or when somebody wants it on commit", async () => {
    const [ann, ben] = await group(2);
    await prefer(ann, { onCommit: false });
    await ann.write(id, "one", {});
    await cluster.pass(60_000);
    expect([ben.rows(id).size, ann.instance.status(id).queue.entries]).toEqual([0, 1]);
    await run(ann, "flush", {});
    expect(ben.rows(id).size).toBe(1);
    await prefer(ann, { onCommit: false, intervalMs: 7_000 });
    await prefer(ann, { user: "slower", onCommit: false, intervalMs: 60_000 });
    await ann.write(id, "two", {});
    const startMs = cluster.clock.now();
    await cluster.until(() => ben.rows(id).size === 2, 10_000);
    expect(cluster.clock.now() - startMs).toBeGreaterThan(100);
    const wrote = cluster.clock.now();
    await ann.write(id, "three", {});
    await cluster.until(() => ben.rows(id).size === 3, 10_000);
    expect(cluster.clock.now() - wrote).toBeGreaterThan(5_000);
    const again = await cluster.restart(ann);
    await cluster.pass(5_000);
    await again.write(id, "after a restart", {});
    await cluster.until(() => ben.rows(id).has("after a restart"), 10_000);
    await again.write(id, "four", {});
    await prefer(again, { user: "eager" });
    await cluster.until(() => ben.rows(id).has("four"), 1_000);
    await again.write(id, "five", {});
    await cluster.until(() => ben.rows(id).has("five"), 1_000);
  });
});

describe("[SYNC-15] what is in the way", () => {
  test("is told as it happens, and when both last held the same", async () => {
    const [ann, ben] = await group(2);
    expect(blocks(ann)).toEqual([]);
    const synced = (): number => ann.instance.status(id).lastSyncedMs ?? 0;
    expect(synced()).toBeGreaterThan(0);
    ann.instance.setOnline(false);
    expect(blocks(ann)).toEqual(["offline"]);
    const before = synced();
    await cluster.pass(60_000);
    expect(synced()).toBe(before);
    ann.instance.setOnline(true);
    await cluster.pass(5_000);
    expect([blocks(ann), synced() > before]).toEqual([[], true]);
    await run(ann, "updatePeer", { peer: ben.key, state: "inactive" });
    expect(blocks(ann)).toEqual(["disabled"]);
    await run(ann, "updatePeer", { peer: ben.key, state: "active" });
    await cluster.pass(5_000);
    ann.instance.setOnline(false);
    await ben.write(id, "held back", {});
    const { id: job } = await run(ann, "startJob", { database: id, peer: ben.key });
    await run(ann, "pauseJob", { job });
    ann.instance.setOnline(true);
    await cluster.pass(60_000);
    expect([blocks(ann), blocks(ben), ann.rows(id).size]).toEqual([["paused"], ["paused"], 0]);
    await run(ann, "resumeJob", { job });
    await cluster.pass(1_000);
    expect([blocks(ann), blocks(ben), ann.rows(id).size]).toEqual([[], [], 1]);
    cluster.cut(ann.key, ben.key);
    await cluster.pass(60_000);
    expect(["connectionFailed", "noPeers"]).toContain(blocks(ann)[0]);
  });

  test("without anybody, and of one that has not arrived", async () => {
    const ann = await cluster.addDevice();
    ({ id } = await cluster.settle(ann.instance.createDatabase("Alone", { sync: true })));
    expect(blocks(ann)).toEqual(["noPeers"]);
    const ticket = await cluster.settle(ann.instance.share(id, { power: WRITE }));
    ann.instance.setOnline(false);
    const ben = await cluster.addDevice();
    await ben.instance.join(ticket);
    await cluster.pass(5_000);
    expect(blocks(ben)).toEqual(["noPeers", "notReady"]);
    ann.instance.setOnline(true);
    await cluster.settle(ben.instance.ready(id));
    expect(blocks(ben)).toEqual([]);
  });
});
