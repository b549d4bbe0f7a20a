/**
 * Exchanges with peers from beginning to end: from the first entry either way until both hold the same or the session ends.
 *
 * [SYNC-2] An exchange in which entries went either way becomes one row of history, with how it ended; two sides that find that
 *          they hold the same leave none.
 */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { HistoryRecord } from "./records.ts";

export interface ExchangesOptions {
  readonly clock: Clock;
  readonly finished: (exchange: Omit<HistoryRecord, "id">) => void;
}

interface Exchange {
  readonly startedMs: number;
  entriesSent: number;
  entriesReceived: number;
  bytesSent: number;
  bytesReceived: number;
}

export class Exchanges {
  readonly #options: ExchangesOptions;
  readonly #byPeer = new Map<PublicKey, Map<DatabaseId, Exchange>>();

  constructor(options: ExchangesOptions) {
    this.#options = options;
  }

  sent(peer: PublicKey, database: DatabaseId, entries: number, bytes: number): void {
    const exchange = this.#begun(peer, database);
    exchange.entriesSent += entries;
    exchange.bytesSent += bytes;
  }

  received(peer: PublicKey, database: DatabaseId, entries: number, bytes: number): void {
    const exchange = this.#begun(peer, database);
    exchange.entriesReceived += entries;
    exchange.bytesReceived += bytes;
  }

  /** Both hold the same. Answers how long it took, in milliseconds; undefined when nothing was exchanged. */
  agreed(peer: PublicKey, database: DatabaseId): number | undefined {
    const exchange = this.#byPeer.get(peer)?.get(database);
    if (exchange === undefined) return undefined;
    this.#byPeer.get(peer)?.delete(database);
    return this.#finish(peer, database, exchange, undefined);
  }

  /** The session with the peer is over; `error` is the code with which it ended, if it did with one. */
  ended(peer: PublicKey, error: string | undefined): void {
    const exchanges = this.#byPeer.get(peer) ?? new Map<DatabaseId, Exchange>();
    this.#byPeer.delete(peer);
    for (const [database, exchange] of exchanges) this.#finish(peer, database, exchange, error ?? "CHANNEL_CLOSED");
  }

  #begun(peer: PublicKey, database: DatabaseId): Exchange {
    const exchanges = this.#byPeer.get(peer) ?? new Map<DatabaseId, Exchange>();
    this.#byPeer.set(peer, exchanges);
    const known = exchanges.get(database);
    if (known !== undefined) return known;
    const startedMs = this.#options.clock.now();
    const exchange = { startedMs, entriesSent: 0, entriesReceived: 0, bytesSent: 0, bytesReceived: 0 };
    exchanges.set(database, exchange);
    return exchange;
  }

  #finish(peer: PublicKey, database: DatabaseId, exchange: Exchange, error: string | undefined): number {
    const endedMs = this.#options.clock.now();
    this.#options.finished({ peer, database, ...exchange, endedMs, error });
    return endedMs - exchange.startedMs;
  }
}
