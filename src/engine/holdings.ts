/**
 * Who holds how much of which database: what peers confirmed as durable, what nobody else has yet, and who waits until it is safe.
 *
 * [HOLDINGS-1] A peer holds what it confirmed as durable, under the epoch of the storage that confirmed it, also in earlier sessions.
 * [HOLDINGS-2] A peer that comes with another epoch holds nothing until it confirms anew, and its loss is told.
 * [HOLDINGS-3] Pending is what no other device confirmed, durable here or not, in exact entries and bytes; it costs no walk over the log.
 * [HOLDINGS-4] `whenSafe` resolves when this device and enough others hold everything up to a position, and never before.
 * [HOLDINGS-5] Whoever waits for that is let go by its signal, by the end of the database or the instance, and at most `waitersMax` wait.
 * [HOLDINGS-6] When entries count again that were void, a peer is taken to hold what lies below the first of them, until it confirms anew; void
 *              entries are not counted.
 *
 * Deliberately not here: how a peer confirms (core/protocol), and what is remembered of it (registry.ts).
 */
import { show, TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import { type LogAmount, LogAmounts, type MeasuredGraph } from "./log-amounts.ts";
import type { RelationRecord } from "./records.ts";
import type { Registry } from "./registry.ts";
import { SafetyWaiters } from "./safety-waiters.ts";

/** What a peer confirmed about a database. */
export interface HeldBy {
  readonly peer: PublicKey;
  /** As the user of this device named it; empty: not named. */
  readonly name: string;
  /** Entries of ours, in the order of acceptance here, that are durable there. */
  readonly entries: number;
  /** It holds everything that is durable here. */
  readonly isComplete: boolean;
  /** When that was last known to be so, in milliseconds since 1970; undefined: before anything was remembered. */
  readonly atMs: number | undefined;
  /** Of the storage that confirmed it. */
  readonly epoch: string;
}

export type PendingAmount = LogAmount;

export interface HoldingsOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  /** The peer came back with another storage: what it had confirmed of the database it no longer has. */
  readonly lost: (peer: PublicKey, database: DatabaseId) => void;
  /** `pending` or `heldBy` of the database differ because of a peer. */
  readonly changed: (database: DatabaseId) => void;
}

/** Copies that can be waited for. A guess: nobody has more devices for one database. */
export const copiesMax = 32;
/** Calls of `whenSafe` that may wait at once: some 300 bytes each. */
export const waitersMax = 10_000;

interface Log {
  readonly graph: MeasuredGraph;
  amounts: LogAmounts;
  stored: number;
  readonly waiters: SafetyWaiters;
}

export class Holdings {
  readonly #options: HoldingsOptions;
  readonly #logs = new Map<DatabaseId, Log>();
  /** Of connected peers: under which epoch they confirm. */
  readonly #epochs = new Map<PublicKey, string>();
  /** When a peer confirmed something in this run, by peer and database. */
  readonly #confirmedMs = new Map<PublicKey, Map<DatabaseId, number>>();
  #waiting = 0;
  #closedWith: TidemarkError | undefined;

  constructor(options: HoldingsOptions) {
    this.#options = options;
  }

  /** `stored`: entries at positions below are durable here. */
  opened(database: DatabaseId, graph: MeasuredGraph, stored: number): void {
    this.closed(database);
    const waiters = new SafetyWaiters(() => {
      this.#waiting -= 1;
    });
    this.#logs.set(database, { graph, amounts: new LogAmounts(graph), stored, waiters });
  }

  /** The database is loaded anew, or gone. Who waits is rejected with `error`: positions that were not durable may never be. */
  closed(database: DatabaseId, error: TidemarkError = new TidemarkError("DATABASE_UNKNOWN", { database })): void {
    const log = this.#logs.get(database);
    this.#logs.delete(database);
    log?.waiters.rejectAll(error);
  }

