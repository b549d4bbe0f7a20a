/**
 * The entry: the signed, immutable, content-addressed unit of everything.
 *
 * [ENTRY-1] An entry is the canonical DAG-CBOR array
 *   [version, database, author, seq, prev, parents, height, time, stores, signature]
 *   version   1
 *   database  link to the root entry; null in the root itself
 *   author    Ed25519 public key, 32 bytes
 *   seq       position in the author's chain, from 0
 *   prev      link to the author's entry with seq - 1; null when seq is 0
 *   parents   links, sorted by bytes and unique; empty when the entry follows just `prev`
 *   height    1 + the greatest height among what it follows; 0 in the root
 *   time      hybrid time, see clock.ts
 *   stores    [[name, type, payload bytes], …] sorted by the bytes of the name, unique names, at least one
 *   signature Ed25519, 64 bytes, always the last 66 bytes of the encoding
 * [ENTRY-2] The signature covers the domain tag and every byte of the entry before the signature item.
 * [ENTRY-3] The id is the CIDv1 (dag-cbor, sha2-256) of all bytes, signature included.
 * [ENTRY-4] What an entry follows is its parents and its `prev`.
 * [ENTRY-5] Whatever breaks the form above is refused with ENTRY_MALFORMED (or a CBOR_ code), in both directions.
 * Not here: what needs other entries to be known (chain.ts, graph.ts), and what payloads mean (store/kind.ts).
 */
import { concatBytes } from "./bytes.ts";
import { linkBytesLength } from "./cbor.ts";
import { CborReader } from "./cbor-reader.ts";
import { CborWriter } from "./cbor-writer.ts";
import type { HybridTime } from "./clock.ts";
import { domainTags } from "./domain-tags.ts";
import { assert, attempt, type Result, show, TidemarkError } from "./errors.ts";
import { type DatabaseId, type EntryId, entryIdFromDigest, type PublicKey, type Sha256 } from "./ids.ts";
import { entryBytesMax, parentsMax, storeNameBytesMax, storesMax, storeTypeBytesMax } from "./limits.ts";
import { compareUtf8, encodeUtf8, utf8Length } from "./utf8.ts";

const entryVersion = 1;
/** What the signature of an entry is a signature of; nothing else Tidemark signs starts with it. */
export const entryDomainTag: string = domainTags.entry;

/** What one transaction did to one store. The store's kind gives the payload its meaning. */
export interface StorePart {
  readonly name: string;
  readonly type: string;
  readonly payload: Uint8Array;
}

/** An entry before it is signed. */
export interface EntryBody {
  /** Undefined in the root, whose own id becomes the database id. */
  readonly database: DatabaseId | undefined;
  readonly author: PublicKey;
  readonly seq: number;
  readonly prev: EntryId | undefined;
  readonly parents: readonly EntryId[];
  readonly height: number;
  readonly time: HybridTime;
  readonly stores: readonly StorePart[];
}

export interface Entry extends EntryBody {
  readonly id: EntryId;
  /** The canonical encoding, signature included. May be a view into a larger buffer: copy before it is stored or sent. */
  readonly bytes: Uint8Array;
}

declare const vouched: unique symbol;
/** An entry that stands at or below a verified signature of its author. Only `chain.ts` makes them. */
export type VouchedEntry = Entry & { readonly [vouched]: true };

const items = 10;
const signatureBytesLength = 64;
/** The signature with its head. */
const signatureItemBytesLength = 66;
const domainTagBytes = encodeUtf8(entryDomainTag);

/** The id of the entry's database; the root names none, because it is its own. */
export function databaseOf(entry: Entry): DatabaseId {
  return entry.database ?? entry.id;
}

/** [ENTRY-4]: each id once, `prev` last unless it is among the parents. */
export function follows(entry: EntryBody): readonly EntryId[] {
  const { parents, prev } = entry;
  return prev === undefined || parents.includes(prev) ? parents : [...parents, prev];
}

/**
 * The message that the author signs: [ENTRY-2]. Fails with ENTRY_MALFORMED or ENTRY_TOO_LARGE for a body that no replica
 * would accept. Hand it to `sealEntry` with the signature.
 */
