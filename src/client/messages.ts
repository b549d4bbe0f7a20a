/**
 * Bytes of the app's own to and from connected peers, for what is not a database: adapters of other libraries, calls, games.
 *
 * [MESSAGES-6] Over a change of leaders every peer goes down, and comes up again when the new leader has reached it.
 */
import type { PublicKey } from "../core/ids.ts";
import { appChannelBytesMax, appMessageBytesMax } from "../core/limits.ts";
import { invalid } from "../core/store/values.ts";
import { checkLabel } from "../engine/label.ts";
import type { WorkerEvent } from "../worker/api.ts";
import { toPublicKey } from "./input.ts";
import { isInterruption, type Line } from "./line.ts";
import { Listeners, reportUncaught, type Stop } from "./listeners.ts";

export interface AppMessage {
  /** Who sent it, by its public key: proved by the connection. */
  readonly peer: PublicKey;
  /** The app's own from now on. */
  readonly bytes: Uint8Array;
}

export interface MessagesPeer {
  readonly peer: PublicKey;
  /** False: nothing reaches it any more, and what was on its way may be lost. */
  readonly isUp: boolean;
}

export interface MessagesEvents {
  /** In the order in which each peer sent them. */
  message: AppMessage;
  /** A peer came up, or went down. One that comes up again has forgotten nothing but what was on its way. */
  peer: MessagesPeer;
}

/** Of the worker. */
export type MessagesEvent = Extract<WorkerEvent, { readonly type: "message" | "messagesPeer" }>;

/**
 * One channel, as long as it is open in this page. A device is one peer, however many of its tabs have the channel open: each of them gets every
 * message. Name inside whom it is for, if that matters.
 */
export class Messages {
  readonly channel: string;
  readonly #number: number;
  readonly #line: Line;
  readonly #up = new Set<PublicKey>();
  readonly #listeners = new Listeners<MessagesEvents>(["message", "peer"]);
  readonly #stop: Stop;
  readonly #closed: () => void;
  #isClosed = false;

  /** For `OpenMessages`. */
  constructor(channel: string, number: number, line: Line, closed: () => void) {
    this.channel = channel;
    this.#number = number;
    this.#line = line;
    this.#closed = closed;
    this.#stop = line.stand(({ api }) => {
      // Whom another leader was connected to, this one may not be.
      this.#downAll();
      api.openMessages(number, channel).catch((error: unknown) => {
        if (!isInterruption(error)) reportUncaught(error);
      });
    });
  }

  /** Those that are up, by their public keys. */
  peers(): readonly PublicKey[] {
    return [...this.#up];
  }

  /**
   * Sends to one peer that is up; at most 1 MiB. Resolves when it was handed to the connection: wait for that before the next one, so that no queue
   * grows. Whether it arrived only the peer can say. Rejects with PEER_AWAY when the peer is not up or goes down before, MESSAGE_QUEUE_FULL when more than
   * 4 MiB or 1,024 messages wait for it, INPUT_INVALID, CALL_INTERRUPTED when the tab that leads ends, and INSTANCE_CLOSED.
   */
  async send(peer: string, bytes: Uint8Array): Promise<void> {
    const key = toPublicKey(peer);
    if (!(bytes instanceof Uint8Array)) throw invalid("message", bytes, "a Uint8Array");
    if (bytes.length > appMessageBytesMax)
      throw invalid("message", `${bytes.length} bytes`, `at most ${appMessageBytesMax} bytes`);
    await this.#line.call("messages.send", (api) => api.sendMessage(this.#number, key, bytes), { kind: "once" });
  }

  /** Peers that are up already are not told again: ask `peers()`. */
  on<E extends keyof MessagesEvents>(event: E, listener: (data: MessagesEvents[E]) => void): Stop {
    return this.#listeners.on(event, listener);
  }

  /** For this page. To peers it is closed when no tab of the device has it open. Idempotent; nothing is told any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop();
    this.#up.clear();
    this.#closed();
    this.#line.send((api) => api.closeMessages(this.#number));
  }

  /** For `OpenMessages`: an event of the worker. */
  take(event: MessagesEvent): void {
    if (event.type === "messagesPeer") return this.#setUp(event.peer, event.isUp);
    const { length } = event.bytes;
    this.#listeners.emit("message", { peer: event.peer, bytes: event.bytes });
    // Whoever leads sends no more than this page takes.
    this.#line.send((api) => api.tookMessage(this.#number, length));
  }

  #setUp(peer: PublicKey, isUp: boolean): void {
    if (this.#up.has(peer) === isUp) return;
    if (isUp) this.#up.add(peer);
    else this.#up.delete(peer);
    this.#listeners.emit("peer", { peer, isUp });
  }

  #downAll(): void {
    for (const peer of [...this.#up]) this.#setUp(peer, false);
  }
}

/** All channels that this page has open, by the number that the worker's events carry. */
export class OpenMessages {
  readonly #line: Line;
  readonly #open = new Map<number, Messages>();
  #next = 1;

  constructor(line: Line) {
    this.#line = line;
  }

  /** Throws INPUT_INVALID. */
  open(channel: string): Messages {
    checkLabel("channel", channel, appChannelBytesMax);
    if (channel === "") throw invalid("channel", channel, "a text that is not empty");
    const number = this.#next++;
    const messages = new Messages(channel, number, this.#line, () => this.#open.delete(number));
    this.#open.set(number, messages);
    return messages;
  }

  take(event: MessagesEvent): void {
    this.#open.get(event.messages)?.take(event);
  }
}
