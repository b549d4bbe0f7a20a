/** Sync as a whole, on whole devices: who is synced with, what is waited for, what is noticed, and what is remembered. */
import { beforeEach, describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Message } from "../core/protocol/message.ts";
import { decodeMessage } from "../core/protocol/message.ts";
import { WRITE } from "../core/store/power.ts";
import { createMemoryStorage } from "../storage/memory.ts";
import { Cluster, type RestartOptions } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import type { RawChannel } from "../testing/raw-peer.ts";
import { RawPeer } from "../testing/raw-peer.ts";
import { StubNetwork } from "../testing/stub-network.ts";
import { setPower, settingsParts } from "../testing/writers.ts";
import type { CommandName, SyncCommands, SyncResults } from "./commands.ts";
import type { WriteEvent } from "./hook-reader.ts";
import { Instance } from "./instance.ts";
import type { InstanceListener } from "./instance-listener.ts";
import type { EnginePorts } from "./ports.ts";
import type { SyncSettings } from "./settings.ts";

const never: AbortSignal = new AbortController().signal;
const anybody = { user: "app", enabled: true, onCommit: true, intervalMs: 0, properties: {} };

let cluster: Cluster;
let id: DatabaseId;

beforeEach(() => {
  cluster = new Cluster(1);
});

async function group(count: number, settings: Partial<SyncSettings> = {}): Promise<readonly Device[]> {
  const made = await cluster.addGroup(count, { ports: (ports) => ({ ...ports, settings }) });
  id = made.id;
  await cluster.pass(5_000);
  return made.devices;
}

function pair(settings: Partial<SyncSettings> = {}): Promise<readonly [Device, Device]> {
  return group(2, settings) as Promise<unknown> as Promise<readonly [Device, Device]>;
}

function start<Name extends CommandName>(
  device: Device,
  name: Name,
  command: SyncCommands[Name],
): Promise<SyncResults[Name]> {
  return device.instance.sync.execute(name, command, never);
}

function run<Name extends CommandName>(
  device: Device,
  name: Name,
  command: SyncCommands[Name],
): Promise<SyncResults[Name]> {
  return cluster.settle(start(device, name, command), 120_000);
}

function codeOf(error: unknown): unknown {
  return error instanceof TidemarkError ? error.code : error;
}

/** Kinds of messages between devices from now on, each with who said it. */
function listen(): { readonly from: PublicKey; readonly message: Message }[] {
  const heard: { from: PublicKey; message: Message }[] = [];
  cluster.network.tap = {
    arrived: () => {},
    sent: (from, _to, bytes) => {
      const message = decodeMessage(bytes);
      if (message.ok) heard.push({ from, message: message.value });
    },
  };
  return heard;
}

describe("[SYNC-9] a peer that is inactive or blocked", () => {
  for (const state of ["inactive", "blocked"] as const)
    test(`${state}: nothing about databases is said to it or taken from it, over a restart, and when it is active again everything comes`, async () => {
      const [ann, ben] = await pair();
      await run(ann, "updatePeer", { peer: ben.key, state });
      await cluster.pass(1_000); // So that the peer knows.
      const heard = listen();
      await ann.write(id, "from ann", {});
      await ben.write(id, "from ben", {});
      await cluster.pass(600_000);
      const again = await cluster.restart(ann);
      await cluster.pass(600_000);
      expect([ben.rows(id).size, again.rows(id).size, heard.length]).toEqual([1, 1, 0]);
      expect(await run(again, "peers", {})).toMatchObject([{ key: ben.key, state, connection: "offline" }]);
      await run(again, "updatePeer", { peer: ben.key, state: "active" });
      await cluster.converge(id, [again, ben], 5_000);
      expect(ben.rows(id).size).toBe(2);
    });
});

