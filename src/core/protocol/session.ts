/**
 * One authenticated conversation with one peer: what is said about which database, and when.
 *
 * [SESSION-1] Nothing is said about a database that the peer may not read, and the answer to asking for it is the same as
 *             for one that does not exist.
 * [SESSION-2] Equal digests end the comparison: nothing more is sent.
 * [SESSION-3] Unequal digests lead to one exchange of frontiers, and then exactly the missing entries travel, both ways.
 * [SESSION-4] Only durable entries are sent, each at most once per comparison, never back to the peer that sent them.
 * [SESSION-5] The peer has at most `batchesInFlightMax` unconfirmed batches of a database; one that sends more is cut off.
 * [SESSION-6] Entries are taken only for a database that we hold and the peer may read, or that we asked to join.
 * [SESSION-7] A fork costs one extra round trip: a skeleton of the chain finds where it left.
 * [SESSION-8] A message that breaks the protocol ends the session with a code, and nothing of it is kept.
 * [SESSION-9] Whoever proves a ticket's secret is granted what its invite says; everyone else is told `unavailable`.
 *
 * `step(event) → effects`. It reads the replicas it is given and never changes them.
 */
import type { Entry } from "../entry.ts";
import { type Failure, type Result, unreachable } from "../errors.ts";
import { differenceTo, type Frontier, type Head } from "../frontier.ts";
import type { Node } from "../graph.ts";
import { type DatabaseId, decodeHex, type EntryId, type PublicKey, type Sha256 } from "../ids.ts";
import { batchesInFlightMax, databasesPerDigestMax, wantsMax } from "../limits.ts";
import type { Replica } from "../replica.ts";
import type { Power } from "../store/power.ts";
import { encodeUtf8 } from "../utf8.ts";
import { decodeBatch } from "./batch.ts";
import { Lane } from "./lane.ts";
import {
  type DatabaseDigest,
  decodeMessage,
  type EntriesMessage,
  encodeMessage,
  type JoinMessage,
  type Message,
} from "./message.ts";
import { aboveSamples, sampleChain } from "./skeleton.ts";

export type SessionEvent =
  | { readonly type: "started" }
  | { readonly type: "received"; readonly bytes: Uint8Array }
  /** Entries of a database became durable here, from whatever source. */
  | { readonly type: "announced"; readonly database: DatabaseId; readonly nodes: readonly Node[] }
  /** The peer's batch `number` was judged, and what was accepted of it is durable. `missing`: what its entries wait for. */
  | {
      readonly type: "batchStored";
      readonly database: DatabaseId;
      readonly number: number;
      readonly ids: readonly EntryId[];
      readonly missing: readonly EntryId[];
    }
  /** A database was opened, or who may read it changed, or the app wants it compared again. */
  | { readonly type: "offered"; readonly database: DatabaseId }
  /** We want in: a ticket's secret signed `joinMessage`. */
  | {
      readonly type: "joining";
      readonly database: DatabaseId;
      readonly invite: PublicKey;
      readonly signature: Uint8Array;
    }
  | {
      readonly type: "joinChecked";
      readonly database: DatabaseId;
      readonly invite: PublicKey;
      readonly valid: boolean;
    };

export type SessionEffect =
  | { readonly type: "send"; readonly bytes: Uint8Array }
  /** Read the entries and send them as one `entries` message. */
  | {
      readonly type: "serve";
      readonly database: DatabaseId;
      readonly number: number;
      readonly left: number;
      readonly nodes: readonly Node[];
    }
  /** Check and judge these; answer with `batchStored`. */
  | {
      readonly type: "check";
      readonly database: DatabaseId;
      readonly number: number;
      readonly entries: readonly Entry[];
    }
  | {
      readonly type: "checkJoin";
      readonly database: DatabaseId;
      readonly invite: PublicKey;
      readonly message: Uint8Array;
      readonly signature: Uint8Array;
    }
  | { readonly type: "grant"; readonly database: DatabaseId; readonly key: PublicKey; readonly power: Power }
  | { readonly type: "refusedJoin"; readonly database: DatabaseId }
  /** Entries that came in since the comparison, and how many it is in all. */
  | { readonly type: "progress"; readonly database: DatabaseId; readonly received: number; readonly total: number }
  /** Everything the peer had when we compared is durable here. */
  | { readonly type: "caughtUp"; readonly database: DatabaseId }
  /** `unconfirmed` or `phase` of a lane changed. */
  | { readonly type: "lanesChanged"; readonly database: DatabaseId }
  | { readonly type: "allowLargeMessages" }
  | { readonly type: "fail"; readonly failure: Failure };

