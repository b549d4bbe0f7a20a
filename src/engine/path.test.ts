/** One channel of a device, and what is at its other end. */
import { describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { batchesInFlightMax, inboundMessagesMax, strangerMessageBytesMax } from "../core/limits.ts";
import { encodeBatch } from "../core/protocol/batch.ts";
import { encodeMessage } from "../core/protocol/message.ts";
import { WRITE } from "../core/store/power.ts";
import { Cluster, type DeviceOptions } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { type ChannelPair, createChannelPair } from "../testing/memory-channel.ts";
import { RawChannel } from "../testing/raw-peer.ts";
import type { SimulatedIdentity } from "../testing/simulated-keys.ts";
import { StubNetwork } from "../testing/stub-network.ts";
import { setPower, settingsParts } from "../testing/writers.ts";

interface Room {
  readonly cluster: Cluster;
  readonly device: Device;
  readonly id: DatabaseId;
  readonly network: StubNetwork;
}

/** One device with a database, and nobody else. */
async function room(options: DeviceOptions = {}): Promise<Room> {
  const cluster = new Cluster(1);
  const network = new StubNetwork();
  const device = await cluster.addDevice({ ...options, openNetwork: () => network });
  const { id } = await cluster.settle(device.instance.createDatabase("Board", { sync: true }));
  return { cluster, device, id, network };
}

async function newKey({ cluster, device, id }: Room, power?: number): Promise<SimulatedIdentity> {
  const { identity } = await cluster.addIdentity();
  const sets = setPower(identity.publicKey, power ?? 999);
  if (power !== undefined) await cluster.settle(device.instance.commit(id, () => settingsParts(sets)));
  return identity;
}

function answerAt({ cluster, device }: Room, pair: ChannelPair, identity: SimulatedIdentity): RawChannel {
  return new RawChannel(pair.right, device.key, identity, cluster.random.bytes(32), device.sha256);
}

/** Somebody with this power connects and completes the handshake. */
async function meet(
  one: Room,
  power?: number,
): Promise<{ readonly raw: RawChannel; readonly pair: ChannelPair; readonly identity: SimulatedIdentity }> {
  const identity = await newKey(one, power);
  const pair = one.network.connect(one.cluster, identity.publicKey);
  const raw = answerAt(one, pair, identity);
  await one.cluster.until(() => raw.isReady);
  await one.cluster.pass(5);
  return { raw, pair, identity };
}

describe("[ENGINE-10] the handshake", () => {
  test("that is not answered within 10 s ends the channel, and is reported", async () => {
    const one = await room();
    const pair = one.network.connect(one.cluster, (await newKey(one)).publicKey);
    await one.cluster.pass(9_000);
    expect(pair.left.isOpen).toBe(true);
    await one.cluster.pass(2_000);
    expect([pair.left.isOpen, one.device.problems.map(({ code }) => code)]).toEqual([false, ["HANDSHAKE_TIMEOUT"]]);
  });

  test("begins also when the other side's first message was there before anybody listened", async () => {
    const one = await room();
    const identity = await newKey(one);
    const line = { clock: one.cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
    const pair = createChannelPair(line, one.cluster.random.bytes(32));
    // The left end is the initiator's: here it is the other side's.
    const raw = new RawChannel(pair.left, one.device.key, identity, one.cluster.random.bytes(32), one.device.sha256);
    await one.cluster.pass(10);
    one.network.listener?.connected(pair.right, identity.publicKey);
    await one.cluster.until(() => raw.isReady);
    expect(one.device.problems).toEqual([]);
  });

  test("with somebody else than the relay said ends the channel", async () => {
    const one = await room();
    const pair = one.network.connect(one.cluster, (await newKey(one)).publicKey);
    answerAt(one, pair, await newKey(one));
    await one.cluster.until(() => !pair.left.isOpen);
    expect(one.device.problems.map(({ code }) => code)).toEqual(["HANDSHAKE_PEER"]);
  });
});

describe("[ENGINE-8] a peer's batches", () => {
  test("are confirmed in their order, and only when they are durable", async () => {
    const one = await room({ writeMs: () => 50 });
    const { raw } = await meet(one, WRITE);
    const root = one.device.instance.database(one.id);
    const entries = await root.log.read([root.replica.graph.at(0)]);
    for (let number = 1; number <= 5; number++)
      raw.send({
        type: "entries",
        database: one.id,
        number,
        left: 5 - number,
        leftBytes: 0,
        digest: "",
        batch: encodeBatch(entries),
      });
    await one.cluster.until(() => raw.received.filter(({ type }) => type === "stored").length === 5);
    const numbers = raw.received.flatMap((message) => (message.type === "stored" ? [message.number] : []));
    expect(numbers).toEqual([1, 2, 3, 4, 5]);
  });
});

test("[ENGINE-9] what is sent keeps its order, and while the channel is full no more is read than the window holds", async () => {
  const cluster = new Cluster(3);
  let device = await cluster.addDevice();
  const { id } = await device.instance.createDatabase("Board", { sync: true });
  const text = "x".repeat(100_000);
  await Promise.all(Array.from({ length: 60 }, (_, i) => device.write(id, `r${i}`, { text, i })));
  const other = await cluster.addDevice();
  await other.instance.join(await device.instance.share(id, { power: WRITE }));
  // Restarted, so that nothing is in memory.
  device = await cluster.restart(device);
  await cluster.until(() => other.instance.database(id).replica.graph.size > 0);
  const held = other.instance.database(id).replica.graph.size;
  const reads = device.storage.reads;
  cluster.cut(device.key, other.key);
  await cluster.pass(10_000);
  const [readMeanwhile, cameMeanwhile] = [
    device.storage.reads - reads,
    other.instance.database(id).replica.graph.size - held,
  ];
  cluster.healAll();
  await cluster.settle(other.instance.ready(id));
  await cluster.converge(id, [device, other]);
  expect([readMeanwhile <= batchesInFlightMax, cameMeanwhile, other.rows(id).size]).toEqual([true, 0, 60]);
  expect(other.problems).toEqual([]);
});

describe("[ENGINE-19] a peer that floods", () => {
  test("as a stranger, with more than 1 MiB at once, is cut off", async () => {
    const one = await room();
    const { raw } = await meet(one);
    for (let i = 0; i < 20; i++) raw.channel.send(new Uint8Array(strangerMessageBytesMax));
    one.cluster.clock.advance(5);
    await one.cluster.until(() => !raw.isOpen);
    expect(one.device.problems.map(({ code }) => code)).toEqual(["MESSAGE_TOO_LARGE"]);
  });

  test("with more messages than may wait is cut off, with fewer it is answered", async () => {
    const one = await room();
    const [{ raw: modest }, { raw: greedy }] = [await meet(one, WRITE), await meet(one, WRITE)];
    const message = encodeMessage({ type: "want", database: one.id, ids: [] });
    for (let i = 0; i < inboundMessagesMax - 10; i++) modest.channel.send(message);
    for (let i = 0; i < inboundMessagesMax + 10; i++) greedy.channel.send(message);
    one.cluster.clock.advance(5);
    await one.cluster.pass(100);
    expect([modest.isOpen, greedy.isOpen]).toEqual([true, false]);
    expect(one.device.problems).toMatchObject([{ code: "MESSAGE_TOO_LARGE", details: { max: inboundMessagesMax } }]);
  });

  test("with questions, and does not read the answers, is let wait: answers do not pile up", async () => {
    const one = await room();
    const { raw, pair } = await meet(one, WRITE);
    Object.defineProperty(pair.left, "congested", { get: () => true });
    const ask = encodeMessage({ type: "ping", id: 7 });
    const flood = async (): Promise<void> => {
      for (let i = 0; i < inboundMessagesMax - 100; i++) raw.channel.send(ask);
      one.cluster.clock.advance(5);
      await one.cluster.pass(1_000);
    };
    await flood();
    expect(raw.isOpen).toBe(true);
    // If all of the first questions had been answered, there would be room for as many again.
    await flood();
    expect(raw.isOpen).toBe(false);
    expect(one.device.problems).toMatchObject([{ code: "MESSAGE_TOO_LARGE", details: { max: inboundMessagesMax } }]);
  });
});

test("[ENGINE-22] what ends a session is reported as what it was", async () => {
  const one = await room();
  const { raw } = await meet(one, WRITE);
  raw.channel.send(Uint8Array.of(0x81));
  await one.cluster.until(() => !raw.isOpen);
  expect(one.device.problems.map(({ code }) => code)).toEqual(["CBOR_TRUNCATED"]);
});
