// Makes the declaration files fit for consumers: `.js` in imports, nothing unreachable, nothing they do not have.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, project } from "./project.mjs";

const types = join(project, "dist/types");
const specifier = /(\bfrom\s*|\bimport\s*\(\s*|\bimport\s*)"([^"]+)"/g;

/** What a consumer of the package has: its own dependencies, Node's modules where it runs in Node, and automerge-repo who imports what is for that. */
const available = /^(node:|ws$|@automerge\/automerge-repo\/slim$)/;

export function finishTypes(entries) {
  const reached = new Set();
  const foreign = [];
  const visit = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    const text = readFileSync(file, "utf8").replace(specifier, (all, before, target) => {
      if (target.startsWith(".")) {
        visit(join(file, "..", target.replace(/\.(ts|js)$/, ".d.ts")));
        return `${before}"${target.replace(/\.ts$/, ".js")}"`;
      }
      if (!available.test(target)) foreign.push(`${file.slice(project.length + 1)} mentions ${target}`);
      return all;
    });
    writeFileSync(file, text);
  };
  for (const name of entries) {
    const file = join(types, `${name}.d.ts`);
    if (existsSync(file)) visit(file);
  }
  if (foreign.length > 0) fail(`public types need packages that consumers do not have:\n${foreign.join("\n")}`);
  prune(reached);
}

function prune(reached) {
  for (const entry of readdirSync(types, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile() && !reached.has(file)) rmSync(file);
  }
  removeEmptyFolders(types);
}

function removeEmptyFolders(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyFolders(join(folder, entry.name));
  }
  if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true });
}
