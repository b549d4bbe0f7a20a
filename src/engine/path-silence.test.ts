/** What is silence, and what is only slow. */
import { describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { entryBytesMax, pingTimeoutMs } from "../core/limits.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { type ChannelPair, createChannelPair, type End } from "../testing/memory-channel.ts";
import { StubNetwork } from "../testing/stub-network.ts";
import type { SyncSettings } from "./settings.ts";

interface Pair {
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly ann: Device;
  readonly ben: Device;
  /** Between the two; `left` is Ann's. Nobody breaks or mends it but them. */
  readonly channel: ChannelPair;
}

const unlimited = Number.POSITIVE_INFINITY;

/** Two who share a database, and have one channel that lets through so much in a second. */
async function pair(
  bytesPerSecond: (from: End) => number,
  settings: readonly [ann: Partial<SyncSettings>, ben: Partial<SyncSettings>] = [{}, {}],
): Promise<Pair> {
  const cluster = new Cluster(1);
  const networks = [new StubNetwork(), new StubNetwork()] as const;
  const { id, devices } = await cluster.addMembers(
    networks.map((network, i) => ({
      power: 100,
      openNetwork: () => network,
      ports: (ports) => ({ ...ports, settings: settings[i] ?? {} }),
    })),
  );
  const [ann, ben] = devices as readonly [Device, Device];
  const line = { clock: cluster.clock, latencyMs: () => 20, sent: () => {}, ended: () => {}, bytesPerSecond };
  const channel = createChannelPair(line, cluster.random.bytes(64));
  networks[0].listener?.connected(channel.left, ben.key);
  networks[1].listener?.connected(channel.right, ann.key);
  await cluster.converge(id, [ann, ben]);
  await cluster.pass(5_000);
  return { cluster, id, ann, ben, channel };
}

/** Ann writes an entry of about so many bytes; how many seconds it took to get to Ben, while `asking` keep asking whether the other lives. */
async function secondsOf(both: Pair, bytes: number, asking: readonly Device[]): Promise<number> {
  const { cluster, id, ann, ben } = both;
  const fromMs = cluster.clock.now();
  await ann.write(id, "large", { text: "x".repeat(bytes) });
  while (!ben.rows(id).has("large") && cluster.clock.now() < fromMs + 3_600_000) {
    await cluster.pass(7_000);
    for (const { instance } of asking) instance.retry();
  }
  return Math.round((cluster.clock.now() - fromMs) / 1_000);
}

function problems({ ann, ben }: Pair): readonly string[] {
  return [...ann.problems, ...ben.problems].map(({ code }) => code);
}

describe("[PATH-7] a message that takes minutes", () => {
  test("of the largest size over a slow line arrives on the channel on which it was sent", async () => {
    const both = await pair((from) => (from === "left" ? 100_000 : unlimited));
    const seconds = await secondsOf(both, entryBytesMax - 10_000, [both.ann]);
    expect(seconds).toBeGreaterThan(330);
    await both.cluster.converge(both.id, [both.ann, both.ben]);
    await both.cluster.pass(600_000);
    expect([both.channel.left.isOpen, problems(both)]).toEqual([true, []]);
  });

  test("both ways at once is no silence for either", async () => {
    const both = await pair(() => 20_000);
    await both.ben.write(both.id, "also large", { text: "y".repeat(4_000_000) });
    expect(await secondsOf(both, 6_000_000, [both.ann, both.ben])).toBeGreaterThan(190);
    await both.cluster.converge(both.id, [both.ann, both.ben], 600_000);
    expect([both.channel.left.isOpen, problems(both)]).toEqual([true, []]);
  });

  test("and of which nothing comes any more ends its path, at both ends", async () => {
    const both = await pair((from) => (from === "left" ? 20_000 : unlimited));
    await both.ann.write(both.id, "large", { text: "x".repeat(6_000_000) });
    await both.cluster.pass(150_000);
    expect([both.channel.left.isOpen, both.channel.right.isOpen]).toEqual([true, true]);
    both.channel.left.pause();
    await both.cluster.pass(2 * 66_000 + pingTimeoutMs);
    expect([both.channel.left.isOpen, both.channel.right.isOpen]).toEqual([false, false]);
    const codes = new Set(problems(both));
    for (const code of codes) expect(["PEER_SILENT", "EXCHANGE_STALLED"]).toContain(code);
    expect(both.ben.rows(both.id).size).toBe(0);
  });
});

describe("[PATH-8] a peer that cannot answer at once", () => {
  const capped = { peerSendBytesPerSecond: 20_000, stallTimeoutMs: 0 };

  test("because it has to keep to its caps says that it lives", async () => {
    const both = await pair(() => unlimited, [capped, { stallTimeoutMs: 0 }]);
    await secondsOf(both, 4_000_000, []);
    for (let i = 0; i < 10; i++) {
      both.ben.instance.retry();
      await both.cluster.pass(18_000);
    }
    expect([both.channel.left.isOpen, problems(both)]).toEqual([true, []]);
  });

  test("because it takes what comes no faster than its caps allow says that it lives", async () => {
    const both = await pair(() => unlimited, [{ stallTimeoutMs: 0 }, { peerReceiveBytesPerSecond: 20_000 }]);
    await both.ann.write(both.id, "large", { text: "x".repeat(4_000_000) });
    for (let i = 0; i < 10; i++) {
      both.ann.instance.retry();
      await both.cluster.pass(18_000);
    }
    expect([both.channel.left.isOpen, problems(both)]).toEqual([true, []]);
  });
});
