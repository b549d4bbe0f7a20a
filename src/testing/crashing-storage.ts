/** A storage whose disk fails, or whose device dies, at a chosen commit. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
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

export type StorageFault =
  /** The commit rejects with this error, and work goes on. */
  | { readonly type: "fail"; readonly error: TidemarkError }
  /**
   * The device dies in the commit: it and everything after it reject with STORAGE_CLOSED. Whether the commit became durable
   * before its caller could learn so is what a crash leaves open: `durable` says.
   */
  | { readonly type: "crash"; readonly durable: boolean };

export interface FaultPlan {
  /** Counts the calls of `commit`, from 1. */
  readonly commit: number;
  readonly fault: StorageFault;
}

/**
 * Passes every call on to `inner`, except as planned. After a crash `inner` is as the crash left it: open it, or another storage on
 * the same disk, to go on as after a restart.
 */
export class CrashingStorage implements Storage {
  readonly #inner: Storage;
  readonly #plan: FaultPlan;
  #commits = 0;
  #faults = 0;
  #crashed = false;

  constructor(inner: Storage, plan: FaultPlan) {
    this.#inner = inner;
    this.#plan = plan;
  }

  /** 1 once the fault happened: a test that survived it should look. */
  get faults(): number {
    return this.#faults;
  }

  databases(): Promise<readonly DatabaseRecord[]> {
    return this.#pass(() => this.#inner.databases());
  }

  get kind(): Storage["kind"] {
    return this.#inner.kind;
  }

  claim(): Promise<number> {
    return this.#pass(() => this.#inner.claim());
  }

  putDatabase(record: DatabaseRecord, writes?: readonly WriteRow[]): Promise<void> {
    return this.#pass(() => this.#inner.putDatabase(record, writes));
  }

  deleteDatabase(database: DatabaseId, writes?: readonly WriteRow[]): Promise<void> {
    return this.#pass(() => this.#inner.deleteDatabase(database, writes));
  }

  load(database: DatabaseId): Promise<LoadedDatabase | undefined> {
    return this.#pass(() => this.#inner.load(database));
  }

  commit(commit: Commit): Promise<void> {
    return this.#pass(async () => {
      this.#commits += 1;
      if (this.#commits !== this.#plan.commit) return await this.#inner.commit(commit);
      this.#faults += 1;
      const { fault } = this.#plan;
      if (fault.type === "fail") throw fault.error;
      this.#crashed = true;
      if (fault.durable) await this.#inner.commit(commit);
      throw crashError();
    });
  }

  read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.#pass(() => this.#inner.read(database, from, to));
  }

  salvage(database: DatabaseId, from: number, to: number): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#pass(() => this.#inner.salvage(database, from, to));
  }

  readById(database: DatabaseId, id: EntryId): Promise<Uint8Array | undefined> {
    return this.#pass(() => this.#inner.readById(database, id));
  }

  checkpoints(database: DatabaseId): Promise<readonly CheckpointPart[]> {
    return this.#pass(() => this.#inner.checkpoints(database));
  }

  putCheckpoint(database: DatabaseId, part: CheckpointPart, replaces: number): Promise<void> {
    return this.#pass(() => this.#inner.putCheckpoint(database, part, replaces));
  }

  deleteCheckpoints(database: DatabaseId): Promise<void> {
    return this.#pass(() => this.#inner.deleteCheckpoints(database));
  }

  putSnapshot(database: DatabaseId, key: string, bytes: Uint8Array): Promise<void> {
    return this.#pass(() => this.#inner.putSnapshot(database, key, bytes));
  }

  getSnapshot(database: DatabaseId, key: string): Promise<Uint8Array | undefined> {
    return this.#pass(() => this.#inner.getSnapshot(database, key));
  }

  records(kind: RecordKind): Promise<readonly LocalRecord[]> {
    return this.#pass(() => this.#inner.records(kind));
  }

  putRecords(changes: readonly LocalRecord[]): Promise<void> {
    return this.#pass(() => this.#inner.putRecords(changes));
  }

  replace(database: DatabaseId, position: number, entries: readonly ReplacedEntry[]): Promise<void> {
    return this.#pass(() => this.#inner.replace(database, position, entries));
  }

  writeRows(): Promise<readonly WriteRow[]> {
    return this.#pass(() => this.#inner.writeRows());
  }

  deleteWriteRow(tab: string): Promise<void> {
    return this.#pass(() => this.#inner.deleteWriteRow(tab));
  }

  probe(bytes: number): Promise<void> {
    return this.#pass(() => this.#inner.probe(bytes));
  }

  repair(
    database: DatabaseId,
    indexOf: (bytes: Uint8Array) => EntryIndex | undefined,
    from?: number,
  ): Promise<RepairedLog> {
    return this.#pass(() => this.#inner.repair(database, indexOf, from));
  }

  nextAside(database: DatabaseId, after: number): Promise<AsideEntries | undefined> {
    return this.#pass(() => this.#inner.nextAside(database, after));
  }

  deleteAside(database: DatabaseId, number: number): Promise<void> {
    return this.#pass(() => this.#inner.deleteAside(database, number));
  }

  inspect(database: DatabaseId | undefined): Promise<InspectedRecords> {
    return this.#pass(() => this.#inner.inspect(database));
  }

  uncache(database: DatabaseId): Promise<void> {
    return this.#pass(() => this.#inner.uncache(database));
  }

  getValue(name: string): Promise<unknown> {
    return this.#pass(() => this.#inner.getValue(name));
  }

  putValueOnce(name: string, value: unknown): Promise<unknown> {
    return this.#pass(() => this.#inner.putValueOnce(name, value));
  }

  values(prefix: string): Promise<readonly (readonly [name: string, value: unknown])[]> {
    return this.#pass(() => this.#inner.values(prefix));
  }

  deleteValue(name: string): Promise<void> {
    return this.#pass(() => this.#inner.deleteValue(name));
  }

  /** After a crash nobody is left to close `inner`. */
  async close(): Promise<void> {
    if (!this.#crashed) await this.#inner.close();
  }

  async #pass<T>(call: () => Promise<T>): Promise<T> {
    if (this.#crashed) throw crashError();
    return await call();
  }
}

function crashError(): TidemarkError {
  return new TidemarkError("STORAGE_CLOSED", { reason: "the device crashed" });
}
