/** The other tabs that a leader knows: who they are, until they end. */
import { tabsMax } from "../core/limits.ts";
import type { Locks } from "../ports/tabs.ts";
import { type Build, compareBuilds } from "./build.ts";
import type { TabFacts } from "./messages.ts";
import { candidateLockName } from "./names.ts";

export interface KnownTabsOptions {
  readonly name: string;
  readonly locks: Locks;
  /** The first came, or the last went. */
  readonly changed: () => void;
}

export class KnownTabs {
  readonly #options: KnownTabsOptions;
  readonly #tabs = new Map<string, TabFacts>();
  readonly #ended = new AbortController();

  constructor(options: KnownTabsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#tabs.size;
  }

  hear({ tab, build, visible }: TabFacts): void {
    const isKnown = this.#tabs.has(tab);
    if (this.#ended.signal.aborted || (!isKnown && this.#tabs.size >= tabsMax)) return;
    this.#tabs.set(tab, { tab, build, visible });
    if (isKnown) return;
    void this.#forgetWhenGone(tab);
    if (this.#tabs.size === 1) this.#options.changed();
  }

  /** A tab that people see and that works with this build. */
  visible(build: Build): string | undefined {
    for (const facts of this.#tabs.values()) {
      if (facts.visible && compareBuilds(facts.build, build) === 0) return facts.tab;
    }
    return undefined;
  }

  /** Waits for nobody any more. */
  end(): void {
    this.#ended.abort();
    this.#tabs.clear();
  }

  async #forgetWhenGone(tab: string): Promise<void> {
    const { name, locks, changed } = this.#options;
    const release = await locks
      .request(candidateLockName(name, tab), { signal: this.#ended.signal })
      .catch(() => undefined); // Ended.
    release?.();
    if (this.#tabs.delete(tab) && this.#tabs.size === 0) changed();
  }
}
