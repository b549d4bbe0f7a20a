/**
 * What a column of a row or a key of a kv store may hold, and the check on everything an app hands in.
 *
 * [STORE-5] A value is null, a boolean, a finite number, a well-formed text, bytes, or an array or plain object of values, at
 *           most 128 levels deep, a row itself being the first. It reads back as it was written, save that -0 becomes 0.
 * [STORE-6] Anything else is refused with INPUT_INVALID that names the place: undefined inside a value, NaN and infinities,
 *           bigints, functions, symbols, half surrogate pairs, instances of classes, cycles.
 * [STORE-7] Store names, row ids, column names and keys are well-formed, not empty and within their limit of UTF-8 bytes.
 *           Any such text will do, `__proto__` too.
 * [STORE-8] What is handed in is copied: altering it later changes nothing.
 *
 * Deliberately not here: how values look as bytes (cbor.ts).
 */
import { equalBytes } from "../bytes.ts";
import { type CborValue, compareKeys } from "../cbor.ts";
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { show, TidemarkError } from "../errors.ts";
import { columnNameBytesMax, columnsPerRowMax } from "../limits.ts";
import { utf8Length } from "../utf8.ts";

/** Keys are own properties and may be `__proto__` or `constructor`: ask with `Object.hasOwn` before reading one. */
export type JsonValue = CborValue;

/** The columns of a row by name, in the order of map keys ([CBOR-2]), which is the same on every replica. */
export interface Row {
  readonly [column: string]: JsonValue;
}

export interface ColumnChanges {
  /** What the app handed in, unchecked but for its column names. */
  readonly set: Readonly<Record<string, unknown>>;
  /** Columns given as undefined, in the order given. */
  readonly removed: readonly string[];
}

/** A deep copy as it will be read back. `field` tells in a failure what was handed in. Fails with `INPUT_INVALID`. */
export function validateValue(value: unknown, field: string): JsonValue {
  const writer = new CborWriter();
  writer.writeValue(value, field);
  return new CborReader(writer.view()).value();
}

/** A store name, row id, column name or key. Fails with `INPUT_INVALID`. */
export function validateName(name: unknown, field: string, bytesMax: number): string {
  if (typeof name !== "string") throw invalid(field, name, "a text");
  if (name === "") throw invalid(field, name, "a text that is not empty");
  const length = utf8Length(name);
  if (length < 0) throw invalid(field, name, "a text without half surrogate pairs");
  if (length > bytesMax) throw invalid(field, name, `at most ${bytesMax} bytes as UTF-8`);
  return name;
}

/** Splits columns as an app gives them, where undefined stands for no value. Fails with `INPUT_INVALID`. */
export function splitColumns(columns: unknown, field: string): ColumnChanges {
  if (!isPlainObject(columns)) throw invalid(field, columns, "a plain object");
  const names = Object.keys(columns);
  if (names.length > columnsPerRowMax) throw invalid(field, `${names.length} columns`, `at most ${columnsPerRowMax}`);
  for (const name of names) validateName(name, `${field}: column name`, columnNameBytesMax);
  const removed = names.filter((name) => columns[name] === undefined);
  return { set: removed.length === 0 ? columns : pickColumns(columns, without(names, removed)), removed };
}

/** Some columns over others: those in `removed` are left out. Neither row is altered. */
export function overlayColumns(below: Row, above: Row, removed: readonly string[]): Row {
  const names = Object.keys(above);
  const hasNew = names.some((name) => !Object.hasOwn(below, name));
  // Spreading copies own properties as they are and keeps V8's hidden class; sorting is only for what changes the keys.
  const overlaid: Row = { ...below, ...above };
  if (!hasNew && removed.length === 0) return overlaid;
  return pickColumns(overlaid, without(Object.keys(overlaid), removed).sort(compareKeys));
}

/** The named columns, in the order of the names. All of them must be there. */
function pickColumns<Value>(columns: Readonly<Record<string, Value>>, names: readonly string[]): Record<string, Value> {
  // Unlike assignment, which would take `__proto__` for the prototype.
  return Object.fromEntries(names.map((name) => [name, columns[name] as Value]));
}

function without(names: readonly string[], removed: readonly string[]): string[] {
  if (removed.length === 0) return [...names];
  const gone = new Set(removed);
  return names.filter((name) => !gone.has(name));
}

/** Whether two values read the same. The order of keys makes no difference. */
export function equalValues(a: JsonValue, b: JsonValue): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && equalBytes(a, b);
  }
  if (isArray(a) || isArray(b)) {
    return (
      isArray(a) && isArray(b) && a.length === b.length && a.every((item, i) => equalValues(item, b[i] as JsonValue))
    );
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && equalValues(a[key] as JsonValue, b[key] as JsonValue));
}

/** Unlike `Array.isArray`, it narrows a readonly array. */
function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function invalid(field: string, got: unknown, expected: string): TidemarkError {
  return new TidemarkError("INPUT_INVALID", { field, got: show(got), expected });
}