export function encodeUnsigned(body: EntryBody): Uint8Array {
  const writer = new CborWriter(domainTagBytes.length + guessBytes(body));
  writer.raw(domainTagBytes);
  writeUnsigned(writer, body);
  checkSize(writer.length - domainTagBytes.length + signatureItemBytesLength);
  return writer.view();
}

/** The entry from what `encodeUnsigned` returned for this body, and the signature of that. */
export function sealEntry(body: EntryBody, message: Uint8Array, signature: Uint8Array, sha256: Sha256): Entry {
  const writer = new CborWriter(message.length - domainTagBytes.length + signatureItemBytesLength);
  writer.raw(message.subarray(domainTagBytes.length));
  writeSignature(writer, signature);
  return identify(body, writer.view(), sha256);
}

/** Both steps in one, for a signature that is known already. */
export function encodeEntry(body: EntryBody, signature: Uint8Array, sha256: Sha256): Entry {
  return writeEntry(new CborWriter(guessBytes(body)), body, signature, sha256);
}

/** `encodeEntry` where the writer stands. The entry is a view of what was written. */
export function writeEntry(writer: CborWriter, body: EntryBody, signature: Uint8Array, sha256: Sha256): Entry {
  const from = writer.length;
  writeUnsigned(writer, body);
  writeSignature(writer, signature);
  checkSize(writer.length - from);
  return identify(body, writer.view(from), sha256);
}

/** What `entrySignature` has to be a signature of. */
export function entryMessage(entry: Entry): Uint8Array {
  const unsigned = entry.bytes.subarray(0, entry.bytes.length - signatureItemBytesLength);
  return concatBytes(domainTagBytes, unsigned);
}

/** A view of the last 64 bytes. */
export function entrySignature(entry: Entry): Uint8Array {
  return entry.bytes.subarray(entry.bytes.length - signatureBytesLength);
}

/**
 * Strict: accepts exactly what `encodeEntry` can produce. Fails with ENTRY_TOO_LARGE, ENTRY_VERSION, ENTRY_MALFORMED or a
 * CBOR_ code. The entry and its payloads are views into `bytes`. Says nothing about whether the signature is good.
 */
export function decodeEntry(bytes: Uint8Array, sha256: Sha256): Result<Entry> {
  return attempt(() => {
    checkSize(bytes.length);
    const reader = new CborReader(bytes);
    const body = readUnsigned(reader);
    reader.fixedBytes(signatureBytesLength);
    reader.end();
    checkBody(body);
    return identify(body, bytes, sha256);
  });
}

/** [ENTRY-3]. */
function identify(body: EntryBody, bytes: Uint8Array, sha256: Sha256): Entry {
  return {
    id: entryIdFromDigest(sha256(bytes)),
    bytes,
    database: body.database,
    author: body.author,
    seq: body.seq,
    prev: body.prev,
    parents: body.parents,
    height: body.height,
    time: body.time,
    stores: body.stores,
  };
}

function writeUnsigned(writer: CborWriter, body: EntryBody): void {
  checkBody(body);
  writer.array(items);
  writer.uint(entryVersion);
  writer.linkOrNull(body.database);
  writer.publicKey(body.author);
  writer.uint(body.seq);
  writer.linkOrNull(body.prev);
  writer.array(body.parents.length);
  for (const parent of body.parents) writer.link(parent);
  writer.uint(body.height);
  writer.uint(body.time);
  writeParts(writer, body.stores);
}

/** `[[name, type, payload], …]`, as it stands in an entry. Fails with ENTRY_MALFORMED for parts that no entry can hold. */
export function writeStores(writer: CborWriter, stores: readonly StorePart[]): void {
  checkStores(stores);
  writeParts(writer, stores);
}

/** The inverse of `writeStores`, strict. Throws ENTRY_MALFORMED or a CBOR_ code. Payloads are views into what is read. */
export function readStores(reader: CborReader): readonly StorePart[] {
  const stores = readParts(reader);
  checkStores(stores);
  return stores;
}

function writeParts(writer: CborWriter, stores: readonly StorePart[]): void {
  writer.array(stores.length);
  for (const { name, type, payload } of stores) {
    writer.array(3);
    writer.text(name);
    writer.text(type);
    writer.bytes(payload);
  }
}

