/**
 * Entries that cannot enter the graph yet: something they follow is missing, or their time has not come.
 *
 * [PENDING-1] At most `pendingEntriesMax` entries and `pendingBytesMax` bytes of memory wait; what does not fit is refused
 *             with ENTRY_PENDING_FULL and comes again with a later sync.
 * [PENDING-2] An entry leaves when the last entry it waits for is accepted, or with every dependent when that one is refused.
 * [PENDING-3] Authors who may not write, as far as is known here, fill at most a quarter of it.
 * [PENDING-4] An entry whose time has not come leaves when it has, earliest first.
 * [PENDING-5] What waits vouches for its own `prev`, for nothing else, and not for another author's.
 * [PENDING-6] What something stands on that waits is known, however far below.
 *
 * Only vouched entries wait. Any key can sign, hence PENDING-3.
 */
import type { HybridTime } from "./clock.ts";
import type { Entry, VouchedEntry } from "./entry.ts";
import type { EntryId, PublicKey } from "./ids.ts";
import { pendingBytesMax, pendingEntriesMax } from "./limits.ts";

/** How much of the room is for authors who may not write here. */
const strangersShare = 1 / 4;

interface Waiting {
  readonly entry: VouchedEntry;
  readonly missing: Set<EntryId>;
  readonly isKnown: boolean;
}

/** How many entries wait, and the bytes they keep in memory. */
class Load {
  entries = 0;
  bytes = 0;

  fits(entry: Entry, share: number): boolean {
    return this.entries < share * pendingEntriesMax && this.bytes + memoryOf(entry) <= share * pendingBytesMax;
  }

  add(entry: Entry): void {
    this.entries += 1;
    this.bytes += memoryOf(entry);
  }

  remove(entry: Entry): void {
    this.entries -= 1;
    this.bytes -= memoryOf(entry);
  }
}

export class Pending {
  readonly #waiting = new Map<EntryId, Waiting>();
  readonly #dependents = new Map<EntryId, Set<EntryId>>();
  readonly #early = new Map<EntryId, VouchedEntry>();
  readonly #load = new Load();
  readonly #strangersLoad = new Load();

  get size(): number {
    return this.#load.entries;
  }

  /** Of memory. */
  get bytes(): number {
    return this.#load.bytes;
  }

  has(id: EntryId): boolean {
    return this.#waiting.has(id) || this.#early.has(id);
  }

