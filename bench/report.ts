/** What a run showed: figures, what is aimed at, and how they compare with the hardware of the same run. */
import type { Hardware } from "./hardware.ts";
import type { Figures, Target, Workload } from "./workload.ts";

export interface Report {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly browser: string };
  /** How much of the full size of each workload was run. */
  readonly size: number;
  /** Undefined when nothing that was run is compared with it. */
  readonly hardware: Hardware | undefined;
  readonly workloads: Readonly<Record<string, Figures>>;
  /** Each figure against the limit of the hardware that bounds it. */
  readonly ratios: Figures;
  readonly targets: readonly TargetResult[];
}

export interface TargetResult {
  readonly workload: string;
  readonly figure: string;
  readonly value: number;
  /** Such as "≥ 20,000". */
  readonly target: string;
  readonly isMet: boolean;
  readonly isExact: boolean;
  /** The value against the hardware's limit, where it has one. */
  readonly ratio?: number;
}

type Measured = Readonly<Record<string, Figures>>;

export function ratiosOf(chosen: readonly Workload[], measured: Measured, hardware: Hardware): Figures {
  const ratios: Record<string, number> = {};
  for (const { name, ratios: wanted = [] } of chosen)
    for (const { figure, to, limit } of wanted)
      ratios[`${name} ${figure} / ${to}`] = figureOf(measured, name, figure) / limit(hardware);
  return ratios;
}

export function judge(
  chosen: readonly Workload[],
  measured: Measured,
  hardware: Hardware | undefined,
): readonly TargetResult[] {
  return chosen.flatMap((workload) => (workload.targets ?? []).map((target) => judgeOne(workload, target)));

  function judgeOne({ name, ratios = [] }: Workload, target: Target): TargetResult {
    const { figure, atLeast, atMost, isExact = false } = target;
    const value = figureOf(measured, name, figure);
    const isMet = value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY);
    const text = atLeast === undefined ? `≤ ${show(atMost ?? Number.NaN)}` : `≥ ${show(atLeast)}`;
    const limit = ratios.find((ratio) => ratio.figure === figure)?.limit;
    const ratio = limit === undefined || hardware === undefined ? {} : { ratio: value / limit(hardware) };
    return { workload: name, figure, value, target: text, isMet, isExact, ...ratio };
  }
}

/** A figure that was not measured meets no target. */
function figureOf(measured: Measured, workload: string, figure: string): number {
  return measured[workload]?.[figure] ?? Number.NaN;
}

export function print(report: Report, chosen: readonly Workload[]): void {
  const { machine, size, hardware } = report;
  console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.browser}, size ${size}\n`);
  if (hardware !== undefined) printFigures("hardware, same run", { ...hardware });
  for (const { name, what } of chosen) printFigures(`${name}  ${what}`, report.workloads[name] ?? {});
  if (hardware !== undefined) printFigures("ratios", report.ratios);
  if (report.targets.length > 0) printTargets(report.targets);
}

function printTargets(targets: readonly TargetResult[]): void {
  printRow("targets", "figure", "target", "", "of hardware");
  for (const { workload, figure, value, target, isMet, ratio } of targets)
    printRow(
      `  ${workload} ${figure}`,
      show(value),
      target,
      isMet ? "met" : "NOT MET",
      ratio === undefined ? "" : show(ratio),
    );
}

function printRow(name: string, value: string, target: string, verdict: string, ratio: string): void {
  console.log(
    `${name.padEnd(38)} ${value.padStart(12)} ${target.padStart(12)}  ${verdict.padEnd(8)} ${ratio.padStart(12)}`,
  );
}

function printFigures(title: string, figures: Figures): void {
  console.log(title);
  for (const [name, value] of Object.entries(figures)) console.log(`  ${name.padEnd(48)} ${show(value).padStart(12)}`);
  console.log();
}

function show(value: number): string {
  const digits = value < 0.1 ? 4 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}
