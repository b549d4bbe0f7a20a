import { expect, test } from "vitest";
import { brokenRules } from "./broken-rules.ts";
import { describeFailure, shrink } from "./shrink.ts";
import { type SimulationResult, simulate } from "./simulation.ts";

/** The first life that fails when nothing is cut: it takes several actions to fail. */
async function failingLife(): Promise<SimulationResult> {
  for (let seed = 1; ; seed++) {
    const result = await simulate({ seed });
    if (result.problems.length > 0) return result;
  }
}

async function whileBroken<T>(action: () => Promise<T>): Promise<T> {
  const restore = brokenRules.find(({ name }) => name === "cut")?.patch?.();
  try {
    return await action();
  } finally {
    restore?.();
  }
}

test("[SIMULATION-12] of a failing life few actions are left, it still fails with them, and each of them is needed", async () => {
  await whileBroken(async () => {
    const result = await failingLife();
    const { seed } = result;
    const { keep, result: shrunk } = await shrink({ seed }, result, () => false);
    expect(shrunk.problems.length).toBeGreaterThan(0);
    expect(keep.length).toBeGreaterThan(0);
    expect(keep.length).toBeLessThan(result.plan.actions.length / 2);
    for (const left of keep) {
      const without = await simulate({ seed, keep: keep.filter((number) => number !== left) });
      expect(without.problems).toEqual([]);
    }
    const again = await simulate({ seed, keep });
    expect(again.problems).toEqual(shrunk.problems);
    expect(describeFailure(shrunk, keep)).toContain(`npm run sim -- --seed ${seed} --keep ${keep.join()}\n`);
  });
});

test("[SIMULATION-12] shrinking ends when its time is up, with what it has", async () => {
  await whileBroken(async () => {
    const result = await failingLife();
    let lives = 0;
    const { keep } = await shrink({ seed: result.seed }, result, () => ++lives > 3);
    expect(keep.length).toBeGreaterThan(0);
    expect(lives).toBeLessThanOrEqual(6);
  });
});
