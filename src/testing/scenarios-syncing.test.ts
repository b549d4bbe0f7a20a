/** How devices come to hold the same, told on whole devices: first meetings, what travels, and sync that is turned on and off. */
import { beforeEach, describe, expect, test } from "vitest";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { batchBytesMax } from "../core/limits.ts";
import { decodeBatch } from "../core/protocol/batch.ts";
import { decodeMessage } from "../core/protocol/message.ts";
import { WRITE } from "../core/store/power.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";

/** Counts the entries that travel from one device to another. */
class Traffic {
  readonly #entries = new Map<string, number>();
  /** The largest batch, in bytes. */
  batchBytesMax = 0;

  constructor({ network }: Cluster, { sha256 }: Device, id: DatabaseId) {
    network.tap = {
      arrived: () => {},
      sent: (from, to, bytes) => {
        const message = decodeMessage(bytes);
        if (!message.ok || message.value.type !== "entries") return;
        const batch = decodeBatch(message.value.batch, id, sha256);
        if (!batch.ok) throw new Error(batch.failure.code);
        this.batchBytesMax = Math.max(this.batchBytesMax, message.value.batch.length);
        this.#entries.set(from + to, batch.value.length + this.between(from, to));
      },
    };
  }

  between(from: PublicKey, to: PublicKey): number {
    return this.#entries.get(from + to) ?? 0;
  }

  get total(): number {
    return [...this.#entries.values()].reduce((sum, count) => sum + count, 0);
  }
}

let cluster: Cluster;

beforeEach(() => {
  cluster = new Cluster(1);
});

async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => "resolved",
    (error: unknown) => (error as { readonly code?: unknown }).code,
  );
}

describe("[SIMULATION-7] the first meeting", () => {
  test("several devices join at the same instant: each gets everything", async () => {
    const first = await cluster.addDevice();
    const { id } = await first.instance.createDatabase("Board");
    for (let i = 0; i < 100; i++) await first.write(id, `r${i}`, { i });
    const ticket = await first.instance.share(id, { power: WRITE });
    const others = [];
    for (let i = 0; i < 5; i++) others.push(await cluster.addDevice());
    await Promise.all(others.map((device) => device.instance.join(ticket)));
    await cluster.settle(Promise.all(others.map((device) => device.instance.ready(id))));
    await cluster.converge(id, [first, ...others]);
    for (const device of others) expect(device.rows(id).size).toBe(100);
  });

  test("everything travels once, in batches of limited size", async () => {
    const first = await cluster.addDevice();
    const { id } = await first.instance.createDatabase("Board");
    const text = "x".repeat(1_000);
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => first.write(id, `r${i}`, { text })));
    const traffic = new Traffic(cluster, first, id);
    const late = await cluster.addDevice();
    await late.instance.join(await first.instance.share(id, { power: WRITE }));
    await cluster.settle(late.instance.ready(id));
    await cluster.converge(id, [first, late]);
    const { size } = late.instance.database(id).replica.graph;
    expect(size).toBe(1_000 + 3); // Its beginning, the invite, and the redemption, which the newcomer writes.
    expect([traffic.between(first.key, late.key), traffic.between(late.key, first.key)]).toEqual([size - 1, 1]);
    expect(traffic.batchBytesMax).toBeLessThan(1.1 * batchBytesMax);
    expect(traffic.batchBytesMax).toBeGreaterThan(0.5 * batchBytesMax);
  });

  test("a ticket that is no ticket is refused, one of a database that nobody has is never ready and does no harm", async () => {
    const [first, other] = [await cluster.addDevice(), await cluster.addDevice()];
    const { id } = await first.instance.createDatabase("Board");
    const ticket = await first.instance.share(id, { power: WRITE });
    for (const wrong of [
      "",
      "tidemark:?db=",
      "https://example.org",
      ticket.slice(0, -1),
      ticket.replace("db=", "db=A"),
    ])
      expect(await codeOf(other.instance.join(wrong))).toBe("TICKET_MALFORMED");
    expect(other.instance.records()).toEqual([]);
    const gone = await new Cluster(2).addDevice();
    const lost = await gone.instance.createDatabase("Lost");
    await other.instance.join(await gone.instance.share(lost.id, { power: WRITE }));
    await cluster.pass(60_000);
    expect(other.instance.status(lost.id)).toMatchObject({ ready: false, permission: "none", entries: 0, peers: [] });
    expect(await codeOf(other.write(lost.id, "r", {}))).toBe("DATABASE_NOT_READY");
    await other.instance.join(ticket);
    await cluster.settle(other.instance.ready(id));
  });

  test("the tickets of two databases lead to these two, and entries of one never get into the other", async () => {
    const [first, other] = [await cluster.addDevice(), await cluster.addDevice()];
    const [one, two] = [await first.instance.createDatabase("One"), await first.instance.createDatabase("Two")];
    await first.write(one.id, "in one", {});
    await first.write(two.id, "in two", {});
    for (const { id } of [two, one]) await other.instance.join(await first.instance.share(id, { power: WRITE }));
    for (const { id } of [one, two]) await cluster.converge(id, [first, other]);
    expect([one, two].map(({ id }) => [...other.rows(id).keys()])).toEqual([["in one"], ["in two"]]);
    expect(one.id).not.toBe(two.id);
  });
});

