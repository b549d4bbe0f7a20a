/**
 * The stamps of a checkpoint, each written once: the rows of one transaction share theirs.
 *
 * [STORE-9] A checkpoint is the array [stamps, items]; stamps is the flat list [time, entry id, time, entry id, …] in the order
 *           in which the items first mention them, and items refer to a stamp by its place in it, from 0.
 */

import { CborReader } from "../cbor-reader.ts";
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

  /** Answers where each of them starts. */
  write(writer: CborWriter): readonly number[] {
    writer.array(2 * this.#stamps.length);
    return this.#stamps.map(({ time, id }) => {
      const start = writer.length;
      writer.uint(time);
      writer.bytes(decodeHex(id));
      return start;
    });
  }
}

/** The stamps of a checkpoint by their places; undefined beyond the last. */
export interface StampList {
  readonly length: number;
  at(place: number): Stamp | undefined;
}

/** Throws `TidemarkError`s with a CBOR_ code or ENTRY_PAYLOAD. */
export function readStamps(reader: CborReader): readonly Stamp[] {
  return Array.from({ length: readCount(reader) }, () => readOne(reader));
}

/** The same, of which each stamp is made when it is asked for. */
export class SavedStamps implements StampList {
  readonly #bytes: Uint8Array;
  readonly #starts: Uint32Array;

  constructor(bytes: Uint8Array, starts: Uint32Array) {
    this.#bytes = bytes;
    this.#starts = starts;
  }

  get length(): number {
    return this.#starts.length;
  }

  at(place: number): Stamp | undefined {
    return place < this.length ? readOne(new CborReader(this.#bytes, this.#starts[place])) : undefined;
  }
}

/** Steps over the stamps, and says where each starts. Throws `TidemarkError`s with a CBOR_ code or ENTRY_PAYLOAD. */
export function scanStamps(reader: CborReader): Uint32Array {
  const starts = new Uint32Array(readCount(reader));
  for (let place = 0; place < starts.length; place++) {
    starts[place] = reader.at;
    reader.uint(hybridTimeMax);
    reader.skipFixedBytes(32);
  }
  return starts;
}

function readCount(reader: CborReader): number {
  const count = reader.array();
  if (count % 2 === 1) throw payloadError("checkpoint", "a time without an id", "pairs of a time and an id");
  return count / 2;
}

function readOne(reader: CborReader): Stamp {
  return { time: reader.uint(hybridTimeMax), id: entryIdFromDigest(reader.fixedBytes(32)) };
}

export function readStamp(reader: CborReader, stamps: StampList): Stamp {
  return stamps.at(readPlace(reader, stamps)) as Stamp;
}

/** The place of a stamp that is there. */
export function readPlace(reader: CborReader, { length }: { readonly length: number }): number {
  const place = reader.uint();
  if (place >= length) throw payloadError("checkpoint", `stamp ${place}`, `less than ${length}`);
  return place;
}
