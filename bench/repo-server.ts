/** The WebSocket server of automerge-repo, as its documentation sets it up, and pages that use it. */
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type PeerId, Repo } from "@automerge/automerge-repo";
import { WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket";
import { build } from "esbuild";
import { WebSocketServer } from "ws";

export interface RepoServer {
  /** Such as `ws://127.0.0.1:40123`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** It keeps what it is sent in memory, and gives it to everybody who asks. */
export async function startRepoServer(): Promise<RepoServer> {
  const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(sockets, "listening");
  const repo = new Repo({
    network: [new WebSocketServerAdapter(sockets as ConstructorParameters<typeof WebSocketServerAdapter>[0])],
    peerId: "server" as PeerId,
    sharePolicy: async () => true,
  });
  const { port } = sockets.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}`,
    stop: async () => {
      await repo.shutdown();
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}

/** A folder with repo-page.ts for browsers; `remove` deletes it. */
export async function buildRepoPage(): Promise<{ readonly folder: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-bench-repo-"));
  writeFileSync(
    join(folder, "index.html"),
    '<!doctype html><title>automerge-repo, for a benchmark</title><script type="module" src="./repo-page.js"></script>',
  );
  const packages = fileURLToPath(new URL("../node_modules/", import.meta.url));
  copyFileSync(join(packages, "@automerge/automerge/dist/automerge.wasm"), join(folder, "automerge.wasm"));
  await build({
    entryPoints: [fileURLToPath(new URL("repo-page.ts", import.meta.url))],
    outdir: folder,
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    logLevel: "warning",
  });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
