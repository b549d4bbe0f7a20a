/** O1: how long a new page waits for its first row when the profile holds a large database. */
import type { Device } from "../e2e/device.ts";
import { type Figures, percentile, scaled, type Workload } from "./workload.ts";
import { writeRows } from "./workloads.ts";

export const reopen: Workload = {
  name: "O1",
  what: "reopen: a new page, the database on disk; from the call of open to the answer of the first get",
  run: (bench) => bench.withDevices((a) => reopenOften(a, scaled(100_000, bench), scaled(20, bench, 3))),
  targets: [{ figure: "firstReadMs", atMost: 300 }],
};

interface Opening {
  /** Until `open` resolves: storage, keys and every database. */
  readonly openMs: number;
  readonly firstReadMs: number;
  /** All rows, after that: what was not needed for the first. */
  readonly allMs: number;
  readonly rows: number;
}

async function reopenOften(device: Device, count: number, times: number): Promise<Figures> {
  await device.createAndShare();
  await device.run(writeRows, { count, from: 0 });
  const openings: Opening[] = [];
  for (let i = 0; i < times; i++) {
    await device.run(() => tide.close());
    await device.page.reload();
    await device.page.waitForFunction(() => globalThis.tidemark !== undefined);
    openings.push(await device.run(openAndRead));
  }
  // A fast wrong result is no result.
  const wrong = openings.find(({ rows }) => rows !== count);
  if (wrong !== undefined) throw new Error(`${wrong.rows} rows instead of ${count}`);
  const of = (figure: keyof Opening, part: number): number =>
    percentile(
      openings.map((opening) => opening[figure]),
      part,
    );
  return {
    entries: count,
    times,
    openMs: of("openMs", 0.5),
    firstReadMs: of("firstReadMs", 0.5),
    firstReadP90Ms: of("firstReadMs", 0.9),
    firstReadLeastMs: of("firstReadMs", 0),
    allMs: of("allMs", 0.5),
  };
}

/** On the page. */
async function openAndRead(): Promise<Opening> {
  const start = performance.now();
  globalThis.tide = await tidemark.open({ name: "e2e" });
  const openMs = performance.now() - start;
  globalThis.db = (await tide.databases())[0] as typeof db;
  const row = await db.table("rows").get("row-1");
  const firstReadMs = performance.now() - start;
  if (row === undefined) throw new Error("row-1 is missing");
  const rows = (await db.table("rows").all()).length;
  return { openMs, firstReadMs, allMs: performance.now() - start - firstReadMs, rows };
}
