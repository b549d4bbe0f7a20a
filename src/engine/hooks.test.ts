import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { vouchOwn } from "../core/chain.ts";
import type { VouchedEntry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, type EntryId, entryIdFromDigest } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import type { Storage } from "../ports/storage.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { CrashingStorage } from "../testing/crashing-storage.ts";
import { simulatedIdentity } from "../testing/simulated-keys.ts";
import { turn } from "../testing/turn.ts";
import { keyOf, rowParts, sealRoot, setPower, settingsParts, Writer } from "../testing/writers.ts";
import { OpenDatabase } from "./database.ts";
import { formatCursor } from "./hook-cursor.ts";
import { HookReader, type WriteEvent } from "./hook-reader.ts";
import { type Hook, Hooks } from "./hooks.ts";
import { storedEntry } from "./journal.ts";
import { loadReplica } from "./loading.ts";
import { LocalStore } from "./local-store.ts";
import type { EnginePorts } from "./ports.ts";

const epoch = "e1".repeat(16);
const identity = simulatedIdentity(new Uint8Array(32).fill(7), sha256);
const other = keyOf(2);
const root = sealRoot(
  identity.publicKey,
  sha256,
  settingsParts({ type: "name", name: "Board" }, setPower(other, WRITE)),
);

interface Device {
  readonly hooks: Hooks;
  readonly database: OpenDatabase;
  readonly id: DatabaseId;
  readonly store: LocalStore;
  readonly clock: SimulatedClock;
  readonly problems: TidemarkError[];
  /** How many entries each read asked for. */
  readonly reads: number[];
  write(row: string): Promise<void>;
  /** Entries of another key, durable when it resolves. */
  receive(count: number): Promise<void>;
}

/** One database on memory storage with its hooks: what is on the disk already is loaded, as after a restart. */
async function start(disk = new MemoryDisk(), storage: Storage = createMemoryStorage(disk)): Promise<Device> {
  const clock = new SimulatedClock();
  if ((await storage.databases()).length === 0)
    await storage.commit({
      database: root.id,
      position: 0,
      entries: [storedEntry(root, true)],
      record: { id: root.id, name: "Board", relays: [] },
    });
  const ports = { storage, identity, verifier: { verify: async () => true }, sha256, clock } as unknown as EnginePorts;
  const loaded = await storage.load(root.id);
  if (loaded === undefined) throw new Error("the root is durable");
  const { replica, checkpoints } = await loadReplica(ports, loaded);
  const store = await LocalStore.open({ storage, clock, failed: () => {} });
  const [problems, reads]: [TidemarkError[], number[]] = [[], []];
  const database = new OpenDatabase(ports, loaded.record, replica, checkpoints, {
    changed: () => {},
    announced: () => hooks.stored(root.id),
    refused: (refusals) => expect.fail(JSON.stringify(refusals)),
    missed: () => {},
    recounted: () => undefined,
    refolded: () => {},
    healing: () => {},
    notTended: () => {},
    storageError: undefined,
    admit: async () => {},
    failed: () => {},
  });
  const hooks = new Hooks({
    store,
    clock,
    epoch,
    self: identity.publicKey,
    stored: () => database.replica.stored,
    failed: (error) => void problems.push(error),
    read: (_id, from, to) => {
      reads.push(to - from);
      return database.log.readCounting(from, to);
    },
  });
  const theirs = new Writer(other, root.id, sha256);
  theirs.receive([vouchOwn(root)], clock.now());
  return {
    ...{ hooks, database, id: root.id, store, clock, problems, reads },
    write: (row) => database.commit(() => rowParts(row)),
    receive: async (count) => {
      const entries = Array.from({ length: count }, (_, i) => theirs.write(rowParts(`their ${i}`), clock.now()));
      await (await database.receive(entries as VouchedEntry[])).durable;
    },
  };
}

