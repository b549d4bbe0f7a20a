/**
 * A page's way to the instance: its own worker, whoever leads, and what is kept when the page goes.
 *
 * [CLIENT-29] A page is served by its own worker while that leads, else by the leader's; it is the same to the app.
 * [CLIENT-30] A page that goes leaves its edits without an answer in the outbox; one that comes back asks again for every write, whoever has done it.
 * [CLIENT-31] What was in a leader's memory alone ends with it: every call rejects with MEMORY_LOST from then on.
 * [CLIENT-32] Beside a newer build that leads, `open` and every call reject with BUILD_OUTDATED; edits without an answer are left to it.
 */
import { wrap } from "comlink";
import { asTidemarkError, TidemarkError, unreachable } from "../core/errors.ts";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import { closeTimeoutMs, endedTabKeptMs, tabLockTimeoutMs, workerCloseTimeoutMs } from "../core/limits.ts";
import { Outbox } from "../storage/outbox.ts";
import { type Build, thisBuild } from "../tabs/build.ts";
import type { Carry } from "../tabs/messages.ts";
import { pairChannelName, tabLockName } from "../tabs/names.ts";
import { openPair, type Pair } from "../tabs/pair-endpoint.ts";
import type { BootInfo, BootOptions, TabApi, TabStanding, WorkerApi, WorkerEvent } from "../worker/api.ts";
import { fromErrorData, toErrorData } from "../worker/error-data.ts";
import { given } from "./input.ts";
import { LeaderLine } from "./leader-line.ts";
import type { Leader } from "./line.ts";
import type { PageTabs } from "./page-tabs.ts";
import type { Tab } from "./tab.ts";
import { WorkerLink } from "./worker-link.ts";

export interface InstanceLinkOptions {
  readonly startWorker: () => Worker;
  readonly bootTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly boot: Omit<BootOptions, "lifeLock" | "tab" | "visible">;
  /** Closed by the link. */
  readonly tabs: PageTabs;
  readonly listener: InstanceLinkListener;
}

/** Told of everything that no call waits for. Never throws. */
export interface InstanceLinkListener {
  /** From whoever leads, or from the own worker. */
  event(event: WorkerEvent): void;
  /** Another leader serves this page. */
  attached(info: BootInfo): void;
  tab(tab: Tab): void;
  /** A newer build waits for the end of all tabs of this one, or leads. */
  outdated(build: Build): void;
  /** An older build leads: `open` waits for its end. */
  blocked(build: Build): void;
  /** The call of that name has written something. */
  wrote(name: string): void;
}

/** The leadership that serves this page, or is about to. */
interface Attachment {
  readonly lead: string;
  /** Undefined: the own worker leads. */
  readonly pair: Pair<BootInfo, WorkerEvent> | undefined;
  leader: Leader | undefined;
}

export class InstanceLink {
  readonly line: LeaderLine;
  /** What this page keeps by itself. */
  readonly outbox: Outbox;
  readonly #options: InstanceLinkOptions;
  readonly #worker: WorkerLink;
  readonly #tab: string = encodeHex(crypto.getRandomValues(new Uint8Array(16)));
  readonly #opened: Promise<BootInfo>;
  #setOpened: (info: BootInfo) => void = () => {};
  #failOpening: (error: TidemarkError) => void = () => {};
  #attachment: Attachment | undefined;
  #info: BootInfo | undefined;
  /** Whose `#info` is. */
  #lead: string | undefined;
  #state: Tab["state"] = "waiting";
  /** The version that the app was told of last. */
  #newer: string | undefined;
  #releasePage: (() => void) | undefined;
  #isCached = false;
  /** Since when nothing of the page runs, in milliseconds since 1970. */
  #suspendedMs: number | undefined;
  /** It was said just now that the page may end. */
  #isLeaving = false;
  #returning: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #isEnded = false;
  #workerGone: () => void = () => {};
  /** What a worker that is started again is to go on with. */
  #carry: Carry | undefined;

