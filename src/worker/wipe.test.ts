import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { Cluster } from "../testing/cluster.ts";
import type { WorkerEvent } from "./api.ts";
import { wipe } from "./wipe.ts";

test("[DELETION-7] an instance is over before what it stored is deleted, and pages are told when that is done", async () => {
  const cluster = new Cluster(1);
  const { instance, disk, storage } = await cluster.addDevice();
  const { id } = await cluster.settle(instance.createDatabase("Notes"));
  const told: WorkerEvent[] = [];
  const deleteStored = async (): Promise<void> => {
    expect(told).toEqual([]);
    await expect(storage.databases()).rejects.toMatchObject({ code: "STORAGE_CLOSED" });
    expect([...disk.databases.keys()]).toEqual([id]);
    disk.databases.clear();
  };
  await cluster.settle(wipe({ instance, clock: cluster.clock, deleteStored, tell: (event) => told.push(event) }));
  expect(told).toEqual([{ type: "wiped" }]);
  await expect(instance.createDatabase("More")).rejects.toMatchObject({ code: "INSTANCE_CLOSED" });
});

test("[DELETION-7] when something cannot be deleted whoever asked is told that first, and the instance is over all the same", async () => {
  const cluster = new Cluster(1);
  const { instance } = await cluster.addDevice();
  const fail = (): Promise<never> => Promise.reject(new TidemarkError("STORAGE_UNAVAILABLE", { reason: "kept" }));
  const [failing, none] = [{ handOver: fail }, async (): Promise<void> => {}];
  for (const parts of [
    { instance, deleteStored: fail },
    { instance: failing, deleteStored: none },
  ]) {
    const told: WorkerEvent[] = [];
    const wiped = wipe({ ...parts, clock: cluster.clock, tell: (event) => told.push(event) });
    await expect(wiped).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect(told).toEqual([]);
    await cluster.pass(1_000);
    expect(told).toEqual([{ type: "wiped" }]);
  }
});
