import { expect, test } from "vitest";
import { docReopenedMax } from "../../core/limits.ts";
import { automerge, DocEngine, type DocPage } from "../../testing/doc-engine.ts";
import type { Automerge } from "./automerge.ts";

/** A document of so many changes, and a page whose Automerge breaks over fewer in one call. */
async function breaking(fewest: number): Promise<readonly [DocEngine, DocPage]> {
  const engine = new DocEngine();
  const a = await engine.page("a").open();
  a.change((draft) => Object.assign(draft, { text: "" }));
  for (let i = 1; i < 300; i++) a.splice(0, 0, "x");
  await engine.settle();
  const applyChanges: typeof automerge.applyChanges = (doc, changes, options) => {
    if (changes.length < fewest) throw new Error("unreachable");
    return automerge.applyChanges(doc, changes, options);
  };
  return [engine, engine.page("b", { alter: { applyChanges } })];
}

test("[DOC-63] where Automerge breaks over a part of what comes, all of it is tried in one call", async () => {
  const [, b] = await breaking(300);
  await b.open();
  expect(b.value).toEqual({ text: "x".repeat(299) });
  expect(b.problems).toEqual(["Error: unreachable"]);
});

test("[DOC-63] where Automerge breaks each time, the document is closed, and says why", async () => {
  const [, b] = await breaking(301);
  await expect(b.open()).rejects.toMatchObject({ code: "INTERNAL" });
  expect(b.problems).toEqual(Array.from({ length: docReopenedMax + 1 }, () => "Error: unreachable"));
  expect(b.replica.isClosed).toBe(true);
});

test("[DOC-63] where Automerge breaks now and then, the document is made anew each time and stays open", async () => {
  const engine = new DocEngine();
  let breaks = false;
  const applyChanges: Automerge["applyChanges"] = (...args) => {
    if (!breaks) return automerge.applyChanges(...args);
    breaks = false;
    throw new Error("unreachable");
  };
  const [a, b] = [await engine.page("a").open(), await engine.page("b", { alter: { applyChanges } }).open()];
  a.change((draft) => Object.assign(draft, { text: "" }));
  await engine.settle();
  const times = docReopenedMax + 2;
  for (let i = 0; i < times; i++) {
    breaks = true;
    a.splice(0, 0, "x");
    await engine.settle();
  }
  expect([b.value, b.replica.isClosed]).toEqual([{ text: "x".repeat(times) }, false]);
  expect(b.problems).toEqual(Array.from({ length: times }, () => "Error: unreachable"));
});

test("[DOC-63] where Automerge breaks over what follows a snapshot, the document is made of its changes", async () => {
  const engine = new DocEngine();
  const a = await engine.page("a").open();
  a.change((draft) => Object.assign(draft, { text: "Hello" }));
  await engine.settle();
  engine.snapshot = { heads: a.replica.heads, bytes: automerge.save(a.replica.openDoc) };
  a.splice(5, 0, "!");
  await engine.settle();
  let loads = 0;
  const alter: Partial<Automerge> = {
    load: (...args) => {
      loads += 1;
      return automerge.load(...args);
    },
    applyChanges: (doc, changes, options) => {
      if (automerge.getHeads(doc).length > 0) throw new Error("unreachable");
      return automerge.applyChanges(doc, changes, options);
    },
  };
  const b = await engine.page("b", { alter }).open();
  expect([b.value, loads, b.problems]).toEqual([{ text: "Hello!" }, 1, ["Error: unreachable"]]);
});

test("[DOC-63] where Automerge breaks over a change of the page, that is thrown, and the document is as it was before", async () => {
  const errors = [
    new WebAssembly.RuntimeError("unreachable"),
    Object.assign(new Error("mine"), { name: "PanicError" }),
  ];
  for (const error of errors) {
    const engine = new DocEngine();
    const a = await engine.page("a").open();
    a.change((draft) => Object.assign(draft, { text: "Hello" }));
    await engine.settle();
    const { actor } = a.replica;
    const fail = (): never => {
      throw error;
    };
    expect(() => a.change(fail)).toThrow(error);
    expect(a.replica.isSteady).toBe(false);
    await engine.settle();
    expect(a.replica.actor).not.toEqual(actor);
    a.splice(5, 0, "!");
    await engine.settle();
    expect([a.value, engine.entries.length, a.problems]).toEqual([{ text: "Hello!" }, 2, [String(error)]]);
  }
});

test("[DOC-60] where the app's own function throws, the document is not made anew, and no problem is told", async () => {
  const engine = new DocEngine();
  const a = await engine.page("a").open();
  for (const error of [new Error("mine"), new TypeError("mine"), "mine", undefined]) {
    let thrown: unknown = "nothing";
    try {
      a.change(() => {
        throw error;
      });
    } catch (caught) {
      thrown = caught;
    }
    expect([thrown, a.replica.isSteady]).toEqual([error, true]);
  }
  expect(a.problems).toEqual([]);
});
