/**
 * The line to the worker: boots it, calls it, and notices when it is dead.
 *
 * [CLIENT-2] A worker that does not answer within the boot time-out, or whose script does not load, rejects `open` with
 *            WORKER_BOOT, which says what to do.
 * [CLIENT-3] When the worker ends, every call under way and every later one rejects with WORKER_DEAD.
 * [CLIENT-7] An aborted call rejects with ABORTED at once; after `close` every call rejects with INSTANCE_CLOSED.
 */
import { transfer, wrap } from "comlink";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { timerMsMax } from "../core/limits.ts";
import { invalid } from "../core/store/values.ts";
import type { CommandName, SyncCommands, SyncResults } from "../engine/commands.ts";
import { PeerConnections } from "../transport/simple-peer.ts";
import type { BootInfo, BootOptions, WorkerApi, WorkerEvent } from "../worker/api.ts";
import { carryErrors, toErrorData } from "../worker/error-data.ts";
import { assertInteger, given } from "./input.ts";
import type { Line, Waiting } from "./line.ts";

export interface WorkerLinkOptions {
  readonly startWorker: () => Worker;
  readonly bootTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly boot: Omit<BootOptions, "lifeLock">;
  readonly onEvent: (event: WorkerEvent) => void;
}

export class WorkerLink implements Line {
  readonly #worker: Worker;
  readonly #api: WorkerApi;
  readonly #events = new MessageChannel();
  readonly #connections: PeerConnections[] = [];
  readonly #underWay = new Set<(error: TidemarkError) => void>();
  readonly #waitForDeath = new AbortController();
  readonly #onEvent: (event: WorkerEvent) => void;
  #ended: TidemarkError | undefined;
  /** Why nothing more is asked of the worker. */
  #refusal: TidemarkError | undefined;
  #closing: Promise<void> | undefined;
  #commands = 0;

  private constructor({ startWorker, onEvent }: WorkerLinkOptions) {
    carryErrors();
    this.#onEvent = onEvent;
    this.#worker = startWorker();
    // Every method of the API returns a promise already: its remote form is its own.
    this.#api = wrap(this.#worker) as unknown as WorkerApi;
    this.#events.port1.onmessage = ({ data }: MessageEvent<WorkerEvent>) => this.#take(data);
  }

  /** Rejects with WORKER_BOOT, INSTANCE_IN_USE, STORAGE_UNAVAILABLE, ENVIRONMENT_UNSUPPORTED. */
  static async boot(options: WorkerLinkOptions): Promise<{ readonly link: WorkerLink; readonly info: BootInfo }> {
    const link = new WorkerLink(options);
    try {
      return { link, info: await link.#boot(options) };
    } catch (error) {
      link.#end(new TidemarkError("WORKER_DEAD", { reason: "it did not start" }));
      throw error;
    }
  }

  /** Calls the worker. `signal` ends the waiting with ABORTED, not what the worker does. */
  call<T>(name: string, run: (api: WorkerApi) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    if (signal?.aborted) return Promise.reject(new TidemarkError("ABORTED", { call: name }));
    return new Promise<T>((resolve, reject) => {
      const abort = (): void => fail(new TidemarkError("ABORTED", { call: name }));
      const settle = (): void => {
        this.#underWay.delete(fail);
        signal?.removeEventListener("abort", abort);
      };
      const fail = (error: unknown): void => {
        settle();
        reject(error);
      };
      this.#underWay.add(fail);
      signal?.addEventListener("abort", abort);
      run(this.#api).then((value) => {
        settle();
        resolve(value);
      }, fail);
    });
  }

  async command<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    { signal, timeoutMs }: Waiting = {},
  ): Promise<SyncResults[Name]> {
    if (timeoutMs !== undefined) assertInteger(timeoutMs, "timeoutMs", 1, timerMsMax);
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid("signal", signal, "an AbortSignal");
    const id = ++this.#commands;
    const cancel = (): void => void this.call(name, (api) => api.cancel(id)).catch(() => {}); // Closed: so is the command.
    signal?.addEventListener("abort", cancel);
    try {
      return await this.call(name, (api) => api.command(name, command, given({ id, timeoutMs })), signal);
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** A command that nobody waits for: a failure is a `problem`. */
  post<Name extends CommandName>(name: Name, command: SyncCommands[Name]): void {
    this.call(name, (api) => api.post(name, command)).catch(() => {}); // Closed, which nobody waits for either.
  }

  /** Tells of an error that no call waits for. */
  report(error: unknown, database: DatabaseId | undefined): void {
    if (this.#ended === undefined) this.#onEvent({ type: "problem", database, error: toErrorData(error) });
  }

  /**
   * Resolves when everything is durable, connected peers had two seconds to confirm it, and the worker has ended; every call with the first.
   */
  close(name: string): Promise<void> {
    this.#closing ??= this.#closeNow(new TidemarkError("INSTANCE_CLOSED", { name }));
    return this.#closing;
  }

  /** The connections stay until the worker has answered: what waits for peers goes through them. */
  async #closeNow(reason: TidemarkError): Promise<void> {
    if (this.#ended !== undefined) return;
    const closed = this.call("close", (api) => api.close());
    this.#refusal = reason;
    await closed.finally(() => this.#end(reason));
  }

  async #boot({ boot, bootTimeoutMs, signal }: WorkerLinkOptions): Promise<BootInfo> {
    const lifeLock = `tidemark/${boot.name}/worker/${crypto.randomUUID()}`;
    const { port2 } = this.#events;
    const booted = this.call("open", (api) => api.boot({ ...boot, lifeLock }, transfer(port2, [port2])), signal);
    const info = await Promise.race([booted, this.#failedToStart(bootTimeoutMs)]);
    this.#worker.onerror = null;
    this.#watchLife(lifeLock);
    return info;
  }

  /** A script that cannot be loaded fires an error without a message; one that hangs fires nothing. */
  #failedToStart(afterMs: number): Promise<never> {
    return new Promise((_, reject) => {
      const timer = setTimeout(
        () => reject(new TidemarkError("WORKER_BOOT", { reason: "no answer", afterMs })),
        afterMs,
      );
      this.#worker.onerror = ({ message }) => {
        clearTimeout(timer);
        reject(new TidemarkError("WORKER_BOOT", { reason: message || "its script could not be loaded", afterMs: 0 }));
      };
    });
  }

  /** The worker holds this lock while it lives; no event tells that a worker has died. */
  #watchLife(lifeLock: string): void {
    navigator.locks
      ?.request(lifeLock, { signal: this.#waitForDeath.signal }, () => {
        const error = new TidemarkError("WORKER_DEAD", { reason: "it ended unexpectedly" });
        this.#end(error);
        this.#onEvent({ type: "problem", database: undefined, error: toErrorData(error) });
      })
      .catch(() => {}); // Aborted when the link ends for another reason.
  }

  #take(event: WorkerEvent): void {
    if (event.type === "connections") this.#connections.push(new PeerConnections(event.port));
    else this.#onEvent(event);
  }

  #end(reason: TidemarkError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#refusal = reason;
    this.#waitForDeath.abort();
    this.#events.port1.close();
    for (const connections of this.#connections) connections.close();
    this.#worker.terminate();
    for (const fail of [...this.#underWay]) fail(reason);
  }
}