/** Lets everything happen that needs no time. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

function shapes(events: readonly WriteEvent[]): readonly unknown[] {
  return events.map(({ origin, entries }) => [origin, entries.length]);
}

function codeOf(call: () => unknown): string {
  try {
    call();
    return "returned";
  } catch (error) {
    return error instanceof TidemarkError ? error.code : String(error);
  }
}

/** A promise that is resolved from outside. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

const never = new Promise<void>(() => {});

test("[HOOK-1] each commit of this device is one event, entries of others are one of at most 100, and nothing is none", async () => {
  const { hooks, id, database, write, receive } = await start();
  const events: WriteEvent[] = [];
  hooks.add({ database: id, write: (event) => void events.push(event) });
  hooks.stored(id);
  await settle();
  expect(events).toEqual([]);
  await Promise.all([write("a"), write("b")]);
  await receive(250);
  await write("c");
  await settle();
  const [first, ...rest] = shapes(events);
  expect([first, rest[0], rest.at(-1)]).toEqual([
    ["local", 1],
    ["local", 1],
    ["local", 1],
  ]);
  const remote = events.filter(({ origin }) => origin === "remote");
  expect(remote.flatMap(({ entries }) => entries)).toHaveLength(250);
  expect(remote.length).toBe(3);
  const { graph } = database.replica;
  const expected = Array.from({ length: graph.size - 1 }, (_, i) => graph.at(1 + i).id);
  expect(events.flatMap(({ entries }) => entries.map((entry) => entry.id))).toEqual(expected);
  expect(events[0]).toMatchObject({ database: id, entries: [{ author: identity.publicKey }] });
  expect(events[0]?.entries[0]?.stores).toEqual([{ name: "rows", type: "table" }]);
});

test("[HOOK-2] a hook gets the next event only when it is done with the one before, in the order of the log", async () => {
  const { hooks, id, write } = await start();
  const gates = [gate(), gate(), gate()];
  const seen: number[] = [];
  let running = 0;
  hooks.add({
    database: id,
    write: async ({ entries }) => {
      expect(running++).toBe(0);
      seen.push(entries[0]?.seq ?? -1);
      await gates[seen.length - 1]?.opened;
      running--;
    },
  });
  await Promise.all(["a", "b", "c"].map(write));
  await settle();
  expect(seen).toEqual([1]);
  for (const [i, { open }] of gates.entries()) {
    open();
    await settle();
    expect(seen).toEqual([1, 2, 3].slice(0, i + 2));
  }
});

test("[HOOK-2] what a hook writes itself comes to it as another event, and nothing waits for anything", async () => {
  const { hooks, id, write } = await start();
  const seen: number[] = [];
  hooks.add({
    database: id,
    write: async ({ entries }) => {
      seen.push(entries[0]?.seq ?? -1);
      if (seen.length < 5) await write(`again ${seen.length}`);
    },
  });
  await write("first");
  await settle();
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});

test("[HOOK-3] of 1,000 commits a hook gets all, whatever one that throws and one that hangs do, and each commit resolves", async () => {
  const { hooks, id, write, problems, reads } = await start();
  const events: WriteEvent[] = [];
  let [thrown, hung] = [0, 0];
  hooks.add({
    database: id,
    write: () => {
      thrown++;
      throw new Error("broken");
    },
  });
  hooks.add({
    database: id,
    write: () => {
      hung++;
      return never;
    },
  });
  hooks.add({ database: id, write: (event) => void events.push(event) });
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 100 }, (_, j) => write(`${i} ${j}`)));
  await settle();
  for (let i = 0; i < 100 && events.length < 1_000; i++) await settle();
  expect(events.map(({ entries }) => entries[0]?.seq)).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
  expect([thrown, hung, problems.length]).toEqual([1_000, 1, 1_000]);
  expect(problems[0]).toMatchObject({ code: "HOOK_FAILED", details: { reason: "broken" } });
  expect(Math.max(...reads)).toBeLessThanOrEqual(100);
});

test("[HOOK-3] a hook with a name gets the event that it failed at again after 1, 2, 4 … 64 seconds", async () => {
  const { hooks, id, write, problems, clock } = await start();
  const begun = clock.now();
  const attempts: [number, number | undefined][] = [];
  hooks.add({
    database: id,
    name: "index",
    write: async ({ entries }) => {
      attempts.push([(clock.now() - begun) / 1_000, entries[0]?.seq]);
      if (attempts.length < 10) throw new Error("not now");
    },
  });
  await Promise.all([write("a"), write("b")]);
  for (let i = 0; i < 20; i++) {
    await settle();
    clock.runNext();
  }
  await settle();
  const times = [0, 1, 3, 7, 15, 31, 63, 127, 191, 255];
  expect(attempts).toEqual([...times.map((at) => [at, 1]), [255, 2]]);
  expect(problems.map(({ code }) => code)).toEqual(Array(9).fill("HOOK_FAILED"));
});

test("[HOOK-3] a log that cannot be read is reported and read again later", async () => {
  const { hooks, id, database, clock, problems, write } = await start();
  const events: WriteEvent[] = [];
  const { read } = database.log;
  database.log.read = () => Promise.reject(new TidemarkError("STORAGE_UNAVAILABLE", { reason: "for now" }));
  hooks.add({ database: id, write: (event) => void events.push(event) });
  await write("a");
  await settle();
  expect([events, problems.map(({ code }) => code)]).toEqual([[], ["STORAGE_UNAVAILABLE"]]);
  database.log.read = read;
  clock.advance(1_000);
  await settle();
  expect(shapes(events)).toEqual([["local", 1]]);
});

test("[HOOK-4] an entry that became durable in the moment of a crash comes to a hook with a name after the restart", async () => {
  const disk = new MemoryDisk();
  await start(disk);
  const plan = { commit: 2, fault: { type: "crash", durable: true } } as const;
  const storage = new CrashingStorage(createMemoryStorage(disk), plan);
  const before = await start(disk, storage);
  const seen: (number | undefined)[] = [];
  const hook = {
    database: before.id,
    name: "index",
    write: (event: WriteEvent) => void seen.push(event.entries[0]?.seq),
  };
  before.hooks.add(hook);
  await before.write("a");
  await settle();
  before.clock.advance(1_000);
  await settle();
  await expect(before.write("b")).rejects.toMatchObject({ code: "STORAGE_CLOSED" });
  await settle();
  expect([storage.faults, seen]).toEqual([1, [1]]);
  const after = await start(disk);
  after.hooks.add(hook);
  await settle();
  expect(seen).toEqual([1, 2]);
});

test("[HOOK-4] wherever a run is cut off, a hook with a name gets every event at least once, and none before an earlier one", async () => {
  const step = fc.constantFrom("write", "receive", "pass", "crash", "close");
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25, size: "max" }), fc.nat(9), async (steps, hangsAt) => {
      const disk = new MemoryDisk();
      const seen: string[] = [];
      const begin = async (hangsAtCall: number): Promise<Device> => {
        const device = await start(disk);
        let calls = 0;
        const write = ({ entries }: WriteEvent): unknown =>
          calls++ === hangsAtCall ? never : seen.push(...entries.map(({ id }) => id));
        device.hooks.add({ database: root.id, name: "index", write });
        await settle();
        return device;
      };
      let device = await begin(hangsAt);
      for (const [i, each] of steps.entries()) {
        if (each === "write") await device.write(`${i}`);
        if (each === "receive") await device.receive(1);
        if (each === "pass") device.clock.advance(1_000);
        if (each === "close") await device.store.close();
        await settle();
        if (each !== "crash" && each !== "close") continue;
        device.hooks.close();
        device = await begin(hangsAt);
      }
      device.hooks.close();
      const { graph } = (await begin(-1)).database.replica;
      const all = Array.from({ length: graph.size - 1 }, (_, i) => graph.at(1 + i).id as string);
      expect(seen.filter((id, at) => seen.indexOf(id) === at)).toEqual(all);
    }),
    { numRuns: 60 },
  );
});

test("[HOOK-4] a name has its own place in each database, and only one hook at a time", async () => {
  const { hooks, id } = await start();
  const stop = hooks.add({ database: id, name: "index", write: () => {} });
  const again = (): unknown => hooks.add({ database: id, name: "index", write: () => {} });
  expect(codeOf(again)).toBe("INPUT_INVALID");
  for (const name of ["", "x".repeat(300)])
    expect(codeOf(() => hooks.add({ database: id, name, write: () => {} }))).toBe("INPUT_INVALID");
  expect(
    codeOf(() => hooks.add({ database: entryIdFromDigest(new Uint8Array(32)), name: "index", write: () => {} })),
  ).toBe("returned");
  stop();
  expect(codeOf(again)).toBe("returned");
  stop();
  expect(codeOf(again)).toBe("INPUT_INVALID");
});

test("[HOOK-4] a hook with a name that starts for the first time begins with what comes next, also when the device dies at once", async () => {
  const disk = new MemoryDisk();
  const before = await start(disk);
  await before.write("old");
  before.hooks.add({ database: before.id, name: "index", write: () => never });
  await settle();
  await before.write("new");
  const after = await start(disk);
  const seen: (number | undefined)[] = [];
  after.hooks.add({ database: after.id, name: "index", write: ({ entries }) => void seen.push(entries[0]?.seq) });
  await settle();
  expect(seen).toEqual([2]);
});

test("[HOOK-5] a hook that is stopped gets nothing more, whether it waits, handles an event, or is to be tried again", async () => {
  const { hooks, id, write, clock, problems, store } = await start();
  const { opened, open } = gate();
  const calls = { idle: 0, busy: 0, failing: 0 };
  const stops = [
    hooks.add({ database: id, write: () => void calls.idle++ }),
    hooks.add({
      database: id,
      name: "busy",
      write: () => {
        calls.busy++;
        return opened;
      },
    }),
    hooks.add({
      database: id,
      name: "failing",
      write: () => {
        calls.failing++;
        throw new Error("no");
      },
    }),
  ];
  await Promise.all([write("a"), write("b")]);
  await settle();
  for (const stop of stops) stop();
  expect(clock.nextAt).toBe(undefined);
  open();
  await write("c");
  clock.advance(100_000);
  await settle();
  expect([calls, problems.length]).toEqual([{ idle: 2, busy: 1, failing: 1 }, 1]);
  // What was being handled counts as not done.
  expect(store.all("hook").map(({ position }) => position)).toEqual([1, 1]);
  const late: WriteEvent[] = [];
  hooks.add({ database: id, write: (event) => void late.push(event) });
  hooks.close();
  await write("d");
  await settle();
  expect(late).toEqual([]);
});

test("[HOOK-6] with the cursor of any event a hook gets exactly what came after it", async () => {
  const disk = new MemoryDisk();
  const { hooks, id, write, receive } = await start(disk);
  const events: WriteEvent[] = [];
  hooks.add({ database: id, write: (event) => void events.push(event) });
  await write("a");
  await receive(120);
  await write("b");
  await settle();
  const all = events.flatMap(({ entries }) => entries.map((entry) => entry.id));
  const again = await start(disk);
  let done = 0;
  for (const { cursor, entries } of events) {
    done += entries.length;
    const rest: string[] = [];
    again.hooks.add({
      database: id,
      after: cursor,
      write: (event) => void rest.push(...event.entries.map((entry) => entry.id)),
    });
    await settle();
    expect(rest).toEqual(all.slice(done));
  }
});

test("[HOOK-6] a cursor counts for more than the place that is remembered under a name", async () => {
  const { hooks, id, write } = await start();
  const events: WriteEvent[] = [];
  const stop = hooks.add({ database: id, name: "index", write: (event) => void events.push(event) });
  for (const row of ["a", "b", "c"]) await write(row);
  await settle();
  stop();
  const after = events[0]?.cursor ?? "";
  hooks.add({ database: id, name: "index", after, write: (event) => void events.push(event) });
  await settle();
  expect(events.map(({ entries }) => entries[0]?.seq)).toEqual([1, 2, 3, 2, 3]);
});

test.each([
  ["of another storage", formatCursor("f2".repeat(16), root.id, 1)],
  ["of another database", formatCursor(epoch, entryIdFromDigest(new Uint8Array(32).fill(5)), 1)],
  ["behind the end", formatCursor(epoch, root.id, 2)],
  ["before the start", formatCursor(epoch, root.id, -1)],
  ["between two entries", formatCursor(epoch, root.id, 0.5)],
  ["that is no number", formatCursor(epoch, root.id, Number.NaN)],
  ["that is cut off", formatCursor(epoch, root.id, 1).slice(0, -1)],
  ["that is empty", ""],
  ["that is much too long", "A".repeat(1_000_000)],
])("[HOOK-6] a cursor %s is refused", async (_title, after) => {
  const { hooks, id } = await start();
  expect(codeOf(() => hooks.add({ database: id, after, write: () => {} }))).toBe("CURSOR_INVALID");
  expect(codeOf(() => hooks.add({ database: id, after: formatCursor(epoch, id, 1), write: () => {} }))).toBe(
    "returned",
  );
});

describe("[HOOK-7] what is void when its turn comes", () => {
  /** As if these positions had been cut. */
  function cut({ database }: Device, voids: ReadonlySet<number>): void {
    database.replica.graph.counts = ({ position }) => !voids.has(position);
  }

  test("is left out, and every cursor stays good", async () => {
    const device = await start();
    const { hooks, id, write, receive, database } = device;
    await write("a");
    await receive(450);
    await write("b");
    // A run that spans more than one read, and single ones at its ends.
    const voids = new Set([1, 3, ...Array.from({ length: 250 }, (_, i) => 60 + i)]);
    cut(device, voids);
    const all: WriteEvent[] = [];
    hooks.add({ database: id, after: formatCursor(epoch, id, 0), write: (event) => void all.push(event) });
    await settle();
    const idsOf = (events: readonly WriteEvent[]): readonly EntryId[] =>
      events.flatMap(({ entries }) => entries.map((entry) => entry.id));
    const { graph } = database.replica;
    const counting = Array.from({ length: graph.size }, (_, i) => graph.at(i)).filter((node) => graph.counts(node));
    expect(idsOf(all)).toEqual(counting.map((node) => node.id));
    expect(Object.keys(all[0]?.entries[0] ?? {})).toEqual(["id", "author", "seq", "time", "stores"]);
    for (const [i, { cursor }] of all.entries()) {
      const rest: WriteEvent[] = [];
      const stop = hooks.add({ database: id, after: cursor, write: (event) => void rest.push(event) });
      await settle();
      stop();
      expect(idsOf(rest)).toEqual(idsOf(all.slice(i + 1)));
    }
  });

  test("at the end of the log holds up nothing that comes later, also after a restart, and does not come when it counts again", async () => {
    const disk = new MemoryDisk();
    const first = await start(disk);
    const seen: string[] = [];
    const note = ({ entries }: WriteEvent): void => void seen.push(...entries.map((entry) => entry.id));
    first.hooks.add({ database: first.id, name: "index", write: note });
    cut(first, new Set([1, 2, 3]));
    await first.receive(3);
    await settle();
    expect(seen).toEqual([]);
    cut(first, new Set());
    await first.write("a");
    await settle();
    const { graph } = first.database.replica;
    expect(seen).toEqual([graph.at(4).id]);
    await first.store.close();
    await first.database.settled();
    const second = await start(disk);
    second.hooks.add({ database: second.id, name: "index", write: note });
    await second.write("b");
    await settle();
    expect(seen).toEqual([graph.at(4).id, second.database.replica.graph.at(5).id]);
  });

  test("though it was read before, while the hook was busy, is left out", async () => {
    const device = await start();
    const { hooks, id, write, receive } = device;
    await write("a");
    await write("b");
    await receive(2);
    await write("c");
    const busy = gate();
    const later: number[] = [];
    const noteLater = async ({ entries }: WriteEvent): Promise<void> => {
      later.push(...entries.map(({ seq }) => seq));
      if (later.length === 1) await busy.opened;
    };
    hooks.add({ database: id, after: formatCursor(epoch, id, 1), write: noteLater });
    await settle();
    // All of it has been read by now.
    cut(device, new Set([3, 4]));
    hooks.recounted(id);
    busy.open();
    await settle();
    expect(later).toEqual([1, 2, 3]);
  });

  test("when what counts changes while it is read, is read again", async () => {
    const reading = gate();
    const [reads, handed]: [number[], number[]] = [[], []];
    const entry = { id: root.id, author: other, seq: 0, time: 1, stores: [] };
    const reader = new HookReader({
      ...{ database: root.id, name: undefined, position: 0, self: identity.publicKey, clock: new SimulatedClock() },
      stored: () => 1,
      cursorAt: String,
      remember: () => {},
      failed: ({ code }) => expect.fail(code),
      write: ({ entries }) => void handed.push(entries.length),
      read: async (from) => {
        reads.push(from);
        if (reads.length > 1) return [undefined];
        await reading.opened;
        return [entry];
      },
    });
    reader.wake();
    await settle();
    reader.recounted();
    reading.open();
    await settle();
    expect([reads, handed]).toEqual([[0, 0], []]);
  });
});

