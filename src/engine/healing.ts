/**
 * Gets back what the disk lost: entries whose bytes are damaged are asked for from peers, and put back where they were.
 *
 * [STORAGE-26] When an entry cannot be read the whole log is gone through, what can be salvaged is put back at once, and what is damaged
 *              itself is asked for: at once, then after pauses, at most `wantsMax` ids at a time, in turns, until it came.
 * [STORAGE-27] An entry is taken when its id is that of a damaged one. Its id is the hash of all its bytes, so nothing else is proved.
 *
 * What is readable is served meanwhile; a damaged entry never is, as everything that is read is checked against its id.
 */
import type { Entry } from "../core/entry.ts";
import { asTidemarkError, TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { EntryId } from "../core/ids.ts";
import { wantsMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { ReplacedEntry } from "../ports/storage.ts";
import { type Found, isCorrupt, type StoredLog, scanLog } from "./log-scan.ts";
import { Repair } from "./repair.ts";

/** A scan reads and hashes the whole log: a peer that provokes one must not get another each time. */
const scanPauseMs = 60_000;

export type HealingEvent =
  /** Entries that are gone here and asked for, besides those that were reported before. */
  | { readonly type: "damaged"; readonly entries: number }
  /** Entries that could not be read any more and can be again, without anybody's help. */
  | { readonly type: "salvaged"; readonly entries: number }
  /** Damaged entries that a peer sent again. */
  | { readonly type: "healed"; readonly entries: number; readonly left: number }
  /** Storage did not let itself be read or written. What is damaged is asked for again. */
  | { readonly type: "failed"; readonly error: unknown };

/** What whoever looks after the device should hear of it, if anything. */
export function toProblem(event: HealingEvent): TidemarkError | undefined {
  if (event.type === "damaged")
    return new TidemarkError("STORAGE_CORRUPT", { where: `${event.entries} entries, which are asked for from peers` });
  if (event.type === "salvaged")
    return new TidemarkError("STORAGE_CORRUPT", { where: `beside ${event.entries} entries, which were saved` });
  if (event.type === "healed") return undefined;
  return asTidemarkError(event.error);
}

export interface HealingOptions extends StoredLog {
  readonly clock: Clock;
  /** How many entries are stored. */
  readonly stored: () => number;
  /** Asks every peer for these. */
  readonly want: (ids: readonly EntryId[]) => void;
  readonly reported: (event: HealingEvent) => void;
}

export class Healing {
  readonly #options: HealingOptions;
  readonly #repair: Repair;
  /** Where each damaged entry belongs. Never more than the log has entries. */
  readonly #damaged = new Map<EntryId, number>();
  /** Of what was asked for last, what has not come. */
  #asked = new Set<EntryId>();
  #scans: Promise<void> = Promise.resolve();
  #nextScanMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: HealingOptions) {
    this.#options = options;
    this.#repair = new Repair({
      clock: options.clock,
      missing: (from, max) => [...this.#damaged.keys()].slice(from, from + max),
      want: (ids) => this.#want(ids),
    });
  }

  /** How many entries are gone here and have not come from anywhere yet. */
  get damaged(): number {
    return this.#damaged.size;
  }

  isDamaged(id: EntryId): boolean {
    return this.#damaged.has(id);
  }

  /**
   * To be called when reading these failed. Resolves when all of them can be read again; rejects with `error` when that needs a peer, or is
   * not for us to mend. The rest of the log is gone through afterwards.
   */
  async check(nodes: readonly Node[], error: unknown): Promise<void> {
    if (!isCorrupt(error) || this.#stopped || nodes.some(({ id }) => this.isDamaged(id))) throw error;
    const positions = nodes.map(({ position }) => position);
    const from = positions.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY);
    await this.#scan(
      from,
      positions.reduce((most, each) => Math.max(most, each + 1), 0),
    );
    this.#scanAll();
    if (nodes.some(({ id }) => this.isDamaged(id))) throw error;
  }

  /**
   * Looks at positions `from` ≤ position < `to` on the disk; what is damaged there is mended, or asked for. Rejects with a STORAGE_ code.
   */
  async look(from: number, to: number): Promise<Found> {
    const scanning = this.#scans.then(() => scanLog(this.#options, from, to, () => !this.#stopped));
    this.#scans = scanning.then(
      () => {},
      () => {},
    );
    const found = await scanning;
    this.#note(found);
    return found;
  }

  /** Puts back what is damaged here among entries that arrived. Resolves when they can be read; never rejects. */
  async take(entries: readonly Entry[]): Promise<void> {
    let healed = 0;
    for (const entry of entries) if (await this.#putBack(entry)) healed += 1;
    if (healed === 0) return;
    this.#options.reported({ type: "healed", entries: healed, left: this.damaged });
    this.#repair.check();
    if (this.#asked.size === 0) this.ask();
  }

  /** Asks for what is damaged now, such as when a peer has come up. */
  ask(): void {
    if (this.damaged > 0 && !this.#stopped) this.#want([...this.#damaged.keys()].slice(0, wantsMax));
  }

  /** Nothing is asked for any more. Resolves when a scan that was under way has let go of storage. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#repair.stop();
    await this.#scans;
  }

  #want(ids: readonly EntryId[]): void {
    this.#asked = new Set(ids);
    this.#options.want(ids);
  }

  async #putBack({ id, bytes }: ReplacedEntry): Promise<boolean> {
    const position = this.#damaged.get(id);
    if (position === undefined) return false;
    const { storage, database } = this.#options;
    try {
      await storage.replace(database, position, [{ id, bytes }]);
    } catch (error) {
      this.#options.reported({ type: "failed", error });
      return false;
    }
    this.#asked.delete(id);
    return this.#damaged.delete(id);
  }

  #scanAll(): void {
    const nowMs = this.#options.clock.now();
    if (nowMs < this.#nextScanMs) return;
    this.#nextScanMs = nowMs + scanPauseMs;
    void this.#scan(0, this.#options.stored());
  }

  /** One after the other: two would put back the same. */
  #scan(from: number, to: number): Promise<void> {
    this.#scans = this.#scans.then(() => this.#scanNow(from, to));
    return this.#scans;
  }

  async #scanNow(from: number, to: number): Promise<void> {
    try {
      this.#note(await scanLog(this.#options, from, to, () => !this.#stopped));
    } catch (error) {
      if (!this.#stopped) this.#options.reported({ type: "failed", error });
    }
  }

  #note({ damaged, salvaged }: Found): void {
    if (this.#stopped) return;
    const before = this.damaged;
    for (const position of damaged) this.#damaged.set(this.#options.at(position).id, position);
    const entries = this.damaged - before;
    if (salvaged > 0) this.#options.reported({ type: "salvaged", entries: salvaged });
    if (entries === 0) return;
    this.#options.reported({ type: "damaged", entries });
    this.#repair.check();
    if (this.#asked.size === 0) this.ask();
  }
}
