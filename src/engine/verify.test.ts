import { describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import type { VerifyProgress } from "./verify.ts";

interface World {
  readonly cluster: Cluster;
  readonly ann: Device;
  readonly ben: Device;
  readonly id: DatabaseId;
}

/** Ben has what ann has, on a disk of its own, and nothing of it in memory. */
async function world(rows: number): Promise<World> {
  const cluster = new Cluster(1);
  const { id, devices } = await cluster.addGroup(2);
  const [ann, ben] = devices as [Device, Device];
  await Promise.all(Array.from({ length: rows }, (_, i) => ann.write(id, `row ${i}`, { i })));
  await cluster.converge(id, [ann, ben]);
  await cluster.pass(2_000);
  return { cluster, ann, ben: await cluster.restart(ben), id };
}

function flip({ ben, id }: World, position: number): void {
  const bytes = ben.disk.databases.get(id)?.bytes[position] as Uint8Array;
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
}

describe("[VERIFY-1] verifying", () => {
  test("reads and hashes every entry of every database once, and finds nothing where nothing is wrong", async () => {
    const { cluster, ben, id } = await world(40);
    const { id: other } = await cluster.settle(ben.instance.createDatabase("Other"));
    const reads = ben.storage.reads;
    const report = await cluster.settle(ben.instance.verify());
    const sizes = [id, other].flatMap((each) => ben.disk.databases.get(each)?.bytes ?? []);
    expect(report).toEqual({
      databases: 2,
      entries: sizes.length,
      bytes: sizes.reduce((sum, { length }) => sum + length, 0),
      checked: sizes.length,
      damaged: 0,
      salvaged: 0,
      healed: 0,
    });
    expect(ben.storage.reads).toBe(reads + 2);
  });

  test("finds what changed on the disk and nobody has read", async () => {
    const here = await world(40);
    here.ann.instance.setOnline(false);
    await here.cluster.pass(1_000);
    for (const position of [3, 20, 21]) flip(here, position);
    expect(await here.cluster.settle(here.ben.instance.verify())).toMatchObject({ damaged: 3, salvaged: 0, healed: 0 });
    expect(here.ben.health.damagedEntries).toBe(3);
  });
});

test("[VERIFY-2] what is damaged comes from a peer, and is whole the next time", async () => {
  const here = await world(40);
  const { cluster, ben, id } = here;
  const before = ben.disk.databases.get(id)?.bytes.map((bytes) => bytes.slice());
  for (const position of [3, 20, 21]) flip(here, position);
  expect(await cluster.settle(ben.instance.verify())).toMatchObject({ damaged: 3 });
  await cluster.until(() => ben.health.damagedEntries === 0);
  expect(ben.disk.databases.get(id)?.bytes).toEqual(before);
  expect(await cluster.settle(ben.instance.verify())).toMatchObject({ damaged: 0 });
});

describe("[VERIFY-3] who asks while it runs", () => {
  test("gets the same, of one run", async () => {
    const { cluster, ben } = await world(2_500);
    const { reads } = ben.storage;
    const first = ben.instance.verify();
    const seen: VerifyProgress[] = [];
    const second = ben.instance.verify({ onProgress: (progress) => seen.push(progress) });
    const reports = await cluster.settle(Promise.all([first, second]));
    expect(reports[0]).toEqual(reports[1]);
    expect(ben.storage.reads - reads).toBe(3);
    expect(seen.map(({ checked }) => checked)).toEqual([0, 0, 1_000, 2_000, 2_502, 2_502]);
    expect(seen.every(({ total }) => total === 2_502)).toBe(true);
  });

  test("can stop waiting, and the last one who does ends it", async () => {
    const { cluster, ben } = await world(3_500);
    const { reads } = ben.storage;
    const [one, other] = [new AbortController(), new AbortController()];
    const stopped: string[] = [];
    const asked = [one, other].map(({ signal }, i) =>
      ben.instance.verify({ signal, onProgress: () => {} }).catch((error) => stopped.push(`${i} ${error.code}`)),
    );
    one.abort();
    await cluster.until(() => ben.storage.reads > reads + 1);
    expect(stopped).toEqual(["0 ABORTED"]);
    other.abort();
    await Promise.all(asked);
    await cluster.pass(10_000);
    expect([stopped[1], ben.storage.reads - reads]).toEqual(["1 ABORTED", 2]);
    await expect(ben.instance.verify({ signal: one.signal })).rejects.toMatchObject({ code: "ABORTED" });
    expect(await cluster.settle(ben.instance.verify())).toMatchObject({ entries: 3_502, damaged: 0 });
  });

  test("is let go when the instance closes", async () => {
    const { cluster, ben } = await world(3_500);
    const asked = ben.instance.verify().catch(({ code }) => code);
    await cluster.pass(0);
    await cluster.settle(ben.instance.close());
    expect(["ABORTED", "STORAGE_CLOSED"]).toContain(await cluster.settle(asked));
    await expect(ben.instance.verify()).rejects.toMatchObject({ code: "INSTANCE_CLOSED" });
  });
});

test("[VERIFY-4] a lot is read in parts, and writes go on between them", async () => {
  const { cluster, ben, id } = await world(2_500);
  const order: string[] = [];
  const verified = ben.instance
    .verify({ onProgress: ({ checked }) => order.push(`checked ${checked}`) })
    .then(() => order.push("verified"));
  await cluster.until(() => order.length > 2);
  await ben.write(id, "meanwhile", {});
  order.push("written");
  await cluster.settle(verified);
  expect(order.indexOf("written")).toBeLessThan(order.indexOf("verified"));
  expect(order).toContain("checked 2503");
});