describe("[SYNC-10] a peer that is removed", () => {
  test("is forgotten with its relations, its history and its jobs; met again it is a stranger, and all goes on", async () => {
    const [ann, ben] = await pair();
    await run(ann, "updatePeer", { peer: ben.key, name: "Ben" });
    await ann.write(id, "before", {});
    await run(ann, "flush", {});
    cluster.cut(ann.key, ben.key);
    await cluster.pass(40_000);
    await run(ann, "startJob", { database: id, peer: ben.key });
    expect((await run(ann, "history", {})).length).toBeGreaterThan(0);
    await run(ann, "removePeer", { peer: ben.key });
    for (const name of ["peers", "relations", "history", "jobs"] as const) expect(await run(ann, name, {})).toEqual([]);
    expect(ann.instance.status(id)).toMatchObject({ heldBy: [], pending: { entries: 3 } });
    cluster.heal(ann.key, ben.key);
    await ann.write(id, "after", {});
    await cluster.converge(id, [ann, ben]);
    await run(ann, "flush", {});
    expect(await run(ann, "peers", {})).toMatchObject([{ key: ben.key, name: "", isRegistered: false }]);
    expect(ann.instance.status(id)).toMatchObject({ heldBy: [{ peer: ben.key, isComplete: true }] });
  });

  test("while it is connected is met again by itself, and nothing of before is known", async () => {
    const [ann, ben] = await pair();
    await ann.write(id, "before", {});
    await run(ann, "flush", {});
    await run(ann, "updatePeer", { peer: ben.key, name: "Ben" });
    await run(ann, "removePeer", { peer: ben.key });
    expect(await run(ann, "peers", {})).toEqual([]);
    await cluster.pass(10_000);
    expect(await run(ann, "peers", {})).toMatchObject([{ key: ben.key, name: "", isRegistered: false }]);
    expect(await run(ann, "history", {})).toEqual([]);
  });
});

describe("[SYNC-11] a relation that is taken away", () => {
  test("keeps what comes from passing, over a restart; other databases go on, and added again it brings everything", async () => {
    const [ann, ben] = await pair();
    const { id: second } = await cluster.settle(ann.instance.createDatabase("Second"));
    await ben.instance.join(await cluster.settle(ann.instance.share(second, { power: WRITE })));
    await cluster.settle(ben.instance.ready(second));
    await run(ann, "removeRelation", { database: id, peer: ben.key });
    await ann.write(id, "from ann", {});
    await ben.write(id, "from ben", {});
    await ann.write(second, "goes on", {});
    await cluster.converge(second, [ann, ben]);
    await cluster.pass(600_000);
    const again = await cluster.restart(ann);
    await ben.write(second, "goes on too", {});
    await cluster.converge(second, [again, ben]);
    await cluster.pass(600_000);
    expect([again.rows(id).size, ben.rows(id).size]).toEqual([1, 1]);
    expect(again.instance.status(id)).toMatchObject({ heldBy: [], blockedBy: [{ type: "disabled" }] });
    await run(again, "addRelation", { database: id, peer: ben.key });
    await cluster.converge(id, [again, ben], 5_000);
    expect(again.rows(id).size).toBe(2);
  });
});

