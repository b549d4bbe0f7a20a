/** The documents say what the code says: rules, error codes, dependencies. Each test names exactly what is missing where. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";
import { expect, test } from "vitest";
import { type Node, walk } from "../scripts/lint/layers.ts";

const project = fileURLToPath(new URL("..", import.meta.url));

function read(path: string): string {
  return readFileSync(join(project, path), "utf8");
}

function listTypeScript(folder: string): readonly string[] {
  const files = readdirSync(project, { withFileTypes: true }).some((entry) => entry.name === folder)
    ? readdirSync(join(project, folder), { recursive: true, encoding: "utf8" })
    : [];
  return files.filter((file) => file.endsWith(".ts")).map((file) => `${folder}/${file}`);
}

function nodesOf(path: string): readonly Node[] {
  const nodes: Node[] = [];
  walk(parseSync(path, read(path)).program, (node) => nodes.push(node));
  return nodes;
}

function difference(left: Iterable<string>, right: Iterable<string>): readonly string[] {
  const without = new Set(right);
  return [...new Set(left)].filter((item) => !without.has(item)).sort();
}

/** A rule's number, `[GRAPH-3]`, at the start of a title; a title may start with several. */
const titleIds = /^(?:\[[A-Z]+-\d+\]\s*)+/;
const ruleId = /\[([A-Z]+-\d+)\]/g;

function idsIn(text: string): readonly string[] {
  return [...text.matchAll(ruleId)].map((match) => match[1] ?? "");
}

/** The ids that the titles in one file start with: literals and templates, wherever they stand. */
function idsInTitles(path: string): readonly string[] {
  return nodesOf(path)
    .map((node) => (node.type === "TemplateElement" ? (node.value as { cooked: unknown }).cooked : node.value))
    .flatMap((text) => (typeof text === "string" ? idsIn(titleIds.exec(text)?.[0] ?? "") : []));
}

const spec = read("docs/spec.md");
const rules = [...spec.matchAll(/^- \*\*\[([A-Z]+-\d+)\]\*\* (.*)$/gm)].map(([, id = "", text = ""]) => ({ id, text }));
const ruleIds = rules.map(({ id }) => id);
const code = [...listTypeScript("src"), ...listTypeScript("e2e")];

test("a rule's number is unique, belongs to its section, and is followed by a sentence", () => {
  expect(rules.length).toBeGreaterThan(0);
  expect(ruleIds.filter((id, at) => ruleIds.indexOf(id) !== at)).toEqual([]);
  const sections = spec.split(/^## /m).slice(1);
  const misplaced = sections.flatMap((section) => {
    const name = /^\S+/.exec(section)?.[0];
    return idsIn((section.match(/^- \*\*\[.*?\]/gm) ?? []).join()).filter((id) => id.split("-")[0] !== name);
  });
  expect(misplaced).toEqual([]);
  expect(rules.filter(({ text }) => !/^\S.*[.:]$/.test(text))).toEqual([]);
  expect(spec.match(/^\s*[-*].*\*\*\[[A-Z]+-\d+\]\*\*/gm)?.length).toBe(rules.length);
});

test("every rule of docs/spec.md is cited by the title of a test", () => {
  expect(difference(ruleIds, code.flatMap(idsInTitles)), "rules without a test").toEqual([]);
});

test("every rule cited in a title or a comment stands in docs/spec.md", () => {
  const known = new Set(ruleIds);
  const sections = new Set(ruleIds.map((id) => id.split("-")[0]));
  const unknown = code.flatMap((path) => {
    const cited = [...idsInTitles(path), ...idsIn(read(path)).filter((id) => sections.has(id.split("-")[0]))];
    return [...new Set(cited)].filter((id) => !known.has(id)).map((id) => `${id} in ${path}`);
  });
  expect(unknown, "cited and not in docs/spec.md").toEqual([]);
});

function errorCodes(): readonly string[] {
  const details = nodesOf("src/core/errors.ts").find(
    (node) => node.type === "TSInterfaceDeclaration" && (node.id as Node).name === "ErrorDetails",
  );
  const body = (details?.body as { body: readonly { key: { name: string } }[] } | undefined)?.body ?? [];
  return body.map(({ key }) => key.name);
}

test("docs/errors.md lists every error code once, says when it happens and what to do", () => {
  const rows = [...read("docs/errors.md").matchAll(/^\| `([A-Z_]+)` \| (.*) \| (.*) \|$/gm)];
  const documented = rows.map(([, name = ""]) => name);
  const codes = errorCodes();
  expect(codes.length).toBeGreaterThan(10);
  expect(difference(codes, documented), "codes without a row in docs/errors.md").toEqual([]);
  expect(difference(documented, codes), "rows of docs/errors.md without a code").toEqual([]);
  expect(
    documented.filter((name, at) => documented.indexOf(name) !== at),
    "twice",
  ).toEqual([]);
  const unsaid = rows.filter(([, , when = "", todo = ""]) => !when.endsWith(".") || !todo.endsWith("."));
  expect(
    unsaid.map(([, name]) => name),
    "not a sentence",
  ).toEqual([]);
});

test("every dependency has its reason in docs/decisions/0000-dependencies.md", () => {
  const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string> | undefined>;
  const installed = Object.keys({
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.peerDependencies,
  });
  const rows = [...read("docs/decisions/0000-dependencies.md").matchAll(/^\| `([^`]+)` \| .* \| .*\. \|$/gm)];
  const explained = rows.map(([, name = ""]) => name);
  expect(difference(installed, explained), "dependencies without a reason").toEqual([]);
  expect(difference(explained, installed), "reasons without a dependency").toEqual([]);
});
