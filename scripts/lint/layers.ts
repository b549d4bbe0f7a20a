/**
 * Reads the imports of every file of `src` and says which ones the layers forbid: [LAYERS-1] to [LAYERS-3].
 * The same limits stand in biome.json as lint bans; this net also sees type-only imports such as `import("…").T`.
 */
import { posix } from "node:path";
import { parseSync } from "vite";

interface Allowance {
  /** Folders of `src` besides the file's own. */
  readonly folders: readonly string[];
  /** Packages by name; `node:` stands for all modules of Node. */
  readonly packages: readonly string[];
}

const pure = ["core", "ports", "engine"];
const adapters = ["storage", "transport", "crypto", "tabs"];
const composition = ["worker", "client", "automerge-repo", "relay", "node", "testing"];

/** By folder of `src`, or by file where a file may do more than its folder. "" are the entries `src/*.ts`. */
const allowances: Readonly<Record<string, Allowance>> = {
  core: { folders: [], packages: [] },
  ports: { folders: ["core"], packages: [] },
  engine: { folders: ["core", "ports"], packages: [] },
  storage: { folders: pure, packages: ["idb"] },
  transport: { folders: pure, packages: [] },
  "transport/simple-peer.ts": { folders: pure, packages: ["simple-peer"] },
  crypto: {
    folders: pure,
    packages: ["@noble/ed25519", "@noble/curves", "@noble/hashes", "@noble/ciphers", "hash-wasm"],
  },
  tabs: { folders: pure, packages: [] },
  worker: { folders: [...pure, ...adapters, "client"], packages: ["comlink"] },
  client: { folders: [...pure, ...adapters, "worker"], packages: ["comlink"] },
  "client/documents/line-difference.ts": { folders: ["core"], packages: ["diff"] },
  "client/documents/automerge.ts": { folders: [...pure, ...adapters, "worker"], packages: ["@automerge/automerge"] },
  // Composition for an app's own `Repo`: part of the page, with storage and a network of its own.
  "automerge-repo": {
    folders: [...pure, ...adapters, "client"],
    packages: ["@automerge/automerge-repo", "@automerge/automerge", "idb"],
  },
  relay: { folders: [...pure, ...adapters, "node"], packages: ["ws", "node:"] },
  node: { folders: [...pure, ...adapters, "relay"], packages: ["ws", "node:"] },
  // What is shipped of it needs no package: the build refuses types that mention one.
  testing: { folders: [...pure, ...adapters, ...composition], packages: ["fast-check", "@automerge/automerge"] },
  "worker.ts": { folders: [...pure, ...adapters, "worker"], packages: ["comlink"] },
  "": { folders: [...pure, ...adapters, ...composition], packages: ["node:"] },
};

export interface Violation {
  readonly file: string;
  readonly imports: string;
  readonly why: string;
}

/** Every forbidden import in `sources`, which maps paths below `src` to their text. Tests may import anything. */
export function findViolations(sources: ReadonlyMap<string, string>): readonly Violation[] {
  return [...sources]
    .filter(([file]) => !isTest(file))
    .flatMap(([file, source]) =>
      readImports(file, source).flatMap((imports) => {
        const why = explain(file, imports);
        return why === undefined ? [] : [{ file, imports, why }];
      }),
    );
}

/** What a file imports, in every form: static, re-exported, dynamic, type-only, `import("…").T`, `import x = require()`. */
export function readImports(file: string, source: string): readonly string[] {
  const { program, errors } = parseSync(file, source);
  if (errors.length > 0) throw new Error(`${file} does not parse: ${errors[0]?.message}`);
  const imports: string[] = [];
  walk(program, (node) => {
    const from = importedBy(node);
    if (from !== undefined) imports.push(from);
  });
  return imports;
}

export type Node = Readonly<Record<string, unknown>> & { readonly type: string };

/** Visits every node of a syntax tree. */
export function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit);
  } else if (typeof value === "object" && value !== null) {
    if ("type" in value && typeof value.type === "string") visit(value as Node);
    for (const child of Object.values(value)) walk(child, visit);
  }
}

const importing = new Set([
  "ImportDeclaration",
  "ImportExpression",
  "ExportAllDeclaration",
  "ExportNamedDeclaration",
  "TSImportType",
]);

function importedBy(node: Node): string | undefined {
  if (node.type === "TSExternalModuleReference") return literal(node.expression);
  if (!importing.has(node.type) || node.source === null) return undefined;
  return literal(node.source);
}

const computed = "(computed)";

function literal(node: unknown): string {
  const value = (node as Node).value;
  return typeof value === "string" ? value : computed;
}

function isTest(file: string): boolean {
  return file.endsWith(".test.ts");
}

/** Why `file` may not import `imports`, or undefined when it may. */
function explain(file: string, imports: string): string | undefined {
  const folder = folderOf(file);
  const allowance = allowances[file] ?? allowances[folder];
  if (allowance === undefined) return `${folder}/ is no layer: add it to scripts/lint/layers.ts and biome.json`;
  if (imports === computed) return "an import whose target is computed cannot be checked";
  if (!imports.startsWith(".")) return explainPackage(file, imports, allowance);
  const target = posix.join(posix.dirname(file), imports);
  if (target.startsWith("..")) return "it leaves src";
  if (isTest(target)) return "a test is imported by tests only";
  const to = folderOf(target);
  if (to === folder || allowance.folders.includes(to)) return undefined;
  return `${folder || "an entry"} may import ${["itself", ...allowance.folders].join(", ")}`;
}

function explainPackage(file: string, imports: string, { packages }: Allowance): string | undefined {
  if (packages.some((name) => imports === name || imports.startsWith(name === "node:" ? name : `${name}/`)))
    return undefined;
  return `${file} may import ${packages.join(", ") || "no package"}`;
}

function folderOf(file: string): string {
  const slash = file.indexOf("/");
  return slash < 0 ? "" : file.slice(0, slash);
}
