/** The workloads of two devices that run the built package. Rows are 230 B as JSON. */
import type { Device } from "../e2e/device.ts";
import type { Hardware } from "./hardware.ts";
import { benchRow as makeRow } from "./row.ts";
import { type Figures, scaled, type Workload } from "./workload.ts";

export const workloads: readonly Workload[] = [
  {
    name: "W1",
    what: "catch-up: A holds entries of one row each, B joins; until durable at B",
    run: (bench) => bench.withDevices((a, b) => catchUp(a, b, scaled(100_000, bench))),
    ratios: [
      { figure: "entriesPerSecond", to: "its signature checks", limit: ({ verifiesPerSecond }) => verifiesPerSecond },
      { figure: "entriesPerSecond", to: "packed stores", limit: ({ storedPerSecond }) => storedPerSecond },
      { figure: "entriesPerSecond", to: "300 B on the channel", limit: entriesOnChannel },
    ],
  },
  {
    name: "W2",
    what: "live: separate commits at A while connected; until durable at B",
    run: (bench) => bench.withDevices((a, b) => live(a, b, scaled(10_000, bench))),
    ratios: [{ figure: "entriesPerSecond", to: "its signatures", limit: ({ signsPerSecond }) => signsPerSecond }],
  },
  {
    name: "W3",
    what: "one small change, page A to visible on page B, idle",
    run: (bench) => bench.withDevices((a, b) => oneChange(a, b, scaled(200, bench, 20))),
    ratios: [{ figure: "medianMs", to: "channel round trips", limit: ({ channelRoundTripMs }) => channelRoundTripMs }],
  },
  {
    name: "W4",
    what: "one transaction of many rows; until durable at A, and at B",
    run: (bench) => bench.withDevices((a, b) => oneLargeTransaction(a, b, scaled(100_000, bench))),
    ratios: [{ figure: "rowsPerSecond", to: "300 B on the channel", limit: entriesOnChannel }],
  },
];

function entriesOnChannel({ channelMegabytesPerSecond }: Hardware): number {
  return (channelMegabytesPerSecond * 1e6) / 300;
}

async function catchUp(a: Device, b: Device, count: number): Promise<Figures> {
  const ticket = await a.createAndShare();
  const writeMs = await a.run(writeRows, { count, from: 0 });
  const joinMs = await b.run(async (text) => {
    const start = performance.now();
    globalThis.db = await tide.join(text);
    await db.ready();
    return performance.now() - start;
  }, ticket);
  await expectRows(b, count);
  const openMs = await reopen(b, count);
  return {
    entries: count,
    writeMs,
    joinMs,
    entriesPerSecond: (count * 1_000) / joinMs,
    writesPerSecond: (count * 1_000) / writeMs,
    openMs,
  };
}

async function live(a: Device, b: Device, count: number): Promise<Figures> {
  await b.join(await a.createAndShare());
  const arrived = b.run(waitForRows, count);
  const start = performance.now();
  const writeMs = await a.run(writeRows, { count, from: 0 });
  await arrived;
  await b.run(waitUntilSaved, count);
  const durableMs = performance.now() - start;
  return { entries: count, writeMs, durableMs, entriesPerSecond: (count * 1_000) / durableMs };
}

async function oneChange(a: Device, b: Device, count: number): Promise<Figures> {
  await b.join(await a.createAndShare());
  await b.run(() => {
    globalThis.seenAt = new Map();
    db.table<{ readonly i: number }>("rows").subscribe((rows) => {
      const now = performance.timeOrigin + performance.now();
      for (const row of rows) if (!seenAt.has(row.id)) seenAt.set(row.id, now);
    });
  });
  const writtenAt = await a.run(async (changes) => {
    const times: [string, number][] = [];
    for (let i = 0; i < changes; i++) {
      times.push([`r${i}`, performance.timeOrigin + performance.now()]);
      await db.table("rows").put(`r${i}`, { i, title: "A small change" });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return times;
  }, count);
  await b.page.waitForFunction((changes) => seenAt.size === changes, count);
  const seen = new Map(await b.run(() => [...seenAt]));
  const delays = writtenAt.map(([id, at]) => (seen.get(id) ?? Number.NaN) - at).sort((x, y) => x - y);
  return { changes: count, medianMs: delays[count >> 1] ?? 0, p99Ms: delays[Math.ceil(count * 0.99) - 1] ?? 0 };
}

async function oneLargeTransaction(a: Device, b: Device, count: number): Promise<Figures> {
  await b.join(await a.createAndShare());
  const start = performance.now();
  const writeMs = await a.run(async (rows) => {
    const began = performance.now();
    await db.transact((tx) => {
      const table = tx.table("rows");
      for (let i = 0; i < rows; i++) table.put(`row-${i}`, benchRow(i));
    });
    return performance.now() - began;
  }, count);
  await b.run(waitUntilSaved, 1);
  const durableMs = performance.now() - start;
  await expectRows(b, count);
  return { rows: count, writeMs, durableMs, rowsPerSecond: (count * 1_000) / durableMs };
}

declare global {
  var seenAt: Map<string, number>;
  function benchRow(i: number): Record<string, unknown>;
}

/** So that code on the page can make rows. */
export async function addRowMaker({ page }: Device): Promise<void> {
  await page.evaluate(`globalThis.benchRow = ${makeRow}`);
}

/** On the page: one commit per row, a thousand under way at a time. */
export async function writeRows({ count, from }: { readonly count: number; readonly from: number }): Promise<number> {
  const table = db.table("rows");
  const start = performance.now();
  for (let next = from; next < from + count; next += 1_000) {
    const ids = Array.from({ length: Math.min(1_000, from + count - next) }, (_, i) => next + i);
    await Promise.all(ids.map((i) => table.put(`row-${i}`, benchRow(i))));
  }
  return performance.now() - start;
}

/** On the page: until so many rows are visible. */
export function waitForRows(count: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = db.table("rows").subscribe((rows) => {
      if (rows.length < count) return;
      resolve();
      queueMicrotask(() => stop());
    });
  });
}

/** On the page: until so many entries, and all that are here, are durable. */
function waitUntilSaved(count: number): Promise<void> {
  // The root, the invite and the grant come before the rows.
  return new Promise((resolve) => {
    const stop = db.sync.subscribe(({ entries, saved }) => {
      if (saved < entries || saved < count + 3) return;
      resolve();
      queueMicrotask(() => stop());
    });
  });
}

async function reopen(device: Device, count: number): Promise<number> {
  await device.run(() => tide.close());
  const openMs = await device.run(async () => {
    const start = performance.now();
    globalThis.tide = await tidemark.open({ name: "e2e" });
    globalThis.db = (await tide.databases())[0] as typeof db;
    await db.table("rows").get("row-1");
    return performance.now() - start;
  });
  await expectRows(device, count);
  return openMs;
}

/** A fast wrong result is no result. */
async function expectRows(device: Device, count: number): Promise<void> {
  const held = await device.run(async () => (await db.table("rows").all()).length);
  if (held !== count) throw new Error(`${held} rows instead of ${count}`);
}
