/**
 * Three nets hold the layers: a tsconfig without DOM and Node, lint bans, and reading the imports. The first part runs
 * the third net on `src` (the other two run in `npm test`); the second plants violations in a copy and runs all three.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findViolations, readImports } from "../scripts/lint/layers.ts";

const project = fileURLToPath(new URL("..", import.meta.url));

function readSources(): ReadonlyMap<string, string> {
  const files = readdirSync(join(project, "src"), { recursive: true, encoding: "utf8" });
  const sources = files.map((file) => file.replaceAll("\\", "/")).filter((file) => file.endsWith(".ts"));
  return new Map(sources.map((file) => [file, readFileSync(join(project, "src", file), "utf8")]));
}

test("[LAYERS-1] [LAYERS-2] [LAYERS-3] every import of every file in src stays within its layers", () => {
  const sources = readSources();
  expect(sources.size).toBeGreaterThan(20);
  expect(findViolations(sources)).toEqual([]);
});

test("[LAYERS-1] an import is seen in whatever form it is written", () => {
  const source = `
    import a from "1"; import type { b } from "2"; import "3"; import { type c } from "4";
    export * from "5"; export { d } from "6"; export type { e } from "7";
    const f = await import("8"); type G = import("9").G; type H = typeof import("10"); import i = require("11");
    // import j from "12";
    const k = 'import l from "13"';`;
  const expected = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"];
  expect([...readImports("x.ts", source)].sort((x, y) => Number(x) - Number(y))).toEqual(expected);
});

const nets = ["types", "lint", "imports"] as const;
type Net = (typeof nets)[number];

interface Plant {
  readonly file: string;
  readonly source: string;
  readonly caughtBy: readonly Net[];
  /** A word of the fix, which the lint's message has to name. */
  readonly hint: string;
}

function plant(file: string, source: string, caughtBy: readonly Net[], hint = ""): Plant {
  return { file, source, caughtBy, hint };
}

const importNets: readonly Net[] = ["lint", "imports"];

const outward: readonly Plant[] = [
  plant("core/static.ts", `import { x } from "../ports/x.ts"; x();`, importNets, "effect"),
  plant("core/store/deep.ts", `import { x } from "../../engine/x.ts"; x();`, importNets, "effect"),
  plant("core/type-only.ts", `import type { X } from "../ports/x.ts"; export type Y = X;`, importNets),
  plant("core/re-export.ts", `export { x } from "../engine/x.ts";`, importNets),
  plant("core/re-export-all.ts", `export * from "../engine/x.ts";`, importNets),
  plant("core/dynamic.ts", `export const x = () => import("../engine/x.ts");`, importNets),
  plant("core/inline-type.ts", `export type Y = import("../ports/x.ts").X;`, ["imports"]),
  plant("core/computed.ts", `export const x = (name: string) => import(name);`, ["imports"]),
  plant("core/entry.ts", `export { x } from "../index.ts";`, ["imports"]),
  plant("ports/outward.ts", `import { x } from "../engine/x.ts"; x();`, importNets, "Ports import only the core"),
  plant("engine/outward.ts", `import { x } from "../storage/x.ts"; x();`, importNets, "ports/"),
  plant("storage/outward.ts", `import { x } from "../worker/x.ts"; x();`, importNets, "ports/"),
  plant("client/outward.ts", `import { x } from "../relay/x.ts"; x();`, importNets, "browsers"),
  plant("client/inward.ts", `import { x } from "../automerge-repo/x.ts"; x();`, importNets, "browsers"),
  plant("automerge-repo/outward.ts", `import { x } from "../worker/x.ts"; x();`, importNets, "client/"),
  plant("relay/outward.ts", `import { x } from "../client/x.ts"; x();`, importNets, "Node"),
  plant("nowhere/x.ts", `export const x = 1;\nimport { y } from "../core/y.ts"; y();`, ["imports"]),
  plant("core/from-test.ts", `import { x } from "./x.test.ts"; x();`, ["imports"]),
];

