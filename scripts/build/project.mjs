// Where the project is, and how the build runs a tool of node_modules and gives up.
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const project = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

/** Runs a tool of node_modules in the project; rejects with what it printed. */
export function run(bin, args) {
  return new Promise((resolve, reject) => {
    const settle = (error, stdout, stderr) =>
      error ? reject(new Error(`${bin} failed:\n${stdout}${stderr}`)) : resolve(undefined);
    execFile(process.execPath, [`${project}/node_modules/${bin}`, ...args], { cwd: project, timeout: 120_000 }, settle);
  });
}

/** Ends the build with nothing in dist/: half of it would pass for all of it. */
export function fail(message) {
  rmSync(`${project}/dist`, { recursive: true, force: true });
  console.error(message);
  process.exit(1);
}