function writeSignature(writer: CborWriter, signature: Uint8Array): void {
  assert(signature.length === signatureBytesLength, "a signature of 64 bytes");
  writer.bytes(signature);
}

function readUnsigned(reader: CborReader): EntryBody {
  const length = reader.array();
  const version = reader.uint();
  if (version !== entryVersion) throw new TidemarkError("ENTRY_VERSION", { got: version, expected: entryVersion });
  if (length !== items) throw malformed("entry", `array of ${length}`, `array of ${items}`);
  // The fields stand in the order of the encoding: they are evaluated from top to bottom.
  return {
    database: reader.linkOrNull(),
    author: reader.publicKey(),
    seq: reader.uint(),
    prev: reader.linkOrNull(),
    parents: readParents(reader),
    height: reader.uint(),
    time: reader.uint(),
    stores: readParts(reader),
  };
}

function readParents(reader: CborReader): readonly EntryId[] {
  const parents: EntryId[] = [];
  let left = reader.array();
  checkCount("parents", left, 0, parentsMax);
  for (; left > 0; left--) parents.push(reader.link());
  return parents;
}

function readParts(reader: CborReader): readonly StorePart[] {
  const parts: StorePart[] = [];
  let left = reader.array();
  checkCount("stores", left, 1, storesMax);
  for (; left > 0; left--) {
    const length = reader.array();
    if (length !== 3) throw malformed("store", `array of ${length}`, "name, type and payload");
    parts.push({ name: reader.text(), type: reader.text(), payload: reader.bytes() });
  }
  return parts;
}

/** Enough for the usual entry: heads, a key, two ids and short names come to less than 256 bytes. A guess, not a limit. */
function guessBytes(body: EntryBody): number {
  return body.stores.reduce((sum, part) => sum + 32 + part.payload.length, 256 + linkBytesLength * body.parents.length);
}

function checkSize(got: number): void {
  if (got > entryBytesMax) throw new TidemarkError("ENTRY_TOO_LARGE", { got, max: entryBytesMax });
}

/** [ENTRY-5], as far as the types allow it to be broken. */
function checkBody(body: EntryBody): void {
  const { seq, prev, parents, height } = body;
  if ((seq === 0) !== (prev === undefined))
    throw malformed("prev", prev ?? "null", `null exactly when seq, ${seq}, is 0`);
  if (body.database === undefined) {
    if (seq !== 0 || parents.length > 0 || height !== 0)
      throw malformed("database", "null", "a link, except in a root");
  } else {
    if (prev === undefined && parents.length === 0) throw malformed("parents", "none", "a parent or prev");
    if (height === 0) throw malformed("height", "0", "1 or more, except in a root");
  }
  checkParents(parents, prev);
  checkStores(body.stores);
}

function checkParents(parents: readonly EntryId[], prev: EntryId | undefined): void {
  checkCount("parents", parents.length, 0, parentsMax);
  if (parents.length === 1 && parents[0] === prev) throw malformed("parents", "just prev", "none then");
  for (let i = 1; i < parents.length; i++) {
    const [before, parent] = [parents[i - 1] as EntryId, parents[i] as EntryId];
    if (before >= parent) throw malformed("parents", `${parent} after ${before}`, "sorted and unique");
  }
}

function checkStores(stores: readonly StorePart[]): void {
  checkCount("stores", stores.length, 1, storesMax);
  let before = "";
  for (const { name, type } of stores) {
    checkName("store name", name, storeNameBytesMax);
    checkName("store type", type, storeTypeBytesMax);
    if (before !== "" && compareUtf8(before, name) >= 0) {
      throw malformed("stores", `${show(name)} after ${show(before)}`, "sorted by name and unique");
    }
    before = name;
  }
}

function checkName(field: string, name: string, bytesMax: number): void {
  const length = utf8Length(name);
  if (length < 1 || length > bytesMax) throw malformed(field, show(name), `well-formed, 1 to ${bytesMax} bytes`);
}

function checkCount(field: string, got: number, min: number, max: number): void {
  if (got < min || got > max) throw malformed(field, `${got}`, `${min} to ${max}`);
}

function malformed(field: string, got: string, expected: string): TidemarkError {
  return new TidemarkError("ENTRY_MALFORMED", { field, got, expected });
}
