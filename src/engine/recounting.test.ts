/** What whole instances do when entries become void or count again: state, storage, peers, and what the app is told. */
import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { type Power, WRITE } from "../core/store/power.ts";
import type { CheckpointPart } from "../ports/storage.ts";
import { MemoryDisk } from "../storage/memory.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { setPower, settingsParts } from "../testing/writers.ts";
import { tailMax } from "./checkpoints.ts";
import { foldRange, restoreParts } from "./folding.ts";
import { formatCursor } from "./hook-cursor.ts";
import type { WriteEvent } from "./hook-reader.ts";
import type { Sync } from "./sync.ts";

const dayMs = 86_400_000;
const [owner, admin, reader, removed] = [0, 1, 2, 3];

/** An owner, an admin, a reader who also writes, and a writer who is removed. */
class Scene {
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly devices: Device[];

  private constructor(cluster: Cluster, id: DatabaseId, devices: Device[]) {
    this.cluster = cluster;
    this.id = id;
    this.devices = devices;
  }

  static async create(seed = 1, writeMs?: () => number): Promise<Scene> {
    const cluster = new Cluster(seed);
    const powers: readonly Power[] = [0, 1, WRITE, WRITE];
    const options = powers.map((power) => ({ power, ...(writeMs && { writeMs }) }));
    const { id, devices } = await cluster.addMembers(options);
    const scene = new Scene(cluster, id, devices as Device[]);
    await scene.at(owner).write(id, "first", {});
    await cluster.converge(id, scene.devices);
    return scene;
  }

  at(which: number): Device {
    return this.devices[which] as Device;
  }

  /** Nothing passes between these two groups. */
  part(some: readonly number[], others: readonly number[]): void {
    for (const one of some) for (const other of others) this.cluster.cut(this.at(one).key, this.at(other).key);
  }

  meet(one: number, other: number): void {
    this.cluster.heal(this.at(one).key, this.at(other).key);
  }

  set(who: number, key: PublicKey, power: Power): Promise<void> {
    return this.at(who).instance.commit(this.id, () => settingsParts(setPower(key, power)));
  }

  remove(who: number, whom: number): Promise<void> {
    return this.set(who, this.at(whom).key, 999);
  }

  async restart(which: number): Promise<Device> {
    const device = await this.cluster.restart(this.at(which));
    this.devices[which] = device;
    return device;
  }

  rows(which: number): readonly string[] {
    return [...this.at(which).rows(this.id).keys()].sort();
  }

  voids(which: number): number {
    return this.at(which).instance.database(this.id).replica.graph.voidCount;
  }

  /** What was counted on this device since it started. */
  async count(which: number, name: string): Promise<number> {
    const { counters } = await this.at(which).instance.sync.execute("metrics", {}, new AbortController().signal);
    return counters[name] ?? 0;
  }

  async converge(...which: readonly number[]): Promise<void> {
    const devices = which.map((one) => this.at(one));
    await this.cluster.converge(this.id, devices);
    // What was made void or counts again is folded anew in the background.
    await this.cluster.until(() => new Set(devices.map((device) => device.stateDigest(this.id))).size === 1);
  }

  /** Whether what the app sees is what counts, entry by entry. */
  async isRight(which: number): Promise<boolean> {
    const device = this.at(which);
    const { replica } = device.instance.database(this.id);
    const encryption = { open: async () => new Map(), openParts: async (parts: readonly never[]) => parts };
    const log = { storage: device.storage, sha256: device.sha256, database: this.id, graph: replica.graph, encryption };
    const target = restoreParts([], replica.context);
    await foldRange(log as never, target, 0, replica.stored, false);
    return target.state.encode().join() === replica.state.encode().join();
  }
}

