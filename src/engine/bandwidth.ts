/**
 * How fast bytes may leave and come: over all peers together, and for each.
 *
 * [BANDWIDTH-1] In any 10 s or more at most the cap × 1.1 and one message pass, however the caps are combined.
 * [BANDWIDTH-2] Who always has something to send gets at least 0.9 of the cap.
 * [BANDWIDTH-3] A message larger than half a second of the cap passes when nothing was used for that long, and is paid for afterwards.
 * [BANDWIDTH-4] Under a cap over all peers none of those who always have something to send gets more than twice what another gets.
 *
 * Shared fairly by start times (Goyal et al., "Start-time Fair Queueing", 1996): whoever got the fewest bytes is next, and nobody else
 * takes what it waits for. Deliberately without a queue of its own beyond those who wait: callers hold what they want to send.
 */
import { batchBytesMax, batchesInFlightMax } from "../core/limits.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import type { Clock } from "../ports/clock.ts";
import { bytesPerSecondMin, type SyncSettings } from "./settings.ts";

/** Both caps for one peer. Whatever resolves does so in the order in which it was asked for. */
export interface PeerBandwidth {
  /** Resolves when this many bytes may be sent; undefined when they may at once, as without a cap. */
  sending(bytes: number): Promise<void> | undefined;
  /** The same for taking a message that came. */
  receiving(bytes: number): Promise<void> | undefined;
  /** What the peer wants to receive at most, in bytes per second; 0: as much as comes. Counts as 1 KiB/s at least. */
  askedFor(bytesPerSecond: number): void;
  /** Idempotent. Whatever waits resolves, and nothing waits from now on. */
  close(): void;
}

/** What may pass at once after silence: a tenth of the shortest time over which a cap is measured would be a second. */
const burstSeconds = 0.5;
/** Longer timers end at once in browsers. Waking once an hour for somebody who waits for days costs nothing. */
const timerMsMax = 3_600_000;
const batchBytesMin = 4_096;

export class Bandwidth {
  readonly #sending: Direction;
  readonly #receiving: Direction;
  readonly #peers = new Set<Peer>();
  #settings: SyncSettings;

  constructor(clock: Clock, settings: SyncSettings) {
    this.#settings = settings;
    this.#sending = new Direction(clock, settings.sendBytesPerSecond);
    this.#receiving = new Direction(clock, settings.receiveBytesPerSecond);
  }

