/**
 * One socket of a relay, from the challenge to the end.
 *
 * Whatever goes wrong on it ends this socket alone. A member that goes is taken out of its rooms at once, except when it is
 * found to read too slowly: that happens while rooms are being walked, so its place is given up when the socket has closed.
 */
import type { WebSocket } from "ws";
import { unreachable } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import {
  type ClientMessage,
  decodeClientMessage,
  encodeRelayMessage,
  keyOfCard,
  nonceBytesLength,
  type ProveMessage,
  proofBytes,
  type RefusalCode,
  type RelayMessage,
  type Room,
  refusalCloseCodes,
  relayVersion,
} from "../core/protocol/relay-message.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import type { Clock } from "../ports/clock.ts";
import type { Verifier } from "../ports/keys.ts";
import type { Random } from "../ports/random.ts";
import type { RelayLimits } from "./limits.ts";
import type { Traffic } from "./metrics.ts";
import type { Member, Rooms } from "./rooms.ts";

export interface ConnectionContext {
  readonly limits: RelayLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly verifier: Verifier;
  readonly rooms: Rooms;
  readonly traffic: Traffic;
}

type State = "proving" | "verifying" | "member" | "closed";

const refusalTexts: Readonly<Record<RefusalCode, string>> = {
  malformed: "that was not a message of this protocol",
  unexpected: "that message has no place here",
  proof: "the signature does not prove the card's key to this relay",
  timeout: "no proof came in time",
  replaced: "another socket proved the same key",
  rate: "too much in too short a time",
  slow: "too much waits to be read",
  oversized: "the message is too large",
};

export class Connection {
  /** Resolves when the socket is gone, whoever ended it. */
  readonly ended: Promise<void>;
  readonly #socket: WebSocket;
  readonly #context: ConnectionContext;
  /** A proof is for one of these. */
  readonly #hosts: readonly string[];
  readonly #nonce: Uint8Array;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  #state: State = "proving";
  #member: Member | undefined;
  #answeredPing = true;
  #cancelTimer: () => void;

  constructor(socket: WebSocket, hosts: readonly string[], context: ConnectionContext) {
    const { clock, limits, random } = context;
    this.#socket = socket;
    this.#hosts = hosts;
    this.#context = context;
    this.#nonce = random.bytes(nonceBytesLength);
    this.#messages = new TokenBucket(limits.messagesPerSecond, limits.messagesBurst, clock.now());
    this.#bytes = new TokenBucket(limits.bytesPerSecond, limits.bytesBurst, clock.now());
    this.#cancelTimer = clock.after(limits.proveTimeoutMs, () => this.#refuse("timeout"));
    this.#listen();
    this.ended = new Promise((resolve) => socket.once("close", () => resolve()));
    this.#send({ type: "challenge", version: relayVersion, nonce: this.#nonce });
  }

  /** Says goodbye with 1001; the socket ends when the other side agrees. */
  goAway(): void {
    this.#close(1001, "closing");
  }

