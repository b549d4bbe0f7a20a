/**
 * One authenticated conversation with one peer: what is said about which database, and when.
 *
 * [SESSION-1] Nothing is said about a database that the peer may not read, unless we asked it to let us join; whatever it
 *             says about one is answered as if there were none.
 * [SESSION-2] Equal digests cost one message each way, and nothing more is sent.
 * [SESSION-3] Unequal digests lead to one exchange of frontiers, and then exactly the missing entries travel, both ways. At
 *             the end digests are compared again. What cannot be settled by comparing is compared once.
 * [SESSION-4] Only durable entries are sent, never back to the peer that sent them (but for what a skeleton repeats), and
 *             what became durable is sent at once or found by the comparison that is under way.
 * [SESSION-5] At most `batchesInFlightMax` batches and as many times `batchBytesMax` are unconfirmed, or one larger entry;
 *             databases take turns. A peer that sends more batches is cut off.
 * [SESSION-6] Entries are taken only for a database that we hold and the peer may read, or that we asked to join.
 * [SESSION-7] A fork costs one extra round trip: a skeleton of the chain finds where it left.
 * [SESSION-8] A message that breaks the protocol ends the session with a code, and nothing of it is kept.
 * [SESSION-10] A peer that may no longer read a database that it was told of is let go; the next session does not mention it.
 *
 * `step(event) → effects`. It reads the replicas it is given and never changes them. Letting peers in is in admission.ts.
 */
