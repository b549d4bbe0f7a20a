/**
 * Finished exchanges, for people who ask what happened.
 *
 * [EXCHANGE-1] As many as the settings allow and no older than they allow, when one is added and at open.
 * [EXCHANGE-2] Newest first; ids grow with time, also when the clock does not.
 * [EXCHANGE-3] A good exchange that begins within a minute of the last good one with that peer about that database continues its row.
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

/** What follows a good exchange with the same peer about the same database so soon is part of it: else typing would be nothing but rows. */
const joinedMs = 60_000;

export class History {
  readonly #options: HistoryOptions;
  /** By id, oldest first. */
  readonly #rows = new Map<string, HistoryRecord>();
  /** The newest of each peer and database. */
  readonly #newest = new Map<string, HistoryRecord>();
  #lastId = 0;

  constructor(options: HistoryOptions) {
    this.#options = options;
    for (const row of options.store.all("history")) this.#set(row);
    for (const row of [...this.#rows.values()]) if (!wellFormed.test(row.id)) this.#drop(row);
    this.#lastId = Number([...this.#rows.keys()].at(-1) ?? 0);
    this.#prune();
  }

  add(row: Omit<HistoryRecord, "id">): void {
    const record = this.#joined(row) ?? { ...row, id: this.#nextId() };
    this.#set(record);
    this.#options.store.put("history", record.id, record);
    this.#prune();
  }

  /** Of a database, of a peer, of both, or all; newest first. */
  rows(of: { readonly database?: DatabaseId; readonly peer?: PublicKey } = {}): readonly HistoryRecord[] {
    const { database, peer } = of;
    return [...this.#rows.values()]
      .filter((row) => (database ?? row.database) === row.database && (peer ?? row.peer) === row.peer)
      .reverse();
  }

  forgetPeer(peer: PublicKey): void {
    for (const row of [...this.#rows.values()]) if (row.peer === peer) this.#drop(row);
  }

  forgetDatabase(database: DatabaseId): void {
    for (const row of [...this.#rows.values()]) if (row.database === database) this.#drop(row);
  }

  #nextId(): string {
    this.#lastId = Math.max(this.#lastId + 1, this.#options.clock.now() * 1_000);
    return String(this.#lastId).padStart(16, "0");
  }

  #joined(row: Omit<HistoryRecord, "id">): HistoryRecord | undefined {
    const before = this.#newest.get(pairOf(row));
    if (before === undefined || before.error !== undefined || row.error !== undefined) return undefined;
    if (Math.abs(row.startedMs - before.endedMs) > joinedMs) return undefined;
    return {
      ...before,
      endedMs: row.endedMs,
      entriesSent: before.entriesSent + row.entriesSent,
      entriesReceived: before.entriesReceived + row.entriesReceived,
      bytesSent: before.bytesSent + row.bytesSent,
      bytesReceived: before.bytesReceived + row.bytesReceived,
    };
  }

  #prune(): void {
    const { historyMs, historyRows } = this.#options.settings();
    const oldestMs = this.#options.clock.now() - historyMs;
    for (const row of this.#rows.values()) {
      if (this.#rows.size <= historyRows && row.endedMs > oldestMs) break;
      this.#drop(row);
    }
  }

  #set(row: HistoryRecord): void {
    this.#rows.set(row.id, row);
    this.#newest.set(pairOf(row), row);
  }

  #drop(row: HistoryRecord): void {
    this.#rows.delete(row.id);
    this.#options.store.delete("history", row.id);
    if (this.#newest.get(pairOf(row))?.id === row.id) this.#newest.delete(pairOf(row));
  }
}

function pairOf({ peer, database }: Omit<HistoryRecord, "id">): string {
  return `${database}/${peer}`;
}
