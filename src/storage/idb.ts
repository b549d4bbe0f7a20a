/**
 * Storage on IndexedDB. Entries are packed in segments, each with an index record, so that opening a database reads no entry
 * and a batch of a thousand is two puts.
 *
 * Commits are strict: a resolved commit survives a power cut. Batched that costs nothing, for a single entry some 0.3 ms.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import type { CheckpointPart, Commit, Cursor, DatabaseRecord, LoadedDatabase, Storage } from "../ports/storage.ts";
import { type Connection, openConnection, rangeOf } from "./schema.ts";
import { cutSegments, decodeIndex, encodeIndex, packBytes } from "./segment.ts";
import { SegmentCache } from "./segment-cache.ts";
import { entryCount, type Segment, Segments, segmentOf } from "./segments.ts";

export interface IdbStorageOptions {
  /** Told when the browser, or a newer version of the page, took the database away. Every later call rejects with STORAGE_CLOSED. */
  readonly onLost?: (reason: string) => void;
}

/** The storage of the instance of that name. Rejects with STORAGE_UNAVAILABLE. */
export async function openIdbStorage(name: string, options: IdbStorageOptions = {}): Promise<Storage> {
  let storage: IdbStorage | undefined;
  const connection = await openConnection(name, (reason) => {
    storage?.lose(reason);
    options.onLost?.(reason);
  });
  storage = new IdbStorage(connection);
  return storage;
}

const strict = { durability: "strict" } as const;

