/** W5: a recorded writing session in one document, beside automerge-repo on the same pages and the same machine. */
import type { Page } from "@playwright/test";
import { type Keystroke, type Patch, readComponent, textAfter } from "../e2e/recordings.ts";
import type { RepoServer } from "./repo-server.ts";
import { type Bench, type Figures, percentile, scaled, type Workload } from "./workload.ts";

/** A text in a shared document, on a page. */
export interface TypedText {
  read(): string;
  edit(patches: readonly Patch[]): void;
  subscribe(changed: () => void): void;
  /** Resolves when what is here is on the disk. */
  durable(): Promise<void>;
}

declare global {
  var openText: (server: string, url?: string) => Promise<TypedText & { readonly url: string }>;
  var typed: TypedText;
  var keystrokes: readonly Keystroke[];
}

export const typing: Workload = {
  name: "W5",
  what: "writing: recorded keystrokes in one document at A, each a call in a task of its own: `splice` here, `change` there; until shown and durable at B",
  run: async (bench) => {
    const { txns } = readComponent();
    const keystrokes = txns.slice(0, scaled(txns.length, bench, 200));
    const paced = Array.from({ length: scaled(200, bench, 20) }, (_, i): Keystroke => ({ patches: [[i, 0, "x"]] }));
    const ours = await withTidemark(bench, keystrokes, paced);
    const theirs = await withRepo(bench, keystrokes, paced);
    return {
      keystrokes: keystrokes.length,
      ...named("", ours),
      ...named("automerge-repo, ", theirs),
      timesAutomergeRepo: ours.keystrokesPerSecond / theirs.keystrokesPerSecond,
    };
  },
  targets: [{ figure: "timesAutomergeRepo", atLeast: 10 }],
};

interface Measured {
  readonly keystrokesPerSecond: number;
  /** From a keystroke to its being shown at B, when twenty are made a second. */
  readonly shownP50Ms: number;
  readonly shownP99Ms: number;
}

function named(prefix: string, figures: Measured): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [prefix + name, value]));
}

function withTidemark(bench: Bench, keystrokes: readonly Keystroke[], paced: readonly Keystroke[]): Promise<Measured> {
  return bench.withDevices(async (a, b) => {
    await b.join(await a.createAndShare());
    await a.run(async () => {
      (await db.doc<{ text: string }>("text")).change((draft) => {
        draft.text = "";
      });
    });
    for (const device of [a, b]) {
      await device.run(async () => {
        const doc = await db.doc<{ text: string }>("text");
        globalThis.typed = {
          read: () => doc.value.text,
          edit: (patches) => {
            for (const [position, deleted, inserted] of patches) doc.splice(["text"], position, deleted, inserted);
          },
          subscribe: (changed) => void doc.subscribe(changed),
          durable: () => db.whenSafe({ copies: 2 }),
        };
      });
    }
    return await measure(a.page, b.page, keystrokes, paced);
  });
}

function withRepo(bench: Bench, keystrokes: readonly Keystroke[], paced: readonly Keystroke[]): Promise<Measured> {
  return bench.withRepoPages(async (a, b, server: RepoServer) => {
    const url = await a.evaluate(async (address) => {
      const text = await openText(address);
      globalThis.typed = text;
      return text.url;
    }, server.url);
    await b.evaluate(
      async ({ address, url }) => {
        globalThis.typed = await openText(address, url);
      },
      { address: server.url, url },
    );
    return await measure(a, b, keystrokes, paced);
  });
}

async function measure(
  a: Page,
  b: Page,
  keystrokes: readonly Keystroke[],
  paced: readonly Keystroke[],
): Promise<Measured> {
  await b.waitForFunction(() => typed.read() === "");
  // At the speed of a hand first, and then some as fast as it goes: after that the browsers have compiled what they run.
  const shownAt = b.evaluate(noteLengths, paced.length);
  const typedAt = await a.evaluate(typePaced, paced);
  const delays = (await shownAt).map((at, i) => at - (typedAt[i] ?? Number.NaN));
  await clear(a, b);
  await typeAll(a, b, keystrokes.slice(0, Math.ceil(keystrokes.length / 4)));
  await clear(a, b);
  const keystrokesPerSecond = (keystrokes.length * 1_000) / (await typeAll(a, b, keystrokes));
  return { keystrokesPerSecond, shownP50Ms: percentile(delays, 0.5), shownP99Ms: percentile(delays, 0.99) };
}

/** Answers with how many milliseconds it took until all was shown and durable at B. */
async function typeAll(a: Page, b: Page, keystrokes: readonly Keystroke[]): Promise<number> {
  // Handing them over takes a second, and is no writing.
  await a.evaluate((json) => {
    globalThis.keystrokes = JSON.parse(json);
  }, JSON.stringify(keystrokes));
  const start = performance.now();
  const shown = b.evaluate(waitForText, textAfter(keystrokes));
  await a.evaluate(type);
  await shown;
  await b.evaluate(() => typed.durable());
  return performance.now() - start;
}

async function clear(a: Page, b: Page): Promise<void> {
  await a.evaluate(() => typed.edit([[0, typed.read().length, ""]]));
  await b.waitForFunction(() => typed.read() === "");
}

/** On A's page: as fast as it goes, but each keystroke in a task of its own, as a keyboard's. */
async function type(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  for (const { patches } of keystrokes) {
    typed.edit(patches);
    await new Promise<void>((resolve) => {
      port2.onmessage = () => resolve();
      port1.postMessage(undefined);
    });
  }
  port1.close();
}

/** On A's page: answers with when each was typed. */
async function typePaced(keystrokes: readonly Keystroke[]): Promise<readonly number[]> {
  const times: number[] = [];
  for (const { patches } of keystrokes) {
    times.push(performance.timeOrigin + performance.now());
    typed.edit(patches);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return times;
}

/** On B's page. */
function waitForText(text: string): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (typed.read() === text) resolve();
    };
    typed.subscribe(look);
    look();
  });
}

/** On B's page: answers with when each of so many characters was there. */
function noteLengths(count: number): Promise<readonly number[]> {
  const times: number[] = [];
  return new Promise((resolve) => {
    typed.subscribe(() => {
      const now = performance.timeOrigin + performance.now();
      while (times.length < typed.read().length) times.push(now);
      if (times.length === count) resolve(times);
    });
  });
}
