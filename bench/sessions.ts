/** S1: lives with random faults, each of which has to end with everybody in sync. */
import { simulate } from "../src/testing/simulation.ts";
import { type Bench, type Figures, scaled, type Workload } from "./workload.ts";

/** At the size that nobody asked to be another: the full one takes most of an hour. */
const usualSize = 0.03;

export const sessions: Workload = {
  name: "S1",
  what: "sessions: lives of 3 to 8 devices with random faults, simulated; every one has to end in sync",
  run: live,
  targets: [{ figure: "failed", atMost: 0, isExact: true }],
};

async function live({ size = usualSize }: Bench): Promise<Figures> {
  const lives = scaled(10_000, { size });
  let failed = 0;
  const start = performance.now();
  for (let seed = 1; seed <= lives; seed++) {
    const { problems } = await simulate({ seed });
    if (problems.length === 0) continue;
    failed += 1;
    console.error(`npm run sim -- --seed ${seed}: ${problems[0]}`);
  }
  return { lives, failed, livesPerSecond: (lives * 1_000) / (performance.now() - start) };
}