import { type Failure, type Result, unreachable } from "../errors.ts";
import { cutFrontier, differenceTo, digestFrontier, type Frontier, type Head } from "../frontier.ts";
import type { Node } from "../graph.ts";
import type { DatabaseId, EntryId, PublicKey } from "../ids.ts";
import { batchesInFlightMax, databasesPerDigestMax, wantsMax } from "../limits.ts";
import type { Replica } from "../replica.ts";
import { joinMessage, offeredPower } from "./admission.ts";
import { decodeBatch } from "./batch.ts";
import type { Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import {
  type DatabaseDigest,
  decodeMessage,
  type EntriesMessage,
  encodeMessage,
  type FrontierMessage,
  type JoinMessage,
  type Message,
  prefixOf,
  shortDigest,
} from "./message.ts";
import type { BatchStored, SessionEffect, SessionEvent, SessionOptions } from "./session-event.ts";
import { aboveSamples, sampleChain } from "./skeleton.ts";

export type { SessionEffect, SessionEvent, SessionOptions } from "./session-event.ts";

export class Session {
  readonly #options: SessionOptions;
  readonly #lanes = new Lanes();
  /** The peer's digest of each database that is open here, as it last said: perhaps before we knew that it may read it. */
  readonly #heard = new Map<DatabaseId, string>();
  /** What we asked this peer to let us join: until that is settled we do not know that it may read it. */
  readonly #joining = new Set<DatabaseId>();
  /** Batches of the peer that are not confirmed yet. */
  #unstored = 0;
  #effects: SessionEffect[] = [];
  #ended = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get peer(): PublicKey {
    return this.#options.peer;
  }

  /** Whether anything was said about a database in this session, or may be once we have joined it. */
  get isShared(): boolean {
    return this.#lanes.size > 0 || this.#joining.size > 0;
  }

  /** Undefined while nothing was said about the database in this session. */
  lane(database: DatabaseId): Readonly<Pick<Lane, "phase" | "unconfirmed">> | undefined {
    return this.#lanes.get(database);
  }

  step(event: SessionEvent): readonly SessionEffect[] {
    if (this.#ended) return [];
    this.#effects = [];
    this.#react(event);
    return this.#effects;
  }

  #react(event: SessionEvent): void {
    switch (event.type) {
      case "started":
        return this.#offerAll();
      case "received":
        return this.#receive(decodeMessage(event.bytes));
      case "announced":
        return this.#push(event.database, event.nodes);
      case "batchStored":
        return this.#confirmBatch(event);
      case "offered":
        return this.#offer(event.database);
      case "missed":
        if (this.#readable(event.database)) this.#send({ ...event, type: "want" });
        return;
      case "joining": {
        const { database, invite, signature } = event;
        this.#joining.add(database);
        this.#emit({ type: "allowLargeMessages" });
        return this.#send({ type: "join", database, invite, signature });
      }
      case "joinChecked":
        return this.#answerJoin(event.database, event.invite, event.valid);
      default:
        unreachable(event);
    }
  }

  // --- Saying what we hold

  #offerAll(): void {
    const readable = [...this.#options.replicas.keys()].filter((database) => this.#readable(database));
    for (let at = 0; at < readable.length; at += databasesPerDigestMax)
      this.#sendDigests(readable.slice(at, at + databasesPerDigestMax));
  }

  #offer(database: DatabaseId): void {
    const lane = this.#lanes.get(database);
    if (!this.#readable(database)) {
      if (lane?.isShared === true) this.#end({ type: "end" });
      return;
    }
    if (lane !== undefined && lane.phase !== "idle") return;
    this.#sendDigests([database]);
    this.#compare(database);
  }

  #sendDigests(databases: readonly DatabaseId[]): void {
    const digests = databases.map((database): DatabaseDigest => {
      const lane = this.#lanes.open(database);
      lane.isShared = true;
      lane.digestSent = this.#digest(database);
      return { prefix: prefixOf(database), digest: lane.digestSent };
    });
    this.#emit({ type: "allowLargeMessages" });
    this.#send({ type: "digest", digests });
  }

  /** Somebody whom we asked to let us in, and of whom we do not know yet that it may read, is told that we hold nothing. */
  #sendFrontier(lane: Lane, asks: boolean): void {
    const { database } = lane;
    lane.isShared ||= this.#readable(database);
    lane.digestSent = lane.isShared ? this.#digest(database) : "";
    const frontier = lane.isShared ? cutFrontier(this.#replica(database).frontier()) : nothing;
    this.#send({ type: "frontier", database, asks, frontier });
  }

  // --- Hearing what the peer holds

  #receive(decoded: Result<Message>): void {
    if (!decoded.ok) return this.#fail(decoded.failure);
    const message = decoded.value;
    switch (message.type) {
      case "digest":
        return this.#hear(message.digests);
      case "frontier":
        return this.#takeFrontier(message);
      case "skeleton":
        return this.#answerSkeleton(message.database, message.author, message.samples);
      case "entries":
        return this.#takeBatch(message);
      case "stored":
        return this.#confirm(message.database, message.number);
      case "want":
        return this.#serveByIds(message.database, message.ids);
      case "join":
        return this.#checkJoin(message);
      case "unavailable":
        return this.#emit({ type: "refusedJoin", database: message.database });
      default:
        unreachable(message);
    }
  }

  #hear(digests: readonly DatabaseDigest[]): void {
    const digestOf = new Map(digests.map(({ prefix, digest }) => [prefix, digest]));
    for (const database of this.#options.replicas.keys()) {
      const digest = digestOf.get(prefixOf(database));
      if (digest === undefined) continue;
      this.#heard.set(database, digest);
      if (this.#takes(database)) this.#compare(database);
    }
  }

  #compare(database: DatabaseId): void {
    const theirs = this.#heard.get(database);
    if (theirs === undefined) return;
    const lane = this.#lanes.open(database);
    const ours = this.#digest(database);
    if (theirs === ours) return this.#agree(lane, ours);
    if (lane.phase === "comparing") return; // The peer's frontier will say more than its digest.
    if (lane.unconfirmed > 0) {
      // They differ at least by what is under way. When that is confirmed our digest says so, and the peer compares.
      lane.phase = "sending";
      return;
    }
    if (!lane.markCompared(ours, theirs)) return;
    lane.phase = "comparing";
    this.#sendFrontier(lane, true);
    this.#emit({ type: "lanesChanged", database });
  }

  #agree(lane: Lane, digest: string): void {
    lane.phase = "live";
    if (lane.digestSent !== digest && this.#readable(lane.database)) this.#sendDigests([lane.database]);
    this.#emit({ type: "lanesChanged", database: lane.database });
    this.#emit({ type: "caughtUp", database: lane.database });
  }

  #takeFrontier({ database, asks, frontier }: FrontierMessage): void {
    if (!this.#takes(database)) return;
    const lane = this.#lanes.open(database);
    // Both may ask at once; then each has its answer. An answer that nobody waits for is no news.
    if (lane.phase !== "comparing") {
      if (!asks) return;
      this.#sendFrontier(lane, false);
    }
    const theirs = shortDigest(digestFrontier(frontier, this.#options.sha256));
    this.#heard.set(database, theirs);
    // What is under way is missing in their frontier too; when it is confirmed we ask for another.
    lane.isRoundDue = lane.unconfirmed > 0;
    if (!lane.isRoundDue) {
      lane.markCompared(this.#digest(database), theirs);
      if (this.#readable(database)) this.#startRound(lane, frontier);
    }
    lane.phase = lane.unconfirmed === 0 ? "live" : "sending";
    this.#serveAll();
    this.#emit({ type: "lanesChanged", database });
  }

  #startRound(lane: Lane, theirs: Frontier): void {
    const { graph, stored } = this.#replica(lane.database);
    const { extra, forked } = differenceTo(graph, theirs, stored);
    lane.startRound();
    lane.enqueue(extra);
    for (const author of forked) this.#sendSkeleton(lane, author);
  }

  #sendSkeleton(lane: Lane, author: PublicKey): void {
    if (!lane.markSkeletonSent(author)) return;
    const { database, graph, stored } = this.#replica(lane.database);
    this.#send({ type: "skeleton", database, author, samples: sampleChain(graph, author, stored) });
  }

  /** The peer found a fork: send our part of that author's chain from where the two agree, and learn the peer's part likewise. */
  #answerSkeleton(database: DatabaseId, author: PublicKey, samples: readonly Head[]): void {
    if (!this.#readable(database)) return;
    const lane = this.#lanes.open(database);
    this.#sendSkeleton(lane, author);
    if (!lane.markSkeletonAnswered(author)) return;
    const { graph, stored } = this.#replica(database);
    lane.enqueue(aboveSamples(graph, author, samples, stored));
    lane.phase = "sending";
    this.#flush(lane);
    this.#emit({ type: "lanesChanged", database });
  }

  // --- Sending entries

  #push(database: DatabaseId, nodes: readonly Node[]): void {
    const lane = this.#lanes.get(database);
    // Before the frontiers are exchanged, new entries are part of what the comparison will find.
    if (lane === undefined || lane.phase === "idle" || lane.phase === "comparing") return;
    lane.enqueue(nodes);
    this.#flush(lane);
    this.#emit({ type: "lanesChanged", database });
  }

  #flush(lane: Lane): void {
    this.#serveAll();
    if (lane.phase === "sending" && lane.unconfirmed === 0) this.#verify(lane);
  }

  /** As many batches as the window has room for, of whichever databases. */
  #serveAll(): void {
    const next = () => this.#lanes.nextBatch((database) => this.#readable(database));
    for (let batch = next(); batch !== undefined; batch = next()) {
      const { lane, number, nodes } = batch;
      this.#emit({ type: "serve", database: lane.database, number, left: lane.queued, nodes });
    }
  }

  /** Every rung ends with the digest check of the one below. */
  #verify(lane: Lane): void {
    lane.phase = "live";
    if (this.#readable(lane.database)) this.#sendDigests([lane.database]);
    if (lane.isRoundDue) this.#compare(lane.database);
    lane.isRoundDue = false;
  }

  #confirm(database: DatabaseId, number: number): void {
    const lane = this.#lanes.get(database);
    if (lane === undefined) return;
    if (!this.#lanes.confirm(lane, number))
      return this.#fail(unexpected(`stored ${number}`, "the number of a batch that was sent"));
    this.#flush(lane);
    this.#emit({ type: "lanesChanged", database });
  }

  #serveByIds(database: DatabaseId, ids: readonly EntryId[]): void {
    if (!this.#readable(database)) return;
    const { graph, stored } = this.#replica(database);
    const lane = this.#lanes.open(database);
    if (lane.queued >= wantsMax) return; // Asked for more than was fetched: what is still missing is asked for again.
    const nodes = ids.map((id) => graph.get(id)).filter((node) => node !== undefined);
    lane.enqueue(nodes.filter((node) => node.position < stored));
    this.#flush(lane);
  }

  // --- Taking entries

  #takeBatch({ database, number, left, batch }: EntriesMessage): void {
    if (!this.#takes(database)) return;
    const lane = this.#lanes.open(database);
    if (number !== lane.received + 1) return this.#fail(unexpected(`batch ${number}`, `batch ${lane.received + 1}`));
    if (this.#unstored >= batchesInFlightMax) return this.#fail(unexpected("a batch too many", "to wait for stored"));
    const entries = decodeBatch(batch, database, this.#options.sha256);
    if (!entries.ok) return this.#fail(entries.failure);
    lane.received = number;
    this.#unstored += 1;
    lane.remember(entries.value.map((entry) => entry.id));
    lane.arrived += entries.value.length;
    this.#emit({ type: "check", database, number, entries: entries.value });
    this.#emit({ type: "progress", database, received: lane.arrived, total: lane.arrived + left });
    if (left === 0) lane.arrived = 0;
  }

  #confirmBatch({ database, number, ids, missing }: BatchStored): void {
    const lane = this.#lanes.open(database);
    lane.stored = number;
    this.#unstored -= 1;
    lane.forget(ids);
    this.#send({ type: "stored", database, number });
    if (missing.length > 0) this.#send({ type: "want", database, ids: missing });
    else if (lane.stored === lane.received && lane.arrived === 0) this.#emit({ type: "caughtUp", database });
  }

  // --- Letting somebody in

  #checkJoin({ database, invite, signature }: JoinMessage): void {
    const { self, replicas, transcript } = this.#options;
    if (offeredPower(replicas.get(database), self, this.peer, invite) !== undefined) {
      const message = joinMessage(transcript, this.peer, database);
      return this.#emit({ type: "checkJoin", database, invite, message, signature });
    }
    if (this.#readable(database)) this.#sendDigests([database]);
    else this.#send({ type: "unavailable", database });
  }

  #answerJoin(database: DatabaseId, invite: PublicKey, valid: boolean): void {
    const power = offeredPower(this.#options.replicas.get(database), this.#options.self, this.peer, invite);
    if (valid && power !== undefined) this.#emit({ type: "grant", database, key: this.peer, power });
    else if (!this.#readable(database)) this.#send({ type: "unavailable", database });
  }

  // --- Small questions

  /** Whether the peer may be told of the database and sent its entries. */
  #readable(database: DatabaseId): boolean {
    return this.#options.replicas.get(database)?.authority.mayRead(this.peer) ?? false;
  }

  /** Whether what the peer says about the database is listened to. */
  #takes(database: DatabaseId): boolean {
    const replica = this.#options.replicas.get(database);
    if (replica === undefined) return false;
    return replica.graph.size === 0 || this.#joining.has(database) || this.#readable(database);
  }

  /** Of what is durable here. */
  #digest(database: DatabaseId): string {
    return shortDigest(this.#replica(database).digest());
  }

  #replica(database: DatabaseId): Replica {
    const replica = this.#options.replicas.get(database);
    if (replica === undefined) throw new Error("Tidemark bug: asked for a database that is not open");
    return replica;
  }

  #send(message: Message): void {
    this.#emit({ type: "send", bytes: encodeMessage(message) });
  }

  #emit(effect: SessionEffect): void {
    if (!this.#ended) this.#effects.push(effect);
  }

  #fail(failure: Failure): void {
    this.#end({ type: "fail", failure });
  }

  /** The last effect of this session, and the only one of its step. */
  #end(effect: Extract<SessionEffect, { readonly type: "end" | "fail" }>): void {
    this.#effects = [effect];
    this.#ended = true;
  }
}

const nothing: Frontier = new Map();

function unexpected(got: string, expected: string): Failure {
  return { code: "MESSAGE_UNEXPECTED", details: { got, expected } };
}
