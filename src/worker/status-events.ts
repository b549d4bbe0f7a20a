/** Status events, gathered: under load a status changes with every entry, and nobody can read that fast. */
import type { DatabaseId } from "../core/ids.ts";
import type { DatabaseStatus } from "../engine/status.ts";
import type { Clock } from "../ports/clock.ts";
import type { WorkerEvent } from "./api.ts";

const everyMs = 50;

export class StatusEvents {
  readonly #statusOf: (database: DatabaseId) => DatabaseStatus | undefined;
  readonly #clock: Clock;
  readonly #post: (event: WorkerEvent) => void;
  readonly #changed = new Set<DatabaseId>();

  constructor(
    statusOf: (database: DatabaseId) => DatabaseStatus | undefined,
    clock: Clock,
    post: (event: WorkerEvent) => void,
  ) {
    this.#statusOf = statusOf;
    this.#clock = clock;
    this.#post = post;
  }

  note(database: DatabaseId): void {
    if (this.#changed.size === 0) this.#clock.after(everyMs, () => this.#flush());
    this.#changed.add(database);
  }

  #flush(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const database of changed) {
      const status = this.#statusOf(database);
      if (status !== undefined) this.#post({ type: "status", database, status });
    }
  }
}
