import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes } from "../../core/bytes.ts";
import { buildChange, type SplitChange, splitChange } from "../../core/document/change-bytes.ts";
import type { ChangeTail } from "../../core/document/tail.ts";
import { TidemarkError } from "../../core/errors.ts";
import { changeOpsMax, changeTailBytesMax, docTurnMs } from "../../core/limits.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";
import { arbitraryEdits, type Board, type Edit, listEdits, playEdits } from "../../testing/automerge-edits.ts";
import { DocEngine, type DocPage } from "../../testing/doc-engine.ts";
import { encodeTail, opOf, plainOp } from "../../testing/document-tail.ts";
import { turn } from "../../testing/turn.ts";
import { type DocImportOptions, type DocImportProgress, importInto, type PartLimits } from "./doc-import.ts";

interface Scene {
  readonly engine: DocEngine;
  readonly page: DocPage;
}

async function setUp(): Promise<Scene> {
  const engine = new DocEngine();
  return { engine, page: await engine.page("a").open() };
}

/** Undefined, or the code that it was refused with. */
async function importTo(
  { engine, page }: Scene,
  bytes: Uint8Array,
  options: DocImportOptions = {},
  limits?: PartLimits,
): Promise<unknown> {
  let isOver = false;
  const home = { line: page.line, replica: page.replica, turn, now: () => page.nowMs };
  const importing = importInto(home, bytes, options, limits).then(
    () => (page.replica.heads.length > 0 ? undefined : "not to be seen yet"),
    ({ code, message }: TidemarkError) => [code, message],
  );
  void importing.then(() => {
    isOver = true;
  });
  while (!isOver) {
    await engine.settle();
    await turn();
  }
  return importing;
}

/** Whether a change counts more than another is told by actors: their places among all of the document stand for them. */
function named(doc: A.Doc<unknown>, text: string): string {
  const actors = new Set(A.getAllChanges(doc).map((change) => A.decodeChange(change).actor));
  const sorted = [...actors].sort();
  const longestFirst = [...sorted].sort((a, b) => b.length - a.length);
  return longestFirst.reduce((rest, actor) => rest.replaceAll(`@${actor}`, `@<${sorted.indexOf(actor)}>`), text);
}

/** Everything that was ever written to it, in an order of its own. */
function historyOf(doc: A.Doc<unknown>): readonly string[] {
  const decoded = A.getAllChanges(doc).map((change) => A.decodeChange(change));
  const names = new Map(decoded.map(({ hash, actor, seq }) => [hash, `${seq}@${actor}`]));
  const shown = decoded.map(({ hash, actor, deps, ...rest }) => {
    return { ...rest, id: names.get(hash), deps: deps.map((dep) => names.get(dep)).sort() };
  });
  return shown.map((change) => named(doc, JSON.stringify(change))).sort();
}

/** What an app sees of it. */
function readAll(doc: A.Doc<Board>): unknown {
  const conflicts = (object: object | undefined): readonly (readonly string[])[] =>
    Object.keys(object ?? {}).map((key) => {
      const place = Array.isArray(object) ? Number(key) : key;
      const found = A.getConflicts(object as A.Doc<Record<string, unknown>>, place as string) ?? {};
      return Object.keys(found).map((id) => named(doc, id));
    });
  return {
    value: A.toJS(doc),
    conflicts: [doc, doc.map, doc.list].map(conflicts),
    spans: typeof doc.text === "string" ? A.spans(doc, ["text"]) : [],
    heads: A.getHeads(doc).length,
  };
}

const people = [
  ["77".repeat(16), "1a".repeat(16), "b2".repeat(16)],
  // One is the beginning of another, and one is longer than an actor may be here.
  ["d77e5f", "d77e5f00", `d77e5f${"00".repeat(40)}`],
];

const edit: Edit = { person: 0, act: "set", at: 0, count: 0, value: 1, message: undefined };

/** All of them at the same key and place. */
const rivals = [0, 1, 2].flatMap((person): readonly Edit[] => [
  { ...edit, person, value: `set by ${person}` },
  { ...edit, person, act: "replace", value: `replaced by ${person}` },
  { ...edit, person, act: "type", count: person },
]);

test("[DOC-50] an imported document reads as it did, with its conflicts, marks and history, on every device", async () => {
  let conflicts = 0;
  await fc.assert(
    fc.asyncProperty(arbitraryEdits, fc.constantFrom(...people), async (edits, actors) => {
      const docs = playEdits(edits, actors);
      const bytes = A.save(docs.reduce((all, doc) => A.merge(all, doc)));
      const original = A.load<Board>(bytes);
      const scene = await setUp();
      expect(await importTo(scene, bytes)).toBeUndefined();
      const other = await scene.engine.page("b").open();
      for (const { value } of [scene.page, other]) {
        const doc = value as unknown as A.Doc<Board>;
        expect(readAll(doc)).toEqual(readAll(original));
        expect(historyOf(doc)).toEqual(historyOf(original));
        expect(A.getHeads(doc)).toEqual(A.getHeads(scene.page.value as A.Doc<unknown>));
      }
      if (A.getConflicts(original.map as A.Doc<Board>, "a" as "map") !== undefined) conflicts++;
      const records = scene.engine.state.records(Number.MAX_SAFE_INTEGER, 1_000);
      expect(records).toHaveLength(A.getAllChanges(original).length);
      expect(new Set(records.map(({ author }) => author))).toEqual(new Set([scene.page.author]));
      expect([scene.engine.state.faults(), scene.engine.entries.length, scene.page.problems]).toEqual([[], 1, []]);
    }),
    { examples: people.map((actors, i) => [i === 0 ? listEdits() : rivals, actors]), numRuns: 8 },
  );
  expect(conflicts).toBeGreaterThan(0);
});

