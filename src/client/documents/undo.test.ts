import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import { TidemarkError } from "../../core/errors.ts";
import { undoDepthMax, undoPauseMs, undoRangesMax } from "../../core/limits.ts";
import { automerge, DocEngine, type DocPage } from "../../testing/doc-engine.ts";
import type { Automerge } from "./automerge.ts";
import { UndoHistory } from "./undo.ts";

// biome-ignore lint/suspicious/noExplicitAny: what an app writes is whatever it likes.
type Draft = any;
type Write = (draft: Draft) => void;

interface Scenario {
  readonly name: string;
  readonly mine: Write;
  readonly theirs: Write;
  /** What is there after both, and after mine was undone. */
  readonly undone: Record<string, unknown>;
}

const start = { text: "Hello world", map: { k: "old", n: 1 }, list: ["a", "b", "c"] };
const rest = { ...start, count: 10 };

const scenarios: readonly Scenario[] = [
  {
    name: "text that was inserted goes, what others put into it stays",
    mine: (d) => A.splice(d, ["text"], 5, 0, " brave"),
    theirs: (d) => {
      A.splice(d, ["text"], 7, 0, "[x]");
      A.splice(d, ["text"], 0, 0, ">>");
    },
    undone: { ...rest, text: ">>Hello[x] world" },
  },
  {
    name: "text that was deleted comes back",
    mine: (d) => A.splice(d, ["text"], 0, 6),
    theirs: (d) => A.splice(d, ["text"], d.text.length, 0, "!"),
    undone: { ...rest, text: "Hello world!" },
  },
  {
    name: "a value that another overwrote stays theirs",
    mine: (d) => {
      d.map.n = 5;
    },
    theirs: (d) => {
      d.map.n = 9;
    },
    undone: { ...rest, map: { k: "old", n: 9 } },
  },
  {
    name: "a value is as it was",
    mine: (d) => {
      d.map.k = "mine";
    },
    theirs: (d) => {
      d.map.z = 1;
    },
    undone: { ...rest, map: { k: "old", n: 1, z: 1 } },
  },
  {
    name: "an object that was deleted comes back",
    mine: (d) => {
      delete d.map;
    },
    theirs: (d) => {
      d.y = 1;
    },
    undone: { ...rest, y: 1 },
  },
  {
    name: "an item that was inserted goes",
    mine: (d) => d.list.splice(1, 0, "X"),
    theirs: (d) => d.list.unshift("first"),
    undone: { ...rest, list: ["first", "a", "b", "c"] },
  },
  {
    name: "an item that was deleted comes back in its place",
    mine: (d) => d.list.splice(1, 1),
    theirs: (d) => d.list.push("end"),
    undone: { ...rest, list: ["a", "b", "c", "end"] },
  },
  {
    name: "a counter loses what was added, and keeps what others added",
    mine: (d) => d.count.increment(5),
    theirs: (d) => d.count.increment(100),
    undone: { ...rest, count: 110 },
  },
  {
    name: "a mark goes",
    mine: (d) => A.mark(d, ["text"], { start: 0, end: 5 }, "bold", true),
    theirs: (d) => A.splice(d, ["text"], 2, 0, "--"),
    undone: { ...rest, text: "He--llo world" },
  },
  {
    name: "an object that was put goes",
    mine: (d) => {
      d.map.o = { a: [1, { b: 2 }] };
    },
    theirs: (d) => {
      d.map.q = 1;
    },
    undone: { ...rest, map: { k: "old", n: 1, q: 1 } },
  },
  {
    name: "an object that was put goes with what others wrote into it",
    mine: (d) => {
      d.map.o = { a: 1 };
    },
    theirs: (d) => {
      d.map.o.b = 2;
    },
    undone: rest,
  },
  {
    name: "an item is as it was, wherever it is now",
    mine: (d) => {
      d.list[1] = "BB";
    },
    theirs: (d) => d.list.unshift("0"),
    undone: { ...rest, list: ["0", "a", "b", "c"] },
  },
];

async function begin(): Promise<readonly [DocEngine, DocPage, DocPage]> {
  const engine = new DocEngine();
  const [a, b] = [await engine.page("a").open(), await engine.page("b").open()];
  a.change((draft) => Object.assign(draft, structuredClone(start), { count: new A.Counter(10) }));
  await engine.settle();
  a.nowMs += 10_000;
  return [engine, a, b];
}

/** As JSON, where counters are numbers, with the marks of the text. */
function shown({ value }: DocPage): unknown {
  return { value: JSON.parse(JSON.stringify(value)), marks: A.marks(value, ["text"]) };
}

