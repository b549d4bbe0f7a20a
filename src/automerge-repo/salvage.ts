/**
 * What is still sound of a damaged value: what automerge-repo stores are Automerge's pieces, one after the other, each with its own checksum.
 *
 * Magic (4), checksum (4), type (1), length (LEB128), contents; the checksum is the beginning of SHA-256 from the type on:
 * https://automerge.org/automerge-binary-format-spec/. Nothing is searched for: a document may hold the pieces of another one as plain bytes.
 */
import { equalBytes } from "../core/bytes.ts";
import type { Sha256 } from "../core/ids.ts";

const magic = new Uint8Array([0x85, 0x6f, 0x4a, 0x83]);
const typeAt = 8;
/** Its checksum is over what it inflates to. Never written by what this is for. */
const compressed = 2;

export interface Salvaged {
  /** The sound pieces in their order, one after the other. */
  readonly bytes: Uint8Array;
  readonly pieces: number;
}

export function salvage(data: Uint8Array, sha256: Sha256): Salvaged {
  const bytes = new Uint8Array(data.length);
  let [length, pieces] = [0, 0];
  for (const piece of splitPieces(data)) {
    if (!isSound(piece, sha256)) continue;
    bytes.set(piece, length);
    length += piece.length;
    pieces += 1;
  }
  return { bytes: bytes.slice(0, length), pieces };
}

/** As far as one begins where the one before it ended. */
function* splitPieces(data: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < data.length; ) {
    const end = endOf(data, at);
    if (end === undefined) return;
    yield data.subarray(at, end);
    at = end;
  }
}

function endOf(data: Uint8Array, start: number): number | undefined {
  if (!equalBytes(data.subarray(start, start + magic.length), magic)) return undefined;
  let length = 0;
  for (let i = 0, at = start + typeAt + 1; i < 5 && at < data.length; i++, at++) {
    const byte = data[at] as number;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return at + 1 + length <= data.length ? at + 1 + length : undefined;
  }
  return undefined;
}

function isSound(piece: Uint8Array, sha256: Sha256): boolean {
  if (piece[typeAt] === compressed) return false;
  const hash = sha256(piece.subarray(typeAt));
  return equalBytes(piece.subarray(magic.length, typeAt), hash.subarray(0, typeAt - magic.length));
}
