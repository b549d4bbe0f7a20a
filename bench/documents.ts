/** Documents: what a change costs the page, how long one is opened, and what many remote changes do to a page. */
import type { Device } from "../e2e/device.ts";
import { type Keystroke, readComponent } from "../e2e/recordings.ts";
import { type Figures, percentile, scaled, type Workload } from "./workload.ts";

interface Text {
  text: string;
}

export const localChange: Workload = {
  name: "D1",
  what: "a keystroke in a document that is stored and synced, by `change` and by `splice`, and with Automerge alone: on one page, in turns",
  run: (bench) => bench.withDevices((a, b) => changeOften(a, b, scaled(10_000, bench, 500))),
  targets: [{ figure: "p99OverBare", atMost: 1.1 }],
};

export const openDocument: Workload = {
  name: "D2",
  what: "a document of many changes on the disk; from the call of doc to its text, on a page that had none",
  run: (bench) => bench.withDevices((a) => openOften(a, scaled(60_000, bench, 2_000), scaled(10, bench, 3))),
  targets: [{ figure: "openMs", atMost: 500 }],
};

export const remoteBurst: Workload = {
  name: "D3",
  what: "remote changes that come at once, to a page that shows the document; the longest time in which the page could do nothing else",
  run: (bench) => bench.withDevices((a, b) => bursts(a, b, 1_000, scaled(10, bench, 2))),
  targets: [{ figure: "longestTaskMs", atMost: 50 }],
};

function firstKeystrokes(count: number): readonly Keystroke[] {
  const { txns } = readComponent();
  return Array.from({ length: count }, (_, i) => txns[i] ?? { patches: [[i % 10_000, 0, "x"]] });
}

async function createText(device: Device): Promise<void> {
  await device.run(async () => {
    const doc = await db.doc<Text>("text");
    doc.change((draft) => {
      draft.text = "";
    });
    await doc.saved();
  });
}

/** A measurement of other work than it says is none. */
async function assertChanges(device: Device, expected: number): Promise<void> {
  const found = await device.run(async () => {
    const doc = await db.doc<Text>("text");
    let [count, before]: [number, number | undefined] = [0, undefined];
    do {
      const { changes, next } = await doc.history({ limit: 1_000, ...(before === undefined ? {} : { before }) });
      count += changes.length;
      before = next;
    } while (before !== undefined);
    return count;
  });
  if (found !== expected) throw new Error(`${found} changes instead of ${expected}`);
}

async function changeOften(a: Device, b: Device, count: number): Promise<Figures> {
  await b.join(await a.createAndShare());
  await createText(a);
  await b.run(async () => {
    globalThis.watched = await db.doc<Text>("text");
  });
  const { ours, gathered, bare } = await a.run(typeInTurns, firstKeystrokes(count));
  const [p99, bareP99] = [percentile(ours, 0.99), percentile(bare, 0.99)];
  return {
    keystrokes: count,
    p50Ms: percentile(ours, 0.5),
    p99Ms: p99,
    "with splice, p50Ms": percentile(gathered, 0.5),
    "with splice, p99Ms": percentile(gathered, 0.99),
    "Automerge alone, p50Ms": percentile(bare, 0.5),
    "Automerge alone, p99Ms": bareP99,
    p99OverBare: p99 / bareP99,
  };
}

declare global {
  var watched: Awaited<ReturnType<typeof db.doc<Text>>>;
  var longestMs: Promise<number>;
}

/** On the page: each keystroke in tasks of their own, in a document that is changed, in one that is spliced, and in Automerge's. */
async function typeInTurns(
  keystrokes: readonly Keystroke[],
): Promise<{ readonly ours: number[]; readonly gathered: number[]; readonly bare: number[] }> {
  const automerge = await import("@automerge/automerge/slim");
  const changed = await db.doc<Text>("text");
  const spliced = await db.doc<Text>("spliced");
  spliced.change((draft) => {
    draft.text = "";
  });
  let alone = automerge.from<Record<string, unknown>>({ text: "" });
  const [ours, gathered, bare]: [number[], number[], number[]] = [[], [], []];
  const { port1, port2 } = new MessageChannel();
  const task = (): Promise<void> =>
    new Promise((resolve) => {
      port2.onmessage = () => resolve();
      port1.postMessage(undefined);
    });
  for (const { patches } of keystrokes) {
    await task();
    let start = performance.now();
    for (const [position, deleted, inserted] of patches) {
      changed.change((draft) => automerge.splice(draft, ["text"], position, deleted, inserted));
    }
    ours.push(performance.now() - start);
    await task();
    start = performance.now();
    for (const [position, deleted, inserted] of patches) spliced.splice(["text"], position, deleted, inserted);
    gathered.push(performance.now() - start);
    await task();
    start = performance.now();
    for (const [position, deleted, inserted] of patches) {
      alone = automerge.change(alone, (draft) => automerge.splice(draft, ["text"], position, deleted, inserted));
    }
    bare.push(performance.now() - start);
  }
  port1.close();
  return { ours, gathered, bare };
}

