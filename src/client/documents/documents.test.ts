import * as A from "@automerge/automerge";
import { expect, onTestFinished, test } from "vitest";
import { TidemarkError } from "../../core/errors.ts";
import type { PublicKey } from "../../core/ids.ts";
import { docBaseBytes } from "../../core/limits.ts";
import { automerge, DocEngine, docDatabase } from "../../testing/doc-engine.ts";
import { LeaderLine } from "../leader-line.ts";
import { type Doc, replicaOf } from "./doc.ts";
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
  /** How often a place was asked for, for what is written when the page ends. */
  readonly places: { asked: number };
  open(store?: string): Promise<Doc<Note>>;
  until(check: () => boolean): Promise<void>;
}

/** The documents of one page, in real turns. */
function setUp(idleBytesMax = 1_000_000): SetUp {
  const engine = new DocEngine();
  const loads: string[] = [];
  const places = { asked: 0 };
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
    opened: () => {
      places.asked += 1;
    },
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
  const open = async (store = "page"): Promise<Doc<Note>> => {
    let doc: Doc<Note> | undefined;
    const opening = documents.open<Note>(docDatabase, store).then((opened) => {
      doc = opened;
    });
    await Promise.race([until(() => doc !== undefined), opening]);
    return doc as unknown as Doc<Note>;
  };
  return { engine, documents, loads, places, open, until };
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

/** What was let go is put aside in turns of microtasks, when nothing of it is to be written. */
async function letGo(doc: Doc<Note>): Promise<void> {
  doc.close();
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test("[DOC-69] of what nobody has open as much stays as there is room for, and what was let go first goes first", async () => {
  const { open, engine } = setUp(2 * docBaseBytes);
  const stores = ["a", "b", "c", "d"];
  const docs = [];
  for (const store of stores) docs.push(await open(store));
  const replicas = docs.map(replicaOf);
  const [a, b, c, d] = docs as [Doc<Note>, Doc<Note>, Doc<Note>, Doc<Note>];
  await letGo(b);
  await letGo(a);
  expect(engine.openings).toBe(4);
  await letGo(c);
  expect(engine.openings).toBe(3);
  expect(d.value).toEqual({});
  const again = [];
  for (const store of stores) again.push(replicaOf(await open(store)));
  expect(again.map((replica, at) => replica === replicas[at])).toEqual([true, false, true, true]);
});

test("[DOC-69] what is opened again while it is let go stays, and so does what another handle has open", async () => {
  const { documents, open, engine } = setUp(0);
  const [first, second] = [await open(), await open()];
  await letGo(first);
  expect(engine.openings).toBe(1);
  second.close();
  const third = await open();
  await letGo(second);
  expect([engine.openings, third.value]).toEqual([1, {}]);
  await letGo(third);
  expect(engine.openings).toBe(0);
  documents.keep();
});

test("[DOC-69] what nobody has open any more stays open until it is durable", async () => {
  const { note, engine, until } = await openNote(0);
  let end = (): void => {};
  engine.gate = () =>
    new Promise((resolve) => {
      end = resolve;
    });
  await letGo(note);
  expect([engine.openings, engine.entries.length]).toEqual([1, 0]);
  end();
  await until(() => engine.openings === 0);
  expect(engine.entries.length).toBe(1);
});

test("[DOC-69] a document that was closed for a failure is opened anew, whoever still holds the old one", async () => {
  const { documents, open } = setUp();
  const old = await open();
  replicaOf(old).close(new TidemarkError("DOC_CLOSED", { store: "page" }));
  documents.keep();
  const fresh = await open();
  expect(replicaOf(fresh)).not.toBe(replicaOf(old));
  await letGo(old);
  expect(replicaOf(await open())).toBe(replicaOf(fresh));
});

test("[DOC-65] after a freeze there is a place again for what is written, when something is open", async () => {
  const { documents, places, open } = setUp();
  documents.resume();
  expect(places.asked).toBe(0);
  await open();
  expect(places.asked).toBe(1);
  documents.resume();
  expect(places.asked).toBe(2);
});

test("[DOC-69] when the instance ends its documents do, and none is opened any more, also where it was on its way", async () => {
  const { documents, engine, note, open } = await openNote();
  const late = documents.open(docDatabase, "late");
  documents.close(closed);
  await expect(late).rejects.toBe(closed);
  await expect(open()).rejects.toBe(closed);
  expect(() => note.change(() => {})).toThrow(expect.objectContaining({ code: "INSTANCE_CLOSED" }));
  for (let i = 0; i < 20; i++) await Promise.resolve();
  // What was typed before is written all the same.
  expect([engine.openings, engine.commits.size]).toEqual([0, 1]);
  documents.keep();
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
  note.splice(["text"], 0, 0, "c");
  documents.suspend();
  expect([...engine.commits.values()]).toEqual([4]);
});

test("[DOC-53] an import opens the document that it made, and one that is refused keeps nothing open", async () => {
  const { documents, engine, until } = setUp(0);
  const importing = async (value: Record<string, unknown>): Promise<Doc<Note> | string> => {
    let outcome: Doc<Note> | string | undefined;
    documents.import<Note>(docDatabase, "page", A.save(A.from(value)), {}).then(
      (doc) => {
        outcome = doc;
      },
      ({ code }) => {
        outcome = code;
      },
    );
    await until(() => outcome !== undefined);
    return outcome as unknown as Doc<Note> | string;
  };
  const moved = (await importing({ text: "moved", list: [1] })) as Doc<Note>;
  expect(moved.value).toEqual({ text: "moved", list: [1] });
  expect(await importing({ text: "another" })).toBe("DOC_NOT_EMPTY");
  expect(engine.openings).toBe(1);
  moved.close();
  await until(() => engine.openings === 0);
});
