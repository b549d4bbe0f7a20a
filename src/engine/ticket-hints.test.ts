/** Reaching the addresses that a ticket names, on whole devices that no relay introduces. */
import { beforeEach, describe, expect, test } from "vitest";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { READ } from "../core/store/power.ts";
import { type AddressHint, formatTicket } from "../core/ticket.ts";
import { Cluster, type DeviceOptions } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { MemorySwitchboard } from "../testing/memory-transport.ts";
import { StubNetwork } from "../testing/stub-network.ts";
import { setPower, settingsParts } from "../testing/writers.ts";

let cluster: Cluster;
let switchboard: MemorySwitchboard;
let owner: Device;
let device: Device;
let id: DatabaseId;

const never = new AbortController().signal;

function run(on: Device, name: "addTransport", config: { readonly key: string }): Promise<unknown>;
function run(on: Device, name: "startTransport" | "startListening"): Promise<unknown>;
function run(
  on: Device,
  name: "addTransport" | "startTransport" | "startListening",
  config?: object,
): Promise<unknown> {
  const { sync } = on.instance;
  if (name === "addTransport")
    return cluster.settle(sync.execute(name, { name: "lan", type: "memory", config }, never));
  if (name === "startTransport") return cluster.settle(sync.execute(name, { name: "lan" }, never));
  return cluster.settle(sync.execute(name, {}, never));
}

async function addDevice(key: string): Promise<Device> {
  const options: DeviceOptions = {
    openNetwork: () => new StubNetwork(),
    ports: (ports) => ({ ...ports, transports: [switchboard.builder] }),
  };
  const added = await cluster.addDevice(options);
  await run(added, "addTransport", { key });
  await run(added, "startTransport");
  return added;
}

beforeEach(async () => {
  cluster = new Cluster(1);
  switchboard = new MemorySwitchboard({ clock: cluster.clock, random: cluster.random });
  owner = await addDevice("owner");
  await run(owner, "startListening");
  device = await addDevice("device");
  id = (await cluster.settle(owner.instance.createDatabase("Club"))).id;
  await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(device.key, READ))));
});

function join(addresses: readonly AddressHint[], peers: readonly PublicKey[] = []): Promise<unknown> {
  const ticket = formatTicket({ database: id, relays: [], peers, addresses }, owner.sha256);
  return cluster.settle(device.instance.join(ticket));
}

const dead = { address: "memory:nobody" };
const silent = { address: "memory:silent" };
const good = { address: "memory:owner" };

describe("[TICKET-8] the addresses of a ticket", () => {
  test("are dialled: what a device that accepts connections says in its tickets leads to it", async () => {
    await cluster.settle(device.instance.join(await owner.instance.ticket(id)));
    await cluster.settle(device.instance.ready(id), 1_000);
    expect(switchboard.dialled).toEqual(["owner"]);
  });

  test.each([
    ["a dead one first", [dead, good]],
    ["a dead one last", [good, dead]],
    ["one that never answers", [silent, good]],
    ["the same twice", [good, good]],
    ["one that no transport serves", [{ address: "pigeon:loft" }, good]],
  ])("are dialled all at once: %s delays nothing", async (_what, addresses) => {
    switchboard.swallow("silent");
    await join(addresses);
    await cluster.settle(device.instance.ready(id), 1_000);
    expect(device.instance.status(id).blockedBy).toEqual([]);
  });

  test("are tried again after a pause that doubles, also after a restart, until somebody is there", async () => {
    await join([{ address: "memory:late" }]);
    await cluster.pass(60_000);
    const tries = switchboard.dialled.length;
    expect(tries).toBeGreaterThan(3);
    expect(tries).toBeLessThan(12);
    const again = await cluster.restart(device, {
      ports: (ports) => ({ ...ports, transports: [switchboard.builder] }),
    });
    device = again;
    await cluster.pass(5_000);
    expect(switchboard.dialled.length).toBeGreaterThan(tries);
    const late = await addDevice("late");
    await run(late, "startListening");
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(late.key, READ))));
    await cluster.settle(late.instance.join(await owner.instance.ticket(id)));
    await cluster.settle(late.instance.ready(id));
    await cluster.settle(device.instance.ready(id), 130_000);
    const done = switchboard.dialled.length;
    await cluster.pass(300_000);
    expect(switchboard.dialled.length).toBe(done);
  });

  test("are left alone while the device is offline, or the sync of the database is off", async () => {
    device.instance.setOnline(false);
    await join([dead]);
    await cluster.pass(60_000);
    expect(switchboard.dialled).toEqual([]);
    await cluster.settle(device.instance.setSync(id, false));
    device.instance.setOnline(true);
    await cluster.pass(60_000);
    expect(switchboard.dialled).toEqual([]);
    await cluster.settle(device.instance.setSync(id, true));
    await cluster.until(() => switchboard.dialled.length > 0);
  });
});

test("[TICKET-9] nobody is taken who does not prove the key that the ticket names for an address", async () => {
  await join([{ ...good, peer: device.key.replace(/^./, (digit) => (digit === "0" ? "1" : "0")) as PublicKey }]);
  await cluster.pass(5_000);
  expect(device.instance.status(id)).toMatchObject({ ready: false, entries: 0, peers: [] });
  expect(device.instance.status(id).blockedBy).toMatchObject([
    { type: "connectionFailed", detail: expect.stringContaining("HANDSHAKE_PEER") },
    { type: "notReady" },
  ]);
  await join([{ ...good, peer: owner.key }]);
  await cluster.settle(device.instance.ready(id), 5_000);
});

describe("[TICKET-10] when nothing leads to anybody", () => {
  test("that is told with a code, and by the diagnosis; one way that may lead somewhere is enough to wait", async () => {
    switchboard.swallow("silent");
    await join([dead, silent]);
    await cluster.pass(5_000);
    expect(device.instance.status(id).blockedBy.map(({ type }) => type)).toEqual(["noPeers", "notReady"]);
    await cluster.pass(20_000);
    expect(device.instance.status(id).blockedBy).toMatchObject([
      { type: "connectionFailed", detail: expect.stringContaining("CONNECT_FAILED") },
      { type: "notReady" },
    ]);
    const { findings } = await cluster.settle(device.instance.sync.execute("diagnose", {}, never));
    const arrival = findings.find(({ check }) => check === "database.arrival");
    expect(arrival).toMatchObject({ state: "failed", found: expect.stringContaining("CONNECT_FAILED") });
  });
});
