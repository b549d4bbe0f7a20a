import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, entryIdFromDigest, publicKeyFromBytes } from "../core/ids.ts";
import type { LocalRecord, RecordKind } from "../ports/storage.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { SeededRandom } from "../testing/random.ts";
import { SlowStorage } from "../testing/slow-storage.ts";
import { turn } from "../testing/turn.ts";
import { LocalStore } from "./local-store.ts";
import type { HookRecord, RecordByKind, RelationRecord } from "./records.ts";

const random = new SeededRandom(1);
const database: DatabaseId = entryIdFromDigest(random.bytes(32));
const peer = publicKeyFromBytes(random.bytes(32));

const lastError = { code: "CHANNEL_CLOSED", atMs: 1_700_000_000_000 };

const relation: RelationRecord = {
  peer,
  database,
  state: "on",
  epoch: "0123456789abcdef0123456789abcdef",
  heldThrough: 1_000_000,
  cursor: { digest: "f".repeat(64), position: 1_000_000 },
  attempts: 1_000,
  successes: 1_000,
  entriesSent: 1_000_000,
  entriesReceived: 1_000_000,
  bytesSent: 1_000_000_000,
  bytesReceived: 1_000_000_000,
  lastOkMs: 1_700_000_000_000,
  lastError,
};

const samples: RecordByKind = {
  relation,
  request: {
    database,
    key: peer,
    name: "Ann",
    note: "It is me.",
    power: 100,
    sealKey: undefined,
    askedMs: 5,
    held: 999,
    state: "rejected",
    decidedBy: peer,
    decidedMs: 6,
  },
  peer: {
    key: peer,
    isRegistered: true,
    name: "phone",
    state: "active",
    addresses: [
      { address: "memory:a", successes: 1, failures: 0, failuresInRow: 0, lastOkMs: undefined, lastError },
      { address: "memory:b", successes: 0, failures: 2, failuresInRow: 2, lastOkMs: 5, lastError: undefined },
    ],
    firstSeenMs: 1,
    lastSeenMs: 2.5,
    attempts: 3,
    successes: 1,
    bytesSent: 1,
    bytesReceived: 2,
    roundTripMs: 0.25,
    version: 2,
    lastError,
  },
  preferences: { database, user: "app", enabled: true, onCommit: true, intervalMs: 0, properties: { a: "b" } },
  transport: {
    name: "lan",
    type: "memory",
    config: { port: 1, names: ["a", null], key: Uint8Array.of(1) },
    state: undefined,
    isRunning: true,
    accepts: false,
  },
  job: {
    id: "1",
    type: "backfill",
    database,
    peer,
    state: "running",
    startedMs: 1,
    endedMs: undefined,
    receivedEntries: 1,
    receivedBytes: 2,
    totalEntries: 3,
    totalBytes: 4,
    batches: 1,
    error: undefined,
  },
  hook: { name: "search", database, position: 7 },
  history: {
    id: "1",
    peer,
    database,
    startedMs: 1,
    endedMs: 2,
    entriesSent: 1,
    entriesReceived: 1,
    bytesSent: 1,
    bytesReceived: 1,
    error: undefined,
  },
};
const kinds = Object.keys(samples) as RecordKind[];

function hook(position: number): HookRecord {
  return { name: "search", database, position };
}

/** A storage whose writes are counted, and fail when told so. */
class World {
  readonly clock = new SimulatedClock(0);
  readonly disk = new MemoryDisk();
  readonly failures: unknown[] = [];
  readonly writes: (readonly LocalRecord[])[] = [];
  isFull = false;
  readonly storage = new SlowStorage(createMemoryStorage(this.disk), { clock: this.clock, writeMs: () => 0 });

  constructor() {
    const { storage } = this;
    const putRecords = storage.putRecords.bind(storage);
    storage.putRecords = async (changes) => {
      this.writes.push(changes);
      if (this.isFull) throw new TidemarkError("STORAGE_QUOTA", { reason: "full" });
      await putRecords(changes);
    };
  }

