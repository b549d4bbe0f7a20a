/**
 * Finding out what one side has and the other lacks: digests tell whether, frontiers what, skeletons where a fork left.
 *
 * A lane is quiet when nothing of it is queued, under way, being stored or announced. Only then an unequal digest says that
 * something is missing which is not on its way already: until then it is kept in mind, and not asked about. That saves messages
 * and decides nothing: whoever becomes quiet says what it holds, and whoever is quiet and hears what it does not hold asks.
 */
import { cutFrontier, differenceTo, digestFrontier, type Frontier, type Head } from "../frontier.ts";
import type { DatabaseId, PublicKey } from "../ids.ts";
import { applyChanges, changesSince } from "./common-ground.ts";
import type { Cursor } from "./cursor.ts";
import type { Lane } from "./lane.ts";
import type { FrontierMessage } from "./message.ts";
import type { Question } from "./questions.ts";
import type { Sending } from "./sending.ts";
import type { SessionState } from "./session-state.ts";
import { shortDigest } from "./short-digest.ts";
import { aboveSamples, sampleChain } from "./skeleton.ts";

/** heard: the peer says what it holds. said: we have just said what we hold, so it is the peer's turn. changed: anything else. */
type Reason = "heard" | "said" | "changed";

export class Comparing {
  readonly #state: SessionState;
  readonly #sending: Sending;

  constructor(state: SessionState, sending: Sending) {
    this.#state = state;
    this.#sending = sending;
  }

  /** The peer says what it holds. */
  hear(lane: Lane, theirs: string): void {
    this.#heard(lane, theirs);
    if (lane.phase !== "idle") return this.settle(lane, "heard");
    if (theirs === this.#state.digest(lane)) this.agree(lane, this.#state.present(lane));
    else this.#ask(lane, theirs);
  }

  /** What a batch said before is out of date: nothing that is sent after a batch comes before it. */
  #heard(lane: Lane, theirs: string): void {
    lane.heard = theirs;
    lane.arrivals.digest = "";
  }

  /** The peer compares anew: what gathers is sent, for it is part of what is missing. */
  greet(lane: Lane, theirs: string): void {
    this.hear(lane, theirs);
    if (lane.delivery.isGathering) this.#sending.flush(lane.database);
  }

  /**
   * Our owner wants to know again, of a lane that was compared to no avail: the peer would not ask twice. False when there is nothing to
   * ask about.
   */
  askAgain(lane: Lane): boolean {
    lane.restart();
    const isUnequal = lane.heard !== "" && lane.heard !== this.#state.digest(lane);
    if (!isUnequal || lane.phase !== "live" || lane.delivery.unconfirmed > 0) return false;
    this.#ask(lane, lane.heard);
    return true;
  }

