/** What the parts of a session share: lanes, what may be said to whom, and the effects of the present step. */
import type { Failure } from "../errors.ts";
import type { DatabaseId, PublicKey } from "../ids.ts";
import type { Replica } from "../replica.ts";
import { NONE } from "../store/power.ts";
import { inviteFault, isBarred, knownInvites } from "./admission.ts";
import type { Cursor } from "./cursor.ts";
import { guestsOf } from "./guests.ts";
import { Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import { encodeMessage, type Message } from "./message.ts";
import type { SessionEffect, SessionOptions } from "./session-event.ts";
import { shortDigest } from "./short-digest.ts";

export class SessionState {
  readonly options: SessionOptions;
  readonly lanes: Lanes = new Lanes();
  /** What we asked this peer to let us join: until that is settled we do not know that it may read it. */
  readonly joining: Set<DatabaseId> = new Set();
  /** Keys that the peer has proved beside its own, each for one database. */
  readonly keys: Map<DatabaseId, PublicKey> = new Map();
  /** What the peer asked in this session to be let in to. */
  readonly knocking: Set<DatabaseId> = new Set();
  /** What the peer may read as long as an invite stands whose secret it has proved. */
  readonly #guests = new Map<DatabaseId, PublicKey>();
  /** What the peer is to hold back with, and is told of when it speaks of it: before it might not let us say so. */
  readonly heldBack: Set<DatabaseId> = new Set();
  /** Lanes of which something is to be told at the end of the step. */
  readonly #changed = new Set<Lane>();
  #effects: SessionEffect[] = [];
  #ended = false;
  #allowsLarge = false;

  constructor(options: SessionOptions) {
    this.options = options;
  }

  get peer(): PublicKey {
    return this.options.peer;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The effects since the last time. */
  takeEffects(): readonly SessionEffect[] {
    for (const lane of this.#changed) this.#report(lane);
    this.#changed.clear();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Undefined for one that is not here, or that is not synced with this peer: no difference can be seen from outside. */
  replica(database: DatabaseId): Replica | undefined {
    return this.options.shares(database) ? this.options.replicas.get(database) : undefined;
  }

  /** The key with which the peer takes part in the database. */
  keyOf(database: DatabaseId): PublicKey {
    return this.keys.get(database) ?? this.peer;
  }

  /** Whether the peer may be told of the database and sent its entries. */
  isReadable(database: DatabaseId): boolean {
    const replica = this.replica(database);
    if (replica === undefined) return false;
    return this.isEntitled(database) || this.#isGuest(database, replica);
  }

  /** Whether a key of the peer may hold the database, whoever lets it in besides. */
  isEntitled(database: DatabaseId): boolean {
    const replica = this.replica(database);
    if (replica === undefined) return false;
    const key = this.keys.get(database);
    return replica.mayHold(this.peer) || (key !== undefined && replica.mayHold(key));
  }

  /** The peer has proved the secret of this invite; false: which lets it in to nothing. */
  letIn(database: DatabaseId, invite: PublicKey): boolean {
    const replica = this.replica(database);
    if (replica === undefined || !this.#mayBeGuest(database, replica, invite)) return false;
    if (!guestsOf(replica).admit(invite, this.keyOf(database), this.options.nowMs())) return false;
    this.#guests.set(database, invite);
    return true;
  }

  #isGuest(database: DatabaseId, replica: Replica): boolean {
    const invite = this.#guests.get(database);
    return invite !== undefined && this.#mayBeGuest(database, replica, invite);
  }

  #mayBeGuest(database: DatabaseId, replica: Replica, invite: PublicKey): boolean {
    if (inviteFault(replica, invite, this.options.nowMs()) !== undefined) return false;
    if ((knownInvites(replica).get(invite)?.power ?? NONE) > replica.holderPower) return false;
    return ![this.peer, this.keyOf(database)].some((key) => isBarred(replica, key, invite));
  }

  /** Those that the peer may be told of. */
  readable(): readonly DatabaseId[] {
    return [...this.options.replicas.keys()].filter((database) => this.isReadable(database));
  }

  /** Whether what the peer says about the database is listened to. */
  isWelcome(database: DatabaseId): boolean {
    const replica = this.replica(database);
    if (replica === undefined) return false;
    return replica.graph.size === 0 || this.joining.has(database) || this.isReadable(database);
  }

  /** Whether entries come from the peer because we asked it to let us join; until its root is here nobody may read the database. */
  isSender(database: DatabaseId): boolean {
    const lane = this.lanes.get(database);
    if (lane === undefined || lane.replica.graph.size > 0) return false;
    return this.joining.has(database) && lane.arrivals.received > 0;
  }

  /** The lane of a database that is here. */
  lane(database: DatabaseId): Lane {
    const known = this.lanes.get(database);
    if (known !== undefined) return known;
    const replica = this.options.replicas.get(database);
    if (replica === undefined) throw new Error("Tidemark bug: asked for a database that is not open");
    const { sha256, cursor } = this.options;
    const lane = new Lane(replica, sha256, () => cursor(database));
    this.lanes.add(lane);
    return lane;
  }

  /** Of what is durable here. */
  digest({ replica }: Lane): string {
    return shortDigest(replica.digest());
  }

  /** The peer may read the database, and is told of it: from now on it may send what is large. */
  share(lane: Lane): void {
    lane.isShared = true;
    // Should it lose that, it is no longer listened to just because we once asked it.
    this.joining.delete(lane.database);
    this.allowLarge();
  }

  allowLarge(): void {
    if (this.#allowsLarge) return;
    this.#allowsLarge = true;
    this.emit({ type: "allowLargeMessages" });
  }

  /** What we hold, for a message that says so: shortened, or empty when the peer may not be told. */
  say(lane: Lane): string {
    if (!this.isReadable(lane.database)) return "";
    this.share(lane);
    lane.ground.say(this.present(lane));
    return lane.ground.said;
  }

  /** What is durable here now. */
  present({ replica }: Lane): Cursor {
    return { digest: replica.digest(), position: replica.stored };
  }

  /** `unconfirmed` or `phase` of the lane is different now, or what the peer holds. */
  changed(lane: Lane): void {
    this.#changed.add(lane);
  }

  send(message: Message): void {
    this.emit({ type: "send", bytes: encodeMessage(message) });
  }

  emit(effect: SessionEffect): void {
    if (!this.#ended) this.#effects.push(effect);
  }

  refuse(got: string, expected: string): void {
    this.fail({ code: "MESSAGE_UNEXPECTED", details: { got, expected } });
  }

  fail(failure: Failure): void {
    this.end({ type: "fail", failure });
  }

  /** The last effect of this session, and the only one of its step. */
  end(effect: Extract<SessionEffect, { readonly type: "end" | "fail" }>): void {
    this.#effects = [effect];
    this.#ended = true;
  }

  #report({ database, delivery, replica }: Lane): void {
    const through = replica.isRecountDurable ? delivery.advance() : undefined;
    if (through !== undefined) this.emit({ type: "held", database, through });
    this.emit({ type: "lanesChanged", database });
  }
}
