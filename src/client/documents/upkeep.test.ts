import { expect, test } from "vitest";
import {
  docLargeBytes,
  docLargeOps,
  snapshotChanges,
  snapshotChangesBytes,
  snapshotFirstChanges,
} from "../../core/limits.ts";
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

function many(count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, () => new Uint8Array());
}

function setUp(bytes?: number) {
  const kept: DocSnapshot[] = [];
  const problems: string[] = [];
  const told: unknown[] = [];
  const idle: (() => void)[] = [];
  const doc = automerge.init({ actor: "aa" });
  const state = { isDurable: true };
  const upkeep = new Upkeep({
    automerge: {
      ...automerge,
      ...(bytes === undefined ? {} : { save: () => new Uint8Array(bytes) }),
    },
    store: "page",
    whenIdle: (run) => void idle.push(run),
    durable: () => (state.isDurable ? doc : undefined),
    keep: (snapshot) => void kept.push(snapshot),
    report: ({ code, details }) => {
      problems.push(code);
      told.push(details);
    },
  });
  return { upkeep, kept, problems, told, idle, state, rest: () => idle.splice(0).map((run) => run()) };
}

test("[DOC-67] the first snapshot comes sooner than the next, and what began with one waits as long", () => {
  const { upkeep, kept, rest } = setUp();
  const counts = [snapshotFirstChanges - 1, 1, snapshotChanges - 1, 1].map((changes) => {
    upkeep.grew(many(changes), 10);
    rest();
    return kept.length;
  });
  expect(counts).toEqual([0, 1, 1, 2]);
  upkeep.grew(many(1), 10);
  upkeep.began(1);
  upkeep.grew(many(snapshotChanges - 1), 10);
  rest();
  expect(kept).toHaveLength(2);
});

test("[DOC-67] nothing is saved before the page has time, or while something is not durable; then it is, once", () => {
  const { upkeep, kept, idle, state, rest } = setUp();
  state.isDurable = false;
  upkeep.grew(many(snapshotFirstChanges), 10);
  upkeep.grew(many(1), 10);
  expect([idle.length, kept.length]).toEqual([1, 0]);
  rest();
  expect(kept).toEqual([]);
  state.isDurable = true;
  upkeep.plan();
  rest();
  expect(kept).toHaveLength(1);
});

test("[DOC-67] large changes are saved sooner than many", () => {
  const { upkeep, kept, rest } = setUp();
  upkeep.grew([new Uint8Array(snapshotChangesBytes - 1)], 10);
  rest();
  expect(kept).toEqual([]);
  upkeep.grew([new Uint8Array(1)], 10);
  rest();
  expect(kept).toHaveLength(1);
  upkeep.grew([new Uint8Array(snapshotChangesBytes - 1)], 10);
  rest();
  expect(kept).toHaveLength(1);
});

test("[DOC-68] that a document is large is told once: of one that grows, and of one that opens", () => {
  const growing = setUp();
  for (const ops of [docLargeOps, docLargeOps + 1, docLargeOps + 2]) growing.upkeep.grew(many(1), ops);
  expect(growing.problems).toEqual(["DOC_LARGE"]);
  const opening = setUp();
  opening.upkeep.began(docLargeBytes);
  expect(opening.problems).toEqual([]);
  for (let i = 0; i < 2; i++) opening.upkeep.began(docLargeBytes + 1);
  expect(opening.problems).toEqual(["DOC_LARGE"]);
  const saved = setUp(docLargeBytes + 1);
  saved.upkeep.grew(many(snapshotFirstChanges), 10);
  saved.rest();
  expect(saved.problems).toEqual(["DOC_LARGE"]);
  expect(saved.told).toEqual([{ store: "page", ops: 10, bytes: docLargeBytes + 1 }]);
});

test("[DOC-68] a page that opens a large document is told, and one that makes it large", async () => {
  const engine = new DocEngine();
  const large = { alter: { stats: () => ({ numOps: docLargeOps + 1, numChanges: 2 }) } };
  const a = await engine.page("a").open();
  a.change((draft) => Object.assign(draft, { text: "" }));
  await engine.settle();
  const b = await engine.page("b", large).open();
  expect([a.problems, b.problems]).toEqual([[], ["DOC_LARGE"]]);
  b.splice(0, 0, "x");
  await engine.settle();
  expect(b.problems).toEqual(["DOC_LARGE"]);
  let numOps = docLargeOps;
  const growing = await engine.page("c", { alter: { stats: () => ({ numOps, numChanges: 2 }) } }).open();
  numOps += 1;
  expect(growing.problems).toEqual([]);
  growing.splice(0, 0, "x");
  await engine.settle();
  expect(growing.problems).toEqual(["DOC_LARGE"]);
});
