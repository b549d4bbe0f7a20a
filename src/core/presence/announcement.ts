/**
 * What a page says of itself to everybody who may read a database, signed by its key and never stored.
 *
 * [PRESENCE-1] It is [author, page, counter, sent, life, content, signature]: key, 16 bytes that the page drew, a number that grows with each of the
 *   page's, milliseconds since 1970, milliseconds, bytes, 64 bytes. Another form, or more than the limits, is refused with a code.
 * [PRESENCE-2] The signature covers a tag of its own, the database and everything before it: in another database, or altered, it is worthless.
 * [PRESENCE-3] The content is the page's state in canonical CBOR; in an encrypted database [key id (16), nonce (12), ciphertext] one after the other,
 *   bound to everything else that is signed. Empty content says that the page is gone.
 *
 * Deliberately not here: who may announce what (engine/presence-room.ts), and what is kept of it (roster.ts).
 */
import { concatBytes } from "../bytes.ts";
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { domainTags } from "../domain-tags.ts";
import { attempt, type Result, TidemarkError } from "../errors.ts";
import { type DatabaseId, decodeHex, encodeHex, type PublicKey } from "../ids.ts";
import { presenceContentBytesMax, presenceLifeMsMax, presenceStateBytesMax } from "../limits.ts";
import { type EpochKeyId, epochKeyIdFromBytes, keyIdBytesLength, nonceBytesLength } from "../store/sealed.ts";
import type { JsonValue } from "../store/values.ts";
import { encodeUtf8 } from "../utf8.ts";

const pageBytesLength = 16;
const signatureBytesLength = 64;
const tag = encodeUtf8(domainTags.presence);

declare const brand: unique symbol;
/** Names a page: 16 random bytes, 32 hex digits. */
export type PageId = string & { readonly [brand]: "PageId" };
/** A page of a key: no two keys can be taken for each other, whatever pages they name. */
export type Origin = string & { readonly [brand]: "Origin" };

/** What is fixed before the content is sealed. */
export interface AnnouncementHeader {
  readonly author: PublicKey;
  readonly page: PageId;
  readonly counter: number;
  /** By its author's clock, in milliseconds since 1970. */
  readonly sentMs: number;
  /** For so long it holds, from when it was sent. */
  readonly lifeMs: number;
}

export interface AnnouncementBody extends AnnouncementHeader {
  /** Empty: the page is gone. */
  readonly content: Uint8Array;
}

export interface Announcement extends AnnouncementBody {
  readonly signature: Uint8Array;
}

export interface SealedState {
  readonly keyId: EpochKeyId;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** The door for names of pages: 32 hex digits. Throws INPUT_INVALID. */
export function pageIdFromHex(text: string): PageId {
  if (/^[0-9a-f]{32}$/.test(text)) return text as PageId;
  throw new TidemarkError("INPUT_INVALID", { field: "page", got: text, expected: "32 hex digits" });
}

export function originOf({ author, page }: Pick<AnnouncementHeader, "author" | "page">): Origin {
  return (author + page) as Origin;
}

/** The items of an announcement, in a message. */
export const announcementFields = 7;

export function writeAnnouncement(writer: CborWriter, { signature, ...body }: Announcement): void {
  writeBody(writer, body);
  writer.bytes(signature);
}

/** Throws MESSAGE_MALFORMED or a CBOR_ code. The result keeps no view of what is read. */
export function readAnnouncement(reader: CborReader): Announcement {
  const author = reader.publicKey();
  const page = encodeHex(reader.fixedBytes(pageBytesLength)) as PageId;
  const [counter, sentMs, lifeMs] = [reader.uint(), reader.uint(), reader.uint(presenceLifeMsMax)];
  if (lifeMs === 0) throw new TidemarkError("MESSAGE_MALFORMED", { field: "life", got: "0", expected: "at least 1" });
  const content = reader.bytes(presenceContentBytesMax).slice();
  return { author, page, counter, sentMs, lifeMs, content, signature: reader.fixedBytes(signatureBytesLength).slice() };
}

/** [PRESENCE-2] What its author signs. */
export function announcementMessage(database: DatabaseId, body: AnnouncementBody): Uint8Array {
  const writer = new CborWriter(256 + body.content.length);
  writer.array(announcementFields);
  writer.link(database);
  writeBody(writer, body);
  return concatBytes(tag, writer.finish());
}

/** [PRESENCE-3] What the sealed content is bound to. */
export function presenceAssociated(database: DatabaseId, header: AnnouncementHeader): Uint8Array {
  const writer = new CborWriter(160);
  writer.array(announcementFields - 1);
  writer.link(database);
  writeHeader(writer, header);
  return concatBytes(tag, writer.finish());
}

/** Throws INPUT_INVALID for what has no encoding, or one above the limit. */
export function encodePresenceState(state: unknown): Uint8Array {
  const writer = new CborWriter(256);
  writer.writeValue(state, "presence");
  const bytes = writer.finish();
  if (bytes.length <= presenceStateBytesMax) return bytes;
  const expected = `at most ${presenceStateBytesMax} bytes, encoded`;
  throw new TidemarkError("INPUT_INVALID", { field: "presence", got: `${bytes.length} bytes`, expected });
}

/** Fails with a CBOR_ code, or MESSAGE_TOO_LARGE. */
export function decodePresenceState(bytes: Uint8Array): Result<JsonValue> {
  return attempt(() => {
    const { length } = bytes;
    if (length > presenceStateBytesMax)
      throw new TidemarkError("MESSAGE_TOO_LARGE", { got: length, max: presenceStateBytesMax });
    const reader = new CborReader(bytes);
    const state = reader.value();
    reader.end();
    return state;
  });
}

export function sealedContent({ keyId, nonce, ciphertext }: SealedState): Uint8Array {
  return concatBytes(decodeHex(keyId), nonce, ciphertext);
}

/** Undefined for bytes that are too few. */
export function readSealedContent(content: Uint8Array): SealedState | undefined {
  const headLength = keyIdBytesLength + nonceBytesLength;
  if (content.length <= headLength) return undefined;
  return {
    keyId: epochKeyIdFromBytes(content.subarray(0, keyIdBytesLength)),
    nonce: content.subarray(keyIdBytesLength, headLength),
    ciphertext: content.subarray(headLength),
  };
}

function writeHeader(writer: CborWriter, { author, page, counter, sentMs, lifeMs }: AnnouncementHeader): void {
  writer.publicKey(author);
  writer.bytes(decodeHex(page));
  writer.uint(counter);
  writer.uint(sentMs);
  writer.uint(lifeMs);
}

function writeBody(writer: CborWriter, body: AnnouncementBody): void {
  writeHeader(writer, body);
  writer.bytes(body.content);
}
