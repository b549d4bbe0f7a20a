/** What each preset does, between whole devices. */
import { expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { decodeBatch } from "../core/protocol/batch.ts";
import { decodeMessage, type Message } from "../core/protocol/message.ts";
import { WRITE } from "../core/store/power.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import type { EnginePorts } from "./ports.ts";
import { type Preset, presets } from "./settings.ts";

interface Sent {
  readonly atMs: number;
  readonly bytes: number;
  readonly message: Message;
}

interface Pair {
  readonly cluster: Cluster;
  readonly ann: Device;
  readonly ben: Device;
  readonly id: DatabaseId;
  /** By ann, from the beginning of the test on. */
  readonly sent: Sent[];
}

async function pair(preset: Preset, other: Preset = preset): Promise<Pair> {
  const cluster = new Cluster(1);
  const members = [preset, other].map((each) => ({
    power: WRITE,
    ports: (ports: EnginePorts): EnginePorts => ({ ...ports, settings: { ...presets[each], jitter: 0 } }),
  }));
  const { id, devices } = await cluster.addMembers(members);
  const [ann, ben] = devices as readonly [Device, Device];
  await cluster.pass(10_000);
  const sent: Sent[] = [];
  cluster.network.tap = {
    arrived: () => {},
    sent: (from, _to, bytes) => {
      const message = decodeMessage(bytes);
      if (message.ok && from === ann.key)
        sent.push({ atMs: cluster.clock.now(), bytes: bytes.length, message: message.value });
    },
  };
  return { cluster, ann, ben, id, sent };
}

/** How many entries each batch held. */
function batches({ sent, id, ann }: Pair): readonly number[] {
  return sent.flatMap(({ message }) => {
    const entries = message.type === "entries" ? decodeBatch(message.batch, id, ann.sha256) : undefined;
    return entries?.ok === true ? [entries.value.length] : [];
  });
}

test("[TUNING-5] interactive: a change goes out in the instant in which it is durable", async () => {
  const { cluster, ann, id, sent } = await pair("interactive");
  const startMs = cluster.clock.now();
  await ann.write(id, "r", {});
  await cluster.pass(100);
  const entries = sent.filter(({ message }) => message.type === "entries");
  expect(entries.map(({ atMs }) => atMs - startMs)).toEqual([0]);
});

test("[TUNING-5] bulk: what is written within a second goes out then, as one batch", async () => {
  const both = await pair("bulk");
  const { cluster, ann, ben, id, sent } = both;
  const startMs = cluster.clock.now();
  for (let i = 0; i < 9; i++) {
    await ann.write(id, `r${i}`, {});
    await cluster.pass(100);
  }
  expect([batches(both), ben.rows(id).size]).toEqual([[], 0]);
  await cluster.pass(200);
  expect([batches(both), ben.rows(id).size]).toEqual([[9], 9]);
  const [first] = sent.filter(({ message }) => message.type === "entries");
  expect((first?.atMs ?? 0) - startMs).toBe(1_000);
});

test.each([
  ["lowBandwidth", "lowBandwidth"],
  ["lowBandwidth", "interactive"],
  ["interactive", "lowBandwidth"],
] as const)("[TUNING-5] lowBandwidth: small batches, and 32 KiB each second, from %s to %s", async (from, to) => {
  const { cluster, ann, ben, id, sent } = await pair(from, to);
  for (let i = 0; i < 600; i++) await ann.write(id, `r${i}`, { v: "y".repeat(1_000) });
  await cluster.until(() => ben.rows(id).size > 100);
  const [startMs, first] = [cluster.clock.now(), sent.length];
  await cluster.pass(10_000);
  const bytes = sent.slice(first).reduce((sum, each) => sum + each.bytes, 0);
  const perSecond = bytes / ((cluster.clock.now() - startMs) / 1_000);
  expect(Math.abs(perSecond / (32 * 1_024) - 1)).toBeLessThan(0.1);
  if (from === "lowBandwidth")
    for (const { message, bytes: size } of sent) if (message.type === "entries") expect(size).toBeLessThan(17 * 1_024);
});

/** What ann says in ten quiet minutes, by its type. */
async function quiet(preset: Preset): Promise<Readonly<Record<string, number>>> {
  const { cluster, sent } = await pair(preset);
  await cluster.pass(600_000);
  const count: Record<string, number> = {};
  for (const { message } of sent) count[message.type] = (count[message.type] ?? 0) + 1;
  return count;
}

test("[TUNING-5] lan: peers are compared with, and asked whether they live, more often", async () => {
  expect(await quiet("lan")).toMatchObject({ digest: 10, ping: 20 });
  expect(await quiet("interactive")).toMatchObject({ digest: 2, ping: 5 });
});
