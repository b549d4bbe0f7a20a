/** Pages whose WebRTC connections are imitated in memory: descriptions with a number in them, and channels over ports. */
import type { Clock } from "../ports/clock.ts";
import type { Signal } from "../transport/signal.ts";
import type { ToPage, ToWorker } from "../transport/webrtc-messages.ts";
import { createPortPair } from "./memory-port.ts";

interface End {
  readonly page: MemoryPage;
  readonly id: number;
  readonly initiator: boolean;
  readonly number: number;
  readonly channel: MessagePort;
  other: End | undefined;
}

/** All pages that can reach each other. */
export class MemoryPages {
  readonly clock: Clock;
  readonly #ends = new Map<number, End>();
  /** Connections that pages were asked for so far. */
  asked = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  open(): MemoryPage {
    return new MemoryPage(this);
  }

  create(page: MemoryPage, id: number, initiator: boolean): End {
    const number = this.asked++;
    const [channel, port] = createPortPair(this.clock);
    page.post({ type: "port", id, port });
    const end: End = { page, id, initiator, number, channel, other: undefined };
    this.#ends.set(number, end);
    channel.onmessage = ({ data }) => this.#carry(end, data);
    return end;
  }

  /** Two ends are connected once each has the other's description. */
  describe(end: End, sdp: string): void {
    const other = this.#ends.get(Number(/s=(\d+)/.exec(sdp)?.[1]));
    if (other === undefined || other.initiator === end.initiator) return;
    end.other = other;
    if (other.other === end) this.#connect(end, other);
  }

  remove(end: End, reason: string): void {
    this.#ends.delete(end.number);
    const other = end.other;
    end.other = undefined;
    end.page.lose(end, reason);
    if (other?.other === end) this.remove(other, "the other end closed");
  }

  /** The end is no more, and nobody is told. */
  vanish(end: End): void {
    this.#ends.delete(end.number);
  }

  #connect(one: End, other: End): void {
    const numbers = [one, other].map(({ number }) => number).sort();
    for (const end of [one, other]) {
      end.page.post({ type: "bound", id: end.id, binding: Uint8Array.from(numbers) });
      end.channel.postMessage({ type: "opened" });
    }
  }

  #carry(end: End, data: unknown): void {
    if (!(data instanceof ArrayBuffer)) {
      this.remove(end, "channel closed");
      return;
    }
    end.channel.postMessage({ type: "credit", bytes: data.byteLength });
    if (end.other !== undefined && this.#ends.has(end.number)) end.other.channel.postMessage(data);
  }
}

/** One page; `worker` is the port for its worker. */
export class MemoryPage {
  readonly worker: MessagePort;
  readonly #pages: MemoryPages;
  readonly #port: MessagePort;
  readonly #ends = new Map<number, End>();
  /** What the worker said, in order. */
  readonly heard: ToPage[] = [];
  /** A page that makes connections that never get anywhere. */
  dead = false;

  constructor(pages: MemoryPages) {
    this.#pages = pages;
    [this.#port, this.worker] = createPortPair(pages.clock);
    this.#port.onmessage = ({ data }: MessageEvent<ToPage>) => this.#receive(data);
  }

  get connections(): number {
    return this.#ends.size;
  }

  /** Says goodbye to its worker and closes everything. */
  close(): void {
    for (const end of [...this.#ends.values()]) this.#pages.remove(end, "page closed");
    this.post({ type: "gone" });
  }

  /** As in a crash: no word to anybody. */
  vanish(): void {
    this.#port.close();
    for (const end of this.#ends.values()) this.#pages.vanish(end);
  }

  /** Breaks what is there, as a lost network does. */
  lose(end: End, reason: string): void {
    if (!this.#ends.delete(end.id)) return;
    end.channel.postMessage({ type: "closed" });
    this.post({ type: "closed", id: end.id, reason });
  }

  breakAll(): void {
    for (const end of [...this.#ends.values()]) this.#pages.remove(end, "connection failed");
  }

  post(message: ToWorker): void {
    this.#port.postMessage(message);
  }

  #receive(message: ToPage): void {
    this.heard.push(message);
    const end = this.#ends.get(message.id);
    if (message.type === "connect") this.#connect(message.id, message.initiator);
    else if (message.type === "close" && end !== undefined) this.#pages.remove(end, "closed by the worker");
    else if (message.type === "signal" && end !== undefined && !this.dead) this.#signal(end, message.signal);
  }

  #connect(id: number, initiator: boolean): void {
    const end = this.#pages.create(this, id, initiator);
    this.#ends.set(id, end);
    if (initiator && !this.dead) this.#describe(end, "offer");
  }

  #signal(end: End, signal: Signal): void {
    if (signal.type === "candidate") return;
    if (signal.type === "offer") this.#describe(end, "answer");
    this.#pages.describe(end, signal.sdp);
  }

  #describe(end: End, type: "offer" | "answer"): void {
    const sdp = `v=0\r\ns=${end.number}\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n`;
    this.post({ type: "signal", id: end.id, signal: { type, sdp } });
    for (let port = 1; port <= 3; port++) {
      const candidate = `candidate:1 1 udp 1 192.0.2.1 ${port} typ host`;
      this.post({
        type: "signal",
        id: end.id,
        signal: { type: "candidate", candidate, sdpMLineIndex: 0, sdpMid: "0" },
      });
    }
  }
}
