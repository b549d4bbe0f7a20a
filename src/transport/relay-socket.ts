/**
 * One attempt to be connected with a relay: dial, prove the key, then pass on what the relay says, one message at a time.
 *
 * Handling a message takes time (signatures are checked, notes are opened), so messages wait for their turn: what a peer
 * sends right after it was introduced is handled after the introduction. What waits is bounded.
 */
import { TidemarkError, toError } from "../core/errors.ts";
import { relayAnswerTimeoutMs, relayMessageBytesMax, relaySilenceTimeoutMs } from "../core/limits.ts";
import {
  type ClientMessage,
  decodeRelayMessage,
  encodeClientMessage,
  proofBytes,
  type RelayMessage,
  relayVersion,
} from "../core/protocol/relay-message.ts";
import type { Clock } from "../ports/clock.ts";
import type { Identity } from "../ports/keys.ts";
import type { Sealer } from "../ports/sealer.ts";

/** What is used of a WebSocket. Those of browsers, of Node 22 and of `ws` all fit. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { readonly code: number; readonly reason: string }) => void): void;
  addEventListener(type: "error", listener: () => void): void;
}
export type WebSocketClass = new (url: string) => WebSocketLike;

/** What a relay says once it has accepted the proof. */
export type OpenRelayMessage = Exclude<RelayMessage, { readonly type: "challenge" | "welcome" | "alive" | "refused" }>;

export interface RelaySocketListener {
  welcomed(sealer: Sealer): void;
  /** The next message is handed over when the promise resolves. */
  said(message: OpenRelayMessage): Promise<void>;
  /** Called once, not after `close`. */
  ended(end: SocketEnd): void;
}

export interface SocketEnd {
  /** The relay's code when it gave one. */
  readonly refusal: string | undefined;
  readonly reason: string;
}

export interface RelaySocketOptions {
  readonly url: string;
  readonly identity: Identity;
  readonly createSealer: () => Promise<Sealer>;
  readonly clock: Clock;
  readonly WebSocket: WebSocketClass;
}

type Phase = "dialled" | "proving" | "open" | "ended";

/** Messages that wait for their turn: a relay of ours sends one `present` for each of 256 rooms at once. */
const inboxMax = 1_024;
const inboxBytesMax: number = 4 * 1024 * 1024;
/** Any code that browsers let a page send. */
const closeCode = 4000;

export class RelaySocket {
  readonly #options: RelaySocketOptions;
  readonly #listener: RelaySocketListener;
  readonly #socket: WebSocketLike;
  readonly #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #isReading = false;
  #phase: Phase = "dialled";
  #created: Promise<Sealer> | undefined;
  #cancelTimer: () => void;

  /** Throws what the WebSocket class throws for a URL that it does not dial. */
  constructor(options: RelaySocketOptions, listener: RelaySocketListener) {
    this.#options = options;
    this.#listener = listener;
    this.#socket = new options.WebSocket(options.url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#socket.addEventListener("close", ({ code, reason }) => this.#end(`closed with ${code} ${reason}`.trim()));
    // A close event with all that can be known follows.
    this.#socket.addEventListener("error", () => {});
    this.#cancelTimer = options.clock.after(relayAnswerTimeoutMs, () => this.#end("no answer in time"));
  }

  /** Bytes that were sent and have not left yet. */
  get waitingBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(frame: Uint8Array): void {
    if (this.#phase !== "ended") this.#socket.send(unshared(frame));
  }

  /** Ends silently. Idempotent. */
  close(): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#cancelTimer();
    this.#inbox.length = 0;
    this.#socket.close(closeCode);
  }

  /** Gives the relay up for what it did. */
  abandon(reason: string): void {
    this.#end(reason);
  }

  #end(reason: string, refusal?: string): void {
    if (this.#phase === "ended") return;
    this.close();
    this.#listener.ended({ reason, refusal });
  }

  #receive(data: unknown): void {
    if (this.#phase === "ended") return;
    if (this.#phase === "open") this.#expectLife();
    if (!(data instanceof ArrayBuffer)) this.#end("the relay sent text");
    else if (data.byteLength > relayMessageBytesMax) this.#end("the relay sent too large a message");
    else this.#enqueue(new Uint8Array(data));
  }

  #enqueue(bytes: Uint8Array): void {
    this.#inbox.push(bytes);
    this.#inboxBytes += bytes.length;
    if (this.#inbox.length > inboxMax || this.#inboxBytes > inboxBytesMax) this.#end("the relay sent too much");
    else if (!this.#isReading) void this.#readAll();
  }

  async #readAll(): Promise<void> {
    this.#isReading = true;
    try {
      for (let bytes = this.#inbox.shift(); bytes !== undefined; bytes = this.#inbox.shift()) {
        this.#inboxBytes -= bytes.length;
        await this.#read(bytes);
      }
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
    } finally {
      this.#isReading = false;
    }
  }

  async #read(bytes: Uint8Array): Promise<void> {
    const decoded = decodeRelayMessage(bytes);
    if (!decoded.ok) throw toError(decoded.failure);
    const message = decoded.value;
    switch (message.type) {
      case "refused":
        return this.#end(`${message.code}: ${message.text}`, message.code);
      case "alive":
        return;
      case "challenge":
        this.#step("dialled", "proving", message.type);
        return await this.#prove(message.version, message.nonce);
      case "welcome":
        this.#step("proving", "open", message.type);
        this.#expectLife();
        return this.#listener.welcomed(await this.#sealer());
      default:
        this.#step("open", "open", message.type);
        await this.#listener.said(message);
    }
  }

  #step(from: Phase, to: Phase, got: string): void {
    if (this.#phase !== from)
      throw new TidemarkError("MESSAGE_UNEXPECTED", { got, expected: `nothing such when ${this.#phase}` });
    this.#phase = to;
  }

  async #prove(version: number, nonce: Uint8Array): Promise<void> {
    if (version !== relayVersion) return this.#end(`the relay speaks version ${version}`, "version");
    const { card } = await this.#sealer();
    const { host } = new URL(this.#options.url);
    const signature = await this.#options.identity.sign(proofBytes(nonce, host));
    const proof: ClientMessage = { type: "prove", card, signature };
    this.send(encodeClientMessage(proof));
  }

  /** One for each connection: what a relay kept from an earlier one cannot be opened in this one. */
  #sealer(): Promise<Sealer> {
    this.#created ??= this.#options.createSealer();
    return this.#created;
  }

  #expectLife(): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(relaySilenceTimeoutMs, () => this.#end("silent for too long"));
  }
}

/** The types of WebSocket ask for memory that no other thread can change; ours never can. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
