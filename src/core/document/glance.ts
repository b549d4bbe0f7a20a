/**
 * A glance at a change: whether it deletes or increments something, and where, without making its operations.
 *
 * Takes a fraction of a microsecond for what is typed. Deliberately not here: whether the change is sound. Of anything that is not read easily it says that it may.
 */
import { encodeHex } from "../ids.ts";
import { LebReader } from "./leb128.ts";
import { action } from "./op.ts";
import { column, columnNames } from "./op-reader.ts";

/**
 * "nothing": it deletes and increments nothing. A text: what it deletes is in this one sequence, named as Automerge does, and it does nothing else.
 * "anything": any other.
 */
export type Glance = "nothing" | "anything" | { readonly sequence: string };

/** How a change begins: magic, checksum, type. */
const prefixBytes = 9;
const hashBytes = 32;

const actions = columnNames[column.action] as number;
const keyTexts = columnNames[column.keyText] as number;
const objActors = columnNames[column.objActor] as number;
const objCounters = columnNames[column.objCounter] as number;

export function glanceAt(change: Uint8Array): Glance {
  try {
    return new Look(change).glance();
  } catch (error) {
    if (error instanceof Unreadable) return "anything";
    throw error;
  }
}

class Unreadable extends Error {}

function refuse(): Error {
  return new Unreadable("it is no plain change");
}

class Look {
  /** One for all, moved about: there are many changes, and most of them are told by a few bytes. */
  readonly #reader: LebReader;
  #actorAt = 0;
  #othersAt = 0;
  #columnsAt = 0;
  /** Of the column that was looked for last: it ends where it starts when it is left out. */
  #columnEnd = 0;

  constructor(change: Uint8Array) {
    this.#reader = new LebReader(change, refuse);
  }

  glance(): Glance {
    this.#skipHeader();
    switch (this.#readActions()) {
      case "none":
        return "nothing";
      case "delete":
        return this.#where();
      case "increment":
        return "anything";
    }
  }

  #readActions(): "none" | "delete" | "increment" {
    const reader = this.#reader;
    this.#find(actions);
    let deletes = false;
    while (reader.at < this.#columnEnd) {
      const length = reader.int();
      // A run says of each the same: one look is enough.
      for (let left = length > 0 ? 1 : -length; left > 0; left--) {
        const value = reader.uint();
        if (value === action.increment) return "increment";
        deletes ||= value === action.delete;
      }
    }
    return deletes ? "delete" : "none";
  }

  #skipHeader(): void {
    const reader = this.#reader;
    reader.skip(prefixBytes);
    reader.uint();
    reader.skip(reader.uint() * hashBytes);
    this.#actorAt = reader.at;
    reader.skip(reader.uint());
    reader.uint();
    reader.uint();
    reader.int();
    reader.skip(reader.uint());
    this.#othersAt = reader.at;
    for (let left = reader.uint(); left > 0; left--) reader.skip(reader.uint());
    this.#columnsAt = reader.at;
  }

  /** The reader stands at the beginning of this column, or of what would follow it. Whether there is one. */
  #find(name: number): boolean {
    const reader = this.#reader;
    reader.at = this.#columnsAt;
    let [offset, from, length] = [0, 0, 0];
    for (let left = reader.uint(); left > 0; left--) {
      const found = reader.uint();
      const bytes = reader.uint();
      if (found === name) [from, length] = [offset, bytes];
      offset += bytes;
    }
    reader.skip(from);
    this.#columnEnd = reader.at + length;
    return length > 0;
  }

  #where(): Glance {
    if (this.#find(keyTexts)) return "anything";
    const actor = this.#only(objActors);
    const counter = this.#only(objCounters);
    return actor === undefined || counter === undefined ? "anything" : { sequence: this.#name(counter, actor) };
  }

  /** The value that all have; undefined when the first run does not tell of all, or it is the root. */
  #only(name: number): number | undefined {
    if (!this.#find(name)) return undefined;
    const reader = this.#reader;
    const length = reader.int();
    const value = length > 1 || length === -1 ? reader.uint() : undefined;
    return reader.at === this.#columnEnd ? value : undefined;
  }

  #name(counter: number, actor: number): string {
    const reader = this.#reader;
    reader.at = actor === 0 ? this.#actorAt : this.#othersAt;
    if (actor > 0 && actor > reader.uint()) throw refuse();
    for (let left = actor - 1; left > 0; left--) reader.skip(reader.uint());
    return `${counter}@${encodeHex(reader.take(reader.uint()))}`;
  }
}
