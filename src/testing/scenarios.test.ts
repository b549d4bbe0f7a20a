/** What people do and what happens to them, told on whole devices. */
import { describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { READ, WRITE } from "../core/store/power.ts";
import { Cluster, type DeviceOptions } from "./cluster.ts";
import type { Device } from "./device.ts";

interface Group {
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly devices: readonly Device[];
}

/** Devices that share a database, made by the first; all are connected and hold the same. */
async function groupOf(count: number, options: DeviceOptions = {}, seed = 1): Promise<Group> {
  const cluster = new Cluster(seed);
  const devices: Device[] = [];
  for (let i = 0; i < count; i++) devices.push(await cluster.addDevice(options));
  const [first, ...others] = devices as [Device, ...Device[]];
  const { id } = await cluster.settle(first.instance.createDatabase("Board"));
  const ticket = await cluster.settle(first.instance.share(id, { power: WRITE }));
  for (const device of others) {
    await cluster.settle(device.instance.join(ticket));
    await cluster.settle(device.instance.ready(id));
  }
  await cluster.converge(id, devices);
  return { cluster, id, devices };
}

function cutAll({ cluster, devices }: Group): void {
  for (const [i, one] of devices.entries()) for (const other of devices.slice(i + 1)) cluster.cut(one.key, other.key);
}

async function expectSame({ cluster, id, devices }: Group): Promise<void> {
  await cluster.converge(id, devices);
  expect(new Set(devices.map((device) => device.stateDigest(id))).size).toBe(1);
}

function rowsOf(device: Device, id: DatabaseId): Readonly<Record<string, unknown>> {
  return Object.fromEntries(device.rows(id));
}

describe("[SIMULATION-6] convergence", () => {
  test("three devices write apart: different before, everything everywhere after", async () => {
    const group = await groupOf(3);
    const { cluster, id, devices } = group;
    cutAll(group);
    for (const [i, device] of devices.entries()) await device.write(id, `row ${i}`, { by: i });
    expect(new Set(devices.map((device) => device.stateDigest(id))).size).toBe(3);
    cluster.healAll();
    await expectSame(group);
    for (const device of devices)
      expect(rowsOf(device, id)).toEqual({ "row 0": { by: 0 }, "row 1": { by: 1 }, "row 2": { by: 2 } });
  });

  test("two devices write one cell at the same time: both end with the same one of the two values", async () => {
    const group = await groupOf(2);
    const { cluster, id, devices } = group;
    cutAll(group);
    for (const [i, device] of devices.entries()) await device.write(id, "r", { title: `by ${i}` });
    cluster.healAll();
    await expectSame(group);
    expect(["by 0", "by 1"]).toContain((rowsOf(devices[0] as Device, id).r as { title: string }).title);
  });

  test("a partition in which both sides go on: nothing is missing anywhere", async () => {
    const group = await groupOf(4);
    const { cluster, id, devices } = group;
    const [a, b, c, d] = devices as [Device, Device, Device, Device];
    for (const left of [a, b]) for (const right of [c, d]) cluster.cut(left.key, right.key);
    for (let i = 0; i < 10; i++)
      for (const device of devices) await device.write(id, `${i} of ${device.key.slice(0, 4)}`, { i });
    await cluster.converge(id, [a, b]);
    await cluster.converge(id, [c, d]);
    expect([a.rows(id).size, c.rows(id).size]).toEqual([20, 20]);
    cluster.healAll();
    await expectSame(group);
    for (const device of devices) expect(device.rows(id).size).toBe(40);
  });

  test("two devices make the same store without knowing of each other: both values are there", async () => {
    const group = await groupOf(2);
    const { cluster, id, devices } = group;
    cutAll(group);
    for (const [i, device] of devices.entries()) await device.set(id, `key ${i}`, `value ${i}`, "new store");
    cluster.healAll();
    await expectSame(group);
    for (const device of devices)
      expect([0, 1].map((i) => device.value(id, `key ${i}`, "new store"))).toEqual(["value 0", "value 1"]);
  });

  test("a chain without a link between its ends: everything passes through the middle, and nothing comes back", async () => {
    const cluster = new Cluster(5);
    const devices = [await cluster.addDevice(), await cluster.addDevice(), await cluster.addDevice()];
    const [a, b, c] = devices as [Device, Device, Device];
    const { id } = await a.instance.createDatabase("Board");
    const ticket = await a.instance.share(id, { power: WRITE });
    for (const device of [b, c]) {
      await device.instance.join(ticket);
      await cluster.settle(device.instance.ready(id));
    }
    await cluster.converge(id, devices);
    cluster.cut(a.key, c.key);
    await cluster.pass(60_000);
    const before = cluster.network.bytes;
    for (let i = 0; i < 20; i++) await a.write(id, `from a ${i}`, { i });
    await c.write(id, "from c", {});
    await cluster.converge(id, devices);
    expect(a.rows(id).size).toBe(21);
    // 21 entries on two links, some 250 B each, and confirmations: twice as much would mean that they came back.
    expect(cluster.network.bytes - before).toBeLessThan(21 * 2 * 400);
  });

  test("to and fro: three messages reach everybody in causal order", async () => {
    const cluster = new Cluster(6);
    const [a, b] = [await cluster.addDevice(), await cluster.addDevice()] as [Device, Device];
    const { id } = await a.instance.createDatabase("Chat");
    await a.write(id, "1", { text: "anybody there?" });
    await b.instance.join(await a.instance.share(id, { power: WRITE }));
    await cluster.settle(b.instance.ready(id));
    await b.write(id, "2", { text: "yes" });
    await cluster.until(() => a.rows(id).has("2"));
    await a.write(id, "3", { text: "good" });
    await cluster.converge(id, [a, b]);
    for (const device of [a, b]) {
      const { graph } = device.instance.database(id).replica;
      const heights = ["1", "2", "3"].map((row) => heightOfRow(device, id, row));
      expect(heights).toEqual([...heights].sort((x, y) => x - y));
      expect(new Set(heights).size).toBe(3);
      expect(graph.tips()).toHaveLength(1);
    }
  });

  test("diamonds and crossed merges: every branch is there, and a merge names each branch once, in order", async () => {
    const group = await groupOf(3, {}, 7);
    const { cluster, id, devices } = group;
    for (let round = 0; round < 4; round++) {
      cutAll(group);
      for (const [i, device] of devices.entries()) await device.write(id, `${round} ${i}`, { round });
      const [one, other] = [devices[round % 3] as Device, devices[(round + 1) % 3] as Device];
      cluster.heal(one.key, other.key);
      await cluster.converge(id, [one, other]);
      for (const device of [one, other]) await device.write(id, `merge ${round} ${device.key}`, {});
      cluster.healAll();
      await expectSame(group);
    }
    const { graph } = (devices[0] as Device).instance.database(id).replica;
    expect((devices[0] as Device).rows(id).size).toBe(4 * 5);
    for (let i = 0; i < graph.size; i++) {
      const parents = graph.at(i).parents.map((node) => node.id);
      expect(parents).toEqual([...new Set(parents)].sort());
    }
  });
});

/** The greatest height among the entries of the device, when the row came. */
function heightOfRow(device: Device, id: DatabaseId, row: string): number {
  const { graph, state } = device.instance.database(id).replica;
  if (state.table("rows")?.get(row) === undefined) return -1;
  const heights = Array.from({ length: graph.size }, (_, i) => graph.at(i)).filter((node) => node.settings[0] !== node);
  return heights[Number(row) - 1]?.height ?? -1;
}

describe("[SIMULATION-7] syncing", () => {
  test("an entry after joining arrives and is a tip; another sync without a change sends next to nothing", async () => {
    const { cluster, id, devices } = await groupOf(2);
    const [a, b] = devices as [Device, Device];
    await a.write(id, "late", { n: 1 });
    await cluster.until(() => b.rows(id).has("late"));
    expect(b.instance.database(id).replica.graph.tips()).toHaveLength(1);
    await cluster.pass(5_000);
    const before = cluster.network.bytes;
    cluster.network.drop(a.key, b.key);
    await cluster.pass(10_000);
    // Of these 323 are the handshake.
    expect(cluster.network.bytes - before).toBeLessThan(100 + 323);
    expect(cluster.network.connected(a.key, b.key)).toBe(true);
  });

  test("sync goes on after a restart without the app doing anything", async () => {
    const group = await groupOf(2);
    const { cluster, id } = group;
    const [a, b] = group.devices as [Device, Device];
    await cluster.settle(b.instance.close());
    await a.write(id, "while away", {});
    const again = await cluster.restart(b);
    await cluster.converge(id, [a, again]);
    await again.write(id, "back", {});
    await cluster.until(() => a.rows(id).has("back"));
    expect(a.stateDigest(id)).toBe(again.stateDigest(id));
  });

  test("a commit never fails because of sync: alone, offline, cut off, with a peer that went away", async () => {
    const { cluster, id, devices } = await groupOf(2);
    const [a, b] = devices as [Device, Device];
    cluster.cut(a.key, b.key);
    await a.write(id, "cut off", {});
    a.instance.setOnline(false);
    await a.write(id, "offline", {});
    a.instance.setOnline(true);
    cluster.healAll();
    b.crash();
    await a.write(id, "the peer is gone", {});
    expect(a.rows(id).size).toBe(3);
    expect(a.problems).toEqual([]);
  });

  test("a push is lost, then its sender restarts: the entry still arrives", async () => {
    const { cluster, id, devices } = await groupOf(2);
    const [a, b] = devices as [Device, Device];
    await a.write(id, "lost", {});
    cluster.network.drop(a.key, b.key);
    const again = await cluster.restart(a);
    expect(b.rows(id).has("lost")).toBe(false);
    await cluster.until(() => b.rows(id).has("lost"));
    expect(again.stateDigest(id)).toBe(b.stateDigest(id));
  });

  test("offline and online again: both directions flow", async () => {
    const { cluster, id, devices } = await groupOf(2);
    const [a, b] = devices as [Device, Device];
    a.instance.setOnline(false);
    await a.write(id, "from a", {});
    await b.write(id, "from b", {});
    await cluster.pass(5_000);
    expect([a.rows(id).size, b.rows(id).size]).toEqual([1, 1]);
    expect(a.instance.status(id).peers).toEqual([]);
    a.instance.setOnline(true);
    await cluster.converge(id, [a, b]);
    expect(a.rows(id).size).toBe(2);
  });

  test("the same entries in whatever order they come, and twice: one state, one event for each", async () => {
    const group = await groupOf(3, {}, 11);
    const { cluster, id, devices } = group;
    const [a, b, c] = devices as [Device, Device, Device];
    cluster.cut(a.key, c.key);
    for (let i = 0; i < 20; i++) await (i % 2 === 0 ? a : b).write(id, `r${i}`, { i });
    await cluster.pass(1_000);
    cluster.healAll();
    await expectSame(group);
    expect(c.rows(id).size).toBe(20);
  });

  test("a delete, and a write that did not know of it: the same on both, and siblings stay as they are", async () => {
    const group = await groupOf(2);
    const { cluster, id, devices } = group;
    const [a, b] = devices as [Device, Device];
    await a.write(id, "sibling", { n: 0 });
    await a.write(id, "r", { n: 0 });
    await cluster.converge(id, devices);
    cutAll(group);
    await a.remove(id, "r");
    await b.write(id, "other", { n: 1 });
    cluster.healAll();
    await expectSame(group);
    for (const device of devices) expect(Object.keys(rowsOf(device, id)).sort()).toEqual(["other", "sibling"]);
  });

  test("[REPLICA-7] a clock an hour ahead and one a day behind: both go on writing, and what is held back comes when the clocks are right", async () => {
    const { cluster, id, devices } = await groupOf(3);
    const [right, ahead, behind] = devices as [Device, Device, Device];
    const hourMs = 3_600_000;
    ahead.setSkew(hourMs);
    behind.setSkew(-24 * hourMs);
    await cluster.settle(ahead.write(id, "ahead", {}));
    await cluster.settle(behind.write(id, "behind", {}));
    await cluster.settle(right.write(id, "right", {}));
    await cluster.pass(60_000);
    const rows = (device: Device): readonly string[] => [...device.rows(id).keys()].sort();
    const codes = (device: Device): ReadonlySet<string> => new Set(device.problems.map(({ code }) => code));
    // Of one that is behind the entries are as late as what it follows leaves them, and taken at once.
    expect([rows(right), codes(right)]).toEqual([["behind", "right"], new Set(["ENTRY_TIME_AHEAD"])]);
    expect([rows(ahead), codes(ahead)]).toEqual([["ahead", "behind", "right"], new Set()]);
    // To it everybody else's are a day ahead.
    expect([rows(behind), codes(behind)]).toEqual([["behind"], new Set(["ENTRY_TIME_AHEAD"])]);
    const late = await cluster.addDevice({ skewMs: -24 * hourMs });
    await cluster.settle(late.instance.join(await cluster.settle(right.instance.share(id, { power: READ }))));
    await cluster.pass(60_000);
    expect([late.rows(id).size, codes(late)]).toEqual([0, new Set(["ENTRY_TIME_AHEAD"])]);
    behind.setSkew(0);
    late.setSkew(0);
    await cluster.until(() => rows(behind).length === 2 && rows(late).length === 2, 5 * 60_000);
    expect(right.rows(id).has("ahead")).toBe(false);
    await cluster.converge(id, [...devices, late], hourMs);
    expect(new Set([...devices, late].map((device) => device.stateDigest(id))).size).toBe(1);
    expect(rows(right)).toEqual(["ahead", "behind", "right"]);
  });

  test("a device that lost its disk joins again and gets everything back", async () => {
    const { cluster, id, devices } = await groupOf(2);
    const [a, b] = devices as [Device, Device];
    for (let i = 0; i < 10; i++) await b.write(id, `r${i}`, { i });
    await cluster.converge(id, devices);
    b.crash();
    const again = await cluster.addDevice({ secret: b.secret });
    await again.instance.join(await a.instance.share(id, { power: WRITE }));
    await cluster.settle(again.instance.ready(id));
    await cluster.converge(id, [a, again]);
    expect(again.rows(id).size).toBe(10);
    await again.write(id, "new", {});
    await cluster.until(() => a.rows(id).has("new"));
  });
});

describe("[SIMULATION-8] what it costs", () => {
  test("an idle reconnect of 100 databases: one round trip, and less than 4 kB with the handshake", async () => {
    const cluster = new Cluster(8);
    const [a, b] = [await cluster.addDevice(), await cluster.addDevice()] as [Device, Device];
    const ids: DatabaseId[] = [];
    for (let i = 0; i < 100; i++) {
      const { id } = await a.instance.createDatabase(`Board ${i}`);
      ids.push(id);
      await b.instance.join(await a.instance.share(id, { power: WRITE }));
    }
    await cluster.until(() =>
      ids.every((id) => b.instance.status(id).ready && a.stateDigest(id) === b.stateDigest(id)),
    );
    await cluster.pass(10_000);
    const before = { messages: cluster.network.messages, bytes: cluster.network.bytes };
    cluster.network.drop(a.key, b.key);
    await cluster.pass(10_000);
    // hello, answer, proof, a digest, and its answer.
    expect(cluster.network.messages - before.messages).toBe(5);
    expect(cluster.network.bytes - before.bytes).toBeLessThan(2_600);
    for (const id of ids) expect(a.instance.status(id).peers).toMatchObject([{ state: "upToDate", unconfirmed: 0 }]);
  });

  test("one change in a database of many entries: less than 1 kB beside the entry, pushed or found after a reconnect", async () => {
    const { cluster, id, devices } = await groupOf(2);
    const [a, b] = devices as [Device, Device];
    await Promise.all(Array.from({ length: 5_000 }, (_, i) => a.write(id, `r${i}`, { i })));
    await cluster.converge(id, devices);
    await cluster.pass(5_000);
    const pushed = await cost(async () => {
      await a.write(id, "pushed", {});
      await cluster.converge(id, devices);
    });
    const found = await cost(async () => {
      cluster.cut(a.key, b.key);
      await a.write(id, "found", {});
      cluster.network.drop(a.key, b.key);
      cluster.healAll();
      await cluster.converge(id, devices);
    });
    expect([pushed < 500, found < 1_000 + 279]).toEqual([true, true]);

    async function cost(action: () => Promise<void>): Promise<number> {
      const before = cluster.network.bytes;
      await action();
      await cluster.pass(5_000);
      return cluster.network.bytes - before;
    }
  });

  test("10,000 entries of one author are checked with one signature a batch", async () => {
    const { cluster, id, devices } = await groupOf(1);
    const [a] = devices as [Device];
    await Promise.all(Array.from({ length: 10_000 }, (_, i) => a.write(id, `r${i}`, { i })));
    const late = await cluster.addDevice();
    await late.instance.join(await a.instance.share(id, { power: READ }));
    await cluster.settle(late.instance.ready(id));
    await cluster.converge(id, [a, late]);
    expect(late.rows(id).size).toBe(10_000);
    expect(late.checks).toBeLessThan(30);
  });
});
