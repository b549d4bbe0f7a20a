/**
 * The sealed part of an entry: what an encrypted database keeps in the place of its content.
 *
 * [ENCRYPTION-1] A sealed part has the name `_sealed` and the type sealed. Its payload is
 *   [epoch, key id (16 bytes), nonce (12 bytes), ciphertext]
 *   The ciphertext is that of the parts it stands for, [[name, type, payload], …], as an entry has them, under AES-256-GCM.
 * [ENCRYPTION-2] Associated data are [database, author, seq, prev, parents, height, time, epoch] of the entry: a sealed part that is
 *   moved to another entry does not open.
 *
 * The id names the key by a hash of it, so a part opens under one key alone and says the same to whoever can open it.
 * Deliberately not here: the cipher itself (a port), and what the parts mean (kinds.ts).
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { type EntryBody, readStores, type StorePart, writeStores } from "../entry.ts";
import { attempt, type Result, TidemarkError } from "../errors.ts";
import { decodeHex, encodeHex } from "../ids.ts";
import { entryBytesMax } from "../limits.ts";
import { payloadError } from "./payload.ts";

export const sealedStoreName = "_sealed";
export const sealedType = "sealed";
export const keyIdBytesLength = 16;
export const nonceBytesLength = 12;

declare const brand: unique symbol;
/** Names the key of an epoch: the hash of its secret, 32 hex digits. */
export type EpochKeyId = string & { readonly [brand]: "EpochKeyId" };

export interface SealedPayload {
  /** From 1. Two admins can have begun the same one: the key's id tells them apart. */
  readonly epoch: number;
  readonly keyId: EpochKeyId;
  readonly nonce: Uint8Array;
  /** A view into the payload. */
  readonly ciphertext: Uint8Array;
}

/** What of an entry is fixed before its content is sealed. */
export type EntryHeader = Omit<EntryBody, "stores">;

/** The door for key ids. */
export function epochKeyIdFromBytes(bytes: Uint8Array): EpochKeyId {
  return encodeHex(bytes) as EpochKeyId;
}

/** The inverse of `decodeSealed`, as a part of an entry. */
export function sealedPart({ epoch, keyId, nonce, ciphertext }: SealedPayload): StorePart {
  const writer = new CborWriter(64 + ciphertext.length);
  writer.array(4);
  writer.uint(epoch);
  writer.bytes(decodeHex(keyId));
  writer.bytes(nonce);
  writer.bytes(ciphertext);
  return { name: sealedStoreName, type: sealedType, payload: writer.finish() };
}

/** Fails with a CBOR_ code or `ENTRY_PAYLOAD`. */
export function decodeSealed(store: string, bytes: Uint8Array): Result<SealedPayload> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    if (reader.array(4) !== 4) throw payloadError(store, "another length", "[epoch, key id, nonce, ciphertext]");
    const epoch = reader.uint();
    if (epoch === 0) throw payloadError(store, "epoch 0", "at least 1");
    const keyId = epochKeyIdFromBytes(reader.fixedBytes(keyIdBytesLength));
    const payload = { epoch, keyId, nonce: reader.fixedBytes(nonceBytesLength), ciphertext: reader.bytes() };
    reader.end();
    return payload;
  });
}

/** The sealed part of an entry, as far as it has one that can be read. */
export function sealedIn({ stores }: Pick<EntryBody, "stores">): SealedPayload | undefined {
  const part = stores.find(({ type }) => type === sealedType);
  const payload = part && decodeSealed(part.name, part.payload);
  return payload?.ok ? payload.value : undefined;
}

/** [ENCRYPTION-2]. */
export function associatedData(header: EntryHeader, epoch: number): Uint8Array {
  const writer = new CborWriter();
  writer.array(8);
  writer.linkOrNull(header.database);
  writer.publicKey(header.author);
  writer.uint(header.seq);
  writer.linkOrNull(header.prev);
  writer.array(header.parents.length);
  for (const parent of header.parents) writer.link(parent);
  writer.uint(header.height);
  writer.uint(header.time);
  writer.uint(epoch);
  return writer.finish();
}

/** What is sealed. Fails with ENTRY_MALFORMED or ENTRY_TOO_LARGE for parts that no entry could hold. */
export function encodeContent(stores: readonly StorePart[]): Uint8Array {
  const writer = new CborWriter();
  writeStores(writer, stores);
  if (writer.length > entryBytesMax)
    throw new TidemarkError("ENTRY_TOO_LARGE", { got: writer.length, max: entryBytesMax });
  return writer.finish();
}

/** Strict: the inverse of `encodeContent`. Fails with ENTRY_MALFORMED or a CBOR_ code. The parts are views into `bytes`. */
export function decodeContent(bytes: Uint8Array): Result<readonly StorePart[]> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    const stores = readStores(reader);
    reader.end();
    return stores;
  });
}
