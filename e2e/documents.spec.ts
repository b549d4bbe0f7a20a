/** Documents in browsers: two who type at once, a page that goes, what is loaded when. */
import type { Page } from "@playwright/test";
import type { Doc } from "tidemark";
import { Device, openPair } from "./device.ts";
import { expect, test } from "./fixtures.ts";

interface Note {
  text: string;
  title: string;
}

declare global {
  var note: Doc<Note>;
}

async function openNote(device: Device): Promise<void> {
  await device.run(async () => {
    globalThis.note = await db.doc<Note>("note");
  });
}

function textOf(device: Device): Promise<string> {
  return device.run(() => note.value.text);
}

/** Of Automerge, by this page. */
function countRequests(page: Page): readonly string[] {
  const requests: string[] = [];
  page.on("request", (request) => {
    if (/automerge/.test(request.url())) requests.push(new URL(request.url()).pathname);
  });
  return requests;
}

test("[DOC-62] two browsers that type into one text at once end with the same text, and the work of both", async ({
  browser,
  app,
  relay,
}) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  await openNote(a);
  await a.run(async () => {
    note.change((draft) => {
      draft.text = "|";
    });
    await note.saved();
  });
  await openNote(b);
  await expect.poll(() => textOf(b)).toBe("|");
  const type = (letter: string): Promise<void> =>
    (letter === "a" ? a : b).run(async (typed) => {
      const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
      for (let i = 0; i < 200; i++) {
        note.splice(["text"], typed === "a" ? note.value.text.indexOf("|") : note.value.text.length, 0, typed);
        await turn();
      }
      await note.saved();
    }, letter);
  await Promise.all([type("a"), type("b")]);
  const expected = `${"a".repeat(200)}|${"b".repeat(200)}`;
  await expect.poll(() => textOf(a)).toBe(expected);
  await expect.poll(() => textOf(b)).toBe(expected);
  await expect.poll(async () => (await a.digest()).state === (await b.digest()).state).toBe(true);
  await a.close();
  await b.close();
});

test("[DOC-65] what was changed in the turn in which a page goes is there when the next one opens", async ({
  browser,
  app,
  relay,
}) => {
  const device = await Device.open(browser, { site: app.url, relay: relay.url });
  await device.createAndShare();
  await openNote(device);
  await device.run(async () => {
    note.change((draft) => {
      draft.text = "saved";
    });
    await note.saved();
  });
  // Changed when there is no further turn: before the page's own listeners are told that it ends.
  await device.run(() => {
    addEventListener("pagehide", () => note.splice(["text"], 5, 0, ", and at once"), { capture: true });
    location.href = "about:blank";
  });
  await device.page.waitForURL("about:blank");
  await device.load();
  await openNote(device);
  await expect.poll(() => textOf(device)).toBe("saved, and at once");
  await device.close();
});

test("[DOC-66] a page that opens no document loads nothing of Automerge; the first loads it once, its WebAssembly too", async ({
  browser,
  app,
  relay,
}) => {
  const device = await Device.open(browser, { site: app.url, relay: relay.url });
  const requests = countRequests(device.page);
  await device.load();
  await device.createAndShare();
  await device.run(async () => {
    await db.kv("prefs").set("theme", "dark");
  });
  expect(requests).toEqual([]);
  await openNote(device);
  await device.run(() => db.doc("another"));
  const wasm = requests.filter((path) => path.endsWith(".wasm"));
  expect(wasm).toEqual(["/tidemark/automerge_wasm_bg.wasm"]);
  expect(requests.filter((path) => path.endsWith("slim.js"))).toHaveLength(1);
  await device.close();
});

test("[DOC-63] a second tab of a device shows what the first one types, and goes on when the first is closed", async ({
  browser,
  app,
  relay,
}) => {
  const context = await browser.newContext();
  const options = { site: app.url, relay: relay.url };
  const first = await Device.openIn(context, options);
  await first.createAndShare();
  await openNote(first);
  await first.run(() => {
    note.change((draft) => {
      draft.text = "one";
    });
  });
  const second = await Device.openIn(context, options);
  await openNote(second);
  await expect.poll(() => textOf(second)).toBe("one");
  await second.run(() => note.splice(["text"], 3, 0, " two"));
  await expect.poll(() => textOf(first)).toBe("one two");
  await first.page.close();
  await second.run(async () => {
    note.splice(["text"], 7, 0, " three");
    await note.saved();
  });
  expect(await textOf(second)).toBe("one two three");
  await second.load();
  await openNote(second);
  expect(await textOf(second)).toBe("one two three");
  await context.close();
});