describe("[SIMULATION-7] what travels", () => {
  const cases = [
    { what: "nothing new", here: 0, there: 0 },
    { what: "one side ahead", here: 12, there: 0 },
    { what: "the other side ahead", here: 0, there: 7 },
    { what: "both ahead", here: 30, there: 40 },
  ];
  for (const { what, here, there } of cases) {
    test(`${what}: exactly the missing entries`, async () => {
      const { id, devices } = await cluster.addGroup(2);
      const [a, b] = devices as [Device, Device];
      for (let i = 0; i < 10; i++) await (i % 2 === 0 ? a : b).write(id, `before ${i}`, { i });
      await cluster.converge(id, devices);
      cluster.cut(a.key, b.key);
      await cluster.pass(60_000);
      for (let i = 0; i < here; i++) await a.write(id, `a ${i}`, { i });
      for (let i = 0; i < there; i++) await b.write(id, `b ${i}`, { i });
      const traffic = new Traffic(cluster, a, id);
      cluster.heal(a.key, b.key);
      await cluster.converge(id, devices);
      await cluster.pass(10_000);
      expect([traffic.between(a.key, b.key), traffic.between(b.key, a.key)]).toEqual([here, there]);
    });
  }

  test("what came by another way already does not travel again", async () => {
    const { id, devices } = await cluster.addGroup(3);
    const [a, b, c] = devices as [Device, Device, Device];
    await cluster.pass(5_000);
    cluster.cut(a.key, b.key);
    await cluster.pass(60_000);
    for (let i = 0; i < 10; i++) await a.write(id, `through c ${i}`, { i });
    await cluster.converge(id, devices);
    cluster.cut(b.key, c.key);
    await cluster.pass(60_000);
    for (let i = 0; i < 4; i++) await a.write(id, `only a and c ${i}`, { i });
    for (let i = 0; i < 3; i++) await b.write(id, `only b ${i}`, { i });
    await cluster.converge(id, [a, c]);
    const traffic = new Traffic(cluster, a, id);
    cluster.heal(a.key, b.key);
    await cluster.converge(id, devices);
    await cluster.pass(10_000);
    expect([traffic.between(a.key, b.key), traffic.between(b.key, a.key)]).toEqual([4, 3]);
    expect(traffic.total).toBe(4 + 3 + 3);
  });

  test("writes of the same instant to the same cells: one winner, wherever and in whatever order they come", async () => {
    const { id, devices } = await cluster.addGroup(3);
    await cluster.pass(5_000);
    for (const one of devices) for (const other of devices) if (one !== other) cluster.cut(one.key, other.key);
    for (let i = 0; i < 100; i++) await Promise.all(devices.map((device, by) => device.write(id, `r${i}`, { by })));
    const states = devices.map((device) => device.stateDigest(id));
    expect(new Set(states).size).toBe(3);
    cluster.healAll();
    await cluster.converge(id, devices);
    const rows = devices.map((device) => JSON.stringify([...device.rows(id)]));
    expect(new Set(rows).size).toBe(1);
    const winners = new Set([...(devices[0] as Device).rows(id).values()].map((row) => (row as { by: number }).by));
    expect(winners.size).toBe(3);
  });
});

describe("[SIMULATION-7] sync turned on and off", () => {
  const user = "app";

  async function enable(device: Device, database: DatabaseId, enabled: boolean): Promise<void> {
    const wish = { database, user, enabled, onCommit: true, intervalMs: 0, properties: {} };
    await device.instance.sync.execute("setPreferences", wish, new AbortController().signal);
  }

  test("what was written while it was off comes when it is on again, also when it was off over a restart", async () => {
    const { id, devices } = await cluster.addGroup(2);
    const [a, b] = devices as [Device, Device];
    await cluster.pass(5_000);
    await enable(b, id, false);
    await a.write(id, "while off", {});
    await cluster.pass(60_000);
    expect(b.rows(id).size).toBe(0);
    const again = await cluster.restart(b);
    await cluster.pass(60_000);
    expect(again.rows(id).size).toBe(0);
    expect(a.instance.status(id).peers.every(({ state }) => state === "comparing")).toBe(true);
    await enable(again, id, true);
    await cluster.converge(id, [a, again]);
    expect(again.rows(id).size).toBe(1);
    const last = await cluster.restart(again);
    await a.write(id, "on again", {});
    await cluster.until(() => last.rows(id).size === 2);
  });

  test("one that is off is answered like one that is not there", async () => {
    const { id, devices } = await cluster.addGroup(2);
    const [a, b] = devices as [Device, Device];
    await enable(a, id, false);
    cluster.network.drop(a.key, b.key);
    await cluster.pass(10_000);
    const off = new Traffic(cluster, a, id);
    await b.write(id, "asks in vain", {});
    await cluster.pass(60_000);
    expect([a.rows(id).size, off.total]).toEqual([0, 0]);
    expect(b.instance.status(id).peers.every(({ state }) => state === "comparing")).toBe(true);
  });
});
