import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { ADMIN, READ, WRITE } from "../core/store/power.ts";
import { parseTicket } from "../core/ticket.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { DyingStorage } from "../testing/dying-storage.ts";
import { turn } from "../testing/turn.ts";
import { rowParts } from "../testing/writers.ts";
import { isSynced } from "./sync-switch.ts";
import { noteStored, rowsOf, storeWith, type WriteId, WriteLedger } from "./writes.ts";

const tab = "ab".repeat(16);
const database = "d".repeat(64) as DatabaseId;

function id(number: number, settledBelow = 0): WriteId {
  return { tab, number, settledBelow };
}

// --- Whole devices

interface Scene {
  readonly cluster: Cluster;
  readonly device: Device;
  readonly other: Device;
  readonly dying: DyingStorage;
  readonly database: DatabaseId;
}

type Act = (device: Device, write: WriteId, scene: Scene) => Promise<unknown>;
/** What can be seen of the write having been done. */
type Seen = (device: Device, answer: unknown, scene: Scene) => Promise<unknown> | unknown;

async function setUp(isEncrypted: boolean): Promise<Scene> {
  const cluster = new Cluster(1);
  let dying: DyingStorage | undefined;
  const device = await cluster.addDevice({
    ports: (ports) => {
      dying = new DyingStorage(ports.storage);
      return { ...ports, storage: dying.storage };
    },
  });
  const { id: made } = await cluster.settle(device.instance.createDatabase("Board", { encrypted: isEncrypted }));
  const other = await cluster.addDevice();
  return { cluster, device, other, dying: dying as DyingStorage, database: made };
}

/** Asks to be let in, which the device hears. */
async function knock({ cluster, device, other, database: asked }: Scene): Promise<void> {
  await cluster.settle(other.instance.join(await device.instance.ticket(asked), { name: "Zoe" }));
  await cluster.until(() => device.instance.requests(asked).length === 1);
  // Until it is on the disk.
  await cluster.pass(5_000);
}

const nothing = async (): Promise<void> => {};

function sets({ instance }: Device, of: DatabaseId): readonly unknown[] {
  return instance
    .database(of)
    .replica.settings.sets()
    .map(({ key }) => key);
}

interface Case {
  readonly act: Act;
  readonly seen: Seen;
  readonly before?: (scene: Scene) => Promise<void>;
}

const cases: Readonly<Record<string, Case>> = {
  commit: {
    act: (device, write, scene) => device.instance.commit(scene.database, () => rowParts("r1"), write),
    seen: (device, _answer, scene) => [
      device.instance.database(scene.database).replica.graph.size,
      [...device.rows(scene.database).keys()],
    ],
  },
  createDatabase: {
    act: (device, write) => device.instance.createDatabase("New", {}, write),
    seen: (device, answer) => {
      const made = device.instance.records().filter(({ name }) => name === "New");
      return [made.length, made[0]?.id === (answer as { id: DatabaseId }).id];
    },
  },
  share: {
    act: (device, write, scene) => device.instance.share(scene.database, { power: READ }, write),
    seen: async (device, answer, scene) => {
      const ticket = parseTicket(answer as string, device.sha256);
      const secret = (ticket.ok && ticket.value.secret) || new Uint8Array(32);
      const { publicKey } = await device.ports.deriveIdentity(secret);
      const invites = device.instance.invites(scene.database).map(({ key }) => key === publicKey);
      return [invites, isSynced(device.instance.database(scene.database).record)];
    },
  },
  setPermission: {
    act: (device, write, scene) =>
      device.instance.permissions.set(scene.database, { key: scene.other.key, power: ADMIN }, write),
    seen: (device, _answer, scene) => [
      sets(device, scene.database).length,
      isSynced(device.instance.database(scene.database).record),
    ],
  },
  setPublic: {
    act: (device, write, scene) => device.instance.permissions.setPublic(scene.database, READ, write),
    seen: (device, _answer, scene) => [
      device.instance.permissions.publicPermission(scene.database),
      device.instance.database(scene.database).replica.graph.size,
      isSynced(device.instance.database(scene.database).record),
    ],
  },
  revokeInvite: {
    before: async ({ cluster, device, database: of }) =>
      void (await cluster.settle(device.instance.share(of, { power: READ }))),
    act: async (device, write, scene) => {
      const [invite] = device.instance.database(scene.database).replica.settings.invites();
      await device.instance.revokeInvite(scene.database, invite?.key ?? scene.device.key, write);
    },
    seen: (device, _answer, scene) => [
      device.instance.invites(scene.database).length,
      device.instance.database(scene.database).replica.graph.size,
    ],
  },
  join: {
    act: async (device, write, scene) => {
      const { instance } = scene.other;
      const known = instance.records()[0] ?? (await instance.createDatabase("Theirs", { sync: true }));
      return device.instance.join(await instance.ticket(known.id), {}, write);
    },
    seen: (device, answer) => [
      device.instance.records().length,
      device.instance.find((answer as { id: DatabaseId }).id) !== undefined,
    ],
  },
  approveRequest: {
    before: knock,
    act: (device, write, scene) =>
      device.instance.approveRequest(scene.database, { key: scene.other.key, power: WRITE }, write),
    seen: (device, _answer, scene) => [
      device.instance.requests(scene.database).map(({ state }) => state),
      sets(device, scene.database).length,
    ],
  },
  rejectRequest: {
    before: knock,
    act: (device, write, scene) => device.instance.rejectRequest(scene.database, scene.other.key, write),
    seen: (device, _answer, scene) => device.instance.requests(scene.database).map(({ state }) => state),
  },
};

