/** Runs the workloads and reports what they show, with the hardware's limits of the same run. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BrowserContext, chromium } from "@playwright/test";
import { Device } from "../e2e/device.ts";
import { serveFolder, startRelay } from "../e2e/fixtures.ts";
import { launchOptions } from "../scripts/chromium.mjs";
import { type Hardware, measureHardware } from "./hardware.ts";
import { addRowMaker, type Workload, workloads } from "./workloads.ts";

const project = fileURLToPath(new URL("..", import.meta.url));

type Figures = Readonly<Record<string, number>>;

interface Report {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly browser: string };
  /** How much of the full size of each workload was run. */
  readonly size: number;
  readonly hardware: Hardware;
  readonly workloads: Readonly<Record<string, Figures>>;
  /** Each figure against the limit of the hardware that bounds it. */
  readonly ratios: Figures;
}

export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { json: { type: "string" }, only: { type: "string" }, size: { type: "string", default: "1" } },
  });
  const names = values.only?.split(",");
  const chosen = workloads.filter(({ name }) => names === undefined || names.includes(name));
  const report = await measure(chosen, Number(values.size));
  print(report, chosen);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  return 0;
}

async function measure(chosen: readonly Workload[], size: number): Promise<Report> {
  const relay = await startRelay(join(project, "dist/relay-cli.js"));
  const app = await serveFolder(join(project, "e2e/page"), { tidemark: join(project, "dist") });
  try {
    const measured: Record<string, Figures> = {};
    let hardware: Hardware | undefined;
    let browser = "";
    for (const workload of chosen) {
      // New profiles on disk for each: in a private window IndexedDB would be in memory.
      await withTwoBrowsers(async (contexts) => {
        const [a, b] = await Promise.all(
          contexts.map((context) => Device.openIn(context, { site: app.url, relay: relay.url })),
        );
        if (a === undefined || b === undefined) throw new Error("two browsers were started");
        for (const device of [a, b]) await addRowMaker(device);
        hardware ??= await measureHardware(a.page, b.page);
        browser = a.context.browser()?.version() ?? (await a.page.evaluate(() => navigator.userAgent));
        measured[workload.name] = await workload.run(a, b, size);
      });
    }
    if (hardware === undefined) throw new Error("no workload of that name");
    const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, browser };
    return { machine, size, hardware, workloads: measured, ratios: ratiosOf(hardware, measured) };
  } finally {
    app.close();
    await relay.stop();
  }
}

async function withTwoBrowsers(action: (contexts: readonly BrowserContext[]) => Promise<void>): Promise<void> {
  const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), "tidemark-bench-")));
  const contexts = await Promise.all(
    folders.map((folder) => chromium.launchPersistentContext(folder, launchOptions())),
  );
  try {
    await action(contexts);
  } finally {
    for (const context of contexts) await context.close();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
}

function ratiosOf(hardware: Hardware, { W1, W2, W3, W4 }: Readonly<Record<string, Figures>>): Figures {
  const ratios: Record<string, number> = {};
  const add = (name: string, value: number | undefined, limit: number): void => {
    if (value !== undefined) ratios[name] = value / limit;
  };
  add("W1 entries per signature check", W1?.entriesPerSecond, hardware.verifiesPerSecond);
  add("W1 of packed stores", W1?.entriesPerSecond, hardware.storedPerSecond);
  add("W1 of the channel (300 B entries)", W1?.entriesPerSecond, (hardware.channelMegabytesPerSecond * 1e6) / 300);
  add("W2 of signing", W2?.entriesPerSecond, hardware.signsPerSecond);
  add("W3 in channel round trips", W3?.medianMs, hardware.channelRoundTripMs);
  add("W4 of the channel (300 B rows)", W4?.rowsPerSecond, (hardware.channelMegabytesPerSecond * 1e6) / 300);
  return ratios;
}

function print(report: Report, chosen: readonly Workload[]): void {
  const { machine, size, hardware } = report;
  console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.browser}, size ${size}\n`);
  printFigures("hardware, same run", { ...hardware });
  for (const { name, what } of chosen) printFigures(`${name}  ${what}`, report.workloads[name] ?? {});
  printFigures("ratios", report.ratios);
}

function printFigures(title: string, figures: Figures): void {
  console.log(title);
  for (const [name, value] of Object.entries(figures)) {
    const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
    console.log(`  ${name.padEnd(36)} ${value.toLocaleString("en", { maximumFractionDigits: digits }).padStart(12)}`);
  }
  console.log();
}
