/**
 * Entries that cannot enter the graph yet: something they follow is missing, or their time has not come.
 *
 * [PENDING-1] At most `pendingEntriesMax` entries and `pendingBytesMax` bytes wait; what does not fit is refused with
 *             ENTRY_PENDING_FULL and comes again with a later sync.
 * [PENDING-2] An entry leaves when the last entry it waits for is accepted, or with every dependent when that one is refused.
 *
 * Only vouched entries wait, so filling the set takes a signing key, and what waits vouches for its own `prev`.
 */
import { type Entry, follows, type VouchedEntry } from "./entry.ts";
import type { EntryId, PublicKey } from "./ids.ts";
import { pendingBytesMax, pendingEntriesMax } from "./limits.ts";

interface Waiting {
  readonly entry: VouchedEntry;
  readonly missing: Set<EntryId>;
}

export class Pending {
  readonly #waiting = new Map<EntryId, Waiting>();
  readonly #dependents = new Map<EntryId, Set<EntryId>>();
  readonly #early = new Map<EntryId, VouchedEntry>();
  #bytes = 0;

  get size(): number {
    return this.#waiting.size + this.#early.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(id: EntryId): boolean {
    return this.#waiting.has(id) || this.#early.has(id);
  }

  /** Whether an entry that waits names `id` as its `prev`: then its author vouches for `id` by hash. */
  vouchesFor(id: EntryId, author: PublicKey): boolean {
    for (const dependent of this.#dependents.get(id) ?? []) {
      const entry = this.#waiting.get(dependent)?.entry;
      if (entry !== undefined && entry.prev === id && entry.author === author) return true;
    }
    return false;
  }

  hasRoomFor(entry: Entry): boolean {
    return this.size < pendingEntriesMax && this.#bytes + entry.bytes.length <= pendingBytesMax;
  }

  /** Lets an entry wait for the ids it misses. The caller has asked `hasRoomFor`. */
  wait(entry: VouchedEntry, missing: readonly EntryId[]): void {
    this.#waiting.set(entry.id, { entry: withOwnBytes(entry), missing: new Set(missing) });
    this.#bytes += entry.bytes.length;
    for (const id of missing) {
      const dependents = this.#dependents.get(id) ?? new Set();
      dependents.add(entry.id);
      this.#dependents.set(id, dependents);
    }
  }

  /** Lets an entry wait for its time. The caller has asked `hasRoomFor`. */
  holdBack(entry: VouchedEntry): void {
    this.#early.set(entry.id, withOwnBytes(entry));
    this.#bytes += entry.bytes.length;
  }

  /** Takes out the entries whose time may have come: all of them, to be judged again. */
  takeEarly(): readonly VouchedEntry[] {
    const early = [...this.#early.values()];
    this.#early.clear();
    for (const entry of early) this.#bytes -= entry.bytes.length;
    return early;
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

  /** The ids that are waited for and not themselves waiting, at most `max`. */
  missing(max: number): readonly EntryId[] {
    const ids: EntryId[] = [];
    for (const id of this.#dependents.keys()) {
      if (ids.length >= max) break;
      if (!this.has(id)) ids.push(id);
    }
    return ids;
  }

  #remove({ entry, missing }: Waiting): VouchedEntry {
    this.#waiting.delete(entry.id);
    this.#bytes -= entry.bytes.length;
    for (const id of missing) {
      const dependents = this.#dependents.get(id);
      dependents?.delete(entry.id);
      if (dependents?.size === 0) this.#dependents.delete(id);
    }
    return entry;
  }
}

/** A waiting entry keeps its own bytes, not the whole batch that it came in; else `bytes` would count too little. */
function withOwnBytes(entry: VouchedEntry): VouchedEntry {
  return entry.bytes.byteLength === entry.bytes.buffer.byteLength ? entry : { ...entry, bytes: entry.bytes.slice() };
}

/** The ids among what an entry follows for which `isHeld` is false. */
export function missingFor(entry: Entry, isHeld: (id: EntryId) => boolean): readonly EntryId[] {
  return follows(entry).filter((id) => !isHeld(id));
}
