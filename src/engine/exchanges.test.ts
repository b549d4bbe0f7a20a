/** What becomes history: on its own, and on whole devices. */
import { describe, expect, test } from "vitest";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { MemorySwitchboard } from "../testing/memory-transport.ts";
import { Exchanges } from "./exchanges.ts";
import type { HistoryRecord } from "./records.ts";
import type { Sync } from "./sync.ts";

const peer = "a".repeat(64) as PublicKey;
const other = "b".repeat(64) as PublicKey;
const one = "c".repeat(64) as DatabaseId;
const two = "d".repeat(64) as DatabaseId;
const never: AbortSignal = new AbortController().signal;

function history(device: Device): Promise<readonly HistoryRecord[]> {
  return device.instance.sync.execute("history", {}, never);
}

describe("[SYNC-2] an exchange", () => {
  test("is one row: with what went each way, how long it took, and how it ended", () => {
    const clock = new SimulatedClock(1_000);
    const rows: Omit<HistoryRecord, "id">[] = [];
    const exchanges = new Exchanges({ clock, finished: (row) => rows.push(row) });
    exchanges.sent(peer, one, 3, 300);
    exchanges.received(peer, two, 1, 100);
    exchanges.sent(other, one, 1, 10);
    clock.advance(500);
    exchanges.received(peer, one, 2, 200);
    expect(exchanges.agreed(peer, one)).toBe(500);
    expect(exchanges.agreed(peer, one)).toBeUndefined();
    exchanges.ended(peer, "PEER_SILENT");
    exchanges.ended(peer, "PEER_SILENT");
    exchanges.ended(other, undefined);
    const times = { startedMs: 1_000, endedMs: 1_500 };
    const counts = (entriesSent: number, entriesReceived: number): object => ({
      ...{ entriesSent, entriesReceived },
      ...{ bytesSent: expect.any(Number), bytesReceived: 100 * entriesReceived },
    });
    expect(rows).toEqual([
      { peer, database: one, ...times, ...counts(3, 2), error: undefined },
      { peer, database: two, ...times, ...counts(0, 1), error: "PEER_SILENT" },
      { peer: other, database: one, ...times, ...counts(1, 0), error: "CHANNEL_CLOSED" },
    ]);
    expect(rows.map(({ bytesSent }) => bytesSent)).toEqual([300, 0, 10]);
  });

  test("of two devices is a row at both, and finding that both hold the same is none", async () => {
    const cluster = new Cluster(1);
    const { id, devices } = await cluster.addGroup(2);
    const [ann, ben] = devices as [Device, Device];
    await cluster.pass(600_000);
    expect([await history(ann), await history(ben)]).toEqual([[], []]);
    await ann.write(id, "r", {});
    await cluster.pass(1_000);
    const sizes = { database: id, error: undefined };
    expect(await history(ann)).toMatchObject([{ ...sizes, peer: ben.key, entriesSent: 1, entriesReceived: 0 }]);
    expect(await history(ben)).toMatchObject([{ ...sizes, peer: ann.key, entriesSent: 0, entriesReceived: 1 }]);
    const [[sent], [received]] = [await history(ann), await history(ben)];
    expect(sent?.bytesSent).toBe(received?.bytesReceived);
    expect(sent?.bytesSent).toBeGreaterThan(100);
  });

  test("that breaks off is a row with a code, and what follows is another", async () => {
    const cluster = new Cluster(2);
    const { id, devices } = await cluster.addGroup(2);
    const [ann, ben] = devices as [Device, Device];
    await cluster.pass(5_000);
    cluster.network.hold(ben.key, ann.key);
    await ann.write(id, "r", {});
    await cluster.pass(60_000);
    expect(await history(ann)).toMatchObject([{ peer: ben.key, entriesSent: 1, error: "EXCHANGE_STALLED" }]);
    await ann.write(id, "s", {});
    cluster.network.release(ben.key, ann.key);
    await cluster.converge(id, devices);
    await cluster.pass(1_000);
    expect((await history(ann)).map(({ entriesSent, error }) => [entriesSent, error])).toEqual([
      [1, undefined],
      [1, "EXCHANGE_STALLED"],
    ]);
  });

  test("goes on when a path ends that only stood by", async () => {
    const carriers = new Set<string | undefined>();
    for (let seed = 4; carriers.size < 2; seed++) {
      const cluster = new Cluster(seed);
      const switchboard = new MemorySwitchboard({ clock: cluster.clock, random: cluster.random });
      const { id, devices } = await cluster.addGroup(2, {
        ports: (ports) => ({ ...ports, transports: [switchboard.builder] }),
      });
      const [ann, ben] = devices as [Device, Device];
      for (const [device, key] of [
        [ann, "ann"],
        [ben, "ben"],
      ] as const) {
        const { sync } = device.instance;
        await sync.execute("addTransport", { name: "lan", type: "memory", config: { key } }, never);
        await sync.execute("startTransport", { name: "lan" }, never);
        await sync.execute("startListening", {}, never);
      }
      await cluster.pass(5_000);
      await cluster.settle(ann.instance.sync.execute("connect", { address: "memory:ben" }, never));
      await cluster.pass(1_000);
      const [met, dialled] = (ann.instance.sync as Sync).peers.info(ben.key).paths;
      carriers.add(met?.carries === true ? "met" : "dialled");
      if (dialled?.carries !== true) continue;
      await ann.write(id, "r", {});
      cluster.network.drop(ann.key, ben.key);
      await cluster.pass(60_000);
      for (const device of devices) expect(await history(device)).toMatchObject([{ error: undefined }]);
    }
  });

  test("is kept over a restart, and no longer than the settings say", async () => {
    const cluster = new Cluster(3);
    const ports = { ports: (it: object) => ({ ...it, settings: { historyRows: 3, historyMs: 3_600_000 } }) as never };
    const { id, devices } = await cluster.addGroup(2, ports);
    const [ann] = devices as [Device, Device];
    for (let i = 0; i < 5; i++) {
      await ann.write(id, `r${i}`, {});
      await cluster.pass(70_000);
    }
    const before = await history(ann);
    expect(before).toHaveLength(3);
    const again = await cluster.restart(ann, ports);
    expect(await history(again)).toEqual(before);
    await cluster.pass(3_600_000);
    await again.write(id, "last", {});
    await cluster.pass(2_000);
    expect(await history(again)).toHaveLength(1);
  });
});
