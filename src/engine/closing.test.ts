/** How an instance ends: nothing that was accepted is lost, and nobody is waited for too long. */
import { expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { drainTimeoutMs } from "../core/limits.ts";
import { WRITE } from "../core/store/power.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import type { EnginePorts } from "./ports.ts";
import type { SyncSettings } from "./settings.ts";

interface Pair {
  readonly cluster: Cluster;
  readonly ann: Device;
  readonly ben: Device;
  readonly id: DatabaseId;
}

/** `delay`: how long ben's disk takes for a write, in milliseconds. */
async function pair(settings: Partial<SyncSettings> = {}, delay = { ms: 0 }): Promise<Pair> {
  const cluster = new Cluster(1);
  const options = { power: WRITE, ports: (ports: EnginePorts): EnginePorts => ({ ...ports, settings }) };
  const { id, devices } = await cluster.addMembers([options, { ...options, writeMs: () => delay.ms }]);
  await cluster.pass(5_000);
  const [ann, ben] = devices as readonly [Device, Device];
  return { cluster, ann, ben, id };
}

/** How long it takes, in simulated milliseconds. */
async function closeTime({ cluster, ann }: Pair): Promise<number> {
  const startMs = cluster.clock.now();
  await cluster.settle(ann.instance.close());
  return cluster.clock.now() - startMs;
}

test("[SYNC-18] a second close resolves when the first does, and what waits for the disk is written by then", async () => {
  const cluster = new Cluster(4);
  const ann = await cluster.addDevice({ writeMs: () => 100 });
  const { id } = await cluster.settle(ann.instance.createDatabase("Board"));
  const written = ann.write(id, "r", {});
  let isWritten = false;
  void written.then(() => {
    isWritten = true;
  });
  let isFirst = false;
  const first = ann.instance.close().then(() => {
    isFirst = true;
  });
  const second = ann.instance.close().then(() => [isFirst, isWritten]);
  expect(await cluster.settle(second)).toEqual([true, true]);
  await first;
  await expect(ann.write(id, "late", {})).rejects.toMatchObject({ code: "INSTANCE_CLOSED" });
  await expect(ann.instance.createDatabase("late")).rejects.toMatchObject({ code: "INSTANCE_CLOSED" });
});

test("[SYNC-18] what was written just before is with connected peers once it has closed, also what gathers", async () => {
  for (const settings of [{}, { flushEntries: 1_000, flushBytes: 1e7, flushAgeMs: 600_000 }]) {
    const both = await pair(settings);
    const { cluster, ann, ben, id } = both;
    for (let i = 0; i < 300; i++) void ann.write(id, `x${i}`, { v: "y".repeat(2_000) });
    expect(await closeTime(both)).toBeLessThan(drainTimeoutMs);
    expect(ben.rows(id).size).toBe(300);
    const again = await cluster.restart(ann);
    expect(again.instance.status(id)).toMatchObject({ pending: { entries: 0 } });
  }
});

test("[SYNC-18] a peer that does not move is waited for two seconds, one that holds back and one that is away not at all", async () => {
  const delay = { ms: 0 };
  const still = await pair({}, delay);
  delay.ms = 10_000;
  void still.ann.write(still.id, "r", {});
  expect(await closeTime(still)).toBe(drainTimeoutMs);
  const paused = await pair();
  const { sync } = paused.ben.instance;
  const { signal } = new AbortController();
  const job = await paused.cluster.settle(
    sync.execute("startJob", { database: paused.id, peer: paused.ann.key }, signal),
  );
  await paused.cluster.settle(sync.execute("pauseJob", { job: job.id }, signal));
  await paused.cluster.pass(1_000);
  void paused.ann.write(paused.id, "r", {});
  expect(await closeTime(paused)).toBeLessThan(drainTimeoutMs / 2);
  const alone = await pair();
  alone.ann.instance.setOnline(false);
  void alone.ann.write(alone.id, "r", {});
  expect(await closeTime(alone)).toBeLessThan(drainTimeoutMs / 2);
});

test("[CLIENT-39] who hands over waits for no peer, and what it was given is durable all the same", async () => {
  const delay = { ms: 0 };
  const { cluster, ann, id } = await pair({}, delay);
  delay.ms = 10_000;
  const written = ann.write(id, "r", {});
  const startMs = cluster.clock.now();
  await cluster.settle(ann.instance.handOver());
  expect(cluster.clock.now() - startMs).toBeLessThan(drainTimeoutMs / 2);
  await written;
  const next = await cluster.restart(ann);
  expect(next.rows(id).has("r")).toBe(true);
});

test("[SYNC-19] commands and jobs are in the log under correlations of their own, failures with their code, without secrets", async () => {
  const { cluster, ann, ben, id } = await pair();
  const { sync } = ann.instance;
  const { signal } = new AbortController();
  const run = sync.execute.bind(sync);
  await cluster.settle(run("addPeer", { peer: ben.key, name: "Ben" }, signal));
  await cluster.settle(run("peers", {}, signal));
  await expect(run("pauseJob", { job: "none" }, signal)).rejects.toMatchObject({ code: "JOB_UNKNOWN" });
  await expect(run("transportAddresses", { name: "none" }, signal)).rejects.toMatchObject({
    code: "TRANSPORT_UNKNOWN",
  });
  cluster.cut(ann.key, ben.key);
  await cluster.pass(40_000);
  for (const row of ["one", "two"]) await ben.write(id, row, {});
  const job = await cluster.settle(run("startJob", { database: id, peer: ben.key }, signal));
  cluster.heal(ann.key, ben.key);
  await cluster.pass(120_000);
  const log = await run("log", {}, signal);
  const commands = log.filter(({ event }) => event.startsWith("command."));
  expect(commands.map(({ event, correlation, details }) => [event, correlation, details])).toEqual([
    ["command.began", "command 1", { name: "addPeer" }],
    ["command.ended", "command 1", { name: "addPeer" }],
    ["command.began", "command 3", { name: "pauseJob" }],
    ["command.failed", "command 3", { name: "pauseJob", code: "JOB_UNKNOWN" }],
    ["command.failed", "command 4", { name: "transportAddresses", code: "TRANSPORT_UNKNOWN" }],
    ["command.began", "command 5", { name: "startJob" }],
    ["command.ended", "command 5", { name: "startJob" }],
  ]);
  const jobs = log.filter(({ correlation }) => correlation === `job ${job.id}`);
  expect(jobs.map(({ event, details }) => [event, details.state])).toEqual([
    ["job.changed", "waiting"],
    ["job.changed", "running"],
    ["job.changed", "done"],
  ]);
  expect(JSON.stringify(log)).not.toContain(ben.key);
  expect(JSON.stringify(log)).not.toContain(id);
});
