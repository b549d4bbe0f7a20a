/** Puts the operations of a change together from its columns. Each is checked by itself (op.ts), and how they belong together here. */
import { opCounterMax } from "../limits.ts";
import { LebReader } from "./leb128.ts";
import { action, checkOp, type Op, type OpId, readValue } from "./op.ts";
import { BooleanColumn, type Column, CounterColumn, emptyColumn, TextColumn, UintColumn } from "./op-columns.ts";

/** The columns by their place in a change: each of them once, or not at all. */
export const column = {
  objActor: 0,
  objCounter: 1,
  keyActor: 2,
  keyCounter: 3,
  keyText: 4,
  insert: 5,
  action: 6,
  valueMeta: 7,
  value: 8,
  predCount: 9,
  predActor: 10,
  predCounter: 11,
  expand: 12,
  mark: 13,
} as const;

/** How a change calls them, by their place: a number times 16 and the type. 8 would say that it is compressed. */
export const columnNames: readonly number[] = [
  0x01, 0x02, 0x11, 0x13, 0x15, 0x34, 0x42, 0x56, 0x57, 0x70, 0x71, 0x73, 0x94, 0xa5,
];

/** Where the columns start, by their place, and where the last one ends. */
export type Bounds = readonly number[];

/** Reads the list of columns, which all follow it. */
export function readBounds(reader: LebReader): Bounds {
  const lengths = readLengths(reader);
  const bounds = [reader.at];
  for (const length of lengths) {
    reader.skip(length);
    bounds.push(reader.at);
  }
  if (!reader.isAtEnd) throw reader.refuse("bytes behind the columns", "none");
  return bounds;
}

function readLengths(reader: LebReader): readonly number[] {
  const lengths = columnNames.map(() => 0);
  let next = 0;
  for (let left = reader.uint(); left > 0; left--) {
    const name = reader.uint();
    const place = columnNames.indexOf(name, next);
    if (place < 0) throw reader.refuse(`column ${name}`, "known ones in order, each once");
    const length = reader.uint();
    if (length === 0) throw reader.refuse(`column ${name} without bytes`, "none");
    lengths[place] = length;
    next = place + 1;
  }
  return lengths;
}

export function columnReader(reader: LebReader, bounds: Bounds, place: number): LebReader {
  return new LebReader(reader.bytes, reader.refuse, bounds[place] as number, bounds[place + 1] as number);
}

export interface Counts {
  readonly ops: number;
  readonly others: number;
}

const noPreds: readonly OpId[] = [];

export class OpReader {
  readonly #reader: LebReader;
  readonly #counts: Counts;
  readonly #objActor: Column<number>;
  readonly #objCounter: Column<number>;
  readonly #keyActor: Column<number>;
  readonly #keyCounter: Column<number>;
  readonly #keyText: Column<string>;
  readonly #insert: BooleanColumn;
  readonly #action: Column<number>;
  readonly #valueMeta: Column<number>;
  readonly #value: LebReader;
  readonly #predCount: Column<number>;
  readonly #predActor: Column<number>;
  readonly #predCounter: Column<number>;
  readonly #expand: BooleanColumn;
  readonly #mark: Column<string>;
  /** By actor: whether an op names it. */
  readonly #named: Uint8Array;
  /** The op before, when that began a mark. */
  #begun: Op | undefined;
  #obj: OpId | undefined;

  constructor(reader: LebReader, bounds: Bounds, counts: Counts) {
    const { ops, others } = counts;
    const at = (place: number) => columnReader(reader, bounds, place);
    const isEmpty = (place: number): boolean => bounds[place] === bounds[place + 1];
    const uints = (place: number): Column<number> => (isEmpty(place) ? emptyColumn : new UintColumn(at(place)));
    const counters = (place: number): Column<number> => (isEmpty(place) ? emptyColumn : new CounterColumn(at(place)));
    const texts = (place: number): Column<string> => (isEmpty(place) ? emptyColumn : new TextColumn(at(place)));
    this.#reader = reader;
    this.#counts = counts;
    this.#named = new Uint8Array(others + 1);
    this.#objActor = uints(column.objActor);
    this.#objCounter = uints(column.objCounter);
    this.#keyActor = uints(column.keyActor);
    this.#keyCounter = counters(column.keyCounter);
    this.#keyText = texts(column.keyText);
    this.#insert = new BooleanColumn(at(column.insert), ops, false);
    this.#action = uints(column.action);
    this.#valueMeta = uints(column.valueMeta);
    this.#value = at(column.value);
    this.#predCount = uints(column.predCount);
    this.#predActor = uints(column.predActor);
    this.#predCounter = counters(column.predCounter);
    this.#expand = new BooleanColumn(at(column.expand), ops, true);
    this.#mark = texts(column.mark);
  }

