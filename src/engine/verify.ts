/**
 * Looks at everything at rest, whether it is as it was written.
 *
 * [VERIFY-1] Every entry is read from the disk and hashed, all other records are held against their checksums; what memory holds of
 *            them does not count.
 * [VERIFY-2] What is damaged is made right from what is here, and else asked for from peers, as if it had been found by itself.
 * [VERIFY-3] Who asks while it runs waits for the same run, and it ends with the last of them that waits.
 * [VERIFY-4] At most 1,000 entries or 1 MiB of them are in memory at a time, and between them whatever else there is to do is done.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { InspectedRecords, RecordDamage, Storage } from "../ports/storage.ts";
import type { OpenDatabase } from "./database.ts";

export interface VerifyProgress {
  /** Entries, checkpoints and records. */
  readonly checked: number;
  /** As far as is known: records are counted when they are looked at. */
  readonly total: number;
}

/** What was found. Everything is counted once. */
export interface VerifyReport {
  readonly databases: number;
  /** Entries that were read and hashed, and their bytes. */
  readonly entries: number;
  readonly bytes: number;
  /** Entries, indexes, checkpoints and records that were looked at. */
  readonly checked: number;
  /** Of those, what could not be read as it was written. */
  readonly damaged: number;
  /** Of those, what was made right from what is here. */
  readonly salvaged: number;
  /** Of those, what peers had sent again by the end. */
  readonly healed: number;
}

export interface VerifyOptions {
  /** Rejects with ABORTED. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: VerifyProgress) => void;
}

/** For others to have their turn: a twentieth of what a lot takes. */
const pauseMs = 1;
const entriesAtOnce = 1_000;
const bytesAtOnce: number = 1 << 20;

export interface VerificationOptions {
  readonly storage: Pick<Storage, "inspect" | "uncache" | "putDatabase">;
  readonly clock: Clock;
  readonly databases: () => readonly DatabaseId[];
  readonly find: (id: DatabaseId) => OpenDatabase | undefined;
  /** Loads a database anew, which mends indexes and checkpoints. */
  readonly reload: (id: DatabaseId, error: TidemarkError) => Promise<void>;
  /** Writes all local records anew. */
  readonly renewRecords: () => Promise<void>;
}

/** One run. */
interface Run {
  readonly report: Promise<VerifyReport>;
  readonly listeners: Set<(progress: VerifyProgress) => void>;
  waiting: number;
}

type Counts = { -readonly [Count in keyof VerifyReport]: number };

export class Verification {
  readonly #options: VerificationOptions;
  #run: Run | undefined;

  constructor(options: VerificationOptions) {
    this.#options = options;
  }

  /** Rejects with ABORTED, or a STORAGE_ code when storage cannot be read at all. */
  async run({ signal, onProgress = () => {} }: VerifyOptions): Promise<VerifyReport> {
    if (signal?.aborted) throw aborted();
    this.#run ??= this.#begin();
    const run = this.#run;
    // Two callers may hand in the same function.
    const listener = (progress: VerifyProgress): void => onProgress(progress);
    run.listeners.add(listener);
    run.waiting += 1;
    let abort = (): void => {};
    const cut = new Promise<never>((_, reject) => {
      abort = () => reject(aborted());
      signal?.addEventListener("abort", abort);
    });
    try {
      return await Promise.race([run.report, cut]);
    } finally {
      signal?.removeEventListener("abort", abort);
      run.listeners.delete(listener);
      run.waiting -= 1;
      if (run.waiting === 0) this.#run = undefined;
    }
  }

  /** The instance ends: whoever waits gets ABORTED. */
  close(): void {
    if (this.#run !== undefined) this.#run.waiting = 0;
  }

  #begin(): Run {
    const listeners = new Set<(progress: VerifyProgress) => void>();
    const run: Run = { listeners, waiting: 0, report: Promise.resolve().then(() => this.#walk(run)) };
    return run;
  }

  async #walk(run: Run): Promise<VerifyReport> {
    const { databases, find } = this.#options;
    const counts: Counts = { databases: 0, entries: 0, bytes: 0, checked: 0, damaged: 0, salvaged: 0, healed: 0 };
    const ids = databases();
    let total = ids.reduce((sum, id) => sum + (find(id)?.replica.stored ?? 0), 0);
    const tell = (inspected = 0): void => {
      total += inspected;
      for (const listener of run.listeners) listener({ checked: counts.checked, total });
    };
    tell();
    let gone = 0;
    for (const id of ids) {
      await this.#inspect(id, counts, tell);
      gone += await this.#readAll(id, run, counts, tell);
      counts.databases += 1;
    }
    await this.#inspectOthers(counts, tell);
    const left = ids.reduce((sum, id) => sum + (find(id)?.healing.damaged ?? 0), 0);
    return { ...counts, healed: Math.max(0, gone - left) };
  }

  /** The records of a database that hold no entries. */
  async #inspect(id: DatabaseId, counts: Counts, tell: (inspected: number) => void): Promise<void> {
    const { storage, find, reload } = this.#options;
    const inspected = await storage.inspect(id);
    const stands = (kind: RecordDamage): number => inspected.damaged.filter((each) => each === kind).length;
    const database = find(id);
    if (database === undefined) return;
    let salvaged = inspected.mended;
    if (stands("database") > 0 && inspected.mended === 0) {
      await storage.putDatabase(database.record);
      salvaged += 1;
    }
    const made = stands("index") + stands("checkpoint");
    if (made > 0) {
      const where = `${stands("index")} indexes and ${stands("checkpoint")} checkpoints, which are made anew`;
      await reload(id, new TidemarkError("STORAGE_CORRUPT", { where }));
      salvaged += made;
    }
    count(counts, inspected, salvaged);
    tell(inspected.checked);
  }

  async #inspectOthers(counts: Counts, tell: (inspected: number) => void): Promise<void> {
    const inspected = await this.#options.storage.inspect(undefined);
    const locals = inspected.damaged.filter((each) => each === "local").length;
    if (locals > 0) await this.#options.renewRecords();
    count(counts, inspected, inspected.mended + locals);
    tell(inspected.checked);
  }

  /** How many entries are gone here. */
  async #readAll(id: DatabaseId, run: Run, counts: Counts, tell: () => void): Promise<number> {
    const { storage, find } = this.#options;
    let gone = 0;
    for (let from = 0; ; ) {
      const database = find(id);
      if (database === undefined || from >= database.replica.stored) return gone;
      const { to, bytes } = nextLot(database, from);
      await storage.uncache(id);
      const found = await database.healing.look(from, to);
      gone += found.damaged.length;
      counts.entries += to - from;
      counts.bytes += bytes;
      counts.checked += to - from;
      counts.damaged += found.damaged.length + found.salvaged;
      counts.salvaged += found.salvaged;
      from = to;
      tell();
      await this.#pause();
      if (run.waiting === 0) throw aborted();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.after(pauseMs, resolve));
  }
}

function nextLot({ replica }: OpenDatabase, from: number): { readonly to: number; readonly bytes: number } {
  let [to, bytes] = [from, 0];
  for (; to < replica.stored && to - from < entriesAtOnce && bytes < bytesAtOnce; to++)
    bytes += replica.graph.at(to).size;
  return { to, bytes };
}

function count(counts: Counts, { checked, damaged }: InspectedRecords, salvaged: number): void {
  counts.checked += checked;
  counts.damaged += damaged.length;
  counts.salvaged += salvaged;
}

function aborted(): TidemarkError {
  return new TidemarkError("ABORTED", { call: "verify" });
}
