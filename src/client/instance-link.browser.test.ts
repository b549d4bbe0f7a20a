import { expose } from "comlink";
import { deleteDB, openDB } from "idb";
import { expect, onTestFinished, test, vi } from "vitest";
import { type ErrorCode, TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import {
  endedTabKeptMs,
  tabLockTimeoutMs,
  workerCloseTimeoutMs,
  workerPingMs,
  workerSilentPings,
} from "../core/limits.ts";
import { clearOutbox, outboxName, readOutbox } from "../storage/outbox.ts";
import { deleteStored } from "../storage/wipe.ts";
import type { Build } from "../tabs/build.ts";
import type { Carry } from "../tabs/messages.ts";
import { pairChannelName, tabLockName } from "../tabs/names.ts";
import { openPair } from "../tabs/pair-endpoint.ts";
import type { BootInfo, BootOptions, TabStanding, WorkerEvent, WriteId } from "../worker/api.ts";
import { toErrorData } from "../worker/error-data.ts";
import { InstanceLink, type InstanceLinkListener } from "./instance-link.ts";
import { openPageTabs } from "./page-tabs.ts";
import type { Tab } from "./tab.ts";

const database = "d".repeat(64) as DatabaseId;
const newer: Build = { version: "9.0.0", tabs: 9 };
const known: BootInfo = { publicKey: "a".repeat(64) as PublicKey, sealKey: undefined, storage: "idb" };

/** A worker whose standing the test decides, and which answers calls with its own name. */
class FakeWorker {
  readonly calls: string[] = [];
  readonly boots: BootOptions[] = [];
  readonly name: string;
  info: BootInfo = known;
  answersCommits = true;
  /** It answers nothing but a boot. */
  isStuck = false;
  pings = 0;
  /** Numbers of writes. */
  readonly refused = new Set<number>();
  readonly #unanswered: (() => void)[] = [];
  #events: MessagePort | undefined;
  #release: () => void = () => {};

  constructor(name: string) {
    this.name = name;
  }

  /** As the page holds it. */
  start(): Worker {
    const { port1, port2 } = new MessageChannel();
    expose(this, port1);
    return Object.assign(port2, { terminate: () => port1.close(), onerror: null }) as unknown as Worker;
  }

  async boot(options: BootOptions, events: MessagePort): Promise<{ tab: string }> {
    this.boots.push(options);
    this.#events = events;
    await new Promise<void>((held) => {
      void navigator.locks.request(options.lifeLock, () => {
        held();
        return new Promise<void>((release) => (this.#release = release));
      });
    });
    return { tab: options.tab ?? "" };
  }

  async ping(): Promise<void> {
    this.pings++;
    if (this.isStuck) await new Promise(() => {});
  }

  /** Ends as a worker that crashes. */
  die(): void {
    this.#release();
  }

  post(event: WorkerEvent): void {
    this.#events?.postMessage(event);
  }

  stand(state: TabStanding): void {
    this.post({ type: "tab", state });
  }

  async attach(): Promise<BootInfo | undefined> {
    this.calls.push("attach");
    return this.info;
  }

  async keys(): Promise<string> {
    return this.name;
  }

  commit(_: DatabaseId, __: unknown, { number }: WriteId): Promise<void> {
    this.calls.push(`commit ${number}`);
    if (this.answersCommits && this.refused.has(number))
      return Promise.reject(new TidemarkError("PERMISSION_DENIED", {} as never));
    if (this.answersCommits) return Promise.resolve();
    return new Promise((resolve) => this.#unanswered.push(resolve));
  }

  /** What it had left without an answer. */
  answer(): void {
    for (const resolve of this.#unanswered.splice(0)) resolve();
  }

  async suspend(): Promise<void> {
    this.calls.push("suspend");
  }

  async resume(): Promise<void> {
    this.calls.push("resume");
  }

  async close(): Promise<void> {
    this.calls.push("close");
    if (this.isStuck) await new Promise(() => {});
  }
}

interface Opened {
  readonly link: InstanceLink;
  readonly opening: Promise<InstanceLink>;
  readonly worker: FakeWorker;
  readonly name: string;
  readonly told: string[];
}

/** With a worker that has booted, and nobody who leads yet. What leaders store is there. */
async function begin(): Promise<Omit<Opened, "link">> {
  const name = crypto.randomUUID();
  (await openDB(`tidemark/${name}`)).close();
  onTestFinished(() => deleteStored(name));
  const worker = new FakeWorker("own");
  const told: string[] = [];
  const listener: InstanceLinkListener = {
    event: (event) => told.push(event.type === "problem" ? `problem ${event.error.code}` : event.type),
    attached: ({ publicKey }) => told.push(`attached ${publicKey[0]}`),
    tab: ({ state }: Tab) => told.push(state),
    outdated: ({ version }) => told.push(`outdated ${version}`),
    blocked: ({ version }) => told.push(`blocked ${version}`),
    wrote: (call) => told.push(`wrote ${call}`),
  };
  const opening = InstanceLink.open({
    startWorker: () => worker.start(),
    bootTimeoutMs: 5_000,
    signal: undefined,
    boot: { name, relays: [], iceServers: [], sync: {} },
    tabs: openPageTabs(name),
    listener,
  }).then(({ link }) => link);
  opening.catch(() => {}); // Some tests want it to fail.
  await expect.poll(() => worker.boots.length).toBe(1);
  onTestFinished(() => opening.then((link) => link.close()).catch(() => {}));
  return { opening, worker, name, told };
}

async function open(info: Partial<BootInfo> = {}): Promise<Opened> {
  const begun = await begin();
  begun.worker.info = { ...known, ...info };
  begun.worker.stand({ type: "leading", lead: "own lead" });
  return { ...begun, link: await begun.opening };
}

function ask(link: InstanceLink): Promise<unknown> {
  return link.line.call("keys", (api) => api.keys());
}

function commit(link: InstanceLink): Promise<void> {
  const edit = { database, stores: [] };
  return link.line.write("transact", (api, write) => api.commit(database, [], write), { edit });
}

function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value ?? "done",
    (error: TidemarkError) => error.code,
  );
}

/** Another tab leads, and serves the page of `worker`. */
function leadElsewhere(
  { worker, name }: Pick<Opened, "worker" | "name">,
  lead: string,
  info: BootInfo = known,
): { readonly host: FakeWorker; post(event: WorkerEvent): void; close(): void } {
  const tab = worker.boots[0]?.tab ?? "";
  const channels = openPageTabs(name).channels;
  const channel = channels?.open(pairChannelName(name, lead, tab));
  if (channel === undefined) throw new Error("there is no BroadcastChannel here");
  const pair = openPair<BootInfo, WorkerEvent>(channel);
  onTestFinished(() => pair.close());
  const host = new FakeWorker(lead);
  expose(host, pair.endpoint);
  // The page's channel is there when it asks its own worker to be attached.
  worker.attach = async () => {
    worker.calls.push("attach");
    pair.post({ type: "attached", info });
    return undefined;
  };
  worker.stand({ type: "following", lead, build: { version: "1", tabs: 1 } });
  return { host, post: (event) => pair.post({ type: "event", event }), close: () => pair.close() };
}

test("[CLIENT-29] a page is served by its own worker, then by another tab's, then by its own again, and told so", async () => {
  const opened = await open();
  const { link, worker, told } = opened;
  expect([await ask(link), link.tab]).toEqual(["own", { id: worker.boots[0]?.tab, state: "leading" }]);
  leadElsewhere(opened, "theirs");
  await expect.poll(() => link.tab.state).toBe("following");
  expect(await ask(link)).toBe("theirs");
  worker.stand({ type: "waiting" });
  await expect.poll(() => link.tab.state).toBe("waiting");
  const asked = ask(link);
  worker.attach = async () => known;
  worker.stand({ type: "leading", lead: "own again" });
  expect(await asked).toBe("own");
  expect(told).toEqual(["leading", "attached a", "following", "attached a", "waiting", "leading", "attached a"]);
});

test("[CLIENT-29] events come from whoever serves the page; of the own worker only what it has to say itself", async () => {
  const opened = await open();
  const { worker, told } = opened;
  worker.post({ type: "peers" });
  await expect.poll(() => told.at(-1)).toBe("peers");
  const { post } = leadElsewhere(opened, "theirs");
  await expect.poll(() => told.at(-1)).toBe("attached a");
  worker.post({ type: "peers" });
  worker.post({ type: "problem", database: undefined, error: toErrorData(new Error("own")) });
  await expect.poll(() => told.at(-1)).toBe("problem INTERNAL");
  post({ type: "peers" });
  await expect.poll(() => told.at(-1)).toBe("peers");
  expect(told.filter((one) => one === "peers")).toHaveLength(2);
});

test("[CLIENT-31] what was in memory ends with its leader, and the app is told", async () => {
  const opened = await open({ storage: "memory" });
  const { link, told } = opened;
  leadElsewhere(opened, "theirs", { ...known, storage: "memory" });
  await expect.poll(() => told.at(-1)).toBe("problem MEMORY_LOST");
  expect([await codeOf(ask(link)), await codeOf(commit(link))]).toEqual(["MEMORY_LOST", "MEMORY_LOST"]);
});

test("[CLIENT-31] a page that was frozen finds what is in the memory of the same leader", async () => {
  const opened = await open();
  const { link, told } = opened;
  const memory: BootInfo = { ...known, storage: "memory" };
  const before = leadElsewhere(opened, "theirs", memory);
  await expect.poll(() => told.slice(-2)).toEqual(["following", "attached a"]);
  link.page.suspend(false);
  before.close();
  await link.page.resume();
  leadElsewhere(opened, "theirs", memory);
  expect(await ask(link)).toBe("theirs");
  expect(told.filter((one) => one.startsWith("problem"))).toEqual([]);
});

test("[CLIENT-29] a leader that could not be reached at first is asked again when it is told of again", async () => {
  const opened = await open();
  const { link, worker } = opened;
  worker.attach = async () => {
    worker.calls.push("refused");
    throw new TidemarkError("CALL_INTERRUPTED", { call: "attach" });
  };
  worker.stand({ type: "following", lead: "theirs", build: newer });
  await expect.poll(() => worker.calls.at(-1)).toBe("refused");
  await expect.poll(() => link.tab.state).toBe("following");
  worker.stand({ type: "waiting" });
  leadElsewhere(opened, "theirs");
  expect(await ask(link)).toBe("theirs");
});

test("[CLIENT-31] a leader with another key has another instance: the one that was opened is gone", async () => {
  const opened = await open();
  leadElsewhere(opened, "theirs", { ...known, publicKey: "b".repeat(64) as PublicKey });
  await expect.poll(() => opened.told.at(-1)).toBe("problem STORAGE_CLOSED");
  expect(await codeOf(ask(opened.link))).toBe("STORAGE_CLOSED");
});

test("[CLIENT-32] beside a newer build that leads open rejects; beside an older one it waits and says so", async () => {
  const outdated = await begin();
  outdated.worker.stand({ type: "outdated", build: newer });
  expect(await codeOf(outdated.opening)).toBe("BUILD_OUTDATED");
  const blocked = await begin();
  blocked.worker.stand({ type: "blocked", build: { version: "0.0.1", tabs: 0 } });
  await expect.poll(() => blocked.told).toEqual(["blocked 0.0.1"]);
  blocked.worker.stand({ type: "leading", lead: "own lead" });
  expect(await ask(await blocked.opening)).toBe("own");
});

test("[CLIENT-32] a newer build that waits is told once; when it leads, calls reject and edits wait", async () => {
  const { link, worker, told } = await open();
  for (let i = 0; i < 2; i++) worker.stand({ type: "leading", lead: "own lead", newer });
  worker.answersCommits = false;
  const edit = commit(link);
  worker.stand({ type: "outdated", build: newer });
  await expect.poll(() => link.tab.state).toBe("waiting");
  expect([await codeOf(ask(link)), await codeOf(commit(link))]).toEqual(["BUILD_OUTDATED", "BUILD_OUTDATED"]);
  expect(await Promise.race([codeOf(edit), Promise.resolve("waits")])).toBe("waits");
  expect(told.filter((one) => one.startsWith("outdated"))).toEqual(["outdated 9.0.0"]);
});

test("[CLIENT-1] a worker that cannot lead makes open reject with its reason, and later ones are problems", async () => {
  const error = toErrorData(new TidemarkError("STORAGE_NEWER", { got: 9, expected: 3 }));
  const failing = await begin();
  failing.worker.stand({ type: "failed", error });
  expect(await codeOf(failing.opening)).toBe("STORAGE_NEWER");
  const { link, worker, told } = await open();
  worker.stand({ type: "failed", error });
  await expect.poll(() => told.at(-1)).toBe("problem STORAGE_NEWER");
  const asked = ask(link);
  worker.stand({ type: "leading", lead: "own later" });
  expect(await asked).toBe("own");
});

test("[CLIENT-3] a worker that ended is started again under the same tab, three times a minute", async () => {
  const { link, worker, told } = await open();
  worker.answersCommits = false;
  const edit = commit(link);
  for (let round = 1; round <= 3; round++) {
    worker.die();
    await expect.poll(() => worker.boots.length).toBe(1 + round);
    worker.stand({ type: "leading", lead: `lead ${round}` });
    await expect.poll(() => link.tab.state).toBe("leading");
  }
  expect(new Set(worker.boots.map(({ tab }) => tab)).size).toBe(1);
  await expect.poll(() => worker.calls.filter((call) => call === "commit 1").length).toBe(4);
  worker.die();
  expect([await codeOf(edit), told.at(-1)]).toEqual(["WORKER_DEAD", "problem WORKER_DEAD"]);
});

/** Timers of the page run when the test says so. */
function holdTimers(): void {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
}

/** What is on its way between the page and its worker has come. */
async function passMessages(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const { port1, port2 } = new MessageChannel();
    await new Promise((resolve) => {
      port2.onmessage = resolve;
      port1.postMessage(undefined);
    });
    port1.close();
  }
}

test("[CLIENT-51] a worker that is silent while a call waits is started again, and one that answers is not", async () => {
  holdTimers();
  const { link, worker } = await open();
  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      vi.advanceTimersByTime(workerPingMs);
      await passMessages();
    }
  };
  worker.isStuck = true;
  await turns(10);
  expect([worker.pings, worker.boots.length]).toEqual([0, 1]);
  worker.isStuck = false;
  worker.answersCommits = false;
  const edit = commit(link);
  await turns(10);
  expect([worker.pings, worker.boots.length]).toEqual([10, 1]);
  worker.isStuck = true;
  await turns(workerSilentPings);
  expect([worker.pings, worker.boots.length]).toEqual([11, 1]);
  worker.isStuck = false;
  worker.answersCommits = true;
  await turns(1);
  await expect.poll(() => worker.boots.length).toBe(2);
  worker.stand({ type: "leading", lead: "again" });
  await edit;
});

