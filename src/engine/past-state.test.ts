import { sha256 } from "@noble/hashes/sha2.js";
import { beforeEach, describe, expect, test } from "vitest";
import type { VouchedEntry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import { type DatabaseId, type EntryId, encodeHex } from "../core/ids.ts";
import { READ, WRITE } from "../core/store/power.ts";
import type { EpochKeyId } from "../core/store/sealed.ts";
import type { DatabaseState } from "../core/store/state.ts";
import { differences } from "../core/store/state-difference.ts";
import type { CheckpointPart } from "../ports/storage.ts";
import { createMemoryStorage } from "../storage/memory.ts";
import { AuthorityTrial, shuffled } from "../testing/authority-trial.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { Cluster } from "../testing/cluster.ts";
import { countReads, type LogReads } from "../testing/counting-storage.ts";
import type { Device } from "../testing/device.ts";
import { SeededRandom } from "../testing/random.ts";
import { simulatedIdentity } from "../testing/simulated-keys.ts";
import { simulatedSealing } from "../testing/simulated-sealing.ts";
import { typeDocument } from "../testing/typed-document.ts";
import { keyOf, rowParts, setPower, settingsParts, startMs, Writer } from "../testing/writers.ts";
import { OpenDatabase } from "./database.ts";
import { readHistory } from "./entry-history.ts";
import { storedEntry } from "./journal.ts";
import { loadReplica } from "./loading.ts";
import { type FoldingProgress, foldPast, type PastState, presentTips } from "./past-state.ts";
import type { EnginePorts } from "./ports.ts";

const never = new AbortController().signal;

let cluster: Cluster;

beforeEach(() => {
  cluster = new Cluster(1);
});

function at({ instance, ports }: Device, id: DatabaseId, tips: readonly EntryId[]): Promise<PastState> {
  return foldPast({ ports, database: () => instance.database(id), tips, signal: never });
}

function bytesOf({ state }: { readonly state: { encode(): Uint8Array } }): string {
  return encodeHex(state.encode());
}

function presentOf({ instance }: Device, id: DatabaseId): string {
  return bytesOf(instance.database(id).replica);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.catch((thrown: unknown) => thrown);
  return error instanceof TidemarkError ? error.code : "resolved";
}

async function alone(): Promise<{ readonly id: DatabaseId; readonly device: Device }> {
  const device = await cluster.addDevice();
  const { id } = await cluster.settle(device.instance.createDatabase("Shared"));
  return { id, device };
}

/** A database on a disk, as it is opened. */
async function opened(entries: readonly VouchedEntry[], database: DatabaseId): Promise<[OpenDatabase, EnginePorts]> {
  const storage = createMemoryStorage();
  const stored = entries.map((entry) =>
    storedEntry(
      entry,
      entry.stores.some(({ name }) => name === "_settings"),
    ),
  );
  const record = { id: database, name: "Trial", relays: [] };
  await storage.commit({ database, position: 0, entries: stored, record });
  const identity = simulatedIdentity(new Uint8Array(32).fill(7), sha256);
  const clock = new SimulatedClock();
  const keys = { list: () => [] };
  const ports = { storage, identity, sha256, clock, keys } as unknown as EnginePorts;
  const loaded = await storage.load(database);
  if (loaded === undefined) throw new Error("it is durable");
  const { replica } = await loadReplica(ports, loaded);
  const listener = { healing: () => {}, failed: (error: unknown) => expect.fail(String(error)) };
  return [new OpenDatabase(ports, record, replica, undefined, listener as never), ports];
}

describe("[HISTORY-7] the state at tips", () => {
  test("is that of a replica that holds just these entries and what they stand on, also where some were cut since", async () => {
    let different = 0;
    for (let seed = 1; seed <= 8; seed++) {
      const trial = new AuthorityTrial({ seed, isWhole: seed % 2 === 0, sha256 });
      for (let i = 0; i < 45; i++) trial.step();
      const random = new SeededRandom(seed);
      const [database, ports] = await opened(shuffled(trial.entries, random), trial.database);
      const { graph } = database.replica;
      const cut = trial.entries.filter(({ id }) => !graph.counts(graph.get(id) as Node));
      for (let i = 0; i < 6; i++) {
        const among = cut.length > 0 && i % 2 === 0 ? cut : trial.entries;
        const some = Array.from({ length: random.pick([1, 1, 2, 4]) }, () => random.pick(among));
        // With all of them, what cuts is there beside what it cuts.
        const tips = (i === 5 ? trial.entries : some).map(({ id }) => id);
        let merged = 0;
        const onProgress = ({ entries }: FoldingProgress): void => {
          merged = entries;
        };
        const past = await foldPast({ ports, database: () => database, tips, signal: never, onProgress });
        const ids = new Set<string>(tips);
        for (const id of ids) {
          const entry = trial.entries.find((each) => each.id === id) as VouchedEntry;
          for (const followed of trial.modelEntry(entry).parents) ids.add(followed);
        }
        const held = trial.entries.filter(({ id }) => ids.has(id));
        const other = new Writer(keyOf(9), trial.database, sha256);
        other.receive(shuffled(held, random), startMs + 1_000_000);
        expect([seed, i, bytesOf(past)]).toEqual([seed, i, bytesOf(other.replica)]);
        expect([past.entries, merged]).toEqual([
          other.replica.graph.size - other.replica.graph.voidCount,
          past.entries,
        ]);
        const now = held.filter(({ id }) => graph.counts(graph.get(id) as Node));
        if (past.entries !== now.length) different += 1;
      }
      const present = await foldPast({ ports, database: () => database, tips: presentTips(database), signal: never });
      expect(bytesOf(present)).toBe(bytesOf(database.replica));
      expect(present.entries).toBe(graph.size - graph.voidCount);
    }
    expect(different).toBeGreaterThan(0);
  });

  test("has the same bytes on every device, whatever each has beside it, and is the present state at the present tips", async () => {
    for (let seed = 1; seed <= 3; seed++) {
      cluster = new Cluster(seed);
      const { random } = cluster;
      const { id, devices } = await cluster.addGroup(4);
      const seen = new Map<string, string>();
      const look = async (device: Device, tips: readonly EntryId[]): Promise<void> => {
        const past = await at(device, id, tips);
        const known = seen.get(past.tips.join());
        seen.set(past.tips.join(), bytesOf(past));
        if (known !== undefined) expect(bytesOf(past)).toBe(known);
      };
      for (let step = 0; step < 18; step++) {
        const device = random.pick(devices);
        const [one, other] = [random.pick(devices), random.pick(devices)];
        const deed = random.int(6);
        if (deed < 2) cluster.cut(one.key, other.key);
        if (deed === 2) cluster.heal(one.key, other.key);
        if (deed === 3) await cluster.settle(device.set(id, `k${random.int(3)}`, `${step}`));
        if (deed === 4) await cluster.settle(device.remove(id, `r${random.int(5)}`));
        await cluster.settle(device.write(id, `r${random.int(5)}`, { step }));
        await cluster.pass(random.int(500));
        const database = device.instance.database(id);
        await cluster.settle(database.durable());
        const present = await at(device, id, presentTips(database));
        expect(bytesOf(present)).toBe(presentOf(device, id));
        await look(device, presentTips(database));
      }
      cluster.healAll();
      await cluster.converge(id, devices);
      for (const tips of [...seen.keys()])
        for (const device of devices) await look(device, tips.split(",") as EntryId[]);
      expect(seen.size).toBeGreaterThan(10);
    }
  });

  test("of some entries is that of those on which no other of them stands", async () => {
    const { id, device } = await alone();
    for (let i = 0; i < 3; i++) await cluster.settle(device.write(id, `${i}`, {}));
    const { graph } = device.instance.database(id).replica;
    const [root, first, second] = [0, 1, 2].map((position) => graph.at(position).id) as [EntryId, EntryId, EntryId];
    const past = await at(device, id, [first, second, root, second]);
    expect([past.tips, past.entries]).toEqual([[second], 3]);
    expect([...(past.state.table("rows")?.all() ?? [])].map(([row]) => row)).toEqual(["0", "1"]);
    const nothing = await at(device, id, []);
    expect([nothing.tips, nothing.entries, nothing.state.stores()]).toEqual([[], 0, []]);
  });
});

test("[HISTORY-7] [HISTORY-10] a document at tips has the heads that it had, and the difference tells both", async () => {
  const { id, device } = await alone();
  const typed = typeDocument("page", ["Hello", "Hello, you"], { database: id, key: device.key, sha256: device.sha256 });
  const states: PastState[] = [await at(device, id, presentTips(device.instance.database(id)))];
  for (const { part, heads } of typed) {
    await cluster.settle(device.instance.commit(id, () => [part]));
    const past = await at(device, id, presentTips(device.instance.database(id)));
    states.push(past);
    expect(past.state.doc("page")?.heads()).toEqual(heads);
    expect(bytesOf(past)).toBe(presentOf(device, id));
  }
  const [none, one, two] = states.map(({ state }) => state) as [DatabaseState, DatabaseState, DatabaseState];
  expect(none.doc("page")).toBeUndefined();
  const place = { type: "doc", store: "page", id: "" };
  const [first, second] = typed.map(({ heads }) => heads);
  expect([...differences(one, two)]).toEqual([{ ...place, before: first, after: second }]);
  expect([...differences(two, none)]).toEqual([{ ...place, before: second, after: undefined }]);
  expect([...differences(one, one)]).toEqual([]);
  const { entries } = await readHistory(device.instance.database(id), { order: "newest", limit: 1 });
  expect(entries[0]?.stores).toEqual([{ name: "page", type: "doc", count: 1 }]);
});

test("[HISTORY-7] the present tips are those of what is durable", async () => {
  const { id, devices } = await cluster.addGroup(2, { writeMs: () => 100 });
  const [one, two] = devices as [Device, Device];
  cluster.cut(one.key, two.key);
  await Promise.all([cluster.settle(one.write(id, "1", {})), cluster.settle(two.write(id, "2", {}))]);
  cluster.healAll();
  await cluster.converge(id, devices);
  const database = one.instance.database(id);
  const before = presentTips(database);
  expect(before).toEqual(database.replica.graph.tips().map((tip) => tip.id));
  const writing = one.write(id, "3", {});
  await cluster.until(() => database.replica.graph.size > database.replica.stored);
  expect([before.length, presentTips(database)]).toEqual([2, before]);
  await cluster.settle(writing);
  expect(presentTips(database)).toEqual(database.replica.graph.tips().map((tip) => tip.id));
});

describe("[HISTORY-8] what is left out, and counted", () => {
  test("is what a key is missing for, until it comes", async () => {
    const owner = await cluster.addDevice();
    const { id } = await cluster.settle(owner.instance.createDatabase("Board", { encrypted: true, sync: true }));
    const guest = await cluster.addDevice();
    const sealKey = simulatedSealing(guest.secret, guest.sha256).publicKey;
    const set = (power: number): Promise<void> =>
      cluster.settle(
        owner.instance.database(id).commitSettings(() => [{ type: "set", key: guest.key, power, sealKey }]),
      );
    await cluster.settle(owner.write(id, "r", {}));
    await set(300);
    await cluster.settle(guest.instance.join(await owner.instance.ticket(id)));
    await cluster.settle(guest.instance.ready(id));
    await cluster.converge(id, [owner, guest]);
    const tips = presentTips(owner.instance.database(id));
    const [mine, theirs] = [await at(owner, id, tips), await at(guest, id, tips)];
    expect([mine.sealed, mine.state.table("rows")?.has("r")]).toEqual([0, true]);
    expect([theirs.sealed, theirs.state.stores(), theirs.entries]).toEqual([1, [], mine.entries]);
    await set(READ);
    await cluster.converge(id, [owner, guest]);
    await cluster.until(() => guest.rows(id).size === 1);
    const later = await at(guest, id, tips);
    expect([later.sealed, bytesOf(later)]).toEqual([0, bytesOf(mine)]);
  });

  test("is what the disk has lost, until a peer has sent it again", async () => {
    const { id, devices } = await cluster.addGroup(2);
    const [owner, guest] = devices as [Device, Device];
    for (let i = 0; i < 4; i++) await cluster.settle(owner.write(id, `${i}`, {}));
    await cluster.converge(id, devices);
    cluster.cut(owner.key, guest.key);
    const device = await cluster.restart(owner);
    const bytes = device.disk.databases.get(id)?.bytes[3] as Uint8Array;
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 0x10;
    const tips = presentTips(device.instance.database(id));
    const past = await at(device, id, tips);
    expect([past.damaged, past.entries]).toEqual([1, 6]);
    expect([...(past.state.table("rows")?.all() ?? [])].map(([row]) => row)).toEqual(["0", "2", "3"]);
    cluster.healAll();
    await cluster.until(() => device.instance.database(id).healing.damaged === 0, 600_000);
    const whole = await at(device, id, tips);
    expect([whole.damaged, bytesOf(whole)]).toEqual([0, presentOf(device, id)]);
  });
});

describe("[HISTORY-9] making a state", () => {
  /** As after a restart: nothing is in memory. The checkpoint holds the first `through` entries. */
  async function counted(
    rows: number,
    through = 0,
    left: Partial<CheckpointPart> = {},
  ): Promise<[Device, DatabaseId, LogReads]> {
    const { id, device } = await alone();
    let part: CheckpointPart | undefined;
    for (let i = 0; i < rows; i++) {
      const { replica } = device.instance.database(id);
      if (replica.stored === through && through > 0)
        part = { number: 1, through, void: [], stores: replica.state.checkpoint(0, 1), ...left };
      await cluster.settle(device.write(id, `${i}`, { i }));
    }
    if (part !== undefined) await device.ports.storage.putCheckpoint(id, part, 1);
    let reads: LogReads | undefined;
    const again = await cluster.restart(device, {
      ports: (ports) => {
        const found = countReads(ports.storage);
        reads = found.reads;
        return { ...ports, storage: found.storage };
      },
    });
    (reads as LogReads).ranges.length = 0;
    return [again, id, reads as LogReads];
  }

  function idAt({ instance }: Device, id: DatabaseId, position: number): EntryId {
    return instance.database(id).replica.graph.at(position).id;
  }

  test("reads each entry of it once, at most 500 at a time, and tells how far it is", async () => {
    const [device, id, reads] = await counted(620);
    const told: FoldingProgress[] = [];
    const tips = [idAt(device, id, 600)];
    const { instance, ports } = device;
    const onProgress = (progress: FoldingProgress): void => void told.push(progress);
    const past = await foldPast({ ports, database: () => instance.database(id), tips, signal: never, onProgress });
    expect([past.entries, past.state.table("rows")?.size]).toEqual([601, 600]);
    expect(reads.ranges.map(({ from, to }) => to - from)).toEqual([500, 101]);
    expect(told.map(({ entries }) => entries)).toEqual([0, 500, 601]);
    expect(new Set(told.map(({ total }) => total))).toEqual(new Set([601]));
  });

  test("has at most 1 MiB in memory, or one entry", async () => {
    const { id, device } = await alone();
    for (let i = 0; i < 5; i++) await cluster.settle(device.write(id, `${i}`, { text: "x".repeat(600 << 10) }));
    let reads: LogReads | undefined;
    const again = await cluster.restart(device, {
      ports: (ports) => {
        const found = countReads(ports.storage);
        reads = found.reads;
        return { ...ports, storage: found.storage };
      },
    });
    const { ranges } = reads as LogReads;
    ranges.length = 0;
    await at(again, id, presentTips(again.instance.database(id)));
    expect(ranges.map(({ from, to }) => to - from)).toEqual([3, 2, 1]);
  });

  test("begins with the checkpoints that hold a part of it, and reads what comes after them", async () => {
    const [device, id, reads] = await counted(300, 200);
    const past = await at(device, id, [idAt(device, id, 249)]);
    expect(reads.ranges).toEqual([{ from: 200, to: 250 }]);
    expect([past.entries, past.state.table("rows")?.size]).toEqual([250, 249]);
    reads.ranges.length = 0;
    const early = await at(device, id, [idAt(device, id, 198)]);
    expect(reads.ranges).toEqual([{ from: 0, to: 199 }]);
    expect(early.state.table("rows")?.size).toBe(198);
    const exactly = await at(device, id, [idAt(device, id, 199)]);
    expect([reads.ranges.length, exactly.state.table("rows")?.size]).toEqual([1, 199]);
  });

  test("does not begin with one that left out what counts there, or that something else is in", async () => {
    // Left out as void, or for want of a key that may be here by now.
    const sealed = [{ key: "ab".repeat(16) as EpochKeyId, from: 7, to: 8, count: 1 }];
    for (const left of [{ void: [7] }, { sealed }]) {
      const [device, id, reads] = await counted(50, 40, left);
      const past = await at(device, id, [idAt(device, id, 45)]);
      expect([reads.ranges[0], past.state.table("rows")?.size]).toEqual([{ from: 0, to: 46 }, 45]);
    }

    const { id: shared, devices } = await cluster.addGroup(2);
    const [one, two] = devices as [Device, Device];
    cluster.cut(one.key, two.key);
    await cluster.settle(one.write(shared, "mine", {}));
    await cluster.settle(two.write(shared, "theirs", {}));
    const [tip] = presentTips(one.instance.database(shared)) as [EntryId];
    cluster.healAll();
    await cluster.converge(shared, devices);
    for (const each of devices) {
      const { replica } = each.instance.database(shared);
      const stores = replica.state.checkpoint(0, 1);
      await each.ports.storage.putCheckpoint(shared, { number: 1, through: replica.stored, void: [], stores }, 1);
      const mine = await at(each, shared, [tip]);
      expect([...(mine.state.table("rows")?.all() ?? [])].map(([row]) => row)).toEqual(["mine"]);
    }
  });

  test("ends with ABORTED by its signal, and reads no more", async () => {
    const [device, id, reads] = await counted(620, 20);
    const ending = new AbortController();
    const { instance, ports } = device;
    const made = foldPast({
      ports,
      database: () => instance.database(id),
      tips: [idAt(device, id, 600)],
      signal: ending.signal,
      onProgress: ({ entries }) => entries === 20 && ending.abort(),
    });
    expect(await codeOf(made)).toBe("ABORTED");
    expect(reads.entries()).toBe(500);
  });

  test("goes on with the database that is loaded anew meanwhile", async () => {
    const [device, id] = await counted(10);
    const other = await cluster.restart(device);
    let now = device;
    const tips = [idAt(other, id, 10)];
    const past = await foldPast({
      ports: other.ports,
      database: () => now.instance.database(id),
      tips,
      signal: never,
      onProgress: ({ entries }) => {
        if (entries === 0) now = other;
      },
    });
    expect(past.state.table("rows")?.size).toBe(10);
  });
});

test("[HISTORY-13] tips that are not durable here are unknown, and what has come can be looked at", async () => {
  const { id, devices } = await cluster.addGroup(2);
  const [one, two] = devices as [Device, Device];
  cluster.cut(one.key, two.key);
  await cluster.settle(one.instance.commit(id, () => settingsParts(setPower(keyOf(4), WRITE))));
  await cluster.settle(one.instance.commit(id, () => rowParts("r")));
  const [tip] = presentTips(one.instance.database(id)) as [EntryId];
  expect(await codeOf(at(two, id, [tip]))).toBe("ENTRY_UNKNOWN");
  expect(await codeOf(at(two, id, [id, "nothing" as EntryId]))).toBe("ENTRY_UNKNOWN");
  expect((await at(two, id, presentTips(two.instance.database(id)))).entries).toBe(2);
  cluster.healAll();
  await cluster.converge(id, devices);
  expect((await at(two, id, [tip])).entries).toBe(4);
});
