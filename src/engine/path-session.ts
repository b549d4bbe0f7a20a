/**
 * The session of one path, run on databases and keys.
 *
 * [ENGINE-8] A peer's batches are judged and confirmed in their order.
 * [ENGINE-9] Entries go out in the order of the effects. They are read ahead as far as the window goes, and no further.
 * [PATH-3] What the peer asks for caps what is sent.
 */
import type { Entry } from "../core/entry.ts";
import { TidemarkError, toError, unreachable } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId } from "../core/ids.ts";
import { appChannelsMax, badSignaturesMax, messageBytesMax } from "../core/limits.ts";
import { encodeBatch } from "../core/protocol/batch.ts";
import { encodeMessage } from "../core/protocol/message.ts";
import { Session, type SessionEffect, type SessionEvent } from "../core/protocol/session.ts";
import type { Allowance } from "./allowance.ts";
import { batchBytesOf, windowBytesOf } from "./bandwidth.ts";
import type { Inbound } from "./inbound.ts";
import type { Outbound } from "./outbound.ts";
import type { Path } from "./path.ts";
import type { Completed } from "./path-handshake.ts";
import type { PathOptions } from "./path-owner.ts";

type EffectOf<Type extends SessionEffect["type"]> = Extract<SessionEffect, { readonly type: Type }>;

export interface PathSessionOptions extends PathOptions {
  readonly path: Path;
  readonly completed: Completed;
  readonly queue: Inbound;
  readonly allowance: Pick<Allowance, "checked">;
  readonly outbound: Outbound;
  /** Sends past all that waits. */
  readonly sendNow: (bytes: Uint8Array) => void;
  readonly ponged: (id: number) => void;
  readonly failed: (error: unknown) => void;
}

export class PathSession {
  readonly session: Session;
  readonly #options: PathSessionOptions;
  readonly #path: Path;
  readonly #flushes = new Map<DatabaseId, () => void>();
  /** One after the other. */
  #confirmations: Promise<unknown> = Promise.resolve();
  /** What the peer wants to receive at most, in bytes per second; 0: as much as comes. */
  #askedFor = 0;

  constructor(options: PathSessionOptions) {
    this.#options = options;
    this.#path = options.path;
    this.session = this.#openSession(options.completed);
  }

  step(event: SessionEvent): void {
    for (const effect of this.session.step(event)) this.#perform(effect);
  }

  /** Asks whether the peer lives. */
  ask(id: number): void {
    for (const effect of this.session.step({ type: "pinged", id }))
      if (effect.type === "send") this.#options.sendNow(effect.bytes);
      else this.#perform(effect);
  }

  /** The next message is not to be taken before this is done. */
  take(bytes: Uint8Array): void | Promise<void> {
    let checking: Promise<void> | undefined;
    for (const effect of this.session.step({ type: "received", bytes })) {
      if (effect.type === "check") {
        this.#options.owner.received(this.#path, effect.database, effect.entries.length, bytes.length);
        checking = this.#check(effect);
      } else if (effect.type === "presence") checking = this.#hearOfPage(effect);
      else this.#perform(effect);
    }
    return checking;
  }

