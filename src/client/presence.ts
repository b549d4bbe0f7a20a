/**
 * Who is in a database right now: what pages say of themselves to everybody who may read it. Nothing of it is stored.
 *
 * [PRESENCE-14] What a page says goes through whoever leads, and is said again to each new leader. A page that goes says so where it can; else it is gone
 *   when what it said last is over.
 */
import { type DatabaseId, encodeHex, type PublicKey } from "../core/ids.ts";
import { encodePresenceState } from "../core/presence/announcement.ts";
import type { JsonValue } from "../core/store/values.ts";
import type { WorkerEvent } from "../worker/api.ts";
import { assertFunction } from "./input.ts";
import { isInterruption, type Line } from "./line.ts";
import { callSafely, reportUncaught, type Stop } from "./listeners.ts";

type PresenceEvent = Extract<WorkerEvent, { readonly type: "presence" }>;
type PresentPage = Exclude<PresenceEvent["pages"][number][1], undefined>;

/** A page that is there. */
export interface PresenceMember {
  /** The key that it takes part in the database with: it has signed this. */
  readonly key: PublicKey;
  /** Tells pages of one key apart: 32 hex digits, drawn anew whenever a page is loaded. */
  readonly page: string;
  /** What it says of itself. From another device: check its form. */
  readonly state: JsonValue;
  /** This page. */
  readonly isSelf: boolean;
}

export class Presence {
  readonly #database: DatabaseId;
  readonly #line: Line;
  readonly #page: string = encodeHex(crypto.getRandomValues(new Uint8Array(16)));
  readonly #members = new Map<string, PresenceMember>();
  readonly #listeners = new Set<(members: readonly PresenceMember[]) => void>();
  #state: Uint8Array | undefined;
  #turn = 0;
  #stopSaying: Stop | undefined;
  #stopWatching: Stop | undefined;
  /** Whether a leader has told who is there. */
  #isTold = false;

  /** For `Database`. */
  constructor(database: DatabaseId, line: Line) {
    this.#database = database;
    this.#line = line;
  }

  /**
   * Says this of the page to everybody who may read the database, from now on: a name, a cursor, a selection. It takes the place of what was said before, and
   * is sent ten times a second at most, the newest alone. JSON and bytes, at most 4 KiB encoded. The page is gone for others at once after `clear`,
   * when it is closed, and half a minute after its device is gone. Others see it as long as this device may read. Throws INPUT_INVALID.
   *
   * @example
   * db.presence.set({ name: "Ada", cursor: { note: "n1", at: 17 } });
   */
  set(state: JsonValue): void {
    const bytes = encodePresenceState(state);
    this.#state = bytes;
    if (this.#stopSaying !== undefined) return this.#say();
    this.#stopSaying = this.#line.stand(() => {
      this.#turn += 1;
      this.#say();
    });
  }

  /** The page is gone for others, until the next `set`. */
  clear(): void {
    if (this.#stopSaying === undefined) return;
    this.#stopSaying();
    this.#stopSaying = undefined;
    this.#state = undefined;
    this.#say();
  }

  /** Everybody who is there now, this page among them when it has said something, in the order of their keys. */
  async members(): Promise<readonly PresenceMember[]> {
    const pages = await this.#line.call("presence.members", (api) => api.presence(this.#database));
    return pages.map((page) => this.#memberOf(page)).sort(compareMembers);
  }

  /** Calls `listener` with everybody who is there: first as it is, then after every change, 20 times a second at most. */
  subscribe(listener: (members: readonly PresenceMember[]) => void): Stop {
    assertFunction(listener, "listener");
    const own = (members: readonly PresenceMember[]): void => listener(members);
    this.#listeners.add(own);
    this.#watch();
    if (this.#isTold) queueMicrotask(() => this.#listeners.has(own) && callSafely(own, this.#sorted()));
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.#unwatch();
    };
  }

  /** For `Instance`: an event of the worker. */
  take({ all, pages }: PresenceEvent): void {
    if (this.#stopWatching === undefined) return;
    if (all) this.#members.clear();
    this.#isTold = true;
    for (const [origin, page] of pages) {
      if (page === undefined) this.#members.delete(origin);
      else this.#members.set(origin, this.#memberOf(page));
    }
    const members = this.#sorted();
    for (const listener of [...this.#listeners]) callSafely(listener, members);
  }

  #say(): void {
    const [turn, state] = [this.#turn, this.#state];
    // Closed, or the database is gone: there is nobody to be told.
    this.#line.send((api) => api.setPresence(this.#database, this.#page, turn, state));
  }

  #watch(): void {
    this.#stopWatching ??= this.#line.stand(({ api }) => {
      api.watchPresence(this.#database, true).catch((error: unknown) => {
        if (!isInterruption(error)) reportUncaught(error);
      });
    });
  }

  #unwatch(): void {
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    this.#isTold = false;
    this.#members.clear();
    this.#line.send((api) => api.watchPresence(this.#database, false));
  }

  #sorted(): readonly PresenceMember[] {
    return [...this.#members.values()].sort(compareMembers);
  }

  #memberOf({ key, page, state }: PresentPage): PresenceMember {
    return { key, page, state, isSelf: page === this.#page };
  }
}

function compareMembers(a: PresenceMember, b: PresenceMember): number {
  const [left, right] = [a.key + a.page, b.key + b.page];
  return left < right ? -1 : left > right ? 1 : 0;
}
