/** A simulation with documents that notices nothing proves nothing. */
import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import { brokenDocumentRules } from "./broken-document-rules.ts";
import type { LifeAutomerge } from "./life-edits.ts";
import { type SimulationResult, simulate } from "./simulation.ts";

const seedsMax = 200;
const automerge = A as unknown as LifeAutomerge;

function live(seed: number): Promise<SimulationResult> {
  return simulate({ seed, automerge, documents: "all" });
}

for (const { name, breaks, noticed, from = 1, patch } of brokenDocumentRules) {
  test(`[SIMULATION-13] broken: ${name}, so that ${breaks}: a life of at most ${seedsMax} with documents fails, and goes well unbroken`, async () => {
    let seed = from - 1;
    let problems: readonly string[] = [];
    while (!problems.some((problem) => problem.includes(noticed)) && seed < from - 1 + seedsMax) {
      seed += 1;
      const restore = patch?.() ?? (() => {});
      problems = (await live(seed)).problems;
      restore();
    }
    expect(problems.join("\n"), "what was noticed").toContain(noticed);
    expect((await live(seed)).problems).toEqual([]);
  }, 120_000);
}
