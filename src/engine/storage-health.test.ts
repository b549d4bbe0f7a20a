/** A full disk, as the device that has it and its peers live through it. */
import { describe, expect, test } from "vitest";
import { TidemarkError, unwrap } from "../core/errors.ts";
import { storageProbeBytes } from "../core/limits.ts";
import { decodeMessage, type Message } from "../core/protocol/message.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { turn } from "../testing/turn.ts";
import { StorageWatch } from "./storage-health.ts";

const quota = new TidemarkError("STORAGE_QUOTA", { reason: "full" });
const hourMs = 3_600_000;

interface Watched {
  readonly clock: SimulatedClock;
  readonly watch: StorageWatch;
  readonly disk: { isFull: boolean };
  /** When it was tried, in seconds. */
  readonly probes: number[];
  /** With how many bytes. */
  readonly sizes: number[];
  readonly told: string[];
}

function watched(): Watched {
  const clock = new SimulatedClock();
  const disk = { isFull: true };
  const [probes, sizes, told]: [number[], number[], string[]] = [[], [], []];
  const startMs = clock.now();
  const watch = new StorageWatch({
    clock,
    probe: async (bytes) => {
      probes.push((clock.now() - startMs) / 1_000);
      sizes.push(bytes);
      if (disk.isFull) throw quota;
    },
    stopped: () => told.push("stopped"),
    recovered: () => told.push("recovered"),
  });
  return { clock, watch, disk, probes, sizes, told };
}

async function pass({ clock }: Watched, ms: number): Promise<void> {
  const end = clock.now() + ms;
  while ((clock.nextAt ?? end) < end) {
    clock.runNext();
    await turn();
  }
  clock.advance(end - clock.now());
  await turn();
}

describe("[HEALTH-1] a storage", () => {
  test("is full or failing by what it rejected a write with, and well after everything else", () => {
    for (const [error, type] of [
      [quota, "full"],
      [new TidemarkError("STORAGE_UNAVAILABLE", { reason: "" }), "failing"],
      [new TidemarkError("STORAGE_CORRUPT", { where: "" }), "failing"],
      [new TidemarkError("STORAGE_CLOSED", { reason: "" }), "ok"],
      [new TidemarkError("STORAGE_CONFLICT", { database: "" as never, got: 1, expected: 2 }), "ok"],
    ] as const) {
      const { watch, told } = watched();
      watch.failed(error);
      watch.failed(error);
      expect([watch.type, told]).toEqual([type, type === "ok" ? [] : ["stopped"]]);
      watch.close();
    }
  });
});

describe("[HEALTH-2] while it takes nothing", () => {
  test("it is tried after 5, 10, 20, 40, 60, 60 … seconds", async () => {
    const world = watched();
    world.watch.failed(quota);
    await pass(world, 200_000);
    expect(world.probes).toEqual([5, 15, 35, 75, 135, 195]);
    world.disk.isFull = false;
    await pass(world, 60_000);
    expect([world.watch.error, world.told]).toEqual([undefined, ["stopped", "recovered"]]);
    await pass(world, hourMs);
    expect(world.probes.length).toBe(7);
  });

  test("it is tried at once when there is reason to, once at a time, and then not sooner than before", async () => {
    const world = watched();
    await world.watch.check();
    expect(world.probes).toEqual([]);
    world.watch.failed(quota);
    await Promise.all([world.watch.check(), world.watch.check()]);
    expect(world.probes).toEqual([0]);
    await pass(world, 20_000);
    expect(world.probes).toEqual([0, 10]);
    world.disk.isFull = false;
    await world.watch.check();
    expect(world.told).toEqual(["stopped", "recovered"]);
    world.watch.close();
  });

  test("an entry of this device is tried with its own size", async () => {
    const { watch, disk, sizes } = watched();
    await watch.admit(10);
    expect(sizes).toEqual([]);
    watch.failed(quota);
    await expect(watch.admit(10)).rejects.toBe(quota);
    disk.isFull = false;
    await watch.admit(10);
    expect([sizes, watch.error]).toEqual([[10, 10], quota]);
    await watch.check();
    expect([sizes, watch.error]).toEqual([[10, 10, storageProbeBytes], undefined]);
    watch.close();
  });

  test("after close it is not tried", async () => {
    const world = watched();
    world.watch.failed(quota);
    world.watch.close();
    expect(world.clock.nextAt).toBeUndefined();
    await pass(world, hourMs);
    await world.watch.check();
    expect([world.probes, world.told]).toEqual([[], ["stopped"]]);
  });

  test("what fails after close, or is tried as it closes, is nothing to it", async () => {
    const closed = watched();
    closed.watch.close();
    closed.watch.failed(quota);
    expect([closed.watch.type, closed.told, closed.clock.nextAt]).toEqual(["ok", [], undefined]);
    for (const isFull of [true, false]) {
      const world = watched();
      world.disk.isFull = isFull;
      world.watch.failed(quota);
      const checked = world.watch.check();
      world.watch.close();
      await checked;
      expect([world.told, world.clock.nextAt]).toEqual([["stopped"], undefined]);
    }
  });
});

