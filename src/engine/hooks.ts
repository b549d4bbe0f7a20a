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
 * [HOOK-8] A hook whose name another owner's has waits until that one is stopped, and then goes on where that one was.
 *
 * Nothing is queued: the log itself is the outbox, and a hook is a position in it (decisions/0011).
 */
import { asTidemarkError, TidemarkError } from "../core/errors.ts";
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
  /** Whoever adds it, such as a tab: each can have one hook of a name, which waits for its turn. */
  readonly owner?: string;
  /** Called once, when it begins, with the cursor that it goes on after. */
  readonly began?: (cursor: string) => void;
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

interface Name {
  /** Whose hook has it. */
  owner: string | undefined;
  readonly waiting: Waiting[];
}

interface Waiting {
  readonly hook: Hook;
  /** Replaced when it has begun. */
  stop: () => void;
}

export class Hooks {
  readonly #options: HooksOptions;
  readonly #readers = new Map<DatabaseId, Set<HookReader>>();
  /** Those in use, by database and name. */
  readonly #names = new Map<string, Name>();

  constructor(options: HooksOptions) {
    this.#options = options;
  }

  /**
   * Begins to call `write`, never before this returned. The function that is returned stops it. Throws CURSOR_INVALID, and INPUT_INVALID for a
   * name that is no label or that another hook of the same owner has or waits for.
   */
  add(hook: Hook): () => void {
    const { database, name, owner } = hook;
    if (name === undefined) return this.#begin(hook, undefined);
    const key = this.#keyFor(database, name, owner);
    const known = this.#names.get(key);
    if (known !== undefined) return this.#queue(hook, key, known);
    const stop = this.#begin(hook, key);
    this.#names.set(key, { owner, waiting: [] });
    return stop;
  }

  /** For `after`: a hook goes on with the entry at this position. */
  cursorAt(database: DatabaseId, position: number): string {
    return formatCursor(this.#options.epoch, database, position);
  }

  #queue(hook: Hook, key: string, { waiting }: Name): () => void {
    // What would fail then fails now.
    this.#place(hook.database, key, hook.after);
    const turn: Waiting = { hook, stop: () => void waiting.splice(waiting.indexOf(turn), 1) };
    waiting.push(turn);
    return () => turn.stop();
  }

  #begin({ database, name, after, write, began }: Hook, key: string | undefined): () => void {
    const { clock, epoch, failed, read, self, stored } = this.#options;
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
    if (key !== undefined) this.#keep();
    this.#readers.set(database, (this.#readers.get(database) ?? new Set()).add(reader));
    began?.(formatCursor(epoch, database, position));
    reader.wake();
    return () => this.#remove(database, reader, key);
  }

  /** Entries from a position on are gone, or have other positions. */
  fellBack(database: DatabaseId, position: number): void {
    const { store } = this.#options;
    for (const reader of this.#readers.get(database) ?? []) reader.fellBack(position);
    for (const record of store.all("hook"))
      if (record.database === database && record.position > position)
        store.put("hook", keyOf(database, record.name), { ...record, position });
  }

  /** More entries of the database are durable, or it was opened. */
  stored(database: DatabaseId): void {
    for (const reader of this.#readers.get(database) ?? []) reader.wake();
  }

  /** Entries of the database became void or count again. */
  recounted(database: DatabaseId): void {
    for (const reader of this.#readers.get(database) ?? []) reader.recounted();
  }

  /** The database is gone from here: its hooks are stopped, and where they were is forgotten. */
  forget(database: DatabaseId): void {
    for (const reader of this.#readers.get(database) ?? []) reader.stop();
    this.#readers.delete(database);
    for (const key of [...this.#names.keys()]) if (key.startsWith(keyOf(database, ""))) this.#names.delete(key);
    const { store } = this.#options;
    for (const record of store.all("hook"))
      if (record.database === database) store.delete("hook", keyOf(database, record.name));
  }

  /** Stops all. */
  close(): void {
    for (const readers of this.#readers.values()) for (const reader of readers) reader.stop();
    this.#readers.clear();
    this.#names.clear();
  }

  #keyFor(database: DatabaseId, name: string, owner: string | undefined): string {
    checkLabel("hook name", name, labelBytesMax);
    const key = keyOf(database, name);
    const known = this.#names.get(key);
    const owners = known === undefined ? [] : [known.owner, ...known.waiting.map(({ hook }) => hook.owner)];
    if (name !== "" && !owners.includes(owner)) return key;
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
  #keep(): void {
    void this.#options.store.flush().catch(() => {});
  }

  #remove(database: DatabaseId, reader: HookReader, key: string | undefined): void {
    reader.stop();
    const readers = this.#readers.get(database);
    // A second call must not free a name that another hook has by now.
    const wasHere = readers?.delete(reader) === true;
    if (readers?.size === 0) this.#readers.delete(database);
    if (wasHere && key !== undefined) this.#passOn(key);
  }

  /** The next in the queue has the name. */
  #passOn(key: string): void {
    const name = this.#names.get(key);
    const next = name?.waiting.shift();
    if (name === undefined || next === undefined) return void this.#names.delete(key);
    name.owner = next.hook.owner;
    try {
      next.stop = this.#begin(next.hook, key);
    } catch (error) {
      // Its cursor was good when it came: the database lost entries since.
      this.#options.failed(asTidemarkError(error), next.hook.database);
      this.#passOn(key);
    }
  }
}

function keyOf(database: DatabaseId, name: string): string {
  return `${database}/${name}`;
}