class IdbStorage implements Storage {
  readonly #connection: Connection;
  readonly #segments = new Map<DatabaseId, Promise<Segments>>();
  readonly #cache = new SegmentCache();
  /** One commit after the other per database: positions depend on it. */
  readonly #commits = new Map<DatabaseId, Promise<unknown>>();
  #closedBecause: string | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  lose(reason: string): void {
    this.#closedBecause ??= reason;
  }

  databases(): Promise<readonly DatabaseRecord[]> {
    return this.#run(() => this.#connection.getAll("databases"));
  }

  putDatabase(record: DatabaseRecord): Promise<void> {
    return this.#run(async () => {
      await this.#connection.put("databases", record, record.id);
    });
  }

  deleteDatabase(database: DatabaseId): Promise<void> {
    return this.#run(async () => {
      const stores = ["databases", "segments", "indexes", "checkpoints", "cursors"] as const;
      const tx = this.#connection.transaction(stores, "readwrite", strict);
      void tx.objectStore("databases").delete(database);
      for (const store of ["segments", "indexes", "checkpoints", "cursors"] as const)
        void tx.objectStore(store).delete(rangeOf(database));
      await tx.done;
      this.#segments.delete(database);
      this.#cache.forget(database);
    });
  }

  load(database: DatabaseId): Promise<LoadedDatabase | undefined> {
    return this.#run(async () => {
      const tx = this.#connection.transaction(["databases", "indexes", "checkpoints"]);
      const [record, keys, indexes, checkpoints] = await Promise.all([
        tx.objectStore("databases").get(database),
        tx.objectStore("indexes").getAllKeys(rangeOf(database)),
        tx.objectStore("indexes").getAll(rangeOf(database)),
        tx.objectStore("checkpoints").getAll(rangeOf(database)),
      ]);
      if (record === undefined) return undefined;
      const index = indexes.map((bytes, i) => decodeIndex(bytes, `${database}: index ${keys[i]?.[1]}`));
      const segments = index.map((entries, i) =>
        segmentOf(
          keys[i]?.[1] ?? -1,
          entries.map(({ size }) => size),
        ),
      );
      this.#segments.set(database, Promise.resolve(new Segments(database, segments)));
      return { record, index: index.flat(), checkpoints };
    });
  }

  commit(commit: Commit): Promise<void> {
    const previous = this.#commits.get(commit.database) ?? Promise.resolve();
    const done = this.#run(() => previous.catch(() => {}).then(() => this.#commit(commit)));
    this.#commits.set(commit.database, done);
    return done;
  }

  read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.#run(async () => {
      if (from >= to) return [];
      const segments = await this.#segmentsOf(database);
      for (;;) {
        const { generation } = segments;
        try {
          return await this.#readFrom(database, segments.covering(from, to), from, to);
        } catch (error) {
          // Merged between looking a segment up and reading it: look again.
          if (segments.generation === generation) throw error;
        }
      }
    });
  }

  /** Searches the index records one by one: rare, and so not worth a record per entry at every commit or a map in memory. */
  readById(database: DatabaseId, id: EntryId): Promise<Uint8Array | undefined> {
    return this.#run(async () => {
      let cursor = await this.#connection.transaction("indexes").store.openCursor(rangeOf(database), "prev");
      for (; cursor !== null; cursor = await cursor.continue()) {
        const from = cursor.key[1];
        const at = decodeIndex(cursor.value, `${database}: index ${from}`).findIndex((entry) => entry.id === id);
        if (at >= 0) return (await this.read(database, from + at, from + at + 1))[0];
      }
      return undefined;
    });
  }

  putCheckpoint(database: DatabaseId, part: CheckpointPart, replaces: number): Promise<void> {
    return this.#run(async () => {
      const tx = this.#connection.transaction("checkpoints", "readwrite", strict);
      if (replaces < part.number)
        void tx.store.delete(IDBKeyRange.bound([database, replaces], [database, part.number], false, true));
      void tx.store.put(part, [database, part.number]);
      await tx.done;
    });
  }

  deleteCheckpoints(database: DatabaseId): Promise<void> {
    return this.#run(() => this.#connection.delete("checkpoints", rangeOf(database)));
  }

  putCursor(cursor: Cursor): Promise<void> {
    return this.#run(async () => {
      await this.#connection.put("cursors", cursor, [cursor.database, cursor.peer]);
    });
  }

  cursors(database: DatabaseId): Promise<readonly Cursor[]> {
    return this.#run(() => this.#connection.getAll("cursors", rangeOf(database)));
  }

  getValue(name: string): Promise<unknown> {
    return this.#run(() => this.#connection.get("values", name));
  }

  putValueOnce(name: string, value: unknown): Promise<unknown> {
    return this.#run(async () => {
      const tx = this.#connection.transaction("values", "readwrite", strict);
      const stored = await tx.store.get(name);
      if (stored === undefined) void tx.store.put(value, name);
      await tx.done;
      return stored ?? value;
    });
  }

  async close(): Promise<void> {
    if (this.#closedBecause !== undefined) return;
    await Promise.allSettled(this.#commits.values());
    this.#closedBecause = "closed";
    this.#connection.close();
  }

  async #commit({ database, position, entries, record }: Commit): Promise<void> {
    const segments = await this.#segmentsOf(database);
    if (segments.count !== position) {
      const where = `${database}: commit at position ${position}, but ${segments.count} entries are stored`;
      throw new TidemarkError("STORAGE_CORRUPT", { where });
    }
    const tx = this.#connection.transaction(["databases", "segments", "indexes"], "readwrite", strict);
    const added: Segment[] = [];
    let from = position;
    for (const run of cutSegments(entries)) {
      // `add`, not `put`: what another tab may have written at this position must not be overwritten.
      void tx.objectStore("segments").add(packBytes(run.map(({ bytes }) => bytes)), [database, from]);
      void tx.objectStore("indexes").add(encodeIndex(run), [database, from]);
      added.push(
        segmentOf(
          from,
          run.map(({ size }) => size),
        ),
      );
      from += run.length;
    }
    if (record !== undefined) void tx.objectStore("databases").put(record, database);
    await tx.done;
    for (const segment of added) segments.push(segment);
    await this.#compact(database, segments);
  }

  /** Many small commits must not leave as many small records. A transaction of its own: if it fails, nothing is lost. */
  async #compact(database: DatabaseId, segments: Segments): Promise<void> {
    const tail = segments.smallTail();
    const first = tail[0];
    if (first === undefined) return;
    const range = IDBKeyRange.bound([database, first.from], [database, []]);
    const tx = this.#connection.transaction(["segments", "indexes"], "readwrite");
    const [bytes, indexes] = await Promise.all([
      tx.objectStore("segments").getAll(range),
      tx.objectStore("indexes").getAll(range),
    ]);
    const entries = indexes.flatMap((index) => [...decodeIndex(index, `${database}: index after ${first.from}`)]);
    for (const store of ["segments", "indexes"] as const) void tx.objectStore(store).delete(range);
    void tx.objectStore("segments").put(packBytes(bytes), [database, first.from]);
    void tx.objectStore("indexes").put(encodeIndex(entries), [database, first.from]);
    await tx.done;
    this.#cache.forget(database);
    segments.replaceTail(
      segmentOf(
        first.from,
        entries.map(({ size }) => size),
      ),
    );
  }

  async #readFrom(
    database: DatabaseId,
    covering: readonly Segment[],
    from: number,
    to: number,
  ): Promise<readonly Uint8Array[]> {
    const entries: Uint8Array[] = [];
    for (const segment of covering) {
      const bytes = await this.#bytesOf(database, segment);
      const first = Math.max(0, from - segment.from);
      const last = Math.min(entryCount(segment), to - segment.from);
      for (let i = first; i < last; i++) entries.push(bytes.subarray(segment.offsets[i], segment.offsets[i + 1]));
    }
    return entries;
  }

  async #bytesOf(database: DatabaseId, segment: Segment): Promise<Uint8Array> {
    const key = [database, segment.from] as [DatabaseId, number];
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const bytes: unknown = await this.#connection.get("segments", key);
    if (!(bytes instanceof Uint8Array) || bytes.length !== segment.offsets.at(-1)) {
      throw new TidemarkError("STORAGE_CORRUPT", { where: `${database}: segment ${segment.from}` });
    }
    this.#cache.add(key, bytes);
    return bytes;
  }

  #segmentsOf(database: DatabaseId): Promise<Segments> {
    const known = this.#segments.get(database);
    if (known !== undefined) return known;
    const read = this.#readSegments(database);
    this.#segments.set(database, read);
    read.catch(() => this.#segments.delete(database));
    return read;
  }

  async #readSegments(database: DatabaseId): Promise<Segments> {
    const tx = this.#connection.transaction("indexes");
    const [keys, indexes] = await Promise.all([
      tx.store.getAllKeys(rangeOf(database)),
      tx.store.getAll(rangeOf(database)),
    ]);
    const segments = indexes.map((bytes, i) => {
      const from = keys[i]?.[1] ?? -1;
      return segmentOf(
        from,
        decodeIndex(bytes, `${database}: index ${from}`).map(({ size }) => size),
      );
    });
    return new Segments(database, segments);
  }

  /** Runs with the errors of IndexedDB turned into ours. */
  async #run<T>(action: () => Promise<T>): Promise<T> {
    if (this.#closedBecause !== undefined) throw new TidemarkError("STORAGE_CLOSED", { reason: this.#closedBecause });
    try {
      return await action();
    } catch (error) {
      throw toStorageError(error, this.#closedBecause);
    }
  }
}

function toStorageError(error: unknown, closedBecause: string | undefined): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  const reason = String(error);
  if (closedBecause !== undefined)
    return new TidemarkError("STORAGE_CLOSED", { reason: closedBecause }, { cause: error });
  if (name === "QuotaExceededError") return new TidemarkError("STORAGE_QUOTA", { reason }, { cause: error });
  if (name === "ConstraintError")
    return new TidemarkError("STORAGE_CORRUPT", { where: "another writer was here" }, { cause: error });
  return new TidemarkError("STORAGE_UNAVAILABLE", { reason }, { cause: error });
}
