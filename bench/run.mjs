// The workloads of docs/benchmarks.md, most of them in real Chromium processes: `npm run bench -- [--json FILE] [--only W1,R1] [--size 0.1]`
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { setupBrowser, setupPackages } from "../scripts/setup.mjs";

setupPackages();
await setupBrowser();
const here = import.meta.dirname;
const folder = mkdtempSync(join(here, "../node_modules/.bench-"));
try {
  const outfile = join(folder, "main.mjs");
  // Bundled as if it stood here: what it finds beside itself, it finds by its own URL.
  const define = { "import.meta.url": JSON.stringify(pathToFileURL(join(here, "main.ts")).href) };
  const options = { bundle: true, platform: "node", format: "esm", packages: "external", logLevel: "warning" };
  await build({ ...options, entryPoints: [join(here, "main.ts")], outfile, define });
  const { main } = await import(pathToFileURL(outfile).href);
  process.exitCode = await main(process.argv.slice(2));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