test("[HEALTH-3] one that was well for a minute is tried as soon as one that never failed", async () => {
  const world = watched();
  world.watch.failed(quota);
  await pass(world, 10_000);
  world.disk.isFull = false;
  await pass(world, 5_000);
  expect(world.told).toEqual(["stopped", "recovered"]);
  await pass(world, 60_000);
  world.watch.failed(quota);
  await pass(world, 5_000);
  expect(world.probes).toEqual([5, 15, 80]);
});

test("[HEALTH-3] one that comes and goes is tried no more often than one that stays full", async () => {
  const world = watched();
  for (let i = 0; i < 8; i++) {
    world.disk.isFull = true;
    world.watch.failed(quota);
    world.disk.isFull = false;
    await pass(world, 60_000);
  }
  expect(world.probes.length).toBeLessThan(9);
  expect(world.probes.slice(0, 4)).toEqual([5, 70, 140, 220]);
});

/** Two devices that share a database and have it whole. */
async function pair(seed: number): Promise<readonly [Cluster, Device, Device, Parameters<Device["rows"]>[0]]> {
  const cluster = new Cluster(seed);
  const { id, devices } = await cluster.addGroup(2);
  const [ann, ben] = devices as readonly [Device, Device];
  await ann.write(id, "before", {});
  await cluster.converge(id, [ann, ben]);
  return [cluster, ann, ben, id];
}

