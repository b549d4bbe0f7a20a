/**
 * One database within one session: what is still to be sent, what is under way, what the peer has confirmed.
 *
 * [LANE-1] At most `batchesInFlightMax` batches are sent and not confirmed; the rest waits here as references to the graph.
 * [LANE-2] An entry that this peer sent is not sent back to it.
 * [LANE-3] `unconfirmed` counts the entries queued and under way: 0 after a comparison means that the peer holds them all durably.
 */
import type { Node } from "../graph.ts";
import type { DatabaseId, EntryId, PublicKey } from "../ids.ts";
import { batchBytesMax, batchEntriesMax, batchesInFlightMax } from "../limits.ts";

/**
 * idle: nothing said yet. comparing: our frontier is sent, the peer's is awaited. sending: the difference is on its way.
 * live: everything known to be missing was confirmed; new entries are pushed as they come.
 */
export type LanePhase = "idle" | "comparing" | "sending" | "live";

export class Lane {
  readonly database: DatabaseId;
  phase: LanePhase = "idle";
  /** Our and their digest when frontiers were last exchanged: the same pair again means that comparing leads nowhere. */
  lastCompared = "";
  lastDigestSent = "";
  /** Numbers of the peer's batches: received, and confirmed as stored. */
  received = 0;
  stored = 0;
  /** Entries of the current catch-up that came in, and how many it was said to be in all. */
  arrived = 0;
  #queue: Node[] = [];
  #at = 0;
  #inFlight: { readonly number: number; readonly count: number }[] = [];
  #sent = 0;
  #inFlightCount = 0;
  readonly #fromPeer = new Set<EntryId>();
  /** Authors whose skeleton was sent, and answered, since the last exchange of frontiers: once each, or a peer could fill our queue. */
  readonly #skeletonsSent = new Set<PublicKey>();
  readonly #skeletonsAnswered = new Set<PublicKey>();

  constructor(database: DatabaseId) {
    this.database = database;
  }

  get queued(): number {
    return this.#queue.length - this.#at;
  }

  get unconfirmed(): number {
    return this.queued + this.#inFlightCount;
  }

  enqueue(nodes: readonly Node[]): void {
    for (const node of nodes) if (!this.#fromPeer.delete(node.id)) this.#queue.push(node);
  }

  /** Frontiers were exchanged anew. */
  startRound(): void {
    this.#skeletonsSent.clear();
    this.#skeletonsAnswered.clear();
  }

  /** True the first time in a round. */
  markSkeletonSent(author: PublicKey): boolean {
    return addTo(this.#skeletonsSent, author);
  }

  /** True the first time in a round. */
  markSkeletonAnswered(author: PublicKey): boolean {
    return addTo(this.#skeletonsAnswered, author);
  }

  /** Takes the next batch to send, or undefined when there is none or the window is full. */
  nextBatch(): { readonly number: number; readonly nodes: readonly Node[] } | undefined {
    if (this.queued === 0 || this.#inFlight.length >= batchesInFlightMax) return undefined;
    const nodes = batchOf(this.#queue, this.#at);
    this.#at += nodes.length;
    if (this.#at === this.#queue.length) {
      this.#queue = [];
      this.#at = 0;
    }
    this.#sent += 1;
    this.#inFlight.push({ number: this.#sent, count: nodes.length });
    this.#inFlightCount += nodes.length;
    return { number: this.#sent, nodes };
  }

  /** The peer stored every batch up to `number`. False when it confirms what was never sent. */
  confirm(number: number): boolean {
    if (number > this.#sent) return false;
    while ((this.#inFlight[0]?.number ?? Number.POSITIVE_INFINITY) <= number) {
      this.#inFlightCount -= this.#inFlight.shift()?.count ?? 0;
    }
    return true;
  }

  /** Until `forget`, entries with these ids are not sent to this peer. */
  remember(ids: Iterable<EntryId>): void {
    for (const id of ids) this.#fromPeer.add(id);
  }

  forget(ids: Iterable<EntryId>): void {
    for (const id of ids) this.#fromPeer.delete(id);
  }
}

function addTo<T>(set: Set<T>, item: T): boolean {
  const isNew = !set.has(item);
  set.add(item);
  return isNew;
}

/** As many entries as fit a batch, and at least one. */
function batchOf(queue: readonly Node[], from: number): readonly Node[] {
  let to = from;
  let bytes = 0;
  while (to < queue.length && to - from < batchEntriesMax) {
    bytes += queue[to]?.size ?? 0;
    if (bytes > batchBytesMax && to > from) break;
    to += 1;
  }
  return queue.slice(from, to);
}
