/**
 * The page's listeners to writes: each event waits until the page took the one before, so a slow one holds up only
 * itself.
 */
import type { DatabaseId } from "../core/ids.ts";
import type { SyncControl } from "../engine/sync-control.ts";
import type { HookOptions, WorkerEvent } from "./api.ts";

interface Hook {
  /** Says how the event under way ended. */
  taken: (failure: string | undefined) => void;
  stop: () => void;
}

export class WriteHooks {
  readonly #control: SyncControl;
  readonly #post: (event: WorkerEvent) => void;
  readonly #hooks = new Map<number, Hook>();

  constructor(control: SyncControl, post: (event: WorkerEvent) => void) {
    this.#control = control;
    this.#post = post;
  }

  /** Throws CURSOR_INVALID and INPUT_INVALID. */
  add(number: number, database: DatabaseId, options: HookOptions): void {
    const hook: Hook = { taken: () => {}, stop: () => {} };
    hook.stop = this.#control.addHook({
      ...options,
      database,
      write: (event) => {
        const taken = new Promise<void>((resolve, reject) => {
          hook.taken = (failure) => (failure === undefined ? resolve() : reject(new Error(failure)));
        });
        this.#post({ type: "written", hook: number, event });
        return taken;
      },
    });
    this.#hooks.set(number, hook);
  }

  taken(number: number, failure: string | undefined): void {
    this.#hooks.get(number)?.taken(failure);
  }

  delete(number: number): void {
    const hook = this.#hooks.get(number);
    this.#hooks.delete(number);
    hook?.stop();
  }
}
