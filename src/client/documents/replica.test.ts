import { expect, test } from "vitest";
import { TidemarkError } from "../../core/errors.ts";
import { docEntryEveryMs, gatheredMs } from "../../core/limits.ts";
import { automerge, DocEngine, type DocPage } from "../../testing/doc-engine.ts";

const denied = new TidemarkError("PERMISSION_DENIED", { need: "write", have: "read" } as never);

async function twoPages(): Promise<readonly [DocEngine, DocPage, DocPage]> {
  const engine = new DocEngine();
  const [a, b] = [await engine.page("a").open(), await engine.page("b").open()];
  a.change((draft) => Object.assign(draft, { text: "Hello world" }));
  await engine.settle();
  return [engine, a, b];
}

test("[DOC-60] a change is shown when the call returns, and the changes of one turn are one entry", async () => {
  const engine = new DocEngine();
  const a = await engine.page("a").open();
  a.change((draft) => Object.assign(draft, { text: "" }));
  for (const letter of ["a", "b", "c"]) a.splice(0, 0, letter);
  expect(a.value).toEqual({ text: "cba" });
  expect(engine.commits.size).toBe(0);
  await engine.settle();
  expect(engine.entries.map(({ payload }) => payload.changes.length)).toEqual([4]);
  expect(engine.state.heads()).toEqual(a.replica.heads);
});

test("[DOC-60] what a listener hears is what is shown: value, patches and heads, local and remote", async () => {
  const [engine, a, b] = await twoPages();
  expect(b.value).toEqual({ text: "Hello world" });
  a.events.length = 0;
  b.events.length = 0;
  a.splice(5, 0, "!");
  expect(a.events).toEqual([
    {
      value: { text: "Hello! world" },
      patches: [{ action: "splice", path: ["text", 5], value: "!" }],
      origin: "local",
      heads: a.replica.heads,
    },
  ]);
  await engine.settle();
  expect(b.events).toMatchObject([{ origin: "remote", value: { text: "Hello! world" }, heads: a.replica.heads }]);
  expect(a.events).toHaveLength(1);
  expect(Object.isFrozen(b.value)).toBe(true);
});

test("[DOC-74] edits of a text that nobody looks at between are one change, and shown when somebody looks", async () => {
  const engine = new DocEngine();
  const a = await engine.page("a", { local: false }).open();
  a.change((draft) => Object.assign(draft, { text: "", other: "" }));
  for (const [i, letter] of [..."Hello"].entries()) a.splice(i, 0, letter);
  expect(a.value).toEqual({ text: "Hello", other: "" });
  a.splice(5, 0, "!");
  a.replica.splice(["other"], { index: 0, deleteCount: 0, text: "?" });
  a.splice(6, 0, "!");
  await engine.settle();
  // The first, one for what was looked at, and one each time that another text is written.
  expect(engine.entries.map(({ payload }) => payload.changes.length)).toEqual([5]);
  expect(a.value).toEqual({ text: "Hello!!", other: "?" });
  expect(engine.state.heads()).toEqual(a.replica.heads);
  a.splice(0, 5, "Bye");
  expect(automerge.view(a.replica.openDoc, [...a.replica.heads])).toEqual({ text: "Bye!!", other: "?" });
});

test.each([true, false])(
  "[DOC-74] what another writes in lines that stay where a text is replaced stays, whether somebody listens or not: %s",
  async (local) => {
    const engine = new DocEngine();
    const [a, b] = [await engine.page("a", { local }).open(), await engine.page("b").open()];
    const text = Array.from({ length: 40 }, (_, i) => `line ${i} of it\n`).join("");
    a.change((draft) => Object.assign(draft, { text }));
    await engine.settle();
    b.splice(text.indexOf(" 20") + 3, 0, "!");
    const formatted = `Title\n${text.replace("39 of it", "the last")}`;
    a.splice(0, text.length, formatted);
    await engine.settle();
    expect(a.value).toEqual({ text: formatted.replace("line 20", "line 20!") });
    expect(b.value).toEqual(a.value);
  },
);

