import { expect, test } from "vitest";
import { TidemarkError } from "../../core/errors.ts";
import { docReopenedMax, gatheredMs } from "../../core/limits.ts";
import { automerge, DocEngine, type DocPage } from "../../testing/doc-engine.ts";
import type { Automerge } from "./automerge.ts";

const ended = new TidemarkError("INSTANCE_CLOSED", { name: "test" });

async function openPage(alter: Partial<Automerge> = {}): Promise<readonly [DocEngine, DocPage]> {
  const engine = new DocEngine();
  const page = await engine.page("a", { local: false, alter }).open();
  page.change((draft) => Object.assign(draft, { text: "Hello" }));
  await engine.settle();
  return [engine, page];
}

test("[DOC-69] whatever is asked of a document that is closed says why, and what it wrote before is kept once more without harm", async () => {
  const [engine, page] = await openPage();
  const { replica } = page;
  const take = replica.prepare((draft) => Object.assign(draft, { text: "Bye" }));
  page.splice(0, 0, "> ");
  replica.close(ended);
  await engine.settle();
  const uses: readonly (() => unknown)[] = [
    () => replica.canUndo,
    () => replica.canRedo,
    () => replica.undo(),
    () => replica.change(() => {}),
    () => replica.change(() => {}, undefined, false),
    () => replica.changeAt([], () => {}),
    () => page.splice(0, 0, "x"),
    () => replica.prepare(() => {}),
    () => take(),
    () => replica.isSteady,
    () => replica.heads,
  ];
  for (const [at, use] of uses.entries()) expect(use, `use ${at}`).toThrow(ended);
  await expect(replica.saved()).rejects.toBe(ended);
  replica.flush(true);
  replica.close(new TidemarkError("DOC_CLOSED", { store: "page" }));
  expect(() => replica.heads).toThrow(ended);
  expect([engine.entries.length, page.value, page.problems]).toEqual([2, { text: "> Hello" }, []]);
});

test("[DOC-69] what was lost when the page or the instance ends is no problem, and nothing is opened anew", async () => {
  for (const reason of [
    ended,
    new TidemarkError("INSTANCE_WIPED", { name: "test" }),
    new TidemarkError("MEMORY_LOST", { name: "test" }),
    new TidemarkError("BUILD_OUTDATED", { got: "1", expected: "2" }),
  ]) {
    const [engine, page] = await openPage();
    engine.gate = () => new Promise(() => {});
    page.splice(5, 0, "!");
    const saved = page.replica.saved();
    saved.catch(() => {});
    page.line.end(reason);
    await expect(saved).rejects.toBe(reason);
    await engine.settle();
    expect([page.value, page.problems, page.replica.isSteady]).toEqual([{ text: "Hello!" }, [], true]);
  }
});

test("[DOC-63] a document that Automerge breaks again and again while nobody leads is closed by itself, and says why", async () => {
  let isBroken = false;
  const change: Automerge["change"] = (...args) => {
    if (isBroken) throw new Error("unreachable");
    return automerge.change(...args);
  };
  const [engine, page] = await openPage({ change });
  isBroken = true;
  page.line.hold();
  for (let i = 0; i <= docReopenedMax; i++) {
    expect(page.replica.isClosed).toBe(false);
    page.nowMs += gatheredMs;
    page.splice(0, 0, "x");
    await engine.settle();
  }
  const broken = Array.from({ length: docReopenedMax + 1 }, () => "Error: unreachable");
  expect([page.value, page.problems]).toEqual([{ text: "Hello" }, [...broken, "INTERNAL"]]);
  expect(() => page.splice(0, 0, "x")).toThrow(expect.objectContaining({ code: "INTERNAL" }));
});
