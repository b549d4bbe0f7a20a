/** The four workloads, on two devices that run the built package. Rows are 230 B as JSON. */
import type { Device } from "../e2e/device.ts";

export interface Workload {
  readonly name: string;
  readonly what: string;
  /** Figures by name; times in ms, rates per second. */
  readonly run: (a: Device, b: Device, size: number) => Promise<Readonly<Record<string, number>>>;
}

export const workloads: readonly Workload[] = [
  { name: "W1", what: "catch-up: A holds entries of one row each, B joins; until durable at B", run: catchUp },
  { name: "W2", what: "live: separate commits at A while connected; until durable at B", run: live },
  { name: "W3", what: "one small change, page A to visible on page B, idle", run: oneChange },
  { name: "W4", what: "one transaction of many rows; until durable at A, and at B", run: oneLargeTransaction },
];

async function catchUp(a: Device, b: Device, size: number): Promise<Record<string, number>> {
  const count = Math.round(100_000 * size);
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

async function live(a: Device, b: Device, size: number): Promise<Record<string, number>> {
  const count = Math.round(10_000 * size);
  await b.join(await a.createAndShare());
  const arrived = b.run(waitForRows, count);
  const start = performance.now();
  const writeMs = await a.run(writeRows, { count, from: 0 });
  await arrived;
  await b.run(waitUntilSaved, count);
  const durableMs = performance.now() - start;
  return { entries: count, writeMs, durableMs, entriesPerSecond: (count * 1_000) / durableMs };
}

async function oneChange(a: Device, b: Device, size: number): Promise<Record<string, number>> {
  const count = Math.max(20, Math.round(200 * size));
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

async function oneLargeTransaction(a: Device, b: Device, size: number): Promise<Record<string, number>> {
  const count = Math.round(100_000 * size);
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

/** Makes rows of 230 B as JSON on a page. */
export async function addRowMaker({ page }: Device): Promise<void> {
  await page.evaluate(() => {
    globalThis.benchRow = (i) => {
      // Text that does not compress to nothing, and costs nothing to make.
      const text = Array.from({ length: 11 }, (_, k) =>
        ((i * 2_654_435_761 + k * 40_503) >>> 0).toString(36).padStart(11, "0"),
      ).join(" ");
      return { title: `Note ${i}`, text, done: i % 3 === 0, order: i, by: "k7Qx2mVw", at: 1_790_000_000_000 + i };
    };
  });
}

/** On the page: one commit per row, a thousand under way at a time. */
async function writeRows({ count, from }: { readonly count: number; readonly from: number }): Promise<number> {
  const table = db.table("rows");
  const start = performance.now();
  for (let next = from; next < from + count; next += 1_000) {
    const ids = Array.from({ length: Math.min(1_000, from + count - next) }, (_, i) => next + i);
    await Promise.all(ids.map((i) => table.put(`row-${i}`, benchRow(i))));
  }
  return performance.now() - start;
}

function waitForRows(count: number): Promise<void> {
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
