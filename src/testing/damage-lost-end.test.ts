/** What is left when a disk has lost the end of a log: nothing stays that only a lost entry vouched for. */
import * as idbDouble from "fake-indexeddb";
import { afterAll, expect, test } from "vitest";
import { decodeEntry, type Entry } from "../core/entry.ts";
import { TidemarkError, unwrap } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import type { Storage } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { Busy, isSame, openOn } from "./disk-damage.ts";
import { Forger } from "./hostile-entries.ts";
import { installIdbDouble } from "./idb-double.ts";
import { deleteRaw, listRaw, putRaw } from "./raw-idb.ts";
import { rowParts, setPower, settingsParts } from "./writers.ts";

afterAll(installIdbDouble(idbDouble));

const secret = new Uint8Array(32).fill(5);

interface World {
  readonly cluster: Cluster;
  readonly busy: Busy;
  readonly id: DatabaseId;
  /** Holds all of it. */
  readonly peer: Device;
  readonly device: Device;
  /** How many entries there were before those of the cheat. */
  readonly honest: number;
  readonly forged: readonly Entry[];
}

/** So large that two of them do not go into one segment. */
const bigRow = rowParts("big", { text: "x".repeat(600_000) });

/** A device with three honest rows, then some of a cheat, of which only the last is signed, in the segment after the others. */
async function createWorld(name: string, forgedCount = 5): Promise<World> {
  const [cluster, busy] = [new Cluster(1), new Busy()];
  const peer = await cluster.addDevice();
  const [cheat, { identity: ben, sha256 }] = [await cluster.addIdentity(), await cluster.addIdentity()];
  const { id } = await busy.settle(cluster, peer.instance.createDatabase("Board"));
  const ticket = await busy.settle(cluster, peer.instance.share(id, { power: WRITE }));
  const keys = [cheat.identity.publicKey, ben.publicKey];
  await busy.settle(
    cluster,
    peer.instance.commit(id, () => settingsParts(...keys.map((key) => setPower(key, WRITE)))),
  );
  const device = await openOn(cluster, busy, name, secret);
  await busy.settle(cluster, device.instance.join(ticket));
  await busy.settle(cluster, device.instance.ready(id));
  for (let i = 0; i < 3; i++) await busy.settle(cluster, peer.write(id, `row ${i}`, { i }));
  await busy.until(cluster, () => isSame(device, peer, id));
  const known = (peer.disk.databases.get(id)?.bytes ?? []).map((bytes) => unwrap(decodeEntry(bytes, sha256)));
  const [forger, honest] = [cheat.identity, ben].map(
    (identity) => new Forger({ identity, database: id, known, sha256, nowMs: () => cluster.clock.now() }),
  ) as [Forger, Forger];
  const forged: Entry[] = [];
  for (let i = 1; i < forgedCount; i++)
    forged.push(await forger.write(rowParts(`forged ${i}`), { signature: new Uint8Array(64) }));
  const big = [await honest.write(bigRow), await honest.write(bigRow)];
  forged.push(await forger.write(rowParts("forged")));
  const batch = [...forged.slice(0, -1), ...big, ...forged.slice(-1)];
  for (const each of [peer, device]) await busy.settle(cluster, each.instance.database(id).receive(batch));
  await busy.until(cluster, () => isSame(device, peer, id) && device.rows(id).size === 4 + forgedCount);
  await busy.settle(cluster, device.instance.close());
  return { cluster, busy, id, peer, device, honest: known.length, forged };
}

/** Both records of what was stored last, so that nothing says what it was. */
async function loseEnd(name: string): Promise<void> {
  for (const store of ["indexes", "segments"] as const) {
    const { key } = (await listRaw(name, store)).at(-1) ?? { key: "" };
    await putRaw(name, store, { key, value: "gone" });
  }
}

async function damageEntry(name: string, id: DatabaseId, position: number): Promise<void> {
  const storage = await openIdbStorage(name);
  const [entry] = (await storage.read(id, position, position + 1)) as [Uint8Array];
  await storage.close();
  for (const { key, value } of await listRaw(name, "segments")) {
    if (!(value instanceof Uint8Array)) continue;
    const at = Buffer.from(value.buffer, value.byteOffset, value.length).indexOf(entry);
    if (at < 0) continue;
    const copy = value.slice();
    copy[at + 40] = (copy[at + 40] as number) ^ 1;
    await putRaw(name, "segments", { key, value: copy });
  }
}

