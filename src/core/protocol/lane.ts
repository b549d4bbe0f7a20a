/** One database within one session: what both sides know of each other, what goes out, what comes in. */
import type { DatabaseId, PublicKey, Sha256 } from "../ids.ts";
import type { Replica } from "../replica.ts";
import { Arrivals } from "./arrivals.ts";
import { CommonGround, checkCursor } from "./common-ground.ts";
import { Comparisons } from "./comparisons.ts";
import type { Cursor } from "./cursor.ts";
import { Delivery } from "./delivery.ts";

/**
 * idle: nothing compared yet. comparing: our frontier is sent, the peer's is awaited. sending: the difference is on its way.
 * live: everything known to be missing was confirmed; new entries are pushed as they come.
 */
export type LanePhase = "idle" | "comparing" | "sending" | "live";

/** One exchange leads to two: what the peer said that it holds, and what its frontier said, which may be cut. */
const comparedMax = 16;

export class Lane {
  readonly database: DatabaseId;
  readonly replica: Replica;
  readonly delivery: Delivery;
  readonly arrivals: Arrivals = new Arrivals();
  readonly ground: CommonGround;
  phase: LanePhase = "idle";
  /** True once the peer was told of the database. */
  isShared = false;
  /** What the peer last said that it holds; empty: nothing yet. */
  heard = "";
  /** We asked the peer to hold back. */
  isHeldBack = false;
  /** How often what counts has changed since the lane was made: what was asked before is not answered after it. */
  recounts = 0;
  readonly comparisons: Comparisons = new Comparisons();
  /** Our and their digests when frontiers were exchanged. */
  readonly #compared = new Set<string>();
  /** Authors whose skeleton was sent, and answered, since the last exchange of frontiers: once each, or a peer could fill our queue. */
  readonly #skeletonsSent = new Set<PublicKey>();
  readonly #skeletonsAnswered = new Set<PublicKey>();

  /** `recall` gives what both last agreed on in an earlier session. */
  constructor(replica: Replica, sha256: Sha256, recall: () => Cursor | undefined) {
    this.database = replica.database;
    this.replica = replica;
    const { graph } = replica;
    this.delivery = new Delivery(
      (position) => graph.at(position),
      (node) => graph.counts(node),
    );
    this.ground = new CommonGround(recall, (cursor) => checkCursor(cursor, replica, sha256));
  }

  get isCompared(): boolean {
    return this.phase === "sending" || this.phase === "live";
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

  /** Entries became void or count again, the latter from position `from` on: nothing is known any more of what both hold. */
  recounted(from: number | undefined): void {
    this.recounts += 1;
    this.ground.recounted();
    this.restart();
    this.delivery.recounted(from);
  }

  /** What was compared may be so again. */
  restart(): void {
    this.#compared.clear();
  }
}

function addTo<T>(set: Set<T>, item: T): boolean {
  const isNew = !set.has(item);
  set.add(item);
  return isNew;
}
