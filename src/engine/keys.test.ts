import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { ADMIN, NONE, READ, WRITE } from "../core/store/power.ts";
import { Cluster } from "../testing/cluster.ts";
import { setPower, settingsParts } from "../testing/writers.ts";

test("[KEYS-16] a database that was made with a named key is owned and signed for by that key, also after a restart", async () => {
  const cluster = new Cluster(1);
  const first = await cluster.addDevice();
  const { publicKey } = await first.instance.keys.create("owner");
  const { id, key } = await cluster.settle(first.instance.createDatabase("Board", { key: "owner" }));
  expect(key).toBe("owner");
  await cluster.settle(first.write(id, "r1", {}));
  const device = await cluster.restart(first);
  await cluster.settle(device.write(id, "r2", {}));
  const { replica, identity, permission } = device.instance.database(id);
  expect([identity.publicKey, permission]).toEqual([publicKey, "owner"]);
  const authors = [0, 1, 2].map((position) => replica.graph.at(position).author);
  expect(authors).toEqual([publicKey, publicKey, publicKey]);
  expect(replica.authority.power(device.key)).toBe(NONE);
});

test("[KEYS-16] a database is made with the device's key when none or the device's is named, and with no other than one that is here", async () => {
  const cluster = new Cluster(2);
  const device = await cluster.addDevice();
  for (const key of [undefined, "device"]) {
    const options = key === undefined ? {} : { key };
    const record = await cluster.settle(device.instance.createDatabase("Board", options));
    expect(record.key).toBeUndefined();
    expect(device.instance.database(record.id).identity.publicKey).toBe(device.key);
  }
  const unknown = { code: "KEY_UNKNOWN", details: { name: "gone" } };
  await expect(device.instance.createDatabase("Board", { key: "gone" })).rejects.toMatchObject(unknown);
  const { id } = device.instance.records()[0] ?? {};
  const other = await cluster.addDevice();
  const ticket = await device.instance.ticket(id as DatabaseId);
  await expect(other.instance.join(ticket, { key: "gone" })).rejects.toMatchObject(unknown);
  expect([device.instance.records().length, other.instance.records().length]).toEqual([2, 0]);
});

test("[KEYS-16] two databases of one device that are signed for by two keys are two authors to everybody", async () => {
  const cluster = new Cluster(3);
  const device = await cluster.addDevice();
  await device.instance.keys.create("work");
  const mine = await cluster.settle(device.instance.createDatabase("Mine"));
  const work = await cluster.settle(device.instance.createDatabase("Work", { key: "work" }));
  const owners = [mine, work].map(({ id }) => device.instance.database(id).replica.graph.at(0).author);
  expect(owners).toEqual([device.key, device.instance.keys.list()[1]?.publicKey]);
});

test("[KEYS-16] a database whose key is gone is read, and what is to be signed is refused with KEY_UNKNOWN", async () => {
  const cluster = new Cluster(4);
  const first = await cluster.addDevice();
  await first.instance.keys.create("owner");
  const { id } = await cluster.settle(first.instance.createDatabase("Board", { key: "owner" }));
  await cluster.settle(first.write(id, "r1", { n: 1 }));
  // Even where the device's own key may do something: it is not the one that was chosen.
  await cluster.settle(first.instance.commit(id, () => settingsParts(setPower(first.key, ADMIN))));
  await cluster.settle(first.instance.close());
  first.disk.values.delete("key/owner");
  const device = await cluster.addDevice({ disk: first.disk, secret: first.secret });
  expect(device.rows(id)).toEqual(new Map([["r1", { n: 1 }]]));
  const database = device.instance.database(id);
  expect([database.permission, database.power]).toEqual(["read", READ]);
  await expect(device.write(id, "r2", {})).rejects.toMatchObject({ code: "KEY_UNKNOWN", details: { name: "owner" } });
  await expect(database.identity.sign(new Uint8Array(1))).rejects.toMatchObject({ code: "KEY_UNKNOWN" });
  expect(database.replica.graph.size).toBe(3);
});

test("[KEYS-15] a key that cannot be read is a problem of its own: the instance opens, and its databases can be read", async () => {
  const cluster = new Cluster(5);
  const first = await cluster.addDevice();
  await first.instance.keys.create("owner");
  const { id } = await cluster.settle(first.instance.createDatabase("Board", { key: "owner" }));
  await cluster.settle(first.instance.close());
  first.disk.values.set("key/owner", { createdMs: 1, key: "rot" });
  const device = await cluster.addDevice({ disk: first.disk, secret: first.secret });
  expect(device.problems.map(({ code }) => code)).toEqual(["STORAGE_CORRUPT"]);
  expect(device.instance.database(id).permission).toBe("none");
  await expect(device.write(id, "r1", {})).rejects.toMatchObject({ code: "KEY_UNKNOWN" });
});

