/** The package as consumers get it: packed, installed in an empty app outside this repository, without configuration. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { Page } from "@playwright/test";
import { expect, project, serveFolder, startRelay, test } from "./fixtures.ts";

const run = promisify(execFile);
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

const main = `
import { open, TidemarkError } from "tidemark";

interface Note {
  readonly title: string;
  readonly done: boolean;
}

async function start(): Promise<void> {
  const tide = await open({ name: "package-test" });
  const database = await tide.createDatabase({ name: "Notes" });
  const notes = database.table<Note>("notes");
  await notes.put("n1", { title: "Hello", done: false });
  const note = await notes.get("n1");
  document.title = note?.title ?? "not there";
  await tide.close();
}

start().catch((error: unknown) => {
  document.title = error instanceof TidemarkError ? error.code : String(error);
});
`;

const files: Readonly<Record<string, string>> = {
  "index.html": `<!doctype html><meta charset="utf-8"><script type="module" src="/main.ts"></script>\n`,
  "main.ts": main,
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "ES2022",
      lib: ["ES2022", "DOM"],
      module: "ESNext",
      moduleResolution: "bundler",
      types: [],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
    },
    files: ["main.ts"],
  }),
};

// All in one worker: each packs and installs the app before its first test.
test.describe.configure({ mode: "default" });

let app: string;

/** `ws` comes from our own node_modules, so that nothing is fetched. */
test.beforeAll(async () => {
  app = mkdtempSync(join(tmpdir(), "tidemark-app-"));
  const { stdout } = await run(npm, ["pack", "--json", "--ignore-scripts", "--pack-destination", app], {
    cwd: project,
  });
  const [packed] = JSON.parse(stdout) as readonly { readonly filename: string }[];
  cpSync(join(project, "node_modules/ws"), join(app, "ws"), { recursive: true });
  const dependencies = { tidemark: `file:${packed?.filename}`, ws: "file:ws" };
  writeFileSync(
    join(app, "package.json"),
    JSON.stringify({ name: "app", private: true, type: "module", dependencies }),
  );
  for (const [name, text] of Object.entries(files)) writeFileSync(join(app, name), text);
  await run(npm, ["install", "--offline", "--install-links", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: app,
  });
});

test.afterAll(() => rmSync(app, { recursive: true, force: true }));

async function expectNote(page: Page, url: string): Promise<void> {
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(url);
  await expect(page).toHaveTitle("Hello", { timeout: 120_000 });
  expect(errors).toEqual([]);
}

test("[PACKAGE-1] an empty Vite app builds with it, and the built page opens an instance, puts a row and reads it", async ({
  page,
}) => {
  await run(process.execPath, [join(project, "node_modules/vite/bin/vite.js"), "build"], { cwd: app });
  const assets = readdirSync(join(app, "dist/assets"));
  expect(assets.filter((name) => name.startsWith("worker-"))).toHaveLength(1);
  const site = await serveFolder(join(app, "dist"));
  try {
    await expectNote(page, site.url);
  } finally {
    site.close();
  }
});

test("[PACKAGE-2] the same app does the same in Vite's dev server", async ({ page }) => {
  const server = spawn(process.execPath, [join(project, "node_modules/vite/bin/vite.js"), "--host", "127.0.0.1"], {
    cwd: app,
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await expectNote(page, await readUrl(server));
  } finally {
    server.kill();
  }
});

function readUrl(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("exit", (code) => reject(new Error(`the dev server ended with code ${code}`)));
    if (server.stdout === null) return;
    createInterface({ input: server.stdout }).on("line", (line) => {
      const url = /http:\/\/\S+/.exec(line)?.[0];
      if (url !== undefined) resolve(url);
    });
  });
}

test("[PACKAGE-3] its types hold in a strict app that has no other types and checks those of libraries too", async () => {
  const tsc = join(project, "node_modules/typescript/bin/tsc");
  const failure = await run(process.execPath, [tsc, "-p", "."], { cwd: app }).catch(
    (error: { stdout: string }) => error,
  );
  expect(failure.stdout).toBe("");
});

test("[PACKAGE-4] its command tidemark-relay starts a relay and prints the URL first", async () => {
  const relay = await startRelay(join(app, "node_modules/.bin/tidemark-relay"));
  await relay.stop();
  expect(relay.url).toMatch(/^ws:\/\/\S+:\d+/);
});

test("[PACKAGE-5] importing it in Node works and starts nothing", async () => {
  const script = "await import('tidemark'); await import('tidemark/testing'); await import('tidemark/relay')";
  const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: app });
  expect(stdout + stderr).toBe("");
});

test("[PACKAGE-6] it brings one other package, ws, and the licences of what is bundled", () => {
  const lock = JSON.parse(readFileSync(join(app, "package-lock.json"), "utf8")) as {
    packages: Record<string, unknown>;
  };
  expect(Object.keys(lock.packages).sort()).toEqual(["", "node_modules/tidemark", "node_modules/ws"]);
  const licenses = readFileSync(join(app, "node_modules/tidemark/dist/licenses.txt"), "utf8");
  expect(["comlink", "idb", "simple-peer"].filter((name) => !licenses.includes(`\n${name} `))).toEqual([]);
  expect(existsSync(join(app, "node_modules/tidemark/LICENSE"))).toBe(true);
});
