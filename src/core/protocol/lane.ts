/**
 * One database within one session: what is still to be sent, what is under way, what the peer has confirmed.
 *
 * [LANE-1] What waits is kept as references to the graph, and leaves in batches of at most `batchEntriesMax` entries and
 *          `batchBytesMax` bytes; a larger entry goes alone.
 * [LANE-2] An entry that this peer sent is not sent back to it, not even when it was accepted long after it came.
 * [LANE-3] `unconfirmed` counts the entries queued and under way: 0 means that the peer judged them all, and that what it
 *          accepted is durable there. It may still hold some back: digests tell.
 * [LANE-4] A confirmation covers every batch up to its number; one of a batch that was never sent is noticed.
 */
import type { Node } from "../graph.ts";
import type { DatabaseId, EntryId, PublicKey } from "../ids.ts";
import { batchBytesMax, batchEntriesMax, batchesInFlightMax, pendingEntriesMax } from "../limits.ts";
import type { Window } from "./window.ts";

/**
 * idle: nothing said yet. comparing: our frontier is sent, the peer's is awaited. sending: the difference is on its way.
 * live: everything known to be missing was confirmed; new entries are pushed as they come.
 */
export type LanePhase = "idle" | "comparing" | "sending" | "live";

/** Entries of the peer that are remembered at once: all that wait here, and all that are under way. */
const fromPeerMax = pendingEntriesMax + batchesInFlightMax * batchEntriesMax;

/** One exchange leads to two: what the peer said that it holds, and what its frontier said, which may be cut. */
const comparedMax = 16;

interface Batch {
  readonly nodes: readonly Node[];
  readonly bytes: number;
}

export class Lane {
  readonly database: DatabaseId;
  phase: LanePhase = "idle";
  /** True once the peer was told of the database. */
  isShared = false;
  /** The peer's frontier came while entries were under way: what it misses beside them is still to be found. */
  isRoundDue = false;
  /** The digest of what the peer was last told we hold. */
  digestSent = "";
  /** Numbers of the peer's batches: received, and confirmed as stored. */
  received = 0;
  stored = 0;
  /** Entries of the current catch-up that came in. */
  arrived = 0;
  #queue: Node[] = [];
  #at = 0;
  #inFlight: { readonly number: number; readonly count: number; readonly bytes: number }[] = [];
  #inFlightCount = 0;
  #sent = 0;
  /** Our and their digests when frontiers were exchanged. */
  readonly #compared = new Set<string>();
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

  /** True the first time: the same pair of digests again means that comparing leads nowhere. */
  markCompared(ours: string, theirs: string): boolean {
    if (this.#compared.size >= comparedMax) this.#compared.clear();
    return addTo(this.#compared, ours + theirs);
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
  nextBatch(window: Window): { readonly number: number; readonly nodes: readonly Node[] } | undefined {
    const { nodes, bytes } = batchOf(this.#queue, this.#at);
    if (nodes.length === 0 || !window.hasRoomFor(bytes)) return undefined;
    window.add(bytes);
    this.#at += nodes.length;
    if (this.#at === this.#queue.length) {
      this.#queue = [];
      this.#at = 0;
    }
    this.#sent += 1;
    this.#inFlight.push({ number: this.#sent, count: nodes.length, bytes });
    this.#inFlightCount += nodes.length;
    return { number: this.#sent, nodes };
  }

  /** The peer stored every batch up to `number`. False when it confirms what was never sent. */
  confirm(number: number, window: Window): boolean {
    if (number > this.#sent) return false;
    for (let first = this.#inFlight[0]; first !== undefined && first.number <= number; first = this.#inFlight[0]) {
      this.#inFlight.shift();
      this.#inFlightCount -= first.count;
      window.remove(first.bytes);
    }
    return true;
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

function addTo<T>(set: Set<T>, item: T): boolean {
  const isNew = !set.has(item);
  set.add(item);
  return isNew;
}

/** As many entries as fit a batch, and at least one if there is one. */
function batchOf(queue: readonly Node[], from: number): Batch {
  let to = from;
  let bytes = 0;
  for (let node = queue[to]; node !== undefined && to - from < batchEntriesMax; node = queue[to]) {
    if (bytes + node.size > batchBytesMax && to > from) break;
    bytes += node.size;
    to += 1;
  }
  return { nodes: queue.slice(from, to), bytes };
}
