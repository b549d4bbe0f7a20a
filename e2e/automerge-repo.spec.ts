/** automerge-repo in browsers: editors on documents of Tidemark, and documents of a `Repo` over connections of Tidemark. */
import type { AutomergeUrl } from "@automerge/automerge-repo";
import type { Browser } from "@playwright/test";
import { type Device, openPair } from "./device.ts";
import { expect, type Relay, type Site } from "./fixtures.ts";
import type { Written } from "./page/automerge-repo/start.ts";
import { test } from "./repo-app.ts";

declare global {
  var problems: string[];
  var damaged: string[];
}

const lines = "one\ntwo\nthree\n";

/** An editor on the document of this device. */
async function openEditor(device: Device, beginning?: string): Promise<void> {
  await device.run(async (text) => {
    globalThis.problems = [];
    tide.on("problem", ({ code }) => problems.push(code));
    globalThis.page = await db.doc<Written>("text");
    if (text !== undefined) {
      page.change((draft) => {
        draft.text = text;
      });
      await page.saved();
    }
  }, beginning);
  await expect.poll(() => device.run(() => page.value.text)).toBe(lines);
  await device.run(() => {
    globalThis.handle = parts.openHandle(new parts.Repo(), page);
    showEditor();
    view.focus();
  });
}

async function openEditors(browser: Browser, repoApp: Site, relay: Relay): Promise<readonly [Device, Device]> {
  const [a, b] = await openPair(browser, { site: repoApp.url, relay: relay.url });
  await openEditor(a, lines);
  await openEditor(b);
  return [a, b];
}

async function press(device: Device, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) await device.page.keyboard.press(key);
}

function look(device: Device): Promise<unknown> {
  return device.run(() => ({
    editor: view.state.doc.toString(),
    shown: view.contentDOM.innerText.replace(/\n+/g, "\n"),
    handle: handle.doc().text,
    document: page.value.text,
    problems,
  }));
}

function headsOf(device: Device): Promise<string> {
  return device.run(() => handle.heads().toSorted().join());
}

/** In the editors, as they are seen; in the handles and the documents. */
async function expectText(text: string, ...devices: readonly Device[]): Promise<void> {
  const shown = text.replace(/\n+/g, "\n");
  const expected = { editor: text, shown, handle: text, document: text, problems: [] };
  for (const device of devices) await expect.poll(() => look(device)).toEqual(expected);
  await expect.poll(async () => new Set(await Promise.all(devices.map(headsOf))).size, "same heads").toBe(1);
}

/** What is around the caret of this device. */
function aroundCaret(device: Device): Promise<readonly string[]> {
  return device.run(() => {
    const { head } = view.state.selection.main;
    return [view.state.sliceDoc(head - 4, head), view.state.sliceDoc(head, head + 4)];
  });
}

test("[REPO-13] two CodeMirror editors in two browsers, typed into at once, have one text; carets stay, and each undoes its own", async ({
  browser,
  repoApp,
  relay,
}) => {
  const [a, b] = await openEditors(browser, repoApp, relay);
  await press(a, "Control+Home");
  await press(b, "Control+Home", "ArrowDown", "End");
  const ada = "Ada writes a line at the top.\nAnd goes on: ";
  const ben = ", and Ben while lines come in above him";
  await Promise.all([a.page.keyboard.type(ada), b.page.keyboard.type(ben)]);
  await expectText(`${ada}one\ntwo${ben}\nthree\n`, a, b);
  expect(await aroundCaret(a)).toEqual(["on: ", "one\n"]);
  expect(await aroundCaret(b)).toEqual([" him", "\nthr"]);
  while (await b.run(() => page.canUndo)) await press(b, "Control+z");
  await expectText(`${ada}${lines}`, a, b);
  while (await b.run(() => page.canRedo)) await press(b, "Control+y");
  await expectText(`${ada}one\ntwo${ben}\nthree\n`, a, b);
  for (const device of [a, b]) await device.close();
});

