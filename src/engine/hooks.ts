/**
 * Hooks: readers of the log, told of every entry that became durable.
 *
 * [HOOK-1] Each local commit is one event; entries of others that lie next to each other are one, of at most 100; nothing is none.
 * [HOOK-2] A hook gets its events in the order of the log, the next only when it is done with the one before.
 * [HOOK-3] A hook that fails or hangs holds up neither commits nor other hooks. Its failure is reported; one with a name gets the same event again, later
 *          and later, one without goes on with the next.
 * [HOOK-4] A hook with a name goes on where it was after a crash or restart: it gets every event at least once.
 * [HOOK-5] A stopped hook gets nothing more, even while it is handling an event.
 * [HOOK-6] Given the cursor of an event, a hook gets exactly what comes after that event.
 * [HOOK-7] What is void when its turn comes is left out, and is not handed over later, should it count again.
 *
 * Nothing is queued: the log itself is the outbox, and a hook is a position in it (decisions/0011).
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { labelBytesMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import { formatCursor, parseCursor } from "./hook-cursor.ts";
import { HookReader, type WriteEvent, type WrittenEntry } from "./hook-reader.ts";
import { checkLabel } from "./label.ts";
import type { LocalStore } from "./local-store.ts";

export interface Hook {
  readonly database: DatabaseId;
  /** Names its place in the log, so that it goes on there after a restart; one hook of a name and database at a time. */
  readonly name?: string;
  /** The cursor of an event: goes on after it, whatever is remembered. Without it and without a remembered place: from now on. */
  readonly after?: string;
  /** An event is done with when what this returns has resolved. */
  readonly write: (event: WriteEvent) => unknown;
}

export interface HooksOptions {
  readonly store: LocalStore;
  /** The durable entries at positions `from` ≤ position < `to`, undefined for those that are void. */
  readonly read: (database: DatabaseId, from: number, to: number) => Promise<readonly (WrittenEntry | undefined)[]>;
  /** Entries at positions below are durable; 0 for a database that is not open. */
  readonly stored: (database: DatabaseId) => number;
  readonly self: PublicKey;
  /** Of this device's storage. */
  readonly epoch: string;
  /** HOOK_FAILED, or the code with which reading failed. */
  readonly failed: (error: TidemarkError, database: DatabaseId) => void;
  readonly clock: Clock;
}

export class Hooks {
  readonly #options: HooksOptions;
  readonly #readers = new Map<DatabaseId, Set<HookReader>>();
  /** Names in use, by database and name. */
  readonly #names = new Set<string>();

  constructor(options: HooksOptions) {
    this.#options = options;
  }

  /**
   * Begins to call `write`, never before this returned. The function that is returned stops it. Throws CURSOR_INVALID, and INPUT_INVALID for a
   * name that is no label or is in use.
   */
  add({ database, name, after, write }: Hook): () => void {
    const { clock, epoch, failed, read, self, stored } = this.#options;
    const key = name === undefined ? undefined : this.#freeKey(database, name);
    const position = this.#place(database, key, after);
    const remember = (done: number): void => {
      if (key !== undefined && name !== undefined)
        this.#options.store.put("hook", key, { name, database, position: done });
    };
    const reader = new HookReader({
      database,
      name,
      position,
      self,
      clock,
      read: (from, to) => read(database, from, to),
      stored: () => stored(database),
      cursorAt: (at) => formatCursor(epoch, database, at),
      write,
      remember,
      failed: (error) => failed(error, database),
    });
    // Its place is part of what a crash must not take back: what is committed from here on is the hook's.
    remember(position);
    if (key !== undefined) this.#keep(key);
    this.#readers.set(database, (this.#readers.get(database) ?? new Set()).add(reader));
    reader.wake();
    return () => this.#remove(database, reader, key);
  }

  /** More entries of the database are durable, or it was opened. */
  stored(database: DatabaseId): void {
    for (const reader of this.#readers.get(database) ?? []) reader.wake();
  }

  /** Entries of the database became void or count again. */
  recounted(database: DatabaseId): void {
    for (const reader of this.#readers.get(database) ?? []) reader.recounted();
  }

  /** Stops all. */
  close(): void {
    for (const readers of this.#readers.values()) for (const reader of readers) reader.stop();
    this.#readers.clear();
  }

  #freeKey(database: DatabaseId, name: string): string {
    checkLabel("hook name", name, labelBytesMax);
    const key = keyOf(database, name);
    if (name !== "" && !this.#names.has(key)) return key;
    const expected = "a name that no other hook of the database has";
    throw new TidemarkError("INPUT_INVALID", { field: "hook name", got: JSON.stringify(name), expected });
  }

  #place(database: DatabaseId, key: string | undefined, after: string | undefined): number {
    const stored = this.#options.stored(database);
    if (after !== undefined) return parseCursor(after, this.#options.epoch, database, stored);
    const remembered = key === undefined ? undefined : this.#options.store.get("hook", key)?.position;
    return remembered ?? stored;
  }

  /** Failing to write is the store's to report. */
  #keep(key: string): void {
    this.#names.add(key);
    void this.#options.store.flush().catch(() => {});
  }

  #remove(database: DatabaseId, reader: HookReader, key: string | undefined): void {
    reader.stop();
    const readers = this.#readers.get(database);
    // A second call must not free a name that another hook has by now.
    if (readers?.delete(reader) && key !== undefined) this.#names.delete(key);
    if (readers?.size === 0) this.#readers.delete(database);
  }
}

function keyOf(database: DatabaseId, name: string): string {
  return `${database}/${name}`;
}
