// What takes too long for every change: `npm run soak`. Everything over and over, each time with other random seeds, and
// with more runs of each property, more seeds of the simulation, and longer lives: see the environment variables below.
import { fileURLToPath } from "node:url";
import { command, stopOnSignals } from "./command.mjs";

const project = fileURLToPath(new URL("..", import.meta.url));
const { FUZZ_RUNS = "2000", SIMULATION_SEEDS = "2000", SIMULATION_LIVES = "10000", SOAK_REPEATS = "10" } = process.env;
const { TABS_ENGINE_LIVES = "1000" } = process.env;
const { AUTHORITY_GRAPHS = "500", TAB_ROUNDS = "1000", BACKFILL_CYCLES = "50" } = process.env;
const hourMs = 3_600_000;

const vitest = "node_modules/vitest/vitest.mjs";
const long = `--testTimeout=${hourMs}`;
/** Other lives each time; the command that shows one that failed again is printed. */
const simulation = ["--from", String(Date.now() % 1e9), "--runs", SIMULATION_LIVES, "--actions", "40"];
const playwright = "node_modules/@playwright/test/cli.js";
/** Recorded sessions to their end: as rows, in documents, and watched. The longest has so many keystrokes. */
const whole = { RECORDED_KEYSTROKES: "26078" };

/** Tabs that end at random moments: many rounds, once. The seed stands in the titles of the tests. */
const rounds = { TAB_ROUNDS, BACKFILL_CYCLES, TAB_SEED: String(Date.now() % 1e9) };
const steps = [
  { name: "simulation", script: "scripts/sim.mjs", args: simulation, repeats: 1 },
  { name: "documents", script: "scripts/sim.mjs", args: [...simulation, "--documents"], repeats: 1 },
  { name: "unit", script: vitest, args: ["run", "--project", "unit", long], repeats: Number(SOAK_REPEATS) },
  { name: "browser", script: vitest, args: ["run", "--project", "browser", long], repeats: Number(SOAK_REPEATS) },
  { name: "build", script: "scripts/build.mjs", args: [], repeats: 1 },
  { name: "demo", script: "node_modules/vite/bin/vite.js", args: ["build", "--logLevel", "warn"], repeats: 1 },
  {
    name: "tabs",
    script: playwright,
    args: ["test", "--grep", "rounds|again and again"],
    repeats: 1,
    env: rounds,
    hours: 4,
  },
  { name: "e2e", script: playwright, args: ["test", "--repeat-each", SOAK_REPEATS], env: whole, repeats: 1 },
];

stopOnSignals();
const failed = [];
for (const { name, script, args, repeats, env: own, hours = 2 } of steps) {
  for (let round = 1; round <= repeats; round++) {
    console.log(`\n== ${name} ${round}/${repeats}`);
    const from = String(Date.now() % 1e9);
    const counts = { FUZZ_RUNS, SIMULATION_SEEDS, AUTHORITY_GRAPHS, TABS_ENGINE_LIVES };
    const env = { ...counts, AUTHORITY_FROM: from, TABS_FROM: from, ...own };
    const options = { cwd: project, env, timeoutMs: hours * hourMs, echo: true };
    const { ok } = await command(process.execPath, [script, ...args], options);
    if (!ok) failed.push(`${name} ${round}`);
  }
}
console.log(failed.length === 0 ? "\nsoak passed" : `\nsoak failed: ${failed.join("; ")}`);
process.exit(failed.length === 0 ? 0 : 1);