  /** Nothing is done later any more. */
  close(): void {
    for (const cancel of this.#flushes.values()) cancel();
  }

  #openSession({ peer, transcript, features }: Completed): Session {
    const { ports, owner, settings } = this.#options;
    return new Session({
      self: ports.identity.publicKey,
      peer,
      transcript,
      features,
      replicas: owner.replicas,
      sha256: ports.sha256,
      initiator: this.#options.channel.initiator,
      shares: (database) => owner.shares(peer, database),
      cursor: (database) => owner.cursor(peer, database),
      settings: () => ({ ...settings(), batchBytes: batchBytesOf(settings(), this.#askedFor) }),
      windowBytes: () => windowBytesOf(settings(), this.#askedFor),
      isIntact: (database, { id }) => owner.database(database)?.healing.isDamaged(id) !== true,
      nowMs: () => ports.clock.now(),
      onCommit: (database) => owner.onCommit(database),
    });
  }

  #perform(effect: SessionEffect): void {
    const { owner } = this.#options;
    switch (effect.type) {
      case "send":
        return this.#options.outbound.control(effect.bytes);
      case "serve":
        return this.#options.outbound.entries({
          load: () => this.#encodeEntries(effect),
          mayGo: () => this.session.mayServe(effect.database),
          // It is let go without a word, as if that had been known when the batch was begun.
          withheld: () => this.#path.close(),
        });
      case "check":
        return this.#options.queue.run(() => this.#check(effect));
      case "checkJoin":
        return this.#checkJoin(effect);
      case "checkKey":
        return this.#checkKey(effect);
      case "knocked":
        return this.#options.queue.run(() => owner.knocked(this.#path, effect.database, effect.knock));
      case "refusedJoin":
      case "heardKnock":
      case "rejectedKnock":
        return owner.answered(this.#path, effect.database, effect.type);
      case "presence":
        return this.#options.queue.run(() => this.#hearOfPage(effect));
      case "channel":
        if (owner.heardOfChannel(this.#path, effect.channel, effect.isOpen)) return;
        return this.#options.failed(tooManyChannels());
      case "message":
        return owner.messaged(this.#path, effect.channel, effect.bytes);
      case "progress":
        return owner.progressed(this.#path, effect.database, effect);
      case "caughtUp":
        return owner.caughtUp(this.#path, effect.database);
      case "held":
        return owner.held(this.#path, effect.database, effect.through);
      case "agreed":
        return owner.agreed(this.#path, effect.database, { digest: effect.digest, position: effect.position });
      case "flushAfter":
        return this.#flushLater(effect.database, effect.ms);
      case "ponged":
        return this.#options.ponged(effect.id);
      case "paced":
        this.#askedFor = effect.bytesPerSecond;
        return this.#options.bandwidth.askedFor(effect.bytesPerSecond);
      case "overflowed":
        return owner.overflowed(this.#path, effect.database, effect.entries);
      case "lanesChanged":
        return owner.lanesChanged(this.#path, effect.database);
      case "allowLargeMessages":
        this.#options.queue.trust();
        return this.#options.channel.limit(messageBytesMax);
      case "end":
        return this.#path.close();
      case "fail":
        return this.#options.failed(toError(effect.failure));
      default:
        unreachable(effect);
    }
  }

  /** Judges a batch before the next message is taken; its confirmation may come later, but in its turn. */
  async #check({ database, number, entries, left }: EffectOf<"check">): Promise<void> {
    const { owner } = this.#options;
    const open = owner.database(database);
    if (open === undefined) return;
    const { durable, missing, checks, badSignatures } = await open.receive(entries, left);
    this.#noteChecks(checks, badSignatures);
    durable.catch(() => {}); // The owner hears of a failing storage from the database itself.
    this.#confirmations = this.#confirmations
      .then(() => durable)
      .then(() => {
        if (!this.#path.isOpen) return;
        const ids = entries.map((entry: Entry) => entry.id).filter((id) => !open.replica.pending.has(id));
        this.#path.step({ type: "batchStored", database, number, ids, missing });
        owner.batchStored(this.#path, database);
      })
      .catch((error: unknown) => this.#options.failed(error));
  }

  /** Who tells of pages waits for the checks of their signatures. */
  async #hearOfPage({ database, announcement, ageMs }: EffectOf<"presence">): Promise<void> {
    const checked = await this.#options.owner.heardOfPage(this.#path, database, announcement, ageMs);
    if (checked !== "unchecked") this.#noteChecks(1, checked === "forged" ? 1 : 0);
  }

  #noteChecks(count: number, bad: number): void {
    if (this.#options.allowance.checked(count, bad)) return;
    const details = { got: `more than ${badSignaturesMax} bad signatures`, expected: "what its sender has checked" };
    this.#options.failed(new TidemarkError("MESSAGE_UNEXPECTED", details));
  }

  async #encodeEntries({ nodes, ...said }: EffectOf<"serve">): Promise<Uint8Array | undefined> {
    const { owner } = this.#options;
    const open = owner.database(said.database);
    if (open === undefined) return undefined;
    const { graph } = open.replica;
    const counted = nodes.map((node) => graph.counts(node));
    const read = await open.log.read(nodes);
    // What has become void meanwhile is left out: the peer need not hold it. What was void before was asked for by name.
    const entries = read.filter((_entry, i) => !counted[i] || graph.counts(nodes[i] as Node));
    const bytes = encodeMessage({ ...said, type: "entries", batch: encodeBatch(entries) });
    if (this.#path.isOpen) owner.served(this.#path, said.database, entries.length, bytes.length);
    return bytes;
  }

  #checkJoin({ commitment, invite, message, signature }: EffectOf<"checkJoin">): void {
    this.#options.queue.run(async () => {
      const valid = await this.#options.ports.verifier.verify(invite, message, signature);
      this.#noteChecks(1, valid ? 0 : 1);
      this.#path.step({ type: "joinChecked", commitment, invite, valid });
    });
  }

  #checkKey({ commitment, key, message, signature }: EffectOf<"checkKey">): void {
    this.#options.queue.run(async () => {
      const valid = await this.#options.ports.verifier.verify(key, message, signature);
      // Of a database that is not known here every proof looks bad: honest peers send those, and a count would tell which are known.
      this.#noteChecks(1, 0);
      this.#path.step({ type: "keyChecked", commitment, key, valid });
    });
  }

  #flushLater(database: DatabaseId, ms: number): void {
    this.#flushes.get(database)?.();
    const cancel = this.#options.ports.clock.after(ms, () => {
      this.#flushes.delete(database);
      this.#path.step({ type: "flush", database });
    });
    this.#flushes.set(database, cancel);
  }
}

function tooManyChannels(): TidemarkError {
  return new TidemarkError("MESSAGE_UNEXPECTED", { got: "one more channel", expected: `at most ${appChannelsMax}` });
}