describe("[SYNC-7] flush", () => {
  test("waits until connected peers have confirmed, also what is on its way to the disk and what gathers", async () => {
    const [ann, ben] = await pair({ flushEntries: 1_000, flushBytes: 1_000_000 });
    void ann.write(id, "r", {});
    await run(ann, "flush", {});
    expect([ben.rows(id).size, ben.instance.status(id).saved]).toEqual([1, 3]);
    expect(ann.instance.status(id).pending.entries).toBe(0);
  });

  test("ends when one of them leaves meanwhile and the others have confirmed, and at once when nobody is there", async () => {
    const [ann, ben, cid] = (await group(3)) as [Device, Device, Device];
    cluster.cut(ann.key, cid.key);
    await ann.write(id, "r", {});
    const startMs = cluster.clock.now();
    await run(ann, "flush", {});
    expect(cluster.clock.now() - startMs).toBeGreaterThan(1_000);
    expect(ben.rows(id).size).toBe(1);
    ann.instance.setOnline(false);
    await ann.write(id, "s", {});
    const laterMs = cluster.clock.now();
    await run(ann, "flush", {});
    expect(cluster.clock.now()).toBe(laterMs);
  });

  test("does not wait for what a peer asked to hold back", async () => {
    const [ann, ben] = await pair();
    ben.instance.setOnline(false);
    await ann.write(id, "r", {});
    const { id: job } = await run(ben, "startJob", { database: id, peer: ann.key });
    await run(ben, "pauseJob", { job });
    ben.instance.setOnline(true);
    await cluster.pass(5_000);
    expect(ann.instance.status(id).queue.entries).toBe(1);
    const startMs = cluster.clock.now();
    await run(ann, "flush", {});
    expect([cluster.clock.now() - startMs < 1_000, ben.rows(id).size]).toEqual([true, 0]);
  });

  test("does not wait for what a peer cannot take yet", async () => {
    const [ann, ben] = await pair();
    ben.setSkew(-300_000);
    await ann.write(id, "r", {});
    const startMs = cluster.clock.now();
    await run(ann, "flush", {});
    expect([cluster.clock.now() - startMs < 1_000, ben.rows(id).size]).toEqual([true, 0]);
  });
});

describe("[SYNC-1] comparing on demand", () => {
  test("resolves when nothing is new, and only when the peer holds what was durable when it was asked", async () => {
    const [ann, ben] = await pair();
    for (const device of [ann, ben]) {
      const other = device === ann ? ben : ann;
      await run(device, "syncWithPeer", { peer: other.key, database: id });
      await run(device, "whenSynced", { peer: other.key, database: id });
      await run(device, "syncWithPeer", {});
    }
    for (let i = 0; i < 50; i++) {
      // While an older agreement may be under way.
      void start(ann, "syncWithPeer", {}).catch(() => {});
      await cluster.pass(i);
      void ann.write(id, `r${i}`, {});
      await run(ann, i % 2 === 0 ? "syncWithPeer" : "whenSynced", { peer: ben.key, database: id });
      expect(ben.rows(id).size).toBe(i + 1);
      expect(ann.instance.status(id).pending.entries).toBe(0);
    }
  });

  test("works from the first moment of a connection on, and does not wait for ever for what the peer does not share", async () => {
    const [ann, ben] = await pair();
    for (const device of [ann, ben]) {
      const other = device === ann ? ben : ann;
      cluster.network.drop(ann.key, ben.key);
      await cluster.pass(100);
      await other.write(id, `written by ${other.key}`, {});
      await run(device, "connect", { peer: other.key });
      await run(device, "syncWithPeer", { peer: other.key, database: id });
      expect(device.rows(id).size).toBe(other.rows(id).size);
    }
    // They meet all the same.
    const meeting = await cluster.settle(ann.instance.createDatabase("Meeting", { sync: true }));
    await cluster.settle(ben.instance.join(await ann.instance.ticket(meeting.id)));
    await run(ben, "setPreferences", { ...anybody, database: id, enabled: false });
    await cluster.pass(10_000);
    await run(ann, "syncWithPeer", {});
    await run(ann, "syncWithPeer", { peer: ben.key });
    const refused = start(ann, "syncWithPeer", { peer: ben.key, database: id }).catch(codeOf);
    expect(await cluster.settle(refused)).toBe("DATABASE_UNKNOWN");
  });

  test("goes on when the peer comes back, and with all peers does not wait for those that leave", async () => {
    const [ann, ben, cid] = (await group(3)) as [Device, Device, Device];
    cluster.cut(ann.key, cid.key);
    const one = run(ann, "whenSynced", { database: id, peer: cid.key });
    await start(ann, "wake", {});
    await run(ann, "syncWithPeer", {});
    expect((await run(ann, "peers", {})).find(({ key }) => key === cid.key)?.connection).not.toBe("connected");
    await ben.write(id, "r", {});
    cluster.heal(ann.key, cid.key);
    await one;
  });
});

