import { expect, test } from "vitest";
import { expectedEvents, Simulation, type Tally } from "./simulation.ts";

/** More with SIMULATION_SEEDS, as `npm run soak` does. */
const seeds = Number(process.env.SIMULATION_SEEDS ?? 60);

async function live(seed: number): Promise<Simulation> {
  const simulation = new Simulation(seed);
  await simulation.run();
  return simulation;
}

function add(total: Tally, tally: Tally): void {
  for (const [what, times] of tally) total.set(what, times + (total.get(what) ?? 0));
}

test(`[SIMULATION-9] ${seeds} lives with cuts, drops, crashes, failing disks, wrong clocks and a traitor: all agree in the end, and nothing acknowledged is lost`, async () => {
  const total: Tally = new Map();
  const problems: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const simulation = await live(seed).catch((error: unknown) => String(error));
    if (typeof simulation === "string") problems.push(`seed ${seed}: ${simulation}`);
    else problems.push(...simulation.problems().map((problem) => `seed ${seed}: ${problem}`));
    if (typeof simulation !== "string") add(total, simulation.tally);
  }
  expect(problems).toEqual([]);
  expect(
    expectedEvents.filter((what) => (total.get(what) ?? 0) === 0),
    "never happened",
  ).toEqual([]);
}, 600_000);

test("[SIMULATION-5] the same seed leads to the same life, another to another", async () => {
  const traces = await Promise.all([live(1), live(1), live(2)].map(async (life) => (await life).trace));
  expect(traces[0]).toBe(traces[1]);
  expect(traces[0]).not.toBe(traces[2]);
});
