import { expect, test } from "vitest";
import { equalBytes } from "../../core/bytes.ts";
import { splitChange } from "../../core/document/change-bytes.ts";
import { automerge, DocEngine } from "../../testing/doc-engine.ts";
import type { Automerge } from "./automerge.ts";

test("[DOC-62] a change that Automerge does not take is left out and told, and all that came with it is shown", async () => {
  const engine = new DocEngine();
  const [a, b] = [await engine.page("a").open(), await engine.page("b").open()];
  a.change((draft) => Object.assign(draft, { text: "" }));
  await engine.settle();
  b.splice(0, 0, "!");
  for (const letter of "edcba") a.splice(0, 0, letter);
  await engine.settle();
  const { actor } = b.replica;
  const applyChanges: Automerge["applyChanges"] = (doc, changes, options) => {
    if (changes.some((change) => equalBytes(splitChange(change).actor, actor))) throw new RangeError("mine");
    return automerge.applyChanges(doc, changes, options);
  };
  const c = await engine.page("c", { alter: { applyChanges } }).open();
  expect([c.value, c.problems]).toEqual([{ text: "abcde" }, ["DOC_CHANGE"]]);
});
