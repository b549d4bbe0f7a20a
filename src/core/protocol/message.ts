/**
 * The messages of a session, after the handshake: positional CBOR arrays, the kind first.
 *
 *   digest       what each shared database holds: count and digest of the frontier. Equal: nothing to do.
 *   frontier     the heads of one database; the other side answers with the entries that are missing.
 *   skeleton     sampled entries of one author's chain, to find where a fork left it.
 *   entries      one numbered batch; `left` entries follow in later ones.
 *   stored       every batch up to this number is durable on the other side.
 *   want         entries by id, to fill a hole.
 *   join         a proof of a ticket's secret, from somebody who wants in.
 *   unavailable  the answer to a join that leads to nothing, whatever the reason.
 *
 * [MESSAGE-1] Decoding is strict and bounded: another form, another order or more than the limits is refused with a code.
 * [MESSAGE-2] Encoding what was decoded gives the same bytes.
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { attempt, type Result, TidemarkError, unreachable } from "../errors.ts";
import { type Frontier, type Head, readFrontier, writeFrontier } from "../frontier.ts";
import { type DatabaseId, decodeHex, type EntryId, encodeHex, type PublicKey, publicKeyFromBytes } from "../ids.ts";
import { databasesPerDigestMax, messageBytesMax, wantsMax } from "../limits.ts";

export interface DatabaseDigest {
  readonly database: DatabaseId;
  readonly count: number;
  /** SHA-256 of the encoded frontier, as hex. */
  readonly digest: string;
}

export type Message =
  | { readonly type: "digest"; readonly digests: readonly DatabaseDigest[] }
  | { readonly type: "frontier"; readonly database: DatabaseId; readonly frontier: Frontier }
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
  frontier: 2,
  skeleton: 3,
  entries: 4,
  stored: 2,
  want: 2,
  join: 3,
  unavailable: 1,
};
export const samplesMax = 64;
const numberMax = Number.MAX_SAFE_INTEGER;

export function encodeMessage(message: Message): Uint8Array {
  const writer = new CborWriter();
  writer.array(1 + fields[message.type]);
  writer.uint(kinds.indexOf(message.type));
  if (message.type === "digest") writeDigests(writer, message.digests);
  else writeScoped(writer, message);
  return writer.finish();
}

function writeDigests(writer: CborWriter, digests: readonly DatabaseDigest[]): void {
  writer.array(digests.length);
  for (const { database, count, digest } of digests) {
    writer.array(3);
    writer.link(database);
    writer.uint(count);
    writer.bytes(decodeHex(digest));
  }
}

function writeScoped(writer: CborWriter, message: Exclude<Message, { readonly type: "digest" }>): void {
  writer.link(message.database);
  switch (message.type) {
    case "frontier":
      writeFrontier(writer, message.frontier);
      break;
    case "skeleton":
      writer.bytes(decodeHex(message.author));
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
      writer.bytes(decodeHex(message.invite));
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
    const items = reader.array(1 + Math.max(...Object.values(fields)));
    const type = kinds[items === 0 ? -1 : reader.uint(numberMax)];
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
      return { type, database, frontier: readFrontier(reader) };
    case "skeleton":
      return { type, database, author: publicKeyFromBytes(readBytes(reader, 32)), samples: readSamples(reader) };
    case "entries": {
      const number = reader.uint(numberMax);
      return { type, database, number, left: reader.uint(numberMax), batch: reader.bytes(messageBytesMax) };
    }
    case "stored":
      return { type, database, number: reader.uint(numberMax) };
    case "want":
      return { type, database, ids: readList(reader, wantsMax, () => reader.link()) };
    case "join":
      return { type, database, invite: publicKeyFromBytes(readBytes(reader, 32)), signature: readBytes(reader, 64) };
    case "unavailable":
      return { type, database };
    default:
      return unreachable(type);
  }
}

function readDigests(reader: CborReader): readonly DatabaseDigest[] {
  return readList(reader, databasesPerDigestMax, () => {
    if (reader.array(3) !== 3) throw malformed("digest");
    return { database: reader.link(), count: reader.uint(numberMax), digest: encodeHex(readBytes(reader, 32)) };
  });
}

function readSamples(reader: CborReader): readonly Head[] {
  return readList(reader, samplesMax, () => {
    if (reader.array(2) !== 2) throw malformed("sample");
    return { seq: reader.uint(numberMax), id: reader.link() };
  });
}

function readList<T>(reader: CborReader, max: number, readItem: () => T): readonly T[] {
  const items: T[] = [];
  for (let left = reader.array(max); left > 0; left--) items.push(readItem());
  return items;
}

function readBytes(reader: CborReader, length: number): Uint8Array {
  const bytes = reader.bytes(length);
  if (bytes.length !== length) throw malformed(`bytes of ${length}`);
  return bytes;
}

function malformed(field: string): TidemarkError {
  return new TidemarkError("MESSAGE_MALFORMED", { field, got: "another form", expected: "a session message" });
}
