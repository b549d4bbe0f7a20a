/**
 * A client of a relay that says exactly what it is told to, right or wrong, for tests of relays.
 *
 * It keeps every message until somebody asks for one of its type. Deliberately without time-outs: a test has its own.
 */
import { toError } from "../core/errors.ts";
import {
  type ClientMessage,
  decodeRelayMessage,
  encodeClientMessage,
  proofBytes,
  type RelayMessage,
} from "../core/protocol/relay-message.ts";
import type { Identity } from "../ports/keys.ts";
import type { WebSocketClass, WebSocketLike } from "../transport/relay-socket.ts";

type MessageOf<T extends RelayMessage["type"]> = Extract<RelayMessage, { readonly type: T }>;

interface Waiting {
  readonly type: RelayMessage["type"];
  readonly resolve: (message: RelayMessage) => void;
  readonly reject: (error: Error) => void;
}

export interface SocketClose {
  readonly code: number;
  readonly reason: string;
}

export class RawRelayClient {
  readonly socket: WebSocketLike;
  /** How the socket ended. */
  readonly closed: Promise<SocketClose>;
  readonly #url: string;
  readonly #kept: RelayMessage[] = [];
  #waiting: Waiting[] = [];

  constructor(url: string, WebSocket: WebSocketClass) {
    this.#url = url;
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("error", () => {});
    this.socket.addEventListener("message", ({ data }) => this.#receive(new Uint8Array(data as ArrayBuffer)));
    this.closed = new Promise((resolve) => {
      this.socket.addEventListener("close", ({ code, reason }) => {
        for (const { type, reject } of this.#waiting) reject(new Error(`closed with ${code} before ${type} came`));
        this.#waiting = [];
        resolve({ code, reason });
      });
    });
  }

  /** Messages that nobody has asked for. */
  get unread(): readonly RelayMessage[] {
    return this.#kept;
  }

  /** The first message of this type that was not asked for before. Rejects when the socket closes without one. */
  next<T extends RelayMessage["type"]>(type: T): Promise<MessageOf<T>> {
    const at = this.#kept.findIndex((message) => message.type === type);
    if (at >= 0) return Promise.resolve(this.#kept.splice(at, 1)[0] as MessageOf<T>);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ type, resolve: (message) => resolve(message as MessageOf<T>), reject });
    });
  }

  send(message: ClientMessage): void {
    this.socket.send(new Uint8Array(encodeClientMessage(message)));
  }

  /** Answers the challenge, with the nonce and host that were really given or with others. */
  async prove(
    identity: Identity,
    card: Uint8Array,
    instead: { readonly nonce?: Uint8Array; readonly host?: string } = {},
  ): Promise<void> {
    const { nonce } = await this.next("challenge");
    const signed = proofBytes(instead.nonce ?? nonce, instead.host ?? new URL(this.#url).host);
    this.send({ type: "prove", card, signature: await identity.sign(signed) });
  }

  #receive(bytes: Uint8Array): void {
    const decoded = decodeRelayMessage(bytes);
    if (!decoded.ok) throw toError(decoded.failure);
    const at = this.#waiting.findIndex(({ type }) => type === decoded.value.type);
    if (at < 0) this.#kept.push(decoded.value);
    else this.#waiting.splice(at, 1)[0]?.resolve(decoded.value);
  }
}
