/**
 * A whole change as Automerge takes and gives it, put together from its tail and what is derived, and taken apart again.
 *
 * ```
 * 85 6f 4a 83  checksum  01  length  deps  actor  seq  startOp  tail
 * ```
 * [DOC-7] Putting together what was taken apart gives the same bytes, and the hash that Automerge gives the change.
 * [DOC-8] Only one plain change is taken apart: none that is compressed, no document or bundle, and nothing behind it.
 * Not here: what the tail says (tail.ts), and whether the checksum is right: whoever puts a change together makes a new one.
 */
import { compareBytes } from "../bytes.ts";
import { TidemarkError } from "../errors.ts";
import { encodeHex, isHex64, type Sha256, writeHex } from "../ids.ts";
import { changeDepsMax, opCounterMax } from "../limits.ts";
import { LebReader, uintLength, writeUint } from "./leb128.ts";

declare const brand: unique symbol;
/** The SHA-256 of a change, 64 hex digits, as Automerge writes it. */
export type ChangeHash = string & { readonly [brand]: "ChangeHash" };

export interface ChangeHeader {
  /** Sorted, each once. */
  readonly deps: readonly ChangeHash[];
  readonly actor: Uint8Array;
  /** From 1. */
  readonly seq: number;
  /** The counter of its first op, from 1. */
  readonly startOp: number;
}

/** The same with the deps as bytes, one behind the other. */
export interface PlainHeader extends Omit<ChangeHeader, "deps"> {
  readonly deps: Uint8Array;
}

export interface BuiltChange {
  readonly hash: ChangeHash;
  readonly bytes: Uint8Array;
}

export interface SplitChange extends ChangeHeader {
  /** A view into the change. */
  readonly tail: Uint8Array;
}

const magic = Uint8Array.of(0x85, 0x6f, 0x4a, 0x83);
const checksumBytes = 4;
const hashBytes = 32;
/** Where that starts which is hashed. */
const hashedFrom = magic.length + checksumBytes;
const plainChange = 1;

/** What else stands where a change may stand. */
const otherTypes: Readonly<Record<number, string>> = {
  0: "a document",
  2: "a compressed change",
  3: "a bundle of changes",
};

/** The door for hashes from their 32 bytes. */
export function changeHashFromBytes(digest: Uint8Array): ChangeHash {
  return encodeHex(digest) as ChangeHash;
}

/** The door for hashes as Automerge gives them. Anything else: INPUT_INVALID. */
export function changeHashFromHex(hex: string): ChangeHash {
  if (isHex64(hex)) return hex as ChangeHash;
  throw new TidemarkError("INPUT_INVALID", { field: "head", got: hex.slice(0, 80), expected: "64 hex digits" });
}

/** The change that has this tail. Whether that is one that Automerge takes is for `decodeTail` to say. */
export function buildChange(header: ChangeHeader, tail: Uint8Array, sha256: Sha256): BuiltChange {
  const deps = new Uint8Array(header.deps.length * hashBytes);
  for (const [i, dep] of header.deps.entries()) writeHex(dep, deps, i * hashBytes);
  const bytes = joinChange({ ...header, deps }, tail);
  const digest = digestOfChange(bytes, sha256);
  setChecksum(bytes, digest);
  return { hash: changeHashFromBytes(digest), bytes };
}

/** The change without its checksum, which `setChecksum` puts in. */
export function joinChange(header: PlainHeader, tail: Uint8Array): Uint8Array {
  const contents = headerLength(header) + tail.length;
  const bytes = new Uint8Array(hashedFrom + 1 + uintLength(contents) + contents);
  bytes.set(magic);
  bytes[hashedFrom] = plainChange;
  const at = writeHeader(header, bytes, writeUint(contents, bytes, hashedFrom + 1));
  bytes.set(tail, at);
  return bytes;
}

/** The hash of a change as bytes. The checksum is no part of what is hashed, and need not be there. */
export function digestOfChange(bytes: Uint8Array, sha256: Sha256): Uint8Array {
  return sha256(bytes.subarray(hashedFrom));
}

export function setChecksum(bytes: Uint8Array, digest: Uint8Array): void {
  for (let i = 0; i < checksumBytes; i++) bytes[magic.length + i] = digest[i] as number;
}

function headerLength({ deps, actor, seq, startOp }: PlainHeader): number {
  const lists = uintLength(deps.length / hashBytes) + deps.length + uintLength(actor.length) + actor.length;
  return lists + uintLength(seq) + uintLength(startOp);
}

function writeHeader({ deps, actor, seq, startOp }: PlainHeader, target: Uint8Array, offset: number): number {
  let at = writeUint(deps.length / hashBytes, target, offset);
  target.set(deps, at);
  at = writeUint(actor.length, target, at + deps.length);
  target.set(actor, at);
  return writeUint(startOp, target, writeUint(seq, target, at + actor.length));
}

/** The inverse of `buildChange`, for bytes that Automerge made. Anything but one plain change: DOC_CHANGE. */
export function splitChange(bytes: Uint8Array): SplitChange {
  const reader = new LebReader(bytes, refuse);
  readEnvelope(reader);
  const deps = readDeps(reader);
  const actor = reader.take(reader.uint());
  const seq = reader.uint();
  const startOp = reader.uint(opCounterMax);
  if (seq === 0 || startOp === 0) throw refuse("a number of 0", "one from 1");
  return { deps, actor, seq, startOp, tail: bytes.subarray(reader.at) };
}

function readEnvelope(reader: LebReader): void {
  if (compareBytes(reader.take(magic.length), magic) !== 0) throw refuse("other bytes", "a change of Automerge");
  reader.skip(checksumBytes);
  const type = reader.byte();
  if (type !== plainChange) throw refuse(otherTypes[type] ?? `type ${type}`, "a plain change");
  const length = reader.uint();
  const left = reader.end - reader.at;
  if (length !== left) throw refuse(`${left} bytes of contents`, `${length}`);
}

function readDeps(reader: LebReader): readonly ChangeHash[] {
  const deps: ChangeHash[] = [];
  for (let left = reader.uint(changeDepsMax); left > 0; left--) {
    const dep = changeHashFromBytes(reader.take(hashBytes));
    const before = deps.at(-1);
    if (before !== undefined && before >= dep) throw refuse("deps out of order", "sorted and unique ones");
    deps.push(dep);
  }
  return deps;
}

function refuse(got: string, expected: string): TidemarkError {
  return new TidemarkError("DOC_CHANGE", { got, expected });
}
