/** What happens to connected peers by itself, as often as the settings and the preferences of databases say. */
import type { DatabaseId } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import { every } from "./periodic.ts";
import type { SyncSettings } from "./settings.ts";

export interface PeerTimersOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: () => SyncSettings;
  /** Compares one database with every peer, or all that are shared. */
  readonly compare: (database: DatabaseId | undefined) => void;
  /** Dials who is to be dialled. */
  readonly dial: () => void;
  /** Asks peers that were silent for so long whether they live. */
  readonly check: (silentMs: number) => void;
}

export class PeerTimers {
  readonly #options: PeerTimersOptions;
  readonly #comparisons = new Map<DatabaseId, { readonly ms: number; cancel: () => void }>();
  #timers: (() => void)[] = [];

  constructor(options: PeerTimersOptions) {
    this.#options = options;
  }

  /** They begin anew: the settings have changed, or the instance goes online. */
  start(): void {
    this.stop();
    const { settings, compare, dial, check } = this.#options;
    const { antiEntropyMs, retryScanMs, connectionCheckMs } = settings();
    this.#timers = [
      this.#every(antiEntropyMs, () => compare(undefined)),
      this.#every(retryScanMs, dial),
      this.#every(connectionCheckMs, () => check(connectionCheckMs)),
    ];
  }

  /** Comparisons of single databases go on. */
  stop(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers = [];
  }

  /** Compares a database this often, in milliseconds, beside what the settings say. 0: not any more. */
  compareEvery(database: DatabaseId, ms: number): void {
    const known = this.#comparisons.get(database);
    if ((known?.ms ?? 0) === ms) return;
    known?.cancel();
    this.#comparisons.delete(database);
    if (ms === 0) return;
    const cancel = this.#every(ms, () => this.#options.compare(database));
    this.#comparisons.set(database, { ms, cancel });
  }

  close(): void {
    this.stop();
    for (const { cancel } of this.#comparisons.values()) cancel();
    this.#comparisons.clear();
  }

  #every(ms: number, action: () => void): () => void {
    const { clock, random, settings } = this.#options;
    return every(clock, random, ms, settings().jitter, action);
  }
}