export interface SessionOptions {
  readonly self: PublicKey;
  readonly peer: PublicKey;
  /** What the handshake ended with: proofs of this session are worthless in any other. */
  readonly transcript: Uint8Array;
  /** The databases that are open here; an empty replica is one that is being joined. */
  readonly replicas: ReadonlyMap<DatabaseId, Replica>;
  readonly sha256: Sha256;
}

/** What a ticket's secret signs: good in one session, for one key and one database. */
export function joinMessage(transcript: Uint8Array, joiner: PublicKey, database: DatabaseId): Uint8Array {
  const tag = encodeUtf8("tidemark/join/1\0");
  const message = new Uint8Array(tag.length + 64 + transcript.length);
  message.set(tag);
  message.set(decodeHex(joiner), tag.length);
  message.set(decodeHex(database), tag.length + 32);
  message.set(transcript, tag.length + 64);
  return message;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #lanes = new Map<DatabaseId, Lane>();
  #effects: SessionEffect[] = [];
  #failed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get peer(): PublicKey {
    return this.#options.peer;
  }

  /** Undefined while nothing was said about the database in this session. */
  lane(database: DatabaseId): Readonly<Pick<Lane, "phase" | "unconfirmed">> | undefined {
    return this.#lanes.get(database);
  }

  step(event: SessionEvent): readonly SessionEffect[] {
    if (this.#failed) return [];
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
        return this.#confirmBatch(event.database, event.number, event.ids, event.missing);
      case "offered":
        return this.#offer(event.database);
      case "joining": {
        const { database, invite, signature } = event;
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
    if (this.#readable(database)) this.#sendDigests([database]);
    else this.#lanes.delete(database);
  }

  #sendDigests(databases: readonly DatabaseId[]): void {
    const digests = databases.map((database): DatabaseDigest => {
      const replica = this.#replica(database);
      const digest = replica.digest();
      this.#lane(database).lastDigestSent = digest;
      return { database, count: replica.stored, digest };
    });
    this.#emit({ type: "allowLargeMessages" });
    this.#send({ type: "digest", digests });
  }

  // --- Hearing what the peer holds

  #receive(decoded: Result<Message>): void {
    if (!decoded.ok) return this.#fail(decoded.failure);
    const message = decoded.value;
    switch (message.type) {
      case "digest":
        for (const digest of message.digests) this.#compare(digest);
        return;
      case "frontier":
        return this.#answerFrontier(message.database, message.frontier);
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

  #compare({ database, digest }: DatabaseDigest): void {
    if (!this.#takes(database)) return;
    const replica = this.#replica(database);
    const lane = this.#lane(database);
    const ours = replica.digest();
    if (digest === ours) return this.#agree(lane, ours);
    const pair = `${ours} ${digest}`;
    // While entries are under way the digests differ for that reason alone; the comparison that ends the sending tells.
    if (lane.unconfirmed > 0 || lane.phase === "comparing" || lane.lastCompared === pair) return;
    lane.lastCompared = pair;
    lane.phase = "comparing";
    this.#send({ type: "frontier", database, frontier: replica.frontier() });
    // The peer compares too; if it has not heard our digest since we changed, it does not know that it should.
    if (lane.lastDigestSent !== ours && this.#readable(database)) this.#sendDigests([database]);
    this.#emit({ type: "lanesChanged", database });
  }

  #agree(lane: Lane, digest: string): void {
    lane.phase = "live";
    if (lane.lastDigestSent !== digest) this.#sendDigests([lane.database]);
    this.#emit({ type: "lanesChanged", database: lane.database });
    this.#emit({ type: "caughtUp", database: lane.database });
  }

  #answerFrontier(database: DatabaseId, theirs: Frontier): void {
    if (!this.#takes(database)) return;
    const replica = this.#replica(database);
    const lane = this.#lane(database);
    if (lane.phase !== "comparing") this.#send({ type: "frontier", database, frontier: replica.frontier() });
    const { extra, forked } = differenceTo(replica.graph, theirs, replica.stored);
    // What is under way is missing in their frontier too; the comparison that ends the sending finds what else is.
    if (lane.unconfirmed === 0 && this.#readable(database)) {
      lane.startRound();
      lane.enqueue(extra);
    }
    for (const author of forked) this.#sendSkeleton(replica, lane, author);
    lane.phase = "sending";
    this.#flush(lane);
    this.#emit({ type: "lanesChanged", database });
  }

  #sendSkeleton(replica: Replica, lane: Lane, author: PublicKey): void {
    if (!this.#readable(replica.database) || !lane.markSkeletonSent(author)) return;
    const samples = sampleChain(replica.graph, author, replica.stored);
    this.#send({ type: "skeleton", database: replica.database, author, samples });
  }

  /** The peer found a fork: send our part of that author's chain from where the two agree, and learn the peer's part likewise. */
  #answerSkeleton(database: DatabaseId, author: PublicKey, samples: readonly Head[]): void {
    if (!this.#readable(database)) return;
    const replica = this.#replica(database);
    const lane = this.#lane(database);
    this.#sendSkeleton(replica, lane, author);
    if (!lane.markSkeletonAnswered(author)) return;
    lane.enqueue(aboveSamples(replica.graph, author, samples, replica.stored));
    this.#flush(lane);
  }

  // --- Sending entries

  #push(database: DatabaseId, nodes: readonly Node[]): void {
    const lane = this.#lanes.get(database);
    // Before the frontiers are exchanged, new entries are part of what the comparison will find.
    if (lane === undefined || lane.phase === "idle" || lane.phase === "comparing" || !this.#readable(database)) return;
    lane.enqueue(nodes);
    this.#flush(lane);
    this.#emit({ type: "lanesChanged", database });
  }

  #flush(lane: Lane): void {
    for (let batch = lane.nextBatch(); batch !== undefined; batch = lane.nextBatch()) {
      this.#emit({
        type: "serve",
        database: lane.database,
        number: batch.number,
        left: lane.queued,
        nodes: batch.nodes,
      });
    }
    if (lane.phase === "sending" && lane.unconfirmed === 0) this.#verify(lane);
  }

  /** Every rung ends with the digest check of the one below. */
  #verify(lane: Lane): void {
    lane.phase = "live";
    if (this.#readable(lane.database)) this.#sendDigests([lane.database]);
  }

  #confirm(database: DatabaseId, number: number): void {
    const lane = this.#lanes.get(database);
    if (lane === undefined) return;
    if (!lane.confirm(number)) return this.#fail(unexpected(`stored ${number}`, "the number of a batch that was sent"));
    this.#flush(lane);
    this.#emit({ type: "lanesChanged", database });
  }

  #serveByIds(database: DatabaseId, ids: readonly EntryId[]): void {
    if (!this.#readable(database)) return;
    const replica = this.#replica(database);
    const lane = this.#lane(database);
    if (lane.queued >= wantsMax) return; // Asked for more than was fetched: what is still missing is asked for again.
    const nodes = ids.map((id) => replica.graph.get(id)).filter((node) => node !== undefined);
    lane.enqueue(nodes.filter((node) => node.position < replica.stored));
    this.#flush(lane);
  }

  // --- Taking entries

  #takeBatch({ database, number, left, batch }: EntriesMessage): void {
    if (!this.#takes(database)) return;
    const lane = this.#lane(database);
    lane.received += 1;
    if (number !== lane.received) return this.#fail(unexpected(`batch ${number}`, `batch ${lane.received}`));
    if (lane.received - lane.stored > batchesInFlightMax)
      return this.#fail(unexpected("a batch too many", "to wait for stored"));
    const entries = decodeBatch(batch, database, this.#options.sha256);
    if (!entries.ok) return this.#fail(entries.failure);
    lane.remember(entries.value.map((entry) => entry.id));
    lane.arrived += entries.value.length;
    this.#emit({ type: "check", database, number, entries: entries.value });
    this.#emit({ type: "progress", database, received: lane.arrived, total: lane.arrived + left });
    if (left === 0) lane.arrived = 0;
  }

  #confirmBatch(database: DatabaseId, number: number, ids: readonly EntryId[], missing: readonly EntryId[]): void {
    const lane = this.#lanes.get(database);
    if (lane === undefined) return;
    lane.stored = number;
    lane.forget(ids);
    this.#send({ type: "stored", database, number });
    if (missing.length > 0) this.#send({ type: "want", database, ids: missing });
    else if (lane.stored === lane.received && lane.arrived === 0) this.#emit({ type: "caughtUp", database });
  }

  // --- Letting somebody in

  #checkJoin({ database, invite, signature }: JoinMessage): void {
    const { self, replicas } = this.#options;
    const replica = replicas.get(database);
    const power = this.#invitedPower(database, invite);
    const isOffered = power !== undefined && replica?.authority.maySet(self, this.peer, power) === true;
    const hasLess = power !== undefined && (replica?.authority.power(this.peer) ?? 0) > power;
    if (!(isOffered && hasLess)) {
      return this.#readable(database) ? this.#sendDigests([database]) : this.#send({ type: "unavailable", database });
    }
    const message = joinMessage(this.#options.transcript, this.peer, database);
    this.#emit({ type: "checkJoin", database, invite, message, signature });
  }

  #answerJoin(database: DatabaseId, invite: PublicKey, valid: boolean): void {
    const power = this.#invitedPower(database, invite);
    if (valid && power !== undefined) this.#emit({ type: "grant", database, key: this.peer, power });
    else this.#send({ type: "unavailable", database });
  }

  #invitedPower(database: DatabaseId, invite: PublicKey): Power | undefined {
    return this.#options.replicas
      .get(database)
      ?.state.settings.invites()
      .find(({ key }) => key === invite)?.power;
  }

  // --- Small questions

  /** Whether the peer may be told of the database and sent its entries. */
  #readable(database: DatabaseId): boolean {
    return this.#options.replicas.get(database)?.authority.mayRead(this.peer) ?? false;
  }

  /** Whether what the peer says about the database is listened to. */
  #takes(database: DatabaseId): boolean {
    return this.#readable(database) || this.#options.replicas.get(database)?.graph.size === 0;
  }

  #replica(database: DatabaseId): Replica {
    const replica = this.#options.replicas.get(database);
    if (replica === undefined) throw new Error("Tidemark bug: asked for a database that is not open");
    return replica;
  }

  #lane(database: DatabaseId): Lane {
    const lane = this.#lanes.get(database) ?? new Lane(database);
    this.#lanes.set(database, lane);
    return lane;
  }

  #send(message: Message): void {
    this.#emit({ type: "send", bytes: encodeMessage(message) });
  }

  #emit(effect: SessionEffect): void {
    this.#effects.push(effect);
  }

  #fail(failure: Failure): void {
    this.#failed = true;
    this.#effects = [{ type: "fail", failure }];
  }
}

function unexpected(got: string, expected: string): Failure {
  return { code: "MESSAGE_UNEXPECTED", details: { got, expected } };
}
