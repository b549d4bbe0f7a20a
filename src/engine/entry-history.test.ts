import { beforeEach, describe, expect, test } from "vitest";
import type { StorePart } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, type EntryId, formatCid } from "../core/ids.ts";
import { NONE, READ, RELAY, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { Cluster } from "../testing/cluster.ts";
import { countReads, type LogReads } from "../testing/counting-storage.ts";
import type { Device } from "../testing/device.ts";
import { SeededRandom } from "../testing/random.ts";
import { simulatedSealing } from "../testing/simulated-sealing.ts";
import { keyOf, rowParts, setPower, settingsParts } from "../testing/writers.ts";
import { type HistoryQuery, type PastEntries, type PastEntry, readHistory } from "./entry-history.ts";
import type { WriteEvent } from "./hook-reader.ts";

let cluster: Cluster;

beforeEach(() => {
  cluster = new Cluster(1);
});

/** A database that nobody else has, of one entry. */
async function alone(): Promise<{ readonly id: DatabaseId; readonly device: Device }> {
  const device = await cluster.addDevice();
  const { id } = await cluster.settle(device.instance.createDatabase("Shared"));
  return { id, device };
}

function page({ instance }: Device, id: DatabaseId, query: Partial<HistoryQuery> = {}): Promise<PastEntries> {
  return readHistory(instance.database(id), { order: "newest", limit: 1_000, ...query });
}

/** Page by page; `between` is called after each. */
async function walk(
  device: Device,
  id: DatabaseId,
  query: Pick<HistoryQuery, "order" | "limit">,
  between: () => Promise<void> = async () => {},
): Promise<readonly PastEntry[]> {
  const found: PastEntry[] = [];
  for (let next: EntryId | undefined; ; ) {
    const from = next === undefined ? {} : query.order === "newest" ? { before: next } : { after: next };
    const { entries, next: last } = await page(device, id, { ...query, ...from });
    expect(entries.length).toBeLessThanOrEqual(query.limit);
    found.push(...entries);
    if (last === undefined) return found;
    expect(last).toBe(entries.at(-1)?.id);
    next = last;
    await between();
  }
}

function idsOf(entries: readonly PastEntry[]): readonly EntryId[] {
  return entries.map(({ id }) => id);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.catch((thrown: unknown) => thrown);
  return error instanceof TidemarkError ? error.code : "resolved";
}

describe("[HISTORY-1] [HISTORY-2] the order", () => {
  test("is the same on every device, from either end, in pages of any size, with each entry after its parents", async () => {
    const { id, devices } = await cluster.addGroup(3);
    const [one, two, three] = devices as [Device, Device, Device];
    cluster.cut(one.key, two.key);
    cluster.cut(two.key, three.key);
    for (let i = 0; i < 15; i++) {
      await cluster.settle(cluster.random.pick(devices).write(id, `${i}`, {}));
      await cluster.pass(cluster.random.int(50));
    }
    cluster.healAll();
    await cluster.converge(id, devices);
    const all = await walk(one, id, { order: "oldest", limit: 1_000 });
    expect(all).toHaveLength(17);
    const places = new Map(idsOf(all).map((each, place) => [each, place]));
    for (const { id: each, parents } of all)
      for (const parent of parents) expect(places.get(parent)).toBeLessThan(places.get(each) as number);
    expect(all[0]).toMatchObject({ id, parents: [] });
    for (const device of devices)
      for (const limit of [1, 4, 16, 17, 18]) {
        expect(idsOf(await walk(device, id, { order: "oldest", limit }))).toEqual(idsOf(all));
        expect(idsOf(await walk(device, id, { order: "newest", limit }))).toEqual([...idsOf(all)].reverse());
      }
  });

  test("has bounds on both sides, which may leave nothing", async () => {
    const { id, device } = await alone();
    for (let i = 0; i < 5; i++) await cluster.settle(device.write(id, `${i}`, {}));
    const all = idsOf((await page(device, id, { order: "oldest" })).entries);
    const [after, before] = [all[1], all[5]] as [EntryId, EntryId];
    expect(idsOf((await page(device, id, { order: "oldest", after, before })).entries)).toEqual(all.slice(2, 5));
    const newest = await page(device, id, { after, before, limit: 2 });
    expect([idsOf(newest.entries), newest.next]).toEqual([[all[4], all[3]], all[3]]);
    expect(await page(device, id, { after: before, before: after })).toMatchObject({ entries: [], next: undefined });
    expect(await page(device, id, { before: all[0] as EntryId })).toMatchObject({ entries: [], next: undefined });
  });
});

describe("[HISTORY-2] pages", () => {
  test.each(["newest", "oldest"] as const)(
    "from the %s give each entry once that is there all along, whatever comes, becomes void or counts again",
    async (order) => {
      for (let seed = 1; seed <= 6; seed++) {
        cluster = new Cluster(seed);
        const random = new SeededRandom(seed);
        const { id, devices } = await cluster.addGroup(4);
        const [owner, admin, writer, reader] = devices as [Device, Device, Device, Device];
        await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(admin.key, 1))));
        await cluster.converge(id, devices);
        for (const one of [owner, admin]) for (const other of [writer, reader]) cluster.cut(one.key, other.key);
        for (let i = 0; i < 8; i++) {
          await cluster.settle(random.pick(devices).write(id, `${i}`, {}));
          await cluster.pass(1 + random.int(20));
        }
        await cluster.settle(writer.write(id, "to be void", {}));
        await cluster.converge(id, [writer, reader]);
        const steps = [
          () => cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(writer.key, NONE)))),
          () => cluster.settle(admin.write(id, "late", {})),
          async () => cluster.healAll(),
          () => cluster.pass(3_000),
        ];
        const { graph } = reader.instance.database(id).replica;
        const before = await walk(reader, id, { order, limit: 1_000 });
        const found = await walk(reader, id, { order, limit: 2 }, async () => void (await steps.shift()?.()));
        for (const step of steps) await step();
        await cluster.until(() => graph.voidCount > 0);
        const ids = idsOf(found);
        expect(new Set(ids).size).toBe(ids.length);
        const there = new Set(idsOf(before));
        expect(ids.filter((each) => there.has(each))).toEqual(idsOf(before));
      }
    },
  );
});

