/**
 * The messages of a session, after the handshake: positional CBOR arrays, the kind first.
 *
 *   digest       what each shared database holds, shortened. `continues`: more of this greeting follows in another one.
 *   frontier     the heads of one database; one that asks is answered with another, and both with the entries that are missing.
 *                With `since` only the authors whose heads are not as they were when both held that.
 *   skeleton     sampled entries of one author's chain, to find where a fork left it.
 *   entries      one numbered batch; `left` entries follow in later ones. The last one says what the sender holds.
 *   stored       every batch up to this number is durable on the other side.
 *   want         entries by id, to fill a hole.
 *   join         a proof of a ticket's secret, from somebody who wants in: of which database only those see who have its id.
 *   unavailable  the answer to a join that leads to nothing, whatever the reason.
 *   same         the answer to a digest: for each of its databases whether the other side holds the same.
 *   flow         please send no more batches of a database, or go on.
 *   ping, pong   is somebody there? Pongs 0 and 1 come unasked: a message of yours is coming in, or waits here.
 *   pace         how much the sender of this wants to receive at most.
 *   prove        a proof of a further key, with which the sender takes part in a database: see key-proof.ts.
 *   knock        somebody without a ticket's secret asks to be let in: see knock.ts.
 *   heard        the answer to every knock, whatever becomes of it.
 *   rejected     an admin said no to what a knock asked for.
 *   presence     a page of somebody's is there, or gone: see presence/announcement.ts. Not to those without the feature.
 *   channel      the app has a channel for messages open, or not any more. Not to those without the feature.
 *   message      bytes of the app, in a channel that both have open.
 *
 * [MESSAGE-1] Decoding is strict and bounded: another form, another order or more than the limits is refused with a code.
 * [MESSAGE-2] Encoding what was decoded gives the same bytes.
 *
 * What is shortened in them, and how, is in short-digest.ts.
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { attempt, type Result, unreachable } from "../errors.ts";
import { type Frontier, type Head, readFrontier, writeFrontier } from "../frontier.ts";
import { type DatabaseId, decodeHex, type EntryId, encodeHex, type PublicKey } from "../ids.ts";
import {
  appChannelBytesMax,
  appMessageBytesMax,
  knockBytesMax,
  messageBytesMax,
  presenceLifeMsMax,
  samplesMax,
  wantsMax,
} from "../limits.ts";
import {
  type Announcement,
  announcementFields,
  readAnnouncement,
  writeAnnouncement,
} from "../presence/announcement.ts";
import { commitmentBytesLength } from "./commitments.ts";
import { keyProofBytesLength } from "./key-proof.ts";
import {
  type DatabaseDigest,
  malformed,
  readBits,
  readDigests,
  readShortDigest,
  writeBits,
  writeDigests,
  writeShortDigest,
} from "./short-digest.ts";

export type Message =
  | { readonly type: "digest"; readonly continues: boolean; readonly digests: readonly DatabaseDigest[] }
  | FrontierMessage
  | {
      readonly type: "skeleton";
      readonly database: DatabaseId;
      readonly author: PublicKey;
      readonly samples: readonly Head[];
    }
  | EntriesMessage
  | StoredMessage
  | { readonly type: "want"; readonly database: DatabaseId; readonly ids: readonly EntryId[] }
  | JoinMessage
  | ProveMessage
  | KnockMessage
  | { readonly type: "unavailable" | "heard" | "rejected"; readonly commitment: string }
  | SameMessage
  | { readonly type: "flow"; readonly database: DatabaseId; readonly paused: boolean }
  | { readonly type: "ping" | "pong"; readonly id: number }
  /** 0: as much as there is. */
  | { readonly type: "pace"; readonly bytesPerSecond: number }
  | PresenceMessage
  | { readonly type: "channel"; readonly channel: string; readonly isOpen: boolean }
  | { readonly type: "message"; readonly channel: string; readonly bytes: Uint8Array };

export interface FrontierMessage {
  readonly type: "frontier";
  readonly database: DatabaseId;
  /** True when the other side's frontier is wanted in return. */
  readonly asks: boolean;
  /** What both held when they last held the same, shortened: authors that are left out are as they were. Empty: all are here. */
  readonly since: string;
  readonly frontier: Frontier;
}

