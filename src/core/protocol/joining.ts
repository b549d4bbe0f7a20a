/** Getting in and letting in: what is said about tickets. What a proof is worth is in admission.ts. */
import type { DatabaseId, PublicKey } from "../ids.ts";
import { joinMessage, offeredPower } from "./admission.ts";
import type { Greeting } from "./greeting.ts";
import type { JoinMessage } from "./message.ts";
import type { SessionState } from "./session-state.ts";

export class Joining {
  readonly #state: SessionState;
  readonly #greeting: Greeting;

  constructor(state: SessionState, greeting: Greeting) {
    this.#state = state;
    this.#greeting = greeting;
  }

  /** We want in. */
  ask(message: JoinMessage): void {
    this.#state.joining.add(message.database);
    this.#state.allowLarge();
    this.#state.send(message);
  }

  /** Somebody wants in. */
  check({ database, invite, signature }: JoinMessage): void {
    const { transcript } = this.#state.options;
    if (this.#offered(database, invite) !== undefined) {
      const message = joinMessage(transcript, this.#state.peer, database);
      return this.#state.emit({ type: "checkJoin", database, invite, message, signature });
    }
    if (this.#state.isReadable(database)) this.#greeting.tell(database);
    else this.#state.send({ type: "unavailable", database });
  }

  answer(database: DatabaseId, invite: PublicKey, valid: boolean): void {
    const power = this.#offered(database, invite);
    if (valid && power !== undefined) this.#state.emit({ type: "grant", database, key: this.#state.peer, power });
    else if (!this.#state.isReadable(database)) this.#state.send({ type: "unavailable", database });
  }

  #offered(database: DatabaseId, invite: PublicKey): ReturnType<typeof offeredPower> {
    return offeredPower(this.#state.replica(database), this.#state.options.self, this.#state.peer, invite);
  }
}
