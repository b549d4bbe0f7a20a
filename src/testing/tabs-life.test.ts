import { expect, test } from "vitest";
import { liveTabs } from "./tabs-life.ts";

/** More with SIMULATION_SEEDS, as `npm run soak` does. */
const lives = Number(process.env.SIMULATION_SEEDS ?? 200);
const from = Number(process.env.TABS_FROM ?? 1);

/** What is to happen in so many lives, or they prove nothing. */
const expected = [
  "kill the leader",
  "close the leader",
  "freeze the leader",
  "suspend the leader",
  "steal",
  "sleep",
  "jump",
  "fail",
  "fenced",
  "without Web Locks",
];

test(
  `[TABS-4] [TABS-13] [TABS-15] ${lives} lives of tabs that come, go, freeze, sleep, fail and are robbed: one leads in the end, and every edit is written once`,
  async () => {
    const total = new Map<string, number>();
    const failed: unknown[] = [];
    for (let seed = from; seed < from + lives; seed++) {
      const { problems, tally } = await liveTabs(seed);
      if (problems.length > 0) failed.push({ seed, problems });
      for (const [what, times] of tally) total.set(what, (total.get(what) ?? 0) + times);
    }
    expect(failed).toEqual([]);
    if (lives < 100) return;
    expect(expected.filter((what) => (total.get(what) ?? 0) === 0)).toEqual([]);
  },
  Math.max(60_000, 100 * lives),
);