  /** Counts from now on, for those who wait too. */
  change(settings: SyncSettings): void {
    this.#settings = settings;
    for (const peer of this.#peers) peer.change(settings);
    this.#sending.change(settings.sendBytesPerSecond);
    this.#receiving.change(settings.receiveBytesPerSecond);
  }

  /** For one peer more; to be closed with it. */
  peer(): PeerBandwidth {
    const peer: Peer = new Peer(this.#sending, this.#receiving, this.#settings, () => this.#peers.delete(peer));
    this.#peers.add(peer);
    return peer;
  }
}

/**
 * How many bytes may be sent to a peer and not be confirmed, so that under a cap new entries wait about a second for those before them.
 *
 * @param askedFor what the peer asked for in bytes per second; 0: no cap
 */
export function windowBytesOf(settings: SyncSettings, askedFor: number): number {
  const cap = capOf(settings.sendBytesPerSecond, settings.peerSendBytesPerSecond, askedFor);
  const most = batchesInFlightMax * batchBytesMax;
  return cap === 0 ? most : Math.min(most, Math.max(cap, batchBytesOf(settings, askedFor)));
}

/** How many bytes one batch for a peer should have at most: a quarter of a second under a cap, but no less than 4 KiB for that. */
export function batchBytesOf(settings: SyncSettings, askedFor: number): number {
  const cap = capOf(settings.sendBytesPerSecond, settings.peerSendBytesPerSecond, askedFor);
  const most = Math.min(settings.batchBytes, batchBytesMax);
  return cap === 0 ? most : Math.min(most, Math.max(batchBytesMin, Math.floor(cap / 4)));
}

/** The lowest of several caps of which 0 means none; whole, and 0 when there is none. */
function capOf(...bytesPerSecond: readonly number[]): number {
  const caps = bytesPerSecond.filter((cap) => Number.isFinite(cap) && cap > 0);
  return caps.length === 0 ? 0 : Math.max(bytesPerSecondMin, Math.floor(Math.min(...caps)));
}

class Peer implements PeerBandwidth {
  readonly #sending: Share;
  readonly #receiving: Share;
  readonly #closed: () => void;
  #settings: SyncSettings;
  #askedFor = 0;

  constructor(sending: Direction, receiving: Direction, settings: SyncSettings, closed: () => void) {
    this.#sending = new Share(sending);
    this.#receiving = new Share(receiving);
    this.#closed = closed;
    this.#settings = settings;
    this.change(settings);
  }

  sending(bytes: number): Promise<void> | undefined {
    return this.#sending.ask(bytes);
  }

  receiving(bytes: number): Promise<void> | undefined {
    return this.#receiving.ask(bytes);
  }

  askedFor(bytesPerSecond: number): void {
    this.#askedFor = bytesPerSecond;
    this.change(this.#settings);
  }

  change(settings: SyncSettings): void {
    this.#settings = settings;
    this.#sending.change(capOf(settings.peerSendBytesPerSecond, this.#askedFor));
    this.#receiving.change(capOf(settings.peerReceiveBytesPerSecond));
  }

  close(): void {
    this.#sending.close();
    this.#receiving.close();
    this.#closed();
  }
}

/** A cap that may change, or be none. */
class Cap {
  readonly #clock: Clock;
  #bucket: TokenBucket | undefined;
  #burst = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What may pass at once; 0 without a cap. */
  get burst(): number {
    return this.#burst;
  }

  get isNone(): boolean {
    return this.#bucket === undefined;
  }

  change(bytesPerSecond: number): void {
    this.#burst = Math.floor(bytesPerSecond * burstSeconds);
    if (bytesPerSecond === 0) this.#bucket = undefined;
    else if (this.#bucket !== undefined) this.#bucket.change(bytesPerSecond, this.#burst, this.#clock.now());
    else this.#bucket = new TokenBucket(bytesPerSecond, this.#burst, this.#clock.now());
  }

  waitMs(bytes: number): number {
    return this.#bucket?.waitMs(bytes, this.#clock.now()) ?? 0;
  }

  take(bytes: number): void {
    this.#bucket?.take(bytes, this.#clock.now());
  }
}

interface Wish {
  readonly bytes: number;
  readonly grant: () => void;
}

/** What one peer wants in one direction. */
class Share {
  readonly cap: Cap;
  /** What waits, first first. */
  readonly wishes: Wish[] = [];
  readonly #direction: Direction;
  /** How many bytes this peer got, as compared with the others: the lowest is next. */
  got = 0;
  /** It asked for nothing, or its own cap held it back: what others got meanwhile is not made up for. */
  isBehind = true;
  #isClosed = false;

  constructor(direction: Direction) {
    this.#direction = direction;
    this.cap = new Cap(direction.clock);
  }

  ask(bytes: number): Promise<void> | undefined {
    if (this.#isClosed || (this.cap.isNone && this.#direction.cap.isNone)) return undefined;
    let isGranted = false;
    const granted = new Promise<void>((resolve) => {
      const grant = (): void => {
        isGranted = true;
        resolve();
      };
      this.wishes.push({ bytes, grant });
    });
    this.#direction.wanted(this);
    return isGranted ? undefined : granted;
  }

  change(bytesPerSecond: number): void {
    this.cap.change(bytesPerSecond);
    this.#direction.serve();
  }

  close(): void {
    this.#isClosed = true;
    for (const { grant } of this.wishes.splice(0)) grant();
    this.#direction.unwanted(this);
  }
}

/** All peers in one direction, under the cap over all of them. */
class Direction {
  readonly clock: Clock;
  readonly cap: Cap;
  readonly #waiting = new Set<Share>();
  /** What the peer that was served last had got before. */
  #level = 0;
  #cancel: () => void = () => {};

  constructor(clock: Clock, bytesPerSecond: number) {
    this.clock = clock;
    this.cap = new Cap(clock);
    this.change(bytesPerSecond);
  }

  change(bytesPerSecond: number): void {
    this.cap.change(capOf(bytesPerSecond));
    this.serve();
  }

  wanted(share: Share): void {
    this.#waiting.add(share);
    this.serve();
  }

  unwanted(share: Share): void {
    this.#waiting.delete(share);
    this.serve();
  }

  /** Grants what can be granted now, and sets a timer for what is next. */
  serve(): void {
    this.#cancel();
    this.#cancel = () => {};
    for (;;) {
      const { next, heldBackMs } = this.#choose();
      const waitMs = next === undefined ? heldBackMs : this.cap.waitMs(next.wishes[0]?.bytes ?? 0);
      if (next !== undefined && waitMs === 0) {
        this.#grant(next);
        continue;
      }
      const dueMs = Math.min(waitMs, heldBackMs);
      if (dueMs < Number.POSITIVE_INFINITY) {
        this.#cancel = this.clock.after(Math.min(dueMs, timerMsMax), () => this.serve());
      }
      return;
    }
  }

  /** Of those whose own cap allows it, the one that got least; and when the next one's own cap will. */
  #choose(): { readonly next: Share | undefined; readonly heldBackMs: number } {
    let next: Share | undefined;
    let heldBackMs = Number.POSITIVE_INFINITY;
    for (const share of this.#waiting) {
      const ownMs = share.cap.waitMs(share.wishes[0]?.bytes ?? 0);
      heldBackMs = ownMs > 0 ? Math.min(heldBackMs, ownMs) : heldBackMs;
      share.isBehind ||= ownMs > 0;
      if (ownMs > 0) continue;
      this.#catchUp(share);
      if (next === undefined || share.got < next.got) next = share;
    }
    return { next, heldBackMs };
  }

  /** Up to the burst it may make up for: between two messages everybody is behind for a moment. */
  #catchUp(share: Share): void {
    if (share.isBehind) share.got = Math.max(share.got, this.#level - this.cap.burst);
    share.isBehind = false;
  }

  #grant(share: Share): void {
    const wish = share.wishes.shift();
    if (share.wishes.length === 0) {
      this.#waiting.delete(share);
      share.isBehind = true;
    }
    if (wish === undefined) return;
    share.cap.take(wish.bytes);
    this.cap.take(wish.bytes);
    this.#level = Math.max(this.#level, share.got);
    share.got += wish.bytes;
    wish.grant();
  }
}
