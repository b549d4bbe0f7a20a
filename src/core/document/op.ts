/**
 * An operation of a change, and what it must look like by itself, whatever document it is for.
 *
 * [DOC-5] Values have the one form of their type. Integers lie within ±(2^53 − 1), because an app gets anything beyond as a
 *         bigint, on which `JSON.stringify` fails; times are those that a `Date` has. Neither a key nor a mark is called `__proto__`: an
 *         app would find its value as the prototype of an object.
 * [DOC-40] Counters begin within `counterStartMax`, and an increment is within `counterStepMax`: how far several writers come together, no past tells.
 * [DOC-6] An operation has what its action needs and nothing else, and a mark is two of them, one right after the other. Automerge
 *         takes much else, and then cannot load what it saves.
 * Not here: whether what an operation names is in the document (references.ts).
 */
import { counterStartMax, counterStepMax, docTimeMsMax } from "../limits.ts";
import { readUtf8 } from "../utf8.ts";
import { LebReader, type Refuse } from "./leb128.ts";

/** Names an operation: its counter, and who made it. */
export interface OpId {
  readonly counter: number;
  /** 0: the actor of the change that names it; i: the i-th of that change's others, from 1. */
  readonly actor: number;
}

export interface Op {
  /** The object that it alters, by the op that made it; undefined: the root. */
  readonly obj: OpId | undefined;
  /** A key of a map, or an element of a sequence by the op that inserted it; undefined: the head of a sequence. */
  readonly key: string | OpId | undefined;
  readonly insert: boolean;
  readonly action: number;
  /** What it replaces, deletes or increments; ascending. */
  readonly preds: readonly OpId[];
  readonly valueType: number;
  /** A view into the tail. */
  readonly value: Uint8Array;
  readonly expand: boolean;
  readonly mark: string | undefined;
}

/** What operations do. Automerge has one more, 6, which makes a table: no app can, and writing to one throws. */
export const action = {
  makeMap: 0,
  set: 1,
  makeList: 2,
  delete: 3,
  makeText: 4,
  increment: 5,
  mark: 7,
} as const;

export const valueType = {
  null: 0,
  false: 1,
  true: 2,
  uint: 3,
  int: 4,
  float: 5,
  text: 6,
  bytes: 7,
  counter: 8,
  time: 9,
} as const;

const floatBytes = 8;
const noBytes = new Uint8Array(0);

/** The next `length` bytes of a value column as a value of this type. */
export function readValue(reader: LebReader, type: number, length: number): Uint8Array {
  if (length === 0) {
    checkEmpty(reader, type);
    return noBytes;
  }
  const from = reader.at;
  const bytes = reader.take(length);
  checkValue(reader, type, from);
  return bytes;
}

function checkEmpty(reader: LebReader, type: number): void {
  const canBeEmpty = type <= valueType.true || type === valueType.text || type === valueType.bytes;
  if (!canBeEmpty) throw reader.refuse(`an empty value of type ${type}`, "one with bytes");
}

/** Of a value that has been read from `from` on. */
function checkValue(reader: LebReader, type: number, from: number): void {
  const { bytes, at } = reader;
  switch (type) {
    case valueType.uint:
    case valueType.int:
    case valueType.counter:
    case valueType.time:
      return checkInteger(reader, type, from);
    case valueType.float:
      if (at - from !== floatBytes) throw reader.refuse(`a float of ${at - from} bytes`, `${floatBytes}`);
      return;
    case valueType.text:
      if (!isAscii(bytes, from, at) && readUtf8(bytes, from, at) === undefined)
        throw reader.refuse("text that is not UTF-8", "UTF-8");
      return;
    case valueType.bytes:
      return;
    default:
      throw reader.refuse(`a value of type ${type} with bytes`, "another type, or none");
  }
}

/** Reads what was taken once more, as an integer. */
function checkInteger(reader: LebReader, type: number, from: number): void {
  const end = reader.at;
  reader.at = from;
  const value = type === valueType.uint ? reader.uint() : reader.int();
  if (reader.at !== end) throw reader.refuse("an integer of another length", "as long as its column says");
  if (type === valueType.time && Math.abs(value) > docTimeMsMax)
    throw reader.refuse(`a time of ${value} ms`, `within ±${docTimeMsMax}`);
  if (type === valueType.counter && Math.abs(value) > counterStartMax)
    throw reader.refuse(`a counter of ${value}`, `within ±${counterStartMax}`);
}

function isAscii(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if ((bytes[i] as number) >= 0x80) return false;
  return true;
}

/** Refuses an operation that no honest writer makes. */
export function checkOp(op: Op, refuse: Refuse): void {
  if (op.insert) checkInsert(op, refuse);
  else if (op.key === undefined) throw refuse("the head of a sequence altered", "an insert");
  if (op.key === "__proto__" || op.mark === "__proto__") throw refuse("the name __proto__", "another");
  if (op.action !== action.mark && (op.mark !== undefined || op.expand))
    throw refuse("a mark's name elsewhere", "none");
  if (op.preds.length > 1) checkOrder(op.preds, refuse);
  switch (op.action) {
    case action.set:
      return;
    case action.makeMap:
    case action.makeList:
    case action.makeText:
      return checkNoValue(op, refuse);
    case action.delete:
      if (op.preds.length === 0) throw refuse("a delete of nothing", "what it deletes");
      return checkNoValue(op, refuse);
    case action.increment:
      return checkIncrement(op, refuse);
    case action.mark:
      return checkMark(op, refuse);
    default:
      throw refuse(`action ${op.action}`, "a known one");
  }
}

/** By counter, then by actor. Where the change's own comes in among the others, which are in order, only the document tells. */
function checkOrder(preds: readonly OpId[], refuse: Refuse): void {
  let before: OpId = { counter: 0, actor: 0 };
  let hasOwn = false;
  for (const pred of preds) {
    if (pred.counter !== before.counter) {
      if (pred.counter < before.counter) throw refuse("preds out of order", "ascending ones");
      before = { counter: pred.counter, actor: 0 };
      hasOwn = false;
    }
    if (pred.actor === 0 ? hasOwn : pred.actor <= before.actor) throw refuse("preds out of order", "ascending ones");
    if (pred.actor === 0) hasOwn = true;
    else before = pred;
  }
}

function checkInsert(op: Op, refuse: Refuse): void {
  if (typeof op.key === "string") throw refuse("an insert with a key", "an element to stand behind");
  if (op.preds.length > 0) throw refuse("an insert that replaces", "one that does not");
  if (op.action === action.delete || op.action === action.increment)
    throw refuse("an insert of no value", "a value or an object");
}

function checkIncrement(op: Op, refuse: Refuse): void {
  if (op.preds.length === 0) throw refuse("an increment of nothing", "what it increments");
  if (op.valueType !== valueType.int) throw refuse(`an increment by a value of type ${op.valueType}`, "an integer");
  const step = new LebReader(op.value, refuse).int();
  if (Math.abs(step) > counterStepMax) throw refuse(`an increment by ${step}`, `within ±${counterStepMax}`);
}

/** Whatever has a name begins a mark, whatever has none ends the one before. */
function checkMark(op: Op, refuse: Refuse): void {
  if (!op.insert) throw refuse("a mark that is not inserted", "an insert");
  if (op.mark === undefined) checkNoValue(op, refuse);
}

function checkNoValue(op: Op, refuse: Refuse): void {
  if (op.valueType !== valueType.null) throw refuse("a value with an action that has none", "none");
}
