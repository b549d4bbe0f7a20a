/** A recorded writing session in a document, through the public API, with somebody who watches. */
import { openPair } from "./device.ts";
import { expect, test } from "./fixtures.ts";
import { type Keystroke, readComponent } from "./recordings.ts";

interface Text {
  text: string;
}

declare global {
  var problems: string[];
}

/** On the page. */
function noteProblems(): void {
  globalThis.problems = [];
  tide.on("problem", ({ code }) => problems.push(code));
}

test("one who watches sees what another types, keystroke by keystroke, and ends with the recorded text", async ({
  browser,
  app,
  relay,
}) => {
  test.setTimeout(300_000);
  const { txns, endContent } = readComponent();
  const [writer, watcher] = await openPair(browser, { site: app.url, relay: relay.url });
  for (const device of [writer, watcher]) await device.run(noteProblems);
  await watcher.run(async () => {
    globalThis.noted = [];
    const doc = await db.doc<Text>("text");
    doc.subscribe(({ value }) => noted.push(value.text));
  });
  await writer.run(type, txns);
  await expect.poll(() => watcher.run(() => noted.at(-1)), { timeout: 60_000 }).toBe(endContent);
  expect(await writer.run(async () => (await db.doc<Text>("text")).value.text)).toBe(endContent);
  // It is seen as it is typed, not at the end.
  expect(await watcher.run(() => noted.length)).toBeGreaterThan(100);
  for (const device of [writer, watcher]) {
    expect(await device.run(() => problems)).toEqual([]);
    await device.close();
  }
});

/** On the page: each keystroke in a task of its own. */
async function type(txns: readonly Keystroke[]): Promise<void> {
  const doc = await db.doc<Text>("text");
  doc.change((draft) => {
    draft.text = "";
  });
  const { port1, port2 } = new MessageChannel();
  for (const { patches } of txns) {
    for (const [position, deleted, inserted] of patches) doc.splice(["text"], position, deleted, inserted);
    await new Promise<void>((resolve) => {
      port2.onmessage = () => resolve();
      port1.postMessage(undefined);
    });
  }
  port1.close();
  await doc.saved();
}