const sideways: readonly Plant[] = [
  plant("storage/sideways.ts", `import { x } from "../crypto/x.ts"; x();`, importNets, "ports/"),
  plant("transport/sideways.ts", `import { x } from "../crypto/x.ts"; x();`, importNets, "ports/"),
  plant("crypto/sideways.ts", `import { x } from "../tabs/x.ts"; x();`, importNets, "ports/"),
  plant("tabs/sideways.ts", `import { x } from "../storage/x.ts"; x();`, importNets, "ports/"),
];

const packages: readonly Plant[] = [
  plant("core/package.ts", `import { x } from "idb"; x();`, importNets, "no package"),
  plant("core/scoped.ts", `import { x } from "@noble/hashes/sha2.js"; x();`, importNets, "no package"),
  plant("core/node.ts", `import { x } from "node:fs"; x();`, importNets, "no package"),
  plant("ports/package.ts", `import { x } from "idb"; x();`, importNets, "no package"),
  plant("engine/package.ts", `import { x } from "comlink"; x();`, importNets, "no package"),
  plant("storage/package.ts", `import { x } from "comlink"; x();`, importNets, "idb"),
  plant("crypto/package.ts", `import { x } from "ws"; x();`, importNets, "hash-wasm"),
  plant("tabs/package.ts", `import { x } from "idb"; x();`, importNets, "no package"),
  plant("transport/package.ts", `import x from "simple-peer"; x();`, importNets, "simple-peer.ts"),
  plant("transport/simple-peer.ts", `import { x } from "ws"; x();`, importNets, "simple-peer"),
  plant("worker/package.ts", `import { x } from "idb"; x();`, importNets, "comlink"),
  plant("client/package.ts", `import { x } from "idb"; x();`, importNets, "comlink"),
  plant("client/documents/automerge.ts", `import { x } from "comlink"; x();`, importNets, "Automerge"),
  plant("client/documents/line-difference.ts", `import { x } from "comlink"; x();`, importNets, "diff"),
  plant("automerge-repo/package.ts", `import { x } from "comlink"; x();`, importNets, "idb and Automerge"),
  plant("relay/package.ts", `import { x } from "idb"; x();`, importNets, "ws"),
  plant("testing/package.ts", `import { x } from "vitest"; x();`, importNets, "fast-check"),
  plant("worker.ts", `import { x } from "idb"; x();`, importNets, "comlink"),
  plant("entry.ts", `export { x } from "idb";`, importNets, "folders"),
];

const impure: readonly Plant[] = [
  plant("core/date.ts", `export const now: number = Date.now();`, ["lint"], "ports/clock.ts"),
  plant("core/random.ts", `export const dice: number = Math.random();`, ["lint"], "ports/random.ts"),
  plant("core/random-alias.ts", `const { random } = Math;\nexport const dice: number = random();`, ["lint"]),
  plant("core/timer.ts", `setTimeout(() => {}, 1);`, ["types", "lint"], "ports/clock.ts"),
  plant("core/crypto.ts", `crypto.getRandomValues(new Uint8Array(1));`, ["types", "lint"], "Sha256"),
  plant("core/fetch.ts", `fetch("/");`, ["types", "lint"], "ports/transport.ts"),
  plant("core/console.ts", `console.log(1);`, ["types", "lint"], "Return it"),
  plant("core/process.ts", `export const path: unknown = process.env;`, ["types", "lint"], "composition"),
  plant("core/global.ts", `export const all: unknown = globalThis;`, ["lint"], "composition"),
  plant("core/dom.ts", `document.title = "x";`, ["types", "lint"], "composition"),
  plant("core/promise.ts", `export const later: Promise<number> = Promise.resolve(1);`, ["lint"], "effect"),
  plant("core/async.ts", `export const later = async () => {};`, ["lint"], "effect"),
  plant("core/locale.ts", `export const order: number = "a".localeCompare("b");`, ["lint"], "locales"),
  plant("ports/date.ts", `export const now: number = Date.now();`, ["lint"], "ports/clock.ts"),
  plant("engine/timer.ts", `setTimeout(() => {}, 1);`, ["types", "lint"], "ports/clock.ts"),
  plant("tabs/timer.ts", `setTimeout(() => {}, 1);`, ["types", "lint"], "ports/clock.ts"),
  plant("tabs/global.ts", `navigator.locks.request("x", () => {});`, ["types", "lint"], "composition"),
  plant("engine/date.ts", `export const now: number = Date.now();`, ["lint"], "ports/clock.ts"),
];

