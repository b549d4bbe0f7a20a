/**
 * Finished exchanges, for people who ask what happened.
 *
 * [HISTORY-1] As many as the settings allow and no older than they allow, when one is added and at open.
 * [HISTORY-2] Newest first; ids grow with time, also when the clock does not.
 */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { LocalStore } from "./local-store.ts";
import type { HistoryRecord } from "./records.ts";
import type { SyncSettings } from "./settings.ts";

export interface HistoryOptions {
  readonly store: LocalStore;
  readonly clock: Clock;
  readonly settings: () => Pick<SyncSettings, "historyMs" | "historyRows">;
}

/** Microseconds, so that those of one millisecond have room. Higher ones come from a damaged row: counting on would end. */
const wellFormed = /^[0-8][0-9]{15}$/;

export class History {
  readonly #options: HistoryOptions;
  /** Oldest first. */
  #rows: readonly HistoryRecord[];
  #lastId: number;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#rows = options.store.all("history");
    this.#keep((row) => wellFormed.test(row.id));
    this.#lastId = Number(this.#rows.at(-1)?.id ?? 0);
    this.#prune();
  }

  add(row: Omit<HistoryRecord, "id">): void {
    this.#lastId = Math.max(this.#lastId + 1, this.#options.clock.now() * 1_000);
    const record = { ...row, id: String(this.#lastId).padStart(16, "0") };
    this.#rows = [...this.#rows, record];
    this.#options.store.put("history", record.id, record);
    this.#prune();
  }

  /** Of a database, of a peer, of both, or all; newest first. */
  rows(of: { readonly database?: DatabaseId; readonly peer?: PublicKey } = {}): readonly HistoryRecord[] {
    const { database, peer } = of;
    return this.#rows
      .filter((row) => (database ?? row.database) === row.database && (peer ?? row.peer) === row.peer)
      .reverse();
  }

  forgetPeer(peer: PublicKey): void {
    this.#keep((row) => row.peer !== peer);
  }

  forgetDatabase(database: DatabaseId): void {
    this.#keep((row) => row.database !== database);
  }

  #prune(): void {
    const { historyMs, historyRows } = this.#options.settings();
    const oldestMs = this.#options.clock.now() - historyMs;
    const surplus = this.#rows.length - historyRows;
    this.#keep((row, i) => i >= surplus && row.endedMs > oldestMs);
  }

  #keep(isKept: (row: HistoryRecord, i: number) => boolean): void {
    const kept: HistoryRecord[] = [];
    for (const [i, row] of this.#rows.entries()) {
      if (isKept(row, i)) kept.push(row);
      else this.#options.store.delete("history", row.id);
    }
    this.#rows = kept;
  }
}
