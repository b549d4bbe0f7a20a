/**
 * The channels for messages of the app that a page has open.
 *
 * [MESSAGES-5] A page that does not take what it was sent is sent no more: its peers go down for it, and come up again when it has taken that.
 */
import type { PublicKey } from "../core/ids.ts";
import {
  appChannelBytesMax,
  appChannelsMax,
  appMessageBytesMax,
  appMessagesUntakenBytesMax,
  appMessagesUntakenMax,
} from "../core/limits.ts";
import { invalid } from "../core/store/values.ts";
import type { AppMessages } from "../engine/app-messages.ts";
import { checkLabel } from "../engine/label.ts";
import type { WorkerEvent } from "./api.ts";

interface Opened {
  readonly channel: string;
  stop: () => void;
  /** Those that are up, whether the page knows it or not. */
  readonly up: Set<PublicKey>;
  untaken: number;
  untakenBytes: number;
  /** The page is told of nobody before it has taken what it was sent. */
  isBehind: boolean;
}

export class PageMessages {
  readonly #messages: Pick<AppMessages, "open" | "send">;
  readonly #post: (event: WorkerEvent) => void;
  readonly #open = new Map<number, Opened>();

  constructor(messages: Pick<AppMessages, "open" | "send">, post: (event: WorkerEvent) => void) {
    this.#messages = messages;
    this.#post = post;
  }

  /** Throws INPUT_INVALID. */
  open(number: number, channel: string): void {
    checkChannel(channel);
    this.close(number);
    if (this.#open.size >= appChannelsMax)
      throw invalid("channel", "one more", `at most ${appChannelsMax} in one page`);
    const counts = { untaken: 0, untakenBytes: 0, isBehind: false };
    const opened: Opened = { channel, stop: () => {}, up: new Set(), ...counts };
    this.#open.set(number, opened);
    opened.stop = this.#messages.open(channel, {
      message: (peer, bytes) => this.#take(number, opened, peer, bytes),
      peer: (peer, isUp) => this.#setUp(number, opened, peer, isUp),
    });
  }

  /** Rejects with PEER_AWAY, MESSAGE_QUEUE_FULL and INPUT_INVALID. */
  async send(number: number, peer: PublicKey, bytes: Uint8Array): Promise<void> {
    const { channel } = this.#open.get(number) ?? {};
    if (channel === undefined) throw invalid("channel", "one that is not open", "one that is");
    if (bytes.length > appMessageBytesMax)
      throw invalid("message", `${bytes.length} bytes`, `at most ${appMessageBytesMax} bytes`);
    await this.#messages.send(peer, channel, bytes);
  }

  /** The page has taken a message of so many bytes. */
  took(number: number, bytes: number): void {
    const opened = this.#open.get(number);
    if (opened === undefined || opened.untaken === 0) return;
    opened.untaken -= 1;
    opened.untakenBytes -= bytes;
    if (!opened.isBehind || opened.untaken > 0) return;
    opened.isBehind = false;
    for (const peer of opened.up) this.#tell(number, peer, true);
  }

  /** Idempotent. */
  close(number: number): void {
    this.#open.get(number)?.stop();
    this.#open.delete(number);
  }

  closeAll(): void {
    for (const number of [...this.#open.keys()]) this.close(number);
  }

  #take(number: number, opened: Opened, peer: PublicKey, bytes: Uint8Array): void {
    if (opened.isBehind) return;
    if (opened.untaken >= appMessagesUntakenMax || opened.untakenBytes + bytes.length > appMessagesUntakenBytesMax) {
      opened.isBehind = true;
      for (const each of opened.up) this.#tell(number, each, false);
      return;
    }
    opened.untaken += 1;
    opened.untakenBytes += bytes.length;
    this.#post({ type: "message", messages: number, peer, bytes });
  }

  #setUp(number: number, opened: Opened, peer: PublicKey, isUp: boolean): void {
    if (isUp) opened.up.add(peer);
    else opened.up.delete(peer);
    if (!opened.isBehind) this.#tell(number, peer, isUp);
  }

  #tell(number: number, peer: PublicKey, isUp: boolean): void {
    this.#post({ type: "messagesPeer", messages: number, peer, isUp });
  }
}

/** Throws INPUT_INVALID. */
function checkChannel(channel: string): void {
  checkLabel("channel", channel, appChannelBytesMax);
  if (channel === "") throw invalid("channel", channel, "a text that is not empty");
}
