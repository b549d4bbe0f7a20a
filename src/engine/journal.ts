/**
 * Makes accepted entries durable: everything that waits goes to storage in one atomic commit, then the next lot.
 *
 * [ENGINE-1] A commit's promise resolves only after its entry is durable, and nothing is announced before.
 * [ENGINE-2] While one commit to storage is under way, what is accepted meanwhile gathers and goes out together.
 * [ENGINE-3] A checkpoint holds only the effects of entries that are durable before it is.
 * [ENGINE-26] What peers need not hold any more is durable before the entries that are the reason.
 */
import type { Entry } from "../core/entry.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { CheckpointPart, Storage, StoredEntry } from "../ports/storage.ts";
import { noteStored, rowsOf, type WriteMark } from "./writes.ts";

export interface JournalOptions {
  readonly database: DatabaseId;
  readonly storage: Pick<Storage, "commit" | "putCheckpoint">;
  /** The number of entries that are durable already. */
  readonly position: number;
  /** Everything below `through` is durable. */
  readonly stored: (through: number) => void;
  /** Called when all that is accepted is in the commit at hand: a part that is due, and the part numbers it replaces. */
  readonly checkpoint: (through: number) => Due | undefined;
  /** Storage failed: nothing of what waited is durable, and this journal does no more. */
  readonly failed: (error: unknown) => void;
}

/** A part that is due, and the number of the first one that it takes the place of. */
interface Due {
  readonly part: CheckpointPart;
  readonly replaces: number;
}

interface Waiter {
  readonly through: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Journal {
  readonly #options: JournalOptions;
  #position: number;
  #waiting: StoredEntry[] = [];
  /** Of those: which writes they decide. */
  #marks: WriteMark[] = [];
  /** In the commit at hand: from `#position` on. */
  #storing: readonly StoredEntry[] = [];
  /** What has to be durable before anything more is stored. */
  #before: Promise<void> | undefined;
  #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  #checkpointed: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  /** Why a checkpoint was not written. */
  #lost: { readonly error: unknown } | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#position = options.position;
  }

  /** Takes entries in the order of their positions. */
  append(entries: readonly Entry[], nodes: readonly Node[]): void {
    for (const [i, entry] of entries.entries()) this.#waiting.push(storedEntry(entry, writesSettings(nodes[i])));
    if (this.#failure === undefined) this.#running ??= this.#run();
  }

  /** What was just appended decides these: to be called in the same turn. */
  mark(marks: readonly WriteMark[]): void {
    this.#marks.push(...marks);
  }

  /** Resolves when every entry at a position below `through` is durable; rejects when storage failed before that. */
  durable(through: number): Promise<void> {
    if (through <= this.#position) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    return new Promise((resolve, reject) => this.#waiters.push({ through, resolve, reject }));
  }

  /** What is appended from now on is stored after `durable` has resolved; storage has failed when it rejects. */
  storeAfter(durable: Promise<void>): void {
    const before = this.#before;
    this.#before = before === undefined ? durable : before.then(() => durable);
    this.#before.catch(() => {}); // Told to the owner when it is its turn.
  }

  /** An entry that is not durable yet; undefined for any other. */
  pending(position: number): StoredEntry | undefined {
    const at = position - this.#position;
    return this.#storing[at] ?? this.#waiting[at - this.#storing.length];
  }

  /** Writes a part that is due at once, unless something waits: then it goes with that. */
  writeCheckpoint(): void {
    if (this.#running !== undefined || this.#failure !== undefined) return;
    const due = this.#options.checkpoint(this.#position);
    if (due !== undefined) this.#put(due, this.#checkpointed);
  }

  /** Resolves when no part is on its way to storage, whether it was written or not. */
  async checkpointed(): Promise<void> {
    await this.#checkpointed.catch(() => {}); // Told to the owner where it failed.
  }

  /** Resolves when nothing waits any more, whether it was stored or failed. */
  async settled(): Promise<void> {
    await this.#running;
    await this.checkpointed();
  }

  async #run(): Promise<void> {
    // What is accepted in the same turn, such as a batch and what it released, belongs into one commit.
    await Promise.resolve();
    try {
      while (this.#waiting.length > 0 && this.#lost === undefined) await this.#storeAll();
      if (this.#lost !== undefined) throw this.#lost.error;
    } catch (error) {
      this.#fail(error);
    }
    this.#running = undefined;
  }

  async #storeAll(): Promise<void> {
    const { database, storage } = this.#options;
    await this.#prepare();
    const entries = this.#waiting;
    this.#waiting = [];
    this.#storing = entries;
    const through = this.#position + entries.length;
    const due = this.#options.checkpoint(through);
    const marks = this.#marks.splice(0);
    const writes = rowsOf(database, marks);
    const rows = writes.length === 0 ? {} : { writes };
    const committed = storage.commit({ database, position: this.#position, entries, ...rows });
    // The next commit need not wait for it: losing a part costs folding, nothing else. Parts themselves go one after the other.
    const previous = this.#checkpointed;
    if (due !== undefined) this.#put(due, Promise.all([previous, committed]));
    await committed;
    this.#position = through;
    this.#storing = [];
    noteStored(database, marks);
    this.#options.stored(through);
    this.#resolveWaiters();
  }

  async #prepare(): Promise<void> {
    for (let before = this.#before; before !== undefined; before = this.#before) {
      this.#before = undefined;
      await before;
    }
  }

  #put({ part, replaces }: Due, after: Promise<unknown>): void {
    const { database, storage } = this.#options;
    this.#checkpointed = after.then(() => storage.putCheckpoint(database, part, replaces));
    this.#checkpointed.catch((error: unknown) => this.#loseCheckpoint(error));
  }

  /** The state counts on that part. A commit that is under way is carried through first: who waits for it is told the truth. */
  #loseCheckpoint(error: unknown): void {
    this.#lost ??= { error };
    if (this.#running === undefined) this.#fail(error);
  }

  #resolveWaiters(): void {
    const isDone = (waiter: Waiter): boolean => waiter.through <= this.#position;
    const done = this.#waiters.filter(isDone);
    this.#waiters = this.#waiters.filter((waiter) => !isDone(waiter));
    for (const { resolve } of done) resolve();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#waiting = [];
    this.#marks = [];
    this.#storing = [];
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) reject(error);
    this.#options.failed(error);
  }
}

function writesSettings(node: Node | undefined): boolean {
  return node?.settings[0] === node;
}

/** An entry with what storage keeps of it beside its bytes. */
export function storedEntry(entry: Entry, settings: boolean): StoredEntry {
  const { id, author, seq, prev, parents, height, time, bytes } = entry;
  return { id, author, seq, prev, parents, height, time, size: bytes.length, settings, bytes };
}
