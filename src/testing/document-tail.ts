/**
 * Writes tails of changes: the right ones, written independently of what reads them, and wrong ones from whatever parts a test hands in.
 *
 * Not for speed, and nothing is checked.
 */
import { concatBytes } from "../core/bytes.ts";
import { action, type Op, type OpId, valueType } from "../core/document/op.ts";
import type { ChangeTail } from "../core/document/tail.ts";

/** A column's name and its bytes. */
export type Column = readonly [name: number, bytes: readonly number[]];

export interface TailParts {
  readonly time?: number | bigint;
  readonly message?: Uint8Array;
  readonly others?: readonly Uint8Array[];
  readonly columns: readonly Column[];
  /** What stands behind the columns. */
  readonly rest?: readonly number[];
}

export function uleb(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

export function sleb(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest < -64n || rest > 63n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest & 127n)];
}

/** With its length in front. */
export function measured(bytes: Iterable<number>): number[] {
  const all = [...bytes];
  return [...uleb(all.length), ...all];
}

function utf8(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(value: string): number[] {
  return measured(utf8(value));
}

/** Runs, literals and nulls; nothing when there are only nulls. `write` gives equal bytes for equal values alone. */
export function runs<Value>(
  values: readonly (Value | undefined)[],
  write: (value: Value) => readonly number[],
): readonly number[] {
  if (values.every((value) => value === undefined)) return [];
  const pieces: (readonly number[])[] = [];
  let literal: (readonly number[])[] = [];
  const closeLiteral = () => {
    if (literal.length > 0) pieces.push(sleb(-literal.length), ...literal);
    literal = [];
  };
  for (let from = 0, to = 0; from < values.length; from = to) {
    const value = values[from];
    while (to < values.length && values[to] === value) to++;
    if (value !== undefined && to - from === 1) {
      literal.push(write(value));
      continue;
    }
    closeLiteral();
    if (value === undefined) pieces.push([0, ...uleb(to - from)]);
    else pieces.push(sleb(to - from), write(value));
  }
  closeLiteral();
  return pieces.flat();
}

function differences(values: readonly (number | undefined)[]): readonly number[] {
  let before = 0;
  const steps = values.map((value) => {
    if (value === undefined) return undefined;
    const step = value - before;
    before = value;
    return step;
  });
  return runs(steps, sleb);
}

export function booleans(values: readonly boolean[]): readonly number[] {
  const bytes: number[] = [];
  let [value, count] = [false, 0];
  for (const next of values) {
    if (next !== value) {
      bytes.push(...uleb(count));
      [value, count] = [next, 0];
    }
    count++;
  }
  return values.length === 0 ? [] : [...bytes, ...uleb(count)];
}

/** The columns of these ops, in order, without those that would be empty. */
export function columnsOf(ops: readonly Op[]): readonly Column[] {
  const each = <Value>(read: (op: Op) => Value) => ops.map(read);
  const preds = ops.flatMap((op) => op.preds);
  const columns: readonly Column[] = [
    [0x01, runs(each(actorOfObj), uleb)],
    [0x02, runs(each(counterOfObj), uleb)],
    [0x11, runs(each(actorOfKey), uleb)],
    [0x13, differences(each(counterOfKey))],
    [0x15, runs(each(textOfKey), text)],
    [0x34, booleans(each((op) => op.insert))],
    [0x42, runs(each(actionOf), uleb)],
    [0x56, runs(each(metaOf), uleb)],
    [0x57, ops.flatMap((op) => [...op.value])],
    [0x70, runs(each(predsOf), uleb)],
    [0x71, runs(preds.map(actorOf), uleb)],
    [0x73, differences(preds.map(counterOf))],
    [0x94, ops.some((op) => op.expand) ? booleans(each((op) => op.expand)) : []],
    [0xa5, runs(each(markOf), text)],
  ];
  return columns.filter(([, bytes]) => bytes.length > 0);
}

const actorOf = (id: OpId): number => id.actor;
const counterOf = (id: OpId): number => id.counter;
const actorOfObj = ({ obj }: Op): number | undefined => obj?.actor;
const counterOfObj = ({ obj }: Op): number | undefined => obj?.counter;
const actorOfKey = ({ key }: Op): number | undefined => (typeof key === "object" ? key.actor : undefined);
const textOfKey = ({ key }: Op): string | undefined => (typeof key === "string" ? key : undefined);
const actionOf = ({ action }: Op): number => action;
const metaOf = ({ value, valueType }: Op): number => value.length * 16 + valueType;
const predsOf = ({ preds }: Op): number => preds.length;
const markOf = ({ mark }: Op): string | undefined => mark;

/** The head of a sequence counts as 0. */
function counterOfKey({ key }: Op): number | undefined {
  if (typeof key === "string") return undefined;
  return key?.counter ?? 0;
}

export function joinTail({ time = 0, message, others = [], columns, rest = [] }: TailParts): Uint8Array {
  return Uint8Array.from([
    ...sleb(time),
    ...measured(message ?? []),
    ...uleb(others.length),
    ...others.flatMap((actor) => measured(actor)),
    ...uleb(columns.length),
    ...columns.flatMap(([name, bytes]) => [...uleb(name), ...uleb(bytes.length)]),
    ...columns.flatMap(([, bytes]) => bytes),
    ...rest,
  ]);
}

/** The one form that Automerge writes. */
export function encodeTail({ time, message, others, ops }: ChangeTail): Uint8Array {
  return joinTail({ time, message: utf8(message), others, columns: columnsOf(ops) });
}

/** An op that sets the key `x` of the root to "v", but for what is said. */
export function opOf(parts: Partial<Op> = {}): Op {
  return {
    ...{ obj: undefined, key: "x", insert: false, action: action.set, preds: [] },
    ...{ valueType: valueType.text, value: utf8("v"), expand: false, mark: undefined },
    ...parts,
  };
}

const noValue = { valueType: valueType.null, value: new Uint8Array(0) };

/** An op that has no value, of another kind than set. */
export function plainOp(kind: number, parts: Partial<Op> = {}): Op {
  return opOf({ ...noValue, action: kind, ...parts });
}

/** The two ops of a mark in a text. */
export function markOps(
  obj: OpId,
  from: OpId | undefined,
  to: OpId | undefined,
  parts: Partial<Op> = {},
): readonly Op[] {
  const begin = plainOp(action.mark, { obj, key: from, insert: true, mark: "bold", valueType: valueType.true });
  return [{ ...begin, ...parts }, plainOp(action.mark, { obj, key: to, insert: true })];
}

/** A tail of so many ops alike, each of which replaces so many others: in less than 100 bytes, which take no longer to write for more of them. */
export function tailOfMany(ops: number, predsOfEach = 0): Uint8Array {
  const preds = ops * predsOfEach;
  const run = (length: number, ...value: readonly number[]) => [...sleb(length === 1 ? -1 : length), ...value];
  const all: readonly Column[] = [
    [0x15, run(ops, 1, 0x78)],
    [0x34, uleb(ops)],
    [0x42, run(ops, action.set)],
    [0x56, run(ops, 0)],
    [0x70, run(ops, ...uleb(predsOfEach))],
    [0x71, preds === 0 ? [] : run(preds, 0)],
    [0x73, preds === 0 ? [] : run(preds, 1)],
  ];
  return joinTail({ columns: all.filter(([, bytes]) => bytes.length > 0) });
}

/** A tail of one op, whose value is a text of so many letters. */
export function tailOfText(letters: number): Uint8Array {
  const text = new Uint8Array(letters).fill(0x61);
  const columns = columnsOf([opOf()]).map(([name, bytes]): readonly [number, Uint8Array] => {
    if (name === 0x57) return [name, text];
    return [name, Uint8Array.from(name === 0x56 ? runs([letters * 16 + valueType.text], uleb) : bytes)];
  });
  const names = columns.flatMap(([name, bytes]) => [...uleb(name), ...uleb(bytes.length)]);
  const head = joinTail({ columns: [] }).subarray(0, -1);
  return concatBytes(head, Uint8Array.from([...uleb(columns.length), ...names]), ...columns.map(([, bytes]) => bytes));
}
