import { describe, expect, test } from "vitest";
import type { Entry } from "../core/entry.ts";
import { encodeUnsigned, sealEntry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { rowParts } from "../testing/writers.ts";

async function pair(): Promise<{
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly a: Device;
  readonly b: Device;
}> {
  const cluster = new Cluster(1);
  const [a, b] = [await cluster.addDevice(), await cluster.addDevice()];
  const { id } = await a.instance.createDatabase("Board");
  await b.instance.join(await a.instance.share(id, { power: WRITE }));
  await cluster.settle(b.instance.ready(id));
  await cluster.converge(id, [a, b]);
  return { cluster, id, a, b };
}

test("[ENGINE-6] commits made at once are one chain, each following the one before and all that came", async () => {
  const { cluster, id, a, b } = await pair();
  const first = a.instance.database(id).replica.graph.heads(a.key)[0]?.seq ?? 0;
  const writes = Array.from({ length: 50 }, (_, i) => a.write(id, `a${i}`, { i }));
  for (let i = 0; i < 10; i++) await b.write(id, `b${i}`, { i });
  await Promise.all(writes);
  await cluster.converge(id, [a, b]);
  const { graph } = a.instance.database(id).replica;
  const own = Array.from({ length: graph.size }, (_, i) => graph.at(i)).filter(
    (node) => node.author === a.key && node.seq > first,
  );
  expect(own.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, i) => first + 1 + i));
  expect([a, b].map((device) => device.instance.database(id).replica.graph.heads(a.key).length)).toEqual([1, 1]);
  expect(a.rows(id).size).toBe(60);
});

test("[ENGINE-6] a transaction that fails to build takes nothing with it, and the next one goes on", async () => {
  const { id, a } = await pair();
  const { size } = a.instance.database(id).replica.graph;
  const broken = a.instance.commit(id, () => {
    throw new TidemarkError("ROW_MISSING", { store: "rows", row: "r" });
  });
  const next = a.write(id, "r", {});
  await expect(broken).rejects.toMatchObject({ code: "ROW_MISSING" });
  await next;
  expect(a.instance.database(id).replica.graph.size).toBe(size + 1);
});

test("[ENGINE-7] a database whose storage failed takes and shows nothing more, and every call rejects with what happened", async () => {
  const { cluster, id, a, b } = await pair();
  const old = a.instance.database(id);
  a.storage.failNext(new TidemarkError("STORAGE_QUOTA", { reason: "full" }));
  await expect(a.write(id, "lost", {})).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
  const { size } = old.replica.graph;
  await expect(old.commit(() => rowParts("r"))).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
  const entries = await b.instance.database(id).log.read([b.instance.database(id).replica.graph.at(0)]);
  await expect(old.receive(entries)).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
  await cluster.pass(10_000);
  expect([old.replica.graph.size, a.instance.database(id) === old]).toEqual([size, false]);
  expect([a.rows(id).has("lost"), b.rows(id).has("lost")]).toEqual([false, false]);
});

describe("[ENGINE-17] of a peer's batch", () => {
  /** The next entries of `b`, which `a` does not know. */
  async function chainOf(
    { b, id }: { readonly b: Device; readonly id: DatabaseId },
    count: number,
  ): Promise<readonly Entry[]> {
    b.instance.setOnline(false);
    const { graph } = b.instance.database(id).replica;
    const from = graph.size;
    for (let i = 0; i < count; i++) await b.write(id, `chain ${i}`, {});
    return await b.instance.database(id).log.read(Array.from({ length: count }, (_, i) => graph.at(from + i)));
  }

  test("one signature is checked when all of it is one chain", async () => {
    const one = await pair();
    const entries = await chainOf(one, 100);
    const before = one.a.checks;
    const { missing } = await one.a.instance.database(one.id).receive(entries);
    expect([one.a.checks - before, missing, one.a.rows(one.id).size]).toEqual([1, [], 100]);
  });

  test("an entry with a bad signature is not taken on the word of one that is refused", async () => {
    const one = await pair();
    const { a, b, id } = one;
    const [first] = await chainOf(one, 1);
    if (first === undefined) throw new Error("one entry was written");
    const forged = sealEntry(first, encodeUnsigned(first), new Uint8Array(64).fill(7), b.sha256);
    const voucher = signed(b, {
      ...first,
      seq: first.seq + 1,
      prev: forged.id,
      parents: [],
      height: first.height + 9,
      time: first.time + 1,
    });
    const { size } = a.instance.database(id).replica.graph;
    await a.instance.database(id).receive([forged, voucher]);
    expect(a.instance.database(id).replica.graph.size).toBe(size);
    expect(a.problems.map(({ code }) => code)).toEqual(["ENTRY_SIGNATURE"]);
  });

  test("an entry with a bad signature is taken with the one that vouches for it, whichever comes first", async () => {
    const one = await pair();
    const { a, b, id } = one;
    const [first] = await chainOf(one, 1);
    if (first === undefined) throw new Error("one entry was written");
    const unsigned = sealEntry(first, encodeUnsigned(first), new Uint8Array(64).fill(7), b.sha256);
    const voucher = signed(b, {
      ...first,
      seq: first.seq + 1,
      prev: unsigned.id,
      parents: [],
      height: first.height + 1,
      time: first.time + 1,
    });
    const { graph } = a.instance.database(id).replica;
    await a.instance.database(id).receive([unsigned]);
    expect(graph.has(unsigned.id)).toBe(false);
    expect((await a.instance.database(id).receive([voucher])).missing).toEqual([unsigned.id]);
    await a.instance.database(id).receive([unsigned]);
    expect([graph.has(unsigned.id), graph.has(voucher.id)]).toEqual([true, true]);
  });
});

test("[ENGINE-20] what could not be taken at first is asked for again: a vouched entry, and a clock that is behind", async () => {
  const cluster = new Cluster(2);
  const [a, b, late] = [
    await cluster.addDevice(),
    await cluster.addDevice(),
    await cluster.addDevice({ skewMs: -180_000 }),
  ];
  const { id } = await a.instance.createDatabase("Board");
  const ticket = await a.instance.share(id, { power: WRITE });
  for (const device of [b, late]) {
    await device.instance.join(ticket);
    await cluster.settle(device.instance.ready(id), 600_000);
  }
  await cluster.converge(id, [a, b, late]);
  const draft = b.instance.database(id).replica.draft(b.key, rowParts("r"), cluster.clock.now());
  const unsigned = sealEntry(draft, encodeUnsigned(draft), new Uint8Array(64).fill(7), b.sha256);
  const { seq, height, time } = draft;
  const next = { ...draft, seq: seq + 1, prev: unsigned.id, parents: [], height: height + 1, time: time + 1 };
  await a.instance.database(id).receive([unsigned, signed(b, next)]);
  await cluster.pass(10_000);
  expect([a, b, late].map((device) => device.rows(id).size)).toEqual([1, 1, 0]);
  await cluster.converge(id, [a, b, late], 600_000);
});

function signed(device: Device, body: Parameters<typeof encodeUnsigned>[0]): Entry {
  const message = encodeUnsigned(body);
  return sealEntry(body, message, device.identity.signNow(message), device.sha256);
}
