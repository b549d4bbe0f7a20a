/**
 * What end-to-end tests stand on: the built relay and the built demo, each started once per worker on a free port.
 *
 *     import { expect, test } from "./fixtures.ts";
 *     test("[CLIENT-1] …", async ({ relay, site, browser }) => { … });
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test as base } from "@playwright/test";
import { launchPlain, type PlainChromium } from "./chromium.ts";
import { openAda, Person } from "./person.ts";

export { expect } from "@playwright/test";

export const project: string = fileURLToPath(new URL("..", import.meta.url));

export interface Relay {
  /** Such as `ws://127.0.0.1:40123`. */
  readonly url: string;
  /** Ends it; every connection to it breaks. */
  stop(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
}

export interface Site {
  /** Ends in a slash. */
  readonly url: string;
}

interface TestFixtures {
  /** A Chromium whose tabs are hidden, frozen and kept for going back as those of people are. */
  readonly plain: PlainChromium;
  /** Who uses the demo, and has a board. */
  readonly ada: Person;
  /** Who came to it by a link that may write, and has given his name. */
  readonly ben: Person;
}

interface WorkerFixtures {
  readonly relay: Relay;
  /** The demo as `npm run build` and `vite build` made it, served as plain files. */
  readonly site: Site;
  /** A bare page on which the built package is loaded: see page/index.html and device.ts. */
  readonly app: Site;
}

export const test: ReturnType<typeof base.extend<TestFixtures, WorkerFixtures>> = base.extend<
  TestFixtures,
  WorkerFixtures
>({
  plain: async ({}, use) => {
    const plain = await launchPlain();
    await use(plain);
    await plain.close();
  },
  ada: async ({ browser, site, relay }, use) => {
    const ada = await openAda(browser, { site: site.url, relay: relay.url });
    await use(ada);
    await ada.close();
  },
  ben: async ({ ada, browser, site, relay }, use) => {
    const ben = await Person.open(browser, { site: site.url, relay: relay.url }, await ada.link("write"));
    await ben.onBoard("Garden party");
    await ben.giveName("Ben");
    await use(ben);
    await ben.close();
  },
  relay: [
    async ({}, use) => {
      const relay = await startRelay();
      await use(relay);
      await relay.stop();
    },
    { scope: "worker" },
  ],
  site: [
    async ({}, use) => {
      const site = await serveFolder(join(project, "demo/dist"));
      await use(site);
      site.close();
    },
    { scope: "worker" },
  ],
  app: [
    async ({}, use) => {
      const automerge = join(project, "node_modules/@automerge/automerge/dist/mjs");
      const app = await serveFolder(join(project, "e2e/page"), { tidemark: join(project, "dist"), automerge });
      await use(app);
      app.close();
    },
    { scope: "worker" },
  ],
});

/** Runs `dist/relay-cli.js` as a program of its own. */
export async function startRelay(command: string = join(project, "dist/relay-cli.js")): Promise<Relay> {
  let running = await spawnRelay(command, 0);
  const { url } = running;
  return {
    url,
    stop: () => endProcess(running.child),
    restart: async () => {
      running = await spawnRelay(command, Number(new URL(url).port));
    },
  };
}

async function spawnRelay(command: string, port: number): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [command, "--port", String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`the relay ended with code ${code}`)));
  });
  return { child, url };
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".wasm": "application/wasm",
};

/** Serves a folder as a static host would: no rewriting, no special headers. `mounted` folders appear under a first path segment. */
export async function serveFolder(
  folder: string,
  mounted: Readonly<Record<string, string>> = {},
): Promise<Site & { close(): void }> {
  if (!existsSync(join(folder, "index.html"))) throw new Error(`${folder}/index.html is missing: build it first`);
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname));
    const [, first = "", ...rest] = path.split("/");
    const base = mounted[first] ?? folder;
    const inside = base === folder ? path : rest.join("/");
    const file = join(base, inside.endsWith("/") ? `${inside}index.html` : inside);
    const found = file.startsWith(base) && existsSync(file) ? statSync(file) : undefined;
    if (!found?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    // As any server of static files does: without it a browser compiles every script anew.
    const etag = `"${found.size}-${found.mtimeMs}"`;
    const headers = { etag, "cache-control": "no-cache" };
    if (request.headers["if-none-match"] === etag) {
      response.writeHead(304, headers).end();
      return;
    }
    response.writeHead(200, { ...headers, "content-type": contentTypes[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}/`, close };
}
