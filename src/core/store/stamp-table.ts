/**
 * The stamps of a checkpoint, each written once: the rows of one transaction share theirs.
 *
 * [STORE-9] A checkpoint is the array [stamps, items]; stamps is the flat list [time, entry id, time, entry id, …] in the order
 *           in which the items first mention them, and items refer to a stamp by its place in it, from 0.
 */

import type { CborReader } from "../cbor-reader.ts";
import type { CborWriter } from "../cbor-writer.ts";
import { hybridTimeMax } from "../clock.ts";
import { decodeHex, type EntryId, entryIdFromDigest } from "../ids.ts";
import type { Stamp } from "./kind.ts";
import { payloadError } from "./payload.ts";

export class StampTable {
  readonly #stamps: Stamp[] = [];
  readonly #places = new Map<EntryId, number>();

  /** The stamp's place, which it is given when it is mentioned first. */
  place(stamp: Stamp): number {
    const known = this.#places.get(stamp.id);
    if (known !== undefined) return known;
    this.#places.set(stamp.id, this.#stamps.length);
    return this.#stamps.push(stamp) - 1;
  }

  write(writer: CborWriter): void {
    writer.array(2 * this.#stamps.length);
    for (const { time, id } of this.#stamps) {
      writer.uint(time);
      writer.bytes(decodeHex(id));
    }
  }
}

/** Throws `TidemarkError`s with a CBOR_ code or ENTRY_PAYLOAD. */
export function readStamps(reader: CborReader): readonly Stamp[] {
  const stamps: Stamp[] = [];
  const count = reader.array();
  if (count % 2 === 1) throw payloadError("checkpoint", "a time without an id", "pairs of a time and an id");
  for (let left = count / 2; left > 0; left--) {
    stamps.push({ time: reader.uint(hybridTimeMax), id: entryIdFromDigest(reader.fixedBytes(32)) });
  }
  return stamps;
}

export function readStamp(reader: CborReader, stamps: readonly Stamp[]): Stamp {
  const place = reader.uint();
  const stamp = stamps[place];
  if (stamp === undefined) throw payloadError("checkpoint", `stamp ${place}`, `less than ${stamps.length}`);
  return stamp;
}
