/**
 * Where each stamp and each row of a checkpoint starts, written behind them: so that opening it does not look at everything in it.
 *
 * 32-bit words in the byte order of the machine, as a checkpoint stays on it: the start of each stamp, the start of each row (plus 2^31 when the row
 * does not exist), how many stamps there are, how many rows. The last two are the last of the checkpoint. What is read at a wrong start is no row, or
 * another one: storage's checksum says that the bytes are those that were written.
 */
import { assert } from "../errors.ts";
import { payloadError } from "./payload.ts";

const gone = 0x8000_0000;

/** Where the row at each place starts, and whether it exists: others were deleted, or never put. */
export class RowStarts {
  readonly #words: Uint32Array;

  constructor(words: Uint32Array) {
    this.#words = words;
  }

  get length(): number {
    return this.#words.length;
  }

  set(place: number, start: number, isVisible: boolean): void {
    this.#words[place] = isVisible ? start : start + gone;
  }

  at(place: number): number {
    return (this.#words[place] as number) & (gone - 1);
  }

  isVisible(place: number): boolean {
    return (this.#words[place] as number) < gone;
  }

  countVisible(): number {
    let count = 0;
    for (let place = 0; place < this.#words.length; place++) if ((this.#words[place] as number) < gone) count += 1;
    return count;
  }
}

export interface RowPlaces {
  readonly stamps: Uint32Array;
  readonly rows: RowStarts;
}

export function encodePlaces(
  stamps: readonly number[],
  rows: readonly { readonly start: number; readonly isVisible: boolean }[],
): Uint8Array {
  assert((rows.at(-1)?.start ?? 0) < gone, "no platform has an array of 2 GiB to spare for a checkpoint");
  const words = new Uint32Array(stamps.length + rows.length + 2);
  words.set(stamps);
  const starts = new RowStarts(words.subarray(stamps.length));
  for (const [place, { start, isVisible }] of rows.entries()) starts.set(place, start, isVisible);
  words.set([stamps.length, rows.length], stamps.length + rows.length);
  return new Uint8Array(words.buffer);
}

/** Of a checkpoint that ends in them. Throws ENTRY_PAYLOAD. */
export function decodePlaces(checkpoint: Uint8Array): RowPlaces {
  const [stampCount = 0, rowCount = 0] = wordsBefore(checkpoint, checkpoint.length, 2);
  const words = wordsBefore(checkpoint, checkpoint.length - 8, stampCount + rowCount);
  return { stamps: words.subarray(0, stampCount), rows: new RowStarts(words.subarray(stampCount)) };
}

/** A copy, as they may lie anywhere. */
function wordsBefore(bytes: Uint8Array, end: number, count: number): Uint32Array {
  const from = end - 4 * count;
  if (from < 0) throw payloadError("checkpoint", "places that are not there", "a place for each stamp and row");
  const copy = new Uint8Array(4 * count);
  copy.set(bytes.subarray(from, end));
  return new Uint32Array(copy.buffer);
}
