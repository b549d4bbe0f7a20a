import { expect, test } from "vitest";
import { equalBytes } from "../../core/bytes.ts";
import { splitChange } from "../../core/document/change-bytes.ts";
import type { PublicKey } from "../../core/ids.ts";
import { automerge, DocEngine } from "../../testing/doc-engine.ts";
import type { Automerge } from "./automerge.ts";
import { hashOf } from "./outgoing.ts";

/** A document of six changes, the second of them by another author, and whether a change is that one. */
async function sixChanges(): Promise<readonly [DocEngine, (change: Uint8Array) => boolean]> {
  const engine = new DocEngine();
  const [a, b] = [await engine.page("a").open(), await engine.page("b").open()];
  a.change((draft) => Object.assign(draft, { text: "" }));
  await engine.settle();
  b.splice(0, 0, "!");
  await engine.settle();
  for (const letter of "dcba") a.splice(0, 0, letter);
  await engine.settle();
  const { actor } = b.replica;
  return [engine, (change) => equalBytes(splitChange(change).actor, actor)];
}

test("[DOC-62] what comes with a change that Automerge does not take is given to it in the order in which it came", async () => {
  const [engine, isBad] = await sixChanges();
  const calls: string[][] = [];
  const applyChanges: Automerge["applyChanges"] = (doc, changes, options) => {
    calls.push(changes.map(hashOf));
    if (changes.some(isBad)) throw new RangeError("mine");
    return automerge.applyChanges(doc, changes, options);
  };
  await engine.page("c", { alter: { applyChanges } }).open();
  const [all = []] = calls;
  expect(calls).toEqual([
    all,
    all.slice(0, 3),
    all.slice(0, 1),
    all.slice(1, 3),
    all.slice(1, 2),
    all.slice(2, 3),
    all.slice(3),
  ]);
});

test("[DOC-63] where Automerge breaks over a part of what it did not take, the rest of that is not given to it", async () => {
  const [engine] = await sixChanges();
  const fails: (readonly [number, Error])[] = [
    [6, new RangeError("mine")],
    [3, new Error("unreachable")],
  ];
  const applyChanges: Automerge["applyChanges"] = (doc, changes, options) => {
    const [fail] = fails;
    if (fail === undefined) return automerge.applyChanges(doc, changes, options);
    expect(changes).toHaveLength(fail[0]);
    fails.shift();
    throw fail[1];
  };
  const c = await engine.page("c", { alter: { applyChanges } }).open();
  expect([c.value, c.problems]).toEqual([{ text: "abcd!" }, ["Error: unreachable"]]);
});

test("[DOC-63] where another leader has another key to write with, what is changed is written with that", async () => {
  const engine = new DocEngine();
  const [a, b] = [await engine.page("a").open(), await engine.page("b").open()];
  a.change((draft) => Object.assign(draft, { text: "Hello" }));
  await engine.settle();
  const author = "c".repeat(64) as PublicKey;
  a.line.attach({ api: engine.apiFor({ author, take: (changes) => a.take(changes) }) });
  await engine.settle();
  expect(a.replica.author).toBe(author);
  a.splice(5, 0, "!");
  await engine.settle();
  expect([a.value, b.value]).toEqual([{ text: "Hello!" }, { text: "Hello!" }]);
  expect(engine.entries.map((entry) => entry.author)).toEqual([a.author, author]);
  expect(a.problems).toEqual([]);
});

test("[DOC-63] a page that has nothing and is served by another leader is told all, also where that has a snapshot", async () => {
  const before = new DocEngine();
  const a = await before.page("a").open();
  const engine = new DocEngine();
  const b = await engine.page("b").open();
  b.change((draft) => Object.assign(draft, { text: "Hello" }));
  await engine.settle();
  engine.snapshot = { heads: b.replica.heads, bytes: automerge.save(b.replica.openDoc) };
  a.line.attach({ api: engine.apiFor(a) });
  for (const each of [engine, before]) await each.settle();
  expect(a.value).toEqual({ text: "Hello" });
});

test("[DOC-62] the page has time for itself between two turns while a document is shown, and none is lost while it is opened", async () => {
  const engine = new DocEngine();
  const a = await engine.page("a").open();
  for (let i = 0; i < 300; i++) a.change((draft) => Object.assign(draft, { [i % 3]: i }));
  await engine.settle();
  const tookMs = 10;
  let calls = 0;
  const applyChanges: Automerge["applyChanges"] = (...args) => {
    calls += 1;
    c.nowMs += tookMs;
    return automerge.applyChanges(...args);
  };
  const c = engine.page("c", { alter: { applyChanges } });
  await c.open();
  expect([calls, c.waitedMs]).toEqual([2, []]);
  for (let i = 0; i < 2; i++) {
    a.change((draft) => Object.assign(draft, { i }));
    await engine.settle();
  }
  expect([calls, c.waitedMs]).toEqual([4, [tookMs / 2, tookMs / 2]]);
});
