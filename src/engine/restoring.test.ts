/** A device that goes on from an old file of its own, and those who know better. */
import { beforeEach, describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { readFile, writeFile } from "../testing/backup-files.ts";
import type { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { sharingPair } from "../testing/sharing-pair.ts";

let cluster: Cluster;
let ann: Device;
let bob: Device;
let id: DatabaseId;

beforeEach(async () => {
  ({ cluster, ann, bob, id } = await sharingPair("before"));
});

async function writeRows(device: Device, name: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await cluster.settle(device.write(id, `${name} ${i}`, {}));
}

async function goBackTo(file: Uint8Array): Promise<void> {
  await cluster.settle(ann.instance.forget(id));
  await readFile(ann, file);
}

async function goOnSyncing(): Promise<void> {
  await cluster.settle(ann.instance.setSync(id, true));
  await cluster.converge(id, [ann, bob]);
}

function tipsOf(device: Device): number {
  return device.instance.database(id).replica.graph.tips().length;
}

function branchesOf(device: Device): number {
  return device.instance.database(id).replica.graph.heads(ann.key).length;
}

function expectSame(): void {
  expect(ann.stateDigest(id)).toBe(bob.stateDigest(id));
  expect(bob.problems.filter(({ code }) => code !== "PEER_LOST_DATA")).toEqual([]);
  expect(ann.problems).toEqual([]);
}

describe("[IMPORT-7] a device that goes on from an old file of its own", () => {
  test("where others know what it wrote since: they accept what it writes now, and nothing is lost", async () => {
    const file = await writeFile(ann);
    await writeRows(ann, "since", 5);
    await cluster.converge(id, [ann, bob]);
    cluster.cut(ann.key, bob.key);
    await goBackTo(file);
    expect([...ann.rows(id).keys()]).toEqual(["before"]);
    await writeRows(ann, "again", 3);
    cluster.healAll();
    await goOnSyncing();
    const rows = [...bob.rows(id).keys()].sort();
    expect(rows).toEqual(
      ["again 0", "again 1", "again 2", "before", ...[0, 1, 2, 3, 4].map((i) => `since ${i}`)].sort(),
    );
    expect([tipsOf(ann), tipsOf(bob), branchesOf(bob)]).toEqual([2, 2, 2]);
    expectSame();
    await writeRows(ann, "after", 1);
    await cluster.converge(id, [ann, bob]);
    expect([tipsOf(ann), tipsOf(bob)]).toEqual([1, 1]);
    expectSame();
  });

  test("forks nothing when it has synced before it writes", async () => {
    const file = await writeFile(ann);
    await writeRows(ann, "since", 5);
    await cluster.converge(id, [ann, bob]);
    await goBackTo(file);
    await goOnSyncing();
    await writeRows(ann, "after", 2);
    await cluster.converge(id, [ann, bob]);
    expect([tipsOf(bob), branchesOf(bob)]).toEqual([1, 1]);
    expect([...bob.rows(id).keys()]).toHaveLength(8);
    expectSame();
  });

  test("forks nothing when what is here knows better", async () => {
    const file = await writeFile(ann);
    await writeRows(ann, "since", 5);
    await readFile(ann, file);
    await writeRows(ann, "after", 1);
    await cluster.converge(id, [ann, bob]);
    expect([tipsOf(bob), branchesOf(bob)]).toEqual([1, 1]);
    expectSame();
  });

  test("gets back what others lost, and they what it lost", async () => {
    cluster.cut(ann.key, bob.key);
    await writeRows(ann, "of ann", 3);
    const file = await writeFile(ann);
    await writeRows(bob, "of bob", 3);
    await goBackTo(file);
    cluster.healAll();
    await goOnSyncing();
    expect([...bob.rows(id).keys()]).toHaveLength(7);
    expectSame();
  });

  test("as often as it likes: each branch is accepted, and the next entry follows all of them", async () => {
    const file = await writeFile(ann);
    for (let round = 0; round < 4; round++) {
      cluster.cut(ann.key, bob.key);
      if (round > 0) await goBackTo(file);
      await writeRows(ann, `round ${round}`, 2);
      cluster.healAll();
      await goOnSyncing();
    }
    expect([...bob.rows(id).keys()]).toHaveLength(9);
    expect(branchesOf(bob)).toBe(4);
    await writeRows(bob, "of bob", 1);
    await cluster.converge(id, [ann, bob]);
    expect([tipsOf(ann), tipsOf(bob)]).toEqual([1, 1]);
    expectSame();
    // And the same on a device that has nothing but a file of it.
    const carl = await cluster.addDevice();
    await readFile(carl, await writeFile(bob));
    expect(carl.stateDigest(id)).toBe(bob.stateDigest(id));
  });

  test("on a new device with another key: what it wrote stays the old one's", async () => {
    const file = await writeFile(ann);
    const fresh = await cluster.addDevice();
    await readFile(fresh, file);
    await expect(cluster.settle(fresh.write(id, "r", {}))).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect(fresh.stateDigest(id)).toBe(ann.stateDigest(id));
  });
});
