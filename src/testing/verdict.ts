/** Whether all is well with a group of devices when everything has come to rest: what convergence means, without believing any of them. */
import { decodeEntry } from "../core/entry.ts";
import { unwrap } from "../core/errors.ts";
import { type DatabaseId, type EntryId, encodeHex, entryIdFromDigest } from "../core/ids.ts";
import { decodeParts } from "../core/judgement.ts";
import { DatabaseState } from "../core/store/state.ts";
import type { Device } from "./device.ts";
import { forgedRow } from "./mallory.ts";

/** All hold the same, durably, and none holds anything back until its time has come. */
export function holdSame(devices: readonly Device[], id: DatabaseId): boolean {
  const replicas = devices.map((device) => device.instance.find(id)?.replica);
  const [first] = replicas;
  if (first === undefined || first.graph.size === 0) return false;
  const { size } = first.graph;
  const isWhole = replicas.every(
    (each) => each?.graph.size === size && each.stored === size && each.pending.earliest === undefined,
  );
  // With everything that they follow these are all entries.
  return isWhole && first.graph.tips().every(({ id: tip }) => replicas.every((each) => each?.graph.has(tip)));
}

/** Why a device does not know yet that all is well. */
export function unsettledAt({ instance, key, storage }: Device, id: DatabaseId): string | undefined {
  const name = key.slice(0, 6);
  if (storage.waiting > 0) return `${name} still writes`;
  if (instance.find(id) === undefined) return `${name} has not opened the database`;
  const peer = instance.status(id).peers.find(({ state }) => state !== "upToDate");
  return peer === undefined ? undefined : `${name} takes ${peer.key.slice(0, 6)} for ${peer.state}`;
}

/** What is wrong with devices that hold the same; `expected` are the entries that have to be there. */
export function problemsOf(
  devices: readonly Device[],
  id: DatabaseId,
  expected: ReadonlyMap<EntryId, string>,
): readonly string[] {
  const problems: string[] = [];
  const states = new Set(devices.map((device) => device.stateDigest(id)));
  if (states.size > 1) problems.push(`${states.size} different states`);
  for (const device of devices) {
    const name = `device ${device.key.slice(0, 6)}`;
    const { replica } = device.instance.database(id);
    for (const [entry, why] of expected)
      if (!replica.graph.has(entry)) problems.push(`${name} misses ${entry}, ${why}`);
    if (device.rows(id).has(forgedRow) || replica.state.settings.name === forgedRow)
      problems.push(`${name} has a forged row`);
  }
  const [first] = devices;
  const [state] = states;
  if (first !== undefined && states.size === 1 && state?.split(" ").at(-1) !== foldAnew(first, id))
    problems.push("the state is not that of the entries");
  return problems;
}

/** The hash of the state that follows from what is on a disk, folded the wrong way round. */
function foldAnew({ disk, sha256 }: Device, id: DatabaseId): string {
  const state = new DatabaseState();
  const entries = (disk.databases.get(id)?.bytes ?? []).map((bytes) => unwrap(decodeEntry(bytes, sha256)));
  for (const entry of entries.reverse()) state.merge(unwrap(decodeParts(entry)), { time: entry.time, id: entry.id });
  return encodeHex(sha256(state.encode()));
}

/** Whether some entry on its disk is not what it was. */
export function isRotten({ disk, sha256 }: Device, id: DatabaseId): boolean {
  const { index, bytes } = disk.databases.get(id) ?? { index: [], bytes: [] };
  return index.some((entry, i) => entryIdFromDigest(sha256(bytes[i] as Uint8Array)) !== entry.id);
}

/** For people. */
export function describe({ instance, key }: Device, id: DatabaseId): string {
  const replica = instance.find(id)?.replica;
  if (replica === undefined) return `${key.slice(0, 6)} has not opened the database`;
  const { graph, stored, pending, authority } = replica;
  const has = `${graph.size} entries, ${stored} durable, ${pending.size} waiting`;
  return `${key.slice(0, 6)} with power ${authority.power(instance.publicKey)} has ${has}`;
}