test("[DOC-74] an edit that is not in the text throws as Automerge does, and nothing is lost of those before it", async () => {
  const engine = new DocEngine();
  const a = await engine.page("a", { local: false }).open();
  a.change((draft) => Object.assign(draft, { text: "" }));
  a.splice(0, 0, "Hello");
  expect(() => a.splice(6, 0, "!")).toThrow(RangeError);
  expect(() => a.replica.splice(["gone"], { index: 0, deleteCount: 0, text: "!" })).toThrow(
    expect.objectContaining({ code: "INPUT_INVALID" }),
  );
  await engine.settle();
  expect(a.value).toEqual({ text: "Hello" });
  expect(engine.state.heads()).toEqual(a.replica.heads);
});

test("[DOC-74] edits gather while an entry is under way, and no longer than gatheredMs", async () => {
  const engine = new DocEngine();
  const a = await engine.page("a", { local: false }).open();
  a.change((draft) => Object.assign(draft, { text: "" }));
  await engine.settle();
  let open = (): void => {};
  engine.gate = () =>
    new Promise((resolve) => {
      open = resolve;
    });
  const type = async (letter: string): Promise<void> => {
    a.splice(0, 0, letter);
    await engine.settle();
  };
  for (const letter of ["a", "b", "c"]) await type(letter);
  a.nowMs += gatheredMs;
  for (const letter of ["d", "e"]) await type(letter);
  engine.gate = () => {};
  open();
  await engine.settle();
  expect(engine.entries.slice(1).map(({ payload }) => payload.changes.length)).toEqual([1, 2]);
  expect(a.value).toEqual({ text: "edcba" });
  expect(engine.state.heads()).toEqual(a.replica.heads);
});

test("[DOC-74] who does not listen to what the page changes hears of the rest", async () => {
  const [engine, , b] = await twoPages();
  const a = await engine.page("c", { local: false }).open();
  a.splice(0, 0, "> ");
  a.change((draft) => Object.assign(draft, { title: "" }));
  await engine.settle();
  expect(a.events).toEqual([]);
  b.splice(0, 0, "1");
  await engine.settle();
  a.replica.undo();
  a.replica.redo();
  expect(a.events.map(({ origin }) => origin)).toEqual(["remote", "undo", "redo"]);
});

test("[DOC-60] what is shown is frozen but for bytes, and what did not change is the same object as before", async () => {
  const [engine, a, b] = await twoPages();
  a.change((draft) =>
    Object.assign(draft, { bytes: new Uint8Array([1, 2]), list: [{ deep: { n: 1 } }], kept: { n: 1 } }),
  );
  await engine.settle();
  for (const { value } of [a, b]) {
    const { list, kept } = value as { readonly list: { deep: object }[]; readonly kept: object };
    for (const part of [value, list, list[0], list[0]?.deep, kept]) expect(Object.isFrozen(part)).toBe(true);
  }
  const { kept } = b.value;
  a.change(({ list }) => Object.assign((list as object[] | undefined)?.[0] ?? {}, { more: new Uint8Array([3]) }));
  await engine.settle();
  expect(b.value).toEqual({
    text: "Hello world",
    bytes: new Uint8Array([1, 2]),
    list: [{ deep: { n: 1 }, more: new Uint8Array([3]) }],
    kept: { n: 1 },
  });
  const { kept: same } = b.value;
  expect(same).toBe(kept);
  expect([...a.problems, ...b.problems]).toEqual([]);
});

test("[DOC-60] a callback that throws changes nothing, and a change within another is refused", async () => {
  const [engine, a] = await twoPages();
  const failing = (): void =>
    a.change((draft) => {
      Object.assign(draft, { text: "lost" });
      throw new Error("mine");
    });
  expect(failing).toThrow("mine");
  expect(() => a.change(() => a.splice(0, 0, "x"))).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  a.splice(0, 0, ">");
  await engine.settle();
  expect(a.value).toEqual({ text: ">Hello world" });
  expect(engine.state.heads()).toEqual(a.replica.heads);
});