const stepsMax = 20;

/** What is seen, and answered, when nothing goes wrong; and how many writes to storage that takes. */
async function runWhole({ act, seen, before = nothing }: Case, isEncrypted: boolean): Promise<unknown> {
  const scene = await setUp(isEncrypted);
  await before(scene);
  const answer = await scene.cluster.settle(act(scene.device, id(1), scene));
  expect(await scene.cluster.settle(act(scene.device, id(1), scene)), "asked again").toEqual(answer);
  return await seen(scene.device, answer, scene);
}

describe.each(Object.entries(cases))(
  "[ENGINE-27] %s, when the device dies at any of its steps and is asked again",
  (_name, one) => {
    test.each([
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ])("is done once: encrypted %s, that step durable %s", async (isEncrypted, isDurable) => {
      const whole = await runWhole(one, isEncrypted);
      let deaths = 0;
      for (let step = 1; step <= stepsMax; step++) {
        const scene = await setUp(isEncrypted);
        const { cluster, device, dying } = scene;
        await (one.before ?? nothing)(scene);
        dying.dieAt(step, isDurable);
        const first = await cluster.settle(
          one.act(device, id(1), scene).then(
            (answer) => ({ answer }),
            () => undefined,
          ),
        );
        if (!dying.isDead && first !== undefined) break;
        deaths += 1;
        const next = await cluster.restart(device);
        const answer = await cluster.settle(one.act(next, id(1), scene));
        expect(await one.seen(next, answer, scene), `died at step ${step}`).toEqual(whole);
        if (first !== undefined) expect(answer, "the first answer was heard").toEqual(first.answer);
        const third = await cluster.restart(next);
        expect(await cluster.settle(one.act(third, id(1), scene)), "asked a third time").toEqual(answer);
        expect(await one.seen(third, answer, scene)).toEqual(whole);
      }
      expect(deaths).toBeGreaterThan(0);
      expect(deaths).toBeLessThan(stepsMax);
    });
  },
);

test("[ENGINE-27] calls with one id at a time share one answer", async () => {
  const scene = await setUp(false);
  const { cluster, device, database: of } = scene;
  const write = id(1);
  const [one, two] = await cluster.settle(
    Promise.all([device.instance.share(of, { power: READ }, write), device.instance.share(of, { power: READ }, write)]),
  );
  expect(two).toBe(one);
  expect(device.instance.invites(of)).toHaveLength(1);
});

test("[ENGINE-28] what was refused is decided anew", async () => {
  const scene = await setUp(false);
  const { cluster, device, database: of } = scene;
  const failing = device.instance.commit(
    of,
    () => {
      throw new Error("not yet");
    },
    id(1),
  );
  await expect(cluster.settle(failing)).rejects.toThrow("not yet");
  await cluster.settle(device.instance.commit(of, () => rowParts("r1"), id(1)));
  expect([...device.rows(of).keys()]).toEqual(["r1"]);
});

test("[ENGINE-28] what is no id is refused", async () => {
  const { device, database: of } = await setUp(false);
  const wrong: readonly unknown[] = [
    {},
    { tab: "", number: 1, settledBelow: 0 },
    { tab: "x/y", number: 1, settledBelow: 0 },
    { tab, number: 0.5, settledBelow: 0 },
    { tab, number: 1, settledBelow: 2 },
    { tab, number: 1 },
  ];
  for (const write of wrong) {
    await expect(device.instance.commit(of, () => rowParts("r1"), write as WriteId)).rejects.toMatchObject({
      code: "INPUT_INVALID",
      details: { field: "write" },
    });
  }
  expect(device.instance.database(of).replica.graph.size).toBe(1);
});

