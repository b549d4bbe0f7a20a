/**
 * A page's way to the instance: opens it, follows who leads through its own worker, and ends when one of them says that it is over.
 *
 * [CLIENT-31] What was in a leader's memory alone ends with it: every call rejects with MEMORY_LOST from then on.
 * [CLIENT-32] Beside a newer build that leads, `open` and every call reject with BUILD_OUTDATED; edits without an answer are left to it.
 *
 * Deliberately not here: the calls (leader-line.ts), the worker's life (worker-link.ts), and the page's (page-life.ts).
 */
import { asTidemarkError, TidemarkError, unreachable } from "../core/errors.ts";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import { closeTimeoutMs, workerCloseTimeoutMs } from "../core/limits.ts";
import { type Build, thisBuild } from "../tabs/build.ts";
import type { Carry } from "../tabs/messages.ts";
import type { BootInfo, BootOptions, TabApi, TabStanding, WorkerEvent } from "../worker/api.ts";
import { fromErrorData, toErrorData } from "../worker/error-data.ts";
import { Attachment } from "./attachment.ts";
import { given } from "./input.ts";
import { LeaderLine } from "./leader-line.ts";
import type { Leader } from "./line.ts";
import { PageLife } from "./page-life.ts";
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

export class InstanceLink {
  readonly line: LeaderLine;
  readonly page: PageLife;
  readonly #options: InstanceLinkOptions;
  readonly #worker: WorkerLink;
  readonly #attachment: Attachment;
  readonly #tab: string = encodeHex(crypto.getRandomValues(new Uint8Array(16)));
  readonly #opened: Promise<BootInfo>;
  #setOpened: (info: BootInfo) => void = () => {};
  #failOpening: (error: TidemarkError) => void = () => {};
  #info: BootInfo | undefined;
  /** Whose `#info` is. */
  #lead: string | undefined;
  #state: Tab["state"] = "waiting";
  /** The version that the app was told of last. */
  #newer: string | undefined;
  #closing: Promise<void> | undefined;
  #isEnded = false;
  #workerGone: () => void = () => {};
  /** What a worker that is started again is to go on with. */
  #carry: Carry | undefined;

  private constructor(options: InstanceLinkOptions) {
    const { boot, listener } = options;
    this.#options = options;
    this.#opened = new Promise((resolve, reject) => {
      this.#setOpened = resolve;
      this.#failOpening = reject;
    });
    this.#opened.catch(() => {}); // Told by `open`.
    const tab = this.#tab;
    const forget = (number: number): Promise<void> => this.page.outbox.forget(number);
    this.line = new LeaderLine({ tab, forget, began: () => this.page.wrote(), wrote: (name) => listener.wrote(name) });
    this.#worker = new WorkerLink({
      ...options,
      boot: () => this.#bootOptions(),
      isWaiting: () => this.#info === undefined || this.line.isWaiting,
      onEvent: (event) => this.#take(event),
      onRestart: () => this.#restarted(),
      onDead: (error) => this.#fail(error),
    });
    this.#attachment = new Attachment({
      ...{ name: boot.name, tab, channels: options.tabs.channels },
      worker: () => this.#worker.api,
      event: (event) => this.#hear(event),
      attached: (lead, leader, info) => this.#attached(lead, leader, info),
    });
    this.page = new PageLife({
      ...{ name: boot.name, tab, locks: options.tabs.locks, line: this.line },
      tell: (run) => this.#tell(run),
      isStored: () => this.#info?.storage === "idb",
      isClosing: () => this.#closing !== undefined,
      left: () => this.#attachment.end(),
      wiped: () => this.#hear({ type: "wiped" }),
      mistaken: () => this.#attachment.isToOther && this.#tell((api) => api.attach()),
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

  /**
   * Resolves when everything is durable, connected peers had two seconds to confirm it, and the worker has ended; every call with the first. One that does
   * not end in ten seconds is ended.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close(new TidemarkError("INSTANCE_CLOSED", { name: this.#options.boot.name }));
    return this.#closing;
  }

  async #open(): Promise<BootInfo> {
    await this.page.begin();
    await this.#worker.boot();
    return this.#opened;
  }

  /** The connections stay until the worker has answered: what waits for peers goes through them. */
  async #close(reason: TidemarkError): Promise<void> {
    if (this.#isEnded) return;
    this.line.refuse(reason);
    await Promise.race([this.line.writesEnded(), pause(closeTimeoutMs)]);
    this.page.keep();
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
    if (!this.#attachment.isToOther || event.type === "problem") this.#hear(event);
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
    const { leader, lead: before } = this.#attachment;
    if (lead === before) return leader && this.line.attach(leader);
    this.line.hold();
    if (type === "leading") void this.#attachment.toOwn(lead);
    else this.#attachment.toOther(lead);
  }

  #attached(lead: string, leader: Leader, info: BootInfo): void {
    if (this.#isEnded) return;
    const change = lead === this.#lead ? undefined : this.#changeTo(info);
    if (change !== undefined) return this.#fail(change);
    this.#info = info;
    this.#lead = lead;
    if (this.#state !== "waiting") this.line.attach(leader);
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
    // It is tried again, but whoever has the instance may have it for as long as they like.
    if (error.code === "INSTANCE_IN_USE") this.line.turnAway(error);
    else this.line.hold();
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
    this.#attachment.giveUp();
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
    this.#attachment.end();
    this.line.end(reason);
    this.#worker.end();
    this.page.end({ isWiped: reason.code === "INSTANCE_WIPED" });
    this.#options.tabs.close();
  }

  /** What it answers is told by events. */
  #tell(run: (api: TabApi) => Promise<unknown>): void {
    if (!this.#isEnded) run(this.#worker.api).catch(() => {}); // It is ending, or not what it was: its events say so.
  }
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