test.each(scenarios)("[DOC-70] undo and redo: $name", async ({ mine, theirs, undone }) => {
  const [engine, a, b] = await begin();
  a.change(mine);
  await engine.settle();
  b.change(theirs);
  await engine.settle();
  const both = shown(a);
  expect(a.replica.undo()).toBe(true);
  expect(shown(a)).toEqual({ value: undone, marks: [] });
  // What others overwrote is not there to be taken back, nor to be brought back then.
  const isThere = JSON.stringify(shown(a)) !== JSON.stringify(both);
  expect(a.events.at(-1)).toMatchObject({ origin: isThere ? "undo" : "remote" });
  await engine.settle();
  expect(a.replica.redo()).toBe(isThere);
  expect(shown(a)).toEqual(both);
  await engine.settle();
  expect(shown(b)).toEqual(both);
  expect(new Set(engine.entries.map(({ author }) => author)).size).toBe(2);
  expect([a.problems, b.problems]).toEqual([[], []]);
});

test("[DOC-70] there is nothing to undo at first, nothing to redo after another change, and others' changes are not undone", async () => {
  const [engine, a, b] = await begin();
  expect([b.replica.canUndo, b.replica.undo(), b.replica.redo()]).toEqual([false, false, false]);
  a.splice(0, 0, ">");
  await engine.settle();
  expect([a.replica.canUndo, a.replica.canRedo]).toEqual([true, false]);
  a.replica.undo();
  expect([a.value.text, a.replica.canRedo]).toEqual(["Hello world", true]);
  a.splice(0, 0, "<");
  expect([a.replica.canRedo, a.replica.redo()]).toEqual([false, false]);
  expect(a.value.text).toBe("<Hello world");
});

test("[DOC-71] what is typed without a pause is undone at once, also when others type meanwhile", async () => {
  const [engine, a, b] = await begin();
  for (const [at, letter] of [..."abcde"].entries()) {
    a.splice(5 + at, 0, letter);
    a.nowMs += 100;
    await engine.settle();
    b.splice(String(b.value.text).length, 0, "!");
    await engine.settle();
  }
  a.nowMs += 501;
  a.splice(0, 0, "later ");
  expect(a.value.text).toBe("later Helloabcde world!!!!!");
  a.replica.undo();
  expect(a.value.text).toBe("Helloabcde world!!!!!");
  a.replica.undo();
  expect(a.value.text).toBe("Hello world!!!!!");
  expect(a.replica.canUndo).toBe(true);
  a.replica.redo();
  a.replica.redo();
  expect(a.value.text).toBe("later Helloabcde world!!!!!");
  await engine.settle();
  expect(b.value).toEqual(a.value);
});

test("[DOC-70] what was written, deleted and brought back goes when its writing is undone", async () => {
  const [engine, a] = await begin();
  a.splice(11, 0, ", hello");
  await engine.settle();
  a.nowMs += 1_000;
  a.splice(14, 4);
  await engine.settle();
  expect(a.value.text).toBe("Hello world, h");
  a.replica.undo();
  expect(a.value.text).toBe("Hello world, hello");
  a.replica.undo();
  expect(a.value.text).toBe("Hello world");
  a.replica.redo();
  a.replica.redo();
  expect(a.value.text).toBe("Hello world, h");
});

test("[DOC-70] text that comes back has its marks", async () => {
  const [engine, a] = await begin();
  a.change((draft) => A.mark(draft, ["text"], { start: 0, end: 5 }, "bold", true));
  await engine.settle();
  a.nowMs += 1_000;
  const before = shown(a);
  a.splice(0, 6);
  a.replica.undo();
  expect(shown(a)).toEqual(before);
  expect(automerge.stats(a.replica.openDoc).numOps).toBeGreaterThan(0);
});

test("[DOC-75] what is not undoable stays, with what others wrote in it, and what is around it is undone", async () => {
  const [engine, a, b] = await begin();
  a.splice(0, 0, ">");
  a.replica.change((draft) => Object.assign(draft, { page: "" }), undefined, false);
  a.replica.change((draft) => A.splice(draft, ["page"], 0, 0, "mine"));
  await engine.settle();
  b.replica.change((draft) => A.splice(draft, ["page"], 0, 0, "theirs "));
  await engine.settle();
  a.replica.undo();
  expect(a.value).toMatchObject({ text: "Hello world", page: "theirs " });
  a.replica.redo();
  expect(a.value).toMatchObject({ text: ">Hello world", page: "theirs mine" });
  await engine.settle();
  expect(b.value).toEqual(a.value);
});

