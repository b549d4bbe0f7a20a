import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import { TidemarkError } from "../../core/errors.ts";
import { DocEngine, type DocPage } from "../../testing/doc-engine.ts";

type Block = Record<string, A.MaterializeValue>;

interface Draft {
  body: { text: string };
}

function block(type: string): Block {
  const parents = [new A.ImmutableString("list"), new A.ImmutableString("item")];
  return { type: new A.ImmutableString(type), parents, attrs: { level: 1, alt: "some words" }, isEmbed: false };
}

function spansOf({ replica }: DocPage): readonly A.Span[] {
  return A.spans(replica.openDoc as A.Doc<unknown>, ["body", "text"]);
}

function change({ replica }: DocPage, write: (draft: Draft) => void, isUndoable = true): void {
  replica.change((draft) => write(draft as unknown as Draft), undefined, isUndoable);
}

async function openWith(engine: DocEngine, write: (draft: Draft) => void): Promise<DocPage> {
  const page = await engine.page("a").open();
  change(page, write, false);
  await engine.settle();
  return page;
}

function begin(draft: Draft): void {
  draft.body = { text: "one two three" };
  A.splitBlock(draft, ["body", "text"], 0, block("paragraph"));
}

function alterBlock(draft: Draft): void {
  const spans = A.spans(draft, ["body", "text"]);
  const first = spans[0]?.value as Block;
  first.type = new A.ImmutableString("heading");
  first.parents = [new A.ImmutableString("aside"), ...(first.parents as A.MaterializeValue[]).slice(1)];
  first.attrs = { alt: "some other words", width: 3 };
  A.updateSpans(draft, ["body", "text"], spans);
}

const writes: readonly (readonly [string, (draft: Draft) => void])[] = [
  ["is made", (draft) => A.splitBlock(draft, ["body", "text"], 5, block("paragraph"))],
  ["is deleted with text around it", (draft) => A.splice(draft, ["body", "text"], 0, 4)],
  ["is altered", alterBlock],
  [
    "is made beside another, with text between others",
    (draft) => {
      A.splitBlock(draft, ["body", "text"], 4, block("heading"));
      A.splitBlock(draft, ["body", "text"], 4, block("aside"));
      A.splice(draft, ["body", "text"], 8, 2, "new");
      A.splitBlock(draft, ["body", "text"], 9, block("paragraph"));
    },
  ],
];

for (const [what, write] of writes) {
  test(`[DOC-70] a block that ${what} is undone and redone, with what is in it`, async () => {
    const engine = new DocEngine();
    const page = await openWith(engine, begin);
    const before = spansOf(page);
    change(page, write);
    const after = spansOf(page);
    expect(after).not.toEqual(before);
    page.replica.undo();
    expect(spansOf(page)).toEqual(before);
    page.replica.redo();
    expect(spansOf(page)).toEqual(after);
    await engine.settle();
    const other = await engine.page("b").open();
    expect(spansOf(other)).toEqual(after);
    expect(page.problems).toEqual([]);
  });
}

test("[DOC-63] blocks that were written beside what is refused are written again", async () => {
  const engine = new DocEngine();
  const page = await openWith(engine, begin);
  let refuse = (): void => {};
  const decided = new Promise<void>((_, reject) => {
    refuse = () => reject(new TidemarkError("PERMISSION_DENIED", { need: "write", got: "read" }));
  });
  engine.gate = () => decided;
  change(page, (draft) => A.splice(draft, ["body", "text"], 1, 0, "refused "));
  await engine.settle();
  change(page, (draft) => A.splitBlock(draft, ["body", "text"], draft.body.text.length, block("aside")));
  engine.gate = () => {};
  refuse();
  await engine.settle();
  const shown = spansOf(page).map((span) => (span.type === "text" ? span.value : span.value.type));
  expect(shown).toEqual([new A.ImmutableString("paragraph"), "one two three", new A.ImmutableString("aside")]);
  expect(page.problems).toEqual(["PERMISSION_DENIED"]);
});
