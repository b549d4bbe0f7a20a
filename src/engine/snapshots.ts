/**
 * What pages have saved of documents, kept on this device to open them sooner. A cache: the entries are the truth, and can be done with alone.
 *
 * [DOC-36] A snapshot that cannot be kept, is damaged, or is of changes that do not count is as none, and nobody's failure.
 * [DOC-37] Of an encrypted database snapshots are sealed for this device alone, and so are the names of their documents.
 */
import { CborWriter } from "../core/cbor-writer.ts";
import type { ChangeHash } from "../core/document/change-bytes.ts";
import { decodeSnapshot, encodeSnapshot, type Snapshot } from "../core/document/snapshot.ts";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import { snapshotBytesMax } from "../core/limits.ts";
import { nonceBytesLength } from "../core/store/sealed.ts";
import type { OpenDatabase } from "./database.ts";
import { openFromDisk, sealForDisk } from "./disk-seal.ts";
import type { EnginePorts } from "./ports.ts";

type SnapshotPorts = Pick<EnginePorts, "storage" | "sealing" | "random" | "sha256">;
type Owner = Pick<OpenDatabase, "id" | "replica">;

/** Never rejects. */
export async function keepSnapshot(
  ports: SnapshotPorts,
  { id, replica }: Owner,
  store: string,
  snapshot: Snapshot,
): Promise<void> {
  if (snapshot.bytes.length > snapshotBytesMax || !isKnown(replica, store, snapshot.heads)) return;
  try {
    const place = await placeOf(ports, id, replica.isEncrypted, store);
    if (place !== undefined)
      await ports.storage.putSnapshot(id, place.key, await place.close(encodeSnapshot(snapshot)));
  } catch {
    // It can be made again.
  }
}

/** Undefined: there is none that the document can be opened with. Never rejects. */
export async function findSnapshot(
  ports: SnapshotPorts,
  { id, replica }: Owner,
  store: string,
): Promise<Snapshot | undefined> {
  try {
    const place = await placeOf(ports, id, replica.isEncrypted, store);
    const kept = place && (await ports.storage.getSnapshot(id, place.key));
    const bytes = kept && (await place.open(kept));
    const snapshot = bytes && decodeSnapshot(bytes);
    return snapshot?.ok && isKnown(replica, store, snapshot.value.heads) ? snapshot.value : undefined;
  } catch {
    return undefined;
  }
}

function isKnown(replica: Owner["replica"], store: string, heads: readonly ChangeHash[]): boolean {
  return heads.length > 0 && replica.state.doc(store)?.since(heads) !== undefined;
}

/** Where a snapshot stands, and what stands there. */
interface Place {
  readonly key: string;
  readonly close: (bytes: Uint8Array) => Promise<Uint8Array>;
  readonly open: (bytes: Uint8Array) => Promise<Uint8Array | undefined>;
}

/** Undefined where nothing can be sealed. */
async function placeOf(
  { sealing, random, sha256 }: SnapshotPorts,
  database: DatabaseId,
  isEncrypted: boolean,
  store: string,
): Promise<Place | undefined> {
  if (!isEncrypted) return { key: store, close: async (bytes) => bytes, open: async (bytes) => bytes };
  if (sealing === undefined) return undefined;
  const { disk } = sealing;
  const name = nameOf(database, store);
  // The name has to be found again, and nobody else is to guess it: a nonce that follows from it never comes with another text.
  const nonce = sha256(name).subarray(0, nonceBytesLength);
  const sealedName = await disk.seal(new Uint8Array(), nonce, name);
  return {
    key: encodeHex(sha256(sealedName)),
    close: (bytes) => sealForDisk(disk, random, bytes, name),
    open: (bytes) => openFromDisk(disk, bytes, name),
  };
}

/** No checkpoint has the same associated data: a number stands there in the place of the text. */
function nameOf(database: DatabaseId, store: string): Uint8Array {
  const writer = new CborWriter();
  writer.array(2);
  writer.link(database);
  writer.text(store);
  return writer.finish();
}
