/** What devices write in a simulated life, and what is remembered of it. */
import type { StorePart } from "../core/entry.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import type { OpenDatabase } from "../engine/database.ts";
import type { Device } from "./device.ts";
import type { Peer, Scene } from "./scene.ts";

/** Each entry has a row of its own, and often one that everybody writes. `number` tells the actions apart. */
export function write(scene: Scene, device: Device, peer: Peer, number: number, entries: number): void {
  for (let i = 0; i < entries; i++) {
    let seq = 0;
    const build = ({ replica }: OpenDatabase): readonly StorePart[] => {
      seq = replica.draft(device.key, [], 0).seq;
      const changes = new TableChanges("rows");
      changes.put(`${number}.${i}`, { by: device.key });
      if (i % 2 === 0) changes.put(`shared ${number % 3}`, { by: device.key, row: i });
      return [{ name: "rows", type: "table", payload: changes.encode() }];
    };
    commit(scene, device, build, () => {
      scene.count("acknowledged");
      const id = entryOf(device, scene.id, seq);
      if (id === undefined) scene.report(`an entry of ${device.key.slice(0, 6)} was acknowledged and is not there`);
      else scene.acknowledged.set(id, peer);
    });
  }
}

/** A commit may fail for a reason with a code, for nothing else. */
export function commit(
  scene: Scene,
  { instance }: Device,
  build: (database: OpenDatabase) => readonly StorePart[],
  done: () => void,
): void {
  Promise.resolve()
    .then(() => instance.commit(scene.id, build))
    .then(done, (error: unknown) => scene.expectCode(error, "not committed"));
}

/** The last entry of a device with this number that is durable there. */
function entryOf({ disk, key }: Device, id: DatabaseId, seq: number): EntryId | undefined {
  return disk.databases.get(id)?.index.findLast((entry) => entry.author === key && entry.seq === seq)?.id;
}
