/** Whether a group of devices has come to rest, without believing any of them that it has. */
import { type DatabaseId, entryIdFromDigest } from "../core/ids.ts";
import type { Device } from "./device.ts";

/** For all the same counts, all of it is durable, and none holds anything back until its time has come. */
export function holdSame(devices: readonly Device[], id: DatabaseId): boolean {
  const replicas = devices.flatMap((device) => device.instance.find(id)?.replica ?? []);
  if (replicas.length < devices.length || replicas.some(({ graph }) => graph.size === 0)) return false;
  const isWhole = replicas.every((each) => each.stored === each.graph.size && each.pending.earliest === undefined);
  // With everything that they follow these are all entries that count.
  const tips = replicas.map(({ graph }) =>
    graph
      .tips()
      .map((tip) => tip.id)
      .join(),
  );
  return isWhole && new Set(tips).size === 1;
}

/** Why a device does not know yet that all is well. */
export function unsettledAt({ instance, key, storage }: Device, id: DatabaseId): string | undefined {
  const name = key.slice(0, 6);
  if (storage.waiting > 0) return `${name} still writes`;
  if (instance.find(id) === undefined) return `${name} has not opened the database`;
  const peer = instance.status(id).peers.find(({ state }) => state !== "upToDate");
  return peer === undefined ? undefined : `${name} takes ${peer.key.slice(0, 6)} for ${peer.state}`;
}

/** Whether some entry on its disk that counts is not what it was. */
export function isRotten({ disk, instance, sha256 }: Device, id: DatabaseId): boolean {
  const { index, bytes } = disk.databases.get(id) ?? { index: [], bytes: [] };
  const graph = instance.find(id)?.replica.graph;
  return index.some((entry, i) => {
    const node = graph?.get(entry.id);
    const counts = node === undefined || graph?.counts(node) === true;
    return counts && entryIdFromDigest(sha256(bytes[i] as Uint8Array)) !== entry.id;
  });
}

/** For people. */
export function describe({ instance, key }: Device, id: DatabaseId): string {
  const replica = instance.find(id)?.replica;
  if (replica === undefined) return `${key.slice(0, 6)} has not opened the database`;
  const { graph, stored, pending, authority } = replica;
  const has = `${graph.size} entries, ${graph.voidCount} void, ${stored} durable, ${pending.size} waiting`;
  return `${key.slice(0, 6)} with power ${authority.power(instance.publicKey)} has ${has}`;
}
