import { describe, expect, test } from "vitest";
import { unwrap } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { encodeHex, publicKeyFromBytes } from "../core/ids.ts";
import { encodeMessage } from "../core/protocol/message.ts";
import { prefixOf, shortDigest } from "../core/protocol/short-digest.ts";
import { READ, WRITE } from "../core/store/power.ts";
import { parseTicket } from "../core/ticket.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { createChannelPair } from "../testing/memory-channel.ts";
import { RawChannel } from "../testing/raw-peer.ts";
import { settingsParts } from "../testing/writers.ts";
import type { Sync } from "./sync.ts";

interface Start {
  readonly cluster: Cluster;
  readonly owner: Device;
  readonly id: DatabaseId;
  readonly ticket: string;
}

async function start(power: number = WRITE): Promise<Start> {
  const cluster = new Cluster(1);
  const owner = await cluster.addDevice();
  const { id } = await owner.instance.createDatabase("Board");
  await owner.write(id, "r", {});
  return { cluster, owner, id, ticket: await owner.instance.share(id, power) };
}

/** What became of a promise so far. */
function watch(promise: Promise<void>): { state: string } {
  const seen = { state: "waiting" };
  promise.then(
    () => {
      seen.state = "ready";
    },
    (error: { readonly code: string }) => {
      seen.state = error.code;
    },
  );
  return seen;
}

async function withdraw({ cluster, owner, id, ticket }: Start): Promise<void> {
  const { secret } = unwrap(parseTicket(ticket, owner.sha256));
  const key = publicKeyFromBytes(owner.sha256(secret));
  await cluster.settle(owner.instance.commit(id, () => settingsParts({ type: "invite", key, power: 999 })));
}

describe("[ENGINE-15] a ticket", () => {
  test("waits until its owner is there, also through a restart", async () => {
    const { cluster, owner, id, ticket } = await start();
    owner.instance.setOnline(false);
    let device = await cluster.addDevice();
    await device.instance.join(ticket);
    await cluster.pass(60_000);
    expect(device.instance.status(id)).toMatchObject({ ready: false, entries: 0 });
    device = await cluster.restart(device);
    owner.instance.setOnline(true);
    await cluster.settle(device.instance.ready(id));
    expect([device.rows(id).size, device.instance.status(id).name]).toEqual([1, "Board"]);
  });

  test("is used up once the database is here: later peers are not shown it", async () => {
    const { cluster, owner, id, ticket } = await start();
    const device = await cluster.addDevice();
    await device.instance.join(ticket);
    await cluster.settle(device.instance.ready(id));
    await withdraw({ cluster, owner, id, ticket });
    const again = await cluster.restart(device);
    await expect(again.instance.ready(id)).resolves.toBeUndefined();
    await cluster.converge(id, [owner, again]);
  });

  test("joined twice at the same time is joined once", async () => {
    const { cluster, owner, id, ticket } = await start();
    const device = await cluster.addDevice();
    await Promise.all([device.instance.join(ticket), device.instance.join(ticket)]);
    await cluster.settle(device.instance.ready(id));
    expect(device.instance.records()).toHaveLength(1);
    await device.write(id, "s", {});
    await cluster.converge(id, [owner, device]);
    expect(device.problems).toEqual([]);
  });
});

describe("[ENGINE-16] ready", () => {
  test("rejects when the one who made the ticket says that there is nothing for it", async () => {
    const begun = await start();
    await withdraw(begun);
    const device = await begun.cluster.addDevice();
    await device.instance.join(begun.ticket);
    const seen = watch(device.instance.ready(begun.id));
    await begun.cluster.until(() => seen.state !== "waiting");
    expect(seen.state).toBe("JOIN_REFUSED");
    expect(device.instance.status(begun.id).entries).toBe(0);
  });

  test("does not mind that others cannot let it in, and waits for somebody who can", async () => {
    const { cluster, owner, id, ticket } = await start();
    const reader = await cluster.addDevice();
    await reader.instance.join(await owner.instance.share(id, READ));
    await cluster.settle(reader.instance.ready(id));
    await cluster.converge(id, [owner, reader]);
    owner.instance.setOnline(false);
    const device = await cluster.addDevice();
    await device.instance.join(ticket);
    const seen = watch(device.instance.ready(id));
    await cluster.pass(30_000);
    expect(seen.state).toBe("waiting");
    owner.instance.setOnline(true);
    await cluster.until(() => seen.state === "ready");
  });

  test("comes when the time of what arrived has come, on a device whose clock is behind", async () => {
    const { cluster, owner, id, ticket } = await start();
    const device = await cluster.addDevice({ skewMs: -300_000 });
    await device.instance.join(ticket);
    const seen = watch(device.instance.ready(id));
    await cluster.pass(200_000);
    expect([seen.state, device.problems[0]?.code]).toEqual(["waiting", "ENTRY_TIME_AHEAD"]);
    await cluster.pass(60_000);
    expect(seen.state).toBe("ready");
    await device.write(id, "s", {});
    await cluster.converge(id, [owner, device]);
  });

  test("rejects when the instance closes", async () => {
    const { cluster, id, owner, ticket } = await start();
    owner.instance.setOnline(false);
    const device = await cluster.addDevice();
    await device.instance.join(ticket);
    const seen = watch(device.instance.ready(id));
    await cluster.settle(device.instance.close());
    await cluster.pass(1);
    expect(seen.state).toBe("INSTANCE_CLOSED");
  });
});

test("[SESSION-23] [SESSION-25] a stranger met while joining learns no id, agrees to nothing, and shares nothing", async () => {
  const { cluster, owner, id, ticket } = await start();
  owner.instance.setOnline(false);
  const device = await cluster.addDevice();
  await device.instance.join(ticket);
  const { identity } = await cluster.addIdentity();
  const line = { clock: cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
  const { left, right } = createChannelPair(line, cluster.random.bytes(32));
  const sync = device.instance.sync as Sync;
  sync.peers.take(left, undefined);
  const raw = new RawChannel(right, device.key, identity, cluster.random.bytes(32), device.sha256);
  const heard: string[] = [];
  raw.onMessage = (message) => heard.push(encodeHex(encodeMessage(message)));
  await cluster.until(() => raw.isReady && heard.length > 1);
  expect(heard.filter((text) => text.includes(prefixOf(id)))).toEqual([]);
  const digest = shortDigest(device.instance.database(id).replica.digest());
  raw.send({ type: "digest", continues: false, digests: [{ prefix: prefixOf(id), digest }] });
  raw.send({ type: "frontier", database: id, asks: true, since: "", frontier: new Map() });
  await cluster.pass(100);
  const { lastSyncedMs, peers } = device.instance.status(id);
  expect([lastSyncedMs, peers]).toEqual([undefined, []]);
  expect(sync.peers.all().map(({ session }) => session?.isShared)).toEqual([false]);
});
