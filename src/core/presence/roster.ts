/**
 * The pages that are known to be there in one database, or to be gone.
 *
 * [PRESENCE-4] Of two announcements of a page the one with the higher counter holds, whichever came first; the same one again changes nothing.
 * [PRESENCE-5] A page is there for as long as its latest announcement holds, at most 60 s from when it was sent: clocks that differ change nothing
 *   about that, because whoever passes it on says how old it is.
 * [PRESENCE-6] What is gone is remembered for as long as it could come again: an announcement whose time is further than 10 minutes from this
 *   device's clock is not taken.
 * [PRESENCE-7] At most 8 pages of a key and 1,000 of a database are kept. One more takes the place of one that is gone, or else of the one
 *   that has missed its turn to say that it is there; when there is none it is not taken.
 *
 * `judge` comes before the signature is checked, `take` after it. Times are this device's, and only go forward as far as its clock does.
 */
import { presenceBeatMs, presencePagesMax, presencePagesPerKeyMax, presenceSkewMsMax } from "../limits.ts";
import type { JsonValue } from "../store/values.ts";
import { type Announcement, type Origin, originOf } from "./announcement.ts";

/** new: it is to be checked, and taken. same: it is known. none of the others is taken. */
export type Verdict = "new" | "same" | "old" | "untimely" | "over" | "full";

export interface Seen {
  readonly announcement: Announcement;
  /** Undefined while it cannot be opened, or when the page is gone. */
  readonly state: JsonValue | undefined;
  /** When it would have been sent by this device's clock, as those say who passed it on. */
  readonly sentHereMs: number;
  /** When it came. */
  readonly arrivedMs: number;
  /** Of this device: nothing takes its place while it is there. */
  readonly isOwn: boolean;
}

export class Roster {
  readonly #seen = new Map<Origin, Seen>();
  readonly #countByKey = new Map<string, number>();

  /** Those that are kept, gone or not. */
  get size(): number {
    return this.#seen.size;
  }

  get(origin: Origin): Seen | undefined {
    return this.#seen.get(origin);
  }

  /** Those that are there. */
  *there(nowMs: number): Generator<readonly [Origin, Seen]> {
    for (const [origin, seen] of this.#seen) if (isThere(seen, nowMs)) yield [origin, seen];
  }

  /** `ageMs`: how long ago it was sent, as whoever passed it on says. Changes nothing. */
  judge(announcement: Announcement, ageMs: number, nowMs: number): Verdict {
    const { counter, sentMs, lifeMs } = announcement;
    if (Math.abs(sentMs - nowMs) > presenceSkewMsMax) return "untimely";
    const known = this.#seen.get(originOf(announcement));
    if (known !== undefined && counter <= known.announcement.counter)
      return counter === known.announcement.counter ? "same" : "old";
    if (ageMs >= lifeMs) return "over";
    return known !== undefined || this.#hasRoom(announcement.author, nowMs) ? "new" : "full";
  }

  /** Of what `judge` calls new, and of our own pages in any case. */
  take(seen: Seen, nowMs: number): void {
    const { announcement } = seen;
    const origin = originOf(announcement);
    if (!this.#seen.has(origin) && !seen.isOwn) this.#makeRoom(announcement.author, nowMs);
    // Behind the others: what was heard of last is the last to give way.
    this.delete(origin);
    this.#seen.set(origin, seen);
    this.#count(announcement.author, 1);
  }

  /** One that could not be opened before. */
  open(origin: Origin, state: JsonValue): void {
    const seen = this.#seen.get(origin);
    if (seen !== undefined) this.#seen.set(origin, { ...seen, state });
  }

  delete(origin: Origin): void {
    const seen = this.#seen.get(origin);
    if (seen === undefined) return;
    this.#seen.delete(origin);
    this.#count(seen.announcement.author, -1);
  }

  /** Forgets what cannot come again. */
  forget(nowMs: number): void {
    for (const [origin, seen] of this.#seen)
      if (!isThere(seen, nowMs) && isForgettable(seen, nowMs)) this.delete(origin);
  }

  #hasRoom(author: string, nowMs: number): boolean {
    if ((this.#countByKey.get(author) ?? 0) >= presencePagesPerKeyMax)
      return this.#leastOf(nowMs, author) !== undefined;
    return this.#seen.size < presencePagesMax || this.#leastOf(nowMs) !== undefined;
  }

  #makeRoom(author: string, nowMs: number): void {
    if ((this.#countByKey.get(author) ?? 0) >= presencePagesPerKeyMax) this.#drop(this.#leastOf(nowMs, author));
    if (this.#seen.size >= presencePagesMax) this.#drop(this.#leastOf(nowMs));
  }

  #drop(origin: Origin | undefined): void {
    if (origin !== undefined) this.delete(origin);
  }

  /** The first that is gone, else the first that has missed its turn, of one key or of all. */
  #leastOf(nowMs: number, author?: string): Origin | undefined {
    let late: Origin | undefined;
    for (const [origin, seen] of this.#seen) {
      if (author !== undefined && seen.announcement.author !== author) continue;
      if (!isThere(seen, nowMs)) return origin;
      if (!seen.isOwn && nowMs - seen.arrivedMs > 1.5 * presenceBeatMs) late ??= origin;
    }
    return late;
  }

  #count(author: string, by: number): void {
    const count = (this.#countByKey.get(author) ?? 0) + by;
    if (count === 0) this.#countByKey.delete(author);
    else this.#countByKey.set(author, count);
  }
}

/** When the page of it is taken to be gone. */
function endsMs({ announcement, sentHereMs }: Pick<Seen, "announcement" | "sentHereMs">): number {
  return sentHereMs + announcement.lifeMs;
}

export function isThere(seen: Seen, nowMs: number): boolean {
  return seen.announcement.content.length > 0 && nowMs < endsMs(seen);
}

function isForgettable({ announcement }: Seen, nowMs: number): boolean {
  return nowMs - announcement.sentMs > presenceSkewMsMax;
}
