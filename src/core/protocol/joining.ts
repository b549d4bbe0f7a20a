/** Getting in and letting in: what is said about tickets. What a proof is worth is in admission.ts. */
import type { DatabaseId, PublicKey } from "../ids.ts";
import { joinMessage, offeredPower } from "./admission.ts";
import { Commitments, commitmentOf } from "./commitments.ts";
import type { Greeting } from "./greeting.ts";
import type { JoinMessage } from "./message.ts";
import type { SessionState } from "./session-state.ts";

export class Joining {
  readonly #state: SessionState;
  readonly #greeting: Greeting;
  /** What we say instead of the ids of databases, and what the peer does. */
  readonly #ours: Commitments;
  readonly #theirs: Commitments;

  constructor(state: SessionState, greeting: Greeting) {
    this.#state = state;
    this.#greeting = greeting;
    const { self, peer, transcript, sha256 } = state.options;
    this.#ours = new Commitments((database) => commitmentOf(database, self, transcript, sha256));
    this.#theirs = new Commitments((database) => commitmentOf(database, peer, transcript, sha256));
  }

  /** We want in. */
  ask(database: DatabaseId, invite: PublicKey, signature: Uint8Array): void {
    this.#state.joining.add(database);
    this.#state.send({ type: "join", commitment: this.#ours.of(database), invite, signature });
  }

  /** Somebody wants in. */
  check({ commitment, invite, signature }: JoinMessage): void {
    for (const database of this.#state.options.replicas.keys()) this.#theirs.of(database);
    const database = this.#theirs.find(commitment);
    if (database === undefined) return this.#state.send({ type: "unavailable", commitment });
    if (this.#offered(database, invite) !== undefined) {
      const message = joinMessage(this.#state.options.transcript, this.#state.peer, database);
      return this.#state.emit({ type: "checkJoin", database, invite, message, signature });
    }
    if (this.#state.isReadable(database)) this.#greeting.tell(database);
    else this.#state.send({ type: "unavailable", commitment });
  }

  answer(database: DatabaseId, invite: PublicKey, valid: boolean): void {
    const power = this.#offered(database, invite);
    if (valid && power !== undefined) this.#state.emit({ type: "grant", database, key: this.#state.peer, power });
    else if (!this.#state.isReadable(database))
      this.#state.send({ type: "unavailable", commitment: this.#theirs.of(database) });
  }

  /** It leads to nothing with this peer. */
  refused(commitment: string): void {
    const database = this.#ours.find(commitment);
    if (database !== undefined) this.#state.emit({ type: "refusedJoin", database });
  }

  #offered(database: DatabaseId, invite: PublicKey): ReturnType<typeof offeredPower> {
    return offeredPower(this.#state.replica(database), this.#state.options.self, this.#state.peer, invite);
  }
}
