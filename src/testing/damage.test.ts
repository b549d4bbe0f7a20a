/**
 * Whatever a disk turns one byte, number or text of what is stored into: the device opens, shows nothing that was not written, is whole again
 * once it has met a peer, and can be written to.
 *
 * Some of all changes are tried each time, every one of them with FUZZ_RUNS.
 */
import * as idbDouble from "fake-indexeddb";
import { afterAll, expect, test } from "vitest";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import { openIdbStorage } from "../storage/idb.ts";
import type { MemoryDisk } from "../storage/memory.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { Busy, copyDisk, flipsOf, isSame, openOn, type RawDisk, restoreDisk } from "./disk-damage.ts";
import { installIdbDouble } from "./idb-double.ts";
import { deleteRaw, listRaw, putRaw, type RawRecord, type StoreName } from "./raw-idb.ts";

afterAll(installIdbDouble(idbDouble));

const stores = ["databases", "spare", "indexes", "segments", "checkpoints", "_sync", "values"] as const;

interface Stored {
  readonly ids: readonly DatabaseId[];
  readonly records: RawDisk;
  /** Of the device whose disk is damaged, and of its peer. */
  readonly secrets: readonly [Uint8Array, Uint8Array];
  readonly peerDisk: MemoryDisk;
  readonly written: ReadonlyMap<DatabaseId, ReadonlyMap<string, unknown>>;
}

/** A device with two databases, several segments in each, and a checkpoint in one; a peer has the same. */
async function createStored(name: string): Promise<Stored> {
  const [cluster, busy] = [new Cluster(1), new Busy()];
  const secrets = [new Uint8Array(32).fill(5), new Uint8Array(32).fill(6)] as const;
  const peer = await cluster.addDevice({ secret: secrets[1] });
  const device = await openOn(cluster, busy, name, secrets[0]);
  const ids: DatabaseId[] = [];
  for (const title of ["Board", "Notes"]) {
    const { id } = await busy.settle(cluster, peer.instance.createDatabase(title));
    const ticket = await busy.settle(cluster, peer.instance.share(id, { power: WRITE }));
    await busy.settle(cluster, device.instance.join(ticket));
    await busy.settle(cluster, device.instance.ready(id));
    for (let i = 0; i < 3; i++) {
      await busy.settle(cluster, device.write(id, `own ${i}`, { i, title }));
      await busy.settle(cluster, peer.write(id, `other ${i}`, { i, title }));
      await busy.until(cluster, () => isSame(device, peer, id));
    }
    ids.push(id);
  }
  const [first] = ids as [DatabaseId];
  const { state, stored } = device.instance.database(first).replica;
  await busy.settle(cluster, device.instance.close());
  const storage = await openIdbStorage(name);
  await storage.putCheckpoint(first, { number: 1, through: stored, void: [], stores: state.checkpoint(0, 1) }, 1);
  await storage.close();
  await cluster.settle(peer.instance.close());
  const written = new Map(ids.map((id) => [id, peer.rows(id)]));
  return { ids, records: await copyDisk(name, stores), secrets, peerDisk: peer.disk, written };
}

interface Flip {
  readonly store: StoreName;
  readonly key: IDBValidKey;
  readonly where: string;
  readonly value: unknown;
}

function allFlips({ records }: Stored): readonly Flip[] {
  return [...records].flatMap(([store, all]) =>
    all.flatMap(({ key, value }) => [...flipsOf(value, "")].map((flip) => ({ ...flip, store, key }))),
  );
}

