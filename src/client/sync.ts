/** How a database is doing: what is saved here, what has reached others, who is connected. */
import type { DatabaseStatus } from "../engine/status.ts";
import { assertFunction } from "./input.ts";
import { Listeners, type Stop } from "./listeners.ts";

export interface Progress {
  /** Entries that came in since the comparison with a peer, and how many it is in all. */
  readonly received: number;
  readonly total: number;
}

export interface SyncEvents {
  /** At most 20 times a second. */
  status: DatabaseStatus;
  /** Once per batch that comes in. */
  progress: Progress;
}

export class Sync {
  readonly #readStatus: () => Promise<DatabaseStatus>;
  readonly #listeners = new Listeners<SyncEvents>(["status", "progress"]);

  /** For `Database`. */
  constructor(readStatus: () => Promise<DatabaseStatus>) {
    this.#readStatus = readStatus;
  }

  /** As it is now. */
  status(): Promise<DatabaseStatus> {
    return this.#readStatus();
  }

  on<E extends keyof SyncEvents>(event: E, listener: (data: SyncEvents[E]) => void): Stop {
    return this.#listeners.on(event, listener);
  }

  /** Calls `listener` with the status: first as it is, then after every change. */
  subscribe(listener: (status: DatabaseStatus) => void): Stop {
    assertFunction(listener, "listener");
    const stop = this.on("status", listener);
    let stopped = false;
    this.#readStatus().then(
      (status) => {
        if (!stopped) listener(status);
      },
      () => {}, // Closed: there is nothing to show any more.
    );
    return () => {
      stopped = true;
      stop();
    };
  }

  /** For `Instance`: an event of the worker. */
  take<E extends keyof SyncEvents>(event: E, data: SyncEvents[E]): void {
    this.#listeners.emit(event, data);
  }
}
