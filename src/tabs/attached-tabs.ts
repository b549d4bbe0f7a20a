/**
 * The pages that a leader serves, each on a channel of its own.
 *
 * [TABS-19] There are at most `tabsMax`; who asks beyond that is told.
 * [TABS-12] A page is let go when it says so, or when the lock is free that it holds while it is there.
 */
import { tabsMax } from "../core/limits.ts";
import type { Channels, Locks, TabChannel } from "../ports/tabs.ts";
import { pairChannelName, tabLockName } from "./names.ts";
import type { Leading } from "./tab-state.ts";

export interface AttachedTabsOptions {
  readonly name: string;
  readonly lead: string;
  readonly locks: Locks;
  readonly channels: Channels;
  readonly leading: Leading;
  /** The tab asked in vain: there are too many. */
  readonly refused: (tab: string) => void;
}

interface Attached {
  readonly channel: TabChannel;
  readonly left: AbortController;
}

export class AttachedTabs {
  readonly #options: AttachedTabsOptions;
  readonly #tabs = new Map<string, Attached>();

  constructor(options: AttachedTabsOptions) {
    this.#options = options;
  }

  /** A page that is attached already begins anew. */
  attach(tab: string): void {
    this.detach(tab);
    if (this.#tabs.size >= tabsMax) return this.#options.refused(tab);
    const { name, lead, channels, leading } = this.#options;
    const attached = { channel: channels.open(pairChannelName(name, lead, tab)), left: new AbortController() };
    this.#tabs.set(tab, attached);
    leading.attach(tab, attached.channel);
    void this.#detachWhenGone(tab, attached);
  }

  detach(tab: string): void {
    const attached = this.#tabs.get(tab);
    if (attached === undefined) return;
    this.#tabs.delete(tab);
    attached.left.abort();
    this.#options.leading.detach(tab);
    attached.channel.close();
  }

  /** The engine has stopped: it needs not be told of each. */
  end(): void {
    for (const { channel, left } of this.#tabs.values()) {
      left.abort();
      channel.close();
    }
    this.#tabs.clear();
  }

  async #detachWhenGone(tab: string, attached: Attached): Promise<void> {
    const { name, locks } = this.#options;
    const release = await locks
      .request(tabLockName(name, tab), { signal: attached.left.signal })
      .catch(() => undefined); // Left before.
    release?.();
    if (this.#tabs.get(tab) === attached) this.detach(tab);
  }
}