describe("[HISTORY-3] an entry", () => {
  test("says who wrote it, when, what it follows, and how much it wrote to what", async () => {
    const { id, devices } = await cluster.addGroup(2);
    const [owner, other] = devices as [Device, Device];
    const named = { type: "set", key: other.key, power: WRITE, name: "Ada" } as const;
    await cluster.settle(owner.instance.commit(id, () => settingsParts(named)));
    const stores = [{ name: "page", type: "sketch", payload: Uint8Array.of(1) }, ...rowParts("r", { n: 1 }, "tasks")];
    await cluster.converge(id, devices);
    await cluster.settle(other.instance.commit(id, () => stores));
    await cluster.settle(other.set(id, "theme", "dark", "prefs"));
    await cluster.converge(id, devices);
    const { entries } = await page(owner, id, { limit: 3 });
    const { graph } = owner.instance.database(id).replica;
    expect(entries.map(({ id: each }) => graph.get(each)?.time)).toEqual(entries.map(({ time }) => time));
    const common = { author: other.key, name: "Ada", isYou: false, counts: true, content: "whole", settings: [] };
    expect(entries).toMatchObject([
      { ...common, seq: 1, parents: [entries[1]?.id], stores: [{ name: "prefs", type: "kv", count: 1 }] },
      {
        ...common,
        seq: 0,
        parents: [entries[2]?.id],
        stores: [
          { name: "page", type: "sketch" },
          { name: "tasks", type: "table", count: 1 },
        ],
      },
      { author: owner.key, name: "", isYou: true, seq: 2, stores: [] },
    ]);
    expect(entries[2]?.settings).toEqual([
      { type: "set", key: other.key, permission: "write", power: WRITE, name: "Ada" },
    ]);
  });

  test("of the settings says in words what it did, without secrets and without texts that mislead", async () => {
    const { id, device } = await alone();
    const [invite, key] = [keyOf(50), keyOf(51)];
    const ops: readonly SettingsOp[] = [
      { type: "name", name: "Plan" },
      { type: "set", key, power: NONE, name: "hidden\u0000rest" },
      { type: "invite", key: invite, power: 7, label: "Ada", uses: 2, expiresMs: 5 },
      { type: "public", power: READ },
    ];
    await cluster.settle(device.instance.commit(id, () => settingsParts(...ops)));
    await cluster.settle(
      device.instance.commit(id, () => settingsParts({ type: "invite", key: invite, power: NONE, label: "Ada" })),
    );
    await cluster.settle(device.instance.commit(id, () => settingsParts({ type: "remove" })));
    const { entries } = await page(device, id, { order: "oldest" });
    expect(entries.map(({ settings }) => settings).slice(1)).toEqual([
      [
        { type: "name", name: "Plan" },
        { type: "set", key, permission: "none", power: NONE },
        { type: "invite", invite, permission: "admin", power: 7, label: "Ada", expiresAtMs: 5, uses: 2 },
        { type: "public", permission: "read", power: READ },
      ],
      [{ type: "withdraw", invite }],
      [{ type: "remove" }],
    ]);
    expect(entries[0]?.settings[0]).toEqual({ type: "name", name: "Shared" });
  });

  test("that is void is listed as that", async () => {
    const { id, devices } = await cluster.addGroup(3);
    const [owner, writer, reader] = devices as [Device, Device, Device];
    for (const other of [writer, reader]) cluster.cut(owner.key, other.key);
    await cluster.settle(writer.write(id, "late", {}));
    await cluster.converge(id, [writer, reader]);
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(writer.key, NONE))));
    expect((await page(reader, id)).entries.map(({ counts }) => counts)).toEqual([true, true, true]);
    cluster.healAll();
    await cluster.until(() => reader.instance.database(id).replica.graph.voidCount === 1);
    await cluster.settle(reader.instance.database(id).durable());
    const { entries } = await page(reader, id);
    expect(entries.filter(({ counts }) => !counts)).toMatchObject([
      { author: writer.key, stores: [{ name: "rows", type: "table", count: 1 }] },
    ]);
    expect(entries).toHaveLength(4);
  });

  test("that is sealed shows what it wrote where its key is, and that it is sealed elsewhere; settings are in clear", async () => {
    const owner = await cluster.addDevice();
    const { id } = await cluster.settle(owner.instance.createDatabase("Board", { encrypted: true, sync: true }));
    const relay = await cluster.addDevice();
    const sealKey = simulatedSealing(relay.secret, relay.sha256).publicKey;
    const ops = [{ type: "set", key: relay.key, power: RELAY, sealKey }] as const;
    await cluster.settle(owner.instance.database(id).commitSettings(() => ops));
    await cluster.settle(relay.instance.join(await owner.instance.ticket(id)));
    await cluster.settle(relay.instance.ready(id));
    await cluster.settle(owner.write(id, "r", {}, "notes"));
    await cluster.converge(id, [owner, relay]);
    const [mine] = (await page(owner, id)).entries;
    expect(mine).toMatchObject({ content: "whole", stores: [{ name: "notes", type: "table", count: 1 }] });
    const theirs = (await page(relay, id)).entries;
    expect(theirs[0]).toMatchObject({ id: mine?.id, content: "sealed", stores: [], settings: [] });
    expect(theirs.at(-1)?.settings).toContainEqual({ type: "name", name: "Board" });
    expect(theirs.at(-1)?.settings).toContainEqual({ type: "epoch", number: 1, keys: 1 });
  });

  test("that the disk has lost is listed as that, with what the index still has of it, beside those that are sound", async () => {
    const { id, device: owner } = await alone();
    for (let i = 0; i < 4; i++) await cluster.settle(owner.write(id, `${i}`, {}));
    const whole = (await page(owner, id, { order: "oldest" })).entries;
    const device = await cluster.restart(owner);
    const bytes = device.disk.databases.get(id)?.bytes[3] as Uint8Array;
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 0x10;
    const { entries } = await page(device, id, { order: "oldest" });
    expect(entries).toEqual(whole.map((each, i) => (i === 3 ? { ...each, content: "damaged", stores: [] } : each)));
    expect(device.problems.map(({ code }) => code)).toEqual(["STORAGE_CORRUPT"]);
  });
});

