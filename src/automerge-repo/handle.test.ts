import * as A from "@automerge/automerge";
import { type DocHandle, Repo } from "@automerge/automerge-repo";
import { expect, test } from "vitest";
import { Doc } from "../client/documents/doc.ts";
import { TidemarkError } from "../core/errors.ts";
import { encodeHex } from "../core/ids.ts";
import { DocEngine, type DocPage } from "../testing/doc-engine.ts";
import { openHandle } from "./handle.ts";
import { TidemarkNetworkAdapter } from "./network-adapter.ts";

interface Page {
  text: string;
  more?: string;
}

interface Seen {
  readonly page: DocPage;
  readonly doc: Doc<Page>;
  readonly repo: Repo;
  readonly handle: DocHandle<Page>;
}

function show(page: DocPage): Seen {
  const doc = new Doc<Page>("page", page.replica, () => {});
  const repo = new Repo();
  return { page, doc, repo, handle: openHandle(repo, doc) };
}

async function two(): Promise<readonly [DocEngine, Seen, Seen]> {
  const engine = new DocEngine();
  const [a, b] = [show(await engine.page("a").open()), show(await engine.page("b").open())];
  a.handle.change((draft) => {
    draft.text = "Hello world";
  });
  await engine.settle();
  return [engine, a, b];
}

function expectSame(...all: readonly Seen[]): void {
  for (const { doc, handle, page } of all) {
    expect(handle.doc()).toEqual(doc.value);
    expect(A.getHeads(handle.doc()).toSorted()).toEqual([...doc.heads].toSorted());
    expect(A.getActorId(handle.doc())).toBe(encodeHex(page.replica.actor));
    expect(page.problems).toEqual([]);
  }
}

test("[REPO-11] what is changed in a handle is in the document at once, is stored, and comes to the other's handle", async () => {
  const [engine, a, b] = await two();
  expect(b.handle.doc()).toEqual({ text: "Hello world" });
  a.handle.change((draft) => A.splice(draft, ["text"], 5, 0, ","));
  expect(a.doc.value).toEqual({ text: "Hello, world" });
  expectSame(a);
  await engine.settle();
  expectSame(a, b);
  expect(engine.state.heads().toSorted()).toEqual([...b.doc.heads].toSorted());
  expect(b.doc.value).toEqual({ text: "Hello, world" });
});

test("[REPO-11] what is changed in the document is in the handle at once, with its patches, and undone there too", async () => {
  const [, a] = await two();
  const patches: unknown[] = [];
  a.handle.on("change", (event) => patches.push(...event.patches));
  a.doc.splice(["text"], 0, 5, "Bye");
  expect(a.handle.doc()).toEqual({ text: "Bye world" });
  expect(patches).toEqual([
    { action: "splice", path: ["text", 0], value: "Bye" },
    { action: "del", path: ["text", 3], length: 5 },
  ]);
  a.handle.change((draft) => {
    draft.more = "!";
  });
  expectSame(a);
  while (a.doc.canUndo) a.doc.undo();
  expectSame(a);
});

test("[REPO-11] changes in turns, in both and by both, agree in the end", async () => {
  const [engine, a, b] = await two();
  for (let i = 0; i < 12; i++) {
    const { doc, handle } = i % 3 === 0 ? a : b;
    if (i % 2 === 0) doc.splice(["text"], i % 5, 1, `${i}`);
    else handle.change((draft) => A.splice(draft, ["text"], i % 7, 0, `${i}`));
    if (i % 4 === 0) await engine.settle();
    expectSame(a, b);
  }
  await engine.settle();
  expectSame(a, b);
  expect(a.doc.value).toEqual(b.doc.value);
});

test("[REPO-11] a change within what tells of another is not lost", async () => {
  const [engine, a] = await two();
  const doc = new Doc<Page>("page", a.page.replica, () => {});
  let isFirst = true;
  const repo = new Repo();
  doc.subscribe(() => {
    if (!isFirst) return;
    isFirst = false;
    handle.change((draft) => {
      draft.more = "said";
    });
  });
  const handle = openHandle(repo, doc);
  doc.splice(["text"], 0, 5, "Bye");
  await engine.settle();
  expect(doc.value).toEqual({ text: "Bye world", more: "said" });
  expect(handle.doc()).toEqual(doc.value);
  expectSame(a);
});

test("[REPO-12] what is changed as of an earlier state is written again under the page's actor", async () => {
  const [engine, a, b] = await two();
  const before = a.handle.heads();
  a.handle.change((draft) => A.splice(draft, ["text"], 0, 0, "> "));
  a.handle.changeAt(before, (draft) => A.splice(draft, ["text"], 11, 0, "!"));
  expect(a.doc.value).toEqual({ text: "> Hello world!" });
  await engine.settle();
  expectSame(a, b);
  expect(b.doc.value).toEqual({ text: "> Hello world!" });
});

test("[REPO-11] what is refused is taken back in the handle too", async () => {
  const [engine, a, b] = await two();
  engine.gate = () => {
    throw new TidemarkError("PERMISSION_DENIED", { need: "write", got: "read" });
  };
  a.handle.change((draft) => {
    draft.more = "refused";
  });
  await engine.settle();
  engine.gate = () => {};
  expect(a.handle.doc()).toEqual({ text: "Hello world" });
  a.page.problems.length = 0;
  expectSame(a);
  a.handle.change((draft) => {
    draft.more = "taken";
  });
  await engine.settle();
  expectSame(a, b);
  expect(b.handle.doc()).toEqual({ text: "Hello world", more: "taken" });
});

test("the handle is found by its URL, which is the same on every device, and the same when it is opened twice", async () => {
  const [, a, b] = await two();
  expect(await a.repo.find(a.handle.url)).toBe(a.handle);
  expect(openHandle(a.repo, a.doc)).toBe(a.handle);
  expect(b.handle.url).toBe(a.handle.url);
  const other = new Doc<Page>("other", a.page.replica, () => {});
  expect(openHandle(a.repo, other).url).not.toBe(a.handle.url);
});

test("a repo with a network, and what is no document, are INPUT_INVALID; a closed document is DOC_CLOSED", async () => {
  const [, a] = await two();
  const channel = { peers: () => [], send: async () => {}, on: () => () => {}, close: () => {} };
  const repo = new Repo({ network: [new TidemarkNetworkAdapter({ sync: { messages: () => channel } })] });
  expect(() => openHandle(repo, a.doc)).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  expect(() => openHandle(a.repo, {} as never)).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  a.doc.close();
  expect(() => openHandle(new Repo(), a.doc)).toThrow(expect.objectContaining({ code: "DOC_CLOSED" }));
});
