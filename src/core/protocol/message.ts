/**
 * The messages of a session, after the handshake: positional CBOR arrays, the kind first.
 *
 *   digest       what each shared database holds, shortened. Equal: nothing to do.
 *   frontier     the heads of one database; one that asks is answered with another, and both with the entries that are missing.
 *   skeleton     sampled entries of one author's chain, to find where a fork left it.
 *   entries      one numbered batch; `left` entries follow in later ones.
 *   stored       every batch up to this number is durable on the other side.
 *   want         entries by id, to fill a hole.
 *   join         a proof of a ticket's secret, from somebody who wants in.
 *   unavailable  the answer to a join that leads to nothing, whatever the reason.
 *
 * [MESSAGE-1] Decoding is strict and bounded: another form, another order or more than the limits is refused with a code.
 * [MESSAGE-2] Encoding what was decoded gives the same bytes.
 * [MESSAGE-3] A digest takes 18 bytes a database: the first 6 bytes of its id, and the first 12 of the SHA-256 of its frontier.
 *
 * 100 databases are greeted in 1.8 kB. Ids that begin alike are compared as well, which costs a needless comparison; two
 * frontiers with the same 12 bytes take 2^48 signatures to make, and the next entry tells them apart.
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { attempt, type Result, TidemarkError, unreachable } from "../errors.ts";
import { type Frontier, type Head, readFrontier, writeFrontier } from "../frontier.ts";
import { type DatabaseId, type EntryId, encodeHex, type PublicKey, writeHex } from "../ids.ts";
import { databasesPerDigestMax, messageBytesMax, samplesMax, wantsMax } from "../limits.ts";

const prefixBytesLength = 6;
const digestBytesLength = 12;
const itemBytesLength: number = prefixBytesLength + digestBytesLength;

export interface DatabaseDigest {
  /** How the database's id begins: see `prefixOf`. */
  readonly prefix: string;
  /** How the digest of its frontier begins: see `shortDigest`. */
  readonly digest: string;
}

/** The part of a database's id that a digest names it by, as hex. */
export function prefixOf(database: DatabaseId): string {
  return database.slice(0, 2 * prefixBytesLength);
}

/** The part of a frontier's digest that is compared, as hex. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 2 * digestBytesLength);
}

export type Message =
  | { readonly type: "digest"; readonly digests: readonly DatabaseDigest[] }
  | FrontierMessage
  | {
      readonly type: "skeleton";
      readonly database: DatabaseId;
      readonly author: PublicKey;
      readonly samples: readonly Head[];
    }
  | EntriesMessage
  | { readonly type: "stored"; readonly database: DatabaseId; readonly number: number }
  | { readonly type: "want"; readonly database: DatabaseId; readonly ids: readonly EntryId[] }
  | JoinMessage
  | { readonly type: "unavailable"; readonly database: DatabaseId };

export interface FrontierMessage {
  readonly type: "frontier";
  readonly database: DatabaseId;
  /** True when the other side's frontier is wanted in return. */
  readonly asks: boolean;
  readonly frontier: Frontier;
}

export interface EntriesMessage {
  readonly type: "entries";
  readonly database: DatabaseId;
  /** Counts the batches of this database in this direction of this session, from 1. */
  readonly number: number;
  /** How many entries the sender still has queued after this batch. */
  readonly left: number;
  /** See batch.ts. */
  readonly batch: Uint8Array;
}

export interface JoinMessage {
  readonly type: "join";
  readonly database: DatabaseId;
  /** The public half of the ticket's secret. */
  readonly invite: PublicKey;
  /** By the ticket's secret over the joiner's key and this session's transcript. */
  readonly signature: Uint8Array;
}

const kinds = ["digest", "frontier", "skeleton", "entries", "stored", "want", "join", "unavailable"] as const;
/** How many items follow the kind. */
const fields: Readonly<Record<Message["type"], number>> = {
  digest: 1,
  frontier: 3,
  skeleton: 3,
  entries: 4,
  stored: 2,
  want: 2,
  join: 3,
  unavailable: 1,
};
const itemsMax: number = 1 + Math.max(...Object.values(fields));