test("[CLIENT-51] closing ends a worker that does not end by itself", async () => {
  holdTimers();
  const { link, worker } = await open();
  worker.isStuck = true;
  const closed = vi.fn();
  const closing = link.close().then(closed);
  await passMessages();
  expect(worker.calls.at(-1)).toBe("close");
  vi.advanceTimersByTime(workerCloseTimeoutMs - 1);
  await passMessages();
  expect(closed).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  await closing;
});

test("[CLIENT-52] a worker that is started again is handed what its page was told of last", async () => {
  const { worker } = await open();
  expect(worker.boots[0]).not.toHaveProperty("carry");
  const carry: Carry = { online: false, settings: { peersMax: 3 } };
  worker.post({ type: "carry", carry: { online: true, settings: {} } });
  worker.post({ type: "carry", carry });
  worker.post({ type: "tab", state: { type: "waiting" } });
  await passMessages();
  worker.die();
  await expect.poll(() => worker.boots.length).toBe(2);
  expect(worker.boots[1]?.carry).toEqual(carry);
});

test("[CLIENT-53] a page that is back takes its lock from whoever keeps it for too long", async () => {
  const { link, worker, name } = await open();
  const lock = tabLockName(name, worker.boots[0]?.tab ?? "");
  link.page.suspend(true);
  let isStolen = false;
  let isHeld = (): void => {};
  const held = new Promise<void>((resolve) => {
    isHeld = resolve;
  });
  const keep = (): Promise<void> => {
    isHeld();
    return new Promise(() => {});
  };
  navigator.locks.request(lock, keep).catch(() => {
    isStolen = true;
  });
  await held;
  holdTimers();
  const resumed = link.page.resume();
  await passMessages();
  vi.advanceTimersByTime(tabLockTimeoutMs - 1);
  await passMessages();
  expect(isStolen).toBe(false);
  vi.advanceTimersByTime(1);
  await resumed;
  await passMessages();
  expect([isStolen, worker.calls.at(-1)]).toEqual([true, "resume"]);
});

