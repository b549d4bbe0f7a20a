import fc from "fast-check";
import { expect, test } from "vitest";
import { equalBytes } from "../../core/bytes.ts";
import { splitChange } from "../../core/document/change-bytes.ts";
import { encodeHex, type PublicKey } from "../../core/ids.ts";
import { automerge, DocEngine, type DocPage, docDatabase } from "../../testing/doc-engine.ts";
import type { Automerge, RawDoc } from "./automerge.ts";
import { Branch } from "./branch.ts";
import { Copy } from "./copy.ts";

const [ours, theirs] = ["aa", "bb"].map((byte) => byte.repeat(16)) as [string, string];

/** Whatever `at` is, it is in the text. */
function put(draft: RawDoc, { at, deleted = 0, text }: { at: number; deleted?: number; text: string }): void {
  const { length } = draft.text as string;
  const index = at % (length + 1);
  automerge.splice(draft, ["text"], index, Math.min(deleted, length - index), text);
}

function insert(doc: RawDoc, text: string): RawDoc {
  return automerge.change(doc, { time: 0 }, (draft) => put(draft, { at: 0, text }));
}

interface Counts {
  clones: number;
  applied: number;
  freed: number;
}

/** Automerge, and how often it does what takes long. */
function counted(): readonly [Automerge, Counts] {
  const counts = { clones: 0, applied: 0, freed: 0 };
  const counting: Automerge = {
    ...automerge,
    clone: (doc, options) => {
      counts.clones += 1;
      return automerge.clone(doc, options);
    },
    applyChanges: (doc, changes, options) => {
      counts.applied += 1;
      return automerge.applyChanges(doc, changes, options);
    },
    free: (doc) => {
      counts.freed += 1;
      automerge.free(doc);
    },
  };
  return [counting, counts];
}

/** A document of `theirs`, and a branch of it for `ours`. */
function begun(): { readonly whole: RawDoc; readonly branch: Branch; readonly counts: Counts } {
  const [counting, counts] = counted();
  const isOwn = (change: Uint8Array): boolean => encodeHex(splitChange(change).actor) === ours;
  const branch = new Branch({ automerge: counting, actor: ours, isOwn });
  const whole = automerge.change(automerge.init({ actor: theirs }), { time: 0 }, (draft) => {
    Object.assign(draft, { text: "" });
  });
  return { whole, branch, counts };
}

function write(branch: Branch, text: string): readonly string[] {
  return branch.change({ time: 0 }, (draft) => put(draft, { at: 0, text })) ?? [];
}

test("[DOC-76] a branch is made out of all changes once, and goes on with what it lacks", () => {
  let { whole, branch, counts } = begun();
  const first = automerge.getHeads(whole);
  whole = insert(whole, "1");
  const second = automerge.getHeads(whole);
  whole = insert(whole, "2");
  branch.move(whole, first);
  const a = write(branch, "a");
  expect(branch.isAt(a)).toBe(true);
  // The whole does not know it yet.
  branch.move(whole, [...a, ...second]);
  const b = write(branch, "b");
  const made = branch.take();
  expect(made.length).toBe(2);
  [whole] = automerge.applyChanges(whole, made, {});
  expect(branch.take()).toEqual([]);
  branch.move(whole, automerge.getHeads(whole));
  const c = write(branch, "c");
  [whole] = automerge.applyChanges(whole, branch.take(), {});
  expect(counts.clones).toBe(1);
  const texts = [a, b, c].map((heads) => automerge.view(whole, [...heads]).text);
  expect(texts[0]).toBe("a");
  expect([...(texts[1] as string)].sort().join("")).toBe("1ab");
  expect([...(texts[2] as string)].sort().join("")).toBe("12abc");
  expect(automerge.getHeads(whole)).toEqual(c);
});

test("[DOC-76] a branch that has more than is wanted is made anew", () => {
  let { whole, branch, counts } = begun();
  const first = automerge.getHeads(whole);
  whole = insert(whole, "1");
  const second = automerge.getHeads(whole);
  whole = insert(whole, "2");
  branch.move(whole, second);
  expect(branch.change({ time: 0 }, () => {})).toBeUndefined();
  branch.move(whole, first);
  const a = write(branch, "a");
  [whole] = automerge.applyChanges(whole, branch.take(), {});
  expect(counts).toEqual({ clones: 2, applied: 0, freed: 1 });
  expect(automerge.view(whole, [...a]).text).toBe("a");
  branch.free();
  branch.free();
  expect([counts.freed, branch.ops]).toEqual([2, 0]);
});

