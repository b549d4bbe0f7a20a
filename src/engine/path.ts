/**
 * One channel to one peer: the handshake, then the session, run on real channels, keys and databases.
 *
 * [ENGINE-9] Nothing goes out while the channel is congested.
 * [PATH-1] The path measures: bytes both ways, and the time from a ping to its answer.
 * [PATH-2] A ping that is not answered, while nothing else comes either, ends the path with PEER_SILENT.
 * [PATH-7] What comes of a message that is not whole yet is no silence, and the peer is told that it comes.
 * [PATH-8] Questions whether somebody lives, and what is said about it unasked, wait for nothing but the line.
 *
 * Whether it carries the peer's session or stands by is for `peers.ts` to say.
 */
import { asTidemarkError, type Failure, TidemarkError } from "../core/errors.ts";
import { encodeHex, type PublicKey } from "../core/ids.ts";
import { greetingTimeoutMs, pingTimeoutMs } from "../core/limits.ts";
import { encodeMessage } from "../core/protocol/message.ts";
import type { Session, SessionEvent } from "../core/protocol/session.ts";
import type { Channel } from "../ports/transport.ts";
import { Allowance } from "./allowance.ts";
import { Inbound } from "./inbound.ts";
import { Outbound } from "./outbound.ts";
import { type Completed, PathHandshake } from "./path-handshake.ts";
import type { PathOptions } from "./path-owner.ts";
import { PathSession } from "./path-session.ts";
import { Pulse } from "./pulse.ts";

export class Path {
  readonly channel: Channel;
  readonly address: string | undefined;
  readonly expected: PublicKey | undefined;
  readonly sinceMs: number;
  readonly #options: PathOptions;
  readonly #handshake: PathHandshake;
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #pulse: Pulse;
  readonly #allowance: Allowance;
  #session: PathSession | undefined;
  #completed: Completed | undefined;
  #cancelGreeting: () => void = () => {};
  #ended = false;
  #settle: (error: TidemarkError | undefined) => void = () => {};
  /** Resolves when the handshake is done and the keeper took the path up; rejects with why not. */
  readonly proven: Promise<PublicKey>;

