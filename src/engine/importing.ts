/**
 * Taking databases from a file, a chunk at a time. The form of the file is in core/export.
 *
 * [IMPORT-1] Entries of a file are judged as those of a peer: nothing is taken because it is in a file. What is here already is left as it is.
 * [IMPORT-2] A database that is not here is made, not synced, once its root has been accepted; one that is here gets what it lacks.
 * [IMPORT-3] What came before the place at which a file is broken, or its reader stopped, stays. Importing again goes on from there.
 * [IMPORT-4] More is taken only when what was whole of it is durable: at most one chunk is in memory.
 * [IMPORT-5] A database is used with the key with which it was when it was written, where this device has that key.
 * [IMPORT-8] What a file lacks is counted where it is not here either. A database of which that is the root is not made, and what else there is of it
 *            in the file is left.
 */

import { aheadMs } from "../core/clock.ts";
import { decodeEntry, type Entry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import { ExportFrames, type ExportHeader, malformed } from "../core/export/framing.ts";
import { RecordOrder } from "../core/export/record-order.ts";
import { decodeExportRecord, type ExportedDatabase, type ExportRecord } from "../core/export/records.ts";
import { RunningCheck } from "../core/export/running-check.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { clockAheadMsMax } from "../core/limits.ts";
import type { ChunkCiphers } from "../ports/chunk-cipher.ts";
import { deviceKeyName, type KeyInfo } from "../ports/keys.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { FileProgress } from "./exporting.ts";
import type { Instance } from "./instance.ts";
import type { EnginePorts } from "./ports.ts";
import type { RestoredDatabase } from "./recovery.ts";

/** What became of one database of a file. */
export interface ImportedDatabase {
  readonly database: DatabaseId;
  readonly name: string;
  /** "here": it was on this device already, and the file added to it. "rootless": neither has what it begins with, so nothing was taken. */
  readonly state: "created" | "here" | "rootless";
  /** Entries of the file that came to be here by it. */
  readonly added: number;
  /** Entries that were here already. */
  readonly known: number;
  /** Entries that are refused here as from any peer, such as those of a removed key; why is told as problems. */
  readonly refused: number;
  /** Entries whose time has not come by this device's clock, and what stands on them or on what is missing: they show up when that is here. */
  readonly waiting: number;
  /** Entries that whoever wrote the file had lost, and that are not here. */
  readonly missing: number;
}

export interface ImportReport {
  /** When the file was made, by the clock of whoever made it, in milliseconds since 1970. */
  readonly createdMs: number;
  readonly databases: readonly ImportedDatabase[];
  /** The recovery key of the file. Undefined: it holds none. */
  readonly recovery: RestoredRecovery | undefined;
}

export interface RestoredRecovery {
  readonly key: KeyInfo;
  readonly databases: readonly RestoredDatabase[];
}

export interface ImportingOptions {
  readonly instance: Instance;
  readonly ports: Pick<EnginePorts, "sha256" | "clock">;
  /** For a sealed file. */
  readonly seal?: { readonly ciphers: ChunkCiphers; readonly passphrase: string };
  /** Takes up the recovery key that is in this text. */
  readonly restore: (text: string) => Promise<RestoredRecovery>;
}

type Open = (sealed: Uint8Array, isLast: boolean) => Promise<Uint8Array | undefined> | Uint8Array | undefined;

/** The database at hand. */
interface Current {
  readonly id: DatabaseId;
  readonly record: ExportedDatabase;
  state: ImportedDatabase["state"];
  added: number;
  known: number;
  refused: number;
  missing: number;
  /** They may be accepted with what comes later. */
  readonly waiting: Set<EntryId>;
}

export class Importing {
  readonly #options: ImportingOptions;
  readonly #frames: ExportFrames;
  readonly #done: ImportedDatabase[] = [];
  #order: RecordOrder = new RecordOrder(false);
  #open: Open | undefined;
  #current: Current | undefined;
  #createdMs = 0;
  #recovery: RestoredRecovery | undefined;
  #entries = 0;
  #total = 0;
  #bytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: ImportingOptions) {
    this.#options = options;
    this.#frames = new ExportFrames(options.ports.sha256);
  }

  /**
   * Takes more of the file; resolves when what was whole of it is durable. One call at a time. Rejects with EXPORT_MALFORMED, BACKUP_PASSPHRASE,
   * INPUT_INVALID for a sealed file without a passphrase, ABORTED after `close`, ENTRY_TIME_AHEAD for a database that is of the future by this device's
   * clock, or a STORAGE_ code; every call after that does too.
   */
  async push(bytes: Uint8Array): Promise<FileProgress> {
    this.#frames.push(bytes);
    this.#bytes += bytes.length;
    await this.#guarded(() => this.#takeAll());
    return { entries: this.#entries, total: this.#total, bytes: this.#bytes };
  }

  /** That was all. Rejects as `push` does. */
  async end(): Promise<ImportReport> {
    await this.#guarded(async () => this.#frames.end());
    return { createdMs: this.#createdMs, databases: this.#done, recovery: this.#recovery };
  }

  /** Nothing more is taken, also of what was pushed already. What was taken stays. */
  close(): void {
    this.#failure ??= { error: new TidemarkError("ABORTED", { call: "import" }) };
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      this.#assertGoesOn();
      await work();
    } catch (error) {
      this.#failure ??= { error };
      throw this.#failure.error;
    }
  }

  #assertGoesOn(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #takeAll(): Promise<void> {
    for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
      if (frame.type === "header") await this.#begin(frame.header);
      else await this.#take(frame.bytes, frame.isLast);
      this.#assertGoesOn();
    }
  }

  async #begin({ sealed, check }: ExportHeader): Promise<void> {
    const { ports, seal } = this.#options;
    this.#order = new RecordOrder(sealed !== undefined);
    if (sealed === undefined) {
      const running = new RunningCheck(ports.sha256, check);
      this.#open = (bytes, isLast) => running.open(bytes, isLast);
      return;
    }
    if (seal === undefined) {
      const expected = "the one with which the file was made";
      throw new TidemarkError("INPUT_INVALID", { field: "passphrase", got: "none", expected });
    }
    const cipher = await seal.ciphers.open(sealed, seal.passphrase);
    this.#open = (bytes, isLast) => cipher.open(bytes, isLast, check);
  }

  async #take(sealed: Uint8Array, isLast: boolean): Promise<void> {
    const chunk = await this.#open?.(sealed, isLast);
    if (chunk === undefined)
      throw malformed("another chunk", "the chunk that was written at this place: it was changed, or one is missing");
    const record = decodeExportRecord(chunk);
    this.#order.take(record, isLast);
    await this.#apply(record);
  }

  async #apply(record: ExportRecord): Promise<void> {
    switch (record.type) {
      case "head":
        this.#createdMs = record.createdMs;
        this.#total = record.entries;
        return;
      case "database":
        this.#finish();
        return this.#prepare(record);
      case "entries":
        return this.#receive(record.entries);
      case "missing":
        return this.#lack(record.ids);
      case "recovery":
        this.#recovery = await this.#options.restore(record.text);
        return;
      case "end":
        return this.#finish();
    }
  }

  async #prepare(record: ExportedDatabase): Promise<void> {
    const { id, name, relays } = record;
    const used = this.#options.instance.keys.list().find(({ publicKey }) => publicKey === record.key);
    const key = used === undefined || used.name === deviceKeyName ? {} : { key: used.name };
    const made: DatabaseRecord = { id, name, relays, ...key, sync: false };
    const isMade = await this.#options.instance.makeForImport(made);
    const state = isMade ? "created" : "here";
    this.#current = { id, record, state, added: 0, known: 0, refused: 0, missing: 0, waiting: new Set() };
  }

  async #receive(all: readonly Uint8Array[]): Promise<void> {
    const current = this.#current as Current;
    const { instance, ports } = this.#options;
    this.#entries += all.length;
    if (current.state === "rootless") return;
    const database = instance.database(current.id);
    const entries = all.map((bytes) => this.#decode(bytes));
    const isKnown = entries.map(({ id }) => database.replica.graph.has(id));
    // What is known is passed on as well: the disk may have lost some of it, which is put back.
    const { durable } = await database.receive(entries, this.#order.left);
    await durable;
    if (!database.hasRoot) throw await this.#undo(current, entries[0] as Entry, ports.clock.now());
    for (const [i, { id }] of entries.entries()) {
      if (isKnown[i]) current.known += 1;
      else if (database.replica.graph.has(id)) current.added += 1;
      else if (database.replica.pending.has(id)) current.waiting.add(id);
      else current.refused += 1;
    }
  }

  async #lack(ids: readonly EntryId[]): Promise<void> {
    const current = this.#current as Current;
    const { instance } = this.#options;
    this.#entries += ids.length;
    const graph = instance.find(current.id)?.replica.graph;
    current.missing += ids.filter((id) => graph?.has(id) !== true).length;
    if (!ids.includes(current.id) || graph?.has(current.id) === true) return;
    if (current.state === "created") await instance.forget(current.id);
    current.state = "rootless";
  }

  /** Without its root nothing of it can ever be shown: it is as if it had not been made. */
  async #undo({ id, state }: Current, first: Entry, nowMs: number): Promise<TidemarkError> {
    const { instance } = this.#options;
    const isAhead = instance.find(id)?.replica.pending.has(id) === true;
    if (state === "created") await instance.forget(id);
    if (!isAhead) return malformed("a database without its root", "the root as its first entry");
    return new TidemarkError("ENTRY_TIME_AHEAD", { aheadMs: aheadMs(first.time, nowMs), maxMs: clockAheadMsMax });
  }

  #decode(bytes: Uint8Array): Entry {
    const entry = decodeEntry(bytes.slice(), this.#options.ports.sha256);
    if (entry.ok) return entry.value;
    throw malformed(`an entry: ${entry.failure.code}`, "entries that somebody signed");
  }

  /** Of the database at hand everything has come. */
  #finish(): void {
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    const { id, record, state, known, refused, missing, waiting } = current;
    const graph = this.#options.instance.find(id)?.replica.graph;
    const late = [...waiting].filter((entry) => graph?.has(entry) === true).length;
    const counts = { added: current.added + late, known, refused, waiting: waiting.size - late, missing };
    this.#done.push({ database: id, name: record.name, state, ...counts });
  }
}