function forgedRows(device: Device, id: DatabaseId): readonly string[] {
  return [...device.rows(id).keys()].filter((row) => row.startsWith("forged"));
}

async function expectHealed({ cluster, busy, id, peer, forged }: World, device: Device): Promise<void> {
  peer.instance.setOnline(true);
  await busy.until(cluster, () => isSame(device, peer, id));
  expect(device.stateDigest(id)).toBe(peer.stateDigest(id));
  expect(forgedRows(device, id)).toHaveLength(forged.length);
}

async function close({ cluster, busy, id, peer }: World, name: string, device: Device): Promise<void> {
  await busy.settle(cluster, device.instance.close());
  const storage = await openIdbStorage(name);
  expect(await storage.nextAside(id, 0)).toBeUndefined();
  await storage.close();
  await busy.settle(cluster, peer.instance.close());
  await deleteRaw(name);
}

test("[STORAGE-29] what only a lost entry vouched for is not in the log, not shown, and comes again with it", async () => {
  const name = "lost-end";
  const world = await createWorld(name);
  const { cluster, busy, id, peer, honest, forged } = world;
  peer.instance.setOnline(false);
  expect((await listRaw(name, "segments")).map(({ key }) => (key as [string, number])[1]).slice(-2)).toEqual([
    honest + forged.length,
    honest + forged.length + 2,
  ]);
  await loseEnd(name);
  const device = await openOn(cluster, busy, name, secret);
  // What stood beside the cheat's is there again.
  expect([forgedRows(device, id), device.instance.database(id).replica.graph.size]).toEqual([[], honest + 1]);
  const codes = device.problems.map(({ code }) => code);
  expect(codes).toContain("STORAGE_CORRUPT");
  // Judged as a peer's.
  expect(codes).toContain("ENTRY_SIGNATURE");
  await expectHealed(world, device);
  await close(world, name, device);
});

test("[STORAGE-29] also when the device died after the end was cut off, and before anybody had looked at the rest", async () => {
  const name = "lost-end-died";
  const world = await createWorld(name);
  const { cluster, busy, id, peer, honest, forged } = world;
  peer.instance.setOnline(false);
  await loseEnd(name);
  const dead = new TidemarkError("STORAGE_CLOSED", { reason: "it died" });
  const dying = (storage: Storage): Storage => {
    let isDead = false;
    const repair: Storage["repair"] = async (...given) => {
      const repaired = await storage.repair(...given);
      isDead = true;
      expect(repaired).toEqual({ end: honest + forged.length, aside: 0, lost: 2 });
      return repaired;
    };
    return new Proxy(storage, {
      get: (target, member) => {
        if (member === "repair") return repair;
        const value: unknown = Reflect.get(target, member, target);
        if (typeof value !== "function") return value;
        return (...given: unknown[]) => (isDead ? Promise.reject(dead) : Reflect.apply(value, target, given));
      },
    });
  };
  const first = await openOn(cluster, busy, name, secret, dying);
  expect(first.instance.find(id)).toBeUndefined();
  const device = await openOn(cluster, busy, name, secret);
  expect([forgedRows(device, id), device.instance.database(id).replica.graph.size]).toEqual([[], honest + 1]);
  expect(device.problems.map(({ code }) => code)).toContain("ENTRY_SIGNATURE");
  await expectHealed(world, device);
  await close(world, name, device);
});

test("[STORAGE-29] the end of a chain that cannot be read is looked at when it came from a peer", async () => {
  const name = "lost-end-unread";
  const world = await createWorld(name, 2);
  const { cluster, busy, id, peer, honest, forged } = world;
  peer.instance.setOnline(false);
  await loseEnd(name);
  await damageEntry(name, id, honest);
  const first = await openOn(cluster, busy, name, secret);
  expect([forgedRows(first, id), first.instance.database(id).healing.damaged]).toEqual([[], 1]);
  // It waits on the disk for that.
  await busy.settle(cluster, first.instance.close());
  const device = await openOn(cluster, busy, name, secret);
  const [unsigned] = forged as [Entry];
  await busy.settle(cluster, device.instance.database(id).receive([unsigned]));
  await busy.until(cluster, () => device.reloads > 0);
  const { replica, healing } = device.instance.database(id);
  expect([replica.graph.has(unsigned.id), replica.graph.size, healing.damaged]).toEqual([false, honest + 1, 0]);
  await expectHealed(world, device);
  await close(world, name, device);
});