test("[CLIENT-41] a page that is suspended follows nobody and holds nothing; it comes back under its name", async () => {
  const { link, worker, name } = await open();
  const tab = worker.boots[0]?.tab ?? "";
  const isHeld = async (): Promise<boolean> =>
    ((await navigator.locks.query()).held ?? []).some((lock) => lock.name === tabLockName(name, tab));
  expect(await isHeld()).toBe(true);
  link.page.suspend(false);
  const frozen = ask(link);
  expect(await isHeld()).toBe(true);
  await link.page.resume();
  worker.stand({ type: "leading", lead: "own again" });
  expect(await frozen).toBe("own");
  link.page.suspend(true);
  await expect.poll(isHeld).toBe(false);
  const asked = ask(link);
  await link.page.resume();
  expect(await isHeld()).toBe(true);
  worker.stand({ type: "leading", lead: "own third" });
  expect(await asked).toBe("own");
  expect(worker.calls.filter((call) => !call.startsWith("commit"))).toEqual([
    ...["attach", "suspend", "resume", "attach", "suspend", "resume", "attach"],
  ]);
});

test("[CLIENT-29] a page that was taken for gone, for somebody else has its lock, asks for it and to be served again", async () => {
  const opened = await open();
  const { link, worker, name } = opened;
  const tab = worker.boots[0]?.tab ?? "";
  leadElsewhere(opened, "theirs");
  await expect.poll(() => link.tab.state).toBe("following");
  expect(await ask(link)).toBe("theirs");
  const attached = worker.calls.length;
  await navigator.locks.request(tabLockName(name, tab), { steal: true }, async () => {});
  await expect.poll(() => worker.calls.length).toBe(attached + 1);
  const { held = [] } = await navigator.locks.query();
  expect(held.some((lock) => lock.name === tabLockName(name, tab))).toBe(true);
  expect(await ask(link)).toBe("theirs");
});