describe("[HEALTH-4] while a disk is full", () => {
  test("nothing of peers is taken for an hour, at next to no cost, and all of it comes when there is space", async () => {
    const [cluster, ann, ben, id] = await pair(1);
    ben.storage.fail(quota);
    await ann.write(id, "first", {});
    await cluster.until(() => ben.health.type === "full");
    await cluster.pass(5_000);
    const { reloads } = ben;
    const countsOf = async (device: Device): Promise<Readonly<Record<string, number>>> =>
      (await cluster.settle(device.instance.sync.execute("metrics", {}, new AbortController().signal))).counters;
    const start = await countsOf(ben);
    const said: Message["type"][] = [];
    cluster.network.tap = {
      sent: (_from, _to, bytes) => said.push(unwrap(decodeMessage(bytes)).type),
      arrived: () => {},
    };
    for (let minute = 0; minute < 60; minute++) {
      await ann.write(id, `row ${minute}`, { minute });
      await cluster.pass(60_000);
      expect([...ben.rows(id).keys()]).toEqual(["before"]);
    }
    cluster.network.tap = undefined;
    const end = await countsOf(ben);
    const grown = (name: string): number => (end[name] ?? 0) - (start[name] ?? 0);
    expect(reloads).toBe(1);
    expect([ben.reloads, grown("entries.received"), grown("paths.carried")]).toEqual([1, 0, 0]);
    // Both ways: somebody asks whether the other lives every other minute or so, and each compares as often.
    expect(said.filter((type) => type === "ping" || type === "pong").length).toBeLessThan(100);
    expect(said.filter((type) => type === "digest" || type === "frontier").length).toBeLessThan(100);
    expect([...new Set(said)].sort()).toEqual(["digest", "frontier", "ping", "pong"]);
    expect(ben.storage.probes).toBeLessThan(70);
    expect(ben.problems.length).toBeLessThan(5);
    expect(ann.instance.status(id).pending.entries).toBe(61);
    ben.storage.work();
    await cluster.converge(id, [ann, ben], 70_000);
    expect([ben.rows(id).size, ben.health.type, ben.reloads]).toEqual([62, "ok", 1]);
    await cluster.until(() => ann.instance.status(id).pending.entries === 0);
  });

  test("a batch that was on its way is not taken, and nothing is loaded anew for it", async () => {
    const [cluster, ann, ben, id] = await pair(6);
    ben.storage.fail(quota);
    await expect(cluster.settle(ben.instance.createDatabase("Board"))).rejects.toBe(quota);
    await cluster.settle(ann.write(id, "on its way", {}));
    const { graph } = ann.instance.database(id).replica;
    const entries = await ann.instance.database(id).log.read([graph.at(graph.size - 1)]);
    await expect(ben.instance.database(id).receive(entries)).rejects.toBe(quota);
    await cluster.pass(10_000);
    expect([ben.reloads, ben.rows(id).size]).toEqual([0, 1]);
    ben.storage.work();
    await cluster.converge(id, [ann, ben], 70_000);
  });

  test("own commits are tried and say so, nothing of them is shown, and no peer is let go for them", async () => {
    const [cluster, ann, ben, id] = await pair(2);
    ann.storage.fail(quota);
    await expect(cluster.settle(ann.write(id, "lost", {}))).rejects.toBe(quota);
    await cluster.pass(5_000);
    const { reloads } = ann;
    for (let i = 0; i < 20; i++) {
      await expect(cluster.settle(ann.write(id, `lost ${i}`, {}))).rejects.toBe(quota);
      expect([...ann.rows(id).keys()]).toEqual(["before"]);
    }
    expect([ann.reloads, reloads]).toEqual([1, 1]);
    expect(ann.instance.status(id).peers[0]?.state).not.toBe("disconnected");
    ann.storage.work();
    await cluster.settle(ann.write(id, "after", {}));
    await cluster.until(() => ann.health.type === "ok", 1_000);
    await ben.write(id, "from ben", {});
    await cluster.converge(id, [ann, ben]);
    expect([...ben.rows(id).keys()].sort()).toEqual(["after", "before", "from ben"]);
  });

  test("a wake finds out that there is space again", async () => {
    const [cluster, ann, ben, id] = await pair(3);
    ben.storage.fail(quota);
    await ann.write(id, "r", {});
    await cluster.until(() => ben.health.type === "full");
    await cluster.pass(300_000);
    ben.storage.work();
    ben.instance.retry();
    await cluster.pass(1_000);
    expect([ben.health.type, ben.rows(id).size]).toEqual(["ok", 2]);
  });

  test("what is created or joined is refused with STORAGE_QUOTA, and the state is told", async () => {
    const cluster = new Cluster(4);
    const ann = await cluster.addDevice();
    ann.storage.fail(quota);
    await expect(cluster.settle(ann.instance.createDatabase("Board"))).rejects.toBe(quota);
    expect(ann.health).toEqual({ type: "full", code: "STORAGE_QUOTA", damagedEntries: 0 });
    ann.storage.work();
    await cluster.pass(6_000);
    expect(ann.health.type).toBe("ok");
  });

  test("an exchange that was cancelled stays so after it", async () => {
    const [cluster, ann, ben, id] = await pair(5);
    const { signal } = new AbortController();
    const run = ben.instance.sync.execute.bind(ben.instance.sync);
    const job = await cluster.settle(run("startJob", { database: id, peer: ann.key }, signal));
    await cluster.settle(run("cancelJob", { job: job.id }, signal));
    ben.storage.fail(quota);
    await expect(cluster.settle(ben.write(id, "lost", {}))).rejects.toBe(quota);
    await cluster.pass(10_000);
    ben.storage.work();
    await cluster.until(() => ben.health.type === "ok", 70_000);
    await ann.write(id, "held back", {});
    await cluster.pass(60_000);
    expect(ben.rows(id).has("held back")).toBe(false);
    await cluster.settle(run("startJob", { database: id, peer: ann.key }, signal));
    await cluster.converge(id, [ann, ben]);
  });
});