describe("[ENGINE-24] who was removed while the network was parted, and wrote on", () => {
  test.each([
    ["first what was written, then the removal", reader],
    ["first the removal, then what was written", admin],
  ])("%s: all see the same, and nothing of it but what honest work stands on", async (_order, first) => {
    const scene = await Scene.create();
    const { cluster, id } = scene;
    scene.part([owner, admin], [reader, removed]);
    await scene.remove(owner, removed);
    // The reader has what was written and knows of no removal; the admin the other way round.
    for (let i = 0; i < 10; i++) await scene.at(removed).write(id, `early ${i}`, {});
    await scene.converge(reader, removed);
    await scene.at(reader).write(id, "honest", {});
    await scene.converge(reader, removed);
    for (let i = 0; i < 10; i++) await scene.at(removed).write(id, `late ${i}`, {});
    await scene.converge(reader, removed);
    await scene.converge(owner, admin);
    expect([scene.rows(reader).length, scene.rows(owner).length]).toEqual([22, 1]);
    scene.part([reader], [removed]);
    const other = first === reader ? owner : admin;
    if (first === admin) scene.part([owner], [admin]);
    scene.meet(other, reader);
    await scene.converge(other, reader);
    cluster.healAll();
    await scene.converge(owner, admin, reader);
    const early = Array.from({ length: 10 }, (_, i) => `early ${i}`);
    for (const which of [owner, admin, reader]) expect(scene.rows(which)).toEqual([...early, "first", "honest"]);
    expect([scene.voids(reader), await scene.count(reader, "state.refolds")]).toEqual([10, 1]);
    for (const which of [owner, admin, reader]) expect(await scene.isRight(which)).toBe(true);
  });

  test("a month of it is void on every device, whoever restarts, and what was there before stays", async () => {
    const scene = await Scene.create(2);
    const { cluster, id } = scene;
    await scene.at(removed).write(id, "before", {});
    await scene.converge(owner, admin, reader, removed);
    scene.part([owner, admin], [reader, removed]);
    await scene.remove(owner, removed);
    await scene.converge(owner, admin);
    scene.at(removed).instance.setOnline(false);
    for (let day = 0; day < 30; day++) {
      await scene.at(removed).write(id, `day ${day}`, { day });
      cluster.clock.advance(dayMs);
    }
    scene.at(removed).instance.setOnline(true);
    await scene.converge(reader, removed);
    expect(scene.rows(reader).length).toBe(32);
    const status = scene.at(reader).instance.status(id);
    for (const which of [owner, admin, reader]) await scene.restart(which);
    cluster.healAll();
    await scene.converge(owner, admin, reader);
    expect([scene.rows(reader), scene.rows(owner)]).toEqual([
      ["before", "first"],
      ["before", "first"],
    ]);
    expect(scene.voids(reader)).toBe(30);
    await cluster.until(() => scene.at(reader).instance.status(id).pending.entries === 0);
    const after = scene.at(reader).instance.status(id);
    expect([status.entries, after.entries, after.saved]).toEqual([34, 5, 5]);
    for (const which of [owner, admin, reader]) await scene.restart(which);
    await scene.converge(owner, admin, reader);
    expect(scene.rows(reader)).toEqual(["before", "first"]);
    // Whoever was removed goes on in its own copy, which nobody takes any more.
    expect(scene.rows(removed).length).toBe(32);
  });

  test("whoever removed it is removed itself: what that had made void comes back on every device, also where it never was", async () => {
    const scene = await Scene.create(3);
    const { cluster, id } = scene;
    scene.part([owner, reader], [admin, removed]);
    scene.part([admin], [removed]);
    scene.part([owner], [reader]);
    scene.part([reader], [removed]);
    for (let i = 0; i < 10; i++) await scene.at(removed).write(id, `work ${i}`, {});
    await scene.remove(admin, removed);
    await scene.remove(owner, admin);
    // The reader gets the work, then the removal: void. The admin's own device never gets the work.
    scene.meet(reader, removed);
    await scene.converge(reader, removed);
    scene.part([reader], [removed]);
    scene.meet(reader, admin);
    await scene.converge(reader, admin);
    expect([scene.rows(reader), scene.voids(reader), scene.voids(admin)]).toEqual([["first"], 10, 0]);
    await scene.restart(reader);
    expect([scene.rows(reader), scene.voids(reader)]).toEqual([["first"], 10]);
    const held = scene
      .at(reader)
      .instance.status(id)
      .heldBy.find(({ peer }) => peer === scene.at(admin).key);
    expect(held?.isComplete).toBe(true);
    // What decides it comes: the admin is removed, and all that it did meanwhile.
    scene.meet(owner, reader);
    await scene.converge(owner, reader);
    expect(scene.rows(owner).length).toBe(11);
    expect(scene.rows(reader)).toEqual(scene.rows(owner));
    expect(await scene.isRight(reader)).toBe(true);
    const after = scene
      .at(reader)
      .instance.status(id)
      .heldBy.find(({ peer }) => peer === scene.at(admin).key);
    expect(after?.isComplete).toBe(false);
    for (const which of [owner, reader]) await scene.restart(which);
    scene.meet(owner, removed);
    scene.meet(reader, removed);
    await scene.converge(owner, reader, removed);
    expect(scene.rows(removed).length).toBe(11);
    cluster.healAll();
    await cluster.pass(1_000);
    expect(scene.rows(reader).length).toBe(11);
  });
});

