/** The columns by exhaustion: of all short byte strings, exactly those are read that writing what was read gives again. */
import { describe, expect, test } from "vitest";
import { booleans, measured, runs, sleb, uleb } from "../../testing/document-tail.ts";
import { opCounterMax } from "../limits.ts";
import { LebReader } from "./leb128.ts";
import { BooleanColumn, CounterColumn, emptyColumn, measureColumn, TextColumn, UintColumn } from "./op-columns.ts";

/** One for all: making a new one takes longer than reading. */
const refused = new Error("refused");

function reader(bytes: Iterable<number>): LebReader {
  return new LebReader(Uint8Array.from(bytes), () => refused);
}

interface Column<Value> {
  next(): Value;
  finish(): void;
}

/** `count` values of a column, or undefined when it is refused. */
function read<Value>(open: () => Column<Value>, count: number): readonly Value[] | undefined {
  try {
    const column = open();
    const values = Array.from({ length: count }, () => column.next());
    column.finish();
    return values;
  } catch (error) {
    if (error === refused) return undefined;
    throw error;
  }
}

/** Every list of up to `lengthMax` of these items. */
function lists<Item>(items: readonly Item[], lengthMax: number): readonly (readonly Item[])[] {
  const all: (readonly Item[])[] = [[]];
  for (let from = 0, length = 0; length < lengthMax; length++) {
    const to = all.length;
    for (; from < to; from++) for (const item of items) all.push([...(all[from] as readonly Item[]), item]);
  }
  return all;
}

/** Long enough for any two segments that may not follow each other, and a value before or behind them. */
const byteStrings = lists([0, 1, 2, 3, 0x7e, 0x7f], 6);
const counts = [0, 1, 2, 3, 4, 5, 6];

type Open<Value> = (bytes: readonly number[], count: number) => Column<Value>;
type Write<Value> = (values: readonly Value[]) => readonly number[];

/** Of runs: one that has no bytes is another. */
function runsOf<Value>(open: (reader: LebReader) => Column<Value | undefined>): Open<Value | undefined> {
  return (bytes) => (bytes.length === 0 ? emptyColumn : open(reader(bytes)));
}

/** What is read is written as it was, and what is written is read as it was. */
function checkColumn<Value>(open: Open<Value>, write: Write<Value>, values: readonly Value[]): void {
  let taken = 0;
  for (const bytes of byteStrings) {
    for (const count of counts) {
      const got = read(() => open(bytes, count), count);
      if (got === undefined) continue;
      taken++;
      // Comparing texts is much faster than `expect`.
      if (write(got).join() !== bytes.join()) expect({ got, bytes }).toEqual({ got, bytes: write(got) });
    }
  }
  expect(taken).toBeGreaterThan(20);
  for (const list of lists(values, 6)) {
    const got = read(() => open(write(list), list.length), list.length);
    if (got?.join() !== list.join()) expect(got).toEqual(list);
  }
}

describe("[DOC-4] of all short byte strings a column is read from exactly those that are written for its values:", () => {
  test("integers", () => {
    checkColumn<number | undefined>(
      runsOf((from) => new UintColumn(from)),
      (values) => runs(values, uleb),
      [undefined, 0, 1, 2],
    );
  });

  test("texts", () => {
    checkColumn<string | undefined>(
      runsOf((from) => new TextColumn(from)),
      (values) => runs(values, (text) => measured(new TextEncoder().encode(text))),
      [undefined, "a", "é", "bc"],
    );
  });

  test("counters", () => {
    checkColumn<number | undefined>(
      runsOf((from) => new CounterColumn(from)),
      (values) => runs(steps(values), sleb),
      [undefined, 0, 1, 300],
    );
  });

  test("booleans", () => {
    checkColumn<boolean>((bytes, count) => new BooleanColumn(reader(bytes), count, false), booleans, [true, false]);
  });

  test("booleans that are left out when all are false", () => {
    checkColumn<boolean>(
      (bytes, count) => new BooleanColumn(reader(bytes), count, true),
      (values) => (values.includes(true) ? booleans(values) : []),
      [true, false],
    );
  });
});

function steps(values: readonly (number | undefined)[]): readonly (number | undefined)[] {
  let before = 0;
  return values.map((value) => {
    if (value === undefined) return undefined;
    const step = value - before;
    before = value;
    return step;
  });
}

test("[DOC-9] a column is measured by its runs, as reading it would", () => {
  for (const list of lists([0, 1, 7], 6)) {
    const sum = list.reduce((total, value) => total + value, 0);
    expect(measureColumn(reader(runs(list, uleb)))).toEqual({ count: list.length, sum });
  }
  expect(measureColumn(reader([...sleb(2 ** 52), 3]))).toEqual({ count: 2 ** 52, sum: 3 * 2 ** 52 });
  expect(() => measureColumn(reader([0, 2, 3]))).toThrow(refused);
});

test("[DOC-2] counters stay within 0 and 2^31 − 1, wherever they are reached", () => {
  const counters = (...values: readonly number[]) =>
    read(() => new CounterColumn(reader(runs(steps(values), sleb))), values.length);
  expect(counters(opCounterMax, 0)).toEqual([opCounterMax, 0]);
  expect(counters(opCounterMax, opCounterMax + 1)).toBeUndefined();
  expect(counters(5, -1)).toBeUndefined();
});
