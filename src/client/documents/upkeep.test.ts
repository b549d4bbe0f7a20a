import { expect, test } from "vitest";
import { docLargeOps, snapshotChanges, snapshotFirstChanges } from "../../core/limits.ts";
import { automerge, DocEngine } from "../../testing/doc-engine.ts";
import type { DocSnapshot } from "../../worker/api.ts";
import { Upkeep } from "./upkeep.ts";

test("[DOC-67] a long document is kept as a snapshot once it is durable, and opens with it", async () => {
  const engine = new DocEngine();
  const a = await engine.page("a").open();
  let open = (): void => {};
  engine.gate = () =>
    new Promise((resolve) => {
      open = resolve;
    });
  a.change((draft) => Object.assign(draft, { text: "" }));
  for (let i = 1; i < snapshotFirstChanges; i++) a.splice(0, 0, "x");
  await engine.settle();
  expect(engine.snapshot).toBeUndefined();
  engine.gate = () => {};
  open();
  await engine.settle();
  expect(engine.snapshot?.heads).toEqual(a.replica.heads);
  a.splice(0, 0, "y");
  await engine.settle();
  const b = await engine.page("b").open();
  expect(b.value).toEqual(a.value);
  expect(a.problems).toEqual([]);
}, 120_000);

function setUp(numOps = 10) {
  const kept: DocSnapshot[] = [];
  const problems: string[] = [];
  const idle: (() => void)[] = [];
  const doc = automerge.init({ actor: "aa" });
  const state = { isDurable: true };
  const upkeep = new Upkeep({
    automerge: { ...automerge, stats: () => ({ numOps, numChanges: 0 }) },
    store: "page",
    whenIdle: (run) => void idle.push(run),
    durable: () => (state.isDurable ? doc : undefined),
    keep: (snapshot) => void kept.push(snapshot),
    report: ({ code }) => void problems.push(code),
  });
  return { upkeep, kept, problems, idle, state, rest: () => idle.splice(0).map((run) => run()) };
}

test("[DOC-67] the first snapshot comes sooner than the next, and what began with one waits as long", () => {
  const { upkeep, kept, rest } = setUp();
  const counts = [snapshotFirstChanges - 1, 1, snapshotChanges - 1, 1].map((changes) => {
    upkeep.grew(changes);
    rest();
    return kept.length;
  });
  expect(counts).toEqual([0, 1, 1, 2]);
  upkeep.began(true);
  upkeep.grew(snapshotFirstChanges);
  rest();
  expect(kept).toHaveLength(2);
});

test("[DOC-67] nothing is saved before the page has time, or while something is not durable; then it is, once", () => {
  const { upkeep, kept, idle, state, rest } = setUp();
  state.isDurable = false;
  upkeep.grew(snapshotFirstChanges);
  upkeep.grew(1);
  expect([idle.length, kept.length]).toEqual([1, 0]);
  rest();
  expect(kept).toEqual([]);
  state.isDurable = true;
  upkeep.plan();
  rest();
  expect(kept).toHaveLength(1);
});

test("[DOC-68] that a document is large is told once", () => {
  const { upkeep, problems, rest } = setUp(docLargeOps + 1);
  for (let i = 0; i < 3; i++) {
    upkeep.grew(snapshotChanges);
    rest();
  }
  expect(problems).toEqual(["DOC_LARGE"]);
  const small = setUp(docLargeOps);
  small.upkeep.grew(snapshotChanges);
  small.rest();
  expect(small.problems).toEqual([]);
});
