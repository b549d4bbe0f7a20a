// Everything that can fail, in one command: `npm test`. Ends with one line, `N passed, N failed`.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { command, stopOnSignals } from "./command.mjs";
import { setupBrowser, setupPackages } from "./setup.mjs";

const project = fileURLToPath(new URL("..", import.meta.url));
const reports = mkdtempSync(join(tmpdir(), "tidemark-test-"));
const minute = 60_000;

/** One tool of node_modules, or a script, that passes or fails as a whole. */
function check(name, script, args, timeoutMs = 3 * minute) {
  return { name, script, args, timeoutMs, count: (ok) => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1 }) };
}

/** A test runner that writes a report in JSON. */
function suite(name, script, args, timeoutMs, read, env = {}) {
  const report = join(reports, `${name}.json`);
  const count = () => read(JSON.parse(readFileSync(report, "utf8")));
  return { name, script, args: args(report), timeoutMs, count, env: { ...env, PLAYWRIGHT_JSON_OUTPUT_NAME: report } };
}

function vitestArgs(projectName) {
  return (report) => [
    "run",
    "--project",
    projectName,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ];
}

/** A file that cannot be loaded has no failed test in it, yet failed. */
function countVitest({ numPassedTests, numFailedTests, testResults }) {
  const broken = testResults.filter(
    ({ status, assertionResults }) => status === "failed" && !assertionResults.some((one) => one.status === "failed"),
  );
  return { passed: numPassedTests, failed: numFailedTests + broken.length };
}

function countPlaywright({ stats, errors }) {
  return { passed: stats.expected, failed: stats.unexpected + stats.flaky + errors.length };
}

const vitest = "vitest/vitest.mjs";
const steps = [
  check("build", "../scripts/build.mjs", []),
  check("types", "typescript/bin/tsc", ["-p", "tsconfig.json", "--pretty", "false"]),
  check("types without DOM and Node", "typescript/bin/tsc", ["-p", "tsconfig.pure.json", "--pretty", "false"]),
  check("lint", "@biomejs/biome/bin/biome", ["ci", "--error-on-warnings", "--colors=off"]),
  check("build of the demo", "vite/bin/vite.js", ["build", "--logLevel", "warn"]),
  check("package manifest", "publint/src/cli.js", ["--strict"]),
  check("package types", "@arethetypeswrong/cli/dist/index.js", ["--pack", ".", "--profile", "esm-only"]),
  // On two cores one worker would leave one of them idle.
  suite("unit", vitest, (report) => [...vitestArgs("unit")(report), "--maxWorkers=2"], 10 * minute, countVitest),
  suite("browser", vitest, vitestArgs("browser"), 3 * minute, countVitest),
  suite("e2e", "@playwright/test/cli.js", () => ["test", "--reporter=list,json"], 14 * minute, countPlaywright),
];

const total = { passed: 0, failed: 0 };

async function runStep({ name, script, args, timeoutMs, count, env }) {
  process.stdout.write(`${name} … `);
  const start = performance.now();
  const file = fileURLToPath(new URL(script, new URL("../node_modules/", import.meta.url)));
  const options = { cwd: project, timeoutMs, env: { ...env, NO_COLOR: "1", FORCE_COLOR: undefined } };
  const { ok, output } = await command(process.execPath, [file, ...args], options);
  const result = countSafely(count, ok);
  total.passed += result.passed;
  total.failed += result.failed;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${result.passed} passed, ${result.failed} failed (${seconds} s)`);
  if (result.failed > 0) console.log(`\n${output.trim()}\n`);
}

/** A step that crashed, or in which nothing ran, failed: whatever its report says. */
function countSafely(count, ok) {
  let result = { passed: 0, failed: 0 };
  try {
    result = count(ok);
  } catch {
    // No report: it crashed before it could write one.
  }
  const isFailed = !ok || result.passed + result.failed === 0;
  return isFailed && result.failed === 0 ? { ...result, failed: 1 } : result;
}

/** Returns whether it worked; a failure counts as one failed test. */
async function prepare(what) {
  try {
    await what();
    return true;
  } catch (error) {
    console.log(error.message);
    total.failed += 1;
    return false;
  }
}

stopOnSignals();
const start = performance.now();
if (await prepare(setupPackages)) {
  await prepare(setupBrowser);
  for (const step of steps) await runStep(step);
}
rmSync(reports, { recursive: true, force: true });
console.log(`\n${((performance.now() - start) / 1000).toFixed(0)} s`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);
