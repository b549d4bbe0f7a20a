/** The recorded writing sessions in documents, through the public API: two people at once, and one with somebody who watches. */
import type { Doc } from "tidemark";
import { openPair } from "./device.ts";
import { expect, test } from "./fixtures.ts";
import {
  type Keystroke,
  mergedText,
  readComponent,
  readFriends,
  recordedMax,
  type SharedKeystroke,
  textAfter,
} from "./recordings.ts";

interface Text {
  text: string;
}

declare global {
  var problems: string[];
  var component: Doc<Text>;
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
  const recording = readFriends();
  const txns = recording.txns.slice(0, recordedMax);
  const endText = txns.length < recording.txns.length ? mergedText(txns) : recording.endContent;
  test.setTimeout(120_000 + txns.length * 40);
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
  await until(() => {
    const told = last.flatMap((index) => heads[index] ?? ["not told"]).sort();
    return ends().join() === told.join() ? true : undefined;
  });
  await doc.saved();
  return { text: doc.value.text, heads: ends() };
}

test("one who watches sees what another types, keystroke by keystroke, and ends with the recorded text", async ({
  browser,
  app,
  relay,
}) => {
  const recording = readComponent();
  const txns = recording.txns.slice(0, recordedMax);
  const endText = txns.length < recording.txns.length ? textAfter(txns) : recording.endContent;
  test.setTimeout(120_000 + txns.length * 40);
  const [writer, watcher] = await openPair(browser, { site: app.url, relay: relay.url });
  for (const device of [writer, watcher]) await device.run(noteProblems);
  await watcher.run(async () => {
    globalThis.noted = [];
    const doc = await db.doc<Text>("text");
    doc.subscribe(({ value }) => noted.push(value.text));
  });
  await writer.run(async () => {
    globalThis.component = await db.doc<Text>("text");
    component.change((draft) => {
      draft.text = "";
    });
  });
  const part = Math.ceil(txns.length / 10);
  for (let from = 0; from < txns.length; from += part) {
    await writer.run(type, txns.slice(from, from + part));
    const text = from + part < txns.length ? textAfter(txns.slice(0, from + part)) : endText;
    const seen = (): Promise<unknown> => watcher.run(() => noted.at(-1));
    await expect.poll(seen, "as it is typed, not at the end").toBe(text);
  }
  await writer.run(() => component.saved());
  expect(await writer.run(() => component.value.text)).toBe(endText);
  for (const device of [writer, watcher]) {
    expect(await device.run(() => problems)).toEqual([]);
    await device.close();
  }
});

/** On the page: each keystroke in a task of its own. */
async function type(txns: readonly Keystroke[]): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  for (const { patches } of txns) {
    for (const [position, deleted, inserted] of patches) component.splice(["text"], position, deleted, inserted);
    await new Promise<void>((resolve) => {
      port2.onmessage = () => resolve();
      port1.postMessage(undefined);
    });
  }
  port1.close();
}