describe("[HISTORY-4] a page", () => {
  async function counted(parts: readonly (readonly StorePart[])[]): Promise<[Device, DatabaseId, LogReads]> {
    const { id, device: before } = await alone();
    for (const part of parts) await cluster.settle(before.instance.commit(id, () => part));
    let reads: LogReads | undefined;
    const device = await cluster.restart(before, {
      ports: (ports) => {
        const { storage, ...found } = countReads(ports.storage);
        reads = found.reads;
        return { ...ports, storage };
      },
    });
    (reads as LogReads).ranges.length = 0;
    return [device, id, reads as LogReads];
  }

  test("reads what it lists and nothing else, however long the log is", async () => {
    const [device, id, reads] = await counted(Array.from({ length: 600 }, (_, i) => rowParts(`${i}`)));
    const first = await page(device, id, { limit: 10 });
    expect([first.entries.length, reads.entries()]).toEqual([10, 10]);
    const { entries } = await page(device, id, {
      limit: 10,
      before: (await page(device, id, { limit: 300 })).next as EntryId,
    });
    expect([entries.length, reads.entries()]).toEqual([10, 10 + 300 + 10]);
    expect(entries[0]?.stores).toEqual([{ name: "rows", type: "table", count: 1 }]);
  });

  test("ends before 8 MiB of entries, and has one at least", async () => {
    const big = (i: number, mib: number): readonly StorePart[] => rowParts(`${i}`, { text: "x".repeat(mib << 20) });
    const [device, id, reads] = await counted([big(1, 9), big(2, 3), big(3, 3), big(4, 3)]);
    const sizes: number[] = [];
    for (let next: EntryId | undefined; ; ) {
      const found = await page(device, id, next === undefined ? {} : { before: next });
      sizes.push(found.entries.length);
      next = found.next;
      if (next === undefined) break;
    }
    expect(sizes).toEqual([2, 1, 1, 1]);
    // One by one: none of them is in memory with another.
    for (const { from, to } of reads.ranges) expect(to - from).toBe(1);
  });
});