test("[DELETION-8] a page that was frozen while the instance was wiped ends as it comes back, and its worker is asked for nothing", async () => {
  for (const isCached of [false, true]) {
    const { link, worker, name, told } = await open();
    worker.answersCommits = false;
    const edit = codeOf(commit(link));
    link.page.suspend(isCached);
    await expect.poll(() => worker.calls.at(-1)).toBe("suspend");
    await deleteStored(name);
    await link.page.resume();
    expect([await edit, await codeOf(ask(link)), told.at(-1)]).toEqual(["INSTANCE_WIPED", "INSTANCE_WIPED", "wiped"]);
    expect(worker.calls.at(-1)).toBe("suspend");
  }
});

test("[DELETION-8] a page that is frozen again before it knows asks when it comes back", async () => {
  const { link, worker, name, told } = await open();
  link.page.suspend(false);
  await deleteStored(name);
  const resumed = link.page.resume();
  link.page.suspend(false);
  await resumed;
  expect(told).not.toContain("wiped");
  await link.page.resume();
  expect([told.at(-1), worker.calls.includes("resume")]).toEqual(["wiped", false]);
});

test("[DELETION-8] what is in a leader's memory alone is not looked for on the disk", async () => {
  const { link, worker, name } = await open({ storage: "memory" });
  await deleteStored(name);
  link.page.suspend(false);
  await link.page.resume();
  await expect.poll(() => worker.calls.at(-1)).toBe("resume");
});

