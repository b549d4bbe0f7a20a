import { expect, onTestFinished, test } from "vitest";
import { TidemarkError } from "../../core/errors.ts";
import type { PublicKey } from "../../core/ids.ts";
import { automerge, DocEngine, docDatabase } from "../../testing/doc-engine.ts";
import { LeaderLine } from "../leader-line.ts";
import type { Doc } from "./doc.ts";
import { Documents } from "./documents.ts";

interface Note {
  text: string;
  list: (string | number)[];
}

const closed = new TidemarkError("INSTANCE_CLOSED", { name: "test" });

interface SetUp {
  readonly engine: DocEngine;
  readonly documents: Documents;
  readonly loads: string[];
  open(): Promise<Doc<Note>>;
  until(check: () => boolean): Promise<void>;
}

/** The documents of one page, in real turns. */
function setUp(idleBytesMax = 1_000_000): SetUp {
  const engine = new DocEngine();
  const loads: string[] = [];
  const line = new LeaderLine({ tab: "t1", forget: async () => {}, began: () => {}, wrote: () => {} });
  const author = "a".repeat(64) as PublicKey;
  line.attach({ api: engine.apiFor({ author, take: (changes) => documents.take(changes) }) });
  const documents = new Documents({
    line,
    load: async () => {
      loads.push("load");
      return automerge;
    },
    report: (error) => expect.fail(String(error)),
    opened: () => {},
    idleBytesMax,
  });
  onTestFinished(() => documents.close(closed));
  const until = async (check: () => boolean): Promise<void> => {
    const moved = (): boolean => {
      engine.deliver();
      return check();
    };
    await expect.poll(moved, { interval: 1, timeout: 20_000 }).toBe(true);
  };
  const open = async (): Promise<Doc<Note>> => {
    let doc: Doc<Note> | undefined;
    const opening = documents.open<Note>(docDatabase, "page").then((opened) => {
      doc = opened;
    });
    await Promise.race([until(() => doc !== undefined), opening]);
    return doc as unknown as Doc<Note>;
  };
  return { engine, documents, loads, open, until };
}

async function openNote(options?: number): Promise<SetUp & { readonly note: Doc<Note> }> {
  const all = setUp(options);
  const note = await all.open();
  note.change((draft) => {
    draft.text = "Hello";
    draft.list = ["a"];
  });
  return { ...all, note };
}

test("[DOC-66] Automerge is loaded when a document is opened, and not before", async () => {
  const { loads, open } = setUp();
  expect(loads).toEqual([]);
  await open();
  expect(loads).toEqual(["load"]);
});

test("[DOC-69] all handles of a page show one document; one that is closed hears nothing and says so", async () => {
  const { note, open } = await openNote();
  const other = await open();
  expect(other.value).toBe(note.value);
  const heard: string[] = [];
  other.subscribe(({ value }) => heard.push(value.text));
  note.subscribe(({ origin }) => heard.push(origin));
  note.splice(["text"], 5, 0, "!");
  expect(heard).toEqual(["Hello!", "local"]);
  other.close();
  other.close();
  note.splice(["text"], 6, 0, "!");
  expect(heard).toEqual(["Hello!", "local", "local"]);
  for (const use of [
    () => other.heads,
    () => other.change(() => {}),
    () => other.changeAt([], () => {}),
    () => other.undo(),
    () => other.at([]),
  ]) {
    expect(use).toThrow(expect.objectContaining({ code: "DOC_CLOSED" }));
  }
  await expect(other.saved()).rejects.toMatchObject({ code: "DOC_CLOSED" });
});

test("[DOC-69] a document that nobody has open stays while there is room, and goes when it is durable", async () => {
  const roomy = await openNote();
  const held = roomy.note.value;
  roomy.note.close();
  expect((await roomy.open()).value).toBe(held);
  const { note, engine, open, until } = await openNote(0);
  const before = note.value;
  note.close();
  await until(() => engine.entries.length === 1);
  // The first handle's replica is gone: what is opened now is another.
  await until(() => engine.openings === 0);
  const again = await open();
  expect(again.value).toEqual(before);
  expect(again.value).not.toBe(before);
  expect(note.value).toEqual(before);
});

test("[DOC-72] mistakes are told at the call, with what was got and what was expected", async () => {
  const { note } = await openNote();
  const refused: readonly (() => unknown)[] = [
    () => note.change(5 as never),
    () => note.change((async () => {}) as never),
    () => note.change(() => {}, { message: 5 as never }),
    () => note.splice(["list"], 0, 0, "x"),
    () => note.splice(["nowhere", "at all"], 0, 0, "x"),
    () => note.splice("text" as never, 0, 0, "x"),
    () => note.splice(["text"], -1, 0, "x"),
    () => note.splice(["text"], 0, 1.5, "x"),
    () => note.at(["ff"]),
    () => note.at(["0".repeat(64)]),
    () => note.cursor(["list"], 0),
    () => note.position(["text"], "nonsense"),
    () => note.conflicts(["text"], "x"),
    () => note.subscribe(undefined as never),
  ];
  for (const [at, call] of refused.entries()) {
    expect(call, `call ${at}`).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  }
  expect(note.value).toEqual({ text: "Hello", list: ["a"] });
});

test("[DOC-72] a state is shown as it was, a cursor stays at its place, and a path that was given is left as it was", async () => {
  const { note } = await openNote();
  const heads = note.heads;
  const cursor = note.cursor(["text"], 4);
  const path = ["text"] as const;
  note.splice(path, 0, 0, ">> ");
  expect(path).toEqual(["text"]);
  expect(note.position(path, cursor)).toBe(7);
  expect([note.at(heads).text, note.value.text]).toEqual(["Hello", ">> Hello"]);
});

test("[DOC-72] what several wrote at once is listed, and one of it is the value on both sides", async () => {
  const { note, engine, until } = await openNote();
  await note.saved();
  const other = await engine.page("b").open();
  note.change((draft) => {
    draft.list[0] = 1;
  });
  other.change((draft) => {
    (draft as unknown as Note).list[0] = 2;
  });
  await engine.settle();
  await until(() => note.conflicts(["list"], 0) !== undefined);
  expect(Object.values(note.conflicts(["list"], 0) ?? {}).sort()).toEqual([1, 2]);
  await engine.settle();
  expect(other.value).toEqual(note.value);
  expect(note.conflicts([], "text")).toBeUndefined();
});

test("[DOC-65] what was changed is on its way when the page may end, though an entry is under way", async () => {
  const { note, engine, documents } = await openNote();
  engine.gate = () => new Promise(() => {});
  documents.keep();
  note.splice(["text"], 0, 0, "a");
  documents.keep();
  note.splice(["text"], 0, 0, "b");
  documents.keep();
  expect([...engine.commits.values()]).toEqual([3]);
});
