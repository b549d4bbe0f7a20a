import { describe, expect, test } from "vitest";
import type { Entry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import { type DatabaseId, type EntryId, entryIdFromDigest, type Sha256 } from "../core/ids.ts";
import { wantsMax } from "../core/limits.ts";
import { WRITE } from "../core/store/power.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import type { Storage, StoredEntry } from "../ports/storage.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { SeededRandom } from "../testing/random.ts";
import { SlowStorage } from "../testing/slow-storage.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { turn } from "../testing/turn.ts";
import { Healing, type HealingEvent } from "./healing.ts";

const corrupt = new TidemarkError("STORAGE_CORRUPT", { where: "an entry" });

/** One damaged byte. */
function flip(disk: MemoryDisk, database: DatabaseId, position: number): void {
  const bytes = disk.databases.get(database)?.bytes[position];
  if (bytes === undefined) throw new Error(`nothing at ${position}`);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x10;
}

/** A healing on a storage of its own, whose entries are random bytes under their true ids. */
class World {
  readonly clock = new SimulatedClock(0);
  readonly disk = new MemoryDisk();
  readonly events: HealingEvent[] = [];
  /** When, and what was asked for. */
  readonly asked: (readonly [seconds: number, ids: readonly EntryId[]])[] = [];
  readonly storage = new SlowStorage(createMemoryStorage(this.disk), { clock: this.clock, writeMs: () => 0 });
  readonly healing: Healing;
  readonly entries: readonly StoredEntry[];
  readonly database: DatabaseId;

  private constructor(sha256: Sha256, count: number, over: Partial<Pick<Storage, "read" | "replace">>) {
    const { storage, clock } = this;
    const source = new StoredEntries(new SeededRandom(1));
    this.database = source.database;
    this.entries = source.take(count).map((entry) => ({ ...entry, id: entryIdFromDigest(sha256(entry.bytes)) }));
    this.healing = new Healing({
      storage: {
        read: (...range) => storage.read(...range),
        salvage: (...range) => storage.salvage(...range),
        replace: (...given) => storage.replace(...given),
        ...over,
      },
      clock,
      sha256,
      database: this.database,
      at: (position) => this.entries[position] as StoredEntry,
      stored: () => this.entries.length,
      want: (ids) => this.asked.push([clock.now() / 1_000, ids]),
      reported: (event) => this.events.push(event),
    });
  }

  static async create(count: number, over: Partial<Pick<Storage, "read" | "replace">> = {}): Promise<World> {
    const world = new World(await loadSha256(), count, over);
    const { database, entries, storage } = world;
    await storage.putDatabase({ id: database, name: "notes", relays: [] });
    await storage.commit({ database, position: 0, entries });
    return world;
  }

  nodes(...positions: readonly number[]): readonly Node[] {
    return positions.map((position) => ({ ...this.entries[position], position }) as unknown as Node);
  }

  async check(...positions: readonly number[]): Promise<string> {
    const outcome = await this.healing.check(this.nodes(...positions), corrupt).then(
      () => "readable",
      (error: TidemarkError) => error.code,
    );
    for (let i = 0; i < 20; i++) await turn();
    return outcome;
  }

  take(...positions: readonly number[]): Promise<void> {
    return this.healing.take(positions.map((position) => this.entries[position] as unknown as Entry));
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    for (let i = 0; i < 5; i++) await turn();
  }

  idsAt(...positions: readonly number[]): readonly EntryId[] {
    return positions.map((position) => (this.entries[position] as StoredEntry).id);
  }

  bytesAt(position: number): Promise<readonly Uint8Array[]> {
    return this.storage.read(this.database, position, position + 1);
  }
}

describe("[STORAGE-26] when an entry cannot be read", () => {
  test("every damaged entry of the log is found and asked for, and nothing else", async () => {
    const world = await World.create(3_000);
    for (const position of [5, 1_000, 1_001, 2_999]) flip(world.disk, world.database, position);
    expect(await world.check(5)).toBe("STORAGE_CORRUPT");
    expect(world.asked.map(([, ids]) => ids)).toEqual([world.idsAt(5)]);
    expect(world.events).toEqual([
      { type: "damaged", entries: 1 },
      { type: "damaged", entries: 3 },
    ]);
    await world.pass(5_000);
    expect(world.asked.at(-1)).toEqual([5, world.idsAt(5, 1_000, 1_001, 2_999)]);
  });

  test("what is sound beside it is put back at once and asked of nobody, and reading goes on", async () => {
    const spoilt = new Set([0, 1]);
    const inner: { world?: World } = {};
    // As storage on IndexedDB does: what shares a segment with a damaged entry cannot be read either.
    const world = await World.create(4_096, {
      read: async (database, from, to) => {
        if ([...spoilt].some((half) => from < 2_048 * (half + 1) && to > 2_048 * half)) throw corrupt;
        return await (inner.world as World).storage.read(database, from, to);
      },
      replace: async (database, position, entries) => {
        spoilt.delete(position < 2_048 ? 0 : 1);
        await (inner.world as World).storage.replace(database, position, entries);
      },
    });
    inner.world = world;
    flip(world.disk, world.database, 3_000);
    expect(await world.check(7, 30)).toBe("readable");
    expect([world.healing.damaged, spoilt.size]).toEqual([1, 0]);
    expect(world.asked.map(([, ids]) => ids)).toEqual([world.idsAt(3_000)]);
    expect(world.events.map(({ type }) => type)).toEqual(["salvaged", "salvaged", "damaged"]);
  });

  test("it is asked for again after 5, 10, 20 … seconds, and at last every hour, until it came", async () => {
    const world = await World.create(10);
    flip(world.disk, world.database, 3);
    await world.check(3);
    await world.pass(40_000);
    expect(world.asked.map(([at]) => at)).toEqual([0, 5, 15, 35]);
    await world.pass(20 * 3_600_000);
    const last = world.asked.slice(-2).map(([at]) => at) as [number, number];
    expect(last[1] - last[0]).toBe(3_600);
    await world.take(3);
    flip(world.disk, world.database, 4);
    const before = world.asked.length;
    const start = world.clock.now() / 1_000;
    await world.check(4);
    await world.pass(5_000);
    expect(world.asked.slice(before).map(([at]) => at - start)).toEqual([0, 5]);
    await world.take(4);
    const { length } = world.asked;
    await world.pass(20 * 3_600_000);
    expect([world.asked.length, world.healing.damaged]).toEqual([length, 0]);
  });

  test("more than can be asked for at once has its turn, and is asked for at once when what was asked for came", async () => {
    const world = await World.create(wantsMax + 10);
    const all = world.entries.map((_, i) => i);
    for (const position of all) flip(world.disk, world.database, position);
    await world.check(...all);
    expect(world.asked.map(([at, ids]) => [at, ids.length])).toEqual([[0, wantsMax]]);
    await world.take(...all.slice(0, wantsMax));
    expect(world.asked.map(([at, ids]) => [at, ids])).toEqual([
      [0, world.idsAt(...all.slice(0, wantsMax))],
      [0, world.idsAt(...all.slice(wantsMax))],
    ]);
    await world.take(...all.slice(wantsMax));
    expect(world.healing.damaged).toBe(0);
  });

  test("whoever provokes it again and again costs no more than one look at the log per minute", async () => {
    const world = await World.create(5_000);
    flip(world.disk, world.database, 3);
    await world.check(3);
    const before = world.storage.reads;
    for (let i = 0; i < 50; i++) await world.check(3);
    expect(world.storage.reads).toBe(before);
    for (let i = 0; i < 50; i++) await world.check(4_000);
    expect(world.storage.reads).toBe(before + 50);
    await world.pass(60_000);
    await world.check(4_000);
    expect(world.storage.reads).toBeGreaterThan(before + 53);
  });

  test("a failure of another kind is not for it, and what storage refuses is reported", async () => {
    const quota = new TidemarkError("STORAGE_QUOTA", { reason: "full" });
    const world = await World.create(10, { replace: () => Promise.reject(quota) });
    await expect(world.healing.check(world.nodes(1), quota)).rejects.toBe(quota);
    expect(world.events).toEqual([]);
    flip(world.disk, world.database, 1);
    await world.check(1);
    await world.take(1);
    expect(world.events.at(-1)).toEqual({ type: "failed", error: quota });
    await world.pass(5_000);
    expect(world.asked.at(-1)).toEqual([5, world.idsAt(1)]);
  });

  test("after stop nothing is looked at or asked for", async () => {
    const world = await World.create(10);
    flip(world.disk, world.database, 3);
    flip(world.disk, world.database, 4);
    await world.check(3);
    const { length } = world.asked;
    await world.healing.stop();
    const { reads } = world.storage;
    expect(await world.check(5)).toBe("STORAGE_CORRUPT");
    world.healing.ask();
    await world.pass(1_000_000);
    expect([world.asked.length, world.storage.reads]).toEqual([length, reads]);
  });
});

test("[STORAGE-27] only a damaged entry is put back, and it is as it was", async () => {
  const world = await World.create(20);
  const [sound] = await world.bytesAt(2);
  flip(world.disk, world.database, 1);
  await world.check(1);
  await world.take(2, 3);
  expect([world.healing.damaged, world.events.length]).toEqual([1, 1]);
  await world.take(0, 1, 1, 2);
  expect(world.events.at(-1)).toEqual({ type: "healed", entries: 1, left: 0 });
  expect(await world.bytesAt(1)).toEqual([world.entries[1]?.bytes]);
  expect(await world.bytesAt(2)).toEqual([sound]);
});

/** Two devices that hold 30 rows, of which the second was started anew: what it serves comes from its disk. */
async function pair(): Promise<{
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly ticket: string;
  readonly a: Device;
  readonly b: Device;
}> {
  const cluster = new Cluster(1);
  const [a, b] = [await cluster.addDevice(), await cluster.addDevice()];
  const { id } = await a.instance.createDatabase("Board");
  const ticket = await a.instance.share(id, { power: WRITE });
  await b.instance.join(ticket);
  await cluster.settle(b.instance.ready(id));
  for (let i = 0; i < 30; i++) await a.write(id, `row ${i}`, { i });
  await cluster.converge(id, [a, b]);
  return { cluster, id, ticket, a, b: await cluster.restart(b) };
}

test("[STORAGE-26] [STORAGE-27] a damaged device serves and shows what is right again after it met another, and never what is damaged", async () => {
  const { cluster, id, ticket, a, b } = await pair();
  const expected = b.disk.databases.get(id)?.bytes.map((bytes) => bytes.slice()) ?? [];
  const damaged = [5, 6, 20, expected.length - 1];
  for (const position of damaged) flip(b.disk, id, position);
  a.instance.setOnline(false);
  const c = await cluster.addDevice();
  await c.instance.join(ticket);
  await cluster.pass(30_000);
  const { graph } = b.instance.database(id).replica;
  for (const position of damaged) {
    await expect(b.instance.database(id).log.read([graph.at(position)])).rejects.toMatchObject({
      code: "STORAGE_CORRUPT",
    });
    expect(c.instance.find(id)?.replica.graph.has(graph.at(position).id)).toBe(false);
  }
  a.instance.setOnline(true);
  await cluster.until(() => b.instance.database(id).healing.damaged === 0, 600_000);
  expect(b.disk.databases.get(id)?.bytes.slice(0, expected.length)).toEqual(expected);
  // Only the device that made the ticket lets somebody in.
  await cluster.settle(c.instance.ready(id));
  a.instance.setOnline(false);
  await cluster.converge(id, [b, c], 600_000);
  const restarted = await cluster.restart(b);
  await cluster.converge(id, [restarted, c], 600_000);
  for (const device of [restarted, c]) expect(device.rows(id)).toEqual(a.rows(id));
  expect(restarted.problems).toEqual([]);
});
