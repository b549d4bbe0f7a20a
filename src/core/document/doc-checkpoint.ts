/**
 * A document as it is kept, in columns: opening it hashes nothing, reads no tail, and makes no object for any of its changes.
 *
 * [DOC-19] A checkpoint of a document is an array of byte strings: 32-bit words in the byte order of the machine, as a checkpoint stays on it, and
 *          digests and tails one after the other. Changes are named by their place in it, and behind the last of those others by their hashes.
 * Not here: whether all of it is so. Storage's checksum says that the bytes are those that were written.
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { hybridTimeMax } from "../clock.ts";
import type { TidemarkError } from "../errors.ts";
import { type PublicKey, writeHex } from "../ids.ts";
import {
  actorBytesMax,
  changeDepsMax,
  changeOpsMax,
  changeTailBytesMax,
  docChangesMax,
  opCounterMax,
} from "../limits.ts";
import { payloadError } from "../store/payload.ts";
import { type ChangeHash, changeHashFromBytes } from "./change-bytes.ts";
import { digestBytes } from "./digest-table.ts";

const version = 1;
/** Names from here on are places in `outside`, those below in the part. */
export const outsideFrom: number = 2 ** 31;

export interface SavedEntries {
  readonly ids: Uint8Array;
  readonly times: Float64Array;
  /** By place in `keys`. */
  readonly authors: Uint32Array;
  readonly keys: readonly PublicKey[];
}

export interface SavedChanges {
  readonly hashes: Uint8Array;
  readonly outside: Uint8Array;
  /** The one before of its actor, plus 1; 0: none. */
  readonly befores: Uint32Array;
  readonly actors: Uint32Array;
  readonly startOps: Uint32Array;
  readonly ops: Uint32Array;
  readonly entries: Uint32Array;
  readonly indexes: Uint32Array;
  /** How many deps, plus 1; 0: the one before alone. */
  readonly depCounts: Uint32Array;
  readonly deps: Uint32Array;
  readonly tailEnds: Uint32Array;
  readonly tails: Uint8Array;
}

export interface SavedWaiting {
  readonly entry: number;
  readonly index: number;
  readonly actor: number;
  readonly tail: Uint8Array;
  readonly deps: readonly ChangeHash[] | undefined;
}

export interface SavedDoc {
  readonly entries: SavedEntries;
  readonly actors: readonly Uint8Array[];
  readonly changes: SavedChanges;
  /** Entry, place in it and reason of each. */
  readonly faults: Uint32Array;
  /** Those that follow another and nothing else behind it. */
  readonly waiting: readonly SavedWaiting[];
}

export function encodeSavedDoc({ entries, actors, changes, faults, waiting }: SavedDoc): Uint8Array {
  const writer = new CborWriter(changes.tails.length + changes.hashes.length * 4 + 1_024);
  writer.array(6);
  writer.uint(version);
  writer.array(4);
  writer.bytes(entries.ids);
  writer.bytes(bytesOf(entries.times));
  writer.bytes(bytesOf(entries.authors));
  writer.array(entries.keys.length);
  for (const key of entries.keys) writer.publicKey(key);
  writer.array(actors.length);
  for (const actor of actors) writer.bytes(actor);
  writeChanges(writer, changes);
  writer.bytes(bytesOf(faults));
  writer.array(waiting.length);
  for (const change of waiting) writeWaiting(writer, change);
  return writer.finish();
}

function writeChanges(writer: CborWriter, changes: SavedChanges): void {
  writer.array(12);
  writer.bytes(changes.hashes);
  writer.bytes(changes.outside);
  for (const column of wordColumns(changes)) writer.bytes(bytesOf(column));
  writer.bytes(changes.tails);
}

function wordColumns(changes: SavedChanges): readonly Uint32Array[] {
  const { befores, actors, startOps, ops, entries, indexes, depCounts, deps, tailEnds } = changes;
  return [befores, actors, startOps, ops, entries, indexes, depCounts, deps, tailEnds];
}

