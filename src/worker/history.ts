/** The page's calls about what was: who wrote it, and what it came to. */
import type { DatabaseId, EntryId } from "../core/ids.ts";
import type { DatabaseState } from "../core/store/state.ts";
import type { DifferentPlace } from "../core/store/state-difference.ts";
import type { HistoryQuery } from "../engine/entry-history.ts";
import { presentTips } from "../engine/past-state.ts";
import type { HistoryApi } from "./api.ts";
import { KeyCalls } from "./keys.ts";
import type { PastViews } from "./past-views.ts";
import type { EngineParts } from "./permissions.ts";

/** What calls are answered from. */
export interface HistoryParts {
  readonly engine: EngineParts;
  readonly past: PastViews;
}

/** For `ClientCalls`, which adds everything else. */
export abstract class HistoryCalls extends KeyCalls implements HistoryApi {
  protected abstract override run<T>(name: string, call: (client: HistoryParts) => T | Promise<T>): Promise<T>;

  history(database: DatabaseId, query: HistoryQuery): ReturnType<HistoryApi["history"]> {
    return this.run("history", ({ engine: { instance } }) => instance.history(database, query));
  }

  tips(database: DatabaseId): ReturnType<HistoryApi["tips"]> {
    return this.run("tips", ({ engine: { instance } }) => presentTips(instance.database(database)));
  }

  openView(view: number, database: DatabaseId, tips: readonly EntryId[]): ReturnType<HistoryApi["openView"]> {
    return this.run("at", ({ past }) => past.open(view, database, tips));
  }

  closeView(view: number): Promise<void> {
    return this.run("closeView", ({ past }) => past.close(view));
  }

  viewRow(view: number, store: string, id: string): ReturnType<HistoryApi["viewRow"]> {
    return this.#look(view, (state) => state.table(store)?.get(id));
  }

  viewRows(view: number, store: string): ReturnType<HistoryApi["viewRows"]> {
    return this.#look(view, (state) => [...(state.table(store)?.all() ?? [])]);
  }

  viewValue(view: number, store: string, key: string): ReturnType<HistoryApi["viewValue"]> {
    return this.#look(view, (state) => state.kv(store)?.get(key));
  }

  viewValues(view: number, store: string, prefix: string): ReturnType<HistoryApi["viewValues"]> {
    return this.#look(view, (state) => [...(state.kv(store)?.entries(prefix) ?? [])]);
  }

  viewHeads(view: number, store: string): ReturnType<HistoryApi["viewHeads"]> {
    return this.#look(view, (state) => state.doc(store)?.heads() ?? []);
  }

  compareViews(
    before: number,
    after: number,
    last: DifferentPlace | undefined,
  ): ReturnType<HistoryApi["compareViews"]> {
    return this.run("diff", ({ past }) => past.compare(before, after, last));
  }

  #look<T>(view: number, look: (state: DatabaseState) => T): Promise<T> {
    return this.run("view", ({ past }) => look(past.state(view)));
  }
}
