/**
 * One page of this device, as others hear of it: announced when it says something new, and again for as long as it is there.
 *
 * [PRESENCE-8] What a page says is announced at once, or a tenth of a second after what it said before, the newest alone; and again every ten seconds.
 */
import { presenceBeatMs, presenceEveryMs } from "../core/limits.ts";
import type { PageId } from "../core/presence/announcement.ts";
import type { Clock } from "../ports/clock.ts";

export interface OwnPageOptions {
  readonly page: PageId;
  readonly clock: Clock;
  /** `state`: undefined when the page goes. Never rejects. */
  readonly say: (page: OwnPage, state: Uint8Array | undefined) => Promise<void>;
  readonly gone: () => void;
}

/** Turns fit a counter beside as many announcements in each as any page makes. */
const perTurn = 2 ** 32;

export class OwnPage {
  readonly page: PageId;
  readonly #options: OwnPageOptions;
  #turn = 0;
  #counted = 0;
  #state: Uint8Array | undefined;
  #saying: Promise<void> | undefined;
  #isDue = false;
  #cancel: (() => void) | undefined;
  /** Nothing is said before, in this device's time. */
  #notBeforeMs = 0;
  #isClosed = false;

  constructor(options: OwnPageOptions) {
    this.page = options.page;
    this.#options = options;
  }

  /** `turn`: grows with each leader that the page is served by. Undefined: it goes. */
  set(turn: number, state: Uint8Array | undefined): void {
    if (turn > this.#turn) {
      this.#turn = turn;
      this.#counted = 0;
    }
    this.#state = state;
    this.#schedule();
  }

  /** The next number: greater than any before, also of an earlier leader. */
  count(): number {
    this.#counted += 1;
    return this.#turn * perTurn + this.#counted;
  }

  /** Nothing is said any more, but that the page goes, if that waits. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    await this.#saying;
    if (this.#isDue && this.#state === undefined) await this.#say();
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#isDue = true;
    if (this.#saying !== undefined) return;
    this.#cancel?.();
    const { clock } = this.#options;
    // A clock that was set back makes nobody wait longer than usual.
    const waitMs = Math.min(presenceEveryMs, this.#notBeforeMs - clock.now());
    if (waitMs <= 0) return void this.#say();
    this.#cancel = clock.after(waitMs, () => void this.#say());
  }

  #say(): Promise<void> {
    const { clock, say } = this.#options;
    const state = this.#state;
    this.#isDue = false;
    this.#notBeforeMs = clock.now() + presenceEveryMs;
    this.#saying = say(this, state).then(() => this.#said(state));
    return this.#saying;
  }

  #said(state: Uint8Array | undefined): void {
    const { clock, gone } = this.#options;
    this.#saying = undefined;
    if (this.#isClosed) return;
    if (this.#isDue) return this.#schedule();
    if (state === undefined) return gone();
    this.#cancel = clock.after(presenceBeatMs, () => this.#schedule());
  }
}
