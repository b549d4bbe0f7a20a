/**
 * What the engine remembers on this device: all of it in memory, typed and checked, and written to storage a little later.
 *
 * [STORAGE-22] What is put is visible at once, and durable within a second with whatever else changed, or after `flush` or `close`.
 * [STORAGE-23] A stored record of the wrong shape is removed and reported, and every other one is loaded.
 * [STORAGE-24] A failing write is reported once, and made good with the next change that can be written.
 *
 * Nothing here is the truth about data: a crash that takes back the last second costs a comparison with a peer, no more.
 */
import { show, TidemarkError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { LocalRecord, RecordKind, Storage } from "../ports/storage.ts";
import { isRecordOf, recordKinds } from "./record-shapes.ts";
import type { RecordByKind } from "./records.ts";

const writeAfterMs = 1_000;

export interface LocalStoreOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  /** Told of records that cannot be read, with STORAGE_CORRUPT, and of the first of several writes that failed. */
  readonly failed: (error: unknown) => void;
}

/** A kind's records, by key. */
type Records = Map<string, RecordByKind[RecordKind]>;

export class LocalStore {
  readonly #options: LocalStoreOptions;
  readonly #records = new Map<RecordKind, Records>(recordKinds.map((kind) => [kind, new Map()]));
  /** Keys in order, until one is added or removed. */
  readonly #keys = new Map<RecordKind, readonly string[]>();
  /** What is not durable, one change per record: never more than there are records, and were. */
  #changes = new Map<string, LocalRecord>();
  #writing: Promise<void> = Promise.resolve();
  #cancelTimer: (() => void) | undefined;
  #isFailing = false;
  #closed = false;

  private constructor(options: LocalStoreOptions) {
    this.#options = options;
  }

  /** Reads all records. Rejects with a STORAGE_ code when storage cannot be read at all. */
  static async open(options: LocalStoreOptions): Promise<LocalStore> {
    const store = new LocalStore(options);
    try {
      for (const kind of recordKinds) await store.#load(kind);
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Records that are not durable as they are. */
  get unwritten(): number {
    return this.#changes.size;
  }

  get<K extends RecordKind>(kind: K, key: string): RecordByKind[K] | undefined {
    return this.#of(kind).get(key);
  }

  /** In the order of their keys. */
  all<K extends RecordKind>(kind: K): readonly RecordByKind[K][] {
    const records = this.#of(kind);
    const keys = this.#keys.get(kind) ?? [...records.keys()].sort();
    this.#keys.set(kind, keys);
    return keys.map((key) => records.get(key) as RecordByKind[K]);
  }

  /**
   * Takes the place of what the key held. The value is not to be altered afterwards. Throws INPUT_INVALID when it is not of its kind's
   * shape, as it would be dropped at the next start. After `close` it is no longer written.
   */
  put<K extends RecordKind>(kind: K, key: string, value: RecordByKind[K]): void {
    if (!isRecordOf(kind, value))
      throw new TidemarkError("INPUT_INVALID", { field: kind, got: show(value), expected: `a record of kind ${kind}` });
    const records = this.#of(kind);
    if (!records.has(key)) this.#keys.delete(kind);
    records.set(key, value);
    this.#change({ kind, key, value });
  }

  /** Absent: nothing happens. */
  delete(kind: RecordKind, key: string): void {
    if (!this.#of(kind).delete(key)) return;
    this.#keys.delete(kind);
    this.#change({ kind, key, value: undefined });
  }

  /** Everything is written anew, with whatever else changed. */
  renew(): void {
    for (const [kind, records] of this.#records) for (const [key, value] of records) this.#change({ kind, key, value });
  }

  /** Resolves when everything put so far is durable; rejects with a STORAGE_ code when it cannot be written. */
  async flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const writing = this.#writing.then(() => this.#write());
    this.#writing = writing.catch(() => {});
    await writing;
  }

  /** Flushes, and never rejects: a write that fails is reported. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush().catch(() => {});
  }

  #of<K extends RecordKind>(kind: K): Map<string, RecordByKind[K]> {
    // Only `put` and `#load` write here, and both check the value against its kind.
    return this.#records.get(kind) as unknown as Map<string, RecordByKind[K]>;
  }

  async #load(kind: RecordKind): Promise<void> {
    const stored = await this.#options.storage.records(kind).catch((error: unknown) => {
      if (!(error instanceof TidemarkError && error.code === "STORAGE_CORRUPT")) throw error;
      this.#options.failed(error);
      return [];
    });
    const damaged = stored.filter(({ value }) => !isRecordOf(kind, value));
    for (const { key } of damaged) this.#change({ kind, key, value: undefined });
    const records = this.#of(kind);
    for (const { key, value } of stored) if (isRecordOf(kind, value)) records.set(key, value);
    if (damaged.length === 0) return;
    const where = `${damaged.length} local records of kind ${kind}`;
    this.#options.failed(new TidemarkError("STORAGE_CORRUPT", { where }));
  }

  #change(change: LocalRecord): void {
    this.#changes.set(`${change.kind} ${change.key}`, change);
    if (this.#closed) return;
    this.#cancelTimer ??= this.#options.clock.after(writeAfterMs, () => void this.flush().catch(() => {}));
  }

  async #write(): Promise<void> {
    const changes = this.#changes;
    if (changes.size === 0) return;
    this.#changes = new Map();
    try {
      await this.#options.storage.putRecords([...changes.values()]);
      this.#isFailing = false;
    } catch (error) {
      // What changed again meanwhile counts.
      this.#changes = new Map([...changes, ...this.#changes]);
      if (!this.#isFailing) this.#options.failed(error);
      this.#isFailing = true;
      throw error;
    }
  }
}
