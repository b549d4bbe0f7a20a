/**
 * A page's views of earlier states, as far as whoever leads has them.
 *
 * [HISTORY-12] A view outlives who leads: the next one makes it anew when it is read, and reading it gives the same.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import type { FoldingProgress } from "../engine/past-state.ts";
import type { ViewInfo, WorkerApi } from "../worker/api.ts";
import type { Line } from "./line.ts";
import { callSafely } from "./listeners.ts";

export interface ViewOptions {
  /** Ends it: rejects with ABORTED, and nothing more is read for it. */
  readonly signal?: AbortSignal | undefined;
  /** At the beginning, and with every 500 entries or 1 MiB. */
  readonly onProgress?: ((progress: FoldingProgress) => void) | undefined;
}

export class PastViews {
  readonly #line: Line;
  readonly #progress = new Map<number, (progress: FoldingProgress) => void>();
  #views = 0;

  constructor(line: Line) {
    this.#line = line;
  }

  /** Rejects with ENTRY_UNKNOWN, VIEW_LIMIT, ABORTED, or a STORAGE_ code. */
  async open(database: DatabaseId, tips: readonly EntryId[], { signal, onProgress }: ViewOptions): Promise<OpenView> {
    if (signal?.aborted) throw new TidemarkError("ABORTED", { call: "at" });
    const number = ++this.#views;
    if (onProgress !== undefined) this.#progress.set(number, (progress) => callSafely(onProgress, progress));
    const opened = new OpenView(this.#line, number, database, tips);
    try {
      await opened.open(signal);
      return opened;
    } catch (error) {
      opened.close();
      throw error;
    } finally {
      this.#progress.delete(number);
    }
  }

  /** For `Instance`: an event of the worker. */
  progressed(view: number, progress: FoldingProgress): void {
    this.#progress.get(view)?.(progress);
  }
}

export class OpenView {
  readonly number: number;
  readonly #line: Line;
  readonly #database: DatabaseId;
  readonly #tips: readonly EntryId[];
  readonly #stop: () => void;
  /** With who leads now. */
  #opening: Promise<ViewInfo> | undefined;
  #info: ViewInfo | undefined;
  #isClosed = false;

  /** For `PastViews`. */
  constructor(line: Line, number: number, database: DatabaseId, tips: readonly EntryId[]) {
    this.number = number;
    this.#line = line;
    this.#database = database;
    this.#tips = tips;
    this.#stop = line.stand(() => {
      this.#opening = undefined;
    });
  }

  get database(): DatabaseId {
    return this.#database;
  }

  /** As it was opened first. */
  get info(): ViewInfo {
    if (this.#info === undefined) throw new TidemarkError("VIEW_CLOSED", { call: "at" });
    return this.#info;
  }

  async open(signal: AbortSignal | undefined): Promise<void> {
    this.#info = await this.#line.call("at", (api) => this.ready(api), { signal });
  }

  /** Rejects with VIEW_CLOSED, and as `open` does. */
  async call<T>(name: string, run: (api: WorkerApi, view: number) => Promise<T>): Promise<T> {
    this.assertOpen(name);
    return await this.#line.call(name, async (api) => {
      await this.ready(api);
      return await run(api, this.number);
    });
  }

  /** Fails with VIEW_CLOSED. */
  assertOpen(call: string): void {
    if (this.#isClosed) throw new TidemarkError("VIEW_CLOSED", { call });
  }

  /** Resolves when whoever leads has it. */
  ready(api: WorkerApi): Promise<ViewInfo> {
    if (this.#opening !== undefined) return this.#opening;
    const opening = api.openView(this.number, this.#database, this.#tips);
    this.#opening = opening;
    opening.catch(() => {
      // Told to whoever waits; whoever asks next tries again.
      if (this.#opening === opening) this.#opening = undefined;
    });
    return opening;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop();
    this.#line.send((api) => api.closeView(this.number));
  }
}
