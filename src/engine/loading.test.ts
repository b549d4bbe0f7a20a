/** Opening what the disk has damaged. */
import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { ownEntriesWaitMs } from "../core/limits.ts";
import { WRITE } from "../core/store/power.ts";
import type { RepairedLog, ReplacedEntry, Storage } from "../ports/storage.ts";
import type { MemoryDisk } from "../storage/memory.ts";
import { Cluster } from "../testing/cluster.ts";
import { CrashingStorage } from "../testing/crashing-storage.ts";
import type { Device } from "../testing/device.ts";

/** As storage on IndexedDB does: one damaged byte makes all that lies beside it unreadable, until it is put back. */
class SpoiltStorage extends CrashingStorage {
  readonly changes: string[] = [];
  readonly #disk: MemoryDisk;
  readonly #spoilt: DatabaseId;
  readonly #isDamaged: boolean;
  readonly #lost: number;
  #isReadable = false;

  /**
   * @param isDamaged whether the entries themselves are, and not only what lies beside them
   * @param lost of those that are put aside then, which one is not there any more
   */
  constructor(inner: Storage, disk: MemoryDisk, spoilt: DatabaseId, isDamaged: boolean, lost: number) {
    super(inner, { commit: 0, fault: { type: "crash", durable: false } });
    this.#disk = disk;
    this.#spoilt = spoilt;
    this.#isDamaged = isDamaged;
    this.#lost = lost;
  }

