/** `npm run sim`: lives one life or many, and makes those that fail as short as they can be. */
import * as automerge from "@automerge/automerge";
import type { LifeAutomerge } from "./life-edits.ts";
import { liveMany, neverHappened, type Output } from "./lives.ts";
import { describeFailure } from "./shrink.ts";
import { type SimulationOptions, simulate } from "./simulation.ts";

export const usage = `npm run sim -- [--seed N [--keep 1,4,7]] [--from N] [--runs N] [--peers 3..8] [--actions N] [--documents] [--all]

  --seed N     one life, told action by action
  --keep LIST  only these of its actions, or none
  --runs N     so many lives with successive seeds (default 200), from --from (default 1)
  --documents  in every life, not only in some
  --all        fails unless everything that can go wrong did in some of these lives`;

/** The exit code: 0 when all went well, 1 when something failed, 2 for a wrong option. */
export async function runCommand(args: readonly string[], output: Output): Promise<number> {
  const given = parse(args);
  if (given === undefined) {
    output.line(usage);
    return 2;
  }
  const { seed, ...rest } = given;
  const options = { ...rest, automerge: automerge as unknown as LifeAutomerge };
  if (seed === undefined) return await many(options, output);
  const result = await simulate({ ...options, seed });
  for (const [number, action] of result.plan.actions.entries())
    if (options.keep?.includes(number) !== false) output.line(`${number} ${JSON.stringify(action)}`);
  output.line(showTally(result.tally));
  output.line(result.problems.length === 0 ? "went well" : describeFailure(result, options.keep));
  return result.problems.length === 0 ? 0 : 1;
}

type Given = Omit<SimulationOptions, "seed"> & {
  readonly seed?: number;
  readonly from?: number;
  readonly runs?: number;
  readonly all?: boolean;
};

async function many({ from = 1, runs = 200, all = false, ...options }: Given, output: Output): Promise<number> {
  const [startMs, startCpuMs] = [output.elapsedMs(), output.cpuMs()];
  const { failed, tally } = await liveMany({ ...options, from, runs }, output);
  const [seconds, cpuMs] = [(output.elapsedMs() - startMs) / 1_000, (output.cpuMs() - startCpuMs) / runs];
  output.line(showTally(tally));
  const missing = all ? neverHappened(tally, options.automerge !== undefined) : [];
  if (missing.length > 0) output.line(`never happened: ${missing.join(", ")}`);
  output.line(`${seconds.toFixed(1)} s, ${cpuMs.toFixed(1)} ms of CPU a life`);
  output.line(`${runs - failed} lives went well, ${failed} failed`);
  return failed + missing.length === 0 ? 0 : 1;
}

function showTally(tally: ReadonlyMap<string, number>): string {
  return [...tally]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([what, times]) => `${what}: ${times}`)
    .join(", ");
}

function parse(args: readonly string[]): Given | undefined {
  const given: Record<string, unknown> = {};
  const rest = [...args];
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === "--all") given.all = true;
    else if (name === "--documents") given.documents = "all";
    else if (name === "--keep") given.keep = numbersIn(rest.shift());
    else if (["--seed", "--from", "--runs", "--peers", "--actions"].includes(name))
      given[name.slice(2)] = numbersIn(rest.shift())?.[0];
    else return undefined;
    if (given[name.slice(2)] === undefined) return undefined;
  }
  return given;
}

/** Undefined unless it is a list of natural numbers, or none. */
function numbersIn(text: string | undefined): readonly number[] | undefined {
  if (text === "none") return [];
  return text !== undefined && /^\d+(,\d+)*$/.test(text) ? text.split(",").map(Number) : undefined;
}
