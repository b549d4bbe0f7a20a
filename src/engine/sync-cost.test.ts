/** What sync with many peers costs. */
import { expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { prefixOf, shortDigest } from "../core/protocol/short-digest.ts";
import { WRITE } from "../core/store/power.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { createChannelPair } from "../testing/memory-channel.ts";
import { RawChannel } from "../testing/raw-peer.ts";
import type { SimulatedIdentity } from "../testing/simulated-keys.ts";
import { setPower, settingsParts } from "../testing/writers.ts";
import type { Sync } from "./sync.ts";

interface Crowd {
  readonly cluster: Cluster;
  readonly ann: Device;
  readonly id: DatabaseId;
}

/** A device, and so many peers that hold what it holds, and confirm whatever it sends. */
async function crowd(count: number): Promise<Crowd> {
  const cluster = new Cluster(1);
  const ann = await cluster.addDevice();
  const { id } = await cluster.settle(ann.instance.createDatabase("Crowd"));
  const { sha256 } = ann;
  const identities: SimulatedIdentity[] = [];
  for (let i = 0; i < count; i++) identities.push((await cluster.addIdentity()).identity);
  const powers = settingsParts(...identities.map(({ publicKey }) => setPower(publicKey, WRITE)));
  await cluster.settle(ann.instance.commit(id, () => powers));
  const digest = shortDigest(ann.instance.database(id).replica.digest());
  const connect = (identity: SimulatedIdentity): RawChannel => {
    const line = { clock: cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
    const { left, right } = createChannelPair(line, cluster.random.bytes(32));
    // What transports do: a room with so many in it would cost more than what is measured.
    (ann.instance.sync as Sync).peers.take(left, undefined);
    const raw = new RawChannel(right, ann.key, identity, cluster.random.bytes(32), sha256);
    raw.onMessage = (message) => {
      if (message.type === "entries") raw.send({ ...message, type: "stored", complete: true, digest: message.digest });
    };
    return raw;
  };
  const raws: RawChannel[] = [];
  // Strangers come in one after the other: more than `handshakesMax` at once are turned away.
  for (const identity of identities) {
    raws.push(connect(identity));
    await cluster.until(() => raws.at(-1)?.isReady === true);
  }
  for (const raw of raws) raw.send({ type: "digest", continues: false, digests: [{ prefix: prefixOf(id), digest }] });
  await cluster.until(() => ann.instance.status(id).heldBy.length === count);
  return { cluster, ann, id };
}

/** Per entry and peer, in milliseconds of CPU, whatever else the machine does; the other ends included. */
async function costOf({ cluster, ann, id }: Crowd, count: number): Promise<number> {
  const entries = 20;
  const start = process.cpuUsage();
  for (let i = 0; i < entries; i++) {
    await ann.write(id, `r${i}`, {});
    await cluster.pass(5);
  }
  const { user, system } = process.cpuUsage(start);
  expect(ann.instance.status(id)).toMatchObject({ pending: { entries: 0 }, queue: { entries: 0 }, saved: entries + 2 });
  expect(ann.instance.status(id).heldBy.filter(({ isComplete }) => isComplete)).toHaveLength(count);
  return (user + system) / 1_000 / entries / count;
}

test("[SYNC-17] an entry costs less than a millisecond for each of 100 peers, also while many wait until it is safe", async () => {
  const many = await crowd(100);
  expect(await costOf(many, 100)).toBeLessThan(1);
  const waited = await crowd(100);
  const { holdings } = waited.ann.instance.sync as Sync;
  for (let i = 0; i < 100; i++)
    void holdings.whenSafe(waited.id, 1_000, 32, new AbortController().signal).catch(() => {});
  expect(await costOf(waited, 100)).toBeLessThan(1);
});

test("[SYNC-17] what is remembered of a peer and its relation is about a kilobyte", async () => {
  const { ann, cluster } = await crowd(10);
  await cluster.settle(ann.instance.close());
  for (const kind of ["peer", "relation"] as const) {
    const records = [...(ann.disk.records.get(kind)?.values() ?? [])];
    expect(records).toHaveLength(10);
    for (const record of records) expect(JSON.stringify(record).length).toBeLessThan(600);
  }
});
