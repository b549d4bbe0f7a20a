/** The recorded writing sessions in documents, through the public API: two people at once, and one with somebody who watches. */
import { openPair } from "./device.ts";
import { expect, test } from "./fixtures.ts";
import { type Keystroke, mergedText, readComponent, readFriends, type SharedKeystroke } from "./recordings.ts";

/** How many keystrokes the two write: all 26,078 take a minute, and `npm run soak` does that. */
const recordedMax = Number(process.env.RECORDED_KEYSTROKES ?? 8_000);

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

test("two recorded writers end with the recorded text and the same heads, and nothing is refused", async ({
  browser,
  app,
  relay,
}) => {
  test.setTimeout(300_000);
  const recording = readFriends();
  const txns = recording.txns.slice(0, recordedMax);
  const endText = txns.length < recording.txns.length ? mergedText(txns) : recording.endContent;
  const devices = await openPair(browser, { site: app.url, relay: relay.url });
  for (const device of devices) await device.run(noteProblems);
  const [first, second] = devices;
  await first.run(async () => {
    const doc = await db.doc<Text>("text");
    doc.change((draft) => {
      draft.text = "";
    });
    await doc.saved();
  });
  await second.run(async () => {
    const doc = await db.doc<Text>("text");
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (doc.value.text === "") resolve();
      };
      doc.subscribe(look);
      look();
    });
    doc.close();
  });
  const [one, other] = await Promise.all(devices.map((device, agent) => device.run(replay, { txns, agent })));
  expect(one?.text).toBe(endText);
  expect(other).toEqual(one);
  for (const device of devices) {
    expect(await device.run(() => problems)).toEqual([]);
    await device.close();
  }
});

/** On the page: writes what the agent wrote, each on exactly what was there when it was written, as soon as that is here. */
async function replay({
  txns,
  agent,
}: {
  readonly txns: readonly SharedKeystroke[];
  readonly agent: number;
}): Promise<{ readonly text: string; readonly heads: readonly string[] }> {
  const { splice } = await import("@automerge/automerge/slim");
  const doc = await db.doc<Text>("text");
  const start = doc.heads;
  let wake = (): void => {};
  const until = async <T>(get: () => T | undefined): Promise<T> => {
    for (;;) {
      const woken = new Promise<void>((resolve) => (wake = resolve));
      const got = get();
      if (got !== undefined) return got;
      await woken;
    }
  };
  doc.subscribe(() => wake(), { local: false });

  // Which change is which keystroke is no part of the document: the two tell each other.
  const heads: (readonly string[])[] = [];
  let untold: (readonly [index: number, heads: readonly string[]])[] = [];
  const messages = tide.sync.messages("replay");
  messages.on("peer", () => wake());
  messages.on("message", ({ bytes }) => {
    for (const [index, its] of JSON.parse(new TextDecoder().decode(bytes)) as typeof untold) heads[index] = its;
    wake();
  });
  const peer = await until(() => messages.peers()[0]);
  const tell = async (): Promise<void> => {
    const bytes = new TextEncoder().encode(JSON.stringify(untold));
    untold = [];
    await messages.send(peer, bytes);
  };

  /** Undefined: some of what it stands on is not here. */
  const write = ({ parents, patches }: SharedKeystroke): readonly string[] | undefined => {
    const before = parents.length === 0 ? start : parents.flatMap((parent) => heads[parent] ?? ["not told"]);
    try {
      return doc.changeAt(before, (draft) => {
        for (const [position, deleted, inserted] of patches) splice(draft, ["text"], position, deleted, inserted);
      });
    } catch (error) {
      if (error instanceof tidemark.TidemarkError && error.code === "INPUT_INVALID") return undefined;
      throw error;
    }
  };
  for (const [index, keystroke] of txns.entries()) {
    if (keystroke.agent !== agent) continue;
    let its = write(keystroke);
    if (its === undefined || untold.length === 1_000) await tell();
    its ??= await until(() => write(keystroke));
    heads[index] = its;
    untold.push([index, its]);
  }
  await tell();

  const followed = new Set(txns.flatMap(({ parents }) => parents));
  const last = [...txns.keys()].filter((index) => !followed.has(index));
  const ends = (): readonly string[] => [...doc.heads].sort();
  await until(() =>
    ends().join() ===
    last
      .flatMap((index) => heads[index] ?? [])
      .sort()
      .join()
      ? true
      : undefined,
  );
  await doc.saved();
  return { text: doc.value.text, heads: ends() };
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
  // It is seen as it is typed, not at the end: all of it takes some seconds.
  expect(await watcher.run(() => noted.length)).toBeGreaterThan(10);
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