  open(): Promise<LocalStore> {
    const { storage, clock } = this;
    return LocalStore.open({ storage, clock, failed: (error) => this.failures.push(error) });
  }

  /** What a start after a crash of now would find. */
  async stored(kind: RecordKind): Promise<readonly unknown[]> {
    return (await createMemoryStorage(this.disk).records(kind)).map(({ value }) => value);
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    for (let i = 0; i < 5; i++) await turn();
  }
}

test("[STORAGE-22] what was put is there at once, in the order of the keys, and after opening again", async () => {
  const world = new World();
  const store = await world.open();
  for (const kind of kinds) for (const key of ["b", "a"]) store.put(kind, key, samples[kind] as never);
  store.put("hook", "0", hook(1));
  expect([store.get("hook", "0"), store.all("hook")]).toEqual([hook(1), [hook(1), samples.hook, samples.hook]]);
  store.put("hook", "B", hook(3));
  expect(store.all("hook")[1]).toEqual(hook(3));
  store.delete("hook", "B");
  store.put("hook", "b", hook(2));
  store.delete("hook", "a");
  store.delete("hook", "never there");
  await store.close();
  for (const each of [store, await world.open()]) {
    expect([each.get("hook", "a"), each.all("hook")]).toEqual([undefined, [hook(1), hook(2)]]);
    for (const kind of kinds) expect(each.get(kind, "b")).toEqual(kind === "hook" ? hook(2) : samples[kind]);
  }
  expect(world.failures).toEqual([]);
});

test("[STORAGE-22] however much changes, it is written once a second, all of it together", async () => {
  const world = new World();
  const store = await world.open();
  for (let i = 0; i < 100; i++) {
    store.put("hook", `${i % 10}`, hook(i));
    await world.pass(30);
  }
  expect(world.writes.map((changes) => changes.length)).toEqual([10, 10]);
  await world.pass(1_000);
  expect(await world.stored("hook")).toEqual(store.all("hook"));
  const { length } = world.writes;
  await world.pass(10_000);
  expect([length, world.writes.length]).toEqual([3, 3]);
});

test("[STORAGE-22] a crash loses at most what was put in the last second and not flushed", async () => {
  const world = new World();
  const store = await world.open();
  store.put("hook", "a", hook(1));
  await world.pass(1_000);
  store.put("hook", "b", hook(2));
  await store.flush();
  store.put("hook", "a", hook(3));
  await world.pass(999);
  expect(await world.stored("hook")).toEqual([hook(1), hook(2)]);
  await world.pass(1);
  expect(await world.stored("hook")).toEqual([hook(3), hook(2)]);
});

test("[STORAGE-22] what changes while it is written is written next, and flush waits for all of it", async () => {
  const world = new World();
  const store = await world.open();
  store.put("hook", "a", hook(1));
  const first = store.flush();
  store.put("hook", "a", hook(2));
  await store.flush();
  expect(await world.stored("hook")).toEqual([hook(2)]);
  await first;
  await store.flush();
  expect(world.writes.length).toBeLessThanOrEqual(2);
});

test("[STORAGE-22] after close nothing is written any more", async () => {
  const world = new World();
  const store = await world.open();
  await store.close();
  store.put("hook", "a", hook(1));
  await world.pass(10_000);
  expect([world.writes, store.get("hook", "a")]).toEqual([[], hook(1)]);
});

