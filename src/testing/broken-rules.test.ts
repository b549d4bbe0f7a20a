/** A simulation that notices nothing proves nothing. */
import { expect, test } from "vitest";
import type { BrokenRule } from "./broken-rule.ts";
import { brokenRules } from "./broken-rules.ts";
import { type SimulationOptions, type SimulationResult, simulate } from "./simulation.ts";

const seedsMax = 200;

async function liveBroken(seed: number, { about, ports, patch }: BrokenRule): Promise<SimulationResult> {
  const restore = patch?.() ?? (() => {});
  try {
    return await simulate({
      seed,
      ...lifeOf({ ...(about === undefined ? {} : { about }) }),
      ...(ports === undefined ? {} : { ports }),
    });
  } finally {
    restore();
  }
}

function lifeOf({ about }: Pick<BrokenRule, "about">): Pick<SimulationOptions, "about"> {
  return about === undefined ? {} : { about };
}

for (const rule of brokenRules) {
  test(`[SIMULATION-13] broken: ${rule.name}, so that ${rule.breaks}: a life of at most ${seedsMax} fails, and goes well unbroken`, async () => {
    const { from = 1 } = rule;
    let seed = from - 1;
    let problems: readonly string[] = [];
    while (!problems.some((problem) => problem.includes(rule.noticed)) && seed < from - 1 + seedsMax) {
      seed += 1;
      problems = (await liveBroken(seed, rule)).problems;
    }
    expect(problems.join("\n"), "what was noticed").toContain(rule.noticed);
    expect((await simulate({ seed, ...lifeOf(rule) })).problems).toEqual([]);
  }, 120_000);
}
