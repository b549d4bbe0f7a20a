import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { RelayMember } from "../testing/relay-member.ts";
import { parseCommandLine, usage } from "./command-line.ts";

test("[RELAY-11] flags win over the environment, and what is not given stays at its default", () => {
  expect(parseCommandLine([], {})).toEqual({ type: "start", options: {} });
  expect(parseCommandLine([], { PORT: "9000" })).toEqual({ type: "start", options: { port: 9000 } });
  expect(parseCommandLine(["--port", "0"], { PORT: "9000" })).toEqual({ type: "start", options: { port: 0 } });
  const all = ["--host=::", "--public-host=a.example", "--public-host=b.example:444", "--origin=https://app.example"];
  expect(parseCommandLine([...all, "--address-header=x-real-ip"], { PORT: "" })).toEqual({
    type: "start",
    options: {
      host: "::",
      hosts: ["a.example", "b.example:444"],
      allowedOrigins: ["https://app.example"],
      addressHeader: "x-real-ip",
    },
  });
});

test("[RELAY-11] what cannot be meant is a mistake", () => {
  const mistakes = [["--port=65536"], ["--port=-1"], ["--port=80x"], ["--port"], ["--prot=1"], ["80"], ["--help=no"]];
  for (const args of mistakes) expect(parseCommandLine(args, {}), args.join()).toMatchObject({ type: "mistake" });
  expect(parseCommandLine([], { PORT: "http" })).toMatchObject({ type: "mistake" });
});

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tidemark-relay-"));
const program = join(folder, "dist", "relay-cli.js");

// Laid out like the installed package: the program in dist/, package.json and node_modules beside it.
beforeAll(async () => {
  for (const name of ["package.json", "node_modules"]) symlinkSync(join(root, name), join(folder, name));
  await build({
    entryPoints: [join(root, "src", "relay-cli.ts")],
    outfile: program,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    logLevel: "error",
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Run {
  readonly process: ChildProcess;
  readonly stdout: Promise<string>;
  readonly stderr: Promise<string>;
  readonly exit: Promise<number | NodeJS.Signals | null>;
}

function run(...args: readonly string[]): Run {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exit = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal));
  });
  return { process: child, stdout: text(child.stdout), stderr: text(child.stderr), exit };
}

/** The first line of what the relay prints: its URL. */
async function started(running: Run): Promise<string> {
  return new Promise((resolve) => {
    running.process.stdout?.once("data", (data: Buffer) => resolve(String(data).trim()));
  });
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`[RELAY-11] it prints its URL, works, and ends by itself with 0 on ${signal}`, async () => {
    const running = run("--port", "0");
    const url = await started(running);
    expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    const member = await RelayMember.join(url, WebSocket);
    running.process.kill(signal);
    expect(await member.closed).toEqual({ code: 1001, reason: "closing" });
    expect(await running.exit).toBe(0);
    expect(await running.stderr).toBe(`listening on ${url}\nclosing\nclosed\n`);
  });
}

test("[RELAY-11] a taken port is said in plain words and ends with 1", async () => {
  const port = new URL(await started(run("--port", "0"))).port;
  const second = run("--port", port);
  expect(await second.exit).toBe(1);
  expect(await second.stderr).toBe(
    `tidemark-relay: port ${port} on 127.0.0.1 is taken. Choose another port or host, or stop the program that uses this one.\n`,
  );
  expect(await second.stdout).toBe("");
});

test("[RELAY-11] --help and --version print and end with 0, a mistake ends with 2", async () => {
  const [help, version, mistake] = [run("--help"), run("--version"), run("--prot", "1")];
  expect(await help.exit).toBe(0);
  expect(await help.stdout).toBe(usage);
  expect(await version.exit).toBe(0);
  const { version: expected } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  expect(await version.stdout).toBe(`${expected}\n`);
  expect(await mistake.exit).toBe(2);
  expect(await mistake.stderr).toContain("--prot");
});