// --- The ledger alone

interface Subject {
  readonly disk: MemoryDisk;
  readonly ledger: WriteLedger;
  readonly done: number[];
  /** A write to the journal of a database, or to no journal. */
  write(number: number, settledBelow?: number, journal?: DatabaseId): Promise<unknown>;
}

async function openLedger(disk: MemoryDisk = new MemoryDisk()): Promise<Subject> {
  const storage = createMemoryStorage(disk);
  const ledger = await WriteLedger.open(storage, new SimulatedClock());
  const done: number[] = [];
  const write = (number: number, settledBelow = 0, journal?: DatabaseId): Promise<unknown> =>
    ledger.once(id(number, settledBelow), async (mark) => {
      done.push(number);
      const marks = mark(`answer ${number}`);
      const put = async (rows: ReturnType<typeof rowsOf>): Promise<void> => {
        for (const row of rows) disk.writes.set(row.tab, structuredClone(row.value));
        await turn();
      };
      if (journal === undefined) await storeWith(marks, put);
      else {
        await put(rowsOf(journal, marks));
        noteStored(journal, marks);
      }
      return `answer ${number}`;
    });
  return { disk, ledger, done, write };
}

test("[ENGINE-29] of a tab that goes on, only what it has no answer to is remembered, however much it writes", async () => {
  const { disk, write, ledger } = await openLedger();
  for (let number = 1; number <= 2_000; number++) await write(number, number, number % 7 === 0 ? undefined : database);
  await turn();
  expect(disk.writes.size).toBeLessThanOrEqual(2);
  for (const value of disk.writes.values()) expect(JSON.stringify(value).length).toBeLessThan(200);
  await ledger.forget(tab);
  expect([disk.writes.size, ledger.tabs()]).toEqual([0, []]);
});

test("[ENGINE-29] thousands of writes that wait for their answers take little room", async () => {
  const { disk, ledger } = await openLedger();
  const marks = await Promise.all(
    Array.from({ length: 5_000 }, (_, i) => ledger.once(id(i + 1), async (mark) => mark())),
  );
  const rows = rowsOf(database, marks.flat());
  noteStored(database, marks.flat());
  expect(rows).toHaveLength(1);
  expect(JSON.stringify(rows).length).toBeLessThan(300);
  for (const row of rows) disk.writes.set(row.tab, row.value);
  const again = await openLedger(disk);
  for (const number of [1, 2_500, 5_000]) await again.write(number);
  await again.write(5_001);
  expect(again.done).toEqual([5_001]);
});

test("[ENGINE-27] whatever order writes are stored, answered and asked again in, none is done twice and none is left out", async () => {
  const step = fc.record({
    journal: fc.constantFrom(undefined, database, "e".repeat(64) as DatabaseId),
    dies: fc.boolean(),
    settles: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      let subject = await openLedger();
      const done: number[] = [];
      let settledBelow = 0;
      for (const [i, { journal, dies, settles }] of steps.entries()) {
        const answer = await subject.write(i + 1, settledBelow, journal);
        if (dies) {
          done.push(...subject.done);
          subject = await openLedger(subject.disk);
          expect(await subject.write(i + 1, settledBelow, journal)).toBe(answer);
        }
        // All before this one: it may be asked for again itself.
        if (settles) settledBelow = i + 1;
      }
      done.push(...subject.done);
      expect(done).toEqual(steps.map((_, i) => i + 1));
      // What was answered stays done: an outbox may still hold it.
      const last = await openLedger(subject.disk);
      for (let number = 1; number <= steps.length; number++) await last.write(number);
      expect(last.done).toEqual([]);
    }),
  );
});

test("[ENGINE-27] rows that make no sense are as none", async () => {
  const disk = new MemoryDisk();
  const good = { settledBelow: 1, atMs: 5, ranges: [3, 4], answers: [[3, "a"]] };
  const bad: readonly unknown[] = [
    1,
    null,
    {},
    { ...good, ranges: [1, 2 ** 40] },
    { ...good, ranges: [-1, 3] },
    { ...good, answers: [3] },
    { ...good, settledBelow: "1" },
  ];
  for (const [i, value] of bad.entries()) disk.writes.set(`${tab}/${i}`, value);
  disk.writes.set("no slash", good);
  disk.writes.set(`${tab}/good`, good);
  const { done, write, ledger } = await openLedger(disk);
  expect(ledger.tabs()).toEqual([{ tab, lastMs: 5 }]);
  expect([await write(3), await write(4), await write(5)]).toEqual(["a", undefined, "answer 5"]);
  expect(done).toEqual([5]);
});