  /** The database is gone from here, and what was known of who holds it. */
  forget(database: DatabaseId, error: TidemarkError): void {
    this.closed(database, error);
    for (const byDatabase of this.#confirmedMs.values()) byDatabase.delete(database);
  }

  /** Entries at positions below `through` are durable here. */
  stored(database: DatabaseId, through: number): void {
    const log = this.#logs.get(database);
    if (log === undefined || through <= log.stored) return;
    log.stored = through;
    this.#settle(database, log);
  }

  /**
   * Something is void now, or counts again from position `from` on: nobody had to hold that. True when a peer is taken to hold less than before.
   */
  recounted(database: DatabaseId, from: number | undefined): boolean {
    const log = this.#logs.get(database);
    if (log !== undefined) log.amounts = new LogAmounts(log.graph);
    const isLess = from !== undefined && this.#options.registry.fellBack(database, from);
    this.#options.changed(database);
    return isLess;
  }

  /** A session with the peer begins. Epochs are compared here: [HOLDINGS-2]. */
  connected(peer: PublicKey, epoch: string): void {
    this.#epochs.set(peer, epoch);
    for (const database of this.#options.registry.lost(peer, epoch)) {
      this.#confirmedMs.get(peer)?.delete(database);
      this.#options.lost(peer, database);
      this.#options.changed(database);
    }
  }

  /** The last session with the peer ended. What it confirmed stays. */
  disconnected(peer: PublicKey): void {
    this.#epochs.delete(peer);
  }

  /** The peer of a session confirmed every entry at positions below `through` as durable. Without a session it is not believed. */
  held(peer: PublicKey, database: DatabaseId, through: number): void {
    const epoch = this.#epochs.get(peer);
    if (epoch === undefined) return;
    const { registry } = this.#options;
    const before = registry.relation(peer, database)?.heldThrough ?? 0;
    registry.held(peer, database, epoch, through);
    const after = registry.relation(peer, database)?.heldThrough ?? 0;
    if (after > 0) this.#noteConfirmed(peer, database);
    if (after <= before) return;
    const log = this.#logs.get(database);
    if (log !== undefined) this.#settle(database, log);
    this.#options.changed(database);
  }

  /** What no other device confirmed, whether it is durable here or not yet. Nothing for a database that is not open. */
  pending(database: DatabaseId): PendingAmount {
    const log = this.#logs.get(database);
    if (log === undefined) return { entries: 0, bytes: 0 };
    const through = this.#heldThroughs(database)[0] ?? 0;
    return log.amounts.from(Math.min(through, log.graph.size));
  }

  /** Peers that confirmed anything, in the order of their keys. */
  heldBy(database: DatabaseId): readonly HeldBy[] {
    const { registry } = this.#options;
    const log = this.#logs.get(database);
    if (log === undefined) return [];
    return this.#confirmed(database).map(({ peer, epoch, heldThrough, lastOkMs }) => ({
      peer,
      name: registry.peer(peer)?.name ?? "",
      entries: log.amounts.below(Math.min(heldThrough, log.stored)).entries,
      isComplete: heldThrough >= log.stored,
      atMs: this.#confirmedMs.get(peer)?.get(database) ?? lastOkMs,
      epoch,
    }));
  }

  /**
   * Resolves when everything at positions below `through` is durable here and at `copies` − 1 others. Rejects with ABORTED, with INPUT_INVALID for
   * copies that are no integer from 1 to 32 or when 10,000 calls wait already, with DATABASE_UNKNOWN, or with what `closed` or `close` were given.
   */
  async whenSafe(database: DatabaseId, through: number, copies: number, signal: AbortSignal): Promise<void> {
    if (this.#closedWith !== undefined) throw this.#closedWith;
    if (signal.aborted) throw new TidemarkError("ABORTED", { call: "whenSafe" });
    if (!Number.isInteger(copies) || copies < 1 || copies > copiesMax)
      throw new TidemarkError("INPUT_INVALID", {
        field: "copies",
        got: show(copies),
        expected: `an integer from 1 to ${copiesMax}`,
      });
    const log = this.#logs.get(database);
    if (log === undefined) throw new TidemarkError("DATABASE_UNKNOWN", { database });
    if (through <= safeThrough(log.stored, this.#heldThroughs(database), copies)) return;
    if (this.#waiting >= waitersMax)
      throw new TidemarkError("INPUT_INVALID", {
        field: "calls of whenSafe that wait",
        got: String(this.#waiting + 1),
        expected: `at most ${waitersMax}`,
      });
    this.#waiting += 1;
    await log.waiters.wait(through, copies, signal);
  }

  /** Idempotent. Whoever waits is rejected with `error`, and so is every later call. */
  close(error: TidemarkError): void {
    if (this.#closedWith !== undefined) return;
    this.#closedWith = error;
    for (const database of [...this.#logs.keys()]) this.closed(database, error);
  }

  #settle(database: DatabaseId, log: Log): void {
    if (this.#waiting === 0) return;
    const heldThroughs = this.#heldThroughs(database);
    log.waiters.settle((copies) => safeThrough(log.stored, heldThroughs, copies));
  }

  /** How far each peer holds the log, farthest first. */
  #heldThroughs(database: DatabaseId): readonly number[] {
    return this.#confirmed(database)
      .map(({ heldThrough }) => heldThrough)
      .sort((a, b) => b - a);
  }

  #confirmed(database: DatabaseId): readonly RelationRecord[] {
    return this.#options.registry.relations({ database }).filter(({ heldThrough }) => heldThrough > 0);
  }

  #noteConfirmed(peer: PublicKey, database: DatabaseId): void {
    const byDatabase = this.#confirmedMs.get(peer) ?? new Map<DatabaseId, number>();
    this.#confirmedMs.set(peer, byDatabase.set(database, this.#options.clock.now()));
  }
}

/** This device is one copy; of the others the one that holds least of those needed decides. */
function safeThrough(stored: number, heldThroughs: readonly number[], copies: number): number {
  return copies === 1 ? stored : Math.min(stored, heldThroughs[copies - 2] ?? 0);
}
