/** The notes of a board: what they hold, their order, and what can be done with them. */
import type { Database, Row, Stop, Table } from "tidemark";

export interface Note {
  readonly text: string;
  readonly done: boolean;
  /** Newer notes have larger numbers and stand above; a fraction fits between any two. */
  readonly order: number;
  /** The public key of whoever wrote it first. Another writer could claim it: it is for courtesy, not for proof. */
  readonly by: string;
  /** When it was written, in milliseconds since 1970 by its writer's clock. */
  readonly at: number;
}

export interface PlacedNote extends Note {
  readonly id: string;
}

export const textLengthMax = 10_000;
const store = "notes";

export class Notes {
  readonly #database: Database;
  readonly #table: Table<Note>;
  readonly #read = new WeakMap<object, PlacedNote>();
  /** Changed on this device and not yet seen in `subscribe`. */
  readonly #ours = new Set<string>();
  #largestOrder = 0;

  constructor(database: Database) {
    this.#database = database;
    this.#table = database.table<Note>(store);
  }

  /** Calls with all notes, in their order; one that did not change keeps its identity. */
  subscribe(listener: (notes: readonly PlacedNote[]) => void): Stop {
    return this.#table.subscribe((rows) => {
      const notes = rows.map((row) => this.#readOnce(row)).sort(compareNotes);
      this.#largestOrder = notes[0]?.order ?? 0;
      listener(notes);
    });
  }

  /** Resolves when durable, as all writes here do. Rejects with a code of `transact`. */
  async add(text: string, by: string): Promise<void> {
    // Several in a row, before the first comes back, keep their order.
    this.#largestOrder += 1;
    await this.restore([{ id: crypto.randomUUID(), text, done: false, order: this.#largestOrder, by, at: Date.now() }]);
  }

  /** Rejects with ROW_MISSING when it was deleted meanwhile. */
  async edit(id: string, text: string): Promise<void> {
    this.#ours.add(id);
    await this.#table.update(id, { text });
  }

  /** Rejects with ROW_MISSING when it was deleted meanwhile. */
  async tick(id: string, done: boolean): Promise<void> {
    this.#ours.add(id);
    await this.#table.update(id, { done });
  }

  /** All of them in one entry. */
  async remove(notes: readonly PlacedNote[]): Promise<void> {
    await this.#database.transact((tx) => {
      for (const { id } of notes) tx.table<Note>(store).delete(id);
    });
  }

  /** Puts them where they were, all in one entry. */
  async restore(notes: readonly PlacedNote[]): Promise<void> {
    await this.#database.transact((tx) => {
      for (const { id, ...note } of notes) {
        this.#ours.add(id);
        tx.table<Note>(store).put(id, note);
      }
    });
  }

  /** Whether the change that just arrived was made here; asked once per change. */
  takeOurs(id: string): boolean {
    return this.#ours.delete(id);
  }

  #readOnce(row: Row<Note>): PlacedNote {
    const known = this.#read.get(row) ?? readNote(row);
    this.#read.set(row, known);
    return known;
  }
}

/** Rows of other devices may hold anything: what is missing or of another type gets a harmless value. */
function readNote({ id, ...row }: Row<Note>): PlacedNote {
  const { text, done, order, by, at } = row as Partial<Record<keyof Note, unknown>>;
  return {
    id,
    text: typeof text === "string" ? text : "",
    done: done === true,
    order: typeof order === "number" ? order : 0,
    by: typeof by === "string" ? by : "",
    at: typeof at === "number" ? at : 0,
  };
}

/** Newest above; of two that were written at once, all devices put the same one first. */
function compareNotes(a: PlacedNote, b: PlacedNote): number {
  return b.order - a.order || (a.id < b.id ? -1 : 1);
}
