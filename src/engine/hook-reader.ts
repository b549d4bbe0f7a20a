/**
 * One hook on its way through a log: reads what is durable, hands it over event by event, and waits for each to be done with.
 *
 * It never runs inside whoever wakes it, so what the hook does, writing included, cannot hold up a commit.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { backOffMsMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";

export interface WrittenEntry {
  readonly id: EntryId;
  readonly author: PublicKey;
  readonly seq: number;
  /** Hybrid time: milliseconds since 1970 times 1,024, plus a counter. */
  readonly time: number;
  /** What the transaction wrote to, in the order of the names' bytes. */
  readonly stores: readonly { readonly name: string; readonly type: string }[];
}

export interface WriteEvent {
  readonly database: DatabaseId;
  /** local: one commit made with this device's key. remote: entries of others that lie next to each other in the log. */
  readonly origin: "local" | "remote";
  /** In the order of the log; one when local, up to 100 when remote. */
  readonly entries: readonly WrittenEntry[];
  /** Everything up to this event is done with: where to go on from after it. */
  readonly cursor: string;
}

export interface HookReaderOptions {
  readonly database: DatabaseId;
  /** Undefined: what the hook fails at is left out. */
  readonly name: string | undefined;
  /** Of the first entry that is handed over. */
  readonly position: number;
  readonly self: PublicKey;
  readonly clock: Clock;
  /** One for each position; undefined for a void one. */
  readonly read: (from: number, to: number) => Promise<readonly (WrittenEntry | undefined)[]>;
  /** Entries at positions below are durable. */
  readonly stored: () => number;
  readonly cursorAt: (position: number) => string;
  readonly write: (event: WriteEvent) => unknown;
  /** Entries at positions below are done with. */
  readonly remember: (position: number) => void;
  readonly failed: (error: TidemarkError) => void;
}

/** With the position after it. */
interface AheadEntry extends WrittenEntry {
  readonly next: number;
}

/** Entries read at a time, and in one event. */
const entriesPerEventMax = 100;
/** A reason is for people, and whoever throws decides how long it is. */
const reasonLengthMax = 200;

export class HookReader {
  readonly #options: HookReaderOptions;
  /** What was read and not handed over: without payloads, so that a hook that hangs holds little. */
  #ahead: readonly AheadEntry[] = [];
  /** Everything below is done with. */
  #position: number;
  #failures = 0;
  #recounts = 0;
  #isRunning = false;
  #isStopped = false;
  #endPause: () => void = () => {};

  constructor(options: HookReaderOptions) {
    this.#options = options;
    this.#position = options.position;
  }

  /** More may be durable. */
  wake(): void {
    if (!this.#isRunning) void this.#run();
  }

  /** What was read and not handed over may not count any more, or count again: it is read anew. */
  recounted(): void {
    this.#recounts += 1;
    this.#ahead = [];
  }

  /** Entries from a position on are gone, or have other positions: they are handed over anew. */
  fellBack(position: number): void {
    if (position >= this.#position) return;
    this.#position = position;
    this.recounted();
  }

  /** Nothing is handed over any more, and what is being handled counts as not done. */
  stop(): void {
    this.#isStopped = true;
    this.#endPause();
  }

  /** Never rejects. Whether there is more is asked in the turn in which it stops running, so that no wake is lost. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    while (!this.#isStopped && this.#position < this.#options.stored()) {
      if (this.#ahead.length === 0) await this.#readOn();
      if (this.#ahead.length > 0 && !this.#isStopped) await this.#hand();
    }
    this.#isRunning = false;
  }

  async #readOn(): Promise<void> {
    const { read, stored } = this.#options;
    const to = Math.min(this.#position + entriesPerEventMax, stored());
    const recounts = this.#recounts;
    try {
      const entries = await read(this.#position, to);
      if (recounts !== this.#recounts) return;
      if (entries.length === 0) throw new Error(`no entries from ${this.#position} to ${to}`);
      this.#ahead = entries.flatMap((entry, i) =>
        entry === undefined ? [] : [written(entry, this.#position + i + 1)],
      );
      this.#failures = 0;
      if (this.#ahead.length === 0) this.#position = to;
    } catch (error) {
      await this.#fail(error instanceof TidemarkError ? error : this.#error(error));
    }
  }

  async #hand(): Promise<void> {
    const { name, write, remember } = this.#options;
    const { event, next } = this.#nextEvent();
    let error: TidemarkError | undefined;
    try {
      await write(event);
    } catch (thrown) {
      error = this.#error(thrown);
    }
    if (this.#isStopped) return;
    if (error !== undefined && name !== undefined) return await this.#fail(error);
    if (error !== undefined) this.#options.failed(error);
    this.#failures = 0;
    this.#ahead = this.#ahead.slice(event.entries.length);
    this.#position = next;
    remember(this.#position);
  }

  #nextEvent(): { readonly event: WriteEvent; readonly next: number } {
    const { database, self, cursorAt } = this.#options;
    const own = this.#ahead.findIndex(({ author }) => author === self);
    const count = own === 0 ? 1 : own < 0 ? this.#ahead.length : own;
    const ahead = this.#ahead.slice(0, count);
    const next = ahead.at(-1)?.next ?? this.#position;
    const entries = ahead.map(({ next: _next, ...entry }) => entry);
    return { event: { database, origin: own === 0 ? "local" : "remote", entries, cursor: cursorAt(next) }, next };
  }

  /** Reports, and lets time pass before the next attempt: a second, then two, four, up to 64. */
  async #fail(error: TidemarkError): Promise<void> {
    if (this.#isStopped) return;
    this.#options.failed(error);
    const pauseMs = Math.min(backOffMsMax, 1_000 * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(pauseMs, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  #error(thrown: unknown): TidemarkError {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const hook = this.#options.name ?? "without a name";
    return new TidemarkError("HOOK_FAILED", { hook, reason: reason.slice(0, reasonLengthMax) }, { cause: thrown });
  }
}

function written({ id, author, seq, time, stores }: WrittenEntry, next: number): AheadEntry {
  return { id, author, seq, time, stores: stores.map(({ name, type }) => ({ name, type })), next };
}