  /** What waits for `id`. */
  dependentsOf(id: EntryId): readonly VouchedEntry[] {
    const ids = [...(this.#dependents.get(id) ?? [])];
    return ids.map((dependent) => this.#waiting.get(dependent)?.entry).filter((entry) => entry !== undefined);
  }

  /** Whether an entry that waits names `id` as its `prev`: then its author vouches for `id` by hash. */
  vouchesFor(id: EntryId, author: PublicKey): boolean {
    return this.dependentsOf(id).some((entry) => entry.prev === id && entry.author === author);
  }

  /**
   * Lets an entry wait for the ids it misses, if there is room. `isKnown`: its author may write, as far as is known here.
   */
  wait(entry: VouchedEntry, missing: readonly EntryId[], isKnown: boolean): boolean {
    if (!this.#load.fits(entry, 1) || !(isKnown || this.#strangersLoad.fits(entry, strangersShare))) return false;
    const kept = withOwnBytes(entry);
    this.#waiting.set(entry.id, { entry: kept, missing: new Set(missing), isKnown });
    this.#load.add(kept);
    if (!isKnown) this.#strangersLoad.add(kept);
    for (const id of missing) {
      const dependents = this.#dependents.get(id) ?? new Set();
      this.#dependents.set(id, dependents.add(entry.id));
    }
    return true;
  }

  /** Lets an entry wait for its time, if there is room. It was judged already, so its author may write. */
  holdBack(entry: VouchedEntry): boolean {
    if (!this.#load.fits(entry, 1)) return false;
    const kept = withOwnBytes(entry);
    this.#early.set(entry.id, kept);
    this.#load.add(kept);
    return true;
  }

  /** The earliest time among the entries that wait for theirs. */
  get earliest(): HybridTime | undefined {
    let earliest: HybridTime | undefined;
    for (const { time } of this.#early.values()) if (earliest === undefined || time < earliest) earliest = time;
    return earliest;
  }

  /** How many wait for their time. */
  get earlyCount(): number {
    return this.#early.size;
  }

  /** The latest time among the entries that wait for theirs. */
  get latest(): HybridTime | undefined {
    let latest: HybridTime | undefined;
    for (const { time } of this.#early.values()) if (latest === undefined || time > latest) latest = time;
    return latest;
  }

  /** Takes out the entries whose time is `time` or earlier, earliest first. */
  takeEarly(time: HybridTime): readonly VouchedEntry[] {
    const due = [...this.#early.values()].filter((entry) => entry.time <= time);
    for (const entry of due) {
      this.#early.delete(entry.id);
      this.#load.remove(entry);
    }
    return due.sort((a, b) => a.time - b.time || (a.id < b.id ? -1 : 1));
  }

  /** Takes out the entries for which `id` was the last missing one. */
  takeReady(id: EntryId): readonly VouchedEntry[] {
    const ready: VouchedEntry[] = [];
    for (const dependent of this.#dependents.get(id) ?? []) {
      const waiting = this.#waiting.get(dependent);
      waiting?.missing.delete(id);
      if (waiting?.missing.size === 0) ready.push(this.#remove(waiting));
    }
    this.#dependents.delete(id);
    return ready;
  }

  /** Whether anything that waits, and whose author `mayWrite`, stands on one of some ids, however far above. */
  isAwaited(ids: Iterable<EntryId>, mayWrite: (author: PublicKey) => boolean): boolean {
    const seen = new Set<EntryId>(ids);
    for (const each of seen) {
      for (const dependent of this.dependentsOf(each)) {
        if (mayWrite(dependent.author)) return true;
        seen.add(dependent.id);
      }
    }
    return false;
  }

  /** Takes out everything that waits for `id`, and what waits for that, and so on. */
  takeDependents(id: EntryId): readonly VouchedEntry[] {
    const taken: VouchedEntry[] = [];
    const lost = [id];
    for (let each = lost.pop(); each !== undefined; each = lost.pop()) {
      for (const dependent of this.#dependents.get(each) ?? []) {
        const waiting = this.#waiting.get(dependent);
        if (waiting === undefined) continue;
        taken.push(this.#remove(waiting));
        lost.push(dependent);
      }
      this.#dependents.delete(each);
    }
    return taken;
  }

  /** Up to `max` of the ids that are waited for and not here, leaving out the first `from`. */
  missing(from: number, max: number): readonly EntryId[] {
    const ids: EntryId[] = [];
    let at = 0;
    for (const id of this.#dependents.keys()) {
      if (ids.length >= max) break;
      if (!this.has(id) && at++ >= from) ids.push(id);
    }
    return ids;
  }

  #remove({ entry, missing, isKnown }: Waiting): VouchedEntry {
    this.#waiting.delete(entry.id);
    this.#load.remove(entry);
    if (!isKnown) this.#strangersLoad.remove(entry);
    for (const id of missing) {
      const dependents = this.#dependents.get(id);
      dependents?.delete(entry.id);
      if (dependents?.size === 0) this.#dependents.delete(id);
    }
    return entry;
  }
}

/** Payloads count twice: they are views into other bytes than the entry's own. */
function memoryOf(entry: Entry): number {
  return entry.stores.reduce((sum, { payload }) => sum + payload.length, entry.bytes.length);
}

/** A waiting entry keeps its own bytes, not the whole batch that it came in. */
function withOwnBytes(entry: VouchedEntry): VouchedEntry {
  const stores = entry.stores.map((part) => ({ ...part, payload: part.payload.slice() }));
  return { ...entry, bytes: entry.bytes.slice(), stores };
}
