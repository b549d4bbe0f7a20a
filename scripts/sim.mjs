// The simulation outside of the tests: `npm run sim -- --seed N`, `--runs N`; without a valid option it says which there are.
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const project = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(project, "node_modules/.sim-"));
try {
  const outfile = join(folder, "simulate-command.mjs");
  const entryPoints = [join(project, "src/testing/simulate-command.ts")];
  await build({
    entryPoints,
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    sourcemap: "inline",
  });
  const { runCommand } = await import(pathToFileURL(outfile).href);
  const line = (text) => console.log(text);
  const cpuMs = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  };
  process.exitCode = await runCommand(process.argv.slice(2), { line, elapsedMs: () => performance.now(), cpuMs });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
