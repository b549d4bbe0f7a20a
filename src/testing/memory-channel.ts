/** A channel in memory: two ends, a line between them that may be bad, and a clock that decides when what arrives. */
import { strangerMessageBytesMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Channel, ChannelListener } from "../ports/transport.ts";

/** As far as a channel in memory lets a sender run ahead, unless its line says otherwise. */
const congestedBytes = 512 * 1024;

/** `left` is the initiator. */
export type End = "left" | "right";

/**
 * What becomes of a message. lost: it never arrives, nor does what follows it, and its sender is told nothing. twice, overtaken: a
 * transport that breaks its promise delivers it again, or lets the next one pass it.
 */
export type Fate = "arrives" | "lost" | "twice" | "overtaken";

/** What happens between two ends. What it draws is drawn anew for every message. */
export interface MemoryLine {
  readonly clock: Clock;
  /** Milliseconds. */
  latencyMs(from: End): number;
  /** Called for every message that an end sends. */
  sent(bytes: number, from: End, message: Uint8Array): void;
  /** Called for each end when it is closed. */
  ended(): void;
  /** Called for every message before it is delivered. */
  arrived?(from: End, message: Uint8Array): void;
  /** Default: it arrives. */
  fate?(from: End): Fate;
  /** Default: as many as there are. */
  bytesPerSecond?(from: End): number;
  /** What may be under way before the sender is told to wait. Default: 512 KiB. */
  bufferBytes?(from: End): number;
}

interface Crossing {
  readonly bytes: number;
  /** When the first of it comes, and when all of it has. */
  readonly beginAt: number;
  readonly arriveAt: number;
  readonly fate: Fate;
  /** Runs at the other end. */
  arrive(): void;
  part(): void;
}

const lateMs = 60;
/** On a slow line, how often the other end hears of a message that is not whole. */
const partEveryMs = 1_000;

/** One direction. Things arrive in the order in which they left, also when a later one is faster, as long as the line is faithful. */
class Lane {
  readonly #line: MemoryLine;
  readonly #from: End;
  readonly #crossing: Crossing[] = [];
  #cancel: () => void = () => {};
  #paused = false;
  #severed = false;
  /** When the last thing that was sent has left. */
  #freeAt = 0;
  bytes = 0;

  constructor(line: MemoryLine, from: End) {
    this.#line = line;
    this.#from = from;
  }

  send(bytes: number, fate: Fate, arrive: () => void, part: () => void = () => {}): void {
    if (this.#severed) return;
    const { clock } = this.#line;
    const perSecond = this.#line.bytesPerSecond?.(this.#from) ?? Number.POSITIVE_INFINITY;
    const leaveAt = Math.max(clock.now(), this.#freeAt);
    this.#freeAt = leaveAt + (1_000 * bytes) / perSecond;
    const latencyMs = this.#line.latencyMs(this.#from) + (fate === "overtaken" ? lateMs : 0);
    const [beginAt, arriveAt] = [Math.ceil(leaveAt + latencyMs), Math.ceil(this.#freeAt + latencyMs)];
    const crossing: Crossing = { bytes, fate, arrive, part, beginAt, arriveAt };
    this.bytes += bytes;
    const last = this.#crossing.at(-1);
    if (last?.fate === "overtaken")
      this.#crossing.splice(-1, 1, { ...crossing, fate: "arrives" }, { ...last, fate: "arrives" });
    else this.#crossing.push(crossing);
    if (this.#crossing.length === 1 || last?.fate === "overtaken") this.#schedule();
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
    if (this.#paused || next === undefined || next.fate === "lost") return;
    const nowMs = this.#line.clock.now();
    const partAt = Math.max(nowMs, next.beginAt) + partEveryMs;
    if (partAt < next.arriveAt) {
      this.#cancel = this.#line.clock.after(partAt - nowMs, () => {
        this.#schedule();
        next.part();
      });
      return;
    }
    this.#cancel = this.#line.clock.after(next.arriveAt - nowMs, () => {
      if (next.fate === "twice") this.#crossing[0] = { ...next, bytes: 0, fate: "arrives" };
      else this.#crossing.shift();
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
  readonly #end: End;
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
    this.#end = initiator ? "left" : "right";
    this.#outgoing = new Lane(line, this.#end);
    this.binding = binding;
    this.initiator = initiator;
  }

  get congested(): boolean {
    return this.#congested;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sent and not arrived, in bytes. */
  get underWay(): number {
    return this.#outgoing.bytes;
  }

  /** To be called once on one of the two ends. */
  join(other: MemoryChannel): void {
    this.#other = other;
    other.#other = this;
  }

  send(message: Uint8Array): void {
    if (!this.isOpen) return;
    this.#line.sent(message.length, this.#end, message);
    // A copy, as a network makes one: neither end sees what the other does to its bytes afterwards.
    const bytes = message.slice();
    const arrive = (): void => {
      if (this.#other.isOpen) this.#line.arrived?.(this.#end, message);
      this.#other.#receive(bytes);
      this.#drain();
    };
    this.#outgoing.send(bytes.length, this.#line.fate?.(this.#end) ?? "arrives", arrive, () => this.#other.#tellPart());
    if (this.#outgoing.bytes >= this.#bufferBytes) this.#congested = true;
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
    this.#outgoing.send(0, "arrives", () => this.#other.#finish(undefined));
    this.#finish(code);
  }

  /** The connection is gone: what is under way is lost, and each end learns it for itself, a latency from now. */
  drop(): void {
    for (const end of [this, this.#other]) {
      end.#outgoing.sever();
      this.#line.clock.after(this.#line.latencyMs(end.#end), () => end.#finish(undefined));
    }
  }

  /** Holds back what either end sends, until `resume`. */
  pause(): void {
    this.pauseOutgoing();
    this.#other.pauseOutgoing();
  }

  resume(): void {
    this.resumeOutgoing();
    this.#other.resumeOutgoing();
  }

  /** Holds back what this end sends, until `resumeOutgoing`. */
  pauseOutgoing(): void {
    this.#outgoing.pause();
  }

  resumeOutgoing(): void {
    this.#outgoing.resume();
  }

  get #bufferBytes(): number {
    return this.#line.bufferBytes?.(this.#end) ?? congestedBytes;
  }

  #receive(message: Uint8Array): void {
    if (!this.isOpen) return;
    if (message.length > this.#limit) this.close("MESSAGE_TOO_LARGE");
    else if (this.#listener !== undefined) this.#listener.message(message);
    else this.#keep(message);
  }

  #tellPart(): void {
    if (this.isOpen) this.#listener?.part?.();
  }

  #keep(message: Uint8Array): void {
    this.#earlyBytes += Math.max(1, message.length);
    if (this.#earlyBytes > this.#limit) this.close("MESSAGE_TOO_LARGE");
    else this.#early.push(message);
  }

  #drain(): void {
    if (!this.isOpen || !this.#congested || this.#outgoing.bytes > this.#bufferBytes / 2) return;
    this.#congested = false;
    this.#listener?.drained();
  }

  #finish(code: string | undefined): void {
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
