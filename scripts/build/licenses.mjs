// Bundled code keeps its licences: dist/licenses.txt has the text of every package of which something is inside dist/.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, project } from "./project.mjs";

/** Not bundled, but brought along as its WebAssembly. */
const copied = ["node_modules/@automerge/automerge"];

export function writeLicenses(metafiles) {
  const inputs = metafiles.flatMap((metafile) => Object.keys(metafile.inputs));
  const folders = inputs.flatMap((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []);
  const texts = [...new Set([...folders, ...copied])].sort().map(describe);
  writeFileSync(join(project, "dist/licenses.txt"), texts.join("\n\n"));
}

function describe(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(project, folder, "package.json"), "utf8"));
  const file = readdirSync(join(project, folder)).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined && !license) fail(`${name} is bundled and has no licence`);
  const text = file === undefined ? "" : readFileSync(join(project, folder, file), "utf8").trim();
  return `${name} ${version} (${license})\n\n${text}\n`;
}
