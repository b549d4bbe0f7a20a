/**
 * The lock that a page has as long as it can run: who has it instead knows that the page is gone, and that nobody else does what it left.
 *
 * [CLIENT-53] A page that is back takes its lock after six seconds, whoever keeps it.
 *
 * Deliberately not here: when a page counts as gone.
 */
import { tabLockTimeoutMs } from "../core/limits.ts";
import type { Locks } from "../ports/tabs.ts";

export interface PageLockOptions {
  readonly name: string;
  /** Undefined where there are none. */
  readonly locks: Locks | undefined;
  /** Asked when it was got: it may not be wanted any more. */
  readonly isWanted: () => boolean;
  /** It was taken away, and is held again. */
  readonly regained: () => void;
}

export class PageLock {
  readonly #options: PageLockOptions;
  #release: (() => void) | undefined;

  constructor(options: PageLockOptions) {
    this.#options = options;
  }

  /** Resolves when it is held, is not wanted, or cannot be had. */
  async hold(): Promise<void> {
    if (this.#release !== undefined) return;
    const release = await this.#ask().catch(() => undefined); // There are no locks here.
    if (this.#options.isWanted()) this.#release = release;
    else release?.();
  }

  letGo(): void {
    this.#release?.();
    this.#release = undefined;
  }

  /** A leader that was frozen while it had the lock would keep it for ever. */
  async #ask(): Promise<(() => void) | undefined> {
    const { locks, name } = this.#options;
    const lost = (): void => void this.#taken();
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), tabLockTimeoutMs);
    try {
      return await locks?.request(name, { lost, signal: late.signal });
    } catch (error) {
      if (!late.signal.aborted) throw error;
      return await locks?.request(name, { lost, steal: true });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Without Web Locks a page that is silent for seconds is taken for gone. */
  async #taken(): Promise<void> {
    this.#release = undefined;
    if (!this.#options.isWanted()) return;
    await this.hold();
    this.#options.regained();
  }
}