  #listen(): void {
    this.#socket.on("message", (data: Buffer, isBinary) => {
      this.#receive(new Uint8Array(data.buffer, data.byteOffset, data.length), isBinary);
    });
    this.#socket.on("ping", () => this.#allow(1));
    this.#socket.on("pong", () => {
      this.#answeredPing = true;
      this.#allow(1);
    });
    this.#socket.on("error", (error: Error & { readonly code?: string }) => this.#failed(error.code ?? ""));
    this.#socket.on("close", () => {
      this.#state = "closed";
      this.#cancelTimer();
      this.#leaveRooms();
    });
  }

  #receive(bytes: Uint8Array, isBinary: boolean): void {
    this.#context.traffic.received(bytes.length);
    if (this.#state === "closed" || !this.#allow(bytes.length)) return;
    const decoded = isBinary ? decodeClientMessage(bytes) : undefined;
    if (decoded?.ok) this.#handle(decoded.value);
    else this.#refuse("malformed");
  }

  #handle(message: ClientMessage): void {
    if (message.type === "prove" && this.#state === "proving") void this.#prove(message);
    else if (message.type !== "prove" && this.#member !== undefined) this.#handleMember(this.#member, message);
    else this.#refuse("unexpected");
  }

  #handleMember(member: Member, message: Exclude<ClientMessage, ProveMessage>): void {
    switch (message.type) {
      case "enter":
        this.#enter(member, message.room);
        break;
      case "leave":
        this.#context.rooms.leave(member, message.room);
        break;
      case "send":
        this.#pass(member, message.to, message.sealed);
        break;
      default:
        unreachable(message);
    }
  }

  async #prove(message: ProveMessage): Promise<void> {
    this.#state = "verifying";
    // The message is a view into memory that the socket reuses.
    const card = message.card.slice();
    const isGenuine = await this.#isGenuine(card, message.signature.slice());
    if (this.#state !== "verifying") return;
    const key = keyOfCard(card);
    if (!isGenuine || key === undefined) return this.#refuse("proof");
    const { rooms } = this.#context;
    rooms.find(key)?.replaced();
    this.#member = {
      key,
      card,
      deliver: (frame) => this.#sendFrame(frame),
      replaced: () => {
        this.#refuse("replaced");
        // A slow reader that is closing already still has its place.
        this.#leaveRooms();
      },
    };
    rooms.add(this.#member);
    this.#state = "member";
    this.#cancelTimer();
    this.#send({ type: "welcome" });
    this.#pingLater();
  }

  async #isGenuine(card: Uint8Array, signature: Uint8Array): Promise<boolean> {
    const key = keyOfCard(card);
    if (key === undefined) return false;
    for (const host of this.#hosts) {
      if (await this.#context.verifier.verify(key, proofBytes(this.#nonce, host), signature)) return true;
    }
    return false;
  }

  #enter(member: Member, room: Room): void {
    const outcome = this.#context.rooms.enter(member, room);
    if (outcome === "entered") return;
    this.#context.traffic.refused(outcome);
    this.#send({ type: "full", room });
  }

  #pass(member: Member, to: PublicKey, sealed: Uint8Array): void {
    const { rooms, traffic } = this.#context;
    const receiver = rooms.find(to);
    // Not a fault of the sender: the other one may have left a moment ago.
    if (receiver === undefined || !rooms.haveCommonRoom(member, receiver)) {
      traffic.notesDropped++;
      return;
    }
    traffic.notesDelivered++;
    receiver.deliver(encodeRelayMessage({ type: "deliver", from: member.key, sealed }));
  }

  /** Takes one message of this size from the socket's rate. */
  #allow(bytes: number): boolean {
    const now = this.#context.clock.now();
    if (this.#messages.take(1, now) && this.#bytes.take(bytes, now)) return true;
    this.#refuse("rate");
    return false;
  }

  #pingLater(): void {
    this.#cancelTimer = this.#context.clock.after(this.#context.limits.pingEveryMs, () => {
      if (this.#answeredPing) this.#ping();
      else this.#terminate("dead");
    });
  }

  #ping(): void {
    this.#answeredPing = false;
    this.#socket.ping();
    this.#pingLater();
    this.#send({ type: "alive" });
  }

  #refuse(code: RefusalCode): void {
    if (this.#state === "closed") return;
    this.#context.traffic.refused(code);
    this.#send({ type: "refused", code, text: refusalTexts[code] });
    this.#close(refusalCloseCodes[code], code);
  }

  /** What `ws` found wrong; it has sent its own close code by then. A broken connection has no code of this kind. */
  #failed(code: string): void {
    if (this.#state === "closed" || !code.startsWith("WS_ERR_")) return;
    const refusal = code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" ? "oversized" : "malformed";
    this.#context.traffic.refused(refusal);
    this.#close(refusalCloseCodes[refusal], refusal);
  }

  #close(code: number, reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#leaveRooms();
    this.#cancelTimer();
    this.#cancelTimer = this.#context.clock.after(this.#context.limits.closeTimeoutMs, () => this.#socket.terminate());
    this.#socket.close(code, reason);
  }

  /** Ends the socket without waiting for the other side, which does not listen anyway. */
  #terminate(why: "dead" | "slow"): void {
    this.#context.traffic.refused(why);
    this.#state = "closed";
    this.#cancelTimer();
    this.#socket.terminate();
  }

  #leaveRooms(): void {
    if (this.#member === undefined) return;
    const member = this.#member;
    this.#member = undefined;
    this.#context.rooms.remove(member);
  }

  #send(message: RelayMessage): void {
    this.#sendFrame(encodeRelayMessage(message));
  }

  #sendFrame(frame: Uint8Array): void {
    if (this.#state === "closed" || this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(frame);
    this.#context.traffic.sent(frame.length);
    if (this.#socket.bufferedAmount > this.#context.limits.outgoingBytesMax) this.#terminate("slow");
  }
}