const eight: PartLimits = { changesMax: 8, bytesMax: 1_000_000, opsMax: 1_000 };

/** One key for each change. */
function fileOf(changes: number, valueLength = 1): Uint8Array {
  let doc = A.init<Record<string, unknown>>({ actor: "aa" });
  for (let i = 0; i < changes; i++) {
    doc = A.change(doc, { time: 0 }, (draft) => {
      draft[`k${i}`] = new A.ImmutableString("x".repeat(valueLength));
    });
  }
  return A.save(doc);
}

test("[DOC-51] [DOC-53] what was interrupted goes on when it is called again, whatever was written meanwhile, and nothing is written twice", async () => {
  const bytes = fileOf(24);
  const scene = await setUp();
  const { engine, page } = scene;
  const seen: number[] = [];
  const onProgress = ({ written, total }: { written: number; total: number }): void => {
    seen.push(written);
    expect(total).toBe(24);
  };
  let entries = 0;
  engine.gate = () => {
    if (++entries === 2) throw new TidemarkError("STORAGE_QUOTA", { usedBytes: 0, quotaBytes: 0 } as never);
  };
  expect(await importTo(scene, bytes, { onProgress }, eight)).toMatchObject(["STORAGE_QUOTA", expect.anything()]);
  await engine.settle();
  expect([seen, Object.keys(page.value)]).toEqual([[8], Array.from({ length: 8 }, (_, i) => `k${i}`)]);
  const other = await engine.page("b").open();
  other.change((draft) => Object.assign(draft, { other: true }));
  await engine.settle();
  expect(await importTo(scene, bytes, { onProgress }, eight)).toBeUndefined();
  expect(seen).toEqual([8, 8, 16, 24]);
  expect(Object.keys(page.value)).toHaveLength(25);
  expect(other.value).toEqual(page.value);
  const written = engine.entries.length;
  expect(await importTo(scene, bytes, {}, eight)).toBeUndefined();
  expect([engine.entries.length, engine.state.size, engine.state.faults()]).toEqual([written, 25, []]);
});

test("[DOC-53] an import that is aborted writes no more parts, and goes on when it is called again", async () => {
  const bytes = fileOf(16);
  const scene = await setUp();
  const ending = new AbortController();
  const options = { signal: ending.signal, onProgress: () => ending.abort() };
  expect(await importTo(scene, bytes, options, eight)).toMatchObject(["ABORTED", expect.anything()]);
  expect(scene.engine.entries).toHaveLength(1);
  expect(await importTo(scene, bytes, { signal: ending.signal }, eight)).toMatchObject(["ABORTED", expect.anything()]);
  expect(await importTo(scene, bytes, {}, eight)).toBeUndefined();
  expect([scene.engine.entries.length, Object.keys(scene.page.value).length]).toEqual([2, 16]);
  expect(await importTo(scene, bytes, { signal: ending.signal }, eight)).toMatchObject(["ABORTED", expect.anything()]);
});

