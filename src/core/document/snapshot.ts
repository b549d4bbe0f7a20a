/**
 * A page's `save()` of a document with the heads that it covers, as it is kept on this device: a cache that anything can be left out of.
 *
 * ```
 * [1, heads one after the other, bytes]
 * ```
 * [DOC-28] A snapshot reads back as it was written; bytes of any other form, of a later version for one, are refused.
 * Not here: whether the bytes are those heads. Whoever loads them sees.
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { attempt, type Result } from "../errors.ts";
import { writeHex } from "../ids.ts";
import { payloadError } from "../store/payload.ts";
import { type ChangeHash, changeHashFromBytes } from "./change-bytes.ts";

const version = 1;
const hashBytes = 32;

export interface Snapshot {
  readonly heads: readonly ChangeHash[];
  /** As Automerge saved it. */
  readonly bytes: Uint8Array;
}

export function encodeSnapshot({ heads, bytes }: Snapshot): Uint8Array {
  const hashes = new Uint8Array(heads.length * hashBytes);
  for (const [i, head] of heads.entries()) writeHex(head, hashes, i * hashBytes);
  const writer = new CborWriter(bytes.length + hashes.length + 32);
  writer.array(3);
  writer.uint(version);
  writer.bytes(hashes);
  writer.bytes(bytes);
  return writer.finish();
}

/** Fails with a CBOR_ code or ENTRY_PAYLOAD. What comes back is a view into the input. */
export function decodeSnapshot(input: Uint8Array): Result<Snapshot> {
  return attempt(() => {
    const reader = new CborReader(input);
    if (reader.array(3) !== 3) throw payloadError("snapshot", "another length", "[version, heads, bytes]");
    if (reader.uint() !== version) throw payloadError("snapshot", "another version", `${version}`);
    const hashes = reader.bytes();
    if (hashes.length % hashBytes !== 0) throw payloadError("snapshot", "half a hash", "hashes of 32 bytes");
    const heads = Array.from({ length: hashes.length / hashBytes }, (_, i) =>
      changeHashFromBytes(hashes.subarray(i * hashBytes, (i + 1) * hashBytes)),
    );
    const bytes = reader.bytes();
    reader.end();
    return { heads, bytes };
  });
}