describe("[SYNC-4] a peer that should confirm", () => {
  /** Somebody who may write, asks for everything, and confirms as `answer` says. */
  async function script(ann: Device, answer: (channel: RawChannel, number: number) => void): Promise<RawPeer> {
    const { identity } = await cluster.addIdentity();
    await ann.instance.commit(id, () => settingsParts(setPower(identity.publicKey, WRITE)));
    const raw = await RawPeer.enter(cluster, id, identity);
    raw.onChannel = (channel) => {
      channel.onMessage = (message) => {
        if (message.type === "entries") answer(channel, message.number);
        if (message.type === "ping") channel.send({ type: "pong", id: message.id });
      };
    };
    await cluster.until(() => raw.to(ann.key) !== undefined);
    raw.to(ann.key)?.send({ type: "frontier", database: id, asks: true, since: "", frontier: new Map() });
    return raw;
  }

  function stalls(ann: Device): number {
    return ann.problems.filter(({ code }) => code === "EXCHANGE_STALLED").length;
  }

  test("and does not is let go after the time-out, is reported, and harms nobody", async () => {
    const [ann, ben] = await pair();
    const raw = await script(ann, () => {});
    const first = raw.to(ann.key);
    await cluster.pass(20_000);
    expect([first?.isOpen, stalls(ann)]).toEqual([true, 0]);
    await cluster.pass(15_000);
    expect([first?.isOpen, stalls(ann)]).toEqual([false, 1]);
    expect((await run(ann, "peers", {})).find(({ key }) => key === raw.key)?.lastError?.code).toBe("EXCHANGE_STALLED");
    expect(cluster.network.connected(ann.key, ben.key)).toBe(true);
    await ann.write(id, "r", {});
    await cluster.converge(id, [ann, ben]);
  });

  test("slowly but surely is not, though it cannot take everything", async () => {
    const [ann] = await pair({ batchEntries: 1 });
    for (let i = 0; i < 20; i++) await ann.write(id, `r${i}`, {});
    let atMs = cluster.clock.now();
    const confirm = (channel: RawChannel, number: number): void => {
      atMs = Math.max(atMs, cluster.clock.now()) + 20_000;
      cluster.clock.after(atMs - cluster.clock.now(), () =>
        channel.send({ type: "stored", database: id, number, complete: false, digest: "" }),
      );
    };
    const raw = await script(ann, confirm);
    const channel = raw.to(ann.key);
    await cluster.pass(200_000);
    expect([channel?.isOpen, stalls(ann)]).toEqual([true, 0]);
    expect(channel?.received.filter(({ type }) => type === "entries").length).toBeGreaterThan(10);
    expect(cluster.network.connected(ann.key, raw.key)).toBe(true);
  });

  test("what is still on its way to it is not: the channel is full, or the caps hold it back", async () => {
    const [ann] = await pair({ peerSendBytesPerSecond: 1_024, antiEntropyMs: 0 });
    await ann.write(id, "large", { text: "x".repeat(100_000) });
    const raw = await script(ann, (channel, number) =>
      channel.send({ type: "stored", database: id, number, complete: true, digest: "" }),
    );
    const channel = raw.to(ann.key);
    const batches = (): number => channel?.received.filter(({ type }) => type === "entries").length ?? 0;
    await cluster.pass(10_000);
    const before = batches();
    // The large one was let through, and is to be paid for first.
    await ann.write(id, "small", {});
    await cluster.pass(60_000);
    expect([channel?.isOpen, stalls(ann), batches()]).toEqual([true, 0, before]);
    await cluster.pass(60_000);
    const paid = batches();
    expect([channel?.isOpen, stalls(ann), paid > before]).toEqual([true, 0, true]);
    await run(ann, "changeSettings", { peerSendBytesPerSecond: 0 });
    cluster.network.change(ann.key, raw.key, { bytesPerSecond: 2_000 });
    await ann.write(id, "larger", { text: "x".repeat(100_000) });
    await cluster.pass(45_000);
    expect([channel?.isOpen, stalls(ann), batches()]).toEqual([true, 0, paid]);
    await cluster.pass(10_000);
    expect([channel?.isOpen, stalls(ann), batches() > paid]).toEqual([true, 0, true]);
  });
});

