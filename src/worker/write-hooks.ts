/**
 * The page's listeners to writes: each event waits until the page took the one before, so a slow one holds up only
 * itself.
 */
import { TidemarkError } from "../core/errors.ts";
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
  readonly #tab: string;
  readonly #hooks = new Map<number, Hook>();

  /** `tab`: whose they are. */
  constructor(control: SyncControl, post: (event: WorkerEvent) => void, tab: string) {
    this.#control = control;
    this.#post = post;
    this.#tab = tab;
  }

  /**
   * Resolves with the cursor that it goes on after, when it has its turn. Rejects with CURSOR_INVALID and INPUT_INVALID, and with ABORTED when it was
   * removed before.
   */
  add(number: number, database: DatabaseId, options: HookOptions): Promise<string> {
    return new Promise((resolve, reject) => {
      const hook: Hook = { taken: () => {}, stop: () => {} };
      const stop = this.#control.addHook({
        ...options,
        database,
        owner: this.#tab,
        began: resolve,
        write: (event) => {
          const taken = new Promise<void>((done, fail) => {
            hook.taken = (failure) => (failure === undefined ? done() : fail(new Error(failure)));
          });
          this.#post({ type: "written", hook: number, event });
          return taken;
        },
      });
      hook.stop = () => {
        stop();
        reject(new TidemarkError("ABORTED", { call: "onWrite" }));
      };
      // One with the same number is of a page that forgot it.
      this.delete(number);
      this.#hooks.set(number, hook);
    });
  }

  taken(number: number, failure: string | undefined): void {
    this.#hooks.get(number)?.taken(failure);
  }

  delete(number: number): void {
    const hook = this.#hooks.get(number);
    this.#hooks.delete(number);
    hook?.stop();
  }

  /** Removes all. */
  close(): void {
    for (const number of [...this.#hooks.keys()]) this.delete(number);
  }
}