export interface EntriesMessage {
  readonly type: "entries";
  readonly database: DatabaseId;
  /** Counts the batches of this database in this direction of this session, from 1. */
  readonly number: number;
  /** How many entries the sender still has queued after this batch. */
  readonly left: number;
  /** Their bytes. */
  readonly leftBytes: number;
  /** What the sender holds, shortened, when nothing is left; else empty. */
  readonly digest: string;
  /** See batch.ts. */
  readonly batch: Uint8Array;
}

export interface StoredMessage {
  readonly type: "stored";
  readonly database: DatabaseId;
  readonly number: number;
  /** Every entry of the batches since the last `stored` was accepted and is durable; false: some wait, or were refused. */
  readonly complete: boolean;
  /** What the sender holds, shortened, when no more batches were announced to it; else empty. */
  readonly digest: string;
}

export interface SameMessage {
  readonly type: "same";
  /** Which digest message of the other side this answers, in the order in which they came, from 1. One in which nothing is the same is not answered. */
  readonly number: number;
  /** One for each item of the digest, in its order. False also where nothing may be told. */
  readonly bits: readonly boolean[];
}

export interface JoinMessage {
  readonly type: "join";
  /** Stands for the database: see `commitmentOf`. */
  readonly commitment: string;
  /** The public half of the ticket's secret. */
  readonly invite: PublicKey;
  /** By the ticket's secret over `joinMessage`. */
  readonly signature: Uint8Array;
}

export interface ProveMessage {
  readonly type: "prove";
  readonly commitment: string;
  /** See `hideKeyProof`. */
  readonly hidden: Uint8Array;
}

export interface KnockMessage {
  readonly type: "knock";
  readonly commitment: string;
  /** See `hideKnock`. */
  readonly hidden: Uint8Array;
}

export interface PresenceMessage {
  readonly type: "presence";
  readonly database: DatabaseId;
  /** How long ago its author sent it, as far as whoever says this knows. */
  readonly ageMs: number;
  readonly announcement: Announcement;
}

const kinds = [
  "digest",
  "frontier",
  "skeleton",
  "entries",
  "stored",
  "want",
  "join",
  "unavailable",
  "same",
  "flow",
  "ping",
  "pong",
  "pace",
  "prove",
  "knock",
  "heard",
  "rejected",
  "presence",
  "channel",
  "message",
] as const;
/** How many items follow the kind. */
const fields: Readonly<Record<Message["type"], number>> = {
  digest: 2,
  frontier: 4,
  skeleton: 3,
  entries: 6,
  stored: 4,
  want: 2,
  join: 3,
  unavailable: 1,
  same: 3,
  flow: 2,
  ping: 1,
  pong: 1,
  pace: 1,
  prove: 2,
  knock: 2,
  heard: 1,
  rejected: 1,
  presence: 2 + announcementFields,
  channel: 2,
  message: 2,
};
const itemsMax: number = 1 + Math.max(...Object.values(fields));

/** Messages that are about one database, which they name first. */
type ScopedMessage = Extract<Message, { readonly database: DatabaseId }>;

export function encodeMessage(message: Message): Uint8Array {
  const writer = new CborWriter(sizeOf(message));
  writer.array(1 + fields[message.type]);
  writer.uint(kinds.indexOf(message.type));
  switch (message.type) {
    case "digest":
      writer.boolean(message.continues);
      writeDigests(writer, message.digests);
      break;
    case "same":
      writer.uint(message.number);
      writeBits(writer, message.bits);
      break;
    case "ping":
    case "pong":
      writer.uint(message.id);
      break;
    case "pace":
      writer.uint(message.bytesPerSecond);
      break;
    case "join":
      writer.bytes(decodeHex(message.commitment));
      writer.publicKey(message.invite);
      writer.bytes(message.signature);
      break;
    case "prove":
    case "knock":
      writer.bytes(decodeHex(message.commitment));
      writer.bytes(message.hidden);
      break;
    case "unavailable":
    case "heard":
    case "rejected":
      writer.bytes(decodeHex(message.commitment));
      break;
    case "channel":
      writer.text(message.channel);
      writer.boolean(message.isOpen);
      break;
    case "message":
      writer.text(message.channel);
      writer.bytes(message.bytes);
      break;
    default:
      writeScoped(writer, message);
  }
  return writer.finish();
}