test("[DOC-73] a change at earlier heads is what it would have been then, and one after it follows it", async () => {
  const [engine, a, b] = await twoPages();
  const { heads } = a.replica;
  b.splice(0, 5, "Goodbye");
  await engine.settle();
  const write = (at: readonly string[], index: number, text: string): readonly string[] =>
    a.replica.changeAt(at, (draft) => automerge.splice(draft, ["text"], index, 0, text)) ?? [];
  const first = write(heads, 11, "!");
  const second = write(first, 12, "?");
  expect(automerge.view(a.replica.doc, [...second])).toEqual({ text: "Hello world!?" });
  expect(a.value).toEqual({ text: "Goodbye world!?" });
  expect(a.events.slice(-2).map(({ origin, patches }) => [origin, patches])).toEqual([
    ["local", [{ action: "splice", path: ["text", 13], value: "!" }]],
    ["local", [{ action: "splice", path: ["text", 14], value: "?" }]],
  ]);
  a.splice(0, 0, "> ");
  await engine.settle();
  expect(b.value).toEqual({ text: "> Goodbye world!?" });
  expect(engine.state.heads()).toEqual(a.replica.heads);
  expect(a.problems).toEqual([]);
});

test("[DOC-73] a change at heads that lack one of this page's own is refused, and changes nothing", async () => {
  const [engine, a, b] = await twoPages();
  const { heads } = a.replica;
  a.splice(0, 0, "1");
  expect(() => a.replica.changeAt(heads, (draft) => Object.assign(draft, { text: "" }))).toThrow(
    expect.objectContaining({ code: "INPUT_INVALID" }),
  );
  await engine.settle();
  expect(b.value).toEqual({ text: "1Hello world" });
  expect(engine.state.heads()).toEqual(b.replica.heads);
});

test("[DOC-61] an entry begins docEntryEveryMs after the one before at the soonest, unless somebody waits for it", async () => {
  const engine = new DocEngine();
  const a = await engine.page("a").open();
  a.nowMs = 1_000;
  a.change((draft) => Object.assign(draft, { text: "" }));
  expect(a.waitedMs).toEqual([]);
  await engine.settle();
  a.waitedMs.length = 0;
  a.nowMs += 5;
  a.splice(0, 0, "x");
  a.splice(0, 0, "y");
  expect(a.waitedMs).toEqual([docEntryEveryMs - 5]);
  await engine.settle();
  expect(engine.entries.map(({ payload }) => payload.changes.length)).toEqual([1, 2]);
  a.waitedMs.length = 0;
  a.nowMs += docEntryEveryMs;
  a.splice(0, 0, "z");
  expect(a.waitedMs).toEqual([]);
  await engine.settle();
  a.splice(0, 0, "!");
  const saved = a.replica.saved();
  expect(engine.commits.get(a)).toBe(4);
  await engine.settle();
  await saved;
});

test("[DOC-61] while an entry is under way the next gathers, and each change is in one entry, once", async () => {
  const [engine, a, b] = await twoPages();
  let open = (): void => {};
  engine.gate = () =>
    new Promise((resolve) => {
      open = resolve;
    });
  a.splice(0, 0, "1");
  await engine.settle();
  for (const letter of ["2", "3"]) {
    a.splice(0, 0, letter);
    await engine.settle();
  }
  expect(engine.commits.get(a)).toBe(2);
  engine.gate = () => {};
  open();
  await engine.settle();
  expect(engine.entries.slice(1).map(({ payload }) => payload.changes.length)).toEqual([1, 2]);
  expect(b.value).toEqual({ text: "321Hello world" });
});

