/**
 * What paths tell of their peers, entered wherever account of it is kept: relations, holdings, jobs, exchanges, metrics and the log.
 *
 * [SYNC-4] A peer that should make progress and makes none for `stallTimeoutMs` is let go, and everything is compared again when it is back.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Cursor } from "../core/protocol/cursor.ts";
import type { Clock } from "../ports/clock.ts";
import type { Agreements } from "./agreements.ts";
import type { OpenDatabase } from "./database.ts";
import type { EventLog } from "./event-log.ts";
import { Exchanges } from "./exchanges.ts";
import type { Holdings } from "./holdings.ts";
import type { Jobs } from "./jobs.ts";
import type { Metrics } from "./metrics.ts";
import type { Path } from "./path.ts";
import type { ReceiveProgress } from "./path-owner.ts";
import type { PeersOwner } from "./peers-owner.ts";
import type { Registry } from "./registry.ts";
import { isSettled, type Settling } from "./settling.ts";
import { Watchdog } from "./watchdog.ts";

/** Who else hears of it. */
export interface PathReportsOwner {
  database(id: DatabaseId): OpenDatabase | undefined;
  databases(): Iterable<OpenDatabase>;
  met(path: Path): void;
  caughtUp(database: DatabaseId): void;
  progressed(database: DatabaseId, progress: ReceiveProgress): void;
  statusChanged(database: DatabaseId): void;
}

export interface PathReportsParts {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: EventLog;
  readonly registry: Registry;
  readonly holdings: Holdings;
  readonly jobs: Jobs;
  readonly agreements: Agreements;
  readonly settling: Settling;
  readonly owner: PathReportsOwner;
  readonly stallTimeoutMs: () => number;
  /** The path that carries a peer's session. */
  readonly carrier: (peer: PublicKey) => Path | undefined;
  readonly report: (error: TidemarkError, database: DatabaseId | undefined) => void;
}

type Told =
  | "carried"
  | "served"
  | "received"
  | "moved"
  | "progressed"
  | "batchStored"
  | "caughtUp"
  | "held"
  | "agreed"
  | "overflowed"
  | "lanesChanged"
  | "ended"
  | "parted";

export class PathReports implements Pick<PeersOwner, Told> {
  readonly #parts: PathReportsParts;
  readonly #watchdog: Watchdog;
  readonly #exchanges: Exchanges;
  /** When a peer and this device last found that they hold the same, in this run. */
  readonly #agreedMs = new Map<DatabaseId, number>();
  /** Batches that were confirmed on a path when that was last looked at. */
  readonly #confirmed = new WeakMap<Path, number>();

