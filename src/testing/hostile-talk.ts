/**
 * One conversation of a scripted peer, on any channel: the handshake told truthfully or otherwise, then any message by hand. Whatever
 * goes either way is kept, to be looked at and to be said again.
 *
 * It believes everything: neither signatures nor anything else that it hears is checked.
 */
import type { Entry } from "../core/entry.ts";
import { type DatabaseId, encodeHex, type PublicKey, type Sha256 } from "../core/ids.ts";
import { encodeBatch } from "../core/protocol/batch.ts";
import { features } from "../core/protocol/features.ts";
import { handshakeMessage, protocolVersions, transcriptOf } from "../core/protocol/handshake.ts";
import {
  type AnswerMessage,
  decodeHandshakeMessage,
  encodeHandshakeMessage,
  type HandshakeMessage,
  type HelloMessage,
} from "../core/protocol/handshake-message.ts";
import { decodeMessage, encodeMessage, type Message } from "../core/protocol/message.ts";
import type { Identity } from "../ports/keys.ts";
import type { Channel } from "../ports/transport.ts";

/** Where a handshake is to differ from the truth. What is left out is as it should be. */
export interface HandshakeScript {
  /** What it says of itself, and signs: other versions, features, keys, nonces. */
  readonly hello?: Partial<HelloMessage>;
  readonly answer?: Partial<AnswerMessage>;
  /** What it takes for the channel's binding. */
  readonly binding?: Uint8Array;
  /** Its signature of a message: anything. Default: its identity's. */
  readonly sign?: (message: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /** What is really sent in place of a message: other bytes, several messages, or nothing. */
  readonly send?: (message: HandshakeMessage, bytes: Uint8Array) => readonly Uint8Array[];
}

export interface TalkOptions {
  readonly identity: Identity;
  readonly sha256: Sha256;
  /** 32 bytes. */
  readonly nonce: Uint8Array;
  /** Who the transport says is at the other end; for the test alone. */
  readonly peer?: PublicKey | undefined;
  readonly script?: HandshakeScript | undefined;
  /** Called for every message of the session, after it was noted. */
  readonly heard?: (message: Message, talk: HostileTalk) => void;
}

type Introduced = Omit<HelloMessage, "type" | "versions">;

/** Far above what anybody sends: a scripted peer hears everything. */
const unlimitedBytes: number = 2 ** 30;

/** One conversation: see the header. Made by `HostilePeer`, or on a channel of your own with `new`. */
export class HostileTalk {
  readonly channel: Channel;
  readonly peer: PublicKey | undefined;
  /** All bytes that came, and all that went, handshake included, in order. */
  readonly bytesHeard: Uint8Array[] = [];
  readonly bytesSaid: Uint8Array[] = [];
  /** The messages of the session among them, decoded. */
  readonly messagesHeard: Message[] = [];
  /** What the handshake ended with, if it did: joins and proofs sign it. */
  transcript: Uint8Array | undefined;
  /** Whether the channel is open at this end. */
  isOpen = true;
  readonly #options: TalkOptions;
  readonly #introduction: Introduced;
  #hello: HelloMessage | undefined;
  #answer: AnswerMessage | undefined;
  readonly #numbers = new Map<DatabaseId, number>();

  constructor(channel: Channel, options: TalkOptions) {
    this.channel = channel;
    this.peer = options.peer;
    this.#options = options;
    const { identity, nonce } = options;
    const boot = encodeHex(nonce.subarray(0, 8));
    this.#introduction = { features, key: identity.publicKey, nonce, epoch: "ee".repeat(16), boot };
    channel.limit(unlimitedBytes);
    channel.listen({
      message: (bytes) => this.#hear(bytes),
      drained: () => {},
      closed: () => {
        this.isOpen = false;
      },
    });
    if (channel.initiator) this.#greet();
  }

  /** Whether the handshake is done, as far as this end can tell: the other one may have refused it. */
  get isReady(): boolean {
    return this.transcript !== undefined && this.isOpen;
  }

  /** The messages of one kind that came so far. */
  heard<Type extends Message["type"]>(type: Type): readonly Extract<Message, { readonly type: Type }>[] {
    return this.messagesHeard.filter((message): message is Extract<Message, { readonly type: Type }> => {
      return message.type === type;
    });
  }

  /** Says what somebody with good manners would, or would not. */
  say(...messages: readonly Message[]): void {
    this.sayBytes(...messages.map(encodeMessage));
  }

  /** Says anything. */
  sayBytes(...messages: readonly Uint8Array[]): void {
    for (const bytes of messages) {
      this.bytesSaid.push(bytes);
      this.channel.send(bytes);
    }
  }

  /** Hands over entries as the next batch of their database. */
  offer(database: DatabaseId, entries: readonly Entry[]): void {
    const number = 1 + (this.#numbers.get(database) ?? 0);
    this.#numbers.set(database, number);
    this.say({ type: "entries", database, number, left: 0, leftBytes: 0, digest: "", batch: encodeBatch(entries) });
  }

  /** Says back everything that came since the handshake, byte for byte. */
  reflect(): void {
    this.sayBytes(...this.messagesHeard.map(encodeMessage));
  }

  close(): void {
    this.channel.close();
  }

  #hear(bytes: Uint8Array): void {
    this.bytesHeard.push(bytes);
    if (this.transcript === undefined) return this.#hearHandshake(bytes);
    const message = decodeMessage(bytes);
    if (!message.ok) return;
    this.messagesHeard.push(message.value);
    this.#options.heard?.(message.value, this);
  }

  // --- The handshake

  #greet(): void {
    const { hello } = this.#options.script ?? {};
    this.#hello = { type: "hello", versions: protocolVersions, ...this.#introduction, ...hello };
    this.#send(this.#hello);
  }

  #hearHandshake(bytes: Uint8Array): void {
    const decoded = decodeHandshakeMessage(bytes);
    if (!decoded.ok) return;
    const message = decoded.value;
    if (message.type === "hello") void this.#respond(message);
    else if (message.type === "answer") void this.#prove(message);
    else this.transcript = this.#agreed();
  }

  async #respond(hello: HelloMessage): Promise<void> {
    const version = hello.versions.at(-1) ?? 1;
    const { answer } = this.#options.script ?? {};
    const unsigned = {
      type: "answer",
      version,
      ...this.#introduction,
      signature: new Uint8Array(64),
      ...answer,
    } as const;
    [this.#hello, this.#answer] = [hello, unsigned];
    const signature = await this.#sign("responder");
    this.#send({ ...unsigned, signature });
  }

  async #prove(answer: AnswerMessage): Promise<void> {
    this.#answer = answer;
    const signature = await this.#sign("initiator");
    this.transcript = this.#agreed();
    this.#send({ type: "proof", signature });
  }

  #agreed(): Uint8Array | undefined {
    const { sha256, script } = this.#options;
    const [hello, answer] = [this.#hello, this.#answer];
    if (hello === undefined || answer === undefined) return undefined;
    return transcriptOf({ hello, answer, binding: script?.binding ?? this.channel.binding }, sha256);
  }

  async #sign(role: "initiator" | "responder"): Promise<Uint8Array> {
    const { identity, script } = this.#options;
    const message = handshakeMessage(role, this.#agreed() ?? new Uint8Array());
    return await (script?.sign?.(message) ?? identity.sign(message));
  }

  #send(message: HandshakeMessage): void {
    const bytes = encodeHandshakeMessage(message);
    this.sayBytes(...(this.#options.script?.send?.(message, bytes) ?? [bytes]));
  }
}
