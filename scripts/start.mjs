// Tidemark to look at: `npm start` runs a relay and the demo, installing and building what is missing. Ctrl-C ends both.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createServer as createProbe } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { setupPackages } from "./setup.mjs";

const project = fileURLToPath(new URL("..", import.meta.url));

function newestChange(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newestChange(join(path, name))));
}

function isBuilt() {
  const built = ["index.js", "worker.js", "relay-cli.js"].map((name) => join(project, "dist", name));
  if (!built.every(existsSync)) return false;
  const sources = ["src", "scripts/build.mjs", "scripts/build", "package-lock.json"].map((name) => join(project, name));
  return Math.min(...built.map(newestChange)) > Math.max(...sources.map(newestChange));
}

function build() {
  const child = spawn(process.execPath, [join(project, "scripts/build.mjs")], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => (code === 0 ? resolve(undefined) : reject(new Error("the build failed"))));
  });
}

/** The first port from `port` on that nobody listens on. */
function findFreePort(port) {
  return new Promise((resolve) => {
    const probe = createProbe();
    probe.once("error", () => resolve(findFreePort(port + 1)));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(port)));
  });
}

/** Resolves with the child and its URL, which is the first line it prints. */
async function startRelay() {
  const port = await findFreePort(8787);
  const args = [join(project, "dist/relay-cli.js"), "--port", String(port)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`the relay ended with code ${code}`)));
  });
  return { child, url };
}

async function startDemo(relayUrl) {
  process.env.VITE_RELAY_URL = relayUrl;
  const { createServer } = await import("vite");
  const server = await createServer({ configFile: join(project, "vite.config.ts"), logLevel: "warn" });
  await server.listen();
  return server;
}

async function start() {
  setupPackages();
  if (!isBuilt()) await build();
  const relay = await startRelay();
  const demo = await startDemo(relay.url);

  let isStopping = false;
  const stop = async (code) => {
    if (isStopping) return;
    isStopping = true;
    relay.child.kill("SIGTERM");
    await demo.close();
    process.exit(code);
  };
  process.on("SIGINT", () => void stop(0));
  process.on("SIGTERM", () => void stop(0));
  relay.child.on("exit", (code) => {
    if (!isStopping) console.error(`the relay ended with code ${code}`);
    void stop(1);
  });

  console.log(`relay  ${relay.url}`);
  console.log(`\n  Open  ${demo.resolvedUrls?.local[0]}  in two windows (one of them private). Ctrl-C ends it.\n`);
}

try {
  await start();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
