/**
 * A kv store: keys to values, last writer wins.
 *
 * [KV-1] A payload is a list of [key, value], which sets, and [key], which deletes; at most one of them per key.
 * [KV-2] Of several writes to one key, deletes among them, the one latest by stamp shows.
 * [KV-3] A change names, in order and once each, exactly the keys that read differently than before.
 * [KV-4] Keys are listed in the order of their UTF-8 bytes.
 * [KV-5] In a checkpoint ([STORE-9]) an item is [key, stamp, value], or [key, stamp] when deleted, sorted by key.
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { assert, attempt, type Result, success } from "../errors.ts";
import { keyBytesMax } from "../limits.ts";
import { KeyOrder } from "./key-order.ts";
import { isLater, type Stamp, type StoreKind, type StoreState } from "./kind.ts";
import { isAfter, PartCounts, unsaved } from "./part-counts.ts";
import { decodeNamed, payloadError, readNamed } from "./payload.ts";
import { readStamp, readStamps, StampTable } from "./stamp-table.ts";
import { equalValues, type JsonValue } from "./values.ts";

export interface KvOp {
  readonly key: string;
  /** Undefined deletes the key. */
  readonly value: JsonValue | undefined;
}

/** Sorted by key, at most one op per key. */
export type KvPayload = readonly KvOp[];
/** The keys that read differently now, in order. */
export type KvChange = readonly string[];

interface Register {
  value: JsonValue | undefined;
  stamp: Stamp;
  /** The checkpoint part that holds it as it is. */
  part: number;
}

interface SavedKey extends KvOp {
  readonly stamp: Stamp;
}

export class KvState implements StoreState<KvPayload, KvChange> {
  /** Deleted keys stay, so that older writes to them are known as older. */
  readonly #registers = new Map<string, Register>();
  readonly #order = new KeyOrder();
  readonly #parts = new PartCounts();
  #size = 0;

  /** How many keys hold a value. */
  get size(): number {
    return this.#size;
  }

  /** Undefined when the key holds no value. Do not alter what comes back. */
  get(key: string): JsonValue | undefined {
    return this.#registers.get(key)?.value;
  }

  /** Keys that start with `prefix` and their values, in the order of the keys. */
  *entries(prefix = ""): IterableIterator<readonly [key: string, value: JsonValue]> {
    for (const key of this.#order.startingWith(prefix)) {
      const value = this.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  merge(ops: KvPayload, stamp: Stamp): KvChange | undefined {
    const changed = ops.filter((op) => this.#set({ ...op, stamp }, unsaved)).map(({ key }) => key);
    return changed.length === 0 ? undefined : changed;
  }

  checkpoint(since: number, number: number): Uint8Array | undefined {
    assert(number > since, "checkpoints are numbered upwards");
    const keys = this.#order.sorted().filter((key) => isAfter(this.#register(key).part, since));
    if (keys.length === 0) return undefined;
    const bytes = this.#encode(keys);
    for (const key of keys) this.#move(this.#register(key), number);
    return bytes;
  }

  restore(bytes: Uint8Array, number: number): Result<void> {
    const saved = decodeKeys(bytes);
    if (!saved.ok) return saved;
    for (const key of saved.value) this.#set(key, number);
    return success(undefined);
  }

  sizeSince(since: number): number {
    return this.#parts.sizeSince(since);
  }

  encode(): Uint8Array {
    return this.#encode(this.#order.sorted());
  }

  #encode(keys: readonly string[]): Uint8Array {
    return encodeKeys(keys.map((key) => ({ key, ...this.#register(key) })));
  }

  #register(key: string): Register {
    const register = this.#registers.get(key);
    assert(register, "every key in the order has a register");
    return register;
  }

  /** Writes the register of a key unless it knows better, and says whether the key reads differently now. */
  #set({ key, value, stamp }: SavedKey, part: number): boolean {
    const register = this.#registers.get(key);
    if (register === undefined) {
      this.#add(key, { value, stamp, part });
      return value !== undefined;
    }
    const before = register.value;
    if (!isLater(stamp, register.stamp)) return false;
    register.value = value;
    register.stamp = stamp;
    this.#size += Number(value !== undefined) - Number(before !== undefined);
    this.#move(register, part);
    if (before === undefined || value === undefined) return before !== value;
    return !equalValues(before, value);
  }

  #add(key: string, register: Register): void {
    this.#registers.set(key, register);
    this.#order.add(key);
    this.#parts.add(register.part);
    this.#size += Number(register.value !== undefined);
  }

  #move(register: Register, part: number): void {
    this.#parts.move(register.part, part);
    register.part = part;
  }
}

export const kvKind: StoreKind<KvPayload, KvChange, KvState> = {
  type: "kv",
  decode: (store, bytes) => decodeNamed(store, bytes, { nameBytesMax: keyBytesMax, fieldsMax: 2, read: readOp }),
  createState: () => new KvState(),
};

function readOp(reader: CborReader, _: string, key: string, fields: number): KvOp {
  return { key, value: fields === 2 ? reader.value() : undefined };
}

function encodeKeys(saved: readonly SavedKey[]): Uint8Array {
  const stamps = new StampTable();
  for (const { stamp } of saved) stamps.place(stamp);
  const writer = new CborWriter(128 * saved.length);
  writer.array(2);
  stamps.write(writer);
  writer.array(saved.length);
  for (const { key, value, stamp } of saved) {
    writer.array(value === undefined ? 2 : 3);
    writer.text(key);
    writer.uint(stamps.place(stamp));
    if (value !== undefined) writer.writeValue(value);
  }
  return writer.finish();
}

function decodeKeys(bytes: Uint8Array): Result<readonly SavedKey[]> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    if (reader.array(2) !== 2) throw payloadError("checkpoint", "another length", "[stamps, keys]");
    const stamps = readStamps(reader);
    const keys = readNamed(reader, "checkpoint", Number.MAX_SAFE_INTEGER, {
      nameBytesMax: keyBytesMax,
      fieldsMax: 3,
      read: (_, store, key, fields) => {
        if (fields < 2) throw payloadError(store, `${fields} fields`, "2 or 3");
        return { key, stamp: readStamp(reader, stamps), value: fields === 3 ? reader.value() : undefined };
      },
    });
    reader.end();
    return keys;
  });
}