/** About as many bytes as it will take: the large ones are not to be copied as the writer grows. */
function sizeOf(message: Message): number {
  if (message.type === "entries") return 96 + message.batch.length;
  return message.type === "message" ? 96 + message.bytes.length : 256;
}

function writeScoped(writer: CborWriter, message: ScopedMessage): void {
  writer.link(message.database);
  switch (message.type) {
    case "frontier":
      writer.boolean(message.asks);
      writeShortDigest(writer, message.since);
      writeFrontier(writer, message.frontier);
      break;
    case "skeleton":
      writer.publicKey(message.author);
      writeSamples(writer, message.samples);
      break;
    case "entries":
      writer.uint(message.number);
      writer.uint(message.left);
      writer.uint(message.leftBytes);
      writeShortDigest(writer, message.digest);
      writer.bytes(message.batch);
      break;
    case "stored":
      writer.uint(message.number);
      writer.boolean(message.complete);
      writeShortDigest(writer, message.digest);
      break;
    case "want":
      writer.array(message.ids.length);
      for (const id of message.ids) writer.link(id);
      break;
    case "flow":
      writer.boolean(message.paused);
      break;
    case "presence":
      writer.uint(message.ageMs);
      writeAnnouncement(writer, message.announcement);
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
  switch (type) {
    case "digest":
      return { type, continues: reader.boolean(), digests: readDigests(reader) };
    case "same":
      return { type, number: reader.uint(), bits: readBits(reader) };
    case "ping":
    case "pong":
      return { type, id: reader.uint() };
    case "pace":
      return { type, bytesPerSecond: reader.uint() };
    case "join": {
      const commitment = readCommitment(reader);
      return { type, commitment, invite: reader.publicKey(), signature: reader.fixedBytes(64) };
    }
    case "prove": {
      const commitment = readCommitment(reader);
      return { type, commitment, hidden: reader.fixedBytes(keyProofBytesLength) };
    }
    case "knock": {
      const commitment = readCommitment(reader);
      return { type, commitment, hidden: reader.bytes(knockBytesMax) };
    }
    case "unavailable":
    case "heard":
    case "rejected":
      return { type, commitment: readCommitment(reader) };
    case "channel":
      return { type, channel: readChannel(reader), isOpen: reader.boolean() };
    case "message":
      return { type, channel: readChannel(reader), bytes: reader.bytes(appMessageBytesMax).slice() };
    default:
      return readScoped(reader, type);
  }
}

function readScoped(reader: CborReader, type: ScopedMessage["type"]): ScopedMessage {
  const database = reader.link();
  switch (type) {
    case "frontier": {
      const asks = reader.boolean();
      return { type, database, asks, since: readShortDigest(reader), frontier: readFrontier(reader) };
    }
    case "skeleton":
      return { type, database, author: reader.publicKey(), samples: readSamples(reader) };
    case "entries":
      return { type, database, ...readBatch(reader) };
    case "stored": {
      const number = reader.uint();
      return { type, database, number, complete: reader.boolean(), digest: readShortDigest(reader) };
    }
    case "want":
      return { type, database, ids: readList(reader, wantsMax, () => reader.link()) };
    case "flow":
      return { type, database, paused: reader.boolean() };
    case "presence":
      return { type, database, ageMs: reader.uint(presenceLifeMsMax), announcement: readAnnouncement(reader) };
    default:
      return unreachable(type);
  }
}

function readChannel(reader: CborReader): string {
  const channel = reader.text(appChannelBytesMax);
  if (channel === "") throw malformed("channel");
  return channel;
}

function readCommitment(reader: CborReader): string {
  return encodeHex(reader.fixedBytes(commitmentBytesLength));
}

function readBatch(reader: CborReader): Omit<EntriesMessage, "type" | "database"> {
  const number = reader.uint();
  const left = reader.uint();
  const leftBytes = reader.uint();
  return { number, left, leftBytes, digest: readShortDigest(reader), batch: reader.bytes(messageBytesMax) };
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
