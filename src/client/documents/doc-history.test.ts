import { expect, test } from "vitest";
import { millisecondsOf } from "../../core/clock.ts";
import { formatCid } from "../../core/ids.ts";
import { DocEngine, type DocPage } from "../../testing/doc-engine.ts";
import type { DocHistoryChange } from "./doc-history.ts";
import { hashOf } from "./outgoing.ts";

async function readAll(page: DocPage, limit: number): Promise<readonly (readonly DocHistoryChange[])[]> {
  const pages: (readonly DocHistoryChange[])[] = [];
  let before: number | undefined;
  do {
    const { changes, next } = await page.replica.history({ limit, ...(before !== undefined && { before }) });
    pages.push(changes);
    before = next;
  } while (before !== undefined);
  return pages;
}

/** Two write, one after the other and at once. */
async function written(): Promise<readonly [DocEngine, DocPage, DocPage]> {
  const engine = new DocEngine();
  const [a, b] = [await engine.page("a").open(), await engine.page("b").open()];
  a.replica.change((draft) => Object.assign(draft, { text: "" }), "A beginning");
  await engine.settle();
  for (const letter of ["1", "2", "3"]) {
    a.splice(0, 0, letter);
    b.splice(0, 0, `${letter}${letter}`);
    await engine.settle();
  }
  return [engine, a, b];
}

test("[DOC-78] the history says who did what and when, the last change first, each before those that it stands on", async () => {
  const [engine, a, b] = await written();
  const { changes, next } = await a.replica.history({});
  expect(next).toBeUndefined();
  expect(changes).toHaveLength(7);
  expect(changes.at(-1)).toMatchObject({ author: a.author, ops: 1, message: "A beginning" });
  expect(changes.filter(({ author }) => author === b.author).map(({ ops, message }) => [ops, message])).toEqual([
    [2, ""],
    [2, ""],
    [2, ""],
  ]);
  const entries = engine.entries.map(({ id, time }) => ({ entry: formatCid(id), atMs: millisecondsOf(time) }));
  for (const { entry, atMs } of changes) expect(entries).toContainEqual({ entry, atMs });
  for (const [i, { heads }] of changes.entries()) {
    const others = a.replica.automerge.getChangesSince(a.replica.openDoc, [...heads]).map(hashOf);
    for (const { heads: before } of changes.slice(0, i)) expect(others).toContain(before[0]);
  }
});

test("[DOC-78] its pages join without a gap, and the last one says that it is", async () => {
  const [, a] = await written();
  const [all = []] = await readAll(a, 100);
  for (const limit of [1, 2, 3, 7]) {
    const pages = await readAll(a, limit);
    expect(pages.flat()).toEqual(all);
    expect(pages.map(({ length }) => length)).toEqual(
      Array.from({ length: Math.ceil(7 / limit) }, (_, i) => Math.min(limit, 7 - i * limit)),
    );
  }
  for (const options of [{ limit: 0 }, { limit: 1_001 }, { before: -1 }, { before: 0.5 }])
    await expect(a.replica.history(options)).rejects.toMatchObject({ code: "INPUT_INVALID" });
});