async function openOften(device: Device, count: number, times: number): Promise<Figures> {
  await device.createAndShare();
  await createText(device);
  const length = await device.run(typeAll, firstKeystrokes(count));
  await assertChanges(device, count + 1);
  const opened: { readonly openMs: number; readonly instanceMs: number }[] = [];
  for (let i = 0; i < times; i++) {
    await device.run(() => tide.close());
    await device.page.reload();
    await device.page.waitForFunction(() => globalThis.tidemark !== undefined);
    const { read, ...figures } = await device.run(openText);
    // A fast wrong result is no result.
    if (read !== length) throw new Error(`${read} characters instead of ${length}`);
    opened.push(figures);
  }
  const of = (figure: "openMs" | "instanceMs", part: number): number =>
    percentile(
      opened.map((opening) => opening[figure]),
      part,
    );
  return {
    changes: count,
    times,
    openMs: of("openMs", 0.5),
    openP90Ms: of("openMs", 0.9),
    openLeastMs: of("openMs", 0),
    instanceMs: of("instanceMs", 0.5),
  };
}

/** On the page: answers with how long the text is. */
async function typeAll(keystrokes: readonly Keystroke[]): Promise<number> {
  const { splice } = await import("@automerge/automerge/slim");
  const doc = await db.doc<Text>("text");
  for (const [i, { patches }] of keystrokes.entries()) {
    // Edits that are only spliced would be gathered into fewer changes.
    doc.change((draft) => {
      for (const [position, deleted, inserted] of patches) splice(draft, ["text"], position, deleted, inserted);
    });
    // In tasks, as they are made; an entry holds some.
    if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  await doc.saved();
  // A page keeps what opens it fast when it has nothing else to do.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  return doc.value.text.length;
}

/** On the page: the instance is open before, as it is when somebody goes to a document. */
async function openText(): Promise<{ readonly openMs: number; readonly instanceMs: number; readonly read: number }> {
  const start = performance.now();
  globalThis.tide = await tidemark.open({ name: "e2e" });
  globalThis.db = (await tide.databases())[0] as typeof db;
  const instanceMs = performance.now() - start;
  const doc = await db.doc<Text>("text");
  return { openMs: performance.now() - start - instanceMs, instanceMs, read: doc.value.text.length };
}

async function bursts(a: Device, b: Device, count: number, times: number): Promise<Figures> {
  await b.join(await a.createAndShare());
  await createText(a);
  await b.run(async () => {
    globalThis.watched = await db.doc<Text>("text");
  });
  const typed = 5_000;
  await a.run(typeAll, firstKeystrokes(typed));
  const tasks: number[] = [];
  for (let i = 0; i < times; i++) {
    const length = await a.run(async () => (await db.doc<Text>("text")).value.text.length);
    await b.page.waitForFunction((expected) => watched.value.text.length === expected, length);
    await b.run(watchTasks, length + count);
    // One task: all of it goes into one entry.
    await a.run(async (characters) => {
      const { splice } = await import("@automerge/automerge/slim");
      const doc = await db.doc<Text>("text");
      for (let n = 0; n < characters; n++) doc.change((draft) => splice(draft, ["text"], n, 0, "y"));
    }, count);
    tasks.push(await b.run(() => longestMs));
  }
  await assertChanges(b, typed + count * times + 1);
  return {
    changes: count,
    times,
    longestTaskMs: percentile(tasks, 1),
    medianTaskMs: percentile(tasks, 0.5),
  };
}

/** On B's page: `longestMs` will be the longest time in which nothing else could run, until the text has that length. */
function watchTasks(length: number): void {
  globalThis.longestMs = new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    let [longest, last] = [0, performance.now()];
    port2.onmessage = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      if (watched.value.text.length < length) return port1.postMessage(undefined);
      port1.close();
      resolve(longest);
    };
    port1.postMessage(undefined);
  });
}