/** What the nets must let through, or they would prove nothing. */
const allowed: readonly Plant[] = [
  plant("core/fine.ts", `import { x } from "./store/x.ts"; export const y: number = x;`, []),
  plant("engine/fine.ts", `export const later: Promise<number> = Promise.resolve(1);`, []),
  plant("storage/fine.ts", `import { openDB } from "idb"; export { openDB };`, []),
  plant("crypto/fine.ts", `export { sign } from "@noble/ed25519";`, []),
  plant("tabs/web-locks.ts", `export const locks: unknown = navigator.locks;`, []),
  plant("automerge-repo/fine.ts", `export { NetworkAdapter } from "@automerge/automerge-repo/slim";`, []),
  plant("relay/fine.ts", `export { WebSocketServer } from "ws";\nexport { hostname } from "node:os";`, []),
];

describe("planted", () => {
  const plants = [...outward, ...sideways, ...packages, ...impure, ...allowed];
  const copy = mkdtempSync(join(tmpdir(), "tidemark-layers-"));
  let caught: Readonly<Record<Net, (plant: Plant) => string | undefined>>;

  beforeAll(async () => {
    for (const name of ["biome.json", "tsconfig.json", "tsconfig.pure.json", "scripts/lint"]) {
      cpSync(join(project, name), join(copy, name), { recursive: true });
    }
    for (const { file, source } of plants) write(join(copy, "src", file), `${source}\n`);
    write(join(copy, "src/core/store/x.ts"), "export const x = 1;\n");
    const [types, lint] = await Promise.all([runTypes(copy), runLint(copy)]);
    const imports = findViolations(new Map(plants.map(({ file, source }) => [file, source])));
    caught = {
      types: ({ file }) => types.find((line) => line.startsWith(`src/${file}(`)),
      lint: ({ file }) => lint.find((text) => text.startsWith(`src/${file}:`)),
      imports: ({ file }) => imports.find((violation) => violation.file === file)?.why,
    };
  }, 60_000);

  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  function isCaught(one: Plant): void {
    test(`${one.file} is caught by ${one.caughtBy.join(" and ")}`, () => {
      for (const net of one.caughtBy) expect(caught[net](one), net).toBeDefined();
      if (one.caughtBy.includes("lint")) expect(caught.lint(one)).toContain(one.hint);
    });
  }

  describe("[LAYERS-1] an import that points outward is caught", () => outward.forEach(isCaught));
  describe("[LAYERS-2] an import from one adapter to another is caught", () => sideways.forEach(isCaught));
  describe("[LAYERS-3] a library imported in the wrong place is caught", () => packages.forEach(isCaught));
  describe("[LAYERS-4] what makes a pure folder impure is caught", () => impure.forEach(isCaught));

  test.each(allowed)("what the layers allow is let through: $file", (one) => {
    for (const net of nets) expect(caught[net](one), net).toBeUndefined();
  });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** The first lines of the compiler's complaints about names that are not there: missing modules are beside the point. */
async function runTypes(copy: string): Promise<readonly string[]> {
  const output = await run("typescript/bin/tsc", ["-p", "tsconfig.pure.json", "--pretty", "false"], copy);
  return output.split("\n").filter((line) => /error TS2(304|552|580|584|591):/.test(line));
}

/** The complaints of the layer bans: other rules do not matter here. */
async function runLint(copy: string): Promise<readonly string[]> {
  const args = ["lint", "--vcs-enabled=false", "--max-diagnostics=none", "--colors=off", "src"];
  const output = await run("@biomejs/biome/bin/biome", args, copy);
  return output.split(/^(?=src\/\S+:\d+:\d+ )/m).filter((text) => /^\S+ (plugin|lint\/style\/noRestricted)/.test(text));
}

function run(bin: string, args: readonly string[], cwd: string): Promise<string> {
  const script = join(project, "node_modules", bin);
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { cwd, maxBuffer: 2 ** 26 }, (_error, stdout, stderr) => {
      resolve(stdout + stderr);
    });
  });
}
