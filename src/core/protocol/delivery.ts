/**
 * What is sent to one peer of one database: what waits, what gathers, what is under way, and what the peer confirmed of it.
 *
 * [LANE-1] What waits leaves in the order of the log, in batches of at most `batchEntries` entries and `batchBytes` bytes,
 *          within `batchEntriesMax` and `batchBytesMax`; a larger entry goes alone.
 * [LANE-3] `unconfirmed` counts the entries queued and under way: 0 means that the peer judged them all, and that what it
 *          accepted is durable there. It may still hold some back: digests tell.
 * [LANE-4] A confirmation covers every batch up to its number; one of a batch that was never sent is noticed.
 * [LANE-8] New entries gather until there are enough of them, or enough bytes, or they are flushed.
 * [LANE-10] What has become void while it waited is not sent, unless the peer asked for it by name.
 */
import type { Node } from "../graph.ts";
import { batchBytesMax, batchEntriesMax } from "../limits.ts";
import { Held } from "./held.ts";
import { LogRanges } from "./log-ranges.ts";
import type { LaneSettings } from "./session-event.ts";
import type { Priority, Window } from "./window.ts";

/** What a comparison finds missing; with 24 bytes each these are 240 kB. */
export const differenceRangesMax = 10_000;

type BatchSettings = Pick<LaneSettings, "batchEntries" | "batchBytes">;

interface Sent {
  readonly number: number;
  readonly nodes: readonly Node[];
  readonly bytes: number;
}

/** New entries that wait for company, from this position on. */
interface Gathered {
  readonly from: number;
  entries: number;
  bytes: number;
}

export class Delivery {
  readonly held: Held = new Held();
  /** The peer asked us to hold back. */
  isPaused = false;
  /** Sent before everything else. */
  readonly #urgent: LogRanges;
  readonly #queue: LogRanges;
  #gathered: Gathered | undefined;
  /** What waits below is what a comparison found missing. */
  #bulkBelow = 0;
  #sent = 0;
  #inFlight: Sent[] = [];
  #inFlightCount = 0;
  #inFlightBytes = 0;
  readonly #inFlightPositions = new Set<number>();
  readonly #nodeAt: (position: number) => Node;
  readonly #counts: (node: Node) => boolean;
  /** Positions of what waits and was asked for by name. */
  readonly #asked = new Set<number>();

  constructor(nodeAt: (position: number) => Node, counts: (node: Node) => boolean) {
    this.#nodeAt = nodeAt;
    this.#counts = counts;
    this.#urgent = new LogRanges(nodeAt);
    this.#queue = new LogRanges(nodeAt);
  }

  /** Entries that may be sent and were not, and their bytes. */
  get queued(): number {
    return this.#urgent.count + this.#queue.count - (this.#gathered?.entries ?? 0);
  }

  get queuedBytes(): number {
    return this.#urgent.bytes + this.#queue.bytes - (this.#gathered?.bytes ?? 0);
  }

  get unconfirmed(): number {
    return this.#urgent.count + this.#queue.count + this.#inFlightCount;
  }

  get unconfirmedBytes(): number {
    return this.#urgent.bytes + this.#queue.bytes + this.#inFlightBytes;
  }

  /** Ranges of positions that wait. */
  get ranges(): number {
    return this.#urgent.rangeCount + this.#queue.rangeCount;
  }

  /** The same, while nothing of them was named as urgent or found missing by a comparison; else 0. */
  get pushedRanges(): number {
    const isPushed = this.#urgent.count === 0 && (this.#queue.first ?? 0) >= this.#bulkBelow;
    return isPushed ? this.#queue.rangeCount : 0;
  }

  /** Whether the peer is to confirm something. */
  get isUnderWay(): boolean {
    return this.#inFlight.length > 0;
  }

  get isGathering(): boolean {
    return this.#gathered !== undefined;
  }

  get priority(): Priority {
    return this.#urgent.count === 0 && (this.#queue.first ?? this.#bulkBelow) < this.#bulkBelow
      ? "bulk"
      : "interactive";
  }

  /** What a comparison found missing, and is not queued or under way already. Gives how many there was no room for. */
  enqueueDifference(nodes: readonly Node[], through: number): number {
    this.release();
    this.#bulkBelow = through;
    return this.#enqueue(nodes, differenceRangesMax);
  }

  /** What the peer, or our owner, named: whoever asks for what is under way did not take it. */
  enqueueNamed(nodes: readonly Node[], first: boolean): number {
    if (!first) this.release();
    return this.#addAll(first ? this.#urgent : this.#queue, nodes, differenceRangesMax);
  }

  /** What the peer asked for by name, be it void: something that it holds stands on it. */
  enqueueAsked(nodes: readonly Node[]): number {
    for (const { position } of nodes) this.#asked.add(position);
    return this.enqueueNamed(nodes, false);
  }

