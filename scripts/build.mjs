// Builds dist/ from src/: `npm run build`. Prints what came out and how large it is.
import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";
import { checkOutput } from "./build/check.mjs";
import { writeLicenses } from "./build/licenses.mjs";
import { fail, project, run } from "./build/project.mjs";
import { reportSizes } from "./build/sizes.mjs";
import { finishTypes } from "./build/types.mjs";

const entries = ["index", "worker", "automerge-repo", "relay", "relay-cli", "testing"];

/** Top-level await is refused: it breaks consumers' default builds, and a worker would lose its first messages. */
const shared = {
  absWorkingDir: project,
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
  supported: { "top-level-await": false },
  sourcemap: true,
  metafile: true,
  logLevel: "warning",
};

/** Automerge's WebAssembly, which the package brings along; its JavaScript is the app's own copy. */
const wasm = "automerge_wasm_bg.wasm";

const browser = {
  ...shared,
  external: ["@automerge/automerge/slim", "@automerge/automerge-repo/slim"],
  platform: "browser",
  define: { global: "globalThis" },
  inject: ["scripts/build/process-shim.js"],
};

const start = performance.now();
const missing = entries.map((name) => `src/${name}.ts`).filter((path) => !existsSync(`${project}/${path}`));
if (missing.length > 0) fail(`cannot build: ${missing.join(", ")} missing`);

// Chunks stay beside index.js: `new URL("./worker.js", import.meta.url)` may end up in any of them.
const page = build({
  ...browser,
  entryPoints: ["src/index.ts", "src/automerge-repo.ts", "src/testing.ts"],
  splitting: true,
  chunkNames: "[name]-[hash]",
});
// Every tab compiles it before it can read anything.
const worker = build({ ...browser, minify: true, entryPoints: ["src/worker.ts"] });
const node = build({
  ...shared,
  platform: "node",
  target: "node20",
  entryPoints: ["src/relay.ts", "src/relay-cli.ts"],
  splitting: true,
  chunkNames: "[name]-[hash]",
  external: ["ws"],
});
const types = run("typescript/bin/tsc", ["-p", "tsconfig.build.json"]);

const results = await Promise.allSettled([page, worker, node, types]);
const reasons = results.flatMap((result) => (result.status === "rejected" ? [result.reason.message] : []));
if (reasons.length > 0) fail(reasons.join("\n"));

const metafiles = results.flatMap((result) => (result.value?.metafile ? [result.value.metafile] : []));
removeStale(metafiles);
copyFileSync(`${project}/node_modules/@automerge/automerge/dist/automerge.wasm`, `${project}/dist/${wasm}`);
finishTypes(entries);
writeLicenses(metafiles);
chmodSync(`${project}/dist/relay-cli.js`, 0o755);
const { version } = JSON.parse(readFileSync(`${project}/package.json`, "utf8"));
checkOutput(metafiles);
reportSizes(metafiles);
console.log(`built tidemark ${version} in ${Math.round(performance.now() - start)} ms`);

/** What earlier builds left. Removed last, so that whoever runs from dist/ meanwhile is not left without files. */
function removeStale(metafiles) {
  const outputs = new Set(metafiles.flatMap((metafile) => Object.keys(metafile.outputs)));
  const files = readdirSync(`${project}/dist`, { withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { name } of files) if (name !== wasm && !outputs.has(`dist/${name}`)) rmSync(`${project}/dist/${name}`);
}
