import { expect, test } from "vitest";
import { TidemarkError } from "../../core/errors.ts";
import { docWriteTriesMax } from "../../core/limits.ts";
import { DocEngine, type DocPage, docDatabase } from "../../testing/doc-engine.ts";
import type { StoreWrites, WorkerApi } from "../../worker/api.ts";
import { writeTogether } from "./joint-write.ts";

async function pageOf(engine: DocEngine): Promise<DocPage> {
  const page = await engine.page("a").open();
  page.change((draft) => Object.assign(draft, { text: "Hello" }));
  await engine.settle();
  return page;
}

function api(engine: DocEngine, page: DocPage): WorkerApi {
  return engine.apiFor(page);
}

function edit(page: DocPage, text: string) {
  return { replica: page.replica, changes: [(draft: Record<string, unknown>) => void Object.assign(draft, { text })] };
}

test("[DOC-64] a document that a transaction changes is in one write with the rest, and what was typed before is not", async () => {
  const engine = new DocEngine();
  const page = await pageOf(engine);
  page.splice(5, 0, "!");
  const written: (readonly StoreWrites[])[] = [];
  const done = writeTogether([edit(page, "Bye")], async (stores) => {
    written.push(stores);
    await api(engine, page).commit(docDatabase, stores);
  });
  await engine.settle();
  await done;
  expect(written).toMatchObject([[{ type: "doc", store: "page" }]]);
  expect(engine.entries.map(({ payload }) => payload.changes.length)).toEqual([1, 1, 1]);
  page.splice(0, 0, ">");
  await engine.settle();
  expect(page.value).toEqual({ text: ">Bye" });
  expect(engine.state.heads()).toEqual(page.replica.heads);
  expect(page.replica.canUndo).toBe(true);
});

test("[DOC-64] when one of its functions throws, no document is changed and nothing is written", async () => {
  const engines = [new DocEngine(), new DocEngine()];
  const pages = await Promise.all(engines.map(pageOf));
  const [first, second] = pages as [DocPage, DocPage];
  const failing = {
    replica: second.replica,
    changes: [
      () => {
        throw new Error("mine");
      },
    ],
  };
  const heads = pages.map(({ replica }) => replica.heads);
  await expect(writeTogether([edit(first, "Bye"), failing], () => expect.fail("written"))).rejects.toThrow("mine");
  expect(pages.map(({ replica }) => replica.heads)).toEqual(heads);
});

test("[DOC-64] what a refused transaction changed is taken back, and the problem is told to who made it alone", async () => {
  const engine = new DocEngine();
  const page = await pageOf(engine);
  const missing = new TidemarkError("ROW_MISSING", { store: "notes", row: "n1" });
  const marked = { replica: page.replica, changes: [(draft: object) => void Object.assign(draft, { isDone: true })] };
  const done = writeTogether([marked], async () => {
    expect(page.value).toEqual({ text: "Hello", isDone: true });
    page.splice(0, 0, "typed ");
    await Promise.resolve();
    throw missing;
  });
  await expect(done).rejects.toBe(missing);
  await engine.settle();
  expect(page.value).toEqual({ text: "typed Hello" });
  expect(page.problems).toEqual([]);
  expect(engine.state.heads()).toEqual(page.replica.heads);
});

test("[DOC-64] one whose document became another meanwhile is made again, and is in it once", async () => {
  const engine = new DocEngine();
  const page = await pageOf(engine);
  const other = await engine.page("b").open();
  other.splice(0, 0, "cheat ");
  await engine.settle();
  let tries = 0;
  const done = writeTogether([edit(page, "Bye")], async (stores) => {
    if (++tries === 1) engine.cut(({ author }) => author === other.author);
    engine.gate = (from) => {
      if (from === other) throw new TidemarkError("PERMISSION_DENIED", { need: "write", have: "read" } as never);
    };
    await api(engine, page).commit(docDatabase, stores);
  });
  await engine.settle();
  await done;
  await engine.settle();
  expect(tries).toBe(2);
  expect(page.value).toEqual({ text: "Bye" });
  expect(engine.state.heads()).toEqual(page.replica.heads);
  expect(other.value).toEqual(page.value);
});

