/**
 * Where each stamp and each row of a checkpoint starts, written behind them: so that opening it does not look at everything in it.
 *
 * 32-bit words, lowest byte first: the start of each stamp, the start of each row (plus 2^31 when the row does not exist), how many stamps there are,
 * how many rows. The last two are the last of the checkpoint. What is read at a wrong start is no row, or another one: storage's checksum says that
 * the bytes are those that were written.
 */
import { assert } from "../errors.ts";
import { payloadError } from "./payload.ts";

const gone = 0x8000_0000;

export interface RowPlaces {
  readonly stamps: Uint32Array;
  readonly rows: Uint32Array;
  /** By place, 1 where the row exists. */
  readonly visible: Uint8Array;
}

export function encodePlaces(
  stamps: readonly number[],
  rows: readonly { readonly start: number; readonly isVisible: boolean }[],
): Uint8Array {
  assert((rows.at(-1)?.start ?? 0) < gone, "no platform has an array of 2 GiB to spare for a checkpoint");
  const bytes = new Uint8Array(4 * (stamps.length + rows.length + 2));
  const view = new DataView(bytes.buffer);
  let at = 0;
  const write = (word: number): void => {
    view.setUint32(at, word, true);
    at += 4;
  };
  for (const start of stamps) write(start);
  for (const { start, isVisible } of rows) write(isVisible ? start : start + gone);
  write(stamps.length);
  write(rows.length);
  return bytes;
}

/** Of a checkpoint that ends in them. Throws ENTRY_PAYLOAD. */
export function decodePlaces(checkpoint: Uint8Array): RowPlaces {
  const view = new DataView(checkpoint.buffer, checkpoint.byteOffset, checkpoint.length);
  const end = checkpoint.length - 8;
  const [stampCount, rowCount] = end < 0 ? [0, 0] : [view.getUint32(end, true), view.getUint32(end + 4, true)];
  const from = end - 4 * (stampCount + rowCount);
  if (from < 0) throw payloadError("checkpoint", "places that are not there", "a place for each stamp and row");
  const stamps = new Uint32Array(stampCount);
  for (let i = 0; i < stampCount; i++) stamps[i] = view.getUint32(from + 4 * i, true);
  const rows = new Uint32Array(rowCount);
  const visible = new Uint8Array(rowCount);
  for (let i = 0; i < rowCount; i++) {
    const word = view.getUint32(from + 4 * (stampCount + i), true);
    rows[i] = word % gone;
    visible[i] = word < gone ? 1 : 0;
  }
  return { stamps, rows, visible };
}
