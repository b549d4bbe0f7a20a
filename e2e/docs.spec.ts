/**
 * The examples of the documents. Those of one document are one program, from top to bottom: compiled in a strict app
 * against the built package, built by Vite, and run in a browser with a relay. A block whose first line is `// name.ts`
 * is a file of its own beside it.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { blockTypes } from "../src/engine/blocked-by.ts";
import { defaultSettings, presets } from "../src/engine/settings.ts";
import { bundle } from "./bundle.ts";
import { expect, project, serveFolder, test } from "./fixtures.ts";

const run = promisify(execFile);

/** What stands for the rest of an app. */
const scene = `
declare function render(shown: unknown): void;
declare function bar(part: number): void;
/** The types of automerge-repo ask for Node's. */
interface Buffer extends Uint8Array {}
`;

const start = `
Object.assign(globalThis, { render() {}, bar() {} });
import("./main.ts").then(
  () => { document.title = "ran"; },
  (error) => { document.title = "failed"; console.error(error); },
);
`;

const page = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/start.ts"></script>\n';

function programOf(markdown: string, relay: string): ReadonlyMap<string, string> {
  const files = new Map([["main.ts", ""]]);
  for (const [, block = ""] of markdown.matchAll(/^```tsx?\n(.*?)^```$/gms)) {
    const name = /^\/\/ (\S+\.tsx?)$/.exec(block.split("\n")[0] ?? "")?.[1] ?? "main.ts";
    files.set(name, `${files.get(name) ?? ""}${block.replaceAll("wss://relay.example", relay)}\n`);
  }
  return files;
}

const compilerOptions = {
  target: "ES2022",
  // The last one is for the types of Automerge.
  lib: ["ES2022", "DOM", "ESNext.Disposable"],
  module: "ESNext",
  moduleResolution: "bundler",
  jsx: "react-jsx",
  types: [],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  paths: {
    tidemark: [join(project, "dist/types/index.d.ts")],
    "tidemark/worker": [join(project, "dist/types/worker.d.ts")],
    "tidemark/automerge-repo": [join(project, "dist/types/automerge-repo.d.ts")],
  },
};

function writeApp(folder: string, program: ReadonlyMap<string, string>): void {
  // What the guides say is to be installed. A junction, because Windows lets nobody else make a link.
  symlinkSync(join(project, "node_modules"), join(folder, "node_modules"), "junction");
  for (const [name, text] of program) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, "scene.d.ts"), scene);
  writeFileSync(join(folder, "start.ts"), start);
  writeFileSync(join(folder, "index.html"), page);
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: [...program.keys(), "scene.d.ts"] }),
  );
}

/** What tsc has to say; nothing when all is well. */
async function check(folder: string): Promise<string> {
  const tsc = join(project, "node_modules/typescript/bin/tsc");
  const { stdout } = await run(process.execPath, [tsc, "-p", folder]).catch((error: { stdout: string }) => error);
  return stdout;
}

for (const document of [
  "README.md",
  "docs/sync.md",
  "docs/permissions.md",
  "docs/keys.md",
  "docs/backup.md",
  "docs/documents.md",
  "docs/automerge-repo.md",
  "docs/history.md",
]) {
  test(`[PACKAGE-7] the examples of ${document} compile against the package, and run`, async ({ page: tab, relay }) => {
    const folder = mkdtempSync(join(tmpdir(), "tidemark-docs-"));
    const errors: string[] = [];
    tab.on("pageerror", (error) => errors.push(String(error.stack)));
    tab.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    try {
      writeApp(folder, programOf(readFileSync(join(project, document), "utf8"), relay.url));
      expect(await check(folder)).toBe("");
      await bundle(folder, join(folder, "dist"));
      const site = await serveFolder(join(folder, "dist"));
      await tab.goto(site.url);
      await expect.poll(async () => errors.length > 0 || (await tab.title()) !== "", { timeout: 120_000 }).toBe(true);
      site.close();
      expect(errors).toEqual([]);
      await expect(tab).toHaveTitle("ran");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

test("docs/sync.md explains every setting, every preset and every reason of blockedBy, and nothing else", () => {
  const rows = readFileSync(join(project, "docs/sync.md"), "utf8").split("\n");
  const after = (head: string): readonly string[] => {
    const first = rows.findIndex((row) => row.startsWith(head)) + 2;
    const last = rows.findIndex((row, at) => at > first && !row.startsWith("|"));
    return rows
      .slice(first, last)
      .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));
  };
  expect(after("| Setting |").slice().sort()).toEqual(Object.keys(defaultSettings).sort());
  expect(after("| Preset |")).toEqual(Object.keys(presets));
  expect(after("| `type` |")).toEqual([...blockTypes]);
});
