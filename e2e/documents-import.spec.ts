/** Documents that come from elsewhere, in browsers. */
import * as A from "@automerge/automerge";
import type { Doc } from "tidemark";
import { Device, openPair } from "./device.ts";
import { expect, test } from "./fixtures.ts";

interface Note {
  text: string;
  title: string;
}

declare global {
  var imported: Doc<Note>;
}

test("[DOC-50] [DOC-52] a document of Automerge is imported in one browser and shown in another, where both go on writing", async ({
  browser,
  app,
  relay,
}) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  const one = A.from({ text: "Hello", title: "none" }, { actor: "bb" });
  const other = A.change(A.clone(one, { actor: "aa" }), (draft) => {
    A.splice(draft, ["text"], 5, 0, " of another");
    draft.title = "the other's";
  });
  const both = A.merge(
    A.change(one, (draft) => {
      A.splice(draft, ["text"], 5, 0, " of one");
      draft.title = "the one's";
    }),
    other,
  );
  await a.run(
    async (bytes) => {
      globalThis.imported = await db.importDoc<Note>("note", Uint8Array.from(bytes));
    },
    [...A.save(both)],
  );
  expect(await a.run(() => imported.value)).toEqual(A.toJS(both));
  const titles = Object.values(A.getConflicts(both, "title") ?? {}).sort();
  expect(await a.run(() => Object.values(imported.conflicts([], "title") ?? {}).sort())).toEqual(titles);
  await b.run(async () => {
    globalThis.imported = await db.doc<Note>("note");
  });
  await expect.poll(() => b.run(() => imported.value.text)).toBe(both.text);
  await b.run(() => imported.splice(["text"], 0, 0, "Then: "));
  await expect.poll(() => a.run(() => imported.value.text)).toBe(`Then: ${both.text}`);
  const refused = await a.run(async () => {
    const nothing = new Uint8Array();
    const calls = [
      () => db.importDoc("_note", nothing),
      () => db.importDoc("other", "automerge:…" as never),
      () => db.importDoc("other", nothing),
      () => db.importDoc("other", nothing, 5 as never),
      () => db.importDoc("other", nothing, { signal: "now" as never }),
      () => db.importDoc("other", nothing, { onProgress: 5 as never }),
    ];
    return Promise.all(calls.map((call) => call().catch(({ code }) => code)));
  });
  expect(refused).toEqual(refused.map(() => "INPUT_INVALID"));
  await a.close();
  await b.close();
});

test("[DOC-53] a page that goes in the middle of an import goes on with it when it is called again", async ({
  browser,
  app,
  relay,
}) => {
  const device = await Device.open(browser, { site: app.url, relay: relay.url });
  await device.createAndShare();
  let doc = A.from<Record<string, unknown>>({ text: "" }, { actor: "aa" });
  for (let i = 0; i < 10_500; i++) doc = A.emptyChange(doc, { time: 0 });
  doc = A.change(doc, (draft) => {
    draft.text = "all";
  });
  const bytes = [...A.save(doc)];
  await device.run((bytes) => {
    const onProgress = (): void => {
      location.href = "about:blank";
    };
    db.importDoc("note", Uint8Array.from(bytes), { onProgress }).catch(() => {}); // The page goes.
  }, bytes);
  await device.page.waitForURL("about:blank");
  await device.load();
  const seen = await device.run(async (bytes) => {
    const before = (await db.doc<Note>("note")).heads.length;
    globalThis.imported = await db.importDoc<Note>("note", Uint8Array.from(bytes));
    const { entries } = await db.history();
    const parts = entries.filter(({ stores }) => stores.some(({ name }) => name === "note"));
    return { before, text: imported.value.text, parts: parts.length };
  }, bytes);
  expect(seen).toMatchObject({ before: 1, text: "all" });
  // The second part may have been put away by the page that went.
  expect([2, 3]).toContain(seen.parts);
  await device.close();
});
