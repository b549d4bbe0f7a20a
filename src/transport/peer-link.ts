/**
 * The way to one peer: at most one connection, and the attempts to have one while the peer is present.
 *
 * The peer with the smaller key is the initiator of every connection of a pair, so offers never cross. The other one
 * decides on attempts and names them:
 *
 *   initiator                      other side
 *      hello  ─────────────────────▶            "I have no connection to you"
 *             ◀───────────────────── ask a      drops what it had; `a` is new
 *   drops what it had
 *      offer, candidates of a ─────▶
 *             ◀───────────────────── answer, candidates of a
 *
 * [LINK-1] A pair has one connection, however many rooms it shares, and the smaller key is its initiator.
 * [LINK-2] Signals of an attempt other than the present one have no effect.
 * [LINK-3] A peer that lost its end is connected anew: `hello` and a new `ask` say that what was there is stale.
 * [LINK-4] While the peer is present and not connected it is tried again after 1, 2, 4 … 64 s; at once when it is met, or on `retry`.
 * [LINK-5] An established connection stays when the peer leaves the introducer.
 *
 * Notes arrive in order or not at all. A lost one costs a pause, nothing else.
 */
import { backOffMs } from "../core/back-off.ts";
import { encodeHex } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Channel } from "../ports/transport.ts";
import { encodeNote, notesOfSignals, parseNote, type Signal } from "./signal.ts";
import type { WebRtcConnection, WebRtcConnectionOptions } from "./webrtc-connection.ts";

/** A peer that makes us start connections faster than this is made to wait. */
const spacingMs = 250;
/** A connection that lasted this long was a success; one that did not counts as a failed attempt. */
const successMs = 60_000;

export interface PeerLinkOptions {
  readonly initiator: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly note: (note: Uint8Array) => void;
  readonly connected: (channel: Channel) => void;
  /** Has the page make a connection; undefined when there are as many as there may be. */
  readonly connect: (
    options: Pick<WebRtcConnectionOptions, "initiator" | "signalled" | "connected" | "ended">,
  ) => WebRtcConnection | undefined;
}

export class PeerLink {
  readonly #options: PeerLinkOptions;
  #present = false;
  #connection: WebRtcConnection | undefined;
  /** The attempt asked for or under way. The initiator remembers it when it is over: a late repetition of `ask` is no new one. */
  #attempt: string | undefined;
  #failures = 0;
  #spaced = false;
  #cancelRetry: () => void = () => {};
  #cancelSuccess: () => void = () => {};

  constructor(options: PeerLinkOptions) {
    this.#options = options;
  }

  /** Neither present nor connected: it can be forgotten. */
  get idle(): boolean {
    return !this.#present && this.#connection === undefined;
  }

  met(): void {
    this.#present = true;
    this.retry();
  }

  left(): void {
    this.#present = false;
    this.#cancelRetry();
  }

  retry(): void {
    this.#failures = 0;
    this.#want();
  }

  close(reason: string): void {
    this.left();
    this.#connection?.close(reason);
  }

  noted(bytes: Uint8Array): void {
    const parsed = parseNote(bytes);
    // What a peer means by it is its own affair; what it cannot do is disturb an attempt.
    if (!parsed.ok) return;
    const note = parsed.value;
    if (note.type === "signals") this.#signalled(note.attempt, note.signals);
    else if (note.type === "ask") this.#asked(note.attempt);
    else this.#greeted();
  }

  /** Says that a connection is wanted, and says it again after a pause that doubles. */
  #want(): void {
    this.#cancelRetry();
    if (!this.#present || this.#connection !== undefined) return;
    if (this.#options.initiator) this.#options.note(encodeNote({ type: "hello" }));
    else this.#ask(encodeHex(this.#options.random.bytes(8)));
    this.#wantLater();
  }

  #wantLater(): void {
    this.#cancelRetry();
    if (!this.#present) return;
    const pauseMs = backOffMs(this.#failures++, this.#options.random.bytes(2));
    this.#cancelRetry = this.#options.clock.after(pauseMs, () => this.#want());
  }

  #ask(attempt: string): void {
    this.#attempt = attempt;
    this.#options.note(encodeNote({ type: "ask", attempt }));
  }

  /** The initiator has no connection. */
  #greeted(): void {
    if (this.#options.initiator) return;
    if (this.#connection !== undefined) {
      this.#connection.close("the peer lost its end");
      if (!this.#spaced) this.#want();
    } else if (this.#attempt === undefined) {
      this.#want();
    } else {
      // It may not have been there when it was asked. If it was, asking again changes nothing.
      this.#ask(this.#attempt);
    }
  }

  #asked(attempt: string): void {
    if (!this.#options.initiator || attempt === this.#attempt || this.#spaced) return;
    this.#connection?.close("the peer lost its end");
    this.#attempt = attempt;
    this.#start(attempt);
  }

  #signalled(attempt: string, signals: readonly Signal[]): void {
    if (attempt !== this.#attempt) return;
    const begins = signals[0]?.type === "offer" && !this.#options.initiator && !this.#spaced;
    if (this.#connection === undefined && begins) this.#start(attempt);
    for (const signal of signals) this.#connection?.signal(signal);
  }

  #start(attempt: string): void {
    this.#spaced = true;
    this.#options.clock.after(spacingMs, () => {
      this.#spaced = false;
    });
    const connection = this.#options.connect({
      initiator: this.#options.initiator,
      signalled: (signals) => {
        for (const note of notesOfSignals(attempt, signals)) this.#options.note(note);
      },
      connected: (channel) => this.#connected(channel),
      ended: () => this.#ended(),
    });
    this.#connection = connection;
    if (connection === undefined) this.#attempt = undefined;
    else this.#cancelRetry();
  }

  #connected(channel: Channel): void {
    this.#cancelSuccess = this.#options.clock.after(successMs, () => {
      this.#failures = 0;
    });
    this.#options.connected(channel);
  }

  #ended(): void {
    this.#cancelSuccess();
    this.#connection = undefined;
    if (!this.#options.initiator) this.#attempt = undefined;
    this.#wantLater();
  }
}
