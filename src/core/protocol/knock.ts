/**
 * What somebody says who asks to be let in, hidden from those who do not know the database's id.
 *
 * Whoever asks does not know which of its peers hold the database, so it tells all of them; a name and a note are nobody else's
 * business. The bytes are `[name, note, power, sealing key or null]` in CBOR, each combined by exclusive or with one of the
 * SHA-256 of a tag, the transcript, the asker's key, the id, and a counter, for every 32 bytes. In each session the stream is another.
 *
 * [REQUEST-2] A name has at most 64 bytes and a note 512.
 */
import { concatBytes } from "../bytes.ts";
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { domainTags } from "../domain-tags.ts";
import { attempt } from "../errors.ts";
import { type DatabaseId, decodeHex, type PublicKey, type Sha256 } from "../ids.ts";
import { memberNameBytesMax, requestNoteBytesMax } from "../limits.ts";
import { isPower, NONE, type Power } from "../store/power.ts";
import { sealKeyBytesLength } from "../store/settings-op.ts";
import { encodeUtf8 } from "../utf8.ts";

export interface Knock {
  /** What others are to call the asker; empty: nothing was said. */
  readonly name: string;
  readonly note: string;
  /** What it would like to be able to do; 999: it does not say. */
  readonly power: Power;
  readonly sealKey: Uint8Array | undefined;
}

/** The session in which it is said. */
export interface KnockPlace {
  readonly database: DatabaseId;
  readonly asker: PublicKey;
  readonly transcript: Uint8Array;
  readonly sha256: Sha256;
}

const tag = encodeUtf8(domainTags.knock);
const maskBytesLength = 32;

export function hideKnock({ name, note, power, sealKey }: Knock, place: KnockPlace): Uint8Array {
  const writer = new CborWriter();
  writer.array(4);
  writer.text(name);
  writer.text(note);
  writer.uint(power);
  if (sealKey === undefined) writer.null();
  else writer.bytes(sealKey);
  return masked(writer.finish(), place);
}

/** Undefined for what is none: whoever sent it is not to learn that we could tell. */
export function revealKnock(hidden: Uint8Array, place: KnockPlace): Knock | undefined {
  const knock = attempt(() => {
    const reader = new CborReader(masked(hidden, place));
    const items = reader.array(4);
    const [name, note, power] = [reader.text(memberNameBytesMax), reader.text(requestNoteBytesMax), reader.uint(NONE)];
    const sealKey = reader.null() ? undefined : reader.fixedBytes(sealKeyBytesLength).slice();
    reader.end();
    return items === 4 && isPower(power) ? { name, note, power, sealKey } : undefined;
  });
  return knock.ok ? knock.value : undefined;
}

/** Its own inverse. */
function masked(bytes: Uint8Array, { database, asker, transcript, sha256 }: KnockPlace): Uint8Array {
  const result = bytes.slice();
  for (let at = 0; at < result.length; at += maskBytesLength) {
    const counter = Uint8Array.of(at / maskBytesLength);
    const mask = sha256(concatBytes(tag, transcript, decodeHex(asker), decodeHex(database), counter));
    for (let i = at; i < Math.min(at + maskBytesLength, result.length); i++)
      result[i] = (result[i] ?? 0) ^ (mask[i - at] ?? 0);
  }
  return result;
}
