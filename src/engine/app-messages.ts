/**
 * Bytes of the app's own, between devices that share a database and both have a channel of that name open. Nothing is stored.
 *
 * [MESSAGES-1] A peer is up on a channel while it is connected, shares a database with us, and both have the channel open; others are sent nothing, and
 *   what they send is dropped.
 * [MESSAGES-2] What a peer sent arrives once, whole and in order, or the peer goes down here and comes up again: a path that ends, or that another takes the
 *   place of, takes with it what was on its way.
 * [MESSAGES-3] A message has at most 1 MiB. For one peer at most 1,024 of them and 4 MiB wait, behind entries that wait longer; more are refused.
 * [MESSAGES-4] What waits for a peer that goes down is refused with PEER_AWAY.
 */
import { TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { appChannelsMax, appMessagesWaitingBytesMax, appMessagesWaitingMax } from "../core/limits.ts";
import { encodeMessage } from "../core/protocol/message.ts";
import type { Path } from "./path.ts";

/** Whoever has a channel open here: a page. Never throws. */
export interface AppListener {
  message(peer: PublicKey, bytes: Uint8Array): void;
  /** Also told of those that are up already, when it opens the channel. */
  peer(peer: PublicKey, isUp: boolean): void;
}

export interface AppMessagesOptions {
  /** The path that carries a peer's session. */
  readonly carrier: (peer: PublicKey) => Path | undefined;
  readonly paths: () => readonly Path[];
}

/** What is known of the other end of one path. */
interface FarEnd {
  /** Channels that it has open, and those that it was told that we have. */
  readonly theirs: Set<string>;
  readonly told: Set<string>;
  waiting: number;
  waitingBytes: number;
  /** How whoever waits is told that it is over. */
  readonly refusals: Set<() => void>;
}

export class AppMessages {
  readonly #options: AppMessagesOptions;
  readonly #listeners = new Map<string, Set<AppListener>>();
  readonly #ends = new Map<Path, FarEnd>();
  /** By which path a peer is up, and on which channels. */
  readonly #up = new Map<PublicKey, { readonly path: Path; readonly channels: Set<string> }>();

  constructor(options: AppMessagesOptions) {
    this.#options = options;
  }

  /** Until the returned function is called. */
  open(channel: string, listener: AppListener): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners);
    listeners.add(listener);
    for (const [peer, { channels }] of this.#up) if (channels.has(channel)) listener.peer(peer, true);
    if (listeners.size === 1) for (const path of this.#options.paths()) this.settle(path);
    return () => this.#close(channel, listener);
  }

  /** Resolves when it was handed to the connection. Rejects with PEER_AWAY and MESSAGE_QUEUE_FULL. */
  send(peer: PublicKey, channel: string, bytes: Uint8Array): Promise<void> {
    const path = this.#up.get(peer)?.channels.has(channel) === true ? this.#up.get(peer)?.path : undefined;
    const end = path && this.#ends.get(path);
    const away = (): TidemarkError => new TidemarkError("PEER_AWAY", { peer, channel });
    if (path === undefined || end === undefined) return Promise.reject(away());
    const isFull = end.waiting >= appMessagesWaitingMax || end.waitingBytes + bytes.length > appMessagesWaitingBytesMax;
    if (isFull) return Promise.reject(new TidemarkError("MESSAGE_QUEUE_FULL", { peer, max: appMessagesWaitingMax }));
    const message = encodeMessage({ type: "message", channel, bytes });
    return new Promise((resolve, reject) => {
      const settle = (done: () => void): void => {
        end.refusals.delete(refuse);
        end.waiting -= 1;
        end.waitingBytes -= bytes.length;
        done();
      };
      const refuse = (): void => settle(() => reject(away()));
      end.waiting += 1;
      end.waitingBytes += bytes.length;
      end.refusals.add(refuse);
      path.sendMessage(message, () => settle(resolve));
    });
  }

  // --- What happens on paths

  /** It carries its peer's session from now on, or what is shared on it may be different: says what is to be said, and finds out who is up. */
  settle(path: Path): void {
    const { key, session } = path;
    if (key === undefined || this.#options.carrier(key) !== path || session?.mayMessage !== true) return;
    const end = this.#endOf(path);
    for (const channel of this.#listeners.keys()) this.#tell(path, end, channel, true);
    this.#lift(key, path, end);
  }

  /** The peer has a channel open, or not any more. False: it has more of them than anybody needs. */
  heard(path: Path, channel: string, isOpen: boolean): boolean {
    const { theirs } = this.#endOf(path);
    if (isOpen && !theirs.has(channel) && theirs.size >= appChannelsMax) return false;
    if (isOpen) theirs.add(channel);
    else theirs.delete(channel);
    if (!isOpen && path.key !== undefined && this.#up.get(path.key)?.path === path) this.#drop(path.key, channel);
    this.settle(path);
    return true;
  }

  received(path: Path, channel: string, bytes: Uint8Array): void {
    const { key } = path;
    const end = this.#ends.get(path);
    if (key === undefined || end === undefined || !this.#isOpenAtBoth(end, channel)) return;
    // The peer has changed to this path before we have.
    if (this.#up.get(key)?.path !== path) this.#lift(key, path, end);
    for (const listener of this.#listeners.get(channel) ?? []) listener.message(key, bytes);
  }

  ended(path: Path): void {
    const end = this.#ends.get(path);
    this.#ends.delete(path);
    for (const refuse of [...(end?.refusals ?? [])]) refuse();
    if (path.key !== undefined && this.#up.get(path.key)?.path === path) this.#dropAll(path.key);
  }

  #close(channel: string, listener: AppListener): void {
    const listeners = this.#listeners.get(channel);
    if (listeners?.delete(listener) !== true || listeners.size > 0) return;
    this.#listeners.delete(channel);
    for (const { channels } of this.#up.values()) channels.delete(channel);
    for (const [path, end] of this.#ends) this.#tell(path, end, channel, false);
  }

  #tell(path: Path, { told }: FarEnd, channel: string, isOpen: boolean): void {
    if (told.has(channel) === isOpen) return;
    if (isOpen) told.add(channel);
    else told.delete(channel);
    path.step({ type: "channelling", channel, isOpen });
  }

  /** By this path the peer is up from now on, on the channels that both have open. */
  #lift(key: PublicKey, path: Path, end: FarEnd): void {
    if (this.#up.get(key)?.path !== path) this.#dropAll(key);
    const up = this.#up.get(key) ?? { path, channels: new Set() };
    this.#up.set(key, up);
    for (const channel of end.theirs) {
      if (up.channels.has(channel) || !this.#isOpenAtBoth(end, channel)) continue;
      up.channels.add(channel);
      for (const listener of this.#listeners.get(channel) ?? []) listener.peer(key, true);
    }
  }

  #isOpenAtBoth({ theirs, told }: FarEnd, channel: string): boolean {
    return theirs.has(channel) && told.has(channel);
  }

  #dropAll(key: PublicKey): void {
    for (const channel of this.#up.get(key)?.channels ?? []) this.#drop(key, channel);
    this.#up.delete(key);
  }

  #drop(key: PublicKey, channel: string): void {
    if (this.#up.get(key)?.channels.delete(channel) !== true) return;
    for (const listener of this.#listeners.get(channel) ?? []) listener.peer(key, false);
  }

  #endOf(path: Path): FarEnd {
    const known = this.#ends.get(path);
    const end = known ?? { theirs: new Set(), told: new Set(), waiting: 0, waitingBytes: 0, refusals: new Set() };
    this.#ends.set(path, end);
    return end;
  }
}