/** Holds back what a device reads from its disk. */
class Gate {
  readonly waiting: (() => void)[] = [];
  isShut = true;

  pass(): Promise<void> {
    return this.isShut ? new Promise((resolve) => void this.waiting.push(resolve)) : Promise.resolve();
  }

  open(): void {
    this.isShut = false;
    for (const go of this.waiting.splice(0)) go();
  }
}

/** The device's checkpoints are read when the gate opens: so long nothing is folded anew. */
function holdRefolding(device: Device): Gate {
  const gate = new Gate();
  const { checkpoints } = device.storage;
  device.storage.checkpoints = async (database) => {
    await gate.pass();
    return await checkpoints.call(device.storage, database);
  };
  return gate;
}

/** Its disk gives no entries until the gate opens. */
function holdReading({ storage }: Device): Gate {
  const gate = new Gate();
  const { read } = storage;
  storage.read = async (database, from, to) => {
    await gate.pass();
    return await read.call(storage, database, from, to);
  };
  return gate;
}

/** The reader is about to hear that entries of its state are void: everything is durable, and it has just been restarted. */
async function cutScene(seed: number, rows: number, writeMs?: () => number): Promise<Scene> {
  const scene = await Scene.create(seed, writeMs);
  const { id } = scene;
  scene.part([owner, admin], [reader, removed]);
  await scene.cluster.settle(scene.remove(owner, removed));
  for (let i = 0; i < rows; i++) void scene.at(removed).write(id, `late ${i}`, { i });
  await scene.converge(reader, removed);
  scene.part([reader], [removed]);
  await scene.restart(reader);
  return scene;
}

test("[HOOK-7] a hook that was busy meanwhile is not handed what it had read and is void now", async () => {
  const scene = await Scene.create(16);
  const { cluster, id } = scene;
  await scene.at(reader).write(id, "own", {});
  await scene.converge(owner, admin, reader, removed);
  scene.part([owner, admin], [reader, removed]);
  await scene.remove(owner, removed);
  for (let i = 0; i < 12; i++) await scene.at(removed).write(id, `late ${i}`, { i });
  await scene.converge(reader, removed);
  scene.part([reader], [removed]);
  const { graph } = scene.at(reader).instance.database(id).replica;
  const own = graph.heads(scene.at(reader).key)[0]?.position ?? 0;
  const sync = scene.at(reader).instance.sync as Sync;
  const authors: PublicKey[] = [];
  const gate = new Gate();
  const write = async ({ entries }: WriteEvent): Promise<void> => {
    authors.push(...entries.map(({ author }) => author));
    await gate.pass();
  };
  sync.addHook({ database: id, after: formatCursor(sync.epoch.current, id, own), write });
  await cluster.until(() => gate.waiting.length > 0);
  scene.meet(owner, reader);
  await cluster.until(() => scene.voids(reader) === 12);
  gate.open();
  await scene.converge(owner, reader);
  await cluster.pass(1_000);
  expect(authors).toEqual([scene.at(reader).key, scene.at(owner).key]);
});

