/** The page's listeners to writes: each is given one event at a time, and the worker is told when it took it. */
import type { DatabaseId } from "../core/ids.ts";
import type { HookOptions, WorkerEvent } from "../worker/api.ts";
import type { Line } from "./line.ts";
import { reportUncaught, type Stop } from "./listeners.ts";
import { toWriteEvent, type WriteEvent } from "./sync-info.ts";

export type WriteListener = (event: WriteEvent) => void | Promise<void>;
type WrittenEvent = Extract<WorkerEvent, { readonly type: "written" }>;

/** All such listeners of an instance, by the number that the worker's events carry. */
export class Written {
  readonly #line: Line;
  readonly #failed: (error: unknown, database: DatabaseId) => void;
  readonly #listeners = new Map<number, WriteListener>();
  #next = 1;

  /** `failed` hears why a listener could not be added. */
  constructor(line: Line, failed: (error: unknown, database: DatabaseId) => void) {
    this.#line = line;
    this.#failed = failed;
  }

  add(database: DatabaseId, listener: WriteListener, options: HookOptions): Stop {
    const hook = this.#next++;
    this.#listeners.set(hook, listener);
    this.#line
      .call("onWrite", (api) => api.addHook(hook, database, options))
      .catch((error: unknown) => {
        if (this.#listeners.delete(hook)) this.#failed(error, database);
      });
    return () => {
      if (!this.#listeners.delete(hook)) return;
      this.#line.call("onWrite", (api) => api.removeHook(hook)).catch(() => {}); // Closed: nothing is told any more.
    };
  }

  /** Resolves when the listener took the event, or failed to. */
  async take({ hook, event }: WrittenEvent): Promise<void> {
    const listener = this.#listeners.get(hook);
    if (listener === undefined) return;
    const failure = await tell(listener, toWriteEvent(event));
    // Stopped meanwhile: it is told again to the next listener of that name.
    if (!this.#listeners.has(hook)) return;
    await this.#line.call("onWrite", (api) => api.taken(hook, failure)).catch(() => {}); // Closed: so is its number.
  }
}

/** What the listener failed with. */
async function tell(listener: WriteListener, event: WriteEvent): Promise<string | undefined> {
  try {
    await listener(event);
    return undefined;
  } catch (error) {
    reportUncaught(error);
    return String(error);
  }
}