  private constructor(options: InstanceLinkOptions) {
    const { boot, listener } = options;
    this.#options = options;
    this.outbox = new Outbox(boot.name, this.#tab);
    this.#opened = new Promise((resolve, reject) => {
      this.#setOpened = resolve;
      this.#failOpening = reject;
    });
    this.#opened.catch(() => {}); // Told by `open`.
    const forget = (number: number): Promise<void> => this.outbox.forget(number);
    const began = (): void => {
      if (this.#isLeaving) this.outbox.put(this.line.openEdits());
      else this.outbox.warm();
    };
    this.line = new LeaderLine({ tab: this.#tab, forget, began, wrote: (name) => listener.wrote(name) });
    this.#worker = new WorkerLink({
      ...options,
      boot: () => this.#bootOptions(),
      isWaiting: () => this.#info === undefined || this.line.isWaiting,
      onEvent: (event) => this.#take(event),
      onRestart: () => this.#restarted(),
      onDead: (error) => this.#fail(error),
    });
  }

  /** Rejects with WORKER_BOOT, INSTANCE_IN_USE, BUILD_OUTDATED, a STORAGE_ code, ENVIRONMENT_UNSUPPORTED, ABORTED. */
  static async open(options: InstanceLinkOptions): Promise<{ readonly link: InstanceLink; readonly info: BootInfo }> {
    const link = new InstanceLink(options);
    try {
      return { link, info: await orAborted(options.signal, link.#open()) };
    } catch (error) {
      link.#end(asTidemarkError(error));
      throw error;
    }
  }

  get tab(): Tab {
    return { id: this.#tab, state: this.#state };
  }

  /** Tells of an error that no call waits for. */
  report(error: unknown, database: DatabaseId | undefined): void {
    if (!this.#isEnded) this.#options.listener.event({ type: "problem", database, error: toErrorData(error) });
  }

  /** The page may end without another word. What others still write as they hear of it is kept too. */
  keep(): void {
    this.outbox.put(this.line.openEdits());
    this.#isLeaving = true;
    setTimeout(() => {
      this.#isLeaving = false;
      if (this.#suspendedMs !== undefined) this.outbox.rest();
    });
  }

  setVisible(on: boolean): void {
    this.#tell((api) => api.setVisible(on));
  }

  /** Nothing of the page runs from now on, until `resume`. `cached`: others may take over what it has left. */
  suspend(cached: boolean): void {
    this.keep();
    this.line.hold();
    this.#serveBy(undefined);
    this.#tell((api) => api.suspend());
    this.#suspendedMs = Date.now();
    this.#isCached = cached;
    if (cached) this.#letPageGo();
  }

  /** It is suspended, and this was the last word: nobody else is to wait for it. */
  freeze(): void {
    this.outbox.rest();
  }

  /** Resolves when the page may be served again. */
  resume(): Promise<void> {
    const awayMs = Date.now() - (this.#suspendedMs ?? Date.now());
    // Leaders took it for gone, and remember what it wrote for twice as long.
    const isForgotten = (this.#isCached || !hasWebLocks()) && awayMs > endedTabKeptMs / 2;
    if (isForgotten) this.line.interruptWrites();
    this.#suspendedMs = undefined;
    this.#isCached = false;
    this.#returning = this.#returning.then(async () => {
      // Whoever is doing what we left behind has the lock.
      await this.#holdPage();
      // What a page that closes leaves is for whoever leads next.
      if (this.#suspendedMs !== undefined || this.#closing !== undefined) return;
      this.outbox.doubt();
      if (this.line.isWaiting) this.outbox.warm();
      this.#tell((api) => api.resume());
    });
    return this.#returning;
  }

  /**
   * Resolves when everything is durable, connected peers had two seconds to confirm it, and the worker has ended; every call with the first. One that does
   * not end in ten seconds is ended.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close(new TidemarkError("INSTANCE_CLOSED", { name: this.#options.boot.name }));
    return this.#closing;
  }

  async #open(): Promise<BootInfo> {
    await this.#holdPage();
    await this.#worker.boot();
    return this.#opened;
  }

  /** The connections stay until the worker has answered: what waits for peers goes through them. */
  async #close(reason: TidemarkError): Promise<void> {
    if (this.#isEnded) return;
    this.line.refuse(reason);
    await Promise.race([this.line.writesEnded(), pause(closeTimeoutMs)]);
    this.keep();
    const gone = new Promise<void>((resolve) => {
      this.#workerGone = resolve;
    });
    const late = pause(workerCloseTimeoutMs);
    await Promise.race([this.#worker.api.close(), gone, late]).finally(() => this.#end(reason));
  }

  #bootOptions(): Omit<BootOptions, "lifeLock"> {
    const visible = document.visibilityState === "visible";
    return { ...this.#options.boot, ...given({ carry: this.#carry }), tab: this.#tab, visible };
  }

  #take(event: WorkerEvent): void {
    if (event.type === "tab") return this.#stand(event.state);
    if (event.type === "carry") {
      this.#carry = event.carry;
      return;
    }
    // What the own worker has to say of an engine is of interest only while it has the one that serves us.
    const isServing = this.#attachment === undefined || this.#attachment.pair === undefined;
    if (isServing || event.type === "problem") this.#hear(event);
  }

  #hear(event: WorkerEvent): void {
    if (this.#isEnded) return;
    if (event.type === "wiped") this.#end(new TidemarkError("INSTANCE_WIPED", { name: this.#options.boot.name }));
    this.#options.listener.event(event);
  }

  #stand(state: TabStanding): void {
    const { listener } = this.#options;
    this.#setState(state);
    switch (state.type) {
      case "leading":
      case "following":
        if (state.newer !== undefined) this.#tellNewer(state.newer);
        return this.#follow(state);
      case "waiting":
        return this.line.hold();
      case "blocked":
        this.line.hold();
        return listener.blocked(state.build);
      case "failed":
        this.line.hold();
        return this.#failedToLead(fromErrorData(state.error));
      case "outdated":
        return this.#outdated(state.build);
      default:
        return unreachable(state);
    }
  }

  #setState({ type }: TabStanding): void {
    const state = type === "leading" || type === "following" ? type : "waiting";
    if (state === this.#state) return;
    if (this.#state === "leading") this.#worker.closeConnections();
    this.#state = state;
    this.#options.listener.tab(this.tab);
  }

  #follow({ type, lead }: Extract<TabStanding, { readonly lead: string }>): void {
    const { leader, lead: before } = this.#attachment ?? {};
    if (lead === before) return leader && this.line.attach(leader);
    this.line.hold();
    if (type === "leading") void this.#attachToOwn(lead);
    else this.#attachToOther(lead);
  }

  async #attachToOwn(lead: string): Promise<void> {
    const attachment: Attachment = { lead, pair: undefined, leader: undefined };
    this.#serveBy(attachment);
    const { api } = this.#worker;
    const info = await api.attach().catch(() => undefined); // It leads no more: its next state is on the way.
    if (info === undefined) this.#drop(attachment);
    else this.#attached(attachment, api, info);
  }

  #attachToOther(lead: string): void {
    const { tabs, boot } = this.#options;
    const channel = tabs.channels?.open(pairChannelName(boot.name, lead, this.#tab));
    if (channel === undefined) return;
    const pair = openPair<BootInfo, WorkerEvent>(channel, (note) => {
      if (note.type === "event") this.#hear(note.event);
      // Every method of the API returns a promise already: its remote form is its own.
      else this.#attached(attachment, wrap(pair.endpoint) as unknown as WorkerApi, note.info);
    });
    const attachment: Attachment = { lead, pair, leader: undefined };
    this.#serveBy(attachment);
    this.#worker.api.attach().catch(() => this.#drop(attachment)); // The same.
  }

  /** Nothing comes of it. */
  #drop(attachment: Attachment): void {
    if (attachment === this.#attachment && attachment.leader === undefined) this.#serveBy(undefined);
  }

  /** Whoever served this page does not any more. */
  #serveBy(attachment: Attachment | undefined): void {
    this.#attachment?.pair?.close();
    this.#attachment = attachment;
  }

  #attached(attachment: Attachment, api: WorkerApi, info: BootInfo): void {
    // A leader that greets again has begun anew: what it had not answered it is asked again.
    if (attachment !== this.#attachment || this.#isEnded) return;
    const change = attachment.lead === this.#lead ? undefined : this.#changeTo(info);
    if (change !== undefined) return this.#fail(change);
    this.#info = info;
    this.#lead = attachment.lead;
    attachment.leader = { api };
    if (this.#state !== "waiting") this.line.attach(attachment.leader);
    this.#options.listener.attached(info);
    this.#setOpened(info);
  }

  /** Why this is not the instance that was opened. */
  #changeTo({ publicKey }: BootInfo): TidemarkError | undefined {
    if (this.#info === undefined) return undefined;
    if (this.#info.storage === "memory") return new TidemarkError("MEMORY_LOST", { name: this.#options.boot.name });
    if (this.#info.publicKey === publicKey) return undefined;
    return new TidemarkError("STORAGE_CLOSED", { reason: "what was stored is gone, as when site data is cleared" });
  }

  #failedToLead(error: TidemarkError): void {
    if (this.#info === undefined) this.#failOpening(error);
    else this.report(error, undefined);
  }

  #outdated(build: Build): void {
    const error = new TidemarkError("BUILD_OUTDATED", { got: thisBuild.version, expected: build.version });
    this.line.end(error, "edits");
    this.#failOpening(error);
    this.#tellNewer(build);
  }

  #tellNewer(build: Build): void {
    if (build.version === this.#newer) return;
    this.#newer = build.version;
    this.#options.listener.outdated(build);
  }

  #restarted(): void {
    this.#workerGone();
    if (this.#state === "leading") this.line.hold();
    if (this.#attachment !== undefined) this.#drop(this.#attachment);
    this.#setState({ type: "waiting" });
  }

  #fail(error: TidemarkError): void {
    this.report(error, undefined);
    this.#failOpening(error);
    this.#end(error);
  }

  #end(reason: TidemarkError): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#workerGone();
    this.#serveBy(undefined);
    this.line.end(reason);
    this.#worker.end();
    this.outbox.close();
    this.#letPageGo();
    this.#options.tabs.close();
  }

  /** What it answers is told by events. */
  #tell(run: (api: TabApi) => Promise<unknown>): void {
    if (!this.#isEnded) run(this.#worker.api).catch(() => {}); // It is ending, or not what it was: its events say so.
  }

  /** As long as the page holds this lock, nobody takes over what it wants. */
  async #holdPage(): Promise<void> {
    if (this.#releasePage !== undefined) return;
    const release = await this.#askForPage().catch(() => undefined); // There are no locks here.
    if (this.#isCached || this.#isEnded) release?.();
    else this.#releasePage = release;
  }

  /** A leader that was frozen while it had the lock would keep it for ever. */
  async #askForPage(): Promise<(() => void) | undefined> {
    const { tabs, boot } = this.#options;
    const name = tabLockName(boot.name, this.#tab);
    const lost = (): void => void this.#takenForGone();
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), tabLockTimeoutMs);
    try {
      return await tabs.locks?.request(name, { lost, signal: late.signal });
    } catch (error) {
      if (!late.signal.aborted) throw error;
      return await tabs.locks?.request(name, { lost, steal: true });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Without Web Locks a page that is silent for seconds is, and its leader serves it no more. */
  async #takenForGone(): Promise<void> {
    this.#releasePage = undefined;
    if (this.#isCached || this.#isEnded) return;
    await this.#holdPage();
    if (this.#attachment?.pair !== undefined) this.#tell((api) => api.attach());
  }

  #letPageGo(): void {
    this.#releasePage?.();
    this.#releasePage = undefined;
  }
}

/** Without them, who is silent holds nothing. */
function hasWebLocks(): boolean {
  return (navigator.locks as LockManager | undefined) !== undefined;
}

async function orAborted<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (signal === undefined) return promise;
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new TidemarkError("ABORTED", { call: "open" }));
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
  });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