test("[CLIENT-30] whoever comes back asks again for what has no answer, and for nothing else", async () => {
  const { link, worker, name } = await open();
  await commit(link);
  worker.answersCommits = false;
  await link.page.outbox.get("ready");
  const edit = commit(link);
  link.page.suspend(true);
  await expect.poll(async () => (await readOutbox(name)).map(({ number }) => number)).toEqual([2]);
  await link.page.resume();
  worker.answersCommits = true;
  worker.calls.length = 0;
  worker.stand({ type: "leading", lead: "second" });
  await edit;
  expect(worker.calls.filter((call) => call !== "resume")).toEqual(["attach", "commit 2"]);
  await expect.poll(() => readOutbox(name)).toEqual([]);
});

test("[CLIENT-30] [OUTBOX-3] of what somebody else did, or could not do, a page that is back hears from whoever leads", async () => {
  const { link, worker, name } = await open();
  const tab = worker.boots[0]?.tab ?? "";
  worker.answersCommits = false;
  await link.page.outbox.get("ready");
  const [good, refused, share] = [
    codeOf(commit(link)),
    codeOf(commit(link)),
    codeOf(link.line.write("share", (api, write) => api.commit(database, [], write))),
  ];
  link.page.suspend(true);
  // The leader has the page's lock as long as it does what the page left.
  const { coming } = await navigator.locks.request(tabLockName(name, tab), async () => {
    const resumed = link.page.resume();
    await expect.poll(async () => (await readOutbox(name)).map(({ number }) => number)).toEqual([1, 2]);
    await clearOutbox(name, tab, Number.MAX_SAFE_INTEGER);
    return { coming: resumed };
  });
  await coming;
  worker.answersCommits = true;
  worker.refused.add(2);
  worker.calls.length = 0;
  worker.stand({ type: "leading", lead: "second" });
  expect(await Promise.all([good, refused, share])).toEqual(["done", "PERMISSION_DENIED", "done"]);
  expect(worker.calls.filter((call) => call !== "resume")).toEqual(["attach", "commit 1", "commit 2", "commit 3"]);
  await expect.poll(() => readOutbox(name)).toEqual([]);
});

