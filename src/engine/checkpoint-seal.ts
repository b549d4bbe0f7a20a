/**
 * Checkpoint parts of an encrypted database as they lie on the disk: sealed with a key of this device.
 *
 * [ENCRYPTION-9] What an encrypted database leaves in storage holds nothing of what was written in clear: entries are sealed for the
 *   members, the parts of the folded state for this device alone.
 */

import { CborReader } from "../core/cbor-reader.ts";
import { CborWriter } from "../core/cbor-writer.ts";
import { attempt } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { sealedStoreName, sealedType } from "../core/store/sealed.ts";
import type { StoreCheckpoint } from "../core/store/state.ts";
import type { Cipher } from "../ports/payload-keys.ts";
import type { Random } from "../ports/random.ts";
import type { CheckpointPart } from "../ports/storage.ts";
import { openFromDisk, sealForDisk } from "./disk-seal.ts";

export async function sealPart(
  disk: Cipher,
  random: Random,
  database: DatabaseId,
  part: CheckpointPart,
): Promise<CheckpointPart> {
  const bytes = await sealForDisk(disk, random, encodeStores(part.stores), associatedData(database, part));
  return { ...part, stores: [{ name: sealedStoreName, type: sealedType, bytes }] };
}

/** As many parts, from the first on, as are in clear or can be opened: the entries are the truth, and parts only save time. */
export async function openParts(
  disk: Cipher | undefined,
  database: DatabaseId,
  parts: readonly CheckpointPart[],
): Promise<readonly CheckpointPart[]> {
  const opened: CheckpointPart[] = [];
  for (const part of parts) {
    const stores = await openStores(disk, database, part);
    if (stores === undefined) break;
    opened.push({ ...part, stores });
  }
  return opened;
}

async function openStores(
  disk: Cipher | undefined,
  database: DatabaseId,
  part: CheckpointPart,
): Promise<readonly StoreCheckpoint[] | undefined> {
  const sealed = part.stores.find(({ type }) => type === sealedType);
  if (sealed === undefined) return part.stores;
  const bytes = disk && (await openFromDisk(disk, sealed.bytes, associatedData(database, part)));
  return bytes && decodeStores(bytes);
}

function associatedData(database: DatabaseId, { number, through }: CheckpointPart): Uint8Array {
  const writer = new CborWriter();
  writer.array(3);
  writer.link(database);
  writer.uint(number);
  writer.uint(through);
  return writer.finish();
}

function encodeStores(stores: readonly StoreCheckpoint[]): Uint8Array {
  const writer = new CborWriter();
  writer.array(stores.length);
  for (const { name, type, bytes } of stores) {
    writer.array(3);
    writer.text(name);
    writer.text(type);
    writer.bytes(bytes);
  }
  return writer.finish();
}

/** Undefined for what `encodeStores` never wrote: another version may have. */
function decodeStores(bytes: Uint8Array): readonly StoreCheckpoint[] | undefined {
  const stores = attempt(() => {
    const reader = new CborReader(bytes);
    const read: StoreCheckpoint[] = [];
    for (let left = reader.array(); left > 0; left--) {
      reader.array(3);
      read.push({ name: reader.text(), type: reader.text(), bytes: reader.bytes() });
    }
    reader.end();
    return read;
  });
  return stores.ok ? stores.value : undefined;
}