describe("[ENGINE-24] folding anew", () => {
  test("begins at the newest checkpoint that agrees, and a lowering that nobody missed folds nothing", async () => {
    const scene = await Scene.create(4);
    const { id } = scene;
    for (let i = 0; i < 300; i++) void scene.at(reader).write(id, `r${i}`, { i });
    await scene.cluster.settle(scene.at(reader).instance.database(id).durable());
    await scene.converge(owner, admin, reader, removed);
    // As a much longer log would have it: one part, and a few entries after it.
    const { replica } = scene.at(reader).instance.database(id);
    const kept = scene.at(reader).disk.databases.get(id);
    const through = replica.stored;
    if (kept !== undefined)
      kept.checkpoints = [{ number: 1, through, void: [], stores: replica.state.checkpoint(0, 1) }];
    scene.part([owner, admin], [reader, removed]);
    await scene.remove(owner, removed);
    for (let i = 0; i < 20; i++) await scene.at(removed).write(id, `late ${i}`, {});
    await scene.converge(reader, removed);
    await scene.restart(reader);
    expect(scene.rows(reader).length).toBe(321);
    scene.cluster.healAll();
    await scene.converge(owner, admin, reader);
    const { graph } = scene.at(reader).instance.database(id).replica;
    expect([scene.rows(reader).length, await scene.count(reader, "state.refolds")]).toEqual([301, 1]);
    expect(await scene.count(reader, "entries.refolded")).toBe(graph.size - graph.voidCount - through);
    expect(await scene.isRight(reader)).toBe(true);
    // The owner knew already: nothing was ever folded that had to be taken back.
    expect(await scene.count(owner, "state.refolds")).toBe(0);
    await scene.set(owner, scene.at(admin).key, 200);
    await scene.converge(owner, reader);
    expect(await scene.count(reader, "state.refolds")).toBe(1);
  });

  test("goes on beside commits and batches, and what is void is gone in one step, of which the app is told", async () => {
    const scene = await cutScene(5, 30);
    const { cluster, id } = scene;
    const gate = holdRefolding(scene.at(reader));
    scene.meet(owner, reader);
    await cluster.until(() => gate.waiting.length > 0);
    expect([scene.rows(reader).length, scene.voids(reader)]).toEqual([31, 30]);
    await cluster.settle(scene.at(reader).write(id, "mine", {}));
    await cluster.settle(scene.at(owner).write(id, "theirs", {}));
    await cluster.until(() => scene.rows(reader).includes("theirs"));
    expect([scene.rows(reader).includes("mine"), scene.rows(reader).length]).toEqual([true, 33]);
    const before = scene.at(reader).reloads;
    gate.open();
    // Not durable yet when the state is told.
    void scene.at(reader).write(id, "last", {});
    await scene.converge(owner, reader);
    expect(scene.rows(reader)).toEqual(["first", "last", "mine", "theirs"]);
    expect([scene.at(reader).reloads - before, await scene.isRight(reader)]).toEqual([1, true]);
  });

  test("a checkpoint that falls due meanwhile is taken when it is done, and names what it leaves out", async () => {
    const scene = await cutScene(10, 3);
    const { cluster, id } = scene;
    const gate = holdRefolding(scene.at(reader));
    scene.meet(owner, reader);
    await cluster.until(() => gate.waiting.length > 0);
    scene.part([owner], [reader]);
    for (let i = 0; i < tailMax; i++) void scene.at(reader).write(id, "counter", { i });
    await cluster.settle(scene.at(reader).instance.database(id).durable());
    const parts = (): readonly CheckpointPart[] => scene.at(reader).disk.databases.get(id)?.checkpoints ?? [];
    expect(parts()).toEqual([]);
    const late = scene.at(reader).instance.database(id).replica.graph;
    gate.open();
    await cluster.until(() => parts().length > 0);
    const voids = Array.from({ length: late.size }, (_, i) => i).filter((position) => !late.counts(late.at(position)));
    expect([parts().length, parts()[0]?.through, parts()[0]?.void]).toEqual([1, late.size, voids]);
    expect(voids.length).toBe(3);
    await scene.restart(reader);
    expect([scene.rows(reader), await scene.isRight(reader)]).toEqual([["counter", "first"], true]);
  }, 60_000);

  test("that is cut off by the end of the instance leaves storage alone, and opening makes up for it", async () => {
    const scene = await cutScene(6, 30);
    const { cluster, id } = scene;
    const gate = holdRefolding(scene.at(reader));
    scene.meet(owner, reader);
    await cluster.until(() => gate.waiting.length > 0);
    await cluster.settle(scene.at(owner).instance.database(id).durable());
    await cluster.until(() => scene.at(reader).instance.database(id).replica.isRecountDurable);
    const closing = scene.at(reader).instance.close();
    await cluster.pass(100);
    gate.open();
    await cluster.settle(closing);
    await scene.restart(reader);
    expect([scene.rows(reader), scene.voids(reader)]).toEqual([["first"], 30]);
    expect(await scene.count(reader, "state.refolds")).toBe(0);
  });

  test("that storage fails is a failure of storage: it is reported, and the database is loaded anew", async () => {
    const scene = await cutScene(7, 30);
    const device = scene.at(reader);
    let failures = 0;
    const { checkpoints } = device.storage;
    device.storage.checkpoints = async (database) => {
      failures += 1;
      if (failures === 1) throw new TidemarkError("STORAGE_UNAVAILABLE", { reason: "gone" });
      return await checkpoints.call(device.storage, database);
    };
    scene.meet(owner, reader);
    await scene.cluster.until(() => failures > 0);
    await scene.converge(owner, reader);
    expect([scene.rows(reader), failures]).toEqual([["first"], 1]);
    expect(device.problems.map(({ code }) => code)).toContain("STORAGE_UNAVAILABLE");
    await device.write(scene.id, "more", {});
    await scene.converge(owner, reader);
  });
});

