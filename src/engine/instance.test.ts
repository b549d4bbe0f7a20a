import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { READ, WRITE } from "../core/store/power.ts";
import { Cluster } from "../testing/cluster.ts";
import { StubNetwork } from "../testing/stub-network.ts";
import { roomOf } from "./rooms.ts";

const quota = new TidemarkError("STORAGE_QUOTA", { reason: "full" });

test("[ENGINE-1] a row written on one device is read on another that joined with a ticket", async () => {
  const cluster = new Cluster(1);
  const [ann, ben] = [await cluster.addDevice(), await cluster.addDevice()];
  const { id } = await ann.instance.createDatabase("Board");
  await ann.write(id, "r1", { title: "Hello" });
  const ticket = await ann.instance.share(id, { power: WRITE });
  await ben.instance.join(ticket);
  await Promise.all([ben.instance.ready(id), cluster.until(() => ben.rows(id).size === 1)]);
  expect(ben.rows(id)).toEqual(new Map([["r1", { title: "Hello" }]]));
  await ben.write(id, "r2", { title: "Hi" });
  await cluster.until(() => ann.rows(id).size === 2);
  expect(ann.stateDigest(id)).toBe(ben.stateDigest(id));
  expect(ann.instance.status(id).peers).toMatchObject([{ key: ben.key, state: "upToDate", unconfirmed: 0 }]);
  expect([ann.problems, ben.problems]).toEqual([[], []]);
});

test("[SESSION-9] a joiner that may only read is served, and its own writes are refused", async () => {
  const cluster = new Cluster(2);
  const [ann, ben] = [await cluster.addDevice(), await cluster.addDevice()];
  const { id } = await ann.instance.createDatabase("Board");
  await ben.instance.join(await ann.instance.share(id, { power: READ }));
  await Promise.all([ben.instance.ready(id), cluster.pass(2_000)]);
  await expect(ben.write(id, "r1", {})).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
});

describe("[ENGINE-11] a database that was opened once", () => {
  test("is looked for at once, after a restart, and whenever the instance goes online again", async () => {
    const cluster = new Cluster(3);
    const networks: StubNetwork[] = [];
    const openNetwork = (): StubNetwork => {
      const network = new StubNetwork();
      networks.push(network);
      return network;
    };
    const device = await cluster.addDevice({ openNetwork });
    expect(networks).toEqual([]);
    const { id } = await device.instance.createDatabase("Board", { sync: true });
    const rooms = (): readonly (readonly Uint8Array[])[] => networks.map((network) => network.rooms);
    const room = roomOf(id, device);
    expect(rooms()).toEqual([[room]]);
    device.instance.setOnline(false);
    expect(networks[0]?.isClosed).toBe(true);
    device.instance.setOnline(true);
    await cluster.pass(0);
    expect(rooms()).toEqual([[room], [room]]);
    await cluster.settle(device.instance.close());
    await cluster.addDevice({ openNetwork, disk: device.disk, secret: device.secret });
    expect(rooms()).toEqual([[room], [room], [room]]);
  });

  test("is looked for again when the network may have come back", async () => {
    const cluster = new Cluster(4);
    const network = new StubNetwork();
    const device = await cluster.addDevice({ openNetwork: () => network });
    await device.instance.createDatabase("Board", { sync: true });
    device.instance.retry();
    expect(network.retries).toBe(1);
  });
});

describe("[ENGINE-12] when a commit to storage fails", () => {
  test("it is reported, what was not durable is gone, and everything goes on", async () => {
    const cluster = new Cluster(5);
    const [ann, ben] = [await cluster.addDevice(), await cluster.addDevice()];
    const { id } = await ann.instance.createDatabase("Board");
    await ben.instance.join(await ann.instance.share(id, { power: WRITE }));
    await cluster.settle(ben.instance.ready(id));
    await ann.write(id, "before", {});
    await cluster.converge(id, [ann, ben]);
    ann.storage.failNext(quota);
    await expect(ann.write(id, "lost", {})).rejects.toBe(quota);
    await cluster.pass(100);
    expect([[...ann.rows(id).keys()], ann.problems]).toEqual([["before"], [quota]]);
    await ann.write(id, "after", {});
    await ben.write(id, "from ben", {});
    await cluster.converge(id, [ann, ben]);
    expect([...ben.rows(id).keys()].sort()).toEqual(["after", "before", "from ben"]);
  });

  test("a peer's entries are not confirmed, and come again", async () => {
    const cluster = new Cluster(6);
    const [ann, ben] = [await cluster.addDevice(), await cluster.addDevice()];
    const { id } = await ann.instance.createDatabase("Board");
    await ben.instance.join(await ann.instance.share(id, { power: WRITE }));
    await cluster.settle(ben.instance.ready(id));
    ben.storage.failNext(quota);
    await ann.write(id, "r", {});
    await cluster.until(() => ben.problems.length > 0);
    expect(ben.rows(id).size).toBe(0);
    await cluster.converge(id, [ann, ben]);
    await cluster.until(() => ann.instance.status(id).peers[0]?.state === "upToDate");
    expect([ben.rows(id).size, ann.instance.status(id).peers[0]?.unconfirmed]).toEqual([1, 0]);
  });

  test("a database that was being made is not there, now or later", async () => {
    const cluster = new Cluster(7);
    const ann = await cluster.addDevice();
    ann.storage.failNext(quota);
    await expect(ann.instance.createDatabase("Board")).rejects.toBe(quota);
    expect(ann.instance.records()).toEqual([]);
    const again = await cluster.restart(ann);
    expect(again.instance.records()).toEqual([]);
    const { id } = await again.instance.createDatabase("Another");
    expect(again.instance.records()).toMatchObject([{ id, name: "Another" }]);
  });
});