test.each<[string, Partial<PartLimits>, readonly number[]]>([
  ["changes", { changesMax: 4 }, [4, 8, 9]],
  ["bytes", { bytesMax: 700 }, [2, 4, 6, 8, 9]],
  ["bytes, where one is larger than that", { bytesMax: 1 }, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ["ops", { opsMax: 5 }, [5, 9]],
])("[DOC-53] a part holds no more %s than an entry may", async (_, limits, expected) => {
  const scene = await setUp();
  const seen: number[] = [];
  const onProgress = ({ written }: DocImportProgress): void => void seen.push(written);
  const most = { changesMax: 100, bytesMax: 1_000_000, opsMax: 100 };
  expect(await importTo(scene, fileOf(9, 200), { onProgress }, { ...most, ...limits })).toBeUndefined();
  expect([seen, Object.keys(scene.page.value)]).toEqual([expected, Array.from({ length: 9 }, (_, i) => `k${i}`)]);
});

test("[DOC-53] what is larger than an entry is divided by the limits of entries", async () => {
  const scene = await setUp();
  expect(await importTo(scene, fileOf(9, 1_040_000))).toBeUndefined();
  expect([scene.engine.entries.length, scene.engine.state.size]).toEqual([2, 9]);
});

test("[DOC-53] an import that is aborted while it is judged writes nothing", async () => {
  const { engine, page } = await setUp();
  const ending = new AbortController();
  let [turns, ms] = [0, 0];
  const endTurn = async (): Promise<void> => {
    turns += 1;
    ending.abort();
  };
  const now = (): number => {
    ms += docTurnMs;
    return ms;
  };
  const home = { line: page.line, replica: page.replica, turn: endTurn, now };
  const importing = importInto(home, fileOf(200), { signal: ending.signal });
  await expect(importing).rejects.toMatchObject({ code: "ABORTED" });
  expect([turns, engine.commits.size]).toEqual([1, 0]);
});

const small = A.from<Record<string, unknown>>({ title: "Here", text: "hello" }, { actor: "aa" });

test("[DOC-51] the same document by the same key is the same changes, also of two pages at once and saved otherwise", async () => {
  const scene = await setUp();
  const second = await scene.engine.page("a").open();
  const more = A.change(A.clone(small, { actor: "bb" }), { time: 0 }, (draft) => {
    draft.more = 1;
  });
  const one = importTo(scene, A.save(more));
  const same = importTo({ ...scene, page: second }, concatBytes(...A.getAllChanges(more)));
  expect(await Promise.all([one, same])).toEqual([undefined, undefined]);
  expect([scene.engine.state.size, scene.engine.state.faults()]).toEqual([2, []]);
  expect(second.value).toEqual(scene.page.value);
});

test("[DOC-53] a document that holds anything else is refused, and nothing is written", async () => {
  const scene = await setUp();
  scene.page.change((draft) => Object.assign(draft, { mine: true }));
  expect(await importTo(scene, A.save(small))).toMatchObject(["DOC_NOT_EMPTY", expect.anything()]);
  const imported = await setUp();
  expect(await importTo(imported, A.save(small))).toBeUndefined();
  const later = A.change(A.clone(small), { time: 0 }, (draft) => {
    draft.later = true;
  });
  expect(await importTo(imported, A.save(later))).toMatchObject(["DOC_NOT_EMPTY", expect.anything()]);
  expect([scene.engine.state.size, imported.engine.entries.length]).toEqual([1, 1]);
});

const [, second = new Uint8Array()] = A.getAllChanges(
  A.change(A.clone(small, { actor: "bb" }), { time: 0 }, (draft) => {
    draft.x = 1;
  }),
);

/** A document of a sound change and one that does this. */
function fileWith(change: (draft: Record<string, unknown>) => void, message = ""): Uint8Array {
  return A.save(A.change(A.clone(small, { actor: "bb" }), { time: 0, message }, change));
}

function setN(value: unknown): (draft: Record<string, unknown>) => void {
  return (draft) => {
    draft.n = value;
  };
}

const plainTail: ChangeTail = { time: 0, message: "", others: [], ops: [] };

/** A change behind a sound one, altered after Automerge made it: Automerge takes it all the same. */
function fileWithForged(forged: Partial<SplitChange>): Uint8Array {
  const split = { ...splitChange(second), ...forged };
  return concatBytes(A.save(small), buildChange(split, split.tail, plainSha256).bytes);
}

test.each<[string, () => Uint8Array, string]>([
  ["an integer beyond 2^53", () => fileWith(setN(2n ** 60n)), "beyond 2\\^53"],
  [
    "the key __proto__",
    () => fileWithForged({ tail: encodeTail({ ...plainTail, ops: [opOf({ key: "__proto__" })] }) }),
    "__proto__",
  ],
  ["a table", () => fileWithForged({ tail: encodeTail({ ...plainTail, ops: [plainOp(6)] }) }), "action 6"],
  ["a message of 5 kB", () => fileWith(setN(1), "x".repeat(5_000)), "5000"],
  ["a value of 1 MiB", () => fileWith(setN(new Uint8Array(changeTailBytesMax))), "tail of"],
  [
    "131,073 letters at once",
    () => fileWith((draft) => A.splice(draft, ["text"], 0, 0, "x".repeat(changeOpsMax + 1))),
    `${changeOpsMax + 1} ops`,
  ],
  ["a change that skips operations", () => fileWithForged({ startOp: 1_000 }), "does not stand on"],
])("[DOC-52] %s refuses the whole, with the change that it is in, and nothing is written", async (_, file, reason) => {
  const scene = await setUp();
  const refused = await importTo(scene, file());
  expect(refused).toMatchObject(["DOC_CHANGE", expect.stringMatching(`${reason}.* in change [0-9a-f]{64}`)]);
  expect(scene.engine.commits.size).toBe(0);
});

test.each<[string, Uint8Array]>([
  ["no file", new TextEncoder().encode("automerge:4NMNnkMhL8jXrdJ9jamS58PAVdXu")],
  ["a document of nothing", A.save(A.init())],
  ["a change without what it follows", second],
  ["a document with such a change behind it", concatBytes(A.save(A.from({ other: 1 })), second)],
  ["a checksummed nothing", A.save(small).subarray(0, 50)],
])("[DOC-52] %s is INPUT_INVALID, and nothing is written", async (_, bytes) => {
  const scene = await setUp();
  expect(await importTo(scene, bytes)).toMatchObject(["INPUT_INVALID", expect.anything()]);
  expect(scene.engine.commits.size).toBe(0);
});
