// What must be true of dist/ or consumers' bundlers and browsers fail in ways that are hard to see.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, project } from "./project.mjs";

const dist = join(project, "dist");
/** Bundlers find the worker by this very expression, relative to the file it stands in. */
const workerExpression = /new Worker\(\s*new URL\("\.\/worker\.js", import\.meta\.url\),\s*\{[^}]*type: "module"/;

/** And the WebAssembly of Automerge by this one. */
const wasmExpression = /new URL\(\s*"\.\/(automerge_wasm_bg\.wasm)",\s*import\.meta\.url\s*\)/;
/** And this one of the app's own copy, without which an app that has none would not build. */
const automergeExpression = /\btry\s*\{\s*(?:\/\/[^\n]*\s*)*return await import\("@automerge\/automerge\/slim"\)/;

export function checkOutput(metafiles) {
  const outputs = Object.assign({}, ...metafiles.map((metafile) => metafile.outputs));
  const files = Object.keys(outputs).filter((path) => path.endsWith(".js"));
  const nested = files.filter((path) => path.split("/").length !== 2);
  if (nested.length > 0) fail(`chunks have to stay beside index.js: ${nested.join(", ")}`);

  const starts = readdirSync(dist).filter((name) => name.endsWith(".js") && workerExpression.test(read(name)));
  if (starts.length === 0)
    fail(`no file of dist/ says new Worker(new URL("./worker.js", import.meta.url), { type: "module" })`);

  const loads = readdirSync(dist).filter((name) => name.endsWith(".js") && wasmExpression.test(read(name)));
  if (loads.length === 0) fail(`no file of dist/ says new URL("./automerge_wasm_bg.wasm", import.meta.url)`);
  if (!loads.every((name) => automergeExpression.test(read(name))))
    fail(`${loads.join(", ")} does not say try { return await import("@automerge/automerge/slim") }`);
  if (!existsSync(join(dist, "automerge_wasm_bg.wasm"))) fail("dist/ lacks the WebAssembly of Automerge");
  const bundled = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs));
  if (bundled.some((input) => input.includes("node_modules/@automerge/")))
    fail("Automerge is bundled: apps have their own");

  const imports = outputs["dist/worker.js"].imports.map(({ path }) => path);
  if (imports.length > 0) fail(`dist/worker.js has to be self-contained and imports ${imports.join(", ")}`);

  const eager = eagerInputs(outputs, "dist/index.js").filter((input) => input.includes("node_modules/simple-peer/"));
  if (eager.length > 0) fail("dist/index.js loads simple-peer at once: it has to be behind import()");
  if (!read("relay-cli.js").startsWith("#!/usr/bin/env node\n"))
    fail("dist/relay-cli.js does not start with #!/usr/bin/env node");
}

/** The inputs of an output and of everything it imports statically. */
function eagerInputs(outputs, path, seen = new Set()) {
  if (seen.has(path) || outputs[path] === undefined) return [];
  seen.add(path);
  const { inputs, imports } = outputs[path];
  const further = imports.filter(({ kind }) => kind === "import-statement");
  return [...Object.keys(inputs), ...further.flatMap((one) => eagerInputs(outputs, one.path, seen))];
}

function read(name) {
  return readFileSync(join(dist, name), "utf8");
}