export function encodeMessage(message: Message): Uint8Array {
  const writer = new CborWriter(message.type === "entries" ? 64 + message.batch.length : 256);
  writer.array(1 + fields[message.type]);
  writer.uint(kinds.indexOf(message.type));
  if (message.type === "digest") writeDigests(writer, message.digests);
  else writeScoped(writer, message);
  return writer.finish();
}

function writeDigests(writer: CborWriter, digests: readonly DatabaseDigest[]): void {
  const bytes = new Uint8Array(itemBytesLength * digests.length);
  for (const [i, { prefix, digest }] of digests.entries()) {
    writeHex(prefix, bytes, i * itemBytesLength);
    writeHex(digest, bytes, i * itemBytesLength + prefixBytesLength);
  }
  writer.bytes(bytes);
}

function writeScoped(writer: CborWriter, message: Exclude<Message, { readonly type: "digest" }>): void {
  writer.link(message.database);
  switch (message.type) {
    case "frontier":
      writer.boolean(message.asks);
      writeFrontier(writer, message.frontier);
      break;
    case "skeleton":
      writer.publicKey(message.author);
      writeSamples(writer, message.samples);
      break;
    case "entries":
      writer.uint(message.number);
      writer.uint(message.left);
      writer.bytes(message.batch);
      break;
    case "stored":
      writer.uint(message.number);
      break;
    case "want":
      writer.array(message.ids.length);
      for (const id of message.ids) writer.link(id);
      break;
    case "join":
      writer.publicKey(message.invite);
      writer.bytes(message.signature);
      break;
    case "unavailable":
      break;
    default:
      unreachable(message);
  }
}

function writeSamples(writer: CborWriter, samples: readonly Head[]): void {
  writer.array(samples.length);
  for (const { seq, id } of samples) {
    writer.array(2);
    writer.uint(seq);
    writer.link(id);
  }
}

/** Fails with MESSAGE_MALFORMED or a CBOR_ code. */
export function decodeMessage(bytes: Uint8Array): Result<Message> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    const items = reader.array(itemsMax);
    const type = items === 0 ? undefined : kinds[reader.uint()];
    if (type === undefined || items !== 1 + fields[type]) throw malformed("kind");
    const message = readBody(reader, type);
    reader.end();
    return message;
  });
}

function readBody(reader: CborReader, type: Message["type"]): Message {
  if (type === "digest") return { type, digests: readDigests(reader) };
  const database = reader.link();
  switch (type) {
    case "frontier":
      return { type, database, asks: reader.boolean(), frontier: readFrontier(reader) };
    case "skeleton":
      return { type, database, author: reader.publicKey(), samples: readSamples(reader) };
    case "entries": {
      const number = reader.uint();
      return { type, database, number, left: reader.uint(), batch: reader.bytes(messageBytesMax) };
    }
    case "stored":
      return { type, database, number: reader.uint() };
    case "want":
      return { type, database, ids: readList(reader, wantsMax, () => reader.link()) };
    case "join":
      return { type, database, invite: reader.publicKey(), signature: reader.fixedBytes(64) };
    case "unavailable":
      return { type, database };
    default:
      return unreachable(type);
  }
}

function readDigests(reader: CborReader): readonly DatabaseDigest[] {
  const bytes = reader.bytes(databasesPerDigestMax * itemBytesLength);
  if (bytes.length === 0 || bytes.length % itemBytesLength !== 0) throw malformed("digests");
  const digests: DatabaseDigest[] = [];
  for (let at = 0; at < bytes.length; at += itemBytesLength) {
    const [from, to] = [at + prefixBytesLength, at + itemBytesLength];
    digests.push({ prefix: encodeHex(bytes.subarray(at, from)), digest: encodeHex(bytes.subarray(from, to)) });
  }
  return digests;
}

function readSamples(reader: CborReader): readonly Head[] {
  return readList(reader, samplesMax, () => {
    if (reader.array(2) !== 2) throw malformed("sample");
    return { seq: reader.uint(), id: reader.link() };
  });
}

function readList<T>(reader: CborReader, max: number, readItem: () => T): readonly T[] {
  const items: T[] = [];
  for (let left = reader.array(max); left > 0; left--) items.push(readItem());
  return items;
}

function malformed(field: string): TidemarkError {
  return new TidemarkError("MESSAGE_MALFORMED", { field, got: "another form", expected: "a session message" });
}
