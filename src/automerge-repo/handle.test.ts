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

/** As bindings of editors keep their text: by the difference to the heads that they know, and by the patches that they are told. */
class Editors {
  readonly #handle: DocHandle<Page>;
  #heads: A.Heads;
  #byHeads: string;
  #byPatches: string;

  constructor(handle: DocHandle<Page>) {
    this.#handle = handle;
    this.#heads = A.getHeads(handle.doc());
    this.#byHeads = handle.doc().text;
    this.#byPatches = this.#byHeads;
    handle.on("change", ({ patches }) => {
      const doc = handle.doc();
      const heads = A.getHeads(doc);
      this.#byHeads = follow(this.#byHeads, A.diff(doc, this.#heads, heads));
      this.#heads = heads;
      this.#byPatches = follow(this.#byPatches, patches);
    });
  }

  expectSame(): void {
    const { text } = this.#handle.doc();
    expect({ byHeads: this.#byHeads, byPatches: this.#byPatches }).toEqual({ byHeads: text, byPatches: text });
  }
}

function follow(text: string, patches: readonly A.Patch[]): string {
  return patches.reduce((before, { action, path, ...patch }) => {
    const [key, at = 0] = path as [string, number?];
    if (key !== "text") return before;
    if (action === "put") return (patch as { value: string }).value;
    const inserted = action === "splice" ? (patch as { value: string }).value : "";
    const { length = 1 } = patch as { length?: number };
    return before.slice(0, at) + inserted + before.slice(at + (action === "del" ? length : 0));
  }, text);
}

/** What this page writes from now on is refused when the function that is returned is called. */
function refuseLater(engine: DocEngine, page: DocPage): () => void {
  let refuse = (): void => {};
  const decided = new Promise<void>((_, reject) => {
    refuse = () => reject(new TidemarkError("PERMISSION_DENIED", { need: "write", got: "read" }));
  });
  engine.gate = (writer) => (writer === page ? decided : undefined);
  return () => {
    engine.gate = () => {};
    refuse();
  };
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
  const editors = [new Editors(a.handle), new Editors(b.handle)];
  for (let i = 0; i < 12; i++) {
    const { doc, handle } = i % 3 === 0 ? a : b;
    if (i % 2 === 0) doc.splice(["text"], i % 5, 1, `${i}`);
    else handle.change((draft) => A.splice(draft, ["text"], i % 7, 0, `${i}`));
    if (i % 4 === 0) await engine.settle();
    expectSame(a, b);
  }
  await engine.settle();
  expectSame(a, b);
  for (const editor of editors) editor.expectSame();
  expect(a.doc.value).toEqual(b.doc.value);
});

test("[REPO-11] a change within what tells of another is not lost", async () => {
  const [engine, a] = await two();
  const doc = new Doc<Page>("page", a.page.replica, () => {});
  let isFirst = true;
  let shown = {};
  const repo = new Repo();
  doc.subscribe(() => {
    if (!isFirst) return;
    isFirst = false;
    handle.change((draft) => {
      draft.more = "said";
    });
    shown = handle.doc();
  });
  const handle = openHandle(repo, doc);
  doc.splice(["text"], 0, 5, "Bye");
  expect(shown).toEqual({ text: "Bye world", more: "said" });
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

test("[REPO-11] editors on a handle have its text when something is refused and another's change came meanwhile", async () => {
  const [engine, a, b] = await two();
  const editors = [new Editors(a.handle), new Editors(b.handle)];
  const refuse = refuseLater(engine, a.page);
  a.handle.change((draft) => A.splice(draft, ["text"], 0, 5, "Refused"));
  await engine.settle();
  b.handle.change((draft) => A.splice(draft, ["text"], 11, 0, "!"));
  await engine.settle();
  expect(a.handle.doc()).toEqual({ text: "Refused world!" });
  refuse();
  await engine.settle();
  expect(a.page.problems.splice(0)).toEqual(["PERMISSION_DENIED"]);
  expect(a.handle.doc()).toEqual({ text: "Hello world!" });
  for (const editor of editors) editor.expectSame();
  a.handle.change((draft) => A.splice(draft, ["text"], 0, 0, "> "));
  await engine.settle();
  for (const editor of editors) editor.expectSame();
  expectSame(a, b);
});

test("[REPO-11] what is changed by whoever is told of a refusal is not lost", async () => {
  const [engine, a] = await two();
  const editors = new Editors(a.handle);
  const refuse = refuseLater(engine, a.page);
  a.handle.change((draft) => A.splice(draft, ["text"], 0, 0, "Refused "));
  await engine.settle();
  refuse();
  a.handle.once("change", () => {
    a.handle.change((draft) => A.splice(draft, ["text"], 0, 5, "Bye"));
    a.doc.splice(["text"], 9, 0, "!");
  });
  await engine.settle();
  editors.expectSame();
  expect(a.handle.doc()).toEqual({ text: "Bye world!" });
  expect(a.page.problems.splice(0)).toEqual(["PERMISSION_DENIED"]);
  expectSame(a);
});

test("[REPO-11] the handle shows the page's own copy, and still does when the document is closed", async () => {
  const [, a] = await two();
  expect(a.handle.doc()).toBe(a.doc.value);
  a.handle.change((draft) => A.splice(draft, ["text"], 0, 0, "> "));
  expect(a.handle.doc()).toBe(a.doc.value);
  a.doc.close();
  const change = (): void => a.handle.change((draft) => A.splice(draft, ["text"], 0, 0, "> "));
  expect(change).toThrow(expect.objectContaining({ code: "DOC_CLOSED" }));
  a.page.replica.close(new TidemarkError("INSTANCE_CLOSED", { name: "test" }));
  expect(A.getHeads(a.handle.doc())).toHaveLength(1);
  expect(a.handle.doc()).toEqual({ text: "> Hello world" });
});

test("[REPO-11] a document that is opened again has the same handle; one that the repo forgot, a new one", async () => {
  const [engine, a] = await two();
  a.doc.close();
  a.page.replica.close(new TidemarkError("DOC_CLOSED", { store: "page" }));
  const page = await engine.page("a").open();
  const again = new Doc<Page>("page", page.replica, () => {});
  again.splice(["text"], 0, 0, "> ");
  expect(openHandle(a.repo, again)).toBe(a.handle);
  a.handle.change((draft) => A.splice(draft, ["text"], 13, 0, "!"));
  expect(again.value).toEqual({ text: "> Hello world!" });
  for (const forget of [() => a.repo.delete(a.handle.url), () => a.repo.removeFromCache(a.handle.documentId)]) {
    const before = openHandle(a.repo, again);
    await forget();
    const heard: unknown[] = [];
    before.on("heads-changed", (event) => heard.push(event));
    again.splice(["text"], 0, 2);
    expect(heard).toEqual([]);
    expect(() => before.change(() => {})).toThrow("not ready");
    const after = openHandle(a.repo, again);
    expect(after).not.toBe(before);
    after.change((draft) => A.splice(draft, ["text"], 0, 0, "> "));
    expect(after.doc()).toEqual({ text: "> Hello world!" });
  }
  await engine.settle();
  expect([...a.page.problems, ...page.problems]).toEqual([]);
});

test("[REPO-11] what is thrown in a change is thrown, and nothing is changed; its message is told in the history", async () => {
  const [, a] = await two();
  const { heads } = a.doc;
  let calls = 0;
  const fail = (draft: Page): void => {
    calls += 1;
    draft.more = "half";
    throw new Error("no");
  };
  expect(() => a.handle.change(fail)).toThrow("no");
  expect(() => a.handle.changeAt(a.handle.heads(), fail)).toThrow("no");
  expect(calls).toBe(2);
  expect(a.doc.heads).toEqual(heads);
  const named = { message: "named" };
  a.handle.change((draft) => A.splice(draft, ["text"], 0, 0, "> "), named);
  const [last = ""] = a.handle.heads();
  expect((a.handle.metadata(last) as { message?: string }).message).toBe("named");
});

test("[REPO-12] what another handle has, and what is put in its place, is written as a change of the page", async () => {
  const [engine, a, b] = await two();
  const editors = new Editors(a.handle);
  const other = a.repo.import<Page>(A.save(a.doc.value as A.Doc<Page>));
  other.change((draft) => A.splice(draft, ["text"], 0, 5, "Bye"));
  a.handle.change((draft) => A.splice(draft, ["text"], 11, 0, "!"));
  a.handle.merge(other);
  expect(a.doc.value).toEqual({ text: "Bye world!" });
  a.handle.update((doc) => A.change(doc, (draft) => A.splice(draft, ["text"], 0, 0, "> ")));
  a.handle.update((doc) => doc);
  expect(a.doc.value).toEqual({ text: "> Bye world!" });
  editors.expectSame();
  await engine.settle();
  expectSame(a, b);
  expect(b.doc.value).toEqual({ text: "> Bye world!" });
});

test("[REPO-11] who changes it as of earlier heads goes on at those that it is told", async () => {
  const [engine, a, b] = await two();
  const editors = new Editors(a.handle);
  let at = a.handle.heads();
  b.handle.change((draft) => A.splice(draft, ["text"], 0, 0, "> "));
  await engine.settle();
  for (const letter of "abc") {
    const made = a.handle.changeAt(at, (draft) => A.splice(draft, ["text"], 5, 0, letter));
    at = made ?? at;
  }
  expect(a.doc.value).toEqual({ text: "> Hellocba world" });
  expect(a.handle.changeAt(at, () => {})).toEqual(at);
  editors.expectSame();
  await engine.settle();
  expectSame(a, b);
});

test("what React hooks and bindings ask a handle and its repo for is there", async () => {
  const [, a] = await two();
  const before = a.handle.heads();
  a.handle.change((draft) => A.splice(draft, ["text"], 5, 0, ","));
  expect(a.handle.isReady()).toBe(true);
  expect(a.handle.isReadOnly()).toBe(false);
  expect(a.repo.findWithProgress(a.handle.url)).toMatchObject({ state: "ready", handle: a.handle });
  expect(a.handle.view(before).doc()).toEqual({ text: "Hello world" });
  expect(a.handle.history()).toEqual([before, a.handle.heads()]);
  expect(a.handle.diff(before)).toEqual([{ action: "del", path: ["text", 5] }]);
  const text = a.handle.ref("text");
  expect(text.value()).toBe("Hello, world");
  a.handle.ref("more").change(() => "!");
  expect(a.doc.value).toEqual({ text: "Hello, world", more: "!" });
  const told: unknown[] = [];
  a.handle.on("change", ({ doc, patchInfo }) => told.push([patchInfo.before.text, doc.text, patchInfo.after.text]));
  a.doc.splice(["text"], 0, 5, "Bye");
  expect(told).toEqual([["Hello, world", "Bye, world", "Bye, world"]]);
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
