/** A channel in memory: two ends, a latency, and a clock that decides when what arrives. */
import { strangerMessageBytesMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Channel, ChannelListener } from "../ports/transport.ts";

/** As far as a channel in memory lets a sender run ahead. */
const congestedBytes = 512 * 1024;

/** What happens between two ends. Times in milliseconds, drawn anew for every message. */
export interface MemoryLine {
  readonly clock: Clock;
  latencyMs(): number;
  /** Called for every message that an end sends. */
  sent(bytes: number): void;
  /** Called for each end when it is closed. */
  ended(): void;
}

interface Crossing {
  readonly bytes: number;
  readonly arriveAt: number;
  /** Runs at the other end. */
  arrive(): void;
}

/** One direction. Things arrive in the order in which they left, also when a later one is faster. */
class Lane {
  readonly #line: MemoryLine;
  readonly #crossing: Crossing[] = [];
  #cancel: () => void = () => {};
  #paused = false;
  #severed = false;
  bytes = 0;

  constructor(line: MemoryLine) {
    this.#line = line;
  }

  send(bytes: number, arrive: () => void): void {
    if (this.#severed) return;
    const arriveAt = this.#line.clock.now() + this.#line.latencyMs();
    this.#crossing.push({ bytes, arrive, arriveAt });
    this.bytes += bytes;
    if (this.#crossing.length === 1) this.#schedule();
  }

  pause(): void {
    this.#paused = true;
    this.#cancel();
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  /** What is under way and what is sent from now on is lost. */
  sever(): void {
    this.#cancel();
    this.#crossing.length = 0;
    this.bytes = 0;
    this.#severed = true;
  }

  #schedule(): void {
    this.#cancel();
    const next = this.#crossing[0];
    if (this.#paused || next === undefined) return;
    this.#cancel = this.#line.clock.after(next.arriveAt - this.#line.clock.now(), () => {
      this.#crossing.shift();
      this.bytes -= next.bytes;
      this.#schedule();
      next.arrive();
    });
  }
}

/** One end of a channel in memory. */
export class MemoryChannel implements Channel {
  readonly binding: Uint8Array;
  readonly initiator: boolean;
  readonly path = "memory";
  readonly #line: MemoryLine;
  readonly #outgoing: Lane;
  /** Its own other end until it is joined. */
  #other: MemoryChannel = this;
  #isOpen = true;
  #listener: ChannelListener | undefined;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #limit: number = strangerMessageBytesMax;
  #congested = false;
  #closeCode: string | undefined;
  #toldClosed = false;

  constructor(line: MemoryLine, binding: Uint8Array, initiator: boolean) {
    this.#line = line;
    this.#outgoing = new Lane(line);
    this.binding = binding;
    this.initiator = initiator;
  }

  get congested(): boolean {
    return this.#congested;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** To be called once on one of the two ends. */
  join(other: MemoryChannel): void {
    this.#other = other;
    other.#other = this;
  }

  send(message: Uint8Array): void {
    if (!this.isOpen) return;
    this.#line.sent(message.length);
    // A copy, as a network makes one: neither end sees what the other does to its bytes afterwards.
    const bytes = message.slice();
    this.#outgoing.send(bytes.length, () => {
      this.#other.#receive(bytes);
      this.#drain();
    });
    if (this.#outgoing.bytes >= congestedBytes) this.#congested = true;
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener;
    const early = this.#early;
    this.#early = [];
    this.#earlyBytes = 0;
    for (const message of early) {
      if (!this.#toldClosed) listener.message(message);
    }
    if (!this.isOpen) this.#tellClosed();
  }

  limit(messageBytesMax: number): void {
    this.#limit = messageBytesMax;
  }

  close(code?: string): void {
    if (!this.isOpen) return;
    this.#early = [];
    // Behind everything that was sent before.
    this.#outgoing.send(0, () => this.#other.#end(undefined));
    this.#end(code);
  }

  /** The connection is gone: what is under way is lost, and each end learns it for itself, a latency from now. */
  drop(): void {
    for (const end of [this, this.#other]) {
      end.#outgoing.sever();
      this.#line.clock.after(this.#line.latencyMs(), () => end.#end(undefined));
    }
  }

  /** Holds back what either end sends, until `resume`. */
  pause(): void {
    this.#outgoing.pause();
    this.#other.#outgoing.pause();
  }

  resume(): void {
    this.#outgoing.resume();
    this.#other.#outgoing.resume();
  }

  #receive(message: Uint8Array): void {
    if (!this.isOpen) return;
    if (message.length > this.#limit) this.close("MESSAGE_TOO_LARGE");
    else if (this.#listener !== undefined) this.#listener.message(message);
    else this.#keep(message);
  }

  #keep(message: Uint8Array): void {
    this.#earlyBytes += Math.max(1, message.length);
    if (this.#earlyBytes > this.#limit) this.close("MESSAGE_TOO_LARGE");
    else this.#early.push(message);
  }

  #drain(): void {
    if (!this.isOpen || !this.#congested || this.#outgoing.bytes > congestedBytes / 2) return;
    this.#congested = false;
    this.#listener?.drained();
  }

  #end(code: string | undefined): void {
    if (!this.isOpen) return;
    this.#isOpen = false;
    this.#closeCode = code;
    this.#tellClosed();
    this.#line.ended();
  }

  #tellClosed(): void {
    if (this.#toldClosed || this.#listener === undefined) return;
    this.#toldClosed = true;
    this.#listener.closed(this.#closeCode);
  }
}

export interface ChannelPair {
  readonly left: MemoryChannel;
  readonly right: MemoryChannel;
}

/** A channel of its own, with both ends; `left` is the initiator. */
export function createChannelPair(line: MemoryLine, binding: Uint8Array): ChannelPair {
  const left = new MemoryChannel(line, binding, true);
  const right = new MemoryChannel(line, binding, false);
  left.join(right);
  return { left, right };
}
