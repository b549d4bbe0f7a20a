/** B1: how long after the network is back everybody holds the same again. */

import type { Device } from "../e2e/device.ts";
import type { Relay } from "../e2e/fixtures.ts";
import type { PublicKey } from "../src/core/ids.ts";
import { Cluster, type Device as SimulatedDevice } from "../src/testing/cluster.ts";
import { SeededRandom } from "../src/testing/random.ts";
import { type Bench, type Figures, percentile, scaled, type Workload } from "./workload.ts";
import { waitForRows } from "./workloads.ts";

const cutMs = 60_000;
const limits = { p99Ms: 5_000, maxMs: 30_000 };

export const backInSync: Workload = {
  name: "B1",
  what: "back in sync: 4 devices in two parts for 60 s, writes on both sides; from the network's return until all hold the same, simulated",
  run: heal,
  targets: [
    { figure: "p99Ms", atMost: limits.p99Ms, isExact: true },
    { figure: "maxMs", atMost: limits.maxMs, isExact: true },
  ],
};

export const backOnline: Workload = {
  name: "B2",
  what: "back in sync: two browsers over WebRTC, writes on both sides; from goOnline, or from the relay's return, until both hold the same",
  run: (bench) => bench.withDevices((a, b, relay) => comeBack(a, b, relay, bench)),
  targets: [
    { figure: "onlineMaxMs", atMost: limits.maxMs },
    { figure: "relayMaxMs", atMost: limits.maxMs },
  ],
  ratios: [
    { figure: "onlineMedianMs", to: "channel round trips", limit: ({ channelRoundTripMs }) => channelRoundTripMs },
  ],
};

async function heal(bench: Bench): Promise<Figures> {
  const seeds = scaled(200, bench, 4);
  const times: number[] = [];
  for (let seed = 1; seed <= seeds; seed++)
    times.push(
      await healOnce(seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}`, { cause: error });
      }),
    );
  return { seeds, medianMs: percentile(times, 0.5), p99Ms: percentile(times, 0.99), maxMs: percentile(times, 1) };
}

/** In milliseconds of simulated time. */
async function healOnce(seed: number): Promise<number> {
  const cluster = new Cluster(seed);
  const random = new SeededRandom(seed);
  const { id, devices } = await cluster.addGroup(4);
  await cluster.converge(id, devices);
  const alone = random.chance(0.5) ? 1 : 2;
  const pairs = pairsOf(devices.slice(0, alone), devices.slice(alone));
  for (const [one, other] of pairs) cluster.cut(one, other);
  for (const [number, device] of devices.entries()) {
    for (let i = random.int(50); i >= 0; i--) await cluster.settle(device.write(id, `${number}-${i}`, { i }));
    await cluster.pass(random.int(5_000));
  }
  await cluster.pass(cutMs);
  const healedMs = cluster.clock.now();
  for (const [one, other] of pairs) cluster.heal(one, other);
  await cluster.converge(id, devices, 10 * limits.maxMs);
  const tookMs = cluster.clock.now() - healedMs;
  for (const device of devices) await cluster.settle(device.instance.close());
  return tookMs;
}

function pairsOf(
  ones: readonly SimulatedDevice[],
  others: readonly SimulatedDevice[],
): readonly [PublicKey, PublicKey][] {
  return ones.flatMap((one) => others.map((other): [PublicKey, PublicKey] => [one.key, other.key]));
}

async function comeBack(a: Device, b: Device, relay: Relay, bench: Bench): Promise<Figures> {
  await b.join(await a.createAndShare());
  const awayMs = Math.max(2_000, cutMs * Math.min(1, bench.size ?? 1));
  const runs = scaled(3, bench);
  const [online, relayed]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    await b.run(() => tide.goOffline());
    await writeApart(a, b, `online ${run}`);
    online.push(await timeUntilSame(a, b, () => b.run(() => tide.goOnline())));
    await b.run(() => tide.goOffline());
    await relay.stop();
    await b.run(() => tide.goOnline());
    await writeApart(a, b, `relay ${run}`);
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    relayed.push(await timeUntilSame(a, b, () => relay.restart()));
  }
  return {
    runs,
    awayMs,
    onlineMedianMs: percentile(online, 0.5),
    onlineMaxMs: percentile(online, 1),
    relayMedianMs: percentile(relayed, 0.5),
    relayMaxMs: percentile(relayed, 1),
  };
}

const rowsEach = 20;

async function writeApart(a: Device, b: Device, prefix: string): Promise<void> {
  for (const [i, device] of [a, b].entries())
    await device.run(
      async ({ prefix, rows }) => {
        for (let row = 0; row < rows; row++) await db.table("rows").put(`${prefix} ${row}`, { row });
      },
      { prefix: `${prefix} ${i}`, rows: rowsEach },
    );
}

async function timeUntilSame(a: Device, b: Device, bringBack: () => Promise<void>): Promise<number> {
  const rows = rowsEach + (await a.run(async () => (await db.table("rows").all()).length));
  const arrived = Promise.all([a, b].map((device) => device.run(waitForRows, rows)));
  const start = performance.now();
  await bringBack();
  await arrived;
  const tookMs = performance.now() - start;
  const [ours, theirs] = await Promise.all([a.digest(), b.digest()]);
  if (ours.state !== theirs.state) throw new Error("the same rows and another state");
  return tookMs;
}
