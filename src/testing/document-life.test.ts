/** Lives with documents, told apart from those of simulation.test.ts because Automerge is handed in. */
import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import { isAboutDocuments } from "./document-plan.ts";
import type { LifeAutomerge } from "./life-edits.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { simulate } from "./simulation.ts";

const automerge = A as unknown as LifeAutomerge;

/** Each is named by what happened in it: see what comes of them in document-judging.ts and presence-judging.ts. */
test.each([1, 6, 18, 22, 28])(
  "[SIMULATION-19] [SIMULATION-20] a life with documents goes well (seed %i)",
  async (seed) => {
    const { problems, tally } = await simulate({ seed, automerge, documents: "all" });
    expect(problems, `npm run sim -- --seed ${seed} --documents`).toEqual([]);
    expect(tally.get("document change")).toBeGreaterThan(0);
  },
);

/** Lives that failed once, as in regressions.test.ts. */
const regressions: readonly (Plan & { readonly name: string })[] = [
  {
    name: "what a page wrote before its document was made anew is void, and the page is told that it is refused",
    seed: 3169,
    peers: [
      { role: "member", power: 100, skewMs: 0, writeMsMax: 30, preset: "bulk" },
      { role: "member", power: 100, skewMs: 20000, writeMsMax: 0, preset: "interactive" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 3, preset: "lowBandwidth" },
    ],
    actions: [
      { type: "edit", peer: 470, tab: 432, doc: 152, changes: 1, seed: 676597453, pauseMs: 18 },
      { type: "set", by: 399, peer: 345, power: 200, pauseMs: 50 },
      { type: "fill", peer: 92, forMs: 1547, pauseMs: 45 },
      { type: "edit", peer: 175, tab: 205, doc: 320, changes: 1, seed: 782317070, pauseMs: 9 },
      { type: "trick", times: 3, pauseMs: 524 },
    ],
  },
  {
    name: "a page says that it is there between two milliseconds",
    seed: 3025,
    peers: [
      { role: "member", power: 100, skewMs: 0, writeMsMax: 30, preset: "interactive" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 30, preset: "interactive" },
      { role: "latecomer", power: 100, skewMs: 0, writeMsMax: 3, preset: "interactive" },
      { role: "member", power: 10, skewMs: -90000, writeMsMax: 3, preset: "lan" },
      { role: "member", power: 100, skewMs: -20000, writeMsMax: 0, preset: "interactive" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 3, preset: "lowBandwidth" },
    ],
    actions: [
      { type: "say", peer: 16, tab: 509, state: null, pauseMs: 13 },
      { type: "edit", peer: 711, tab: 268, doc: 590, changes: 2, seed: 634198941, pauseMs: 13 },
      { type: "edit", peer: 153, tab: 625, doc: 512, changes: 1, seed: 610033818, pauseMs: 23 },
      { type: "falsify", times: 3, pauseMs: 60 },
      { type: "say", peer: 324, tab: 662, state: 791, pauseMs: 311 },
      { type: "edit", peer: 581, tab: 732, doc: 611, changes: 3, seed: 51929227, pauseMs: 538 },
      { type: "rot", peer: 443, position: 662, bit: 7295, pauseMs: 451 },
      { type: "write", peer: 342, entries: 3, pauseMs: 232 },
      { type: "cheat", times: 2, pauseMs: 0 },
    ],
  },
];

for (const { name, seed, ...plan } of regressions) {
  test(`[SIMULATION-19] [SIMULATION-20] ${name} (seed ${seed})`, async () => {
    expect((await simulate({ seed, automerge, plan })).problems).toEqual([]);
  });
}

test("[SIMULATION-5] the same seed leads to the same life, with documents too", async () => {
  const [one, same] = [1, 2].map(() => simulate({ seed: 6, automerge, documents: "all" }));
  const [first, second] = [await one, await same];
  expect(first?.trace).toBe(second?.trace);
  expect([...(first?.tally ?? [])]).toEqual([...(second?.tally ?? [])]);
});

test("[SIMULATION-2] some plans have documents in them, and the others are what they are without", () => {
  const seeds = Array.from({ length: 300 }, (_, seed) => seed);
  const plans = seeds.map((seed) => drawPlan(seed, { documents: "some" }));
  const others = plans.filter(({ actions }) => !actions.some(isAboutDocuments));
  expect(others.length).toBeGreaterThan(200);
  expect(others.length).toBeLessThan(290);
  for (const plan of others) expect(plan).toEqual(drawPlan(plan.seed));
});