describe("[SYNC-12] after time offline", () => {
  test("both directions flow within five seconds of going online, or of waking", async () => {
    const [ann, ben] = await pair();
    ann.instance.setOnline(false);
    await ann.write(id, "from ann", {});
    await ben.write(id, "from ben", {});
    await cluster.pass(60_000);
    ann.instance.setOnline(true);
    await cluster.converge(id, [ann, ben], 5_000);
    cluster.cut(ann.key, ben.key);
    await cluster.pass(60_000);
    await ann.write(id, "more", {});
    cluster.heal(ann.key, ben.key);
    await start(ann, "wake", {});
    await cluster.converge(id, [ann, ben], 5_000);
  });

  test("without any timer everything still arrives after cuts, drops and restarts", async () => {
    const off = { antiEntropyMs: 0, retryScanMs: 0, connectionCheckMs: 0, stallTimeoutMs: 0 };
    const devices = [...(await group(3, off))];
    for (let i = 0; i < 30; i++) {
      const [one, other] = [0, 1, 2].filter((each) => each !== i % 3).map((each) => devices[each] as Device);
      if (one === undefined || other === undefined) throw new Error("there are three");
      if (i % 5 === 0) cluster.cut(one.key, other.key);
      if (i % 7 === 0) cluster.network.drop(one.key, other.key);
      await one.write(id, `one ${i}`, {});
      await other.write(id, `other ${i}`, {});
      await cluster.pass(cluster.random.int(200));
      if (i % 11 === 0) {
        one.crash();
        const restart: RestartOptions = { ports: (ports) => ({ ...ports, settings: off }) };
        devices[devices.indexOf(one)] = await cluster.restart(one, restart);
      }
    }
    cluster.healAll();
    await cluster.converge(id, devices, 60_000);
    for (const device of devices) expect(device.rows(id).size).toBe(60);
  });
});

test("[SYNC-3] before the instance is online for the first time nothing runs, and what commands said counts once it is", async () => {
  const [ann, ben] = await pair();
  let ports: EnginePorts | undefined;
  const other = await cluster.addDevice({ ports: (it) => (ports = it) });
  if (ports === undefined) throw new Error("no ports");
  await cluster.settle(Promise.all([ann.instance.close(), other.instance.close()]));
  const networks: StubNetwork[] = [];
  const openNetwork = (): StubNetwork => {
    const network = new StubNetwork();
    networks.push(network);
    return network;
  };
  const storage = createMemoryStorage(ann.disk);
  const instance = await Instance.open({ ...ports, identity: ann.identity, storage, openNetwork }, new Deaf());
  await instance.sync.execute("updatePeer", { peer: ben.key, state: "blocked" }, never);
  await instance.sync.execute("setPreferences", { ...anybody, database: id, enabled: false }, never);
  await instance.sync.execute("wake", {}, never);
  await cluster.settle(instance.createDatabase("Meeting", { sync: true }));
  await cluster.pass(600_000);
  expect([networks.length, instance.status(id).blockedBy.map(({ type }) => type)]).toEqual([
    0,
    ["offline", "disabled"],
  ]);
  instance.setOnline(true);
  await cluster.pass(1_000);
  expect([networks.length, instance.status(id).blockedBy.map(({ type }) => type)]).toEqual([1, ["disabled"]]);
  await cluster.settle(instance.close());
});

class Deaf implements InstanceListener {
  changed(): void {}
  statusChanged(): void {}
  progressed(): void {}
  permissionsChanged(): void {}
  requestsChanged(): void {}
  relayChanged(): void {}
  reported(): void {}
  reloaded(): void {}
  peersChanged(): void {}
  jobChanged(): void {}
  logged(): void {}
  storageChanged(): void {}
}

