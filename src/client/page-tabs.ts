/** What a page shares with the other tabs of the instance, by whatever the browser has for it. */
import { platformRandom } from "../crypto/random.ts";
import type { Channels, Locks } from "../ports/tabs.ts";
import { AskedLocks } from "../tabs/asked-lock.ts";
import { openBroadcast } from "../tabs/broadcast.ts";
import { openWebLocks } from "../tabs/web-locks.ts";
import { systemClock } from "../worker/clock.ts";

export interface PageTabs {
  /** Undefined where there are none: then one tab has the instance. */
  readonly locks: Locks | undefined;
  /** Undefined where tabs cannot hear each other: the same. */
  readonly channels: Channels | undefined;
  close(): void;
}

export function openPageTabs(name: string): PageTabs {
  const channels = openBroadcast();
  const locks = openWebLocks();
  if (locks !== undefined || channels === undefined) return { locks, channels, close: () => {} };
  const asked = new AskedLocks({ name, channels, clock: systemClock, random: platformRandom });
  return { locks: asked, channels, close: () => asked.close() };
}
