/** What goes out: new entries, what a comparison found missing, and what somebody asks for by name. */
import type { Node } from "../graph.ts";
import type { DatabaseId, EntryId } from "../ids.ts";
import { wantsMax } from "../limits.ts";
import type { Lane } from "./lane.ts";
import type { StoredMessage } from "./message.ts";
import type { SessionState } from "./session-state.ts";

export class Sending {
  readonly #state: SessionState;

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** Entries became durable here. */
  push(lane: Lane, nodes: readonly Node[]): void {
    // Before the frontiers are exchanged, new entries are part of what the comparison will find.
    if (!lane.isCompared) return;
    const { graph } = lane.replica;
    const own = nodes.filter((node) => graph.counts(node) && !lane.arrivals.isFromPeer(node.id));
    lane.delivery.held.announced(nodes);
    lane.arrivals.forget(nodes.map(({ id }) => id));
    if (own.length > 0) this.#gather(lane, own);
    this.#state.changed(lane);
  }

  /** What became durable from a position on, while it was not known that the peer holds everything before. */
  pushFrom(lane: Lane, from: number): void {
    const { graph, stored } = lane.replica;
    const nodes: Node[] = [];
    for (let position = from; position < stored; position++) nodes.push(graph.at(position));
    if (nodes.length > 0) this.push(lane, nodes);
  }

  queueDifference(lane: Lane, nodes: readonly Node[]): void {
    this.#forget(lane, lane.delivery.enqueueDifference(nodes, lane.replica.stored));
  }

  /** Sends what our owner names, in any case. */
  queue(database: DatabaseId, nodes: readonly Node[], first: boolean): void {
    if (!this.#state.isReadable(database)) return;
    const lane = this.#state.lane(database);
    const { graph, stored } = lane.replica;
    const durable = nodes.filter((node) => node.position < stored && graph.counts(node));
    this.#forget(lane, lane.delivery.enqueueNamed(durable, first));
    this.serveAll();
    this.#state.changed(lane);
  }

  serveByIds(database: DatabaseId, ids: readonly EntryId[]): void {
    if (!this.#state.isReadable(database)) return;
    const lane = this.#state.lane(database);
    if (lane.delivery.queued >= wantsMax) return; // Asked for more than was fetched: what is still missing is asked for again.
    const { graph, stored } = lane.replica;
    const nodes = ids.map((id) => graph.get(id)).filter((node) => node !== undefined && node.position < stored);
    this.#forget(lane, lane.delivery.enqueueAsked(nodes as readonly Node[]));
    this.serveAll();
    this.#state.changed(lane);
  }

  flush(database: DatabaseId): void {
    const lane = this.#state.lanes.get(database);
    if (lane === undefined) return;
    lane.delivery.release();
    this.serveAll();
    this.#state.changed(lane);
  }

  /** The peer asks us to hold back, or to go on. */
  pause(database: DatabaseId, paused: boolean): void {
    if (!this.#state.isReadable(database)) return;
    const lane = this.#state.lane(database);
    lane.delivery.isPaused = paused;
    this.serveAll();
    this.#state.changed(lane);
  }

  /** Gives the lane, when there is one. */
  confirm({ database, number, complete }: StoredMessage): Lane | undefined {
    const lane = this.#state.lanes.get(database);
    if (lane === undefined) return undefined;
    if (!this.#state.lanes.confirm(lane, number, complete)) {
      this.#state.refuse(`stored ${number}`, "the number of a batch that was sent");
      return undefined;
    }
    this.serveAll();
    this.#state.changed(lane);
    return lane;
  }

  /** As many batches as the window has room for, of whichever databases. */
  serveAll(): void {
    const { settings, windowBytes } = this.#state.options;
    const maySend = (database: DatabaseId): boolean => this.#state.isReadable(database);
    const next = () => this.#state.lanes.nextBatch(maySend, settings(), windowBytes());
    for (let batch = next(); batch !== undefined; batch = next()) {
      const { lane, number } = batch;
      const nodes = this.#intact(lane, batch.nodes);
      const { queued: left, queuedBytes: leftBytes } = lane.delivery;
      const digest = left === 0 ? this.#state.say(lane) : "";
      this.#state.emit({ type: "serve", database: lane.database, number, left, leftBytes, digest, nodes });
      this.#state.changed(lane);
    }
  }

  /** What the disk lost is left out, and the peer is not taken to hold it: comparing finds it again once it is healed. */
  #intact(lane: Lane, nodes: readonly Node[]): readonly Node[] {
    const { isIntact } = this.#state.options;
    const lost = nodes.filter((node) => !isIntact(lane.database, node));
    for (const { position } of lost) lane.delivery.held.doubt(position);
    return lost.length === 0 ? nodes : nodes.filter((node) => isIntact(lane.database, node));
  }

  #gather(lane: Lane, nodes: readonly Node[]): void {
    const { settings, onCommit } = this.#state.options;
    const { database, delivery } = lane;
    const { flushAgeMs, queueRanges, ...enough } = settings();
    const isFirst = !delivery.isGathering;
    this.#forget(lane, delivery.gather(nodes, queueRanges));
    if (!onCommit(database)) return;
    if (delivery.isEnough(enough)) {
      delivery.release();
      this.serveAll();
    } else if (isFirst && delivery.isGathering && flushAgeMs > 0) {
      this.#state.emit({ type: "flushAfter", database, ms: flushAgeMs });
    }
  }

  /** What there was no room for is missing when the rest is confirmed: the digests at the end of the round will say so. */
  #forget(lane: Lane, entries: number): void {
    if (entries > 0) this.#state.emit({ type: "overflowed", database: lane.database, entries });
  }
}
