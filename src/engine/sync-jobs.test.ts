/** A first sync of thousands of entries as the user sees it: progress, pause, cancel, and restarts in the middle. */
import { beforeEach, describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { batchesInFlightMax } from "../core/limits.ts";
import { WRITE } from "../core/store/power.ts";
import { Cluster, type RestartOptions } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import type { CommandName, SyncCommands, SyncResults } from "./commands.ts";
import type { JobInfo } from "./sync-info.ts";

const never: AbortSignal = new AbortController().signal;
const entries = 5_000;
const batchEntries = 100;
const options: RestartOptions = {
  ports: (ports) => ({ ...ports, settings: { batchEntries } }),
  writeMs: () => 5,
};

let cluster: Cluster;
let ann: Device;
let ben: Device;
let id: DatabaseId;

/** Somebody with a large database, and somebody who has just taken its ticket. */
beforeEach(async () => {
  cluster = new Cluster(1);
  ann = await cluster.addDevice(options);
  ({ id } = await cluster.settle(ann.instance.createDatabase("Large")));
  await cluster.settle(Promise.all(Array.from({ length: entries }, (_, i) => ann.write(id, `r${i}`, { i }))));
  const ticket = await cluster.settle(ann.instance.share(id, { power: WRITE }));
  ben = await cluster.addDevice(options);
  await cluster.settle(ben.instance.join(ticket));
});

function run<Name extends CommandName>(name: Name, command: SyncCommands[Name]): Promise<SyncResults[Name]> {
  return cluster.settle(ben.instance.sync.execute(name, command, never));
}

function live(): JobInfo | undefined {
  return ben.instance.status(id).jobs[0];
}

function stored(): number {
  return ben.instance.status(id).saved;
}

describe("[SYNC-16] a first sync", () => {
  test("shows how far it is, and is over when everything is here", async () => {
    const shown: JobInfo[] = [];
    cluster.afterStep = () => {
      const job = live();
      if (job !== undefined && job.receivedEntries !== shown.at(-1)?.receivedEntries) shown.push(job);
    };
    await cluster.until(() => stored() > 500);
    expect(ben.instance.status(id).blockedBy.map(({ type }) => type)).toEqual(["notReady"]);
    await cluster.settle(ben.instance.ready(id));
    await cluster.converge(id, [ann, ben]);
    await cluster.pass(1_000);
    expect(shown.length).toBeGreaterThan(20);
    expect(shown.map(({ receivedEntries }) => receivedEntries)).toEqual(
      shown.map(({ receivedEntries }) => receivedEntries).sort((a, b) => a - b),
    );
    expect(new Set(shown.slice(1).map(({ totalEntries }) => totalEntries)).size).toBeLessThan(4);
    expect(shown.some(({ entriesPerSecond }) => entriesPerSecond > 100)).toBe(true);
    const [done, ...others] = await run("jobs", { database: id });
    expect([done?.state, done?.type, done?.peer, others]).toEqual(["done", "bootstrap", ann.key, []]);
    expect(done?.receivedEntries).toBeGreaterThanOrEqual(entries);
    expect(done?.receivedEntries).toBe(done?.totalEntries);
    expect(done).toMatchObject({ entriesPerSecond: 0, error: undefined });
  });

  test("that is paused stops within the window, also over a restart, and resumed ends complete", async () => {
    await cluster.until(() => stored() > 500);
    const { id: job } = live() as JobInfo;
    await run("pauseJob", { job });
    const atPause = stored();
    await cluster.pass(60_000);
    const held = stored();
    expect(held - atPause).toBeLessThanOrEqual((batchesInFlightMax + 1) * batchEntries);
    ben.crash();
    ben = await cluster.restart(ben, options);
    await cluster.pass(60_000);
    expect([live()?.state, stored()]).toEqual(["paused", held]);
    expect(stored()).toBeLessThan(entries);
    await run("resumeJob", { job });
    await cluster.converge(id, [ann, ben]);
    await cluster.pass(1_000);
    expect(await run("jobs", {})).toMatchObject([{ id: job, state: "done" }]);
  });

  test("that is paused before anything came does not begin before it is resumed, also over a restart", async () => {
    ann.instance.setOnline(false);
    await run("addPeer", { peer: ann.key });
    const { id: job } = await run("startJob", { database: id, peer: ann.key });
    expect(await run("pauseJob", { job })).toMatchObject({ state: "paused", type: "bootstrap" });
    ben = await cluster.restart(ben, options);
    ann.instance.setOnline(true);
    await cluster.pass(60_000);
    expect(stored()).toBe(0);
    await run("resumeJob", { job });
    await cluster.converge(id, [ann, ben]);
  });

  test("that is cancelled stops, and goes on when a job is started", async () => {
    await cluster.until(() => stored() > 500);
    await run("cancelJob", { job: (live() as JobInfo).id });
    await cluster.pass(600_000);
    expect(stored()).toBeLessThan(entries);
    const { id: job } = await run("startJob", { database: id, peer: ann.key });
    await cluster.converge(id, [ann, ben]);
    await cluster.pass(1_000);
    expect(await run("jobs", {})).toMatchObject([{ id: job, state: "done" }]);
  });

  test("killed again and again goes on from what is durable, and applies nothing twice", async () => {
    let applied = 0;
    for (let deaths = 0; deaths < 8; deaths++) {
      const until = stored() + 100 + cluster.random.int(600);
      await cluster.until(() => stored() >= Math.min(until, entries));
      applied += (await run("metrics", {})).counters["entries.stored"] ?? 0;
      ben.crash();
      ben = await cluster.restart(ben, options);
    }
    await cluster.settle(ben.instance.ready(id));
    await cluster.converge(id, [ann, ben]);
    await run("flush", {});
    applied += (await run("metrics", {})).counters["entries.stored"] ?? 0;
    expect(applied).toBe(ben.instance.database(id).replica.graph.size);
    expect(ben.rows(id).size).toBe(entries);
    expect(ben.stateDigest(id)).toBe(ann.stateDigest(id));
    await cluster.pass(1_000);
    expect((await run("jobs", {})).every(({ state }) => state === "done")).toBe(true);
  });
});
