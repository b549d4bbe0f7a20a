/** A storage that takes its time, that can be full, and whose device can lose its power. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  AsideEntries,
  CheckpointPart,
  Commit,
  DatabaseRecord,
  EntryIndex,
  InspectedRecords,
  LoadedDatabase,
  LocalRecord,
  RecordKind,
  RepairedLog,
  ReplacedEntry,
  Storage,
  WriteRow,
} from "../ports/storage.ts";
import type { MemoryDisk } from "../storage/memory.ts";

export interface SlowStorageOptions {
  readonly clock: Clock;
  /** How long the next write takes, in milliseconds. 0: at once. */
  readonly writeMs: () => number;
  /** What `inner` writes to: then a crash can take back checkpoints and records. Default: it never does. */
  readonly disk?: MemoryDisk;
}

/** What a loss of power does to writes that nobody was promised. */
export interface PowerLoss {
  /** So many of the writes under way become durable all the same, in their order. Default 0. */
  readonly finishes?: number;
  /** So many of the last checkpoints and records are taken back, as far as no entries came after them. Default 0. */
  readonly losesRelaxed?: number;
}

/** Writes reach `inner` one after the other, each after its time; reads see what has reached it. */
export class SlowStorage implements Storage {
  /** How many writes a loss of power let through, and took back. */
  readonly leftovers: { finished: number; lost: number } = { finished: 0, lost: 0 };
  readonly #inner: Storage;
  readonly #options: SlowStorageOptions;
  #writes: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #reads = 0;
  #probes = 0;
  #crashed = false;
  #finishes = 0;
  /** Undo what no later entries have made safe, the first one first. */
  #relaxed: (() => void)[] = [];
  #nextFailure: TidemarkError | undefined;
  #failure: TidemarkError | undefined;
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

  /** How often it was asked whether it takes anything. */
  get probes(): number {
    return this.#probes;
  }

  /** The next commit rejects with this, and work goes on. */
  failNext(error: TidemarkError): void {
    this.#nextFailure = error;
  }

  /** Commits, checkpoints, records and probes reject with this until `work`. */
  fail(error: TidemarkError): void {
    this.#failure = error;
  }

  work(): void {
    this.#failure = undefined;
  }

  /** From now on every call rejects with STORAGE_CLOSED, and nothing more reaches `inner` but what `loss` says. */
  crash(loss: PowerLoss = {}): void {
    if (this.#crashed) return;
    this.#crashed = true;
    this.#finishes = loss.finishes ?? 0;
    for (const undo of this.#relaxed
      .slice(this.#relaxed.length - Math.min(this.#relaxed.length, loss.losesRelaxed ?? 0))
      .reverse()) {
      undo();
      this.leftovers.lost += 1;
      this.#finishes = 0; // What is under way comes after what was lost.
    }
    this.#tellCrash();
  }

  databases(): Promise<readonly DatabaseRecord[]> {
    return this.#read(() => this.#inner.databases());
  }

  get kind(): Storage["kind"] {
    return this.#inner.kind;
  }

  claim(): Promise<number> {
    return this.#write(() => this.#inner.claim());
  }

  putDatabase(record: DatabaseRecord, writes?: readonly WriteRow[]): Promise<void> {
    return this.#write(() => this.#inner.putDatabase(record, writes));
  }

  deleteDatabase(database: DatabaseId, writes?: readonly WriteRow[]): Promise<void> {
    return this.#write(() => this.#inner.deleteDatabase(database, writes));
  }

  load(database: DatabaseId): Promise<LoadedDatabase | undefined> {
    return this.#read(() => this.#inner.load(database));
  }

  commit(commit: Commit): Promise<void> {
    return this.#write(async () => {
      const failure = this.#nextFailure;
      this.#nextFailure = undefined;
      if (failure !== undefined) throw failure;
      this.#assertWorks();
      await this.#inner.commit(commit);
      this.#relaxed = [];
    });
  }