describe("[SYNC-6] what a command changed", () => {
  test("is there after a crash in the instant in which it resolved", async () => {
    const [ann, ben] = await pair();
    const said: readonly (() => Promise<unknown>)[] = [
      () => start(ann, "updatePeer", { peer: ben.key, name: "Ben", state: "inactive" }),
      () => start(ann, "removeRelation", { database: id, peer: ben.key }),
      () => start(ann, "setPreferences", { ...anybody, database: id, user: "other", intervalMs: 7_000 }),
      () => start(ann, "stopTransport", { name: "webrtc" }),
      () => start(ann, "startListening", {}),
    ];
    for (const say of said) await cluster.settle(say());
    ann.crash();
    const again = await cluster.restart(ann);
    expect(await run(again, "peers", {})).toMatchObject([{ key: ben.key, name: "Ben", state: "inactive" }]);
    expect(await run(again, "relations", {})).toMatchObject([{ peer: ben.key, state: "off" }]);
    expect(await run(again, "preferences", { database: id })).toMatchObject({ intervalMs: 7_000 });
    expect(await run(again, "transports", {})).toMatchObject([{ name: "webrtc", isRunning: false, accepts: true }]);
    await run(again, "removePeer", { peer: ben.key });
    again.crash();
    expect(await run(await cluster.restart(again), "peers", {})).toEqual([]);
  });
});

describe("[HOOK-1] [HOOK-2] hooks on whole devices", () => {
  test("hear of what is written here and elsewhere, in the order of the log, and go on after a restart without gap or repeat", async () => {
    const [ann, ben] = await pair();
    const events: WriteEvent[] = [];
    const hook = { database: id, name: "index", write: (event: WriteEvent): void => void events.push(event) };
    ann.instance.sync.addHook(hook);
    await ann.write(id, "from ann", {});
    await cluster.until(() => ben.rows(id).size === 1);
    for (let i = 0; i < 10; i++) await ben.write(id, `r${i}`, {});
    await cluster.converge(id, [ann, ben]);
    await cluster.pass(0);
    expect(events[0]?.origin).toBe("local");
    expect(new Set(events.slice(1).map(({ origin }) => origin))).toEqual(new Set(["remote"]));
    await cluster.pass(2_000);
    ann.crash();
    await ben.write(id, "while away", {});
    const again = await cluster.restart(ann);
    await cluster.converge(id, [again, ben]);
    await again.write(id, "before the hook", {});
    again.instance.sync.addHook(hook);
    await cluster.pass(0);
    const { graph } = again.instance.database(id).replica;
    const ids = events.flatMap(({ entries }) => entries.map((entry) => entry.id));
    expect(ids).toEqual(Array.from({ length: 13 }, (_, i) => graph.at(i + 2).id));
  });

  test("that throw or hang hold up nobody else, and one may write itself", async () => {
    const [ann, ben] = await pair();
    const seen: string[] = [];
    ann.instance.sync.addHook({
      database: id,
      write: () => {
        throw new Error("no");
      },
    });
    ann.instance.sync.addHook({ database: id, write: () => new Promise(() => {}) });
    ann.instance.sync.addHook({
      database: id,
      write: async ({ origin, entries }) => {
        seen.push(origin);
        if (origin === "remote") for (const { seq } of entries) await ann.write(id, `answer ${seq}`, {});
      },
    });
    for (let i = 0; i < 5; i++) await ben.write(id, `r${i}`, {});
    await cluster.until(() => ben.rows(id).size === 10);
    await cluster.converge(id, [ann, ben]);
    expect(seen.filter((origin) => origin === "local")).toHaveLength(5);
    const failures = ann.problems.map(codeOf);
    expect(failures.length).toBeGreaterThan(0);
    expect(new Set(failures)).toEqual(new Set(["HOOK_FAILED"]));
  });
});
