import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { drawPlan } from "./plan.ts";
import { runCommand } from "./simulate-command.ts";
import { simulate } from "./simulation.ts";

/** More with SIMULATION_SEEDS, as `npm run soak` does. */
const lives = Number(process.env.SIMULATION_SEEDS ?? 2_000);
/** Twice what it takes when other tests run beside it. A soak asks for more lives, and nobody waits for that. */
const timeoutMs = Math.max(360_000, 180 * lives);
/** So that it does not creep: 80 to 130 on the machines at hand, and slower ones are not to fail for being slow. */
const cpuMsMax = 200;
const elapsedMs = (): number => performance.now();

/** In processes of their own, one for each half: two cores, and no test runner between the modules. */
test(
  `[SIMULATION-9] [SIMULATION-11] [SIMULATION-16] [SIMULATION-17] ${lives} lives with bad links, disks and clocks, admins who disagree, and a cheat: all agree in the end, and nothing is lost or leaks`,
  async () => {
    const script = fileURLToPath(new URL("../../scripts/sim.mjs", import.meta.url));
    const half = Math.ceil(lives / 2);
    const halves = [1, 1 + half].map(async (from) => {
      // What a life leaves behind is mostly garbage: with more room for it, it is collected less often.
      const args = ["--max-semi-space-size=32", script, "--from", String(from), "--runs", String(half), "--all"];
      return await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 }).catch(
        (error: { readonly stdout?: string }) => ({ stdout: error.stdout ?? String(error) }),
      );
    });
    for (const { stdout } of await Promise.all(halves)) {
      expect([/^never happened.*$/m.exec(stdout)?.[0], stdout.trim().split("\n").at(-1)], stdout).toEqual([
        undefined,
        `${half} lives went well, 0 failed`,
      ]);
      const [, seconds, cpuMs] = /^([\d.]+) s, ([\d.]+) ms of CPU a life$/m.exec(stdout) ?? [];
      console.log(`${half} lives in ${seconds} s, ${cpuMs} ms of CPU each`);
      expect(Number(cpuMs), "milliseconds of CPU a life").toBeLessThan(cpuMsMax);
    }
  },
  timeoutMs,
);

test("[SIMULATION-5] the same seed leads to the same life, another to another", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const [one, same, other] = await Promise.all([
      simulate({ seed }),
      simulate({ seed }),
      simulate({ seed: seed + 1 }),
    ]);
    expect(one.trace).toBe(same.trace);
    expect([...one.tally]).toEqual([...same.tally]);
    expect(one.trace).not.toBe(other.trace);
  }
});

test("[SIMULATION-2] a plan has as many peers and actions as asked for, and the same seed draws the same", () => {
  const plan = drawPlan(7, { peers: 8, actions: 40 });
  expect([plan.peers.length, plan.actions.length]).toEqual([8, 40]);
  expect(drawPlan(7, { peers: 8, actions: 40 })).toEqual(plan);
  const sizes = new Set(Array.from({ length: 200 }, (_, seed) => drawPlan(seed).peers.length));
  expect([...sizes].sort()).toEqual([3, 4, 5, 6, 7, 8]);
});

test("[SIMULATION-12] `npm run sim` lives the life it is asked for, with the actions that are kept, and tells a wrong option", async () => {
  const run = async (
    ...args: readonly string[]
  ): Promise<{ readonly code: number; readonly lines: readonly string[] }> => {
    const lines: string[] = [];
    return { code: await runCommand(args, { line: (text) => lines.push(text), elapsedMs, cpuMs: elapsedMs }), lines };
  };
  const one = await run("--seed", "3", "--keep", "1,4", "--peers", "3");
  expect([one.code, one.lines.length, one.lines.at(-1)]).toEqual([0, 4, "went well"]);
  const none = await run("--seed", "3", "--keep", "none");
  expect(none.lines.length).toBe(2);
  const many = await run("--from", "5", "--runs", "3", "--actions", "4");
  expect(many.lines.at(-1)).toBe("3 lives went well, 0 failed");
  for (const wrong of [["--seed", "x"], ["--runs"], ["--what"], ["--keep", "1,,2"]])
    expect((await run(...wrong)).code).toBe(2);
});