test("[DOC-61] a change that follows what came meanwhile is in one entry with those before it, and says so", async () => {
  const [engine, a, b] = await twoPages();
  let open = (): void => {};
  engine.gate = (page) => {
    if (page.author !== a.author) return;
    return new Promise((resolve) => {
      open = resolve;
    });
  };
  a.splice(0, 0, "1");
  await engine.settle();
  a.splice(0, 0, "2");
  await engine.settle();
  b.splice(11, 0, "!");
  await engine.settle();
  a.splice(0, 0, "3");
  await engine.settle();
  engine.gate = () => {};
  open();
  await engine.settle();
  expect(engine.entries.at(-1)?.payload.changes.map(({ deps }) => deps?.length)).toEqual([1, 2]);
  expect(a.value).toEqual({ text: "321Hello world!" });
  expect(b.value).toEqual(a.value);
});

test("[DOC-61] `saved` resolves when all that was changed before is durable, and not earlier", async () => {
  const [engine, a] = await twoPages();
  let open = (): void => {};
  engine.gate = () =>
    new Promise((resolve) => {
      open = resolve;
    });
  const done: string[] = [];
  a.splice(0, 0, "1");
  a.replica.saved().then(() => done.push("first"));
  await engine.settle();
  a.splice(0, 0, "2");
  a.replica.saved().then(() => done.push("second"));
  await engine.settle();
  expect(done).toEqual([]);
  open();
  await engine.settle();
  expect(done).toEqual(["first"]);
  open();
  await engine.settle();
  expect(done).toEqual(["first", "second"]);
});

test("[DOC-62] two who type at once end in the same text, with the changes of both", async () => {
  const [engine, a, b] = await twoPages();
  for (let i = 0; i < 40; i++) {
    a.splice(0, 0, "a");
    b.splice(String(b.value.text).length, 0, "b");
    if (i % 7 === 0) await engine.settle();
  }
  await engine.settle();
  expect(a.value).toEqual(b.value);
  expect(a.value.text).toBe(`${"a".repeat(40)}Hello world${"b".repeat(40)}`);
  expect([a.problems, b.problems]).toEqual([[], []]);
});

test("[DOC-62] what is changed between the coming of something and its turn is sent all the same", async () => {
  const [engine, a, b] = await twoPages();
  b.splice(11, 0, "!");
  b.replica.flush();
  await Promise.resolve();
  while (!engine.deliver()) await Promise.resolve();
  a.splice(0, 0, ">");
  await engine.settle();
  expect(b.value).toEqual({ text: ">Hello world!" });
  expect(a.value).toEqual(b.value);
});

test("[DOC-63] what was written on something that does not count any more is written again, and nothing is lost", async () => {
  const [engine, a, b] = await twoPages();
  b.splice(0, 0, "[cheat] ");
  await engine.settle();
  expect(a.value).toEqual({ text: "[cheat] Hello world" });
  let open = (): void => {};
  engine.gate = () =>
    new Promise((resolve) => {
      open = resolve;
    });
  a.splice(String(a.value.text).length, 0, ", and all");
  a.splice(0, 1, "{");
  await engine.settle();
  engine.cut(({ author }) => author === b.author);
  engine.gate = (page) => {
    if (page === b) throw denied;
  };
  const saved = a.replica.saved();
  open();
  await engine.settle();
  await saved;
  // The brace stood where a letter of the other was: it stays, the letters go.
  expect(a.value).toEqual({ text: "{Hello world, and all" });
  expect(engine.state.heads()).toEqual(a.replica.heads);
  expect(a.problems).toEqual([]);
  expect(b.value).toEqual(a.value);
});

test("[DOC-63] a refused change is taken back and reported, what was typed after it stays", async () => {
  const [engine, a, b] = await twoPages();
  engine.gate = () => {
    engine.gate = () => {};
    throw new TidemarkError("ENTRY_TOO_LARGE", { got: 2, max: 1 });
  };
  a.splice(0, 5, "HELLO");
  const saved = a.replica.saved();
  saved.catch(() => {});
  a.splice(11, 0, "!");
  await engine.settle();
  await expect(saved).rejects.toMatchObject({ code: "ENTRY_TOO_LARGE" });
  expect(a.value).toEqual({ text: "Hello world!" });
  expect(a.problems).toEqual(["ENTRY_TOO_LARGE"]);
  expect(b.value).toEqual(a.value);
  expect(a.events.at(-1)).toMatchObject({ origin: "remote", value: a.value });
});

