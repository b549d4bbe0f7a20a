/**
 * Finds a few actions of a failing life that are enough for it to fail: ddmin by Andreas Zeller.
 *
 * [SIMULATION-12] What is left still fails, and leaving out any single action that was tried in the end makes it go well, unless
 *   the time was up before.
 */
import { type SimulationOptions, type SimulationResult, simulate } from "./simulation.ts";

export interface Shrunk {
  /** The numbers of the actions that are left. */
  readonly keep: readonly number[];
  readonly result: SimulationResult;
}

/** @param isTimeUp asked before each further life */
export async function shrink(
  options: SimulationOptions,
  result: SimulationResult,
  isTimeUp: () => boolean,
): Promise<Shrunk> {
  let best: Shrunk = { keep: options.keep ?? result.plan.actions.map((_, number) => number), result };
  let parts = 2;
  while (best.keep.length > 0 && !isTimeUp()) {
    const smaller = await firstFailing(options, withoutEach(best.keep, parts), isTimeUp);
    if (smaller !== undefined) {
      best = smaller;
      parts = Math.max(2, parts - 1);
    } else if (parts < best.keep.length) parts = Math.min(best.keep.length, 2 * parts);
    else break;
  }
  return best;
}

async function firstFailing(
  options: SimulationOptions,
  candidates: readonly (readonly number[])[],
  isTimeUp: () => boolean,
): Promise<Shrunk | undefined> {
  for (const keep of candidates) {
    if (isTimeUp()) return undefined;
    const result = await simulate({ ...options, keep });
    if (result.problems.length > 0) return { keep, result };
  }
  return undefined;
}

/** The numbers without the first part, without the second, and so on. */
function withoutEach(numbers: readonly number[], parts: number): readonly (readonly number[])[] {
  const size = Math.ceil(numbers.length / parts);
  return Array.from({ length: Math.ceil(numbers.length / size) }, (_, i) => [
    ...numbers.slice(0, i * size),
    ...numbers.slice((i + 1) * size),
  ]);
}

/** How to see this again, and what was wrong: for people. */
export function describeFailure({ seed, plan, problems }: SimulationResult, keep?: readonly number[]): string {
  const kept = keep === undefined ? "" : ` --keep ${keep.length === 0 ? "none" : keep.join()}`;
  const actions = (keep ?? []).map((number) => `    ${number} ${JSON.stringify(plan.actions[number])}`);
  const peers = keep === undefined ? [] : [`    peers ${JSON.stringify(plan.peers)}`];
  return [
    `npm run sim -- --seed ${seed}${kept}`,
    ...peers,
    ...actions,
    ...problems.map((problem) => `  ${problem}`),
  ].join("\n");
}
