/**
 * What somebody says who asks to be let in, hidden from those who do not know the database's id.
 *
 * Whoever asks does not know which of its peers hold the database, so it tells all of them; a name and a note are nobody else's
 * business. The bytes are `[name, note, power, sealing key or null]` in CBOR, masked: see mask.ts.
 *
 * [REQUEST-2] A name has at most 64 bytes and a note 512.
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { domainTags } from "../domain-tags.ts";
import { attempt } from "../errors.ts";
import { memberNameBytesMax, requestNoteBytesMax } from "../limits.ts";
import { isPower, NONE, type Power } from "../store/power.ts";
import { sealKeyBytesLength } from "../store/settings-op.ts";
import { encodeUtf8 } from "../utf8.ts";
import { type MaskPlace, mask, unmask } from "./mask.ts";

export interface Knock {
  /** What others are to call the asker; empty: nothing was said. */
  readonly name: string;
  readonly note: string;
  /** What it would like to be able to do; 999: it does not say. */
  readonly power: Power;
  readonly sealKey: Uint8Array | undefined;
}

const tag = encodeUtf8(domainTags.knock);

export function hideKnock({ name, note, power, sealKey }: Knock, place: MaskPlace): Uint8Array {
  const writer = new CborWriter();
  writer.array(4);
  writer.text(name);
  writer.text(note);
  writer.uint(power);
  if (sealKey === undefined) writer.null();
  else writer.bytes(sealKey);
  return mask(writer.finish(), tag, place);
}

/** Undefined for what is none: whoever sent it is not to learn that we could tell. */
export function revealKnock(hidden: Uint8Array, place: MaskPlace): Knock | undefined {
  const knock = attempt(() => {
    const reader = new CborReader(unmask(hidden, tag, place));
    const items = reader.array(4);
    const [name, note, power] = [reader.text(memberNameBytesMax), reader.text(requestNoteBytesMax), reader.uint(NONE)];
    const sealKey = reader.null() ? undefined : reader.fixedBytes(sealKeyBytesLength).slice();
    reader.end();
    return items === 4 && isPower(power) ? { name, note, power, sealKey } : undefined;
  });
  return knock.ok ? knock.value : undefined;
}
