/** Another device on the channel: which of its pages have a `Repo`, and what waits to be sent to it. */
import type { PublicKey } from "../core/ids.ts";
import { repoMessageBytesMax, repoPagesMax, repoWaitingMax } from "../core/limits.ts";
import { Assembly } from "./assembly.ts";
import type { Greeting, PageId } from "./packet.ts";

/** A `Repo` on another device. */
export interface RemoteRepo {
  readonly page: PageId;
  readonly greeting: Greeting;
  readonly assembly: Assembly;
}

/** Rejects when what was to be sent is lost. */
export type SendBytes = (bytes: Uint8Array) => Promise<void>;

export class Device {
  readonly key: PublicKey;
  /** The number of our greetings to it. */
  readonly greeting: number;
  readonly repos: Map<PageId, RemoteRepo> = new Map();
  readonly #send: SendBytes;
  readonly #lost: (error: unknown) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isSending = false;
  #isGone = false;

  /** `lost`: something of what was to be sent; told once, and nothing is sent any more. */
  constructor(key: PublicKey, greeting: number, send: SendBytes, lost: (error: unknown) => void) {
    this.key = key;
    this.greeting = greeting;
    this.#send = send;
    this.#lost = lost;
  }

  /** Undefined: it has too many. */
  add(greeting: Greeting): RemoteRepo | undefined {
    if (!this.repos.has(greeting.from) && this.repos.size >= repoPagesMax) return undefined;
    const repo = { page: greeting.from, greeting, assembly: new Assembly(() => repoMessageBytesMax - this.#kept()) };
    this.repos.set(repo.page, repo);
    return repo;
  }

  /** After everything that waits. False: too much waits, and nothing of this was taken. */
  post(packets: readonly Uint8Array[]): boolean {
    const bytes = packets.reduce((sum, packet) => sum + packet.length, 0);
    const isTooMuch = this.#waitingBytes + bytes > 2 * repoMessageBytesMax || this.#waiting.length >= repoWaitingMax;
    if (isTooMuch) return false;
    this.#waiting.push(...packets);
    this.#waitingBytes += bytes;
    if (!this.#isSending) this.#sendAll();
    return true;
  }

  /** What waits is not sent any more. */
  leave(): void {
    this.#isGone = true;
    this.#waiting = [];
    this.repos.clear();
  }

  #kept(): number {
    return [...this.repos.values()].reduce((sum, { assembly }) => sum + assembly.length, 0);
  }

  /** One at a time, as the channel asks for: it queues nothing that way. */
  #sendAll(): void {
    const next = this.#waiting.shift();
    this.#isSending = next !== undefined;
    if (next === undefined) return;
    this.#waitingBytes -= next.length;
    this.#send(next).then(
      () => {
        if (!this.#isGone) this.#sendAll();
      },
      (error: unknown) => {
        if (!this.#isGone) this.#lost(error);
      },
    );
  }
}
