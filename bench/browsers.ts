/** Where workloads run: browsers with new profiles on disk, the built relay, and pages served as any app would. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Page } from "@playwright/test";
import { build } from "esbuild";
import { Device } from "../e2e/device.ts";
import { type Relay, serveFolder, startRelay } from "../e2e/fixtures.ts";
import { launchOptions } from "../scripts/chromium.mjs";
import { workerSource } from "./receive.ts";
import { buildRepoPage, type RepoServer, startRepoServer } from "./repo-server.ts";
import type { Bench, Figures } from "./workload.ts";
import { addRowMaker } from "./workloads.ts";

const project = fileURLToPath(new URL("..", import.meta.url));

export class Browsers implements Bench {
  readonly size: number | undefined;
  /** What the browser calls itself; empty while none was asked. */
  version = "";

  constructor(size: number | undefined) {
    this.size = size;
  }

  async withDevices<T = Figures>(action: (a: Device, b: Device, relay: Relay) => Promise<T>): Promise<T> {
    const relay = await startRelay(join(project, "dist/relay-cli.js"));
    const automerge = await bundleAutomerge();
    const app = await serveFolder(join(project, "e2e/page"), { tidemark: join(project, "dist"), automerge });
    try {
      return await this.#withContexts(2, async (contexts) => {
        const options = { site: app.url, relay: relay.url };
        const [a, b] = await Promise.all(contexts.map((context) => Device.openIn(context, options)));
        if (a === undefined || b === undefined) throw new Error("two browsers were started");
        this.version ||= await versionOf(a);
        for (const device of [a, b]) await addRowMaker(device);
        return await action(a, b, relay);
      });
    } finally {
      app.close();
      rmSync(automerge, { recursive: true, force: true });
      await relay.stop();
    }
  }

  async withRepoPages<T>(action: (a: Page, b: Page, server: RepoServer) => Promise<T>): Promise<T> {
    const { folder, remove } = await buildRepoPage();
    const server = await startRepoServer();
    const site = await serveFolder(folder);
    try {
      return await this.#withContexts(2, async (contexts) => {
        const [a, b] = await Promise.all(contexts.map((context) => context.newPage()));
        if (a === undefined || b === undefined) throw new Error("two browsers were started");
        for (const page of [a, b]) {
          await page.goto(site.url);
          await page.waitForFunction(() => globalThis.openText !== undefined);
        }
        return await action(a, b, server);
      });
    } finally {
      site.close();
      await server.stop();
      remove();
    }
  }

  async withWorkerPage(action: (context: BrowserContext, url: string) => Promise<Figures>): Promise<Figures> {
    const folder = mkdtempSync(join(tmpdir(), "tidemark-bench-page-"));
    writeFileSync(join(folder, "index.html"), "<!doctype html><title>Tidemark, for a benchmark</title>");
    await build({
      entryPoints: [workerSource],
      outdir: folder,
      bundle: true,
      format: "esm",
      target: "es2022",
      logLevel: "warning",
    });
    const site = await serveFolder(folder);
    try {
      return await this.#withContexts(1, ([context]) => {
        if (context === undefined) throw new Error("a browser was started");
        return action(context, site.url);
      });
    } finally {
      site.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** In a private window IndexedDB would be in memory. */
  async #withContexts<T>(count: number, action: (contexts: readonly BrowserContext[]) => Promise<T>): Promise<T> {
    const folders = Array.from({ length: count }, () => mkdtempSync(join(tmpdir(), "tidemark-bench-")));
    const contexts = await Promise.all(
      folders.map((folder) => chromium.launchPersistentContext(folder, launchOptions())),
    );
    try {
      return await action(contexts);
    } finally {
      for (const context of contexts) await context.close();
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** A folder with Automerge in one file, as the bundler of an app makes it: as it is installed, a page asks for its modules one after the other. */
async function bundleAutomerge(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-bench-automerge-"));
  await build({
    entryPoints: [join(project, "node_modules/@automerge/automerge/dist/mjs/entrypoints/slim.js")],
    outfile: join(folder, "entrypoints/slim.js"),
    bundle: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
  });
  return folder;
}

async function versionOf({ context, page }: Device): Promise<string> {
  return context.browser()?.version() ?? (await page.evaluate(() => navigator.userAgent));
}