test("[REPO-13] what is selected, deleted, copied and pasted in two editors, together and offline, is merged", async ({
  browser,
  repoApp,
  relay,
}) => {
  const [a, b] = await openEditors(browser, repoApp, relay);
  const replaceFirstLine = async (): Promise<void> => {
    await press(a, "Control+Home", "Shift+End");
    await a.page.keyboard.type("ONE");
  };
  const doubleTheEnd = async (): Promise<void> => {
    await press(
      b,
      "Control+End",
      "Shift+ArrowUp",
      "Shift+ArrowUp",
      "Control+c",
      "ArrowRight",
      "Control+v",
      "Control+v",
    );
    await press(b, "Backspace", "Backspace");
  };
  await Promise.all([replaceFirstLine(), doubleTheEnd()]);
  await expectText("ONE\ntwo\nthree\ntwo\nthree\ntwo\nthre", a, b);
  for (const device of [a, b]) await device.run(() => tide.goOffline());
  await press(a, "Control+Home", "ArrowDown", "Shift+ArrowDown", "Delete");
  await a.page.keyboard.type("alone,\n");
  await press(b, "Control+End");
  await b.page.keyboard.type("e\nfar away");
  await expectText("ONE\nalone,\nthree\ntwo\nthree\ntwo\nthre", a);
  await expectText("ONE\ntwo\nthree\ntwo\nthree\ntwo\nthree\nfar away", b);
  for (const device of [a, b]) await device.run(() => tide.goOnline());
  await expectText("ONE\nalone,\nthree\ntwo\nthree\ntwo\nthree\nfar away", a, b);
  for (const device of [a, b]) await device.close();
});

/** A `Repo` with storage and network of Tidemark; `url`: a document that is somewhere. Resolves with that of its document. */
async function openRepo(device: Device, url?: AutomergeUrl): Promise<AutomergeUrl> {
  return await device.run(async (url) => {
    globalThis.damaged = [];
    const repo = new parts.Repo({
      storage: new parts.TidemarkStorageAdapter({ onDamaged: ({ key }) => damaged.push(key?.[1] ?? "unknown") }),
      network: [new parts.TidemarkNetworkAdapter(tide)],
      saveDebounceRate: 0,
    });
    globalThis.handle = url === undefined ? repo.create<Written>({ text: "" }) : await repo.find<Written>(url);
    globalThis.flush = () => repo.flush();
    return handle.url;
  }, url);
}

declare global {
  var flush: () => Promise<void>;
}

async function append(device: Device, text: string): Promise<void> {
  await device.run(async (text) => {
    handle.change((draft) => {
      draft.text += text;
    });
    await flush();
  }, text);
}

async function expectWritten(text: string, ...devices: readonly Device[]): Promise<void> {
  for (const device of devices) await expect.poll(() => device.run(() => handle.doc().text)).toBe(text);
}

/** One byte in the middle of what lies in the storage of this device of that kind. */
function flip(device: Device): Promise<number> {
  return device.run(async () => {
    const done = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const stored = await done(indexedDB.open("tidemark-automerge-repo"));
    const values = stored.transaction("values", "readwrite").objectStore("values");
    const ids = await done(values.getAllKeys());
    let flipped = 0;
    for (const id of ids) {
      const value = (await done(values.get(id))) as { readonly key: readonly string[]; readonly data: Uint8Array };
      if (value.key[0] === "storage-adapter-id") continue;
      const middle = value.data.length >> 1;
      value.data[middle] = (value.data[middle] ?? 0) ^ 1;
      await done(values.put(value, id));
      flipped += 1;
    }
    stored.close();
    return flipped;
  });
}

test("[REPO-14] a Repo in one browser finds what one in another has, both ways, after a reload, and after its storage was damaged", async ({
  browser,
  repoApp,
  relay,
}) => {
  const [a, b] = await openPair(browser, { site: repoApp.url, relay: relay.url });
  const url = await openRepo(a);
  await append(a, "made by a");
  await openRepo(b, url);
  await expectWritten("made by a", b);
  await append(b, ", seen by b");
  await expectWritten("made by a, seen by b", a);
  await b.run(() => flush());
  await b.load();
  await append(a, ", while b was away");
  await openRepo(b, url);
  await expectWritten("made by a, seen by b, while b was away", a, b);
  await append(b, ", and back");
  await expectWritten("made by a, seen by b, while b was away, and back", a);
  await b.run(() => flush());
  await b.load();
  expect(await flip(b)).toBeGreaterThan(0);
  await openRepo(b, url);
  await expectWritten("made by a, seen by b, while b was away, and back", b);
  expect((await b.run(() => damaged)).length).toBeGreaterThan(0);
  for (const device of [a, b]) await device.close();
});
