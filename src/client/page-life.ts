/**
 * A page through what its browser does with it: what it keeps when it may end, what it lets go when it stops, and how it comes back.
 *
 * [CLIENT-30] A page that goes leaves its edits without an answer in the outbox; one that comes back asks again for every write, whoever has done it.
 * [CLIENT-41] A page that is frozen or cached is served by nobody until it is back.
 * [DELETION-8] A page that comes back after the instance was wiped begins no new one: it ends, as those did that ran.
 *
 * Deliberately not here: which events say so (lifecycle.ts), and who serves the page (attachment.ts).
 */
import { endedTabKeptMs } from "../core/limits.ts";
import type { Locks } from "../ports/tabs.ts";
import { Outbox } from "../storage/outbox.ts";
import { isDeleted } from "../storage/wipe.ts";
import { tabLockName } from "../tabs/names.ts";
import type { TabApi } from "../worker/api.ts";
import type { LeaderLine } from "./leader-line.ts";
import type { LifecycleListener } from "./lifecycle.ts";
import { PageLock } from "./page-lock.ts";

export interface PageLifeOptions {
  /** Of the instance. */
  readonly name: string;
  readonly tab: string;
  readonly locks: Locks | undefined;
  readonly line: LeaderLine;
  /** To the own worker; what it answers is told by events. */
  readonly tell: (run: (api: TabApi) => Promise<unknown>) => void;
  /** The instance was opened, and is on the disk. */
  readonly isStored: () => boolean;
  /** What is left of the page is not its own business any more. */
  readonly isClosing: () => boolean;
  /** Nobody is to serve the page. */
  readonly left: () => void;
  readonly wiped: () => void;
  /** Others took the page for gone, and heard that it is not: whoever served it may have stopped. */
  readonly mistaken: () => void;
}

export class PageLife implements LifecycleListener {
  /** What this page keeps by itself. */
  readonly outbox: Outbox;
  readonly #options: PageLifeOptions;
  readonly #lock: PageLock;
  #isCached = false;
  /** Since when nothing of the page runs, in milliseconds since 1970. */
  #suspendedMs: number | undefined;
  /** It was said just now that the page may end. */
  #isLeaving = false;
  #returning: Promise<void> = Promise.resolve();
  #isEnded = false;

  constructor(options: PageLifeOptions) {
    const { name, tab, locks, mistaken } = options;
    this.#options = options;
    this.outbox = new Outbox(name, tab);
    this.#lock = new PageLock({
      name: tabLockName(name, tab),
      locks,
      isWanted: () => !this.#isCached && !this.#isEnded,
      regained: mistaken,
    });
  }

  /** Resolves when others can see that the page is there. */
  begin(): Promise<void> {
    return this.#lock.hold();
  }

  /** The page asks for a write. What others write as they hear that the page may end is kept too. */
  wrote(): void {
    if (this.#isLeaving) this.#putAway();
    else this.outbox.warm();
  }

  keep(): void {
    this.#putAway();
    this.#isLeaving = true;
    setTimeout(() => {
      this.#isLeaving = false;
      if (this.#suspendedMs !== undefined) this.outbox.rest();
    });
  }

  visible(on: boolean): void {
    this.#options.tell((api) => api.setVisible(on));
  }

  /** `cached`: others may take over what it has left. */
  suspend(cached: boolean): void {
    const { line, left, tell } = this.#options;
    this.keep();
    line.hold();
    left();
    tell((api) => api.suspend());
    this.#suspendedMs = Date.now();
    this.#isCached = cached;
    if (cached) this.#lock.letGo();
  }

  /** Nobody else is to wait for it. */
  freeze(): void {
    this.outbox.rest();
  }

  /** Resolves when the page may be served again. */
  resume(): Promise<void> {
    const awayMs = Date.now() - (this.#suspendedMs ?? Date.now());
    // Leaders took it for gone, and remember what it wrote for twice as long.
    const isForgotten = (this.#isCached || !hasWebLocks()) && awayMs > endedTabKeptMs / 2;
    if (isForgotten) this.#options.line.interruptWrites();
    this.#suspendedMs = undefined;
    this.#isCached = false;
    this.#returning = this.#returning.then(() => this.#return());
    return this.#returning;
  }

  end({ isWiped }: { readonly isWiped: boolean }): void {
    this.#isEnded = true;
    if (isWiped) this.outbox.discard();
    else this.outbox.close();
    this.#lock.letGo();
  }

  async #return(): Promise<void> {
    const { name, line, tell, isStored, isClosing, wiped } = this.#options;
    // Whoever is doing what we left behind has the lock.
    await this.#lock.hold();
    // Nobody told a page that was frozen. Its worker must not lead before this is known: it would make what is gone anew.
    const isWiped = isStored() && (await isDeleted(name));
    // What a page that closes leaves is for whoever leads next.
    if (this.#suspendedMs !== undefined || isClosing()) return;
    if (isWiped) return wiped();
    this.outbox.doubt();
    if (line.isWaiting) this.outbox.warm();
    tell((api) => api.resume());
  }

  #putAway(): void {
    this.outbox.put(this.#options.line.openEdits());
  }
}

/** Without them, who is silent holds nothing. */
function hasWebLocks(): boolean {
  return (navigator.locks as LockManager | undefined) !== undefined;
}
