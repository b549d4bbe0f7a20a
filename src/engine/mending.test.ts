import { expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";

/** A closed device with one database of this name, and what the disk says of it. */
async function closed(
  name: string,
): Promise<{ readonly cluster: Cluster; readonly device: Device; readonly id: DatabaseId }> {
  const cluster = new Cluster(1);
  const device = await cluster.addDevice();
  const { id } = await cluster.settle(device.instance.createDatabase(name));
  await device.write(id, "row", {});
  await cluster.settle(device.instance.close());
  return { cluster, device, id };
}

function storedName({ disk }: Device, id: DatabaseId): string | undefined {
  return disk.databases.get(id)?.record.name;
}

test("[STORAGE-30] a database of whose record nothing was left has its name as soon as it is opened, on the disk as well", async () => {
  const { cluster, device, id } = await closed("Board");
  const stored = device.disk.databases.get(id);
  if (stored !== undefined) stored.record = { id, name: "", relays: [], sync: false };
  const again = await cluster.restart(device);
  expect(again.instance.records()).toEqual([{ id, name: "Board", relays: [], sync: false }]);
  expect([storedName(again, id), again.problems]).toEqual(["Board", []]);
});

test("[STORAGE-30] a record that has its name is not written again", async () => {
  const { cluster, device, id } = await closed("Board");
  const { record } = device.disk.databases.get(id) ?? {};
  const again = await cluster.restart(device);
  expect(again.disk.databases.get(id)?.record).toBe(record);
});
