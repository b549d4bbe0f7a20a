/**
 * What tabs leave behind when they end: edits that nobody had answered, which are done now, and what was remembered of their writes.
 *
 * [CLIENT-36] An edit that a page left when it ended is done by whoever leads, once and in the order of the edits; what cannot be done is a
 *   problem EDIT_LOST.
 * [CLIENT-37] What was done for a tab is remembered for an hour after its end: a page may come back from the back/forward cache.
 *
 * A page holds its lock all the time that it can run. Whoever has that lock instead may do what the page left, and lets go when that is done.
 */
import { asTidemarkError, TidemarkError } from "../core/errors.ts";
import { endedTabKeptMs, endedTabsMax, outboxRetryMs } from "../core/limits.ts";
import type { WriteId, WritingTab } from "../engine/writes.ts";
import type { Clock } from "../ports/clock.ts";
import type { Locks } from "../ports/tabs.ts";
import type { OutboxEdit, OutboxWrite } from "../storage/outbox.ts";
import { tabLockName } from "../tabs/names.ts";

export interface OutboxPort {
  /** Of each tab in the order of the numbers. */
  read(): Promise<readonly OutboxWrite[]>;
  /** Those that were read, up to this number: a page that is back may have left more since. */
  clear(tab: string, through: number): Promise<void>;
}

export interface EndedTabsOptions {
  /** Of the instance. */
  readonly name: string;
  /** The leader's own, which ends with it. */
  readonly own: string;
  readonly locks: Locks;
  readonly clock: Clock;
  readonly outbox: OutboxPort;
  readonly writes: { tabs(): readonly WritingTab[]; forget(tab: string): Promise<void> };
  /** Rejects with a STORAGE_ code when it may be possible later. */
  readonly commit: (edit: OutboxEdit, write: WriteId) => Promise<void>;
  readonly report: (error: TidemarkError, write: OutboxWrite) => void;
}

export class EndedTabs {
  readonly #options: EndedTabsOptions;
  /** Whose end is waited for. */
  readonly #watched = new Set<string>();
  /** Those that ended, the latest last, and how their forgetting is called off. */
  readonly #ended = new Map<string, () => void>();
  /** What of theirs could not be stored, and how trying again is called off. */
  readonly #retries = new Map<string, () => void>();
  readonly #stopping = new AbortController();
  #cancelLook: (() => void) | undefined;

  constructor(options: EndedTabsOptions) {
    this.#options = options;
  }

  /** Resolves when all is done that tabs had left which ended before. */
  async begin(): Promise<void> {
    const left = new Set((await this.#read()).map(({ tab }) => tab));
    left.delete(this.#options.own);
    for (const tab of left) await this.#takeOver(tab, { ifAvailable: true });
    const known = this.#options.writes.tabs();
    // Those that wrote last are remembered longest.
    for (const { tab } of [...known].sort((a, b) => a.lastMs - b.lastMs)) left.add(tab);
    for (const tab of left) if (!this.#ended.has(tab) && !this.#retries.has(tab)) this.watch(tab);
    this.#lookLater();
  }

  /** The tab is there: nothing of it is forgotten, and its end is noticed. */
  watch(tab: string): void {
    this.#return(tab);
    if (tab === this.#options.own || this.#watched.has(tab) || this.#stopping.signal.aborted) return;
    this.#watched.add(tab);
    void this.#takeOver(tab, { signal: this.#stopping.signal }).finally(() => this.#watched.delete(tab));
  }

  /** Nothing is begun any more. */
  stop(): void {
    this.#stopping.abort();
    this.#cancelLook?.();
    for (const cancel of [...this.#ended.values(), ...this.#retries.values()]) cancel();
    this.#ended.clear();
    this.#retries.clear();
  }

  /** As soon as nobody has the tab's lock; not at all with `ifAvailable` when somebody does. */
  async #takeOver(tab: string, how: { readonly signal?: AbortSignal; readonly ifAvailable?: boolean }): Promise<void> {
    const { name, locks } = this.#options;
    const release = await locks.request(tabLockName(name, tab), how).catch(() => undefined); // Stopped, or no locks.
    if (release === undefined) return;
    try {
      await this.#finish(tab);
    } catch {
      // Storage failed, which is told where it did: what is left stays where it is.
      this.#tryAgain(tab);
    } finally {
      release();
    }
  }

  async #finish(tab: string): Promise<void> {
    const { outbox, commit, report } = this.#options;
    const left = (await outbox.read()).filter((write) => write.tab === tab);
    // All at once: they go to storage together, and in their order all the same.
    const outcomes = await Promise.allSettled(left.map((write) => this.#commit(write, commit)));
    const failures = outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason : undefined));
    const unstored = failures.find((reason) => reason !== undefined && isForLater(reason));
    if (unstored !== undefined || this.#stopping.signal.aborted) throw unstored ?? new Error("stopped");
    for (const [i, reason] of failures.entries()) {
      if (reason !== undefined) report(asTidemarkError(reason), left[i] as OutboxWrite);
    }
    const last = left.at(-1);
    if (last !== undefined) await outbox.clear(tab, last.number);
    this.#leave(tab);
  }

  async #commit({ tab, number, edit }: OutboxWrite, commit: EndedTabsOptions["commit"]): Promise<void> {
    if (edit !== undefined) await commit(edit, { tab, number, settledBelow: 0 });
  }

  /** A tab that was never served here can end as well: nothing but what it left tells of it. */
  #lookLater(): void {
    if (this.#stopping.signal.aborted) return;
    this.#cancelLook = this.#options.clock.after(outboxRetryMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    for (const { tab } of await this.#read()) if (!this.#retries.has(tab)) this.watch(tab);
    this.#lookLater();
  }

  #leave(tab: string): void {
    const { clock, writes } = this.#options;
    this.#return(tab);
    const lastMs = writes.tabs().find((each) => each.tab === tab)?.lastMs;
    if (lastMs === undefined || this.#stopping.signal.aborted) return;
    const afterMs = Math.min(endedTabKeptMs, Math.max(0, lastMs + endedTabKeptMs - clock.now()));
    this.#ended.set(
      tab,
      clock.after(afterMs, () => this.#forget(tab)),
    );
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= endedTabsMax) break;
      this.#forget(oldest);
    }
  }

  #return(tab: string): void {
    this.#ended.get(tab)?.();
    this.#ended.delete(tab);
  }

  #forget(tab: string): void {
    this.#return(tab);
    this.#options.writes.forget(tab).catch(() => {}); // The next leader finds it again.
  }

  #tryAgain(tab: string): void {
    // Beyond that what is left is found when the outbox is looked at again.
    const isFull = this.#retries.size >= endedTabsMax;
    if (this.#stopping.signal.aborted || this.#retries.has(tab) || isFull) return;
    const again = (): void => {
      this.#retries.delete(tab);
      this.watch(tab);
    };
    this.#retries.set(tab, this.#options.clock.after(outboxRetryMs, again));
  }

  /** Without an outbox there is nothing to be done. */
  #read(): Promise<readonly OutboxWrite[]> {
    return this.#options.outbox.read().catch(() => []);
  }
}

/** What an edit lost its place by: told to the app. */
export function editLost({ edit }: OutboxWrite, { code }: TidemarkError): TidemarkError {
  return new TidemarkError("EDIT_LOST", { database: edit?.database ?? "", code });
}

/** The edit itself may be good: storage takes nothing just now, or the engine ends. */
function isForLater(reason: unknown): boolean {
  const { code } = asTidemarkError(reason);
  return code.startsWith("STORAGE_") || code === "INSTANCE_CLOSED";
}