test("[DOC-76] a branch that lacks nothing of what is wanted is given nothing", () => {
  let { whole, branch, counts } = begun();
  branch.move(whole, automerge.getHeads(whole));
  write(branch, "a");
  [whole] = automerge.applyChanges(whole, branch.take(), {});
  branch.move(whole, automerge.getHeads(whole));
  expect(counts).toEqual({ clones: 1, applied: 0, freed: 0 });
});

test("[DOC-73] heads that lack what the actor changed in the branch or in the whole are refused", () => {
  let { whole, branch } = begun();
  const first = automerge.getHeads(whole);
  branch.move(whole, first);
  const a = write(branch, "a");
  const refusal = expect.objectContaining({ code: "INPUT_INVALID" });
  expect(() => branch.move(whole, first)).toThrow(refusal);
  [whole] = automerge.applyChanges(whole, branch.take(), {});
  expect(() => branch.move(whole, first)).toThrow(refusal);
  const other = insert(automerge.clone(whole, { actor: ours }), "b");
  whole = automerge.merge(whole, other);
  branch.leave();
  expect(branch.isAt(a)).toBe(false);
  expect(() => branch.move(whole, a)).toThrow(refusal);
  branch.move(whole, automerge.getHeads(whole));
  write(branch, "c");
  [whole] = automerge.applyChanges(whole, branch.take(), {});
  expect(whole.text).toBe("cba");
});

test("[DOC-76] what is changed at earlier heads in a row is put into the present at once, when somebody looks", () => {
  const [counting, counts] = counted();
  const database = docDatabase;
  const author = "a".repeat(64) as PublicKey;
  const failed = (error: unknown): never => {
    throw error;
  };
  const copy = new Copy({ automerge: counting, failed, database, author, nonce: new Uint8Array(16) }, undefined);
  let other = begun().whole;
  copy.apply(automerge.getChangesSince(other, []));
  const type = (heads: readonly string[]): readonly string[] =>
    copy.changeAt(heads, { time: 0 }, (draft) => put(draft, { at: 9, text: "x" }))?.heads ?? [];
  // At the present it is as any other change.
  let heads = type(copy.heads);
  expect(counts).toEqual({ clones: 0, applied: 1, freed: 0 });
  expect(copy.read()?.changes.length).toBe(1);
  const before = automerge.getHeads(other);
  other = insert(other, "1");
  copy.apply(automerge.getChangesSince(other, before));
  for (let i = 0; i < 10; i++) {
    expect(copy.hasHeads(heads)).toBe(true);
    heads = type(heads);
  }
  heads = type([...heads, ...automerge.getHeads(other)]);
  expect(counts).toEqual({ clones: 1, applied: 3, freed: 0 });
  expect([...(copy.doc.text as string)].sort().join("")).toBe("1xxxxxxxxxxxx");
  expect(copy.heads).toEqual(heads);
  expect(counts).toEqual({ clones: 1, applied: 4, freed: 0 });
  expect(copy.ops).toBe(2 * automerge.stats(copy.doc).numOps);
  expect(copy.read()?.changes.length).toBe(11);
  copy.free();
});

const otherwise: readonly (readonly [string, (page: DocPage) => unknown])[] = [
  ["an edit that still gathers", (page) => page.splice(0, 0, "!")],
  ["a transaction", (page) => page.replica.prepare((draft) => put(draft, { at: 0, text: "!" }))()],
];

test.each(otherwise)("[DOC-73] after %s, heads from before it are refused", async (_, change) => {
  const engine = new DocEngine();
  const [page, other] = [await engine.page("a", { local: false }).open(), await engine.page("b").open()];
  page.change((draft) => Object.assign(draft, { text: "" }));
  await engine.settle();
  const { heads } = page.replica;
  other.splice(0, 0, "1");
  await engine.settle();
  const type = (at: readonly string[]): readonly string[] | undefined =>
    page.replica.changeAt(at, (draft) => put(draft, { at: 0, text: "a" }));
  const made = type(heads) ?? [];
  change(page);
  expect(() => type(made)).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  expect(type(page.replica.heads)).toEqual(page.replica.heads);
  expect([...String(page.value.text)].sort().join("")).toBe("!1aa");
});

const [textMax, marksMax] = [3, 40];
const edit = { at: fc.nat(60), deleted: fc.nat(3), text: fc.string({ maxLength: textMax }) };

const recent = fc.oneof({ weight: 3, arbitrary: fc.nat(1) }, fc.nat(marksMax));

/** `page` is one of two, `mark` one of the states that it has had, the last first; `other` one of the other page, to be in it too. */
const deed = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("changeAt" as const),
      page: fc.nat(1),
      mark: recent,
      other: fc.option(recent, { nil: undefined }),
      ...edit,
    }),
  },
  fc.record({ type: fc.constantFrom("change" as const, "transact" as const), page: fc.nat(1), ...edit }),
  fc.record({ type: fc.constantFrom("settle" as const, "look" as const, "mark" as const), page: fc.nat(1) }),
);

