/**
 * What waits to be handed to one channel.
 *
 * [OUTBOUND-1] Control goes before entries, each in its order; entries that have let fifteen go first go before what was queued after them.
 * [OUTBOUND-2] Nothing is handed over while the channel is congested, or before the caps allow it.
 * [OUTBOUND-3] Control never waits for entries that are still being read.
 * [OUTBOUND-4] Entries that cannot be read, or a channel that throws, fail it once, and nothing is handed over any more.
 * [OUTBOUND-5] Closing drops what waits.
 * [OUTBOUND-6] Entries that may not be sent any more when it is their turn are dropped with all that waits, and that is told once.
 *
 * Deliberately without a limit of its own: whoever takes messages from the peer waits for `settled`, and the window bounds the entries.
 */
import { outboundMessagesMax } from "../core/limits.ts";
import type { Channel } from "../ports/transport.ts";
import type { PeerBandwidth } from "./bandwidth.ts";

export interface OutboundOptions {
  readonly channel: Channel;
  readonly bandwidth: PeerBandwidth;
  /** A message of this many bytes was handed over. */
  readonly sent: (bytes: number) => void;
  /** Once. */
  readonly failed: (error: unknown) => void;
}

/** Control messages in a row while entries wait that were read. */
const controlInRowMax = 15;

/** A message of entries, and what becomes of it. */
export interface EntriesToSend {
  /** Called at once; undefined: there is nothing to send after all. */
  readonly load: () => Promise<Uint8Array | undefined>;
  /** Whether they may be sent at this moment. */
  readonly mayGo: () => boolean;
  /** They might not when it was their turn. Everything is over by then. */
  readonly withheld: () => void;
}

/** `bytes` are undefined until they are read, and stay so when there is nothing to send after all. */
interface Entries extends EntriesToSend {
  readonly order: number;
  isRead: boolean;
  bytes: Uint8Array | undefined;
}

interface Control {
  readonly order: number;
  readonly bytes: Uint8Array;
}

/** A message that was chosen: it goes next, whatever comes. */
interface Chosen {
  readonly bytes: Uint8Array;
  /** Undefined for control. */
  readonly entries: EntriesToSend | undefined;
  isAllowed: boolean;
}

export class Outbound {
  readonly #options: OutboundOptions;
  readonly #control: Control[] = [];
  readonly #entries: Entries[] = [];
  #chosen: Chosen | undefined;
  #queued = 0;
  #controlInRow = 0;
  #isHandingOver = false;
  #isClosed = false;
  #settling: (() => void)[] = [];

  constructor(options: OutboundOptions) {
    this.#options = options;
  }

  /** Goes before all entries that wait. Handed over at once when nothing is in the way. */
  control(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#control.push({ order: this.#queued++, bytes });
    this.#handOver();
  }

  entries(toSend: EntriesToSend): void {
    if (this.#isClosed) return;
    const entries: Entries = { ...toSend, order: this.#queued++, isRead: false, bytes: undefined };
    this.#entries.push(entries);
    this.#read(entries).catch((error: unknown) => this.#fail(error));
  }

  /** The channel takes more again. */
  drained(): void {
    this.#handOver();
  }

  /** Messages that were not handed over. */
  get waiting(): number {
    return this.#control.length + this.#entries.length + (this.#chosen === undefined ? 0 : 1);
  }

  /** Resolves when fewer than half of `outboundMessagesMax` wait, or when it is closed. */
  settled(): Promise<void> {
    if (this.#isSettled) return Promise.resolve();
    return new Promise((resolve) => this.#settling.push(resolve));
  }

  /** Idempotent. What waits is dropped. */
  close(): void {
    this.#isClosed = true;
    this.#control.length = 0;
    this.#entries.length = 0;
    this.#chosen = undefined;
    this.#settle();
  }

  async #read(entries: Entries): Promise<void> {
    entries.bytes = await entries.load();
    entries.isRead = true;
    this.#handOver();
  }

  #handOver(): void {
    // A listener of `sent` may come back here.
    if (this.#isHandingOver) return;
    this.#isHandingOver = true;
    try {
      while (this.#handOverNext());
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isHandingOver = false;
    }
    this.#settle();
  }

  /** False when something is in the way: it comes back when that is gone. */
  #handOverNext(): boolean {
    const { channel, sent } = this.#options;
    if (this.#isClosed || channel.congested) return false;
    this.#chosen ??= this.#choose();
    if (this.#chosen?.isAllowed !== true) return false;
    const { bytes, entries } = this.#chosen;
    this.#chosen = undefined;
    if (entries?.mayGo() === false) {
      this.close();
      entries.withheld();
      return false;
    }
    channel.send(bytes);
    sent(bytes.length);
    return true;
  }

  #choose(): Chosen | undefined {
    this.#dropEmpty();
    const first = this.#entries[0];
    const ready = first?.isRead === true ? first.bytes : undefined;
    const control = this.#isTurnOfEntries(first) ? undefined : this.#control.shift();
    if (control !== undefined) {
      this.#controlInRow = ready === undefined ? 0 : this.#controlInRow + 1;
      return this.#ask(control.bytes, undefined);
    }
    if (ready === undefined) return undefined;
    this.#controlInRow = 0;
    return this.#ask(ready, this.#entries.shift());
  }

  /** Never before control that was queued earlier: what that says may be about these entries. */
  #isTurnOfEntries(first: Entries | undefined): boolean {
    if (first?.bytes === undefined || this.#controlInRow < controlInRowMax) return false;
    return first.order < (this.#control[0]?.order ?? Number.POSITIVE_INFINITY);
  }

  #dropEmpty(): void {
    while (this.#entries[0]?.isRead === true && this.#entries[0].bytes === undefined) this.#entries.shift();
  }

  #ask(bytes: Uint8Array, entries: EntriesToSend | undefined): Chosen {
    const allowed = this.#options.bandwidth.sending(bytes.length);
    const chosen: Chosen = { bytes, entries, isAllowed: allowed === undefined };
    allowed
      ?.then(() => {
        chosen.isAllowed = true;
        this.#handOver();
      })
      .catch((error: unknown) => this.#fail(error));
    return chosen;
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.#options.failed(error);
  }

  get #isSettled(): boolean {
    return this.#isClosed || this.waiting < outboundMessagesMax / 2;
  }

  #settle(): void {
    if (this.#settling.length === 0 || !this.#isSettled) return;
    for (const resolve of this.#settling.splice(0)) resolve();
  }
}
