/** A storage that takes its time, and a device that can lose its power meanwhile. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { CheckpointPart, Commit, Cursor, DatabaseRecord, LoadedDatabase, Storage } from "../ports/storage.ts";

export interface SlowStorageOptions {
  readonly clock: Clock;
  /** How long the next write takes, in milliseconds. 0: at once. */
  readonly writeMs: () => number;
}

/** Writes reach `inner` one after the other, each after its time; reads see what has reached it. */
export class SlowStorage implements Storage {
  readonly #inner: Storage;
  readonly #options: SlowStorageOptions;
  #writes: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #reads = 0;
  #crashed = false;
  #nextFailure: TidemarkError | undefined;
  #tellCrash: () => void = () => {};
  readonly #crash: Promise<void> = new Promise((resolve) => {
    this.#tellCrash = resolve;
  });

  constructor(inner: Storage, options: SlowStorageOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  /** Writes that were asked for and are not durable. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How often entries were read. */
  get reads(): number {
    return this.#reads;
  }

  /** The next commit rejects with this, and work goes on. */
  failNext(error: TidemarkError): void {
    this.#nextFailure = error;
  }

  /** From now on nothing reaches `inner` any more, and every call rejects with STORAGE_CLOSED. */
  crash(): void {
    this.#crashed = true;
    this.#tellCrash();
  }

  databases(): Promise<readonly DatabaseRecord[]> {
    return this.#read(() => this.#inner.databases());
  }

  putDatabase(record: DatabaseRecord): Promise<void> {
    return this.#write(() => this.#inner.putDatabase(record));
  }

  deleteDatabase(database: DatabaseId): Promise<void> {
    return this.#write(() => this.#inner.deleteDatabase(database));
  }

  load(database: DatabaseId): Promise<LoadedDatabase | undefined> {
    return this.#read(() => this.#inner.load(database));
  }

  commit(commit: Commit): Promise<void> {
    return this.#write(() => {
      const failure = this.#nextFailure;
      this.#nextFailure = undefined;
      return failure === undefined ? this.#inner.commit(commit) : Promise.reject(failure);
    });
  }

  read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]> {
    this.#reads += 1;
    return this.#read(() => this.#inner.read(database, from, to));
  }

  readById(database: DatabaseId, id: EntryId): Promise<Uint8Array | undefined> {
    return this.#read(() => this.#inner.readById(database, id));
  }

  putCheckpoint(database: DatabaseId, part: CheckpointPart, replaces: number): Promise<void> {
    return this.#write(() => this.#inner.putCheckpoint(database, part, replaces));
  }

  deleteCheckpoints(database: DatabaseId): Promise<void> {
    return this.#write(() => this.#inner.deleteCheckpoints(database));
  }

  putCursor(cursor: Cursor): Promise<void> {
    return this.#write(() => this.#inner.putCursor(cursor));
  }

  cursors(database: DatabaseId): Promise<readonly Cursor[]> {
    return this.#read(() => this.#inner.cursors(database));
  }

  getValue(name: string): Promise<unknown> {
    return this.#read(() => this.#inner.getValue(name));
  }

  putValueOnce(name: string, value: unknown): Promise<unknown> {
    return this.#write(() => this.#inner.putValueOnce(name, value));
  }

  async close(): Promise<void> {
    await this.#writes;
    if (!this.#crashed) await this.#inner.close();
  }

  async #read<T>(call: () => Promise<T>): Promise<T> {
    this.#assertPower();
    return await call();
  }

  #write<T>(call: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const written = this.#writes.then(async () => {
      await this.#pause();
      this.#assertPower();
      return await call();
    });
    this.#writes = written.then(
      () => this.#written(),
      () => this.#written(),
    );
    return written;
  }

  #written(): void {
    this.#waiting -= 1;
  }

  async #pause(): Promise<void> {
    const ms = this.#crashed ? 0 : this.#options.writeMs();
    if (ms === 0) return;
    const time = new Promise<void>((resolve) => this.#options.clock.after(ms, resolve));
    await Promise.race([time, this.#crash]);
  }

  #assertPower(): void {
    if (this.#crashed) throw new TidemarkError("STORAGE_CLOSED", { reason: "the device lost its power" });
  }
}
