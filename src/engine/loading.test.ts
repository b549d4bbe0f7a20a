/** Opening what the disk has damaged. */
import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import type { ReplacedEntry, Storage } from "../ports/storage.ts";
import { Cluster } from "../testing/cluster.ts";
import { CrashingStorage } from "../testing/crashing-storage.ts";
import type { Device } from "../testing/device.ts";

/** As storage on IndexedDB does: one damaged byte makes all that lies beside it unreadable, until it is put back. */
class SpoiltStorage extends CrashingStorage {
  readonly changes: string[] = [];
  readonly #spoilt: DatabaseId;
  readonly #isDamaged: boolean;
  #isReadable = false;

  /** @param isDamaged whether the entries themselves are, and not only what lies beside them */
  constructor(inner: Storage, spoilt: DatabaseId, isDamaged: boolean) {
    super(inner, { commit: 0, fault: { type: "crash", durable: false } });
    this.#spoilt = spoilt;
    this.#isDamaged = isDamaged;
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

  override async deleteCheckpoints(database: DatabaseId): Promise<void> {
    this.changes.push("deleteCheckpoints");
    await super.deleteCheckpoints(database);
  }
}

/** A device that joined one database and made another, opened again on a disk that has spoilt the first. */
async function reopened(isDamaged: boolean): Promise<{
  readonly cluster: Cluster;
  readonly device: Device;
  readonly ids: readonly [spoilt: DatabaseId, sound: DatabaseId];
  readonly ticket: string;
  readonly storage: SpoiltStorage | undefined;
  readonly before: unknown;
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
  const before = structuredClone(stored);
  let storage: SpoiltStorage | undefined;
  const device = await cluster.restart(ben, {
    ports: (ports) => {
      storage = new SpoiltStorage(ports.storage, id, isDamaged);
      return { ...ports, storage };
    },
  });
  return { cluster, device, ids: [id, sound], ticket, storage, before };
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

  test("is reported when it cannot, all that is stored of it stays as it is, and the others open", async () => {
    const { cluster, device, ids, ticket, storage, before } = await reopened(true);
    expect(device.instance.records().map(({ id }) => id)).toEqual([ids[1]]);
    expect(device.problems.map(({ code }) => code)).toEqual(["STORAGE_CORRUPT"]);
    await expect(device.instance.join(ticket)).rejects.toMatchObject({ code: "STORAGE_CORRUPT" });
    await device.write(ids[1], "r", {});
    await cluster.pass(60_000);
    expect([storage?.changes, device.disk.databases.get(ids[0])]).toEqual([[], before]);
    // On a disk that can be read again it is as it was.
    const again = await cluster.restart(device);
    expect([again.instance.records().length, [...again.rows(ids[0]).keys()], again.problems]).toEqual([2, ["r"], []]);
  });
});