test("[CLIENT-30] what could not be put into the outbox is asked for again, and not taken for done", async () => {
  const { link, worker } = await open();
  worker.answersCommits = false;
  // There is no connection yet: nothing can be put.
  link.page.outbox.rest();
  const edit = codeOf(commit(link));
  link.page.outbox.rest();
  link.page.suspend(true);
  await link.page.resume();
  worker.answersCommits = true;
  worker.refused.add(1);
  worker.stand({ type: "leading", lead: "second" });
  expect(await edit).toBe("PERMISSION_DENIED");
});

test("[CLIENT-30] a page that was away for longer than leaders remember cannot say whether its writes were done", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const { link, worker } = await open();
  worker.answersCommits = false;
  const edit = codeOf(commit(link));
  link.page.suspend(false);
  vi.setSystemTime(Date.now() + endedTabKeptMs);
  await link.page.resume();
  // While it was frozen where it is, it had its lock: leaders know it.
  expect(await Promise.race([edit, Promise.resolve("waits")])).toBe("waits");
  link.page.suspend(true);
  vi.setSystemTime(Date.now() + endedTabKeptMs / 2);
  await link.page.resume();
  expect(await Promise.race([edit, Promise.resolve("waits")])).toBe("waits");
  link.page.suspend(true);
  vi.setSystemTime(Date.now() + endedTabKeptMs / 2 + 1);
  await link.page.resume();
  expect(await edit).toBe("CALL_INTERRUPTED");
});

