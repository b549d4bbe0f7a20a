/** X1: how fast a large database becomes a file, and a file a database. */
import { readFileSync } from "node:fs";
import type { Device } from "../e2e/device.ts";
import { type Figures, scaled, type Workload } from "./workload.ts";
import { writeRows } from "./workloads.ts";

export const files: Workload = {
  name: "X1",
  what: "files: entries of one row each into a file on disk, and from it into a new instance, until durable",
  run: (bench) => bench.withDevices((a) => exportAndImport(a, scaled(100_000, bench))),
};

interface Exported {
  readonly exportMs: number;
  readonly bytes: number;
}

interface Imported {
  readonly importMs: number;
  readonly entries: number;
  readonly rows: number;
}

async function exportAndImport(device: Device, count: number): Promise<Figures> {
  await device.run(async () => {
    globalThis.db = await tide.createDatabase({ name: "Bench" });
  });
  await device.run(writeRows, { count, from: 0 });
  const exported = await growing(device, () => device.run(exportToDisk));
  const imported = await growing(device, () => device.run(importFromDisk));
  const { bytes, exportMs } = exported.result;
  const { entries, importMs, rows } = imported.result;
  // A fast wrong result is no result.
  if (rows !== count || entries !== count + 1) throw new Error(`${rows} rows of ${entries} entries`);
  return {
    entries,
    fileMegabytes: bytes / 1e6,
    exportMs,
    exportMegabytesPerSecond: bytes / 1e3 / exportMs,
    exportEntriesPerSecond: (entries * 1_000) / exportMs,
    exportGrowthMegabytes: exported.megabytes,
    importMs,
    importMegabytesPerSecond: bytes / 1e3 / importMs,
    importEntriesPerSecond: (entries * 1_000) / importMs,
    importGrowthMegabytes: imported.megabytes,
  };
}

/** On the page: into the profile, so that nothing but what is under way is in memory. */
async function exportToDisk(): Promise<Exported> {
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle("bench.tidemark", { create: true });
  const start = performance.now();
  await db.export().pipeTo(await handle.createWritable());
  return { exportMs: performance.now() - start, bytes: (await handle.getFile()).size };
}

/** On the page. */
async function importFromDisk(): Promise<Imported> {
  const folder = await navigator.storage.getDirectory();
  const file = await (await folder.getFileHandle("bench.tidemark")).getFile();
  const other = await tidemark.open({ name: "imported" });
  const start = performance.now();
  const { databases } = await other.import(file);
  const importMs = performance.now() - start;
  const [imported] = databases;
  const database = await other.database(imported?.id ?? "");
  const rows = (await database.table("rows").all()).length;
  await other.close();
  return { importMs, entries: imported?.added ?? 0, rows };
}

interface Grown<T> {
  readonly result: T;
  readonly megabytes: number;
}

/** By how much the memory of the page's process, worker included, was more at most than before. NaN where the system does not say. */
async function growing<T>(device: Device, work: () => Promise<T>): Promise<Grown<T>> {
  const memory = await rendererMemory(device);
  const before = memory();
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, memory());
  }, 50);
  try {
    return { result: await work(), megabytes: (peak - before) / 1e6 };
  } finally {
    clearInterval(timer);
  }
}

async function rendererMemory({ context }: Device): Promise<() => number> {
  const session = await context.browser()?.newBrowserCDPSession();
  if (session === undefined || process.platform !== "linux") return () => Number.NaN;
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const ids = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  return () => Math.max(...ids.map(residentBytes));
}

function residentBytes(id: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/status`, "utf8")) ?? [];
  return Number(kib) * 1_024;
}