/** One letter at the beginning, and what others say to it. */
async function type(engine: DocEngine, page: DocPage, other?: DocPage): Promise<void> {
  page.splice(0, 0, "x");
  await engine.settle();
  other?.splice(String(other.value.text).length, 0, "!");
  await engine.settle();
}

test("[DOC-71] a pause counts from the change before, and is longer than undoPauseMs", async () => {
  const [engine, a] = await begin();
  for (const pauseMs of [undoPauseMs, undoPauseMs, undoPauseMs + 1, 0]) {
    await type(engine, a);
    a.nowMs += pauseMs;
  }
  expect(a.value.text).toBe("xxxxHello world");
  a.replica.undo();
  expect(a.value.text).toBe("xxxHello world");
  a.replica.undo();
  expect(a.value.text).toBe("Hello world");
});

test("[DOC-71] one step has as many parts as others have written between, and no more than undoRangesMax", async () => {
  const [engine, a, b] = await begin();
  for (let i = 0; i <= undoRangesMax; i++) await type(engine, a);
  a.replica.undo();
  expect(a.value.text).toBe("Hello world");
  await engine.settle();
  a.nowMs += undoPauseMs + 1;
  for (let i = 0; i <= undoRangesMax; i++) await type(engine, a, b);
  a.replica.undo();
  expect(a.value.text).toBe(`${"x".repeat(undoRangesMax)}Hello world${"!".repeat(undoRangesMax + 1)}`);
});

test("[DOC-71] what is written right after a redo is a step of its own", async () => {
  const [engine, a] = await begin();
  await type(engine, a);
  a.replica.undo();
  a.replica.redo();
  await type(engine, a);
  a.replica.undo();
  expect(a.value.text).toBe("xHello world");
});

test("[DOC-70] what others wrote between a change and its undoing stays when the change before is undone", async () => {
  const [engine, a, b] = await begin();
  a.splice(11, 0, ", hello");
  await engine.settle();
  a.nowMs += undoPauseMs + 1;
  a.splice(14, 4);
  await engine.settle();
  b.splice(0, 0, "> ");
  await engine.settle();
  a.replica.undo();
  expect(a.value.text).toBe("> Hello world, hello");
  a.replica.undo();
  expect(a.value.text).toMatch(/^> Hello world/);
});

test("[DOC-70] a document that was made anew has nothing to undo or to redo", async () => {
  const [engine, a] = await begin();
  await type(engine, a);
  a.nowMs += undoPauseMs + 1;
  await type(engine, a);
  engine.gate = () => {
    engine.gate = () => {};
    throw new TidemarkError("ENTRY_TOO_LARGE", { got: 2, max: 1 });
  };
  a.replica.undo();
  expect([a.replica.canUndo, a.replica.canRedo]).toEqual([true, true]);
  await engine.settle();
  expect([a.replica.canUndo, a.replica.canRedo]).toEqual([false, false]);
  expect(a.value.text).toBe("xxHello world");
});

test("[DOC-70] undoDepthMax steps are remembered, the last ones, and one that fails is still there", () => {
  const asked: (readonly string[])[] = [];
  let fails = true;
  // Nothing is altered, so that a thousand steps take no time.
  const still: Automerge = {
    ...automerge,
    clone: (doc) => doc,
    view: (doc, heads) => {
      asked.push(heads);
      return doc;
    },
    diff: () => {
      if (fails) throw new Error("mine");
      return [];
    },
    change: (doc) => doc,
    merge: (doc) => doc,
    free: () => {},
  };
  let nowMs = 0;
  const history = new UndoHistory(still, () => nowMs);
  for (let step = 0; step <= undoDepthMax; step++) {
    nowMs += undoPauseMs + 1;
    history.add({ before: [`${step}`], after: [`${step + 1}`] });
  }
  const doc = automerge.init({ actor: "aa" });
  expect(() => history.begin("undo", doc)).toThrow("mine");
  fails = false;
  asked.length = 0;
  while (history.begin("undo", doc) !== undefined);
  expect([asked.length, asked[0], asked.at(-1)]).toEqual([undoDepthMax, [`${undoDepthMax + 1}`], ["2"]]);
});

test("[DOC-71] what was overwritten within a step comes back as it was before, also when others write meanwhile", async () => {
  const [engine, a, b] = await begin();
  for (const n of [2, 3]) {
    a.change((draft) => Object.assign(draft, { n }));
    await engine.settle();
    b.splice(0, 0, "!");
    await engine.settle();
  }
  a.replica.undo();
  expect(a.value).toMatchObject({ text: "!!Hello world" });
  expect(a.value.n).toBeUndefined();
});
