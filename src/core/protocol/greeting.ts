/** Saying which databases we hold, and hearing which of them the other side holds too: digests and the answers to them. */
import type { DatabaseId } from "../ids.ts";
import { databasesPerDigestMax } from "../limits.ts";
import type { Comparing } from "./comparing.ts";
import type { Message, SameMessage } from "./message.ts";
import { type Question, Questions } from "./questions.ts";
import type { SessionState } from "./session-state.ts";
import { type DatabaseDigest, prefixOf } from "./short-digest.ts";

type DigestMessage = Extract<Message, { readonly type: "digest" }>;

export class Greeting {
  readonly #state: SessionState;
  readonly #comparing: Comparing;
  readonly #questions = new Questions();
  /** Digests that came, counted as the peer counts them. */
  #received = 0;
  /** The peer's digest of each database that is open here, as it last said: perhaps before we knew that it may read it. */
  readonly #heard = new Map<DatabaseId, string>();
  /** What the peer's greeting names while it goes on. Undefined: we have said what it does not name, or greeted ourselves. */
  #named: Set<DatabaseId> | undefined = new Set();

  constructor(state: SessionState, comparing: Comparing) {
    this.#state = state;
    this.#comparing = comparing;
  }

  /** The one who opened the channel speaks first. */
  start(): void {
    if (!this.#state.options.initiator) return;
    this.#named = undefined;
    const databases = this.#state.readable();
    if (databases.length > 0) return this.#tell(databases);
    // So that the other side speaks. It says nothing, is asked nothing, and is not answered.
    this.#state.send({ type: "digest", continues: false, digests: [] });
  }

  /** Says again what we hold, of everything or of one database. What gathers is sent instead: the comparison comes with it. */
  resume(only: DatabaseId | undefined): readonly DatabaseId[] {
    const { lanes } = this.#state;
    if (only === undefined) this.#named = undefined;
    const readable = this.#state.readable().filter((database) => only === undefined || database === only);
    const gathering = readable.filter((database) => lanes.get(database)?.delivery.isGathering === true);
    const others = readable.filter((database) => {
      const lane = lanes.get(database);
      return !gathering.includes(database) && (lane === undefined || !this.#comparing.askAgain(lane));
    });
    if (others.length > 0) this.#tell(others);
    return gathering;
  }

  /** A database was opened, or who may read it changed. */
  offer(database: DatabaseId): void {
    const lane = this.#state.lanes.get(database);
    if (!this.#state.isReadable(database)) {
      if (lane?.isShared === true) this.#state.end({ type: "end" });
      return;
    }
    if (lane !== undefined && lane.phase !== "idle") return;
    const heard = this.#heard.get(database);
    if (heard === undefined) return this.#tell([database]);
    this.#comparing.hear(this.#state.lane(database), heard);
  }

  /** Says what we hold of one database. */
  tell(database: DatabaseId): void {
    this.#tell([database]);
  }

  takeDigests({ digests, continues }: DigestMessage): void {
    if (digests.length > 0) this.#received += 1;
    const known = this.#databasesOf(digests);
    const bits = digests.map(({ digest }, i) => (known[i] ?? []).some((database) => this.#isSame(database, digest)));
    if (bits.includes(true)) this.#state.send({ type: "same", number: this.#received, bits });
    for (const [i, { digest }] of digests.entries())
      for (const database of known[i] ?? []) this.#hear(database, digest);
    this.#tellOthers(continues);
  }

  /** The other side held what we said when it heard that. */
  takeAnswer({ number, bits }: SameMessage): void {
    const items = this.#questions.answer(number, bits.length);
    if (items === undefined) return this.#state.refuse(`answer ${number}`, "the answer to a digest");
    for (const [i, item] of items.entries()) {
      const lane = this.#state.lanes.get(item.database);
      if (bits[i] === true && lane !== undefined && this.#state.isReadable(item.database))
        this.#comparing.answered(lane, item);
    }
  }

  #tell(databases: readonly DatabaseId[]): void {
    for (let at = 0; at < databases.length; at += databasesPerDigestMax) {
      const part = databases.slice(at, at + databasesPerDigestMax);
      const questions: Question[] = [];
      const digests = part.map((database): DatabaseDigest => {
        const lane = this.#state.lane(database);
        questions.push({ database, recounts: lane.recounts, ...this.#state.present(lane) });
        return { prefix: prefixOf(database), digest: this.#state.say(lane) };
      });
      this.#questions.ask(questions);
      this.#state.send({ type: "digest", continues: at + databasesPerDigestMax < databases.length, digests });
    }
  }

  /** What the peer's greeting did not name, it may not know that we share. */
  #tellOthers(continues: boolean): void {
    const named = this.#named;
    if (continues || named === undefined) return;
    this.#named = undefined;
    const others = this.#state
      .readable()
      .filter((database) => !named.has(database) && this.#state.lanes.get(database)?.isShared !== true);
    if (others.length > 0) this.#tell(others);
  }

  #hear(database: DatabaseId, digest: string): void {
    this.#heard.set(database, digest);
    this.#named?.add(database);
    if (!this.#state.isWelcome(database)) return;
    const lane = this.#state.lane(database);
    if (this.#state.heldBack.delete(database)) {
      lane.isHeldBack = true;
      this.#state.send({ type: "flow", database, paused: true });
    }
    this.#comparing.greet(lane, digest);
  }

  #isSame(database: DatabaseId, digest: string): boolean {
    if (!this.#state.isReadable(database)) return false;
    const lane = this.#state.lane(database);
    if (this.#state.digest(lane) !== digest) return false;
    this.#state.say(lane);
    return true;
  }

  /** For each item the databases here whose ids begin so: one, but for an accident. */
  #databasesOf(digests: readonly DatabaseDigest[]): readonly (readonly DatabaseId[])[] {
    const byPrefix = new Map<string, DatabaseId[]>(digests.map(({ prefix }) => [prefix, []]));
    for (const database of this.#state.options.replicas.keys()) byPrefix.get(prefixOf(database))?.push(database);
    return digests.map(({ prefix }) => byPrefix.get(prefix) ?? []);
  }
}