type Deed = typeof deed extends fc.Arbitrary<infer Of> ? Of : never;

/** Two pages, and one document in plain Automerge to which the same is done under the same actors. */
class Twin {
  readonly engine: DocEngine = new DocEngine();
  readonly pages: DocPage[] = [];
  /** What each page has had, the last first. */
  readonly #marks: (readonly string[])[][] = [[], []];
  #all: RawDoc = automerge.init({ actor: "cc".repeat(16) });

  async begin(local: boolean): Promise<void> {
    for (const author of ["a", "b"]) this.pages.push(await this.engine.page(author, { local }).open());
    const [first] = this.pages;
    first?.change((draft) => Object.assign(draft, { text: "Hello" }));
    await this.engine.settle();
    if (first !== undefined) this.#all = automerge.merge(this.#all, first.replica.doc);
    for (const page of [0, 1]) this.#note(page);
  }

  async do(deed: Deed): Promise<void> {
    const page = this.pages[deed.page] as DocPage;
    switch (deed.type) {
      case "settle":
        return await this.engine.settle();
      case "look":
        return void page.value;
      case "mark":
        return this.#note(deed.page);
      case "changeAt": {
        const other = deed.other === undefined ? [] : this.#mark(1 - deed.page, deed.other);
        const mark = this.#mark(deed.page, deed.mark);
        const heads = page.replica.hasHeads(other) ? [...new Set([...mark, ...other])] : mark;
        return this.#changeAt(deed.page, heads, deed);
      }
      default:
        return this.#changeNow(deed.page, deed, deed.type === "transact");
    }
  }

  async expectSame(): Promise<void> {
    await this.engine.settle();
    for (const { replica, problems } of this.pages) {
      expect(problems).toEqual([]);
      expect(replica.doc).toEqual(this.#all);
      expect([...replica.heads].sort()).toEqual([...automerge.getHeads(this.#all)].sort());
    }
    expect([...this.engine.state.heads()].sort()).toEqual([...automerge.getHeads(this.#all)].sort());
  }

  #mark(page: number, back: number): readonly string[] {
    const marks = this.#marks[page] as (readonly string[])[];
    return marks[back % marks.length] ?? [];
  }

  #note(page: number): void {
    this.#marks[page]?.unshift((this.pages[page] as DocPage).replica.heads);
  }

  #changeAt(page: number, heads: readonly string[], by: { at: number; text: string }): void {
    const { replica } = this.pages[page] as DocPage;
    const isLate = automerge.getChangesSince(this.#all, [...heads]).some((change) => this.#isOf(page, change));
    const make = (): readonly string[] | undefined => replica.changeAt(heads, (draft) => put(draft, by));
    if (isLate) return void expect(make).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
    const made = make();
    expect(made).toEqual(this.#forked(page, heads, by));
    if (made !== undefined) this.#marks[page]?.unshift(made);
  }

  #changeNow(page: number, by: { at: number; text: string }, isJoint: boolean): void {
    const { replica } = this.pages[page] as DocPage;
    const { heads } = replica;
    if (isJoint) this.#transact(this.pages[page] as DocPage, by);
    else replica.change((draft) => put(draft, by));
    this.#forked(page, heads, by);
    this.#note(page);
  }

  #transact(page: DocPage, by: { at: number; text: string }): void {
    const taken = page.replica.prepare((draft) => put(draft, by))();
    taken?.sent(this.engine.apiFor(page).commit(docDatabase, [taken.write]));
  }

  /** Heads of the change as Automerge makes it at these heads; undefined when there is none. */
  #forked(page: number, heads: readonly string[], by: { at: number; text: string }): readonly string[] | undefined {
    const actor = encodeHex((this.pages[page] as DocPage).replica.actor);
    const fork = automerge.clone(automerge.view(this.#all, [...heads]), { actor });
    const made = automerge.change(fork, { time: 0 }, (draft) => put(draft, by));
    this.#all = automerge.merge(this.#all, made);
    return made === fork ? undefined : automerge.getHeads(made);
  }

  #isOf(page: number, change: Uint8Array): boolean {
    return equalBytes(splitChange(change).actor, (this.pages[page] as DocPage).replica.actor);
  }
}

test("[DOC-73] whatever two pages change at whatever heads, each change is Automerge's, and both end with all", async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(deed, { maxLength: 24 }), async (local, deeds) => {
      const twin = new Twin();
      await twin.begin(local);
      for (const one of deeds) await twin.do(one);
      await twin.expectSame();
    }),
  );
});