function writeWaiting(writer: CborWriter, { entry, index, actor, tail, deps }: SavedWaiting): void {
  writer.array(5);
  for (const number of [entry, index, actor]) writer.uint(number);
  writer.bytes(tail);
  if (deps === undefined) return writer.null();
  const hashes = new Uint8Array(deps.length * digestBytes);
  for (const [i, dep] of deps.entries()) writeHex(dep, hashes, i * digestBytes);
  writer.bytes(hashes);
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Throws `TidemarkError`s with a CBOR_ code or ENTRY_PAYLOAD. Byte strings are views into the input. */
export function decodeSavedDoc(bytes: Uint8Array): SavedDoc {
  const reader = new CborReader(bytes);
  expectArray(reader, 6);
  if (reader.uint() !== version) throw refuse("another version", "1");
  const entries = readEntries(reader);
  const actors = Array.from({ length: reader.array() }, () => reader.bytes(actorBytesMax));
  const changes = readChanges(reader);
  const faults = wordsOf(reader.bytes());
  const waiting = Array.from({ length: reader.array() }, () => readWaiting(reader));
  reader.end();
  const saved = { entries, actors, changes, faults, waiting };
  check(saved);
  return saved;
}

function readEntries(reader: CborReader): SavedEntries {
  expectArray(reader, 4);
  const ids = reader.bytes();
  const times = new Float64Array(aligned(reader.bytes(), 8));
  const authors = wordsOf(reader.bytes());
  const keys = Array.from({ length: reader.array() }, () => reader.publicKey());
  return { ids, times, authors, keys };
}

function readChanges(reader: CborReader): SavedChanges {
  expectArray(reader, 12);
  const words = (): Uint32Array => wordsOf(reader.bytes());
  return {
    hashes: reader.bytes(),
    outside: reader.bytes(),
    befores: words(),
    actors: words(),
    startOps: words(),
    ops: words(),
    entries: words(),
    indexes: words(),
    depCounts: words(),
    deps: words(),
    tailEnds: words(),
    tails: reader.bytes(),
  };
}

function readWaiting(reader: CborReader): SavedWaiting {
  expectArray(reader, 5);
  const [entry, index, actor] = [reader.uint(), reader.uint(docChangesMax), reader.uint()];
  const tail = reader.bytes(changeTailBytesMax);
  return { entry, index, actor, tail, deps: reader.null() ? undefined : readDeps(reader.bytes()) };
}

function readDeps(hashes: Uint8Array): readonly ChangeHash[] {
  if (hashes.length % digestBytes !== 0 || hashes.length > changeDepsMax * digestBytes) throw refuse("deps", "hashes");
  return Array.from({ length: hashes.length / digestBytes }, (_, i) =>
    changeHashFromBytes(hashes.subarray(i * digestBytes, (i + 1) * digestBytes)),
  );
}

function expectArray(reader: CborReader, length: number): void {
  const got = reader.array();
  if (got !== length) throw refuse(`an array of ${got}`, `${length}`);
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(aligned(bytes, 4));
}

/** A copy, as they may lie anywhere. */
function aligned(bytes: Uint8Array, width: number): ArrayBuffer {
  if (bytes.length % width !== 0) throw refuse(`${bytes.length} bytes`, `a multiple of ${width}`);
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy.buffer;
}

function refuse(got: string, expected: string): TidemarkError {
  return payloadError("checkpoint", got, expected);
}

/** That every number names something which is there: what goes by them reads nothing else. */
function check({ entries, actors, changes, faults, waiting }: SavedDoc): void {
  const count = entries.times.length;
  if (entries.ids.length !== count * digestBytes || entries.authors.length !== count)
    throw refuse("entries", "as many");
  within(entries.authors, entries.keys.length);
  for (const time of entries.times)
    if (!Number.isInteger(time) || time < 0 || time > hybridTimeMax) throw refuse(`time ${time}`, "a hybrid time");
  checkChanges(changes, count, actors.length);
  if (faults.length % 3 !== 0) throw refuse("faults", "three numbers each");
  for (let i = 0; i < faults.length; i += 3)
    if ((faults[i] as number) >= count || (faults[i + 1] as number) > docChangesMax)
      throw refuse("a fault", "an entry");
  for (const { entry, actor } of waiting)
    if (entry >= count || actor >= actors.length) throw refuse("a waiting change", "its entry and actor");
}

function checkChanges(changes: SavedChanges, entries: number, actors: number): void {
  const { hashes, outside, deps, depCounts, befores, tailEnds, tails } = changes;
  const count = hashes.length / digestBytes;
  for (const column of wordColumns(changes))
    if (column !== deps && column.length !== count) throw refuse("columns", `${count} numbers each`);
  if (outside.length % digestBytes !== 0) throw refuse("half a hash", "hashes");
  within(changes.entries, entries);
  within(changes.actors, actors);
  within(changes.ops, changeOpsMax + 1);
  within(changes.startOps, opCounterMax + 1);
  within(changes.indexes, docChangesMax);
  let depAt = 0;
  let tailAt = 0;
  for (let i = 0; i < count; i++) {
    const isKnown = (name: number): boolean =>
      name < i || (name >= outsideFrom && name - outsideFrom < outside.length / digestBytes);
    const before = befores[i] as number;
    const depCount = depCounts[i] as number;
    if (before > 0 ? !isKnown(before - 1) : depCount === 0) throw refuse("a change before", "one that is there");
    for (const end = depAt + Math.max(0, depCount - 1); depAt < end; depAt++)
      if (!isKnown(deps[depAt] ?? i)) throw refuse("a dep", "one that is there");
    if ((tailEnds[i] as number) < tailAt) throw refuse("tails", "in order");
    tailAt = tailEnds[i] as number;
  }
  if (tailAt !== tails.length || depAt !== deps.length) throw refuse("tails or deps", "those of the changes");
}

function within(column: Uint32Array, limit: number): void {
  for (let i = 0; i < column.length; i++)
    if ((column[i] as number) >= limit) throw refuse("a number", `below ${limit}`);
}

/** A change of a part. Others are named as `outsideFrom` says. */
export interface SavedChange {
  readonly hash: Uint8Array;
  /** The one before of its actor, or −1. */
  readonly before: number;
  readonly actor: number;
  readonly startOp: number;
  readonly ops: number;
  readonly entry: number;
  readonly index: number;
  /** Undefined: the one before alone. */
  readonly deps: Uint32Array | undefined;
  readonly tail: Uint8Array;
}

export function* changesIn(changes: SavedChanges): Iterable<SavedChange> {
  let depAt = 0;
  let tailAt = 0;
  for (let i = 0; i < changes.startOps.length; i++) {
    const depCount = changes.depCounts[i] as number;
    const depsEnd = depAt + Math.max(0, depCount - 1);
    const tailEnd = changes.tailEnds[i] as number;
    yield {
      hash: changes.hashes.subarray(i * digestBytes, (i + 1) * digestBytes),
      before: (changes.befores[i] as number) - 1,
      actor: changes.actors[i] as number,
      startOp: changes.startOps[i] as number,
      ops: changes.ops[i] as number,
      entry: changes.entries[i] as number,
      index: changes.indexes[i] as number,
      deps: depCount === 0 ? undefined : changes.deps.subarray(depAt, depsEnd),
      tail: changes.tails.subarray(tailAt, tailEnd),
    };
    depAt = depsEnd;
    tailAt = tailEnd;
  }
}