test("[HISTORY-5] a hook that goes on after the cursor of a page gets what was not there yet for it, and no more", async () => {
  const { id, devices } = await cluster.addGroup(2);
  const [one, two] = devices as [Device, Device];
  cluster.cut(one.key, two.key);
  await cluster.settle(two.write(id, "earlier, and late", {}));
  await cluster.pass(1_000);
  for (let i = 0; i < 3; i++) await cluster.settle(one.write(id, `${i}`, {}));
  const { entries, cursor } = await one.instance.history(id, { order: "newest", limit: 1_000 });
  await cluster.settle(one.write(id, "new", {}));
  cluster.healAll();
  await cluster.converge(id, devices);
  const events: WriteEvent[] = [];
  one.instance.sync.addHook({ database: id, after: cursor, write: (event) => void events.push(event) });
  await cluster.until(() => events.flatMap((event) => event.entries).length === 2);
  const told = events.flatMap((event) => event.entries.map((entry) => entry.id));
  const all = (await page(one, id)).entries;
  expect([...idsOf(entries), ...told].sort()).toEqual([...idsOf(all)].sort());
  // What came late stands where its time says, and not where it came.
  expect(idsOf(all).indexOf(told[1] as EntryId)).toBeGreaterThan(idsOf(all).indexOf(entries[0]?.id as EntryId));
});

test("[HISTORY-13] an entry that is not durable here is unknown, and what has come of a database is listed at once", async () => {
  const { id, devices } = await cluster.addGroup(2);
  const [one, two] = devices as [Device, Device];
  cluster.cut(one.key, two.key);
  await cluster.settle(one.write(id, "not there", {}));
  const [newest] = (await page(one, id)).entries;
  expect((await page(two, id)).entries).toHaveLength(2);
  const before = newest?.id as EntryId;
  for (const query of [{ before }, { after: before }, { before: "no id" as EntryId }])
    expect(await codeOf(page(two, id, query))).toBe("ENTRY_UNKNOWN");
  const error = await page(two, id, { before }).catch((thrown: TidemarkError) => thrown);
  expect(error).toMatchObject({ details: { entry: formatCid(before) } });
  cluster.healAll();
  await cluster.converge(id, devices);
  expect((await page(two, id, { before })).entries).toHaveLength(2);
});

test("[HISTORY-3] [HISTORY-13] what is not durable yet is not listed, and is unknown", async () => {
  const { id, devices } = await cluster.addGroup(2, { writeMs: () => 100 });
  const [device] = devices as [Device];
  const { replica } = device.instance.database(id);
  const writing = device.write(id, "r", {});
  await cluster.until(() => replica.graph.size > replica.stored);
  const { id: newest } = replica.graph.at(replica.graph.size - 1);
  expect(idsOf((await page(device, id)).entries)).not.toContain(newest);
  expect(await codeOf(page(device, id, { before: newest }))).toBe("ENTRY_UNKNOWN");
  await cluster.settle(writing);
  expect((await page(device, id)).entries[0]?.id).toBe(newest);
});
