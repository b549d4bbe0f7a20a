/**
 * Where a hook is in a log, as a text that an app can keep: the storage's epoch, the database, and the position it goes on from.
 *
 * [HOOK-6] A cursor means a place only in the storage and database it came from; any other text is refused with CURSOR_INVALID.
 */
import { decodeBase64Url, encodeBase64Url } from "../core/base64url.ts";
import { concatBytes } from "../core/bytes.ts";
import { show, TidemarkError } from "../core/errors.ts";
import { type DatabaseId, decodeHex, encodeHex } from "../core/ids.ts";

const epochBytes = 16;
const databaseBytes = 32;
const positionBytes = 8;

/** Opaque to apps. */
export function formatCursor(epoch: string, database: DatabaseId, position: number): string {
  const place = new Uint8Array(positionBytes);
  new DataView(place.buffer).setFloat64(0, position);
  return encodeBase64Url(concatBytes(decodeHex(epoch), decodeHex(database), place));
}

/** The position, at most `stored`. Throws CURSOR_INVALID. */
export function parseCursor(text: unknown, epoch: string, database: DatabaseId, stored: number): number {
  const bytes = typeof text === "string" && text.length < 100 ? decodeBase64Url(text) : undefined;
  if (bytes?.length !== epochBytes + databaseBytes + positionBytes) throw invalid(text);
  const position = new DataView(bytes.buffer).getFloat64(epochBytes + databaseBytes);
  const isHere =
    encodeHex(bytes.subarray(0, epochBytes)) === epoch &&
    encodeHex(bytes.subarray(epochBytes, epochBytes + databaseBytes)) === database;
  if (!isHere || !Number.isSafeInteger(position) || position < 0 || position > stored) throw invalid(text);
  return position;
}

function invalid(text: unknown): TidemarkError {
  return new TidemarkError("CURSOR_INVALID", { got: show(text) });
}
