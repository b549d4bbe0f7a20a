/** What goes wrong without a call that waits for it: counted, logged and told; that storage failed is remembered until it works again. */
import { asTidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventLog } from "./event-log.ts";
import type { Metrics } from "./metrics.ts";
import type { ErrorNote } from "./records.ts";
import type { SyncOwner } from "./sync-owner.ts";

export interface ProblemsOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: EventLog;
  readonly owner: Pick<SyncOwner, "reported" | "statusChanged">;
}

export class Problems {
  readonly #options: ProblemsOptions;
  readonly #storageErrors = new Map<DatabaseId, ErrorNote>();

  constructor(options: ProblemsOptions) {
    this.#options = options;
  }

  /** Why a database could not be stored to or read; undefined: it could, when that was tried last. */
  storageError(database: DatabaseId): ErrorNote | undefined {
    return this.#storageErrors.get(database);
  }

  /** With a database and a STORAGE_ code: it could not be written or read, which stands until something is stored, or it is mended. */
  report(error: unknown, database: DatabaseId | undefined): void {
    const { code } = asTidemarkError(error);
    if (database !== undefined && code.startsWith("STORAGE_"))
      this.#storageErrors.set(database, { code, atMs: this.#options.clock.now() });
    this.tell(error, database);
  }

  /** What is over when it is told. */
  tell(error: unknown, database: DatabaseId | undefined): void {
    const { metrics, log, owner } = this.#options;
    const problem = asTidemarkError(error);
    metrics.count(`problems.${problem.code}`);
    log.log("warn", "problem.reported", database, { ...problem.details, code: problem.code });
    owner.reported(problem, database);
  }

  /** All of the database can be read again. */
  mended(database: DatabaseId): void {
    if (this.forget(database)) this.#options.owner.statusChanged(database);
  }

  /** What stood against its storage does not any more. Answers whether anything did. */
  forget(database: DatabaseId): boolean {
    return this.#storageErrors.delete(database);
  }
}
