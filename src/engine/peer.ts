/**
 * One channel to one peer: the handshake, then the session, run on real channels, keys and databases.
 *
 * [ENGINE-8] A peer's messages are taken in their order, and its batches are judged and confirmed in their order.
 * [ENGINE-9] Messages go out in the order of the effects, and none while the channel is congested. Entries are read ahead as
 *            far as the window goes, and no further.
 * [ENGINE-10] A handshake that takes longer than `handshakeTimeoutMs` ends the channel.
 * [ENGINE-19] A peer that sends faster than it is answered is let wait, and cut off when more than `inboundMessagesMax`
 *             messages or `inboundBytesMax` bytes of it wait; from a stranger 1/64 of these bytes.
 */
import type { Entry } from "../core/entry.ts";
import { type Failure, TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import {
  handshakeTimeoutMs,
  inboundBytesMax,
  inboundMessagesMax,
  messageBytesMax,
  outboundMessagesMax,
} from "../core/limits.ts";
import { encodeBatch } from "../core/protocol/batch.ts";
import { Handshake, type HandshakeEffect, type HandshakeEvent } from "../core/protocol/handshake.ts";
import { encodeMessage } from "../core/protocol/message.ts";
import { Session, type SessionEffect, type SessionEvent } from "../core/protocol/session.ts";
import type { Replica } from "../core/replica.ts";
import type { Power } from "../core/store/power.ts";
import type { Channel } from "../ports/transport.ts";
import type { OpenDatabase } from "./database.ts";
import type { EnginePorts } from "./ports.ts";

type Serve = Extract<SessionEffect, { readonly type: "serve" }>;

export interface PeerOwner {
  readonly replicas: ReadonlyMap<DatabaseId, Replica>;
  database(id: DatabaseId): OpenDatabase | undefined;
  /** The handshake is done: the session may start. */
  authenticated(peer: Peer): void;
  granted(database: DatabaseId, key: PublicKey, power: Power): Promise<void>;
  joinRefused(peer: Peer, database: DatabaseId): void;
  progressed(peer: Peer, database: DatabaseId, received: number, total: number): void;
  caughtUp(peer: Peer, database: DatabaseId): void;
  lanesChanged(database: DatabaseId): void;
  /** Once; `error` when it ended for a reason with a code. */
  ended(peer: Peer, error: TidemarkError | undefined): void;
}

export class Peer {
  readonly channel: Channel;
  readonly #ports: EnginePorts;
  readonly #owner: PeerOwner;
  readonly #handshake: Handshake;
  #session: Session | undefined;
  #transcript: Uint8Array = new Uint8Array();
  #cancelTimeout: () => void = () => {};
  #ended = false;
  /** One after the other: taking messages, confirming batches, sending. */
  #inbound: Promise<unknown> = Promise.resolve();
  #confirmations: Promise<unknown> = Promise.resolve();
  #outbound: Promise<unknown> = Promise.resolve();
  #onDrained: () => void = () => {};
  /** Messages that came and were not taken yet; their bytes; how many there may be. */
  #waiting = 0;
  #waitingBytes = 0;
  #waitingBytesMax: number = inboundBytesMax / 64;
  /** Messages that were not handed to the channel yet. */
  #unsent = 0;

  constructor(ports: EnginePorts, owner: PeerOwner, channel: Channel, expected: PublicKey) {
    this.#ports = ports;
    this.#owner = owner;
    this.channel = channel;
    this.#handshake = new Handshake({
      initiator: channel.initiator,
      self: ports.identity.publicKey,
      expected,
      binding: channel.binding,
      nonce: ports.random.bytes(32),
      features: [],
      sha256: ports.sha256,
    });
  }

  /** To be called once, when the owner knows this peer: it can end at once. */
  start(): void {
    this.#cancelTimeout = this.#ports.clock.after(handshakeTimeoutMs, () => {
      this.#enqueue(() => this.#stepHandshake({ type: "timedOut", afterMs: handshakeTimeoutMs }));
    });
    // Before anything is heard: what came early is delivered within `listen`.
    this.#enqueue(() => this.#stepHandshake({ type: "started" }));
    this.channel.listen({
      message: (bytes) => this.#arrive(bytes),
      drained: () => this.#onDrained(),
      closed: (code) =>
        this.#end(code === undefined ? undefined : new TidemarkError("CHANNEL_CLOSED", { reason: code })),
    });
  }

  /** Proved by the handshake; undefined before. */
  get key(): PublicKey | undefined {
    return this.#session?.peer;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** What the handshake ended with; a joiner signs it. */
  get transcript(): Uint8Array {
    return this.#transcript;
  }

  step(event: SessionEvent): void {
    if (this.#ended) return;
    for (const effect of this.#session?.step(event) ?? []) this.#perform(effect);
  }

  close(code?: string): void {
    this.#end(undefined);
    this.channel.close(code);
  }

  #arrive(bytes: Uint8Array): void {
    this.#waiting += 1;
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > this.#waitingBytesMax) return this.#overrun(this.#waitingBytes, this.#waitingBytesMax);
    if (this.#waiting > inboundMessagesMax) return this.#overrun(this.#waiting, inboundMessagesMax);
    this.#enqueue(async () => {
      this.#waiting -= 1;
      this.#waitingBytes -= bytes.length;
      // Answers must not pile up for somebody who asks and does not read.
      if (this.#unsent > outboundMessagesMax) await this.#outbound;
      await this.#take(bytes);
    });
  }

  #overrun(got: number, max: number): void {
    this.#fail({ code: "MESSAGE_TOO_LARGE", details: { got, max } });
  }

  #enqueue(task: () => void | Promise<void>): void {
    this.#inbound = this.#inbound
      .then(() => (this.#ended ? undefined : task()))
      .catch((error: unknown) => this.#failWith(error));
  }

  #take(bytes: Uint8Array): void | Promise<void> {
    if (this.#session === undefined) return this.#stepHandshake({ type: "received", bytes });
    let checking: Promise<void> | undefined;
    for (const effect of this.#session.step({ type: "received", bytes })) {
      if (effect.type === "check") checking = this.#check(effect.database, effect.number, effect.entries);
      else this.#perform(effect);
    }
    return checking;
  }

  // --- Handshake

  async #stepHandshake(event: HandshakeEvent): Promise<void> {
    for (const effect of this.#handshake.step(event)) await this.#performHandshake(effect);
  }

  async #performHandshake(effect: HandshakeEffect): Promise<void> {
    const { identity, verifier } = this.#ports;
    switch (effect.type) {
      case "send":
        return this.#send(() => effect.bytes);
      case "sign":
        return this.#stepHandshake({ type: "signed", signature: await identity.sign(effect.message) });
      case "verify": {
        const valid = await verifier.verify(effect.publicKey, effect.message, effect.signature);
        return this.#stepHandshake({ type: "verified", valid });
      }
      case "completed":
        return this.#complete(effect.peer, effect.transcript);
      case "failed":
        return this.#fail(effect.failure);
    }
  }

  #complete(peer: PublicKey, transcript: Uint8Array): void {
    this.#cancelTimeout();
    this.#transcript = transcript;
    const { identity, sha256 } = this.#ports;
    this.#session = new Session({ self: identity.publicKey, peer, transcript, replicas: this.#owner.replicas, sha256 });
    this.#owner.authenticated(this);
    this.step({ type: "started" });
  }

  // --- Session

  #perform(effect: SessionEffect): void {
    switch (effect.type) {
      case "send":
        return this.#send(() => effect.bytes);
      case "serve":
        return this.#serve(effect);
      case "check":
        return this.#enqueue(() => this.#check(effect.database, effect.number, effect.entries));
      case "checkJoin":
        return this.#checkJoin(effect);
      case "grant":
        return this.#grant(effect.database, effect.key, effect.power);
      case "refusedJoin":
        return this.#owner.joinRefused(this, effect.database);
      case "progress":
        return this.#owner.progressed(this, effect.database, effect.received, effect.total);
      case "caughtUp":
        return this.#owner.caughtUp(this, effect.database);
      case "lanesChanged":
        return this.#owner.lanesChanged(effect.database);
      case "allowLargeMessages":
        this.#waitingBytesMax = inboundBytesMax;
        return this.channel.limit(messageBytesMax);
      case "end":
        return this.close();
      case "fail":
        return this.#fail(effect.failure);
    }
  }

  /** Judges a batch before the next message is taken; its confirmation may come later, but in its turn. */
  async #check(database: DatabaseId, number: number, entries: readonly Entry[]): Promise<void> {
    const open = this.#owner.database(database);
    if (open === undefined) return;
    const { durable, missing } = await open.receive(entries);
    durable.catch(() => {}); // The owner hears of a failing storage from the database itself.
    this.#confirmations = this.#confirmations
      .then(() => durable)
      .then(() => {
        const ids = entries.map((entry) => entry.id).filter((id) => !open.replica.pending.has(id));
        this.step({ type: "batchStored", database, number, ids, missing });
      })
      .catch((error: unknown) => this.#failWith(error));
  }

  /** Read at once, while what goes before it is still being sent: the window bounds how much that can be. */
  #serve(effect: Serve): void {
    const bytes = this.#encodeEntries(effect);
    bytes.catch(() => {}); // Told by `#send` in its turn.
    this.#send(() => bytes);
  }

  async #encodeEntries({ database, number, left, nodes }: Serve): Promise<Uint8Array | undefined> {
    const open = this.#owner.database(database);
    if (open === undefined) return undefined;
    const batch = encodeBatch(await open.read(nodes));
    return encodeMessage({ type: "entries", database, number, left, batch });
  }

  #checkJoin({ database, invite, message, signature }: Extract<SessionEffect, { readonly type: "checkJoin" }>): void {
    this.#enqueue(async () => {
      const valid = await this.#ports.verifier.verify(invite, message, signature);
      this.step({ type: "joinChecked", database, invite, valid });
    });
  }

  #grant(database: DatabaseId, key: PublicKey, power: Power): void {
    this.#enqueue(() => this.#owner.granted(database, key, power));
  }

  #send(message: () => Uint8Array | undefined | Promise<Uint8Array | undefined>): void {
    this.#unsent += 1;
    this.#outbound = this.#outbound
      .then(async () => {
        this.#unsent -= 1;
        if (this.#ended) return;
        if (this.channel.congested) await new Promise<void>((resolve) => (this.#onDrained = resolve));
        if (this.#ended) return;
        const bytes = await message();
        if (bytes !== undefined && !this.#ended) this.channel.send(bytes);
      })
      .catch((error: unknown) => this.#failWith(error));
  }

  // --- The end

  #fail(failure: Failure): void {
    this.#failWith(new TidemarkError(failure.code, failure.details));
  }

  #failWith(error: unknown): void {
    const known =
      error instanceof TidemarkError
        ? error
        : new TidemarkError("INTERNAL", { reason: String(error) }, { cause: error });
    // In this order: closing tells us that it is closed, which is not why.
    this.#end(known);
    this.channel.close(known.code);
  }

  #end(error: TidemarkError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimeout();
    this.#onDrained();
    this.#owner.ended(this, error);
  }
}