  /** New entries; they wait until `release`. */
  gather(nodes: readonly Node[], rangesMax: number): number {
    const [count, bytes] = [this.#queue.count, this.#queue.bytes];
    const forgotten = this.#enqueue(nodes, Math.max(1, rangesMax));
    const from = nodes[0]?.position;
    if (from === undefined || this.#queue.count === count) return forgotten;
    this.#gathered ??= { from, entries: 0, bytes: 0 };
    this.#gathered.entries += this.#queue.count - count;
    this.#gathered.bytes += this.#queue.bytes - bytes;
    return forgotten;
  }

  isEnough({ flushEntries, flushBytes }: Pick<LaneSettings, "flushEntries" | "flushBytes">): boolean {
    const { entries = 0, bytes = 0 } = this.#gathered ?? {};
    return entries >= flushEntries || bytes >= flushBytes;
  }

  /** What gathers may be sent. */
  release(): void {
    this.#gathered = undefined;
  }

  /** The peer has it, or sent it, after all. */
  withdraw(node: Node): void {
    this.#urgent.remove(node.position);
    this.#asked.delete(node.position);
    if (!this.#queue.has(node.position)) return;
    this.#queue.remove(node.position);
    if (this.#gathered === undefined || node.position < this.#gathered.from) return;
    this.#gathered.entries -= 1;
    this.#gathered.bytes -= node.size;
    if (this.#gathered.entries === 0) this.release();
  }

  /** Both held the same when we held what is below `through`. */
  agree(through: number): void {
    this.#urgent.dropBelow(through);
    this.#queue.dropBelow(through);
    // Whoever asks is told when there is company again.
    if (this.#gathered !== undefined && this.#gathered.from < through) this.release();
    this.held.agreed(through);
  }

  /** Entries became void, or count again from position `from` on. */
  recounted(from: number | undefined): void {
    this.#dropVoid();
    if (from !== undefined) this.held.recounted(from);
  }

  /** What is held now, when it is more than before. */
  advance(): number | undefined {
    let first = Math.min(this.#urgent.first ?? Number.POSITIVE_INFINITY, this.#queue.first ?? Number.POSITIVE_INFINITY);
    for (const { nodes } of this.#inFlight) for (const { position } of nodes) first = Math.min(first, position);
    return this.held.advance(first);
  }

  /** Takes the next batch to send, or undefined when there is none or the window is full. */
  nextBatch(
    window: Window,
    settings: BatchSettings,
    windowBytes: number,
  ): { readonly number: number; readonly nodes: readonly Node[] } | undefined {
    const entriesMax = clamp(settings.batchEntries, batchEntriesMax);
    const bytesMax = clamp(settings.batchBytes, batchBytesMax);
    const source = this.#urgent.count > 0 ? this.#urgent : this.#queue;
    const before =
      source === this.#queue ? (this.#gathered?.from ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
    const bytes = source.measure(before, entriesMax, bytesMax);
    if (bytes === 0 || !window.hasRoomFor(bytes, windowBytes, this.priority)) return undefined;
    const nodes = source.take(before, entriesMax, bytesMax).filter((node) => this.#isToBeSent(node));
    this.#depart(nodes, window);
    // So that the peer is not told of more that never comes.
    this.#dropVoid();
    return { number: this.#sent, nodes };
  }

  #depart(nodes: readonly Node[], window: Window): void {
    const bytes = nodes.reduce((sum, { size }) => sum + size, 0);
    window.add(bytes);
    this.#sent += 1;
    this.#inFlight.push({ number: this.#sent, nodes, bytes });
    this.#inFlightCount += nodes.length;
    this.#inFlightBytes += bytes;
    for (const { position } of nodes) {
      this.#inFlightPositions.add(position);
      this.#asked.delete(position);
    }
  }

  /** The peer stored every batch up to `number`, or not all of them. False when it confirms what was never sent. */
  confirm(number: number, complete: boolean, window: Window): boolean {
    if (number > this.#sent) return false;
    for (let first = this.#inFlight[0]; first !== undefined && first.number <= number; first = this.#inFlight[0]) {
      this.#inFlight.shift();
      this.#inFlightCount -= first.nodes.length;
      this.#inFlightBytes -= first.bytes;
      window.remove(first.bytes);
      for (const { position } of first.nodes) {
        this.#inFlightPositions.delete(position);
        if (!complete) this.held.doubt(position);
      }
    }
    return true;
  }

  #isToBeSent(node: Node): boolean {
    return this.#counts(node) || this.#asked.has(node.position);
  }

  /** What waits begins with something that is to be sent, or nothing waits. */
  #dropVoid(): void {
    for (const ranges of [this.#urgent, this.#queue]) {
      for (let first = ranges.first; first !== undefined; first = ranges.first) {
        const node = this.#nodeAt(first);
        if (this.#isToBeSent(node)) break;
        this.withdraw(node);
      }
    }
    if (this.#urgent.count + this.#queue.count === 0) this.#asked.clear();
  }

  /** What is under way need not go again. */
  #enqueue(nodes: readonly Node[], rangesMax: number): number {
    const others = nodes.filter(({ position }) => !this.#inFlightPositions.has(position));
    return this.#addAll(this.#queue, others, rangesMax);
  }

  #addAll(ranges: LogRanges, nodes: readonly Node[], rangesMax: number): number {
    let forgotten = 0;
    for (const node of nodes) {
      if (ranges.add(node, rangesMax)) continue;
      forgotten += 1;
      this.held.doubt(node.position);
    }
    return forgotten;
  }
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(1, value), max);
}
