/** What the page is told about sync as it happens. */
import type { LoggedEvent } from "../engine/event-log.ts";
import type { SyncListener } from "../engine/sync-control.ts";
import type { JobInfo } from "../engine/sync-info.ts";
import type { Clock } from "../ports/clock.ts";
import type { WorkerEvent } from "./api.ts";

/** Peers change with every byte they send; nobody can read that fast. */
const everyMs = 50;

export class SyncEvents implements SyncListener {
  /** Whether the page wants to see each event of the log. */
  isLogging = false;
  readonly #clock: Clock;
  readonly #post: (event: WorkerEvent) => void;
  #isGathering = false;

  constructor(clock: Clock, post: (event: WorkerEvent) => void) {
    this.#clock = clock;
    this.#post = post;
  }

  peersChanged(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#clock.after(everyMs, () => {
      this.#isGathering = false;
      this.#post({ type: "peers" });
    });
  }

  jobChanged(job: JobInfo): void {
    this.#post({ type: "job", job });
  }

  logged(event: LoggedEvent): void {
    if (this.isLogging) this.#post({ type: "log", event });
  }
}