  /** Something happened after which both may hold the same, or nothing may be under way. */
  settle(lane: Lane, because: Reason): void {
    const { delivery, arrivals, phase } = lane;
    const isNews = because === "heard";
    if (phase === "idle" || arrivals.isStoring || (!isNews && delivery.unconfirmed > 0)) return;
    const ours = this.#state.digest(lane);
    if (lane.heard === ours || arrivals.digest === ours) return this.agree(lane, this.#state.present(lane));
    if (phase === "comparing" || delivery.unconfirmed > 0) return;
    lane.phase = "live";
    if (arrivals.left > 0 || because === "said") return;
    if (isNews) this.#ask(lane, lane.heard);
    else this.tell(lane);
  }

  /** Both held the same when we held what is below the cursor's position. To hold nothing is no agreement. */
  agree(lane: Lane, cursor: Cursor): void {
    const { database, delivery, ground, replica } = lane;
    if (cursor.position === 0 || !this.#state.isReadable(database)) return;
    // What is void by something that a crash may take back would be taken to be held. It is settled when that is durable.
    if (!replica.isRecountDurable) return;
    lane.heard = shortDigest(cursor.digest);
    const from = Math.max(cursor.position, delivery.held.known);
    delivery.agree(cursor.position);
    lane.arrivals.endRound();
    lane.phase = "live";
    ground.agree(cursor);
    // Also when it is no news: somebody may have asked whether it is so.
    this.#state.emit({ type: "agreed", database, ...cursor });
    this.#sending.pushFrom(lane, from);
    if (cursor.position === replica.stored && ground.said !== lane.heard) this.tell(lane);
    this.#state.changed(lane);
    this.#state.emit({ type: "caughtUp", database });
  }

  /** The peer held what we said then, and perhaps that is not the same any more. */
  answered(lane: Lane, { recounts, ...cursor }: Question): void {
    if (recounts === lane.recounts) this.agree(lane, cursor);
    else this.hear(lane, shortDigest(cursor.digest));
  }

  /** Says what we hold, as a confirmation of nothing new. */
  tell(lane: Lane): void {
    const { database, arrivals } = lane;
    const digest = this.#state.say(lane);
    if (digest !== "") this.#state.send({ type: "stored", database, number: arrivals.stored, complete: true, digest });
  }

  takeFrontier({ database, asks, since, frontier }: FrontierMessage): void {
    if (!this.#state.isWelcome(database)) return;
    const lane = this.#state.lane(database);
    const { ground, phase } = lane;
    const isAnswer = phase === "comparing";
    // An answer that nobody waits for is no news.
    if (!isAnswer && (!asks || !this.#mayAnswer(lane, frontier))) return;
    if (!lane.comparisons.take(this.#state.digest(lane)))
      return this.#state.refuse("one more frontier", "to wait until something changed");
    const base = since === "" ? undefined : ground.find(since);
    if (since !== "" && base === undefined) {
      // Somebody who is asked for everything answers with everything.
      if (!isAnswer || ground.asked !== undefined) this.#sendFrontier(lane, true, undefined);
      return;
    }
    // Both may ask at once; then each has its answer, unless ours was of no use to the peer.
    if (!isAnswer || (asks && since === "" && ground.asked !== undefined)) this.#sendFrontier(lane, false, base);
    const theirs = base === undefined ? frontier : applyChanges(lane.replica.graph.frontier(base.position), frontier);
    this.#compare(lane, theirs, base);
  }

  /** While nothing is here, only somebody who has it, and whom we asked for it, hears that we know of it. */
  #mayAnswer({ database, phase, replica }: Lane, theirs: Frontier): boolean {
    if (replica.graph.size > 0 || phase !== "idle") return true;
    return this.#state.joining.has(database) && theirs.size > 0;
  }

  #compare(lane: Lane, theirs: Frontier, base: Cursor | undefined): void {
    this.#heard(lane, shortDigest(digestFrontier(theirs, this.#state.options.sha256)));
    lane.markCompared(this.#state.digest(lane), lane.heard);
    const isRepeated = lane.comparisons.isRepeated(lane.heard);
    if (!isRepeated && this.#state.isReadable(lane.database)) this.#startRound(lane, theirs, base);
    lane.phase = lane.delivery.unconfirmed === 0 ? "live" : "sending";
    this.#sending.serveAll();
    this.settle(lane, "said");
    this.#state.changed(lane);
  }

  #startRound(lane: Lane, theirs: Frontier, base: Cursor | undefined): void {
    const { graph, stored } = lane.replica;
    const surely = base === undefined ? undefined : graph.frontier(base.position);
    const { extra, forked, doubtful } = differenceTo(graph, theirs, stored, surely);
    lane.startRound();
    lane.delivery.held.compared(stored, doubtful);
    this.#sending.queueDifference(lane, extra);
    for (const author of forked) this.#sendSkeleton(lane, author);
  }

  /** Nobody is asked who may no longer be told: it would hear that we hold nothing, and send us everything. */
  #ask(lane: Lane, theirs: string): void {
    if (!this.#state.isWelcome(lane.database)) return;
    if (!lane.markCompared(this.#state.digest(lane), theirs)) return;
    this.#sendFrontier(lane, true, lane.ground.base);
  }

  /** Somebody whom we asked to let us join, and of whom we do not know yet that it may read, is told that we hold nothing. */
  #sendFrontier(lane: Lane, asks: boolean, base: Cursor | undefined): void {
    const { database, ground, replica } = lane;
    if (asks) lane.phase = "comparing";
    this.#state.changed(lane);
    const mayKnow = this.#state.say(lane) !== "";
    // It speaks of what we asked it to let us join: what comes now may be large.
    if (this.#state.joining.has(database)) this.#state.allowLarge();
    const since = mayKnow ? base : undefined;
    if (asks) ground.ask(since);
    const all = mayKnow ? replica.frontier() : nothing;
    const frontier = since === undefined ? all : changesSince(replica.graph.frontier(since.position), all);
    this.#state.send({
      type: "frontier",
      database,
      asks,
      since: shortDigest(since?.digest ?? ""),
      frontier: cutFrontier(frontier),
    });
  }

  #sendSkeleton(lane: Lane, author: PublicKey): void {
    if (!lane.markSkeletonSent(author)) return;
    const { database, graph, stored } = lane.replica;
    this.#state.send({ type: "skeleton", database, author, samples: sampleChain(graph, author, stored) });
  }

  /** The peer found a fork: send our part of that author's chain from where the two agree, and learn the peer's part likewise. */
  answerSkeleton(database: DatabaseId, author: PublicKey, samples: readonly Head[]): void {
    if (!this.#state.isReadable(database)) return;
    const lane = this.#state.lane(database);
    this.#sendSkeleton(lane, author);
    if (!lane.markSkeletonAnswered(author)) return;
    const { graph, stored } = lane.replica;
    this.#sending.queueDifference(lane, aboveSamples(graph, author, samples, stored));
    if (lane.phase === "live" && lane.delivery.unconfirmed > 0) lane.phase = "sending";
    this.#sending.serveAll();
    this.#state.changed(lane);
  }
}

const nothing: Frontier = new Map();
