/**
 * A disk that turns several things at once into something else, of a device that has a lot: many rows, an encrypted database, settings that changed,
 * invites that were redeemed and withdrawn, void entries, and what was done for tabs.
 *
 * A few disks are tried each time, as many as FUZZ_RUNS says when it says something.
 */
import * as idbDouble from "fake-indexeddb";
import { afterAll, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { ADMIN, NONE, READ, WRITE } from "../core/store/power.ts";
import { openIdbStorage } from "../storage/idb.ts";
import type { MemoryDisk } from "../storage/memory.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { Busy, copyDisk, flipsOf, isSame, openOn, type RawDisk, restoreDisk } from "./disk-damage.ts";
import { installIdbDouble } from "./idb-double.ts";
import { SeededRandom } from "./random.ts";
import { deleteRaw, putRaw, type RawRecord, type StoreName } from "./raw-idb.ts";
import { rowParts, setPower, settingsParts } from "./writers.ts";

afterAll(installIdbDouble(idbDouble));

const stores = [
  "databases",
  "spare",
  "indexes",
  "segments",
  "checkpoints",
  "_sync",
  "values",
  "writes",
  "lease",
] as const satisfies readonly StoreName[];

const [deviceSecret, peerSecret] = [new Uint8Array(32).fill(5), new Uint8Array(32).fill(6)];

interface Stored {
  readonly ids: readonly DatabaseId[];
  readonly names: ReadonlyMap<DatabaseId, string>;
  /** By which the device came in. */
  readonly tickets: ReadonlyMap<DatabaseId, string>;
  readonly disk: RawDisk;
  readonly peerDisk: MemoryDisk;
  readonly written: ReadonlyMap<DatabaseId, ReadonlyMap<string, unknown>>;
}

async function createStored(name: string): Promise<Stored> {
  const [cluster, busy] = [new Cluster(1), new Busy()];
  const peer = await cluster.addDevice({ secret: peerSecret });
  const guest = await cluster.addDevice();
  const device = await openOn(cluster, busy, name, deviceSecret);
  const settle = <T>(promise: Promise<T>): Promise<T> => busy.settle(cluster, promise);
  const ids: DatabaseId[] = [];
  const tickets = new Map<DatabaseId, string>();
  for (const [title, encrypted] of [
    ["Board", false],
    ["Secret", true],
    ["Rights", false],
    ["Large", false],
  ] as const) {
    const { id } = await settle(peer.instance.createDatabase(title, { encrypted, sync: true }));
    ids.push(id);
    for (const one of [guest, device]) {
      const ticket = await settle(peer.instance.share(id, { power: one === device ? ADMIN : WRITE }));
      await settle(one.instance.join(ticket));
      await settle(one.instance.ready(id));
      tickets.set(id, ticket);
    }
    await busy.until(cluster, () => isSame(device, peer, id) && device.instance.access(id).state === "member");
  }
  const [board, secret, rights, large] = ids as [DatabaseId, DatabaseId, DatabaseId, DatabaseId];
  const tab = "ab".repeat(16);
  for (let i = 0; i < 4; i++) {
    for (const id of [board, secret, rights]) {
      const write = { tab, number: 4 * ids.indexOf(id) + i, settledBelow: 0 };
      await settle(device.instance.commit(id, () => rowParts(`own ${i}`, { i, id }), write));
      await settle(peer.write(id, `other ${i}`, { i }));
      await busy.until(cluster, () => isSame(device, peer, id) && isSame(guest, peer, id));
    }
  }
  for (let i = 0; i < 3; i++)
    await settle(Promise.all(Array.from({ length: 60 }, (_, n) => peer.write(large, `row ${i} ${n}`, { n, i }))));
  await settle(device.write(large, "own", { big: "x".repeat(70_000) }));
  // Concurrent with being removed: void everywhere.
  guest.instance.setOnline(false);
  await settle(guest.write(rights, "void", { never: true }));
  for (const [key, power] of [
    [guest.key, READ],
    [guest.key, NONE],
  ] as const)
    await settle(peer.instance.commit(rights, () => settingsParts(setPower(key, power))));
  const [invite] = peer.instance.invites(rights);
  if (invite !== undefined) await settle(peer.instance.revokeInvite(rights, invite.key));
  await settle(device.instance.share(rights, { power: READ }));
  for (const id of ids) await busy.until(cluster, () => isSame(device, peer, id));
  const names = new Map(device.instance.records().map((record) => [record.id, record.name]));
  const checkpointed = [board, large].map((id) => device.instance.database(id).replica);
  await settle(device.instance.close());
  const storage = await openIdbStorage(name);
  for (const [i, { state, stored }] of checkpointed.entries())
    await storage.putCheckpoint(
      i === 0 ? board : large,
      { number: 1, through: stored, void: [], stores: state.checkpoint(0, 1) },
      1,
    );
  await storage.close();
  await settle(guest.instance.close());
  await settle(peer.instance.close());
  const written = new Map(ids.map((id) => [id, peer.rows(id)]));
  return { ids, names, tickets, disk: await copyDisk(name, stores), peerDisk: peer.disk, written };
}

/** What one record may be instead; undefined: not there. A database whose record is gone was deleted, and stays so. */
function damaged(random: SeededRandom, store: StoreName, value: unknown): unknown {
  const kind = random.fraction();
  if (kind < 0.1 && store !== "databases" && store !== "values") return undefined;
  if (kind < 0.2) return ["gone", 7, null, new Uint8Array(16), {}][random.int(5)];
  const bytes = value instanceof Uint8Array ? value.slice() : undefined;
  if (bytes === undefined) {
    const flips = [...flipsOf(value, "")];
    return flips[random.int(flips.length)]?.value;
  }
  if (kind < 0.3) return bytes.slice(0, random.int(bytes.length));
  for (let i = random.int(6); i >= 0; i--) bytes[random.int(bytes.length)] = random.int(256);
  return bytes;
}

/** Damages some records. Says which. */
async function damage(name: string, disk: RawDisk, random: SeededRandom): Promise<readonly string[]> {
  const done: string[] = [];
  for (let i = random.int(10); i >= 0; i--) {
    const store = stores[random.int(stores.length)] as StoreName;
    const records = disk.get(store) ?? [];
    const record = records[random.int(records.length)];
    if (record === undefined) continue;
    const hit = await damageRecord(name, store, record, random);
    done.push(hit);
    // What was written at once is often lost at once.
    const twin = store === "indexes" ? "segments" : store === "databases" || store === "values" ? "spare" : undefined;
    if (twin === undefined || random.fraction() < 0.5) continue;
    const other = (disk.get(twin) ?? []).find(({ key }) => String(key).endsWith(String(record.key)));
    if (other !== undefined) done.push(await damageRecord(name, twin, other, random));
  }
  return done;
}

async function damageRecord(
  name: string,
  store: StoreName,
  { key, value }: RawRecord,
  random: SeededRandom,
): Promise<string> {
  const other = damaged(random, store, value);
  await putRaw(name, store, { key, value: other });
  return `${store} ${JSON.stringify(key)} ${other instanceof Uint8Array ? `${other.length} bytes` : String(other)}`;
}

/** Nothing is shown that was not written. */
function expectTrue(device: Device, { ids, written }: Stored): void {
  for (const id of ids)
    for (const [row, value] of device.rows(id)) expect(value, row).toEqual(written.get(id)?.get(row));
}

/** Opens, heals with a peer, and is as it was. */
async function live(name: string, stored: Stored): Promise<void> {
  const { ids, names, tickets, peerDisk } = stored;
  const [cluster, busy] = [new Cluster(2), new Busy()];
  cluster.afterStep = () => expectTrue(device, stored);
  const device = await openOn(cluster, busy, name, deviceSecret);
  expectTrue(device, stored);
  for (const id of ids) expect(device.instance.find(id), "it opens").toBeDefined();
  const isWhole = ids.every((id) => device.rows(id).size === stored.written.get(id)?.size);
  if (!isWhole) expect(device.problems.map(({ code }) => code)).toContain("STORAGE_CORRUPT");
  await busy.settle(cluster, device.instance.verify());
  expectTrue(device, stored);
  const peer = await cluster.addDevice({ secret: peerSecret, disk: structuredClone(peerDisk) });
  // As an app does when the record was lost: of its own accord nothing is synced that may never have been shared.
  for (const id of ids) {
    if (device.instance.database(id).record.sync !== false) continue;
    await busy.settle(cluster, device.instance.join(tickets.get(id) ?? ""));
    await busy.settle(cluster, device.instance.setSync(id, true));
  }
  const isHealed = (): boolean => ids.every((id) => isSame(device, peer, id));
  await busy.until(cluster, isHealed, 7_200_000);
  expectTrue(device, stored);
  await busy.settle(cluster, device.instance.verify());
  await busy.until(cluster, isHealed, 7_200_000);
  const { damaged: left } = await busy.settle(cluster, device.instance.verify());
  expect(left, "all is as it should be").toBe(0);
  for (const id of ids) {
    await busy.until(cluster, () => device.stateDigest(id) === peer.stateDigest(id));
    expect(device.rows(id)).toEqual(stored.written.get(id));
    expect(device.instance.database(id).record.name).toBe(names.get(id));
    await busy.settle(cluster, device.write(id, "after", {}));
    await busy.until(cluster, () => isSame(device, peer, id) && peer.rows(id).has("after"));
  }
  await busy.settle(cluster, device.instance.close());
  await busy.settle(cluster, peer.instance.close());
}

test("[STORAGE-35] [VERIFY-2] whatever a disk does to several records at once: opened, nothing invented, healed, and writable", async () => {
  const name = "damage-many";
  const stored = await createStored(name);
  const runs = Number(process.env.FUZZ_RUNS ?? 6);
  for (let seed = 1; seed <= runs; seed++) {
    await restoreDisk(name, stored.disk);
    const what = await damage(name, stored.disk, new SeededRandom(seed));
    await live(name, stored).catch((error: unknown) => {
      throw new Error(`seed ${seed}, ${what.join("; ")}: ${error}`, { cause: error });
    });
  }
  await deleteRaw(name);
}, 3_600_000);
