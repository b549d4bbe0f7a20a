import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import { TidemarkError } from "../../core/errors.ts";
import { undoDepthMax, undoPauseMs, undoRangesMax } from "../../core/limits.ts";
import { automerge, DocEngine, type DocPage } from "../../testing/doc-engine.ts";
import type { Automerge } from "./automerge.ts";
import type { DocPatch } from "./patches.ts";
import { UndoHistory } from "./undo.ts";

/** As the pages have it at first. */
interface Board extends Record<string, unknown> {
  text: string;
  map?: Record<string, unknown>;
  list: unknown[];
  count: A.Counter;
}

type Write = (draft: Board) => void;

interface Scenario {
  readonly name: string;
  readonly mine: Write;
  readonly theirs: Write;
  /** What is there after both, and after mine was undone. */
  readonly undone: Record<string, unknown>;
}

const start = { text: "Hello world", map: { k: "old", n: 1 }, list: ["a", "b", "c"] };
const rest = { ...start, count: 10 };

function inMap(values: Record<string, unknown>): Write {
  return (d) => void Object.assign(d.map as object, values);
}

function item(at: number, value: unknown): Write {
  return (d) => {
    d.list[at] = value;
  };
}

function inOrder(...writes: readonly Write[]): Write {
  return (d) => {
    for (const write of writes) write(d);
  };
}

function change(page: DocPage, write: Write): void {
  page.replica.change((draft) => write(draft as Board));
}

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
    mine: inMap({ n: 5 }),
    theirs: inMap({ n: 9 }),
    undone: { ...rest, map: { k: "old", n: 9 } },
  },
  {
    name: "of several values, the one that another overwrote stays theirs",
    mine: inOrder(inMap({ k: "a1" }), inMap({ k: "a2" }), inMap({ n: 5 })),
    theirs: inMap({ n: 9 }),
    undone: { ...rest, map: { k: "old", n: 9 } },
  },
  {
    name: "of several items, the one that another overwrote stays theirs, wherever it is now",
    mine: inOrder(item(0, "mine 0"), item(1, "mine 1"), item(2, "mine 2")),
    theirs: inOrder(item(1, "theirs"), (d) => d.list.unshift("first")),
    undone: { ...rest, list: ["first", "a", "theirs", "c"] },
  },
  {
    name: "of several values, the one that another deleted stays away",
    mine: inOrder(inMap({ k: "mine", n: 5 })),
    theirs: (d) => void delete d.map?.n,
    undone: { ...rest, map: { k: "old" } },
  },
  {
    name: "of several items, the one that another removed stays away",
    mine: inOrder(item(0, "mine 0"), item(1, "mine 1"), item(2, "mine 2")),
    theirs: (d) => void d.list.splice(1, 1),
    undone: { ...rest, list: ["a", "c"] },
  },
  {
    name: "an object that was put in the place of another, in whose place another put one, stays theirs, and nothing comes into it",
    mine: (d) => Object.assign(d, { a: 1, b: 2, map: { mine: true } }),
    theirs: (d) => {
      d.map = { theirs: true };
    },
    undone: { ...rest, map: { theirs: true } },
  },
  {
    name: "an object in a list, in whose place another put one, stays theirs",
    mine: inOrder(item(0, { mine: [1] }), (d) => d.list.unshift("new"), item(2, { mine: [2] })),
    theirs: inOrder(item(2, { theirs: "too" }), item(1, { theirs: true })),
    undone: { ...rest, list: [{ theirs: true }, { theirs: "too" }, "c"] },
  },
  {
    name: "a value is as it was",
    mine: inMap({ k: "mine" }),
    theirs: inMap({ z: 1 }),
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
    mine: inMap({ o: { a: [1, { b: 2 }] } }),
    theirs: inMap({ q: 1 }),
    undone: { ...rest, map: { k: "old", n: 1, q: 1 } },
  },
  {
    name: "an object that was put goes with what others wrote into it",
    mine: inMap({ o: { a: 1 } }),
    theirs: (d) => Object.assign(d.map?.o as object, { b: 2 }),
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
  change(a, mine);
  await engine.settle();
  change(b, theirs);
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
  expect(before).toMatchObject({ marks: [{ name: "bold", value: true, start: 0, end: 5 }] });
});

test("[DOC-75] a value that is not undoable stays when the one that it took the place of is undone", async () => {
  const [engine, a] = await begin();
  change(a, inMap({ k: "mine", n: 5 }));
  await engine.settle();
  a.replica.change((draft) => inMap({ n: 7 })(draft as Board), undefined, false);
  a.replica.undo();
  expect(a.value).toMatchObject({ map: { k: "old", n: 7 } });
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

test("[DOC-70] a value that two wrote at once is theirs when mine is undone, whoever won, and mine again when that is undone", async () => {
  const [engine, a, b] = await begin();
  for (const [mine, theirs] of [
    ["mine", { theirs: [1] }],
    [{ mine: [1] }, "theirs"],
  ] as const) {
    change(a, inOrder(inMap({ k: mine }), item(0, mine), item(1, mine)));
    // A higher counter for one of the two.
    change(typeof mine === "string" ? a : b, (d) => A.splice(d, ["text"], 0, 5, "Hallo"));
    change(b, inOrder(inMap({ k: theirs }), item(0, theirs), item(1, theirs)));
    await engine.settle();
    const both = shown(a);
    a.replica.undo();
    expect(a.value).toMatchObject({ map: { k: theirs, n: 1 }, list: [theirs, theirs, "c"] });
    a.replica.redo();
    expect(shown(a)).toEqual(both);
    await engine.settle();
    expect(shown(b)).toEqual(both);
    a.nowMs += undoPauseMs + 1;
  }
});

test("[DOC-70] what others wrote between two writings of a step is there when the step is undone", async () => {
  const [engine, a, b] = await begin();
  change(
    a,
    inOrder(inMap({ k: "a1", n: 2 }), (d) => d.list.fill("a1")),
  );
  await engine.settle();
  change(b, inOrder(inMap({ n: 9 }), item(1, "theirs")));
  await engine.settle();
  change(
    a,
    inOrder(inMap({ k: "a2", n: 3 }), (d) => d.list.fill("a2")),
  );
  await engine.settle();
  b.splice(0, 0, "!");
  await engine.settle();
  change(a, inMap({ k: "a3" }));
  const all = shown(a);
  a.replica.undo();
  expect(a.value).toMatchObject({ text: "!Hello world", map: { k: "old", n: 9 }, list: ["a", "theirs", "c"] });
  expect(a.replica.canUndo).toBe(true);
  a.replica.redo();
  expect(shown(a)).toEqual(all);
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
  const diff = (): DocPatch[] => {
    if (fails) throw new Error("mine");
    return [];
  };
  const doc = automerge.init({ actor: "aa" });
  // Nothing is altered, so that a thousand steps take no time.
  const still: Automerge = {
    ...automerge,
    clone: (doc) => doc,
    view: (doc, heads) => {
      asked.push(heads);
      return doc;
    },
    getBackend: () => ({ ...automerge.getBackend(doc), diff }),
    change: (doc) => doc,
    free: () => {},
  };
  let nowMs = 0;
  const history = new UndoHistory(still, () => nowMs);
  for (let step = 0; step <= undoDepthMax; step++) {
    nowMs += undoPauseMs + 1;
    history.add({ before: [`${step}`], after: [`${step + 1}`] });
  }
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
