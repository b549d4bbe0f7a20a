/**
 * One authenticated conversation with one peer: what is said about which database, and when.
 *
 * [SESSION-1] Nothing is said about a database that the peer may not read, unless we asked it to let us join; whatever it
 *             says about one is answered as if there were none.
 * [SESSION-2] Equal digests cost one message and its answer, and nothing more is sent.
 * [SESSION-3] Unequal digests lead to one exchange of frontiers, and then exactly the missing entries travel, both ways. At
 *             the end digests are compared again. What cannot be settled by comparing is compared once.
 * [SESSION-4] Only durable entries are sent, never back to the peer that sent them (but for what a skeleton repeats), and
 *             what became durable is sent at once, when it was gathered, or found by the comparison that is under way.
 * [SESSION-5] What is unconfirmed is bounded: see window.ts. A peer that sends more batches is cut off.
 * [SESSION-6] Entries are taken only for a database that we hold and the peer may read, or that we asked to join.
 * [SESSION-7] A fork costs one extra round trip: a skeleton of the chain finds where it left.
 * [SESSION-8] A message that breaks the protocol ends the session with a code, and nothing of it is kept.
 * [SESSION-9] Who proves a ticket's secret is let in: admission.ts. So is who proves a further key: joining.ts.
 * [SESSION-10] A peer that may no longer read a database that it was told of is let go; the next session does not mention it.
 * [SESSION-11] A new entry costs two messages: the confirmation says what the peer holds, and so ends the round.
 * [SESSION-12] Both sides know when they hold the same.
 * [SESSION-13] A frontier says only what changed since both last held the same, when both know what that was.
 * [SESSION-14] What was remembered is used only if it is true: common-ground.ts.
 * [SESSION-15] What the peer is said to hold it holds: held.ts.
 * [SESSION-23] An id is said only to a peer that spoke of the database: commitments.ts.
 * [SESSION-24] Comparing to no avail ends: comparisons.ts.
 * [SESSION-25] Nobody agrees with us about nothing, or about what it may not read.
 * [SESSION-26] What a batch said that the peer holds counts until the peer says something newer.
 * [SESSION-28] Two of whom one knows what makes entries void end holding the same; what is void is sent only by name.
 * [SESSION-29] What counts again nobody is taken to hold: held.ts, comparing.ts.
 *
 * `step(event) → effects`. It reads the replicas it is given and never changes them. Its parts: greeting.ts, comparing.ts,
 * sending.ts, taking.ts, joining.ts; what they share is in session-state.ts.
 */
import { type Result, unreachable } from "../errors.ts";
import type { DatabaseId, PublicKey } from "../ids.ts";
import { Comparing } from "./comparing.ts";
import { messagesFeature, presenceFeature } from "./features.ts";
import { Greeting } from "./greeting.ts";
import { Joining } from "./joining.ts";
import type { LanePhase } from "./lane.ts";
import { decodeMessage, type Message, type PresenceMessage, type StoredMessage } from "./message.ts";
import { Sending } from "./sending.ts";
import type { SessionEffect, SessionEvent, SessionOptions } from "./session-event.ts";
import { SessionState } from "./session-state.ts";
import { Taking } from "./taking.ts";

export type { Cursor } from "./cursor.ts";
export type { LaneSettings, SessionEffect, SessionEvent, SessionOptions } from "./session-event.ts";

export interface LaneState {
  readonly phase: LanePhase;
  /** Entries queued for the peer and under way, and their bytes. */
  readonly unconfirmed: number;
  readonly unconfirmedBytes: number;
  /** The peer asked us to hold back. */
  readonly isPaused: boolean;
}

export class Session {
  readonly #state: SessionState;
  readonly #sending: Sending;
  readonly #comparing: Comparing;
  readonly #taking: Taking;
  readonly #greeting: Greeting;
  readonly #joining: Joining;

  constructor(options: SessionOptions) {
    this.#state = new SessionState(options);
    this.#sending = new Sending(this.#state);
    this.#comparing = new Comparing(this.#state, this.#sending);
    this.#taking = new Taking(this.#state, this.#comparing);
    this.#greeting = new Greeting(this.#state, this.#comparing);
    this.#joining = new Joining(this.#state, this.#greeting);
  }

  get peer(): PublicKey {
    return this.#state.peer;
  }

  /** Whether there is a database that the peer may read, or that it sends to us because we asked it to let us join. */
  get isShared(): boolean {
    return this.#state.lanes.all().some(({ database }) => this.#isShared(database));
  }

