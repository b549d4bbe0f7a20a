/**
 * Getting in and letting in: what is said about tickets, further keys and requests. What a proof is worth is in admission.ts.
 *
 * [SESSION-27] A session that proves a further key may do what that key may do in that database.
 * [REQUEST-1] Every request is answered alike, whether the database is known or not.
 *
 * A signature is checked in any case, whether it is known what it is about or not: so the time that an answer takes tells nothing either.
 */
import { type DatabaseId, entryIdFromDigest, type PublicKey } from "../ids.ts";
import { proofsPerSessionMax } from "../limits.ts";
import { joinMessage, proveMessage } from "./admission.ts";
import { Commitments, commitmentOf } from "./commitments.ts";
import type { Greeting } from "./greeting.ts";
import { decoyProof, hideKeyProof, revealKeyProof } from "./key-proof.ts";
import { hideKnock, type Knock, revealKnock } from "./knock.ts";
import type { MaskPlace } from "./mask.ts";
import type { JoinMessage, KnockMessage, ProveMessage } from "./message.ts";
import type { JoinChecked, KeyChecked } from "./session-event.ts";
import type { SessionState } from "./session-state.ts";

/** No database has this id. */
const nowhere = entryIdFromDigest(new Uint8Array(32));

export class Joining {
  readonly #state: SessionState;
  readonly #greeting: Greeting;
  /** What we say instead of the ids of databases, and what the peer does. */
  readonly #ours: Commitments;
  readonly #theirs: Commitments;
  /** Proofs and requests of the peer. */
  #taken = 0;

  constructor(state: SessionState, greeting: Greeting) {
    this.#state = state;
    this.#greeting = greeting;
    const { self, peer, transcript, sha256 } = state.options;
    this.#ours = new Commitments((database) => commitmentOf(database, self, transcript, sha256));
    this.#theirs = new Commitments((database) => commitmentOf(database, peer, transcript, sha256));
  }

  /** We want in, and have a ticket's secret. */
  ask(database: DatabaseId, invite: PublicKey, signature: Uint8Array): void {
    this.#state.joining.add(database);
    this.#state.send({ type: "join", commitment: this.#ours.of(database), invite, signature });
  }

  /** We take part in a database with a key of its own. */
  prove(database: DatabaseId, key: PublicKey, signature: Uint8Array): void {
    const hidden = hideKeyProof({ key, signature }, this.#place(database, this.#state.options.self));
    this.#state.send({ type: "prove", commitment: this.#ours.of(database), hidden });
  }

  /** We want in, and have no secret. */
  knock(database: DatabaseId, knock: Knock): void {
    this.#state.joining.add(database);
    const hidden = hideKnock(knock, this.#place(database, this.#state.options.self));
    this.#state.send({ type: "knock", commitment: this.#ours.of(database), hidden });
  }

  /** Somebody wants in. */
  checkJoin({ commitment, invite, signature }: JoinMessage): void {
    if (!this.#take()) return;
    const message = joinMessage(this.#state.options.transcript, this.#state.peer, commitment);
    this.#state.emit({ type: "checkJoin", commitment, invite, message, signature });
  }

  answerJoin({ commitment, invite, valid }: JoinChecked): void {
    const database = this.#find(commitment);
    if (database !== undefined && this.#state.isReadable(database)) return this.#greeting.tell(database);
    if (database === undefined || !valid || !this.#state.letIn(database, invite))
      return this.#state.send({ type: "unavailable", commitment });
    this.#greeting.offer(database);
  }

  /** Somebody takes part in a database with another key than that of the session. */
  checkKey({ commitment, hidden }: ProveMessage): void {
    if (!this.#take()) return;
    const database = this.#find(commitment);
    // Unmasked and checked in any case: a database that is not known here costs the same.
    const revealed = revealKeyProof(hidden, this.#place(database ?? nowhere, this.#state.peer));
    const { key, signature } = database === undefined ? decoyProof(this.#state.peer) : revealed;
    const message = proveMessage(this.#state.options.transcript, this.#state.peer, commitment);
    this.#state.emit({ type: "checkKey", commitment, key, message, signature });
  }

  takeKey({ commitment, key, valid }: KeyChecked): void {
    const database = this.#find(commitment);
    if (database === undefined || !valid) return;
    this.#state.keys.set(database, key);
    if (this.#state.isReadable(database)) this.#greeting.offer(database);
  }

  /** Somebody asks to be let in. */
  hear({ commitment, hidden }: KnockMessage): void {
    if (!this.#take()) return;
    this.#state.send({ type: "heard", commitment });
    const database = this.#find(commitment);
    // Looked at in any case: else whoever sends many could time which of them are read.
    const knock = revealKnock(hidden, this.#place(database ?? nowhere, this.#state.peer));
    if (database === undefined || knock === undefined) return;
    this.#state.knocking.add(database);
    this.#state.emit({ type: "knocked", database, knock });
  }

  /** What the peer asked for is not granted. */
  reject(database: DatabaseId): void {
    if (this.#state.replica(database) === undefined || !this.#state.knocking.has(database)) return;
    if (!this.#state.isReadable(database))
      this.#state.send({ type: "rejected", commitment: this.#theirs.of(database) });
  }

  /** What the peer answers. */
  answered(type: "refusedJoin" | "heardKnock" | "rejectedKnock", commitment: string): void {
    const database = this.#ours.find(commitment);
    if (database !== undefined) this.#state.emit({ type, database });
  }

  /** Undefined also for one that is not synced with this peer. */
  #find(commitment: string): DatabaseId | undefined {
    for (const database of this.#state.options.replicas.keys()) this.#theirs.of(database);
    const database = this.#theirs.find(commitment);
    return database !== undefined && this.#state.replica(database) !== undefined ? database : undefined;
  }

  #take(): boolean {
    this.#taken += 1;
    if (this.#taken <= proofsPerSessionMax) return true;
    this.#state.refuse("one more proof or request", `at most ${proofsPerSessionMax}`);
    return false;
  }

  #place(database: DatabaseId, speaker: PublicKey): MaskPlace {
    const { transcript, sha256 } = this.#state.options;
    return { database, speaker, transcript, sha256 };
  }
}