  read(): readonly Op[] {
    const ops: Op[] = [];
    for (let left = this.#counts.ops; left > 0; left--) ops.push(this.#next());
    this.#finish();
    return ops;
  }

  #next(): Op {
    const meta = this.#need(this.#valueMeta.next());
    const valueType = meta % 16;
    const op: Op = {
      obj: this.#nextObj(),
      key: this.#nextKey(),
      insert: this.#insert.next(),
      action: this.#need(this.#action.next()),
      preds: this.#nextPreds(),
      valueType,
      value: readValue(this.#value, valueType, Math.floor(meta / 16)),
      expand: this.#expand.next(),
      mark: this.#mark.next(),
    };
    checkOp(op, this.#reader.refuse);
    this.#checkPair(op);
    return op;
  }

  #need(value: number | undefined): number {
    if (value === undefined) throw this.#reader.refuse("a null", "an integer");
    return value;
  }

  /** Ops next to each other mostly alter one object: it is named by one value then. */
  #nextObj(): OpId | undefined {
    const counter = this.#objCounter.next();
    const actor = this.#objActor.next();
    if (counter === undefined && actor === undefined) return undefined;
    const before = this.#obj;
    if (before !== undefined && before.counter === counter && before.actor === actor) return before;
    this.#obj = this.#id(counter, actor);
    return this.#obj;
  }

  #nextKey(): string | OpId | undefined {
    const text = this.#keyText.next();
    const counter = this.#keyCounter.next();
    const actor = this.#keyActor.next();
    if (text !== undefined) {
      if (counter !== undefined || actor !== undefined) throw this.#reader.refuse("two keys", "one");
      return text;
    }
    // The head of a sequence is the element 0 of nobody.
    return counter === 0 && actor === undefined ? undefined : this.#id(counter, actor);
  }

  #nextPreds(): readonly OpId[] {
    const count = this.#need(this.#predCount.next());
    if (count === 0) return noPreds;
    const preds: OpId[] = [];
    for (let left = count; left > 0; left--) preds.push(this.#id(this.#predCounter.next(), this.#predActor.next()));
    return preds;
  }

  #id(counter: number | undefined, actor: number | undefined): OpId {
    if (counter === undefined || actor === undefined)
      throw this.#reader.refuse("half a name", "a counter and an actor");
    if (counter === 0 || counter > opCounterMax)
      throw this.#reader.refuse(`counter ${counter}`, `1 to ${opCounterMax}`);
    if (actor > this.#counts.others) throw this.#reader.refuse(`actor ${actor}`, `at most ${this.#counts.others}`);
    this.#named[actor] = 1;
    return { counter, actor };
  }

  /**
   * A mark is two ops, one right after the other: Automerge finds the beginning by the counter before the end's. What is inserted later behind
   * an element stands before what is there already, so an end behind the element of its beginning, or at the head, would come before it.
   */
  #checkPair(op: Op): void {
    const begun = this.#begun;
    const isEnd = op.action === action.mark && op.mark === undefined;
    if (isEnd !== (begun !== undefined)) throw this.#reader.refuse("half a mark", "its beginning, then its end");
    this.#begun = op.action === action.mark && !isEnd ? op : undefined;
    if (begun === undefined) return;
    if (begun.obj !== op.obj || op.key === undefined || isSameKey(begun.key, op.key))
      throw this.#reader.refuse("a mark that ends elsewhere", "an end behind its beginning");
  }

  #finish(): void {
    if (this.#begun !== undefined) throw this.#reader.refuse("half a mark", "its beginning, then its end");
    if (this.#named.indexOf(0, 1) > 0) throw this.#reader.refuse("an actor that no op names", "those named");
    this.#objActor.finish();
    this.#objCounter.finish();
    this.#keyActor.finish();
    this.#keyCounter.finish();
    this.#keyText.finish();
    this.#insert.finish();
    this.#action.finish();
    this.#valueMeta.finish();
    if (!this.#value.isAtEnd) throw this.#reader.refuse("values of no op", "none");
    this.#predCount.finish();
    this.#predActor.finish();
    this.#predCounter.finish();
    this.#expand.finish();
    this.#mark.finish();
  }
}

function isSameKey(a: Op["key"], b: Op["key"]): boolean {
  return typeof a === "object" && typeof b === "object" && a.counter === b.counter && a.actor === b.actor;
}