describe("[ENGINE-25] at whatever moment a device dies", () => {
  /**
   * The reader is started again and again from the same disk, hears from the owner what changes what counts, and dies, each time a little later.
   * Answers how many entries were void when it was opened after that.
   */
  async function dieOften(scene: Scene, check: () => void): Promise<ReadonlySet<number>> {
    const { cluster, id } = scene;
    const before = scene.voids(reader);
    const { secret } = scene.at(reader);
    await cluster.settle(scene.at(reader).instance.close());
    const disk = structuredClone({ ...scene.at(reader).disk });
    const found = new Set<number>();
    for (let moment = 0; moment < 30; moment++) {
      await cluster.settle(scene.at(reader).instance.close());
      const copy = Object.assign(new MemoryDisk(), structuredClone(disk));
      scene.meet(owner, reader);
      scene.devices[reader] = await cluster.settle(cluster.openDevice({ secret, disk: copy, writeMs: () => 3 }));
      await cluster.until(() => scene.voids(reader) !== before);
      await cluster.pass(Math.floor(moment / 2));
      scene.at(reader).crash({ losesRelaxed: moment % 3, finishes: moment % 2 });
      scene.part([owner], [reader]);
      const { graph } = (await scene.restart(reader)).instance.database(id).replica;
      expect(await scene.isRight(reader)).toBe(true);
      check();
      found.add(graph.voidCount);
    }
    scene.meet(owner, reader);
    await scene.converge(owner, reader);
    return found;
  }

  test("it opens with what counts of what is durable", async () => {
    const scene = await cutScene(8, 12);
    const found = await dieOften(scene, () => expect(scene.rows(reader).length).toBe(scene.voids(reader) > 0 ? 1 : 13));
    expect([[...found].sort(), scene.rows(reader)]).toEqual([[0, 12], ["first"]]);
  }, 60_000);

  test("it trusts no checkpoint that was taken when something else counted", async () => {
    const scene = await cutScene(15, 30);
    const { cluster, id } = scene;
    const { replica } = scene.at(reader).instance.database(id);
    const part = { number: 1, through: replica.stored, void: [], stores: replica.state.checkpoint(0, 1) };
    const kept = scene.at(reader).disk.databases.get(id);
    if (kept !== undefined) kept.checkpoints = [part];
    await scene.restart(reader);
    const gate = holdRefolding(scene.at(reader));
    scene.meet(owner, reader);
    await cluster.until(() => gate.waiting.length > 0);
    await cluster.until(() => scene.at(reader).instance.database(id).replica.isRecountDurable);
    scene.at(reader).crash();
    gate.open();
    await scene.restart(reader);
    expect([scene.rows(reader), scene.voids(reader), await scene.isRight(reader)]).toEqual([["first"], 30, true]);
    expect(scene.at(reader).disk.databases.get(id)?.checkpoints.length).toBe(1);
  });

  /** The reader holds 12 void entries that the admin, who made them void, does not; and the owner has removed the admin. */
  async function revivalScene(seed: number): Promise<Scene> {
    const scene = await Scene.create(seed);
    const { id } = scene;
    scene.part([owner], [admin, reader, removed]);
    scene.part([admin], [reader, removed]);
    for (let i = 0; i < 12; i++) await scene.at(removed).write(id, `work ${i}`, { i });
    await scene.converge(reader, removed);
    scene.part([reader], [removed]);
    await scene.remove(admin, removed);
    await scene.remove(owner, admin);
    scene.meet(admin, reader);
    await scene.converge(admin, reader);
    await scene.cluster.until(() => scene.at(reader).instance.status(id).pending.entries === 0);
    scene.part([admin], [reader]);
    return scene;
  }

  test("[ENGINE-26] that nobody need hold what counts again is durable before what makes it count is", async () => {
    const scene = await revivalScene(13);
    const { cluster, id } = scene;
    const gate = new Gate();
    const { storage } = scene.at(reader);
    const { putRecords } = storage;
    storage.putRecords = async (changes) => {
      await gate.pass();
      await putRecords.call(storage, changes);
    };
    scene.meet(owner, reader);
    await cluster.until(() => scene.voids(reader) === 1);
    await cluster.pass(5_000);
    const { replica } = scene.at(reader).instance.database(id);
    expect([replica.stored < replica.graph.size, replica.isRecountDurable]).toEqual([true, false]);
    gate.open();
    await scene.converge(owner, reader);
    expect(replica.stored).toBe(replica.graph.size);
  });

  test("it takes nobody to hold what it does not, though that counts again", async () => {
    const scene = await revivalScene(9);
    const { id } = scene;
    const theirs = scene.at(admin).instance.database(id).replica.graph;
    let claims = 0;
    const found = await dieOften(scene, () => {
      const { graph } = scene.at(reader).instance.database(id).replica;
      const held = scene
        .at(reader)
        .instance.status(id)
        .heldBy.find(({ peer }) => peer === scene.at(admin).key);
      let left = held?.entries ?? 0;
      claims += left > 3 ? 1 : 0;
      for (let position = 0; left > 0; position++) {
        const node = graph.at(position);
        if (graph.counts(node)) left -= 1;
        if (graph.counts(node)) expect(theirs.has(node.id)).toBe(true);
      }
    });
    expect([[...found].sort((a, b) => a - b), claims > 0, scene.rows(reader).length]).toEqual([[1, 12], true, 13]);
  }, 60_000);
});

