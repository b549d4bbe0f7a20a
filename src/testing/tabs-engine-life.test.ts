import { type Endpoint, type Remote, releaseProxy, wrap } from "comlink";
import { expect, test } from "vitest";
import { liveTabsWithEngines } from "./tabs-engine-life.ts";

/** More with TABS_ENGINE_LIVES, as `npm run soak` does. */
const lives = Number(process.env.TABS_ENGINE_LIVES ?? 30);
const from = Number(process.env.TABS_FROM ?? 1);

/** What is to happen in so many lives, or they prove nothing. */
const expected = [
  "kill the leader",
  "end the leader",
  "close the leader",
  "restart the leader",
  "freeze the leader",
  "suspend the leader",
  "steal",
  "cut",
  "fenced",
  "left",
  "lost",
  "lost, not stored",
];

test(
  `[SIMULATION-18] ${lives} lives of two devices whose tabs come and go in the middle of everything: every edit is done once, and all have it`,
  async () => {
    const total = new Map<string, number>();
    const failed: unknown[] = [];
    for (let seed = from; seed < from + lives; seed++) {
      const proxies: Remote<unknown>[] = [];
      const { problems, tally } = await liveTabsWithEngines(seed, (endpoint) => {
        const proxy = wrap<unknown>(endpoint as Endpoint);
        proxies.push(proxy);
        return proxy;
      });
      // Comlink keeps the endpoint of each until it is collected, and from there on all that is in this life: for ever.
      for (const proxy of proxies) proxy[releaseProxy]();
      if (problems.length > 0) failed.push({ seed, problems });
      for (const [what, times] of tally) total.set(what, (total.get(what) ?? 0) + times);
    }
    expect(failed).toEqual([]);
    if (lives < 30) return;
    expect(expected.filter((what) => (total.get(what) ?? 0) === 0)).toEqual([]);
  },
  Math.max(120_000, 4_000 * lives),
);