  /** Undefined while nothing was said about the database in this session. */
  lane(database: DatabaseId): LaneState | undefined {
    const lane = this.#state.lanes.get(database);
    // What was gathered for a peer that has lost its permission is never sent.
    if (lane === undefined || !this.#isShared(database)) return undefined;
    const { unconfirmed, unconfirmedBytes, isPaused } = lane.delivery;
    return { phase: lane.phase, unconfirmed, unconfirmedBytes, isPaused };
  }

  /** Whether anything was said about the database in this session, or is to be. */
  speaksOf(database: DatabaseId): boolean {
    const { lanes, heldBack, joining } = this.#state;
    return lanes.get(database) !== undefined || heldBack.has(database) || joining.has(database);
  }

  /** The key with which the peer takes part in the database. */
  keyOf(database: DatabaseId): PublicKey {
    return this.#state.keyOf(database);
  }

  /** Whether the peer may read the database by a key of its own, and not just as somebody who was invited. */
  isEntitled(database: DatabaseId): boolean {
    return this.#state.isEntitled(database);
  }

  /** The peer may be told of the database and sent its entries. */
  isReadable(database: DatabaseId): boolean {
    return this.#state.isReadable(database);
  }

  /** Whether the peer may be sent entries of the database at this moment. */
  mayServe(database: DatabaseId): boolean {
    return this.#state.isReadable(database);
  }

  /** Whether the peer may be told who is there: it may read the database, has spoken of it, and knows such messages. */
  mayPresent(database: DatabaseId): boolean {
    const lane = this.#state.lanes.get(database);
    if (lane === undefined || lane.phase === "idle" || !lane.isShared) return false;
    return this.#has(presenceFeature) && this.#state.isReadable(database);
  }

  /** Whether bytes of the app may go either way: the two share a database, and the peer knows such messages. */
  get mayMessage(): boolean {
    return this.#has(messagesFeature) && this.isShared;
  }

  /** Queued and under way, of all databases. */
  get unconfirmed(): { readonly entries: number; readonly bytes: number } {
    let [entries, bytes] = [0, 0];
    for (const { delivery } of this.#state.lanes.all()) {
      entries += delivery.unconfirmed;
      bytes += delivery.unconfirmedBytes;
    }
    return { entries, bytes };
  }

  /** Ranges of the log that wait to be sent, and how many of them are pushed: see delivery.ts. */
  ranges(database: DatabaseId): { readonly all: number; readonly pushed: number } {
    const delivery = this.#state.lanes.get(database)?.delivery;
    return { all: delivery?.ranges ?? 0, pushed: delivery?.pushedRanges ?? 0 };
  }

  /** Whether the peer is to confirm a batch, to answer what was asked, or to send what it has announced. */
  get isWaiting(): boolean {
    return this.#state.lanes.all().some(({ phase, delivery, arrivals, isHeldBack }) => {
      return phase === "comparing" || delivery.isUnderWay || (arrivals.left > 0 && !isHeldBack);
    });
  }

  /** Batches that the peer has confirmed so far. */
  get confirmed(): number {
    return this.#state.lanes.confirmed;
  }

  step(event: SessionEvent): readonly SessionEffect[] {
    if (this.#state.ended) return [];
    this.#react(event);
    return this.#state.takeEffects();
  }

  #has(feature: string): boolean {
    return this.#state.options.features?.includes(feature) === true;
  }

  #isShared(database: DatabaseId): boolean {
    return this.#state.isReadable(database) || this.#state.isSender(database);
  }

  #react(event: SessionEvent): void {
    switch (event.type) {
      case "started":
        return this.#greeting.start();
      case "resumed":
        for (const database of this.#greeting.resume(event.database)) this.#sending.flush(database);
        return;
      case "received":
        return this.#receive(decodeMessage(event.bytes));
      case "announced": {
        const lane = this.#state.lanes.get(event.database);
        if (lane === undefined) return;
        this.#sending.push(lane, event.nodes);
        return this.#comparing.settle(lane, "changed");
      }
      case "recounted": {
        const lane = this.#state.lanes.get(event.database);
        if (lane === undefined) return;
        lane.recounted(event.from);
        return this.#state.changed(lane);
      }
      case "batchStored":
        return this.#taking.confirmBatch(event);
      case "offered":
        return this.#greeting.offer(event.database);
      case "missed":
        if (this.#state.isReadable(event.database)) this.#state.send({ ...event, type: "want" });
        return;
      case "joining":
        return this.#joining.ask(event.database, event.invite, event.signature);
      case "joinChecked":
        return this.#joining.answerJoin(event);
      case "proving":
        return this.#joining.prove(event.database, event.key, event.signature);
      case "keyChecked":
        return this.#joining.takeKey(event);
      case "knocking":
        return this.#joining.knock(event.database, event.knock);
      case "rejecting":
        return this.#joining.reject(event.database);
      case "queued":
        return this.#sending.queue(event.database, event.nodes, event.first);
      case "flush":
        return this.#sending.flush(event.database);
      case "flowing":
        return this.#askToHoldBack(event.database, event.paused);
      case "pinged":
        return this.#state.send({ type: "ping", id: event.id });
      case "pacing":
        return this.#state.send({ type: "pace", bytesPerSecond: event.bytesPerSecond });
      case "presenting":
        if (this.mayPresent(event.database)) this.#state.send({ ...event, type: "presence" });
        return;
      case "channelling":
        if (this.mayMessage) this.#state.send({ ...event, type: "channel" });
        return;
      default:
        unreachable(event);
    }
  }

  #receive(decoded: Result<Message>): void {
    if (!decoded.ok) return this.#state.fail(decoded.failure);
    const message = decoded.value;
    switch (message.type) {
      case "digest":
        return this.#greeting.takeDigests(message);
      case "same":
        return this.#greeting.takeAnswer(message);
      case "frontier":
        return this.#comparing.takeFrontier(message);
      case "skeleton":
        return this.#comparing.answerSkeleton(message.database, message.author, message.samples);
      case "entries":
        return this.#taking.takeBatch(message);
      case "stored":
        return this.#confirm(message);
      case "want":
        return this.#sending.serveByIds(message.database, message.ids);
      case "join":
        return this.#joining.checkJoin(message);
      case "prove":
        return this.#joining.checkKey(message);
      case "knock":
        return this.#joining.hear(message);
      case "unavailable":
        return this.#joining.answered("refusedJoin", message.commitment);
      case "heard":
        return this.#joining.answered("heardKnock", message.commitment);
      case "rejected":
        return this.#joining.answered("rejectedKnock", message.commitment);
      case "flow":
        return this.#sending.pause(message.database, message.paused);
      case "ping":
        return this.#state.send({ type: "pong", id: message.id });
      case "pong":
        return this.#state.emit({ type: "ponged", id: message.id });
      case "pace":
        return this.#state.emit({ type: "paced", bytesPerSecond: message.bytesPerSecond });
      case "presence":
        return this.#hearOfPage(message);
      case "channel":
      case "message":
        return this.#hearOfApp(message);
      default:
        unreachable(message);
    }
  }

  /** From whoever may not read the database it is as of one that is not here: nothing is done. */
  #hearOfPage(message: PresenceMessage): void {
    if (!this.#has(presenceFeature)) return this.#state.refuse("presence", "what both know");
    if (this.#state.isReadable(message.database)) this.#state.emit(message);
  }

  /** That a channel is open may be said before we know that we share something. */
  #hearOfApp(message: Extract<Message, { readonly channel: string }>): void {
    if (!this.#has(messagesFeature)) return this.#state.refuse(message.type, "what both know");
    if (message.type === "channel" || this.isShared) this.#state.emit(message);
  }

  #confirm(message: StoredMessage): void {
    const before = this.#state.lanes.get(message.database)?.delivery.unconfirmed ?? 0;
    const lane = this.#sending.confirm(message);
    if (lane === undefined) return;
    if (before > 0 && lane.delivery.unconfirmed === 0) lane.comparisons.refill();
    if (message.digest === "") this.#comparing.settle(lane, "changed");
    else this.#comparing.hear(lane, message.digest);
  }

  #askToHoldBack(database: DatabaseId, paused: boolean): void {
    const lane = this.#state.lanes.get(database);
    // Whoever has not spoken of it may not know its id.
    if (this.#state.isReadable(database) || (this.#state.joining.has(database) && lane !== undefined))
      this.#state.send({ type: "flow", database, paused });
    if (lane !== undefined) lane.isHeldBack = paused;
    // Before the peer has spoken of it, it may not listen to us: we may still have to prove that it lets us in.
    if (paused && (lane === undefined || !this.#state.isReadable(database))) this.#state.heldBack.add(database);
    else this.#state.heldBack.delete(database);
  }
}