test("[KEYS-17] a key that a database uses cannot be deleted, nor while one is being made with it; any other can", async () => {
  const cluster = new Cluster(6);
  const device = await cluster.addDevice();
  const { keys } = device.instance;
  for (const name of ["used", "wanted", "free"]) await keys.create(name);
  await cluster.settle(device.instance.createDatabase("Board", { key: "used" }));
  const inUse = { code: "KEY_IN_USE" };
  await expect(keys.delete("used")).rejects.toMatchObject(inUse);
  await expect(keys.delete("device")).rejects.toMatchObject(inUse);
  const making = device.instance.createDatabase("Other", { key: "wanted" });
  await expect(cluster.settle(keys.delete("wanted"))).rejects.toMatchObject(inUse);
  const { id } = await cluster.settle(making);
  await expect(cluster.settle(keys.delete("wanted"))).rejects.toMatchObject(inUse);
  await cluster.settle(device.write(id, "r1", {}));
  await cluster.settle(keys.delete("free"));
  await expect(cluster.settle(keys.delete("free"))).rejects.toMatchObject({ code: "KEY_UNKNOWN" });
  expect(keys.list().map(({ name }) => name)).toEqual(["device", "used", "wanted"]);
});

test("[KEYS-17] a key is free again when making a database with it failed", async () => {
  const cluster = new Cluster(7);
  const device = await cluster.addDevice();
  await device.instance.keys.create("work");
  device.storage.failNext(new TidemarkError("STORAGE_QUOTA", { reason: "full" }));
  const making = cluster.settle(device.instance.createDatabase("Board", { key: "work" }));
  await expect(making).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
  await cluster.settle(device.instance.keys.delete("work"));
  expect(device.instance.keys.list()).toHaveLength(1);
});

test("[KEYS-17] a key is kept for a database of which nothing can be read", async () => {
  const cluster = new Cluster(8);
  const first = await cluster.addDevice();
  await first.instance.keys.create("owner");
  const { id } = await cluster.settle(first.instance.createDatabase("Board", { key: "owner" }));
  await cluster.settle(first.instance.commit(id, () => settingsParts(setPower(first.key, WRITE))));
  await cluster.settle(first.instance.close());
  first.disk.databases.get(id)?.bytes.splice(0);
  const device = await cluster.addDevice({ disk: first.disk, secret: first.secret });
  expect(device.instance.find(id)?.hasRoot).toBe(false);
  await expect(cluster.settle(device.instance.keys.delete("owner"))).rejects.toMatchObject({ code: "KEY_IN_USE" });
});

test.each([
  ["", false],
  ["encrypted ", true],
])(
  "[KEYS-23] joining an %sdatabase that is here with another key uses that one from then on, and what was read is still read",
  async (_, encrypted) => {
    const cluster = new Cluster(9);
    const [ann, ben] = [await cluster.addDevice(), await cluster.addDevice()];
    const { id } = await cluster.settle(ann.instance.createDatabase("Board", { encrypted }));
    await cluster.settle(ann.write(id, "r1", {}));
    await ben.instance.join(await cluster.settle(ann.instance.share(id, { power: READ })));
    await cluster.settle(ben.instance.ready(id));
    const { publicKey } = await ben.instance.keys.create("work");
    await cluster.settle(ann.instance.permissions.set(id, { key: publicKey, power: WRITE }));
    await cluster.converge(id, [ann, ben]);
    await expect(ben.write(id, "r2", {})).rejects.toMatchObject({ code: "PERMISSION_DENIED" });

    const address = await ann.instance.ticket(id);
    await cluster.settle(ben.instance.join(address, { key: "work" }));
    await cluster.settle(ben.write(id, "r2", {}));
    await cluster.until(() => ann.rows(id).size === 2);
    // Joining without naming one changes nothing.
    await cluster.settle(ben.instance.join(address));
    expect(ben.instance.database(id).identity.publicKey).toBe(publicKey);
    const again = await cluster.restart(ben);
    await cluster.until(() => again.rows(id).size === 2);
    await cluster.settle(again.write(id, "r3", {}));

    await cluster.settle(again.instance.join(address, { key: "device" }));
    expect(again.instance.database(id).permission).toBe("read");
    expect(again.instance.records().map(({ key }) => key)).toEqual([undefined]);
    await cluster.settle(again.instance.keys.delete("work"));
    await cluster.settle(ann.write(id, "r4", {}));
    await cluster.until(() => again.rows(id).size === 4);
  },
);

test("[KEYS-23] a peer that is connected hears of the other key at once, and serves it", async () => {
  const cluster = new Cluster(10);
  const [ann, ben] = [await cluster.addDevice(), await cluster.addDevice()];
  const { id } = await cluster.settle(ann.instance.createDatabase("Board"));
  await ben.instance.join(await cluster.settle(ann.instance.share(id, { power: WRITE })));
  await cluster.settle(ben.instance.ready(id));
  const { publicKey } = await ben.instance.keys.create("work");
  await cluster.settle(ann.instance.permissions.set(id, { key: publicKey, power: WRITE }));
  await cluster.converge(id, [ann, ben]);
  await cluster.settle(ann.instance.permissions.set(id, { key: ben.key, power: NONE }));
  await cluster.settle(ann.write(id, "r1", {}));
  await cluster.pass(5_000);
  expect(ben.rows(id).size).toBe(0);
  await cluster.settle(ben.instance.join(await ann.instance.ticket(id), { key: "work" }));
  await cluster.until(() => ben.rows(id).size === 1);
});
