/** Lives that failed once, as short as they could be made. They are drawn anew from their seeds: a changed plan makes them others. */
import { expect, test } from "vitest";
import { simulate } from "./simulation.ts";

const regressions: readonly { readonly name: string; readonly seed: number; readonly keep: readonly number[] }[] = [
  {
    name: "who came back without its disk says that it still sends to a peer that was removed meanwhile",
    seed: 423,
    keep: [18, 20, 23, 24],
  },
  {
    name: "the same, while permissions change",
    seed: 305,
    keep: [1, 6, 7, 12, 13, 18, 19, 20, 21, 22],
  },
];

for (const { name, seed, keep } of regressions) {
  test(`[SIMULATION-9] ${name} (seed ${seed})`, async () => {
    expect((await simulate({ seed, keep })).problems).toEqual([]);
  });
}
