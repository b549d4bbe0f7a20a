/**
 * Tells of what is left out of documents.
 *
 * [DOC-35] Each fault is told once while the instance runs, as the problem DOC_FAULTY, whenever it is found: when an entry is accepted or opens
 *          late, when the database is opened, or when its state is made anew.
 */
import type { DocFault } from "../core/document/doc-state.ts";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { docFaultsToldMax, refusalReportsBurst, refusalReportsPerSecond } from "../core/limits.ts";
import type { DatabaseState, StoreChange } from "../core/store/state.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import type { Clock } from "../ports/clock.ts";

export type TellProblem = (error: TidemarkError, database: DatabaseId) => void;

export class DocFaults {
  readonly #clock: Clock;
  readonly #tell: TellProblem;
  readonly #told = new Set<string>();
  /** Whoever listens is not to be flooded by one cheat. What it does not allow is told when it is found again. */
  readonly #rate: TokenBucket;

  constructor(clock: Clock, tell: TellProblem) {
    this.#clock = clock;
    this.#tell = tell;
    this.#rate = new TokenBucket(refusalReportsPerSecond, refusalReportsBurst, clock.now());
  }

  /** Something was merged. */
  changed(database: DatabaseId, changes: readonly StoreChange[]): void {
    for (const change of changes)
      if (change.type === "doc") for (const fault of change.changes.faults) this.#note(database, change.name, fault);
  }

  /** There is a state that nobody has told of yet. */
  adopted(database: DatabaseId, state: DatabaseState): void {
    for (const [name, doc] of state.docs()) for (const fault of doc.faults()) this.#note(database, name, fault);
  }

  #note(database: DatabaseId, store: string, { entry, author, reason }: DocFault): void {
    const fault = `${database} ${entry} ${reason} ${store}`;
    if (this.#told.has(fault) || this.#told.size >= docFaultsToldMax) return;
    if (!this.#rate.take(1, this.#clock.now())) return;
    this.#told.add(fault);
    this.#tell(new TidemarkError("DOC_FAULTY", { database, store, entry, author, reason }), database);
  }
}