  constructor(parts: PathReportsParts) {
    const { clock, metrics, registry, stallTimeoutMs } = parts;
    this.#parts = parts;
    this.#watchdog = new Watchdog({ clock, stallTimeoutMs, stalled: (key) => this.#stalled(key as PublicKey) });
    this.#exchanges = new Exchanges({
      clock,
      finished: (exchange) => {
        metrics.count(exchange.error === undefined ? "exchanges.finished" : "exchanges.failed");
        registry.exchanged(exchange);
      },
    });
  }

  /** In milliseconds since 1970; undefined: not since the instance was opened. */
  agreedMs(database: DatabaseId): number | undefined {
    return this.#agreedMs.get(database);
  }

  /** For how long a peer that should make progress has made none, in milliseconds; 0: it does, or nothing is expected. */
  silentMs(peer: PublicKey): number {
    return this.#watchdog.silentMs(peer);
  }

  settingsChanged(): void {
    this.#watchdog.changed();
  }

  /** The database is gone from here. */
  forget(database: DatabaseId): void {
    this.#agreedMs.delete(database);
  }

  close(): void {
    this.#watchdog.close();
  }

  moved(path: Path): void {
    this.#withKey(path, (key) => this.#watchdog.progress(key));
  }

  #withKey(path: Path, action: (key: PublicKey) => void): void {
    if (path.key !== undefined) action(path.key);
  }

  carried(path: Path, isFirst: boolean): void {
    this.#withKey(path, (key) => {
      this.#parts.metrics.count("paths.carried");
      this.#parts.log.log("info", "path.carried", correlationOf(path), { peer: key, path: path.channel.path, isFirst });
      // What was expected on another path may never be said on this one.
      this.#watchdog.done(key);
      this.#parts.holdings.connected(key, path.epoch);
      this.#parts.jobs.connected(key);
    });
    this.#parts.owner.met(path);
  }

  served(path: Path, database: DatabaseId, entries: number, bytes: number): void {
    this.#parts.metrics.count("entries.sent", entries);
    this.#parts.metrics.count("bytes.sent", bytes);
    this.#withKey(path, (key) => {
      this.#relate(path, database);
      this.#exchanges.sent(key, database, entries, bytes);
    });
  }

  received(path: Path, database: DatabaseId, entries: number, bytes: number): void {
    this.#parts.metrics.count("entries.received", entries);
    this.#parts.metrics.count("bytes.received", bytes);
    this.#withKey(path, (key) => {
      this.#watchdog.progress(key);
      this.#exchanges.received(key, database, entries, bytes);
    });
  }

  progressed(path: Path, database: DatabaseId, progress: ReceiveProgress): void {
    const hasRoot = this.#parts.owner.database(database)?.hasRoot === true;
    this.#withKey(path, (key) => this.#parts.jobs.progressed(key, database, progress, hasRoot));
    this.#parts.owner.progressed(database, progress);
  }

  /** Whoever sends what it may read shares the database, long before both hold the same. */
  batchStored(path: Path, database: DatabaseId): void {
    this.#relate(path, database);
    this.#withKey(path, (key) => this.#parts.jobs.durable(key, database));
  }

  /** There is a relation with whoever may read by a permission of its own, and not with a guest that may never be admitted. */
  #relate(path: Path, database: DatabaseId): void {
    if (path.key !== undefined && path.session?.isEntitled(database) === true)
      this.#parts.registry.shared(path.key, database);
  }

  caughtUp(path: Path, database: DatabaseId): void {
    this.#withKey(path, (key) => this.#parts.jobs.caughtUp(key, database));
    this.#parts.owner.caughtUp(database);
  }

  held(path: Path, database: DatabaseId, through: number): void {
    this.#withKey(path, (key) => {
      this.#watchdog.progress(key);
      this.#relate(path, database);
      this.#parts.holdings.held(key, database, through);
    });
  }

  agreed(path: Path, database: DatabaseId, cursor: Cursor): void {
    this.#withKey(path, (key) => {
      this.#relate(path, database);
      this.#parts.registry.agreed(key, database, cursor);
      const tookMs = this.#exchanges.agreed(key, database);
      if (tookMs !== undefined) this.#parts.metrics.took("exchange", tookMs);
      this.#parts.agreements.reached(key, database, cursor.position);
    });
    this.#agreedMs.set(database, this.#parts.clock.now());
    this.#parts.owner.statusChanged(database);
  }

  overflowed(path: Path, database: DatabaseId, entries: number): void {
    this.#withKey(path, (peer) => {
      this.#parts.report(new TidemarkError("PUSH_GIVEN_UP", { peer, database, entries }), database);
    });
  }

  /** Who has something to confirm, or a question to answer, is expected to. */
  lanesChanged(path: Path, database: DatabaseId): void {
    this.#withKey(path, (key) => {
      if (this.#parts.carrier(key) === path) this.#watch(key, path);
      if (isSettled(path, database)) this.#parts.settling.settled(key, database);
    });
    this.#parts.owner.statusChanged(database);
  }

  /** A batch that is confirmed is progress, also when the peer could not take all of it. */
  #watch(key: PublicKey, path: Path): void {
    const { isWaiting = false, confirmed = 0 } = path.session ?? {};
    if (!isWaiting) return this.#watchdog.done(key);
    this.#watchdog.expect(key);
    if (confirmed > (this.#confirmed.get(path) ?? 0)) this.#watchdog.progress(key);
    this.#confirmed.set(path, confirmed);
  }

  #stalled(key: PublicKey): void {
    const path = this.#parts.carrier(key);
    if (path === undefined) return;
    // What is still on its way out says nothing about the peer.
    if (path.isSending) return this.#watchdog.expect(key);
    path.fail(new TidemarkError("EXCHANGE_STALLED", { peer: key, afterMs: this.#parts.stallTimeoutMs() }));
  }

  ended(path: Path, error: TidemarkError | undefined): void {
    this.#parts.metrics.count(error === undefined ? "paths.closed" : "paths.failed");
    const details = error === undefined ? {} : { code: error.code };
    this.#parts.log.log(error === undefined ? "info" : "warn", "path.ended", correlationOf(path), {
      ...details,
      peer: path.key ?? "unproven",
    });
    // One that stood by exchanged nothing, and the session goes on without it.
    if (path.key !== undefined && this.#parts.carrier(path.key) === undefined)
      this.#exchanges.ended(path.key, error?.code);
    if (error !== undefined) this.#parts.report(error, undefined);
    for (const { id } of this.#parts.owner.databases()) this.#parts.owner.statusChanged(id);
  }

  parted(key: PublicKey): void {
    this.#watchdog.done(key);
    this.#parts.holdings.disconnected(key);
    this.#parts.jobs.ended(key);
    this.#parts.agreements.parted(key);
    this.#parts.settling.parted(key);
  }
}

/** Groups what belongs to one path in the log. */
function correlationOf(path: Path): string {
  return path.rank.slice(0, 8);
}