describe("[SESSION-10] [OUTBOUND-6] a batch that is being read from the disk", () => {
  /** The owner has just been restarted with much that the reader lacks, and its disk gives nothing until the gate opens. */
  async function readingScene(seed: number): Promise<{ readonly scene: Scene; readonly gate: Gate }> {
    const scene = await Scene.create(seed);
    const { cluster, id } = scene;
    scene.part([owner, admin], [reader, removed]);
    for (let i = 0; i < 50; i++) await scene.at(owner).write(id, `secret ${i}`, {});
    await scene.converge(owner, admin);
    scene.part([owner], [admin]);
    await cluster.settle(scene.at(owner).instance.close());
    scene.devices[owner] = await cluster.restart(scene.at(owner), { writeMs: () => 500 });
    const gate = holdReading(scene.at(owner));
    scene.meet(owner, reader);
    await cluster.until(() => gate.waiting.length > 0);
    return { scene, gate };
  }

  test("is not sent to a peer that lost the right to read meanwhile, durable or not, and everything goes on when it has it again", async () => {
    const { scene, gate } = await readingScene(11);
    const { cluster, id } = scene;
    const before = scene.at(reader).instance.database(id).replica.graph.size;
    const removing = scene.remove(owner, reader);
    await cluster.pass(1);
    expect(scene.at(owner).instance.database(id).replica.isRecountDurable).toBe(true);
    gate.open();
    await cluster.pass(100);
    expect(scene.at(reader).instance.database(id).replica.graph.size).toBe(before);
    expect(await scene.count(owner, "paths.closed")).toBe(1);
    await cluster.settle(removing);
    await cluster.pass(5_000);
    expect(scene.rows(reader)).toEqual(["first"]);
    await cluster.settle(scene.set(owner, scene.at(reader).key, WRITE));
    await scene.converge(owner, reader);
    expect([scene.rows(reader).length, scene.at(reader).problems]).toEqual([51, []]);
  });

  test("is not sent to a guest whose invite was withdrawn meanwhile", async () => {
    const scene = await Scene.create(14);
    const { cluster, id } = scene;
    scene.part([owner], [admin, reader, removed]);
    const ticket = await cluster.settle(scene.at(owner).instance.share(id, { power: WRITE }));
    const [invite] = scene.at(owner).instance.database(id).replica.settings.invites();
    await cluster.settle(scene.at(owner).instance.close());
    scene.devices[owner] = await cluster.restart(scene.at(owner), { writeMs: () => 500 });
    const gate = holdReading(scene.at(owner));
    const guest = await cluster.addDevice();
    await cluster.settle(guest.instance.join(ticket));
    await cluster.until(() => gate.waiting.length > 0);
    if (invite === undefined) throw new Error("there is an invite");
    const withdrawn = settingsParts({ type: "invite", key: invite.key, power: 999 });
    const withdrawing = scene.at(owner).instance.commit(id, () => withdrawn);
    await cluster.pass(1);
    gate.open();
    await cluster.settle(withdrawing);
    await cluster.pass(5_000);
    expect(guest.instance.database(id).replica.graph.size).toBe(0);
  });

  test("leaves out what has become void meanwhile, and the window is free when it is confirmed", async () => {
    const scene = await Scene.create(12);
    const { cluster, id } = scene;
    scene.part([owner, admin], [reader, removed]);
    scene.part([owner], [admin]);
    for (let i = 0; i < 20; i++) await scene.at(removed).write(id, `late ${i}`, {});
    await scene.converge(reader, removed);
    scene.part([reader], [removed]);
    await scene.restart(reader);
    const gate = holdReading(scene.at(reader));
    // The admin is sent everything, while the reader hears from the owner what is void of it.
    await scene.remove(owner, removed);
    scene.meet(admin, reader);
    await cluster.until(() => gate.waiting.length > 0);
    scene.meet(owner, reader);
    await cluster.until(() => scene.voids(reader) > 0);
    gate.open();
    await scene.converge(owner, admin, reader);
    await cluster.until(() => scene.at(reader).instance.status(id).queue.entries === 0);
    expect([scene.rows(admin), scene.voids(admin), scene.voids(reader)]).toEqual([["first"], 0, 20]);
    await cluster.settle(scene.at(reader).write(id, "more", {}));
    await scene.converge(owner, admin, reader);
  });
});
