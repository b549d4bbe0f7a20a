/**
 * Reads the columns in which a change holds its operations: one property of all of them after the other, in runs.
 *
 * [DOC-4] A column is read only in the one form that Automerge writes. A run is as long as it can be, so no value equals the one before
 *         it unless its run says so; a literal or nulls do not follow their like; a column that says nothing is left out.
 * Nothing is allocated for a length that a run only claims: values are handed out one by one, as often as they are asked for.
 * Not here: what the columns are called and what their values mean (tail.ts).
 */
import { opCounterMax } from "../limits.ts";
import type { LebReader } from "./leb128.ts";

type Segment = "start" | "run" | "literal" | "nulls";

/** `next` is called as often as there are values, and then `finish`. */
export interface Column<Value> {
  /** Undefined is a null. */
  next(): Value | undefined;
  finish(): void;
}

/** One without bytes: nulls only, however many. Most columns of a keystroke are such. */
export const emptyColumn: Column<never> = { next: () => undefined, finish: () => {} };

/** A column of runs: the bytes of `reader`, of which there are some. */
abstract class RunColumn<Value> {
  protected readonly reader: LebReader;
  #segment: Segment = "start";
  /** What is left of the segment. */
  #left = 0;
  /** The value before, unless that is a null. */
  #value: Value | undefined;
  #saysNothing = true;

  constructor(reader: LebReader) {
    this.reader = reader;
  }

  protected abstract read(): Value;

  /** Undefined is a null. */
  next(): Value | undefined {
    if (this.#left === 0) this.#start();
    this.#left--;
    if (this.#segment === "literal") this.#readValue();
    return this.#value;
  }

  finish(): void {
    checkEnd(this.reader, this.#left);
    if (this.#saysNothing) throw this.reader.refuse("a column of nulls", "none");
  }

  #start(): void {
    const length = this.reader.int();
    if (length > 1) this.#startRun(length);
    else if (length < 0) this.#startLiteral(-length);
    else if (length === 0) this.#startNulls();
    else throw this.reader.refuse("a run of one", "a literal");
  }

  #startRun(length: number): void {
    this.#segment = "run";
    this.#left = length;
    this.#readValue();
  }

  #startLiteral(length: number): void {
    if (this.#segment === "literal") throw this.reader.refuse("a literal after another", "one of both");
    this.#segment = "literal";
    this.#left = length;
  }

  #startNulls(): void {
    const length = this.reader.uint();
    if (this.#segment === "nulls" || length === 0) throw this.reader.refuse("nulls after nulls, or none", "one run");
    this.#segment = "nulls";
    this.#left = length;
    this.#value = undefined;
  }

  #readValue(): void {
    const value = this.read();
    if (value === this.#value) throw this.reader.refuse("a value twice", "a run");
    this.#value = value;
    this.#saysNothing = false;
  }
}

export class UintColumn extends RunColumn<number> {
  protected override read(): number {
    return this.reader.uint();
  }
}

export class TextColumn extends RunColumn<string> {
  protected override read(): string {
    return this.reader.text();
  }
}

class IntColumn extends RunColumn<number> {
  protected override read(): number {
    return this.reader.int();
  }
}

/** Counters of ops, each as the difference to the one before. */
export class CounterColumn {
  readonly #differences: IntColumn;
  readonly #reader: LebReader;
  #counter = 0;

  constructor(reader: LebReader) {
    this.#differences = new IntColumn(reader);
    this.#reader = reader;
  }

  next(): number | undefined {
    const difference = this.#differences.next();
    if (difference === undefined) return undefined;
    this.#counter += difference;
    if (this.#counter >= 0 && this.#counter <= opCounterMax) return this.#counter;
    throw this.#reader.refuse(`a counter of ${this.#counter}`, `0 to ${opCounterMax}`);
  }

  finish(): void {
    this.#differences.finish();
  }
}

/** A column of booleans: how many are false, how many then true, and so on. */
export class BooleanColumn {
  readonly #reader: LebReader;
  #mustHoldTrue: boolean;
  #value = false;
  #left: number;

  /** An optional column is there only when it holds a true one; the other whenever `count` is not 0. */
  constructor(reader: LebReader, count: number, isOptional: boolean) {
    this.#reader = reader;
    const isLeftOut = reader.isAtEnd && (isOptional || count === 0);
    this.#mustHoldTrue = isOptional && !isLeftOut;
    this.#left = isLeftOut ? count : reader.uint();
    if (this.#left === 0 && !isLeftOut) this.#startNext();
  }

  next(): boolean {
    if (this.#left === 0) this.#startNext();
    this.#left--;
    return this.#value;
  }

  finish(): void {
    checkEnd(this.#reader, this.#left);
    if (this.#mustHoldTrue) throw this.#reader.refuse("a column of falses", "none");
  }

  #startNext(): void {
    this.#left = this.#reader.uint();
    if (this.#left === 0) throw this.#reader.refuse("an empty run", "none");
    this.#value = !this.#value;
    this.#mustHoldTrue = false;
  }
}

function checkEnd(reader: LebReader, left: number): void {
  if (left > 0 || !reader.isAtEnd) throw reader.refuse("a column that goes on", "as many values as ops");
}

/** How many unsigned integers a column holds, and what they add up to. */
export interface Measure {
  readonly count: number;
  readonly sum: number;
}

/** Reads the runs alone, so it costs as much as the bytes are long, whatever they claim. Nulls are refused. */
export function measureColumn(reader: LebReader): Measure {
  let count = 0;
  let sum = 0;
  while (!reader.isAtEnd) {
    const length = reader.int();
    if (length === 0) throw reader.refuse("nulls", "integers");
    count += Math.abs(length);
    if (length > 0) sum += length * reader.uint();
    for (let left = -length; left > 0; left--) sum += reader.uint();
  }
  return { count, sum };
}
