/**
 * A page's views of earlier states.
 *
 * [HISTORY-11] A page has at most 8 of them open, the next is refused with VIEW_LIMIT; with the page they end.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { differencesAtOnce, viewsMax } from "../core/limits.ts";
import type { DatabaseState } from "../core/store/state.ts";
import {
  comparePlaces,
  type DifferentPlace,
  differences,
  type StateDifference,
} from "../core/store/state-difference.ts";
import type { Instance } from "../engine/instance.ts";
import { foldPast, type PastState } from "../engine/past-state.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { ViewInfo, WorkerEvent } from "./api.ts";

interface View {
  readonly database: DatabaseId;
  readonly ending: AbortController;
  /** Undefined while it is made. */
  past: PastState | undefined;
}

/** Two views that are compared, and the last difference that was told. */
interface Comparison {
  readonly before: DatabaseState;
  readonly after: DatabaseState;
  readonly rest: Generator<StateDifference, void>;
  last: DifferentPlace | undefined;
}

export interface PastViewsOptions {
  readonly instance: Pick<Instance, "database" | "reloading">;
  readonly ports: Pick<EnginePorts, "storage">;
  readonly post: (event: WorkerEvent) => void;
}

export class PastViews {
  readonly #options: PastViewsOptions;
  readonly #views = new Map<number, View>();
  /** The one that was asked on with last: pages of differences are asked for one after the other. */
  #comparison: Comparison | undefined;

  constructor(options: PastViewsOptions) {
    this.#options = options;
  }

  /** Rejects with VIEW_LIMIT, with ABORTED when it is closed meanwhile, and as `foldPast` does. */
  async open(number: number, database: DatabaseId, tips: readonly EntryId[]): Promise<ViewInfo> {
    const { instance, ports, post } = this.#options;
    // One with the same number is of a page that forgot it.
    this.close(number);
    if (this.#views.size >= viewsMax) throw new TidemarkError("VIEW_LIMIT", { max: viewsMax });
    const view: View = { database, ending: new AbortController(), past: undefined };
    this.#views.set(number, view);
    try {
      view.past = await foldPast({
        ports,
        database: () => instance.database(database),
        tips,
        signal: view.ending.signal,
        onProgress: (progress) => post({ type: "folding", view: number, ...progress }),
      });
    } catch (error) {
      this.#forget(number, view);
      throw error;
    }
    if (view.ending.signal.aborted) throw new TidemarkError("ABORTED", { call: "at" });
    const { entries, sealed, damaged } = view.past;
    return { tips: view.past.tips, stores: view.past.state.stores(), entries, sealed, damaged };
  }

  /** Fails with VIEW_CLOSED, and with DATABASE_UNKNOWN when the database is not here any more: then nothing of it is kept. */
  state(number: number): DatabaseState {
    const { instance } = this.#options;
    const view = this.#views.get(number);
    if (view?.past === undefined) throw new TidemarkError("VIEW_CLOSED", { call: "view" });
    try {
      instance.database(view.database);
    } catch (error) {
      if (!instance.reloading().has(view.database)) this.close(number);
      throw error;
    }
    return view.past.state;
  }

  /** The next differences of two views, behind `last`. None: that was all. Fails as `state` does. */
  compare(before: number, after: number, last: DifferentPlace | undefined): readonly StateDifference[] {
    const comparison = this.#comparisonOf(this.state(before), this.state(after), last);
    const found: StateDifference[] = [];
    while (found.length < differencesAtOnce) {
      const next = comparison.rest.next().value;
      if (next === undefined) break;
      found.push(next);
    }
    const end = found.at(-1);
    if (end !== undefined) comparison.last = { store: end.store, type: end.type, id: end.id };
    return found;
  }

  /** Does nothing for one that is not open. */
  close(number: number): void {
    const view = this.#views.get(number);
    if (view === undefined) return;
    this.#forget(number, view);
    view.ending.abort();
  }

  /** Closes all. */
  end(): void {
    for (const number of [...this.#views.keys()]) this.close(number);
  }

  #forget(number: number, view: View): void {
    if (this.#views.get(number) === view) this.#views.delete(number);
    const state = view.past?.state;
    if (state !== undefined && (this.#comparison?.before === state || this.#comparison?.after === state))
      this.#comparison = undefined;
  }

  #comparisonOf(before: DatabaseState, after: DatabaseState, last: DifferentPlace | undefined): Comparison {
    const known = this.#comparison;
    const isSame = known !== undefined && known.before === before && known.after === after;
    if (isSame && isSamePlace(known.last, last)) return known;
    const comparison = { before, after, rest: differences(before, after, last), last };
    this.#comparison = comparison;
    return comparison;
  }
}

function isSamePlace(one: DifferentPlace | undefined, other: DifferentPlace | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && comparePlaces(one, other) === 0);
}