/** What became of it, for people. */
async function live(name: string, { ids, secrets, peerDisk, written }: Stored): Promise<Device> {
  const [cluster, busy] = [new Cluster(2), new Busy()];
  const device = await openOn(cluster, busy, name, secrets[0]);
  for (const id of ids) {
    expect(device.instance.find(id), "it opens").toBeDefined();
    const rows = written.get(id) ?? new Map();
    for (const [row, value] of device.rows(id)) expect(value, row).toEqual(rows.get(row));
    if (device.rows(id).size < rows.size) expect(device.problems.map(({ code }) => code)).toContain("STORAGE_CORRUPT");
  }
  const peer = await cluster.addDevice({ secret: secrets[1], disk: structuredClone(peerDisk) });
  for (const id of ids) await busy.until(cluster, () => isSame(device, peer, id));
  await busy.settle(cluster, device.instance.verify());
  for (const id of ids) await busy.until(cluster, () => isSame(device, peer, id));
  const { damaged } = await busy.settle(cluster, device.instance.verify());
  expect(damaged, "all is as it should be").toBe(0);
  for (const id of ids) {
    await busy.until(cluster, () => device.stateDigest(id) === peer.stateDigest(id));
    await busy.settle(cluster, device.write(id, "after", {}));
    await busy.until(cluster, () => isSame(device, peer, id) && peer.rows(id).has("after"));
    expect(device.stateDigest(id)).toBe(peer.stateDigest(id));
    expect(peer.instance.database(id).replica.graph.countHeads(device.key), "its chain has one end").toBe(1);
  }
  await busy.settle(cluster, device.instance.close());
  const storage = await openIdbStorage(name);
  for (const id of ids) {
    const { replica } = peer.instance.database(id);
    const stored = await storage.read(id, 0, replica.graph.size);
    const there = (peer.disk.databases.get(id)?.bytes ?? []).map(encodeHex);
    expect(stored.map(encodeHex).sort()).toEqual(there.sort());
    expect(await storage.nextAside(id, 0)).toBeUndefined();
  }
  await storage.close();
  await cluster.settle(peer.instance.close());
  return device;
}

test("[STORAGE-35] after any one byte, number or text has changed: opened, nothing invented, healed by a peer, and writable", async () => {
  const name = "damage";
  const stored = await createStored(name);
  const flips = allFlips(stored);
  const step = process.env.FUZZ_RUNS === undefined ? Math.ceil(flips.length / 40) : 1;
  for (let i = Math.floor(step / 2); i < flips.length; i += step) {
    const flip = flips[i] as Flip;
    await restoreDisk(name, stored.records);
    await putRaw(name, flip.store, flip);
    const what = `${flip.store} ${JSON.stringify(flip.key)}${flip.where} of ${flips.length}`;
    await live(name, stored).catch((error: unknown) => {
      throw new Error(`${what}: ${error}`, { cause: error });
    });
  }
  await deleteRaw(name);
}, 3_600_000);

test("[VERIFY-2] what is damaged while the device runs is found and made right, whatever it is", async () => {
  const name = "damage-running";
  const stored = await createStored(name);
  const { ids, secrets, peerDisk } = stored;
  for (const [store, salvaged] of [
    ["databases", 1],
    ["spare", 2],
    ["indexes", 1],
    ["checkpoints", 1],
    ["_sync", 1],
    ["values", 1],
    ["segments", 0],
  ] as const) {
    const [cluster, busy] = [new Cluster(2), new Busy()];
    const device = await openOn(cluster, busy, name, secrets[0]);
    const peer = await cluster.addDevice({ secret: secrets[1], disk: structuredClone(peerDisk) });
    for (const id of ids) await busy.until(cluster, () => isSame(device, peer, id));
    await cluster.pass(2_000);
    const [record] = (await listRaw(name, store)) as [RawRecord];
    // In the middle of the last entry, or whatever comes first.
    const flips = [...flipsOf(record.value, "")];
    const flip = store === "segments" ? flips.at(-40) : flips.at(store === "indexes" ? 100 : -1);
    await putRaw(name, store, { key: record.key, value: flip?.value });
    const report = await busy.settle(cluster, device.instance.verify());
    expect(report.damaged, store).toBeGreaterThan(0);
    if (store !== "spare") expect(report.salvaged, store).toBeGreaterThanOrEqual(salvaged);
    for (const id of ids) await busy.until(cluster, () => isSame(device, peer, id));
    expect(await busy.settle(cluster, device.instance.verify()), store).toMatchObject({ damaged: 0 });
    for (const id of ids) expect(device.stateDigest(id)).toBe(peer.stateDigest(id));
    await busy.settle(cluster, device.instance.close());
    await cluster.settle(peer.instance.close());
  }
  await deleteRaw(name);
}, 60_000);