describe("[STORAGE-23] a record of the wrong shape", () => {
  test("is removed and reported, and the others are loaded", async () => {
    const world = new World();
    const good = kinds.map((kind): LocalRecord => ({ kind, key: "good", value: samples[kind] }));
    const bad = kinds.flatMap((kind): LocalRecord[] =>
      [null, 7, "x", [], {}].map((value, i) => ({ kind, key: `bad ${i}`, value })),
    );
    await world.storage.putRecords([...good, ...bad]);
    const store = await world.open();
    for (const kind of kinds) expect(store.all(kind)).toEqual([samples[kind]]);
    expect(world.failures).toMatchObject(kinds.map(() => ({ code: "STORAGE_CORRUPT" })));
    await world.pass(1_000);
    for (const kind of kinds) expect(await world.stored(kind)).toEqual([samples[kind]]);
    await world.open();
    expect(world.failures).toHaveLength(kinds.length);
  });

  test("is noticed whichever field is not what it should be", async () => {
    const store = await new World().open();
    const strange = [-1, 1.5, Number.NaN, "strange", [], [1], {}, null, () => {}];
    // Any data may stand here, and any text there.
    const free = new Set(["config", "state", "name", "user", "id", "type", "epoch", "error"]);
    const texts = new Set(["id", "epoch", "note"]);
    const taken: unknown[] = [];
    for (const kind of kinds)
      for (const field of Object.keys(samples[kind]))
        for (const value of strange) {
          if (free.has(field) && kind !== "job" && kind !== "relation") continue;
          const isTime = field.endsWith("Ms") && typeof value === "number" && !Number.isNaN(value);
          const isEmpty =
            (field === "addresses" && Array.isArray(value) && value.length === 0) ||
            (field === "properties" && JSON.stringify(value) === "{}");
          if (isTime || isEmpty || (texts.has(field) && typeof value === "string")) continue;
          try {
            store.put(kind, "a", { ...samples[kind], [field]: value } as never);
            taken.push([kind, field, value]);
          } catch (error) {
            expect(error).toMatchObject({ code: "INPUT_INVALID" });
          }
          expect(store.all(kind)).toEqual([]);
        }
    expect(taken).toEqual([]);
  });

  test("does not keep a kind that cannot be read at all from being used", async () => {
    const world = new World();
    await world.storage.putRecords([{ kind: "hook", key: "a", value: hook(1) }]);
    const records = world.storage.records.bind(world.storage);
    world.storage.records = async (kind) => {
      if (kind === "peer") throw new TidemarkError("STORAGE_CORRUPT", { where: "a file" });
      return await records(kind);
    };
    const store = await world.open();
    expect([store.all("peer"), store.all("hook")]).toEqual([[], [hook(1)]]);
    expect(world.failures).toMatchObject([{ code: "STORAGE_CORRUPT" }]);
  });

  test("is refused when the app hands it in, however deep it hides", async () => {
    const store = await new World().open();
    let deep: unknown = 1;
    for (let i = 0; i < 10_000; i++) deep = [deep];
    const cycle: unknown[] = [];
    cycle.push(cycle);
    for (const config of [deep, cycle, { a: () => {} }, new Map(), { at: new Date() }, [Symbol("x")]])
      expect(() => store.put("transport", "lan", { ...samples.transport, config })).toThrow("INPUT_INVALID");
  });
});

test("[STORAGE-24] writes that fail are reported once, and made good with the next change", async () => {
  const world = new World();
  const store = await world.open();
  world.isFull = true;
  for (let i = 0; i < 5; i++) {
    store.put("hook", `${i}`, hook(i));
    store.put("hook", "last", hook(i));
    await world.pass(1_000);
  }
  expect(world.failures).toMatchObject([{ code: "STORAGE_QUOTA" }]);
  await expect(store.flush()).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
  expect(await world.stored("hook")).toEqual([]);
  const failing = store.flush();
  await Promise.resolve();
  store.put("hook", "last", hook(9));
  await expect(failing).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
  world.isFull = false;
  store.delete("hook", "0");
  await world.pass(1_000);
  expect(await world.stored("hook")).toEqual([1, 2, 3, 4, 9].map(hook));
  world.isFull = true;
  store.put("hook", "5", hook(5));
  await store.close();
  expect(world.failures).toHaveLength(2);
});

test("[STORAGE-25] what is remembered of a relation is below 1 kB", () => {
  const key = `${relation.peer} ${relation.database}`;
  expect(JSON.stringify({ kind: "relation", key, value: relation }).length).toBeLessThan(1_000);
});
