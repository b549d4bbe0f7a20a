/** ProseMirror, by Automerge's own binding, on documents of Tidemark. */
import type { Browser } from "@playwright/test";
import type { EditorView } from "prosemirror-view";
import { type Device, openPair } from "./device.ts";
import { expect, type Relay, type Site } from "./fixtures.ts";
import type { Written } from "./page/automerge-repo/start.ts";
import { test } from "./repo-app.ts";

declare global {
  var prose: EditorView;
}

async function openEditor(device: Device, beginning?: string): Promise<void> {
  await device.run(async (text) => {
    globalThis.problems = [];
    tide.on("problem", ({ code }) => problems.push(code));
    console.error = (...all: unknown[]) => problems.push(String(all));
    addEventListener("error", ({ message }) => problems.push(message));
    globalThis.page = await db.doc<Written>("text");
    if (text === undefined) return;
    const begin = (draft: Written): void => {
      draft.text = text;
    };
    page.change(begin, { isUndoable: false });
    await page.saved();
  }, beginning);
  await expect.poll(() => device.run(() => page.value.text)).toBe("one two three");
  await device.run(() => {
    globalThis.handle = parts.openHandle(new parts.Repo(), page);
    globalThis.prose = parts.showProse(page, handle, ["text"]);
    prose.focus();
  });
}

async function openEditors(browser: Browser, repoApp: Site, relay: Relay): Promise<readonly [Device, Device]> {
  const [a, b] = await openPair(browser, { site: repoApp.url, relay: relay.url });
  await openEditor(a, "one two three");
  await openEditor(b);
  return [a, b];
}

async function press(device: Device, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) await device.page.keyboard.press(key);
}

/** What is shown, which is what the editor has, and what the document has. */
async function expectShown(html: string, ...devices: readonly Device[]): Promise<void> {
  const look = (device: Device): Promise<unknown> =>
    device.run(() => ({ shown: prose.dom.innerHTML.replace(/<br[^>]*>/g, "").replaceAll("&nbsp;", " "), problems }));
  for (const device of devices) await expect.poll(() => look(device)).toEqual({ shown: html, problems: [] });
}

async function expectSame(...devices: readonly Device[]): Promise<void> {
  const all = (): Promise<readonly string[]> =>
    Promise.all(
      devices.map((device) =>
        device.run(() => {
          const { text } = page.value;
          const shown = prose.state.doc.textBetween(0, prose.state.doc.content.size, "\ufffc");
          return JSON.stringify([text, shown, handle.heads().toSorted()]);
        }),
      ),
    );
  await expect.poll(async () => new Set(await all()).size, "same text and heads").toBe(1);
}

/** The browser moves the caret, and ProseMirror hears of it in a turn of its own. */
async function moveCaret(device: Device, key: string, toEnd: boolean): Promise<void> {
  await press(device, key);
  const isThere = (toEnd: boolean): boolean => {
    const { doc, selection } = prose.state;
    return selection.empty && selection.from === (toEnd ? doc.content.size - 1 : 1);
  };
  await expect.poll(() => device.run(isThere, toEnd)).toBe(true);
}

test("[REPO-16] two ProseMirror editors in two browsers, with marks and paragraphs, typed into at once and undone, show one document", async ({
  browser,
  repoApp,
  relay,
}) => {
  const [a, b] = await openEditors(browser, repoApp, relay);
  await moveCaret(a, "Control+Home", false);
  await press(a, "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight");
  await expect.poll(() => a.run(() => prose.state.selection.to)).toBe(4);
  await press(a, "Control+b");
  await expectShown("<p><strong>one</strong> two three</p>", a, b);
  await moveCaret(b, "Control+End", true);
  await press(b, "Enter");
  await b.page.keyboard.type("four");
  await expectShown("<p><strong>one</strong> two three</p><p>four</p>", a, b);
  await moveCaret(a, "Control+Home", false);
  await Promise.all([a.page.keyboard.type("At the top: "), b.page.keyboard.type(" and at the end")]);
  const all = "<p><strong>At the top: one</strong> two three</p><p>four and at the end</p>";
  await expectShown(all, a, b);
  await expectSame(a, b);
  while (await b.run(() => page.canUndo)) await press(b, "Control+z");
  await expectShown("<p><strong>At the top: one</strong> two three</p>", a, b);
  while (await b.run(() => page.canRedo)) await press(b, "Control+y");
  await expectShown(all, a, b);
  await expectSame(a, b);
  await moveCaret(a, "Control+Home", false);
  await press(a, "Control+a", "Delete");
  await expectShown("<p></p>", a, b);
  await expectSame(a, b);
  for (const device of [a, b]) await device.close();
});
