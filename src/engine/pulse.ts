/**
 * What one path shows of itself: bytes both ways, when something came last, the round trip, and whether the peer still answers.
 *
 * A question cannot be answered while a message of minutes is before it, or before its answer. So whoever is busy with the other's
 * messages says so unasked, as RFC 6455 allows for its pongs: that comes from the peer itself, while what our own buffers do says little
 * about it.
 */
import { pingTimeoutMs } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";

export interface PathMeasures {
  readonly bytesSent?: number;
  readonly bytesReceived?: number;
  readonly roundTripMs?: number;
}

export interface PulseOwner {
  /** Asks the peer; its answer comes to `ponged`. */
  ask(id: number): void;
  /** Whether what came waits, or what answers it. */
  isBusy(): boolean;
  /** An answer that nobody asked for, at most one in `unaskedEveryMs`. */
  tellUnasked(id: number): void;
  /** It was asked, and nothing came since. */
  silent(): void;
  /** Something came of a message that is not whole: here, or there. */
  moved(): void;
  measured(delta: PathMeasures): void;
}

/** Told when so much has gathered, or on `tell`. */
const measuredBytesMin: number = 64 * 1024;
/** Often enough that a lost one does no harm. */
const unaskedEveryMs: number = pingTimeoutMs / 4;

/** Numbers of answers that nobody asked for: a message is coming in; messages wait here, or what answers them. */
const coming = 0;
const busy = 1;

export class Pulse {
  readonly #clock: Clock;
  readonly #owner: PulseOwner;
  #bytesSent = 0;
  #bytesReceived = 0;
  #heard = 0;
  #heardMs: number;
  #wholeMs: number;
  #unaskedMs = Number.NEGATIVE_INFINITY;
  #roundTripMs: number | undefined;
  #ping: { readonly id: number; readonly atMs: number; readonly cancel: () => void } | undefined;
  #nextPing: number = busy + 1;
  #cancelBusy: (() => void) | undefined;

  constructor(clock: Clock, owner: PulseOwner) {
    this.#clock = clock;
    this.#owner = owner;
    this.#heardMs = clock.now();
    this.#wholeMs = this.#heardMs;
  }

  /** How many messages and parts of messages came. */
  get heard(): number {
    return this.#heard;
  }

  get heardMs(): number {
    return this.#heardMs;
  }

  /** Of the last ping. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Bytes that were counted and not told yet. */
  get untold(): { readonly bytesSent: number; readonly bytesReceived: number } {
    return { bytesSent: this.#bytesSent, bytesReceived: this.#bytesReceived };
  }

  sent(bytes: number): void {
    this.#bytesSent += bytes;
    this.#tellEnough();
  }

  received(bytes: number): void {
    this.#hear();
    this.#wholeMs = this.#heardMs;
    this.#bytesReceived += bytes;
    this.#tellEnough();
    this.#cancelBusy ??= this.#clock.after(unaskedEveryMs, () => this.#tellBusy());
  }

  /** Something came of a message that is not whole. */
  part(): void {
    this.#hear();
    this.#owner.moved();
    if (Math.abs(this.#heardMs - this.#wholeMs) >= unaskedEveryMs) this.#tellUnasked(coming);
  }

  /** Nothing happens while an answer is waited for. */
  ping(): void {
    if (this.#ping !== undefined) return;
    const [id, heard] = [this.#nextPing++, this.#heard];
    const cancel = this.#clock.after(pingTimeoutMs, () => {
      this.#ping = undefined;
      if (this.#heard === heard) this.#owner.silent();
    });
    this.#ping = { id, atMs: this.#clock.now(), cancel };
    this.#owner.ask(id);
  }

  ponged(id: number): void {
    if (id === coming) this.#owner.moved();
    const ping = this.#ping;
    if (ping === undefined || ping.id !== id) return;
    ping.cancel();
    this.#ping = undefined;
    this.#roundTripMs = Math.max(0, this.#clock.now() - ping.atMs);
    this.#owner.measured({ roundTripMs: this.#roundTripMs });
  }

  /** Hands on what was counted since the last time. */
  tell(): void {
    const [bytesSent, bytesReceived] = [this.#bytesSent, this.#bytesReceived];
    if (bytesSent + bytesReceived === 0) return;
    this.#bytesSent = 0;
    this.#bytesReceived = 0;
    this.#owner.measured({ bytesSent, bytesReceived });
  }

  stop(): void {
    this.#ping?.cancel();
    this.#cancelBusy?.();
  }

  #tellBusy(): void {
    this.#cancelBusy = undefined;
    if (this.#owner.isBusy()) this.#tellUnasked(busy);
  }

  #hear(): void {
    this.#heard += 1;
    this.#heardMs = this.#clock.now();
  }

  #tellUnasked(id: number): void {
    const nowMs = this.#clock.now();
    // A clock that was set back must not keep it quiet.
    if (Math.abs(nowMs - this.#unaskedMs) < unaskedEveryMs) return;
    this.#unaskedMs = nowMs;
    this.#owner.tellUnasked(id);
  }

  #tellEnough(): void {
    if (this.#bytesSent + this.#bytesReceived >= measuredBytesMin) this.tell();
  }
}
