/**
 * Whatever a disk turns one byte, number or text of what is stored into: the device opens, shows nothing that was not written, is whole again
 * once it has met a peer, and can be written to.
 *
 * Some of all changes are tried each time, every one of them with FUZZ_RUNS.
 */
import "fake-indexeddb/auto";
import { expect, test } from "vitest";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import type { Storage } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import type { MemoryDisk } from "../storage/memory.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { deleteRaw, listRaw, putRaw, type RawRecord, type StoreName } from "./raw-idb.ts";
import { turn } from "./turn.ts";

const stores = ["databases", "spare", "indexes", "segments", "checkpoints", "_sync", "values"] as const;

/** IndexedDB takes real time, in which simulated time must not pass. */
class Busy {
  calls = 0;

  watch(storage: Storage): Storage {
    return new Proxy(storage, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          const result: unknown = Reflect.apply(member, target, args);
          if (!(result instanceof Promise)) return result;
          this.calls += 1;
          const done = (): void => {
            this.calls -= 1;
          };
          result.then(done, done);
          return result;
        };
      },
    });
  }

  async until(cluster: Cluster, condition: () => boolean, ms = 300_000): Promise<void> {
    const end = cluster.clock.now() + ms;
    for (;;) {
      do await turn();
      while (this.calls > 0);
      if (condition()) return;
      if (cluster.clock.now() >= end) throw new Error(`not so after ${ms} ms of simulated time`);
      cluster.clock.runNext();
    }
  }

  async settle<T>(cluster: Cluster, promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = (): void => {
      isSettled = true;
    };
    promise.then(done, done);
    await this.until(cluster, () => isSettled);
    return await promise;
  }
}

interface Stored {
  readonly ids: readonly DatabaseId[];
  readonly records: ReadonlyMap<StoreName, readonly RawRecord[]>;
  /** Of the device whose disk is damaged, and of its peer. */
  readonly secrets: readonly [Uint8Array, Uint8Array];
  readonly peerDisk: MemoryDisk;
  readonly written: ReadonlyMap<DatabaseId, ReadonlyMap<string, unknown>>;
}

async function openOn(cluster: Cluster, busy: Busy, name: string, secret: Uint8Array): Promise<Device> {
  const idb = await openIdbStorage(name);
  const storage = busy.watch(idb);
  return await busy.settle(cluster, cluster.openDevice({ secret, ports: (ports) => ({ ...ports, storage }) }));
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
  const records = new Map<StoreName, readonly RawRecord[]>();
  for (const store of stores) records.set(store, await listRaw(name, store));
  return { ids, records, secrets, peerDisk: peer.disk, written };
}

function isSame(one: Device, other: Device, id: DatabaseId): boolean {
  const [here, there] = [one, other].map((device) => device.instance.find(id));
  if (here === undefined || there === undefined) return false;
  const isDurable =
    here.replica.stored === here.replica.graph.size && there.replica.stored === there.replica.graph.size;
  return isDurable && here.healing.damaged === 0 && here.replica.digest() === there.replica.digest();
}

interface Flip {
  readonly store: StoreName;
  readonly key: IDBValidKey;
  readonly where: string;
  readonly value: unknown;
}

/** Every value that differs from this one in one byte, number or text. */
function* flipsOf(value: unknown, where: string): Generator<{ readonly where: string; readonly value: unknown }> {
  if (value instanceof Uint8Array) {
    for (let i = 0; i < value.length; i++) {
      const copy = value.slice();
      copy[i] = (copy[i] as number) ^ (1 << (i % 8));
      yield { where: `${where}[${i}]`, value: copy };
    }
  } else if (typeof value === "number") yield { where, value: value + 1 };
  else if (typeof value === "string") yield { where, value: `${value.slice(0, -1)}${value.endsWith("x") ? "y" : "x"}` };
  else if (typeof value === "boolean") yield { where, value: !value };
  else if (Array.isArray(value)) {
    for (const [i, each] of value.entries())
      for (const flip of flipsOf(each, `${where}[${i}]`)) yield { ...flip, value: value.with(i, flip.value) };
  } else if (typeof value === "object" && value !== null) {
    for (const [field, each] of Object.entries(value))
      for (const flip of flipsOf(each, `${where}.${field}`))
        yield { ...flip, value: { ...value, [field]: flip.value } };
  }
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

async function restore(name: string, { records }: Stored): Promise<void> {
  for (const [store, all] of records) {
    for (const { key } of await listRaw(name, store)) await putRaw(name, store, { key, value: undefined });
    for (const record of all) await putRaw(name, store, record);
  }
}

test("[STORAGE-35] after any one byte, number or text has changed: opened, nothing invented, healed by a peer, and writable", async () => {
  const name = "damage";
  const stored = await createStored(name);
  const flips = allFlips(stored);
  const step = process.env.FUZZ_RUNS === undefined ? Math.ceil(flips.length / 40) : 1;
  for (let i = Math.floor(step / 2); i < flips.length; i += step) {
    const flip = flips[i] as Flip;
    await restore(name, stored);
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