test("[DOC-64] one whose document becomes another each time is refused in the end, and taken back", async () => {
  const engine = new DocEngine();
  const page = await pageOf(engine);
  let tries = 0;
  const done = writeTogether([edit(page, "Bye")], async () => {
    if (++tries > docWriteTriesMax) expect.fail("tried too often");
    throw new TidemarkError("DOC_OUTDATED", { store: "page", reason: "hash" });
  });
  done.catch(() => {});
  await engine.settle();
  await expect(done).rejects.toMatchObject({ code: "DOC_OUTDATED" });
  expect(tries).toBe(docWriteTriesMax);
  expect(page.value).toEqual({ text: "Hello" });
});

test("[DOC-64] all that a transaction does to a document is one change, and none where it does nothing", async () => {
  const engine = new DocEngine();
  const page = await pageOf(engine);
  const nothing = { replica: page.replica, changes: [() => {}] };
  const written: (readonly StoreWrites[])[] = [];
  await writeTogether([nothing], async (stores) => void written.push(stores));
  expect(written).toEqual([[]]);
  const { replica } = page;
  const changes = ["Bye", "Good night"].map((text, at) => (draft: object) => void Object.assign(draft, { [at]: text }));
  const done = writeTogether([{ replica, changes }], (stores) => api(engine, page).commit(docDatabase, stores));
  await engine.settle();
  await done;
  expect(page.value).toEqual({ text: "Hello", 0: "Bye", 1: "Good night" });
  expect(engine.entries.map(({ payload }) => payload.changes.length)).toEqual([1, 1]);
});

test("[DOC-64] a transaction waits until the last of its documents is not being made anew any more", async () => {
  const engines = [new DocEngine(), new DocEngine()] as const;
  const [steady, other] = [await pageOf(engines[0]), await pageOf(engines[1])];
  engines[1].gate = () => {
    engines[1].gate = () => {};
    throw new TidemarkError("ENTRY_TOO_LARGE", { got: 2, max: 1 });
  };
  other.change((draft) => Object.assign(draft, { lost: 1 }));
  other.replica.flush();
  while (other.replica.isSteady) await Promise.resolve();
  let tries = 0;
  const done = writeTogether([edit(steady, "Bye"), edit(other, "Bye")], async (stores) => {
    tries += 1;
    await api(engines[0], steady).commit(docDatabase, stores.slice(0, 1));
    await api(engines[1], other).commit(docDatabase, stores.slice(1));
  });
  await engines[1].settle();
  await engines[0].settle();
  await engines[1].settle();
  await done;
  expect(tries).toBe(1);
  expect([steady.value, other.value]).toEqual([{ text: "Bye" }, { text: "Bye" }]);
  expect(engines[1].state.heads()).toEqual(other.replica.heads);
});

test("[DOC-64] a document that is made anew once more as soon as it was is waited for again", async () => {
  let waits = 0;
  const replica = {
    get isSteady() {
      return waits === 2;
    },
    steady: async () => void waits++,
    prepare: () => () => undefined,
  };
  await writeTogether([{ replica: replica as never, changes: [] }], async () => expect(waits).toBe(2));
});

test("[DOC-64] where a later document refuses what is changed in it, an earlier one takes back what it showed", async () => {
  const engines = [new DocEngine(), new DocEngine()] as const;
  const [first, second] = [await pageOf(engines[0]), await pageOf(engines[1])];
  const large = {
    replica: second.replica,
    changes: [(draft: object) => void Object.assign(draft, { large: 2 ** 60 })],
  };
  await expect(writeTogether([edit(first, "Bye"), large], () => expect.fail("written"))).rejects.toMatchObject({
    code: "INPUT_INVALID",
  });
  for (const engine of engines) await engine.settle();
  expect([first.value, second.value]).toEqual([{ text: "Hello" }, { text: "Hello" }]);
  await Promise.all([first.replica.saved(), second.replica.saved()]);
});
