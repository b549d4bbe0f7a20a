/**
 * The ops of a tail, each at its place, without making the others: what is asked of those that later ops name.
 *
 * Kept are the runs of the columns, not the ops: 100 bytes can stand for 100,000 of them, and whoever names one op of each of many such changes
 * must not have all of them made. Only for tails that `decodeTail` took.
 */
import { LebReader } from "./leb128.ts";
import { action, valueType } from "./op.ts";
import { type Bounds, column, columnReader, readBounds } from "./op-reader.ts";

/** What an op makes, for those that name it. */
export type OpKind = "map" | "sequence" | "mark" | "counter" | "value" | "nothing";

/** An op by what it alters and makes. Ops are named by `opName`. */
export interface OpPlace {
  /** 0: the root. */
  readonly obj: number;
  /** A key of a map, or the element of a sequence; 0: its head. */
  readonly key: string | number;
  readonly insert: boolean;
  readonly kind: OpKind;
}

/** The ops of a change, for those that name them. */
export interface OpPlaces {
  /** The op at a place from 0, which is there. */
  place(place: number): OpPlace;
}

const counters = 2 ** 31;

/** One number for an op of a document. Counters are below 2^31, and no document has 2^22 actors. */
export function opName(actor: number, counter: number): number {
  return actor * counters + counter;
}

export function kindOf(op: { readonly action: number; readonly valueType: number }): OpKind {
  switch (op.action) {
    case action.makeMap:
      return "map";
    case action.makeList:
    case action.makeText:
      return "sequence";
    case action.mark:
      return "mark";
    case action.set:
      return op.valueType === valueType.counter ? "counter" : "value";
    default:
      return "nothing";
  }
}

function bug(got: string): Error {
  return new Error(`Tidemark bug: an op was looked up in a tail that has ${got}`);
}

/** A column by its runs. */
class Runs<Value> {
  readonly #ends: number[] = [];
  readonly #values: (Value | undefined)[] = [];

  add(length: number, value: Value | undefined): void {
    this.#ends.push((this.#ends.at(-1) ?? 0) + length);
    this.#values.push(value);
  }

  /** The run that a place is in; beyond the last: none. */
  find(place: number): { readonly value: Value | undefined; readonly from: number } {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ends[middle] as number) <= place) low = middle + 1;
      else high = middle;
    }
    return { value: this.#values[low], from: low === 0 ? 0 : (this.#ends[low - 1] as number) };
  }

  at(place: number): Value | undefined {
    return this.find(place).value;
  }
}

function readRuns<Value>(reader: LebReader, read: (reader: LebReader) => Value): Runs<Value> {
  const runs = new Runs<Value>();
  while (!reader.isAtEnd) {
    const length = reader.int();
    if (length > 0) runs.add(length, read(reader));
    else if (length === 0) runs.add(reader.uint(), undefined);
    else for (let left = -length; left > 0; left--) runs.add(1, read(reader));
  }
  return runs;
}

const uint = (reader: LebReader): number => reader.uint();
const text = (reader: LebReader): string => reader.text();

/** Counters of which each is told by the difference to the one before: by run, the first one, and the step to the next. */
interface Steps {
  readonly first: number;
  readonly step: number;
}

function readCounters(reader: LebReader): Runs<Steps> {
  let last = 0;
  const runs = new Runs<Steps>();
  const add = (length: number, step: number): void => {
    runs.add(length, { first: last + step, step });
    last += length * step;
  };
  while (!reader.isAtEnd) {
    const length = reader.int();
    if (length > 0) add(length, reader.int());
    else if (length === 0) runs.add(reader.uint(), undefined);
    else for (let left = -length; left > 0; left--) add(1, reader.int());
  }
  return runs;
}

function readBooleans(reader: LebReader): Runs<boolean> {
  const runs = new Runs<boolean>();
  for (let value = false; !reader.isAtEnd; value = !value) runs.add(reader.uint(), value);
  return runs;
}

/** Of a change of few ops, each as it was when it was checked. */
export class ShortOpTable implements OpPlaces {
  readonly #places: readonly OpPlace[];

  constructor(places: readonly OpPlace[]) {
    this.#places = places;
  }

  place(place: number): OpPlace {
    return this.#places[place] as OpPlace;
  }
}

export class OpTable implements OpPlaces {
  readonly #startOp: number;
  /** By the number that the tail has for each: its own first. */
  readonly #actors: readonly number[];
  readonly #objActors: Runs<number>;
  readonly #objCounters: Runs<number>;
  readonly #keyActors: Runs<number>;
  readonly #keyCounters: Runs<Steps>;
  readonly #keyTexts: Runs<string>;
  readonly #inserts: Runs<boolean>;
  readonly #actions: Runs<number>;
  readonly #valueMetas: Runs<number>;

  /** `actorOf` is asked for the others that the tail names. */
  constructor(tail: Uint8Array, actor: number, startOp: number, actorOf: (bytes: Uint8Array) => number) {
    const reader = new LebReader(tail, bug);
    reader.int();
    reader.skip(reader.uint());
    const actors = [actor];
    for (let left = reader.uint(); left > 0; left--) actors.push(actorOf(reader.take(reader.uint())));
    const bounds: Bounds = readBounds(reader);
    const at = (place: number): LebReader => columnReader(reader, bounds, place);
    this.#startOp = startOp;
    this.#actors = actors;
    this.#objActors = readRuns(at(column.objActor), uint);
    this.#objCounters = readRuns(at(column.objCounter), uint);
    this.#keyActors = readRuns(at(column.keyActor), uint);
    this.#keyCounters = readCounters(at(column.keyCounter));
    this.#keyTexts = readRuns(at(column.keyText), text);
    this.#inserts = readBooleans(at(column.insert));
    this.#actions = readRuns(at(column.action), uint);
    this.#valueMetas = readRuns(at(column.valueMeta), uint);
  }

  place(place: number): OpPlace {
    const insert = this.#inserts.at(place) ?? false;
    const objCounter = this.#objCounters.at(place);
    const kind = kindOf({
      action: this.#actions.at(place) ?? action.delete,
      valueType: (this.#valueMetas.at(place) ?? 0) % 16,
    });
    return {
      obj: objCounter === undefined ? 0 : this.#name(this.#objActors.at(place), objCounter),
      key: insert ? this.#name(0, this.#startOp + place) : this.#key(place),
      insert,
      kind,
    };
  }

  #key(place: number): string | number {
    const key = this.#keyTexts.at(place);
    if (key !== undefined) return key;
    const { value, from } = this.#keyCounters.find(place);
    if (value === undefined) return 0;
    const counter = value.first + (place - from) * value.step;
    return counter === 0 ? 0 : this.#name(this.#keyActors.at(place), counter);
  }

  #name(actor: number | undefined, counter: number): number {
    return opName(this.#actors[actor ?? 0] as number, counter);
  }
}
