/**
 * What comes from one peer of one database: its batches, how many of them are durable, and what is still announced.
 *
 * [LANE-2] An entry that this peer sent is not sent back to it, not even when it was accepted long after it came.
 */
import type { Entry } from "../entry.ts";
import type { EntryId } from "../ids.ts";
import { batchEntriesMax, batchesInFlightMax, pendingEntriesMax } from "../limits.ts";
import type { EntriesMessage } from "./message.ts";

/** Entries of the peer that are remembered at once: all that wait here, and all that are under way. */
const fromPeerMax = pendingEntriesMax + batchesInFlightMax * batchEntriesMax;

export class Arrivals {
  /** Numbers of the peer's batches: received, and confirmed as stored. */
  received = 0;
  stored = 0;
  /** What the peer announced to send after its last batch. */
  left = 0;
  /** What the peer held when it sent a batch after which nothing was left; empty once it said something newer. */
  digest = "";
  /** Of the current catch-up. */
  entries = 0;
  bytes = 0;
  /** How many entries each unconfirmed batch has. */
  readonly #counts: number[] = [];
  readonly #fromPeer = new Set<EntryId>();

  /** Whether batches that came are not durable yet. */
  get isStoring(): boolean {
    return this.stored < this.received;
  }

  get isDone(): boolean {
    return !this.isStoring && this.left === 0;
  }

  take({ number, left, digest }: EntriesMessage, entries: readonly Entry[]): void {
    this.received = number;
    this.left = left;
    if (digest !== "") this.digest = digest;
    this.entries += entries.length;
    for (const { bytes } of entries) this.bytes += bytes.length;
    this.#counts.push(entries.length);
    this.remember(entries.map(({ id }) => id));
  }

  /** The next batch is durable; gives how many entries it had. */
  confirm(number: number): number {
    this.stored = number;
    return this.#counts.shift() ?? 0;
  }

  /** A round is over: what comes from now on is counted anew. */
  endRound(): void {
    this.left = 0;
    this.entries = 0;
    this.bytes = 0;
  }

  isFromPeer(id: EntryId): boolean {
    return this.#fromPeer.has(id);
  }

  /** Until `forget`, entries with these ids are not sent to this peer. */
  remember(ids: Iterable<EntryId>): void {
    for (const id of ids) this.#fromPeer.add(id);
    for (const oldest of this.#fromPeer) {
      if (this.#fromPeer.size <= fromPeerMax) break;
      this.#fromPeer.delete(oldest);
    }
  }

  forget(ids: Iterable<EntryId>): void {
    for (const id of ids) this.#fromPeer.delete(id);
  }
}