test("[DOC-63] who may not write sees its changes go, and is told; what others write comes all the same", async () => {
  const [engine, a, b] = await twoPages();
  engine.gate = (page) => {
    if (page === a) throw denied;
  };
  a.splice(0, 5, "Mine");
  await engine.settle();
  b.splice(0, 5, "HELLO");
  await engine.settle();
  expect(a.value).toEqual({ text: "HELLO world" });
  expect(a.problems).toEqual(["PERMISSION_DENIED"]);
});

test("[DOC-63] what was written before it was made anew the last time is written again all the same, or told", async () => {
  const [engine, a, b] = await twoPages();
  b.splice(0, 0, "[cheat] ");
  await engine.settle();
  engine.gate = (page) => {
    if (page === b) throw denied;
  };
  engine.cut(({ author }) => author === b.author);
  await engine.settle();
  expect(a.value).toEqual({ text: "Hello world" });
  for (const count of [1, 2]) {
    engine.cut(({ author }) => author === a.author);
    await engine.settle();
    expect(engine.commits.get(a)).toBe(1 + count);
    expect(b.value).toEqual({ text: "Hello world" });
    expect(a.value).toEqual(b.value);
  }
  expect(a.problems).toEqual([]);
  engine.gate = () => {
    throw denied;
  };
  engine.cut(({ author }) => author === a.author);
  await engine.settle();
  expect(a.value).toEqual({});
  expect(a.problems).toEqual(["PERMISSION_DENIED"]);
});

test("[DOC-63] what counts again after it was written again is there twice, and never more often", async () => {
  const engine = new DocEngine();
  const [a, b] = [await engine.page("a").open(), await engine.page("b").open()];
  b.change((draft) => Object.assign(draft, { list: [] }));
  await engine.settle();
  a.change((draft) => (draft.list as unknown as string[]).push("mine"));
  await engine.settle();
  const first = engine.entries;
  for (let i = 0; i < 3; i++) {
    engine.cut(({ author }) => author === a.author);
    await engine.settle();
    expect(a.value).toEqual({ list: ["mine"] });
    engine.entries = [...first, ...engine.entries.filter(({ author }) => author === a.author)];
    engine.cut(() => false);
    await engine.settle();
    expect(b.value).toEqual({ list: ["mine", "mine"] });
  }
});

test("[DOC-63] another leader goes on where the one before was, and is sent what it had not answered", async () => {
  const [engine, a, b] = await twoPages();
  engine.gate = () => new Promise(() => {});
  a.splice(0, 0, "1");
  await engine.settle();
  a.line.hold();
  b.splice(0, 0, "b");
  a.splice(0, 0, "2");
  engine.gate = () => {};
  a.lead();
  b.lead();
  await engine.settle();
  await Promise.all([a.replica.saved(), b.replica.saved()]);
  await engine.settle();
  expect(a.value).toEqual(b.value);
  expect([...String(a.value.text)].sort().join("")).toBe([..."12bHello world"].sort().join(""));
  expect(engine.state.heads().slice().sort()).toEqual(a.replica.heads.slice().sort());
});

test("[DOC-63] a snapshot that is not what it says is left out, and the document made of its changes", async () => {
  const [engine, a] = await twoPages();
  const bytes = automerge.save(a.replica.openDoc);
  engine.snapshot = { heads: a.replica.heads, bytes };
  const b = await engine.page("c").open();
  expect(b.value).toEqual(a.value);
  for (const snapshot of [
    { heads: a.replica.heads, bytes: bytes.slice(0, 20) },
    { heads: a.replica.heads, bytes: automerge.save(automerge.init({ actor: "ab" })) },
  ]) {
    engine.snapshot = snapshot;
    const c = await engine.page("d").open();
    expect(c.value).toEqual(a.value);
    c.splice(0, 0, "c");
    await engine.settle();
    expect(a.value).toEqual(c.value);
    expect(c.problems).toEqual([]);
  }
});
