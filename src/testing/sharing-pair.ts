/** Two devices that share a database, in sync, with one row in it. */
import type { DatabaseId } from "../core/ids.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";

export interface SharingPair {
  readonly cluster: Cluster;
  /** Owns the database. */
  readonly ann: Device;
  /** May write to it. */
  readonly bob: Device;
  readonly id: DatabaseId;
}

export async function sharingPair(row: string): Promise<SharingPair> {
  const cluster = new Cluster(1);
  const { devices, id } = await cluster.addGroup(2);
  const [ann, bob] = devices as [Device, Device];
  await cluster.settle(ann.write(id, row, {}));
  await cluster.converge(id, [ann, bob]);
  return { cluster, ann, bob, id };
}
