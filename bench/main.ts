/** Runs the workloads and reports what they show, with the hardware's limits of the same run. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { backInSync, backOnline } from "./back-in-sync.ts";
import { Browsers } from "./browsers.ts";
import { localChange, openDocument, remoteBurst } from "./documents.ts";
import { files } from "./files.ts";
import { measureHardware } from "./hardware.ts";
import { killedBackfill } from "./killed-backfill.ts";
import { memory } from "./memory.ts";
import { queue } from "./queue.ts";
import { receive } from "./receive.ts";
import { reopen } from "./reopen.ts";
import { judge, print, type Report, ratiosOf } from "./report.ts";
import { sessions } from "./sessions.ts";
import { takeOver } from "./take-over.ts";
import { typing } from "./typing.ts";
import type { Figures, Workload } from "./workload.ts";
import { workloads } from "./workloads.ts";

const all: readonly Workload[] = [
  ...workloads,
  typing,
  localChange,
  openDocument,
  remoteBurst,
  receive,
  reopen,
  files,
  takeOver,
  killedBackfill,
  queue,
  memory,
  backInSync,
  backOnline,
  sessions,
];

/** The exit code: 1 when a target was missed that does not depend on the machine. */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { json: { type: "string" }, only: { type: "string" }, size: { type: "string" } },
  });
  const names = values.only?.split(",");
  const unknown = names?.filter((name) => !all.some((workload) => workload.name === name)) ?? [];
  if (unknown.length > 0)
    throw new Error(`no workload ${unknown.join(", ")}: ${all.map(({ name }) => name).join(", ")}`);
  const chosen = all.filter(({ name }) => names === undefined || names.includes(name));
  const report = await measure(chosen, values.size === undefined ? undefined : Number(values.size));
  print(report, chosen);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  return report.targets.some(({ isExact, isMet }) => isExact && !isMet) ? 1 : 0;
}

async function measure(chosen: readonly Workload[], size: number | undefined): Promise<Report> {
  const browsers = new Browsers(size);
  const isCompared = chosen.some(({ ratios }) => ratios !== undefined);
  const hardware = isCompared ? await browsers.withDevices((a, b) => measureHardware(a.page, b.page)) : undefined;
  const measured: Record<string, Figures> = {};
  for (const workload of chosen) measured[workload.name] = await workload.run(browsers);
  const machine = {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    browser: browsers.version || "no browser",
  };
  const ratios = hardware === undefined ? {} : ratiosOf(chosen, measured, hardware);
  return {
    machine,
    size: size ?? 1,
    hardware,
    workloads: measured,
    ratios,
    targets: judge(chosen, measured, hardware),
  };
}
