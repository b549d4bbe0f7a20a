/**
 * The page's own worker: starts it, notices when it is dead, and starts it again.
 *
 * [CLIENT-2] A worker that does not answer within the boot time-out, or whose script does not load, rejects `open` with
 *            WORKER_BOOT, which says what to do.
 * [CLIENT-3] A worker that ended is started again, under the same tab; when it ends more than three times a minute, the page is told WORKER_DEAD.
 * [CLIENT-51] A worker that is silent for some 15 s while a call waits is taken for one that ended.
 */
import { transfer, wrap } from "comlink";
import { TidemarkError } from "../core/errors.ts";
import { workerPingMs, workerRestartsPerMinuteMax, workerSilentPings } from "../core/limits.ts";
import { PeerConnections } from "../transport/simple-peer.ts";
import type { BootOptions, TabApi, WorkerEvent } from "../worker/api.ts";
import { carryErrors } from "../worker/error-data.ts";

export interface WorkerLinkOptions {
  readonly startWorker: () => Worker;
  readonly bootTimeoutMs: number;
  /** Asked at each start. */
  readonly boot: () => Omit<BootOptions, "lifeLock">;
  /** Whether somebody waits for what the worker does. */
  readonly isWaiting: () => boolean;
  readonly onEvent: (event: WorkerEvent) => void;
  /** The worker is no more; another is on its way, from which events will come. */
  readonly onRestart: () => void;
  /** There is no worker, and there will be none. */
  readonly onDead: (error: TidemarkError) => void;
}

/** One worker, from its start to its end. */
interface Running {
  readonly worker: Worker;
  readonly api: TabApi;
  readonly events: MessageChannel;
  readonly life: AbortController;
}

const minuteMs = 60_000;

export class WorkerLink {
  readonly #options: WorkerLinkOptions;
  readonly #connections: PeerConnections[] = [];
  #running: Running;
  #restarts: readonly number[] = [];
  #isEnded = false;

  constructor(options: WorkerLinkOptions) {
    carryErrors();
    this.#options = options;
    this.#running = this.#start();
  }

  /** Of the worker that runs now. */
  get api(): TabApi {
    return this.#running.api;
  }

  /** Rejects with WORKER_BOOT, INSTANCE_IN_USE, ENVIRONMENT_UNSUPPORTED. Called once. */
  boot(): Promise<void> {
    return this.#boot(this.#running);
  }

  /** The worker's engine has ended, and a new one makes its own. */
  closeConnections(): void {
    for (const connections of this.#connections.splice(0)) connections.close();
  }

  end(): void {
    this.#isEnded = true;
    this.closeConnections();
    stop(this.#running);
  }

  #start(): Running {
    const worker = this.#options.startWorker();
    const events = new MessageChannel();
    events.port1.onmessage = ({ data }: MessageEvent<WorkerEvent>) => this.#take(data);
    // Every method of the API returns a promise already: its remote form is its own.
    return { worker, api: wrap(worker) as unknown as TabApi, events, life: new AbortController() };
  }

  async #boot(running: Running): Promise<void> {
    const boot = this.#options.boot();
    const { worker, api, events } = running;
    const lifeLock = `tidemark/${boot.name}/worker/${crypto.randomUUID()}`;
    const failed = failedToStart(worker, this.#options.bootTimeoutMs);
    try {
      const booted = api.boot({ ...boot, lifeLock }, transfer(events.port2, [events.port2]));
      await Promise.race([booted, failed.promise]);
      this.#watchLife(running, lifeLock);
      this.#watchAnswers(running);
    } finally {
      failed.stop();
    }
  }

  /** The worker holds this lock while it lives; no event tells that a worker has died. */
  #watchLife(running: Running, lifeLock: string): void {
    navigator.locks
      ?.request(lifeLock, { signal: running.life.signal }, () => void this.#restart("it ended unexpectedly"))
      .catch(() => {}); // Aborted when the link ends for another reason.
  }

  /** One that hangs does not end by itself; where there are no Web Locks nothing tells that one has ended. */
  #watchAnswers(running: Running): void {
    const { api, life } = running;
    // Counted in turns of this page, which may have been asleep with its worker.
    let silent: number | undefined;
    const answered = (): void => {
      silent = undefined;
    };
    const turn = (): void => {
      if (silent === undefined) {
        if (!this.#options.isWaiting()) return;
        silent = 0;
        api.ping().then(answered, answered);
      } else if (++silent === workerSilentPings) void this.#restart("it did not answer any more");
    };
    const timer = setInterval(turn, workerPingMs);
    life.signal.addEventListener("abort", () => clearInterval(timer));
  }

  async #restart(reason: string): Promise<void> {
    this.closeConnections();
    stop(this.#running);
    const now = performance.now();
    this.#restarts = [...this.#restarts.filter((at) => now - at < minuteMs), now];
    if (this.#isEnded) return;
    if (this.#restarts.length > workerRestartsPerMinuteMax) {
      this.#isEnded = true;
      return this.#options.onDead(new TidemarkError("WORKER_DEAD", { reason }));
    }
    this.#options.onRestart();
    try {
      this.#running = this.#start();
      await this.#boot(this.#running);
    } catch (error) {
      await this.#restart(`it did not start again: ${String(error)}`);
    }
  }

  #take(event: WorkerEvent): void {
    if (event.type === "connections") this.#connections.push(new PeerConnections(event.port));
    else this.#options.onEvent(event);
  }
}

function stop({ worker, events, life }: Running): void {
  life.abort();
  events.port1.close();
  worker.terminate();
}

/** A script that cannot be loaded fires an error without a message; one that hangs fires nothing. */
function failedToStart(worker: Worker, afterMs: number): { readonly promise: Promise<never>; stop(): void } {
  let timer: ReturnType<typeof setTimeout>;
  const promise = new Promise<never>((_, reject) => {
    const fail = (reason: string, waitedMs: number): void =>
      reject(new TidemarkError("WORKER_BOOT", { reason, afterMs: waitedMs }));
    timer = setTimeout(() => fail("no answer", afterMs), afterMs);
    worker.onerror = ({ message }) => fail(message || "its script could not be loaded", 0);
  });
  promise.catch(() => {}); // Told by the race.
  return {
    promise,
    stop: () => {
      clearTimeout(timer);
      worker.onerror = null;
    },
  };
}