  read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]> {
    this.#reads += 1;
    return this.#read(() => this.#inner.read(database, from, to));
  }

  salvage(database: DatabaseId, from: number, to: number): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#read(() => this.#inner.salvage(database, from, to));
  }

  readById(database: DatabaseId, id: EntryId): Promise<Uint8Array | undefined> {
    return this.#read(() => this.#inner.readById(database, id));
  }

  checkpoints(database: DatabaseId): Promise<readonly CheckpointPart[]> {
    return this.#read(() => this.#inner.checkpoints(database));
  }

  putCheckpoint(database: DatabaseId, part: CheckpointPart, replaces: number): Promise<void> {
    return this.#write(() => {
      this.#assertWorks();
      this.#rememberCheckpoints(database);
      return this.#inner.putCheckpoint(database, part, replaces);
    });
  }

  deleteCheckpoints(database: DatabaseId): Promise<void> {
    return this.#write(() => this.#inner.deleteCheckpoints(database));
  }

  putSnapshot(database: DatabaseId, key: string, bytes: Uint8Array): Promise<void> {
    return this.#write(() => {
      this.#assertWorks();
      return this.#inner.putSnapshot(database, key, bytes);
    });
  }

  getSnapshot(database: DatabaseId, key: string): Promise<Uint8Array | undefined> {
    return this.#read(() => this.#inner.getSnapshot(database, key));
  }

  records(kind: RecordKind): Promise<readonly LocalRecord[]> {
    return this.#read(() => this.#inner.records(kind));
  }

  putRecords(changes: readonly LocalRecord[]): Promise<void> {
    return this.#write(() => {
      this.#assertWorks();
      this.#rememberRecords(changes);
      return this.#inner.putRecords(changes);
    });
  }

  replace(database: DatabaseId, position: number, entries: readonly ReplacedEntry[]): Promise<void> {
    return this.#write(() => this.#inner.replace(database, position, entries));
  }

  writeRows(): Promise<readonly WriteRow[]> {
    return this.#read(() => this.#inner.writeRows());
  }

  deleteWriteRow(tab: string): Promise<void> {
    return this.#write(() => this.#inner.deleteWriteRow(tab));
  }

  probe(bytes: number): Promise<void> {
    this.#probes += 1;
    return this.#write(() => {
      this.#assertWorks();
      return this.#inner.probe(bytes);
    });
  }

  repair(
    database: DatabaseId,
    indexOf: (bytes: Uint8Array) => EntryIndex | undefined,
    from?: number,
  ): Promise<RepairedLog> {
    return this.#write(() => {
      this.#assertWorks();
      return this.#inner.repair(database, indexOf, from);
    });
  }

  nextAside(database: DatabaseId, after: number): Promise<AsideEntries | undefined> {
    return this.#read(() => this.#inner.nextAside(database, after));
  }

  deleteAside(database: DatabaseId, number: number): Promise<void> {
    return this.#write(() => this.#inner.deleteAside(database, number));
  }

  inspect(database: DatabaseId | undefined): Promise<InspectedRecords> {
    return this.#read(() => this.#inner.inspect(database));
  }

  uncache(database: DatabaseId): Promise<void> {
    return this.#read(() => this.#inner.uncache(database));
  }

  getValue(name: string): Promise<unknown> {
    return this.#read(() => this.#inner.getValue(name));
  }

  putValueOnce(name: string, value: unknown): Promise<unknown> {
    return this.#write(() => this.#inner.putValueOnce(name, value));
  }

  values(prefix: string): Promise<readonly (readonly [name: string, value: unknown])[]> {
    return this.#read(() => this.#inner.values(prefix));
  }

  deleteValue(name: string): Promise<void> {
    return this.#write(() => this.#inner.deleteValue(name));
  }

  async close(): Promise<void> {
    await this.#writes;
    if (!this.#crashed) await this.#inner.close();
  }

  #rememberCheckpoints(database: DatabaseId): void {
    const stored = this.#options.disk?.databases.get(database);
    const { checkpoints = [] } = stored ?? {};
    if (stored !== undefined)
      this.#relaxed.push(() => {
        stored.checkpoints = checkpoints;
      });
  }

  #rememberRecords(changes: readonly LocalRecord[]): void {
    const { disk } = this.#options;
    if (disk === undefined) return;
    const before = changes.map(({ kind, key }) => ({ kind, key, value: disk.records.get(kind)?.get(key) }));
    this.#relaxed.push(() => {
      for (const { kind, key, value } of before) {
        if (value === undefined) disk.records.get(kind)?.delete(key);
        else disk.records.get(kind)?.set(key, value);
      }
    });
  }

  async #read<T>(call: () => Promise<T>): Promise<T> {
    this.#assertPower();
    return await call();
  }

  #write<T>(call: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const written = this.#writes.then(async () => {
      await this.#pause();
      if (this.#crashed && this.#finishes > 0) await this.#finish(call);
      this.#assertPower();
      return await call();
    });
    this.#writes = written.then(
      () => this.#written(),
      () => this.#written(),
    );
    return written;
  }

  /** It reached the disk, and nobody is left to hear of it. */
  async #finish(call: () => Promise<unknown>): Promise<void> {
    this.#finishes -= 1;
    this.leftovers.finished += 1;
    await call().catch(() => {});
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

  #assertWorks(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #assertPower(): void {
    if (this.#crashed) throw new TidemarkError("STORAGE_CLOSED", { reason: "the device lost its power" });
  }
}