  constructor(options: PathOptions) {
    const { ports, channel, bandwidth } = options;
    this.#options = options;
    this.channel = channel;
    this.expected = options.expected;
    this.address = options.address;
    this.sinceMs = ports.clock.now();
    this.#pulse = this.#createPulse();
    this.#allowance = new Allowance(ports.clock);
    const failed = (error: unknown): void => this.#failWith(error);
    this.#outbound = new Outbound({ channel, bandwidth, sent: (bytes) => this.#pulse.sent(bytes), failed });
    this.#inbound = new Inbound({
      budget: options.inbound,
      bandwidth,
      allowance: this.#allowance,
      outbound: this.#outbound,
      take: (bytes) => this.#take(bytes),
      overrun: (got, max) => this.#fail({ code: "MESSAGE_TOO_LARGE", details: { got, max } }),
      failed,
    });
    this.#handshake = new PathHandshake(options, {
      send: (bytes) => this.#outbound.control(bytes),
      run: (task) => this.#inbound.run(task),
      completed: (completed) => this.#complete(completed),
      failed: (failure) => this.#fail(failure),
    });
    this.proven = new Promise((resolve, reject) => {
      this.#settle = (error) => (this.key === undefined || error !== undefined ? reject(error) : resolve(this.key));
    });
    this.proven.catch(() => {}); // Most are not waited for.
  }

  /** To be called once, when the keeper knows this path: it can end at once. */
  start(): void {
    // Before anything is heard: what came early is delivered within `listen`.
    this.#handshake.start();
    this.channel.listen({
      message: (bytes) => this.#arrive(bytes),
      part: () => this.#arriveInPart(),
      drained: () => this.#outbound.drained(),
      closed: (code) =>
        this.#end(code === undefined ? undefined : new TidemarkError("CHANNEL_CLOSED", { reason: code })),
    });
  }

  /** Proved by the handshake; undefined before. */
  get key(): PublicKey | undefined {
    return this.#completed?.peer;
  }

  get session(): Session | undefined {
    return this.#session?.session;
  }

  /** What the handshake ended with, empty before; a joiner signs it. */
  get transcript(): Uint8Array {
    return this.#completed?.transcript ?? new Uint8Array();
  }

  /** Both ends order their paths by this. */
  get rank(): string {
    return encodeHex(this.transcript);
  }

  /** Of the peer; empty before the handshake is done. */
  get epoch(): string {
    return this.#completed?.epoch ?? "";
  }

  get boot(): string {
    return this.#completed?.boot ?? "";
  }

  get version(): number {
    return this.#completed?.version ?? 0;
  }

  get isOpen(): boolean {
    return !this.#ended;
  }

  /** Whether something waits for the caps, or for the channel. */
  get isSending(): boolean {
    return this.channel.congested || this.#outbound.waiting > 0;
  }

  /** Messages that came and were not taken, and messages that were not handed to the channel. */
  get waiting(): { readonly inbound: number; readonly outbound: number } {
    return { inbound: this.#inbound.waiting, outbound: this.#outbound.waiting };
  }

  /** When the last message came. */
  get heardMs(): number {
    return this.#pulse.heardMs;
  }

  get roundTripMs(): number | undefined {
    return this.#pulse.roundTripMs;
  }

  /** Bytes that the keeper was not told of yet. */
  get untold(): { readonly bytesSent: number; readonly bytesReceived: number } {
    return this.#pulse.untold;
  }

  step(event: SessionEvent): void {
    if (this.#ended) return;
    this.#session?.step(event);
  }

  /**
   * It carries the session from now on. `resumed`: others did before. Without that only the initiator greets; should it take another
   * path for the one that carries, we greet ourselves.
   */
  carry(resumed: boolean): void {
    this.step({ type: resumed ? "resumed" : "started" });
    if (resumed || this.channel.initiator) return;
    const { heard } = this.#pulse;
    this.#cancelGreeting = this.#options.ports.clock.after(greetingTimeoutMs, () => {
      if (this.#pulse.heard === heard) this.step({ type: "resumed" });
    });
  }

  /** Bytes of the app, already a message: they leave in the order of the calls, while the peer may have them. `sent`: they were handed to the channel. */
  sendMessage(bytes: Uint8Array, sent: () => void): void {
    const mayGo = (): boolean => {
      if (this.session?.mayMessage !== true) return false;
      sent();
      return true;
    };
    this.#outbound.entries({ load: () => Promise.resolve(bytes), mayGo, withheld: () => this.close() });
  }

  /** Asks whether the peer lives. */
  ping(): void {
    if (!this.#ended && this.#session !== undefined) this.#pulse.ping();
  }

  /** Hands what was counted since the last time to the keeper. */
  tellMeasured(): void {
    if (this.key !== undefined) this.#pulse.tell();
  }

  close(code?: string): void {
    this.#end(undefined);
    this.channel.close(code);
  }

  /** Ends it for a reason that is reported. */
  fail(error: TidemarkError): void {
    this.#failWith(error);
  }

  // --- Signs of life

  #createPulse(): Pulse {
    const { ports, keeper, owner } = this.#options;
    return new Pulse(ports.clock, {
      ask: (id) => this.#session?.ask(id),
      isBusy: () => this.#session !== undefined && (this.#inbound.waiting > 0 || this.#outbound.waiting > 0),
      tellUnasked: (id) => this.#sendNow(encodeMessage({ type: "pong", id })),
      silent: () => this.#silent(),
      moved: () => owner.moved(this),
      measured: (delta) => {
        // Before the handshake is done it is nobody's.
        if (this.key !== undefined) keeper.measured(this.key, delta);
      },
    });
  }

  /** Past all that waits, whatever it waits for: a few bytes, every few seconds. */
  #sendNow(bytes: Uint8Array): void {
    try {
      this.channel.send(bytes);
    } catch (error) {
      return this.#failWith(error);
    }
    this.#pulse.sent(bytes.length);
  }

  #silent(): void {
    if (this.key === undefined) return;
    this.#fail({ code: "PEER_SILENT", details: { peer: this.key, afterMs: pingTimeoutMs } });
  }

  // --- What arrives

  #arrive(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#pulse.received(bytes.length);
    this.#inbound.add(bytes);
  }

  #arriveInPart(): void {
    if (!this.#ended && this.#session !== undefined) this.#pulse.part();
  }

  #take(bytes: Uint8Array): void | Promise<void> {
    return this.#session === undefined ? this.#handshake.received(bytes) : this.#session.take(bytes);
  }

  #complete(completed: Completed): void {
    if (this.#ended) return;
    this.#completed = completed;
    this.#session = new PathSession({
      ...this.#options,
      path: this,
      completed,
      queue: this.#inbound,
      allowance: this.#allowance,
      outbound: this.#outbound,
      sendNow: (bytes) => this.#sendNow(bytes),
      ponged: (id) => this.#pulse.ponged(id),
      failed: (error) => this.#failWith(error),
    });
    this.#options.keeper.proven(this);
    if (!this.#ended) this.#settle(undefined);
    for (const bytes of completed.early) this.#inbound.run(() => this.#take(bytes));
  }

  // --- The end

  #fail(failure: Failure): void {
    this.#failWith(new TidemarkError(failure.code, failure.details));
  }

  #failWith(error: unknown): void {
    const known = asTidemarkError(error);
    // In this order: closing tells us that it is closed, which is not why.
    this.#end(known);
    this.channel.close(known.code);
  }

  #end(error: TidemarkError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelGreeting();
    this.#session?.close();
    this.#handshake.stop();
    this.#pulse.stop();
    this.#inbound.close();
    this.#outbound.close();
    this.#options.bandwidth.close();
    this.tellMeasured();
    this.#settle(error ?? new TidemarkError("CHANNEL_CLOSED", { reason: "it was closed" }));
    this.#options.keeper.ended(this, error);
  }
}