describe("[HOOK-8] a name that another owner's hook has", () => {
  interface Told {
    readonly began: string[];
    readonly rows: number[];
    readonly hook: (owner: string, after?: string) => Hook;
  }

  function listen({ id }: Device): Told {
    const told: Pick<Told, "began" | "rows"> = { began: [], rows: [] };
    return {
      ...told,
      hook: (owner, after) => ({
        ...{ database: id, name: "search", owner },
        ...(after === undefined ? {} : { after }),
        began: (cursor) => void told.began.push(`${owner} ${cursor}`),
        write: ({ entries }) => void told.rows.push(...entries.map(({ seq }) => seq)),
      }),
    };
  }

  test("is waited for, in the order of the owners, and each goes on where the one before was", async () => {
    const device = await start();
    const { began, rows, hook } = listen(device);
    const stops = ["a", "b", "c", "d"].map((owner) => device.hooks.add(hook(owner)));
    const owners = (): readonly string[] => began.map((each) => each.slice(0, 1));
    await device.write("r1");
    await settle();
    expect([owners(), rows]).toEqual([["a"], [1]]);
    stops[2]?.();
    stops[0]?.();
    await device.write("r2");
    await settle();
    expect([owners(), rows]).toEqual([
      ["a", "b"],
      [1, 2],
    ]);
    stops[0]?.();
    expect(owners(), "stopped twice").toEqual(["a", "b"]);
    stops[1]?.();
    await device.write("r3");
    await settle();
    expect([owners(), rows]).toEqual([
      ["a", "b", "d"],
      [1, 2, 3],
    ]);
    stops[3]?.();
    device.hooks.add(hook("e"));
    expect(owners(), "the name is free").toEqual(["a", "b", "d", "e"]);
  });

  test("is refused to an owner whose hook has it or waits for it already", async () => {
    const { hooks, ...device } = await start();
    const { hook } = listen({ hooks, ...device });
    const stopFirst = hooks.add(hook("a"));
    const stopWaiting = hooks.add(hook("b"));
    for (const owner of ["a", "b"]) expect(codeOf(() => hooks.add(hook(owner)))).toBe("INPUT_INVALID");
    stopWaiting();
    const stopAgain = hooks.add(hook("b"));
    stopFirst();
    expect(codeOf(() => hooks.add(hook("b")))).toBe("INPUT_INVALID");
    stopAgain();
    hooks.add(hook("b"));
  });

  test("is refused at once with a cursor that is none, and each says with which cursor it began", async () => {
    const device = await start();
    const { began, hook } = listen(device);
    const stop = device.hooks.add(hook("a"));
    expect(codeOf(() => device.hooks.add(hook("b", "nonsense")))).toBe("CURSOR_INVALID");
    const cursor = began[0]?.slice(2) ?? "";
    await device.write("r1");
    await settle();
    device.hooks.add(hook("b", cursor));
    stop();
    expect(began).toEqual([`a ${cursor}`, `b ${cursor}`]);
  });

  test("begins nothing more once all are closed", async () => {
    const device = await start();
    const { began, hook } = listen(device);
    const stop = device.hooks.add(hook("a"));
    device.hooks.add(hook("b"));
    device.hooks.close();
    stop();
    expect(began).toHaveLength(1);
  });
});