  override async read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]> {
    if (database === this.#spoilt && !this.#isReadable)
      throw new TidemarkError("STORAGE_CORRUPT", { where: "a segment" });
    return await super.read(database, from, to);
  }

  override async salvage(database: DatabaseId, from: number, to: number): Promise<readonly (Uint8Array | undefined)[]> {
    const bytes = await super.salvage(database, from, to);
    return this.#isDamaged ? bytes.map(() => undefined) : bytes;
  }

  override async replace(database: DatabaseId, position: number, entries: readonly ReplacedEntry[]): Promise<void> {
    await super.replace(database, position, entries);
    this.#isReadable = true;
  }

  override async repair(...args: Parameters<Storage["repair"]>): Promise<RepairedLog> {
    const repaired = await super.repair(...args);
    this.#isReadable = true;
    const aside = this.#disk.databases.get(this.#spoilt)?.aside?.[0];
    (aside?.entries as Uint8Array[] | undefined)?.splice(this.#lost, 1);
    return { ...repaired, aside: repaired.aside - 1, lost: 1 };
  }

  override async deleteCheckpoints(database: DatabaseId): Promise<void> {
    this.changes.push("deleteCheckpoints");
    await super.deleteCheckpoints(database);
  }
}

/** A device that joined one database and made another, opened again on a disk that has spoilt the first. */
async function reopened(
  isDamaged: boolean,
  lost = 0,
): Promise<{
  readonly cluster: Cluster;
  readonly device: Device;
  readonly ann: Device;
  readonly ids: readonly [spoilt: DatabaseId, sound: DatabaseId];
  readonly storage: SpoiltStorage | undefined;
}> {
  const cluster = new Cluster(1);
  const [ann, ben] = [await cluster.addDevice(), await cluster.addDevice()];
  const { id } = await ann.instance.createDatabase("Board");
  const ticket = await ann.instance.share(id, { power: WRITE });
  await ben.instance.join(ticket);
  await cluster.settle(ben.instance.ready(id));
  await ben.write(id, "r", {});
  await cluster.converge(id, [ann, ben]);
  const { id: sound } = await ben.instance.createDatabase("Another");
  await cluster.settle(ben.instance.close());
  await cluster.settle(ann.instance.close());
  // A part that cannot be used is deleted, once it is known not to be needed.
  const stored = ben.disk.databases.get(id);
  if (stored !== undefined) stored.checkpoints = [{ number: 0, through: 1_000, void: [], stores: [] }];
  let storage: SpoiltStorage | undefined;
  const device = await cluster.restart(ben, {
    ports: (ports) => {
      storage = new SpoiltStorage(ports.storage, ben.disk, id, isDamaged, lost);
      return { ...ports, storage };
    },
  });
  return { cluster, device, ann, ids: [id, sound], storage };
}

describe("[STORAGE-28] a database that cannot be read when it is opened", () => {
  test("is opened when all that is needed can be saved from beside the damage, and that is reported", async () => {
    const { device, ids, storage } = await reopened(false);
    expect(device.instance.records().map(({ id }) => id)).toEqual(expect.arrayContaining([...ids]));
    expect([[...device.rows(ids[0]).keys()], device.problems.map(({ code }) => code)]).toEqual([
      ["r"],
      ["STORAGE_CORRUPT"],
    ]);
    expect(storage?.changes).toEqual(["deleteCheckpoints"]);
    await device.write(ids[0], "more", {});
    expect(device.rows(ids[0]).size).toBe(2);
  });

  test("opens without what was judged by a settings entry that is gone, which waits on the disk until a peer has sent it", async () => {
    const { cluster, device, ann, ids, storage } = await reopened(true);
    const [id, sound] = ids;
    expect(device.instance.records().map((record) => record.id)).toEqual(expect.arrayContaining([...ids]));
    expect(device.problems.map(({ code }) => code)).toEqual(["STORAGE_CORRUPT"]);
    expect([device.rows(id).size, device.instance.database(id).hasRoot]).toEqual([0, false]);
    expect((await storage?.nextAside(id, 0))?.entries.length).toBeGreaterThan(2);
    await expect(cluster.settle(device.write(id, "too early", {}))).rejects.toMatchObject({
      code: "DATABASE_NOT_READY",
    });
    await device.write(sound, "r", {});
    // Still so the next time.
    const again = await cluster.restart(device);
    expect([again.rows(id).size, again.instance.access(id).state]).toEqual([0, "pending"]);
    const peer = await cluster.restart(ann);
    await cluster.converge(id, [again, peer]);
    await cluster.until(() => again.instance.access(id).state === "member");
    expect([[...again.rows(id).keys()], again.stateDigest(id)]).toEqual([["r"], peer.stateDigest(id)]);
    await cluster.pass(1_000);
    expect(await again.storage.nextAside(id, 0)).toBeUndefined();
    await cluster.settle(again.write(id, "more", {}));
    await cluster.converge(id, [again, peer]);
    expect(peer.instance.database(id).replica.graph.countHeads(again.key)).toBe(1);
  });

  test("keeps what was written there from being written a second time, where a peer may have it, and no longer than ten seconds", async () => {
    const { cluster, device, ids } = await reopened(true, 2);
    const [id] = ids;
    expect([...device.rows(id).keys()]).toEqual([]);
    let isWritten = false;
    void device.write(id, "alone", {}).then(() => {
      isWritten = true;
    });
    await cluster.pass(ownEntriesWaitMs - 100);
    expect(isWritten).toBe(false);
    await cluster.until(() => isWritten, 1_000);
    expect([...device.rows(id).keys()]).toEqual(["alone"]);
  });
});

test("[STORAGE-21] a device that loses entries while it runs comes to its peers as another storage, and has them again", async () => {
  const cluster = new Cluster(3);
  const delay = { ms: 0 };
  const { id, devices } = await cluster.addGroup(2, { writeMs: () => delay.ms });
  const [ann, ben] = devices as readonly [Device, Device];
  for (let i = 0; i < 5; i++) await ben.write(id, `row ${i}`, { i });
  await cluster.converge(id, [ann, ben]);
  await cluster.pass(2_000);
  const epoch = ben.disk.values.get("epoch");
  // The second entry says who may write.
  const bytes = ben.disk.databases.get(id)?.bytes[1] as Uint8Array;
  bytes[40] = (bytes[40] as number) ^ 1;
  // Long enough for peers to be back before it has begun to be another storage.
  delay.ms = 15_000;
  ben.storage.failNext(new TidemarkError("STORAGE_CONFLICT", { database: id, got: 1, expected: 2 }));
  await expect(cluster.settle(ben.write(id, "lost", {}))).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
  await cluster.until(() => ben.instance.find(id) !== undefined, 300_000);
  delay.ms = 0;
  expect([ben.rows(id).size, ben.disk.values.get("epoch") === epoch]).toEqual([0, false]);
  await cluster.converge(id, [ann, ben]);
  await cluster.pass(2_000);
  expect(relationOf(ann, ben)).toMatchObject({ epoch: ben.disk.values.get("epoch") });
  expect(ben.rows(id)).toEqual(ann.rows(id));
});

function relationOf(ann: Device, ben: Device): unknown {
  return [...(ann.disk.records.get("relation")?.values() ?? [])].find(
    (relation) => (relation as { peer: string }).peer === ben.key,
  );
}