test("[OUTBOX-5] a page that is frozen, or was told that it goes, has no connection that others would wait for", async () => {
  const { link, worker, name } = await open();
  worker.answersCommits = false;
  await link.page.outbox.get("ready");
  let rests = 0;
  const { rest } = link.page.outbox;
  link.page.outbox.rest = (): void => {
    rests++;
    rest.call(link.page.outbox);
  };
  void codeOf(commit(link));
  link.page.suspend(false);
  link.page.freeze();
  // At once, for nothing of the page runs after that.
  expect(rests).toBe(1);
  expect((await readOutbox(name)).map(({ number }) => number)).toEqual([1]);
  await link.page.resume();
  await link.page.outbox.get("ready");
  rests = 0;
  link.page.suspend(true);
  void codeOf(commit(link));
  expect(rests).toBe(0);
  await expect.poll(async () => (await readOutbox(name)).map(({ number }) => number)).toEqual([1, 2]);
  await expect.poll(() => rests).toBe(1);
  // Nobody asks this page to let go of what it has not.
  await deleteDB(outboxName(name));
  expect(rests).toBe(1);
  worker.answersCommits = true;
  await link.page.resume();
  worker.stand({ type: "leading", lead: "second" });
  await expect.poll(() => link.line.openEdits()).toEqual([]);
});

test("[CLIENT-30] what is written while the page is told that it goes is kept too", async () => {
  const { link, worker, name } = await open();
  worker.answersCommits = false;
  await link.page.outbox.get("ready");
  link.page.keep();
  const edit = commit(link);
  await expect.poll(async () => (await readOutbox(name)).map(({ number }) => number)).toEqual([1]);
  worker.answer();
  await edit;
  await expect.poll(() => readOutbox(name)).toEqual([]);
});

test("[CLIENT-22] closing waits for writes under way, asks for nothing more, and every call of it resolves with the first", async () => {
  const { link, worker } = await open();
  worker.answersCommits = false;
  const writes = [commit(link), commit(link)];
  const closing = link.close();
  const codes = [codeOf(ask(link)), codeOf(commit(link))];
  expect(link.close()).toBe(closing);
  await expect.poll(() => worker.calls.length).toBe(3);
  await new Promise((resolve) => setTimeout(resolve));
  expect(worker.calls).toEqual(["attach", "commit 1", "commit 2"]);
  worker.answer();
  await closing;
  await Promise.all(writes);
  expect(await Promise.all(codes)).toEqual(["INSTANCE_CLOSED", "INSTANCE_CLOSED"]);
  expect(worker.calls).toEqual(["attach", "commit 1", "commit 2", "close"]);
});

test("[CLIENT-7] opening that is aborted ends at once", async () => {
  const name = crypto.randomUUID();
  const worker = new FakeWorker("own");
  const ignore = (): void => {};
  const abort = new AbortController();
  const opening = InstanceLink.open({
    startWorker: () => worker.start(),
    bootTimeoutMs: 5_000,
    signal: abort.signal,
    boot: { name, relays: [], iceServers: [], sync: {} },
    tabs: openPageTabs(name),
    listener: { event: ignore, attached: ignore, tab: ignore, outdated: ignore, blocked: ignore, wrote: ignore },
  });
  await expect.poll(() => worker.boots.length).toBe(1);
  abort.abort();
  const code: ErrorCode = "ABORTED";
  await expect(opening).rejects.toMatchObject({ code });
});
