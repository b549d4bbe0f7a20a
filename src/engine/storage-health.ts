/**
 * Whether storage takes what it is given, and when it is tried again.
 *
 * [HEALTH-1] Full is a storage that rejected a write with STORAGE_QUOTA, failing one that did so with STORAGE_UNAVAILABLE or STORAGE_CORRUPT.
 * [HEALTH-2] While it is either, so many bytes as a large batch has are tried after 5, 10, 20, 40, 60, 60 … seconds, at `wake`, and whenever
 *            an entry of this device could be written. Once they can be written, it is well.
 * [HEALTH-3] Soon failing again it goes on with the pause it was at: a storage that comes and goes is not tried more often than one that is full.
 *
 * Deliberately not here: what is held back meanwhile (holding-back.ts, sync.ts).
 */
import { asTidemarkError, type TidemarkError } from "../core/errors.ts";
import { storageProbeBytes, storageProbeMsMax, storageProbeMsMin } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";

/** What the app is told of it. */
export interface StorageHealth {
  /** full: the quota is used up. failing: it takes nothing, for another reason. */
  readonly type: "ok" | "full" | "failing";
  /** Why it takes nothing; undefined: it does. */
  readonly code: string | undefined;
  /** Of all databases: entries that are gone here, and asked for from peers. */
  readonly damagedEntries: number;
}

export const healthyStorage: StorageHealth = { type: "ok", code: undefined, damagedEntries: 0 };

export interface StorageWatchOptions {
  readonly clock: Clock;
  /** Rejects when so many bytes cannot be written. */
  readonly probe: (bytes: number) => Promise<void>;
  /** It takes nothing from now on. */
  readonly stopped: () => void;
  /** It takes everything again. */
  readonly recovered: () => void;
}

export class StorageWatch {
  readonly #options: StorageWatchOptions;
  #error: TidemarkError | undefined;
  #pauseMs: number = storageProbeMsMin;
  #recoveredMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: () => void = () => {};
  #probing: Promise<void> | undefined;
  #closed = false;

  constructor(options: StorageWatchOptions) {
    this.#options = options;
  }

  /** Why nothing of peers may be taken; undefined: it may. */
  get error(): TidemarkError | undefined {
    return this.#error;
  }

  get type(): StorageHealth["type"] {
    if (this.#error === undefined) return "ok";
    return this.#error.code === "STORAGE_QUOTA" ? "full" : "failing";
  }

  /** A write failed. What says nothing about the next one is left out. */
  failed(reason: unknown): void {
    const error = asTidemarkError(reason);
    if (this.#error !== undefined || this.#closed || !lasting.has(error.code)) return;
    this.#error = error;
    if (this.#options.clock.now() - this.#recoveredMs >= storageProbeMsMax) this.#pauseMs = storageProbeMsMin;
    this.#probeLater();
    this.#options.stopped();
  }

  /** Resolves when an entry of this device may be written; rejects with why not. */
  async admit(bytes: number): Promise<void> {
    if (this.#error !== undefined) await this.#options.probe(bytes);
  }

  /** Something could be written, or the device woke: perhaps everything can. */
  async check(): Promise<void> {
    if (this.#error === undefined || this.#closed) return;
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = undefined;
    });
    await this.#probing;
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer();
  }

  #probeLater(): void {
    this.#cancelTimer = this.#options.clock.after(this.#pauseMs, () => void this.check());
    this.#pauseMs = Math.min(this.#pauseMs * 2, storageProbeMsMax);
  }

  async #probe(): Promise<void> {
    this.#cancelTimer();
    const isWritten = await this.#options.probe(storageProbeBytes).then(
      () => true,
      () => false,
    );
    if (this.#closed) return;
    if (!isWritten) return this.#probeLater();
    this.#error = undefined;
    this.#recoveredMs = this.#options.clock.now();
    this.#options.recovered();
  }
}

/** Others end with the storage itself, or with the next attempt. */
const lasting: ReadonlySet<string> = new Set(["STORAGE_QUOTA", "STORAGE_UNAVAILABLE", "STORAGE_CORRUPT"]);
