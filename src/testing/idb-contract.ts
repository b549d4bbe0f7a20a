/**
 * What storage on IndexedDB does beyond the contract of every storage, as checks to run in a browser and on a double: the rules
 * STORAGE-14 to STORAGE-20, STORAGE-30 to STORAGE-33 STORAGE-43 to STORAGE-47 and STORAGE-49, and STORAGE-1, 4 and 5 where they need a look below. A check that fails throws.
 */
import type { TidemarkError } from "../core/errors.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { openStorage } from "../storage/open-storage.ts";
import { packSegments } from "../storage/pack.ts";
import { schemaVersion } from "../storage/schema.ts";
import { closedConnectionChecks } from "./idb-connection-checks.ts";
import { damageChecks } from "./idb-damage-checks.ts";
import { finishChecks } from "./idb-finish-checks.ts";
import { healingChecks } from "./idb-healing-checks.ts";
import { repairChecks } from "./idb-repair-checks.ts";
import { savedIndexChecks } from "./idb-saved-index-checks.ts";
import { idbSnapshotChecks } from "./idb-snapshot-checks.ts";
import { type IdbCheck, Written } from "./idb-subject.ts";
import { SeededRandom } from "./random.ts";
import {
  abortForQuota,
  deleteRaw,
  keepBusy,
  listRaw,
  openRaw,
  putRaw,
  putVersion1,
  type RawVersion1,
  WatchedCalls,
} from "./raw-idb.ts";
import { bytesOf, expect, expectBytes, expectCode } from "./storage-subject.ts";
import { StoredEntries } from "./stored-entries.ts";

export type { IdbCheck } from "./idb-subject.ts";

const singles = (count: number): readonly number[] => Array.from({ length: count }, () => 1);

async function expectRecords(name: string, max: number): Promise<void> {
  for (const store of ["indexes", "segments"] as const) {
    const { length } = await listRaw(name, store);
    expect(length <= max, `at most ${max} records in ${store}, got ${length}`);
  }
}

const failureChecks: readonly IdbCheck[] = [
  {
    title:
      "[STORAGE-1] [STORAGE-5] a commit that fails at whichever of its writes is STORAGE_QUOTA, and leaves nothing",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(3);
      const entries = written.source.take(10_000, 200);
      const record = { id: written.id, name: "renamed", relays: [] };
      const commit = { database: written.id, position: 3, entries, record };
      for (let failing = 1; failing <= 7; failing++) {
        let aborts = 0;
        const puts = new WatchedCalls("put", ["databases", "indexes", "segments"], (number, store) => {
          if (number !== failing) return;
          aborts += 1;
          abortForQuota(store);
        });
        await expectCode("STORAGE_QUOTA", () => written.storage.commit(commit)).finally(() => puts.stop());
        expect(aborts === 1, `write ${failing} was reached`);
        await written.expectAll();
        expect((await written.storage.load(written.id))?.record.name === "notes", "the record is as it was");
      }
      const puts = new WatchedCalls("put", ["databases", "indexes", "segments"], () => {});
      await written.storage.commit(commit).finally(() => puts.stop());
      expect(puts.calls === 7, `every write was let fail, there were ${puts.calls}`);
      written.entries.push(...entries);
      await written.expectAll();
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-4] only the bytes that were given are stored, not the buffer behind them",
    async check(name) {
      const written = await Written.create(name);
      const buffer = new Uint8Array(100_000);
      const entry = written.source.next(buffer.subarray(10, 20));
      await written.storage.commit({ database: written.id, position: 0, entries: [entry] });
      const bytes = buffer.subarray(50, 53);
      const stores = [{ name: "notes", type: "table", bytes }];
      await written.storage.putCheckpoint(written.id, { number: 1, through: 1, void: [], stores }, 1);
      await written.storage.close();
      const stored = await Promise.all(
        (["indexes", "segments"] as const).map(async (store) => (await listRaw(name, store))[0]?.value),
      );
      const part = (await listRaw(name, "checkpoints"))[0]?.value as { value: { stores: typeof stores } };
      for (const value of [...stored, part.value.stores[0]?.bytes]) {
        const size = (value as Uint8Array).buffer.byteLength;
        expect(size > 0 && size < 200, `a few bytes are stored, got ${size}`);
      }
    },
  },
];

const mergeChecks: readonly IdbCheck[] = [
  {
    title: "[STORAGE-14] thousands of commits of one entry leave few records",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(...singles(2_000));
      await written.expectAll();
      await written.reopen(name);
      await written.expectAll();
      // 2,000 entries of 150 B on average are 5 × 64 KiB, and 8 × 256 entries.
      await expectRecords(name, 64 + 13);
      await written.commit(...singles(200));
      await written.reopen(name);
      await written.expectAll();
      await expectRecords(name, 64 + 14);
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-14] small commits between large ones are merged as well",
    async check(name) {
      const written = await Written.create(name);
      for (let i = 0; i < 20; i++) await written.commit(1, 1, 1, 1, 300);
      await written.reopen(name);
      await written.expectAll();
      await written.storage.close();
      await expectRecords(name, 2 * 20);
    },
  },
  {
    title: "[STORAGE-14] a merge that fails loses nothing, and is made up for at the next load",
    async check(name) {
      const written = await Written.create(name);
      const deletes = new WatchedCalls("delete", ["segments"], (_, store) => abortForQuota(store));
      await written.commit(...singles(300));
      await written.storage.close();
      deletes.stop();
      expect(deletes.calls > 0, "merges failed");
      expect((await listRaw(name, "segments")).length === 300, "nothing was merged");
      await written.reopen(name);
      await written.expectAll();
      await written.storage.close();
      await expectRecords(name, 64);
      await written.reopen(name);
      await written.expectAll();
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-18] reading in small steps reads each segment from the disk once",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(1_000, 1_000, 1_000);
      await written.reopen(name);
      await written.storage.load(written.id);
      const gets = new WatchedCalls("get", ["segments"], () => {});
      for (let i = 0; i < 3_000; i += 7) await written.storage.read(written.id, i, Math.min(i + 7, 3_000));
      for (const { id } of written.entries.slice(0, 100)) await written.storage.readById(written.id, id);
      gets.stop();
      expect(gets.calls === 3, `three segments are read once, got ${gets.calls} reads`);
      await written.storage.close();
    },
  },
];

/** Runs `use` with something else in the place of IndexedDB. */
async function instead<T>(value: unknown, use: () => Promise<T>): Promise<T> {
  const original = Object.getOwnPropertyDescriptor(globalThis, "indexedDB");
  Object.defineProperty(globalThis, "indexedDB", { configurable: true, value });
  try {
    return await use();
  } finally {
    if (original !== undefined) Object.defineProperty(globalThis, "indexedDB", original);
  }
}

const connectionChecks: readonly IdbCheck[] = [
  {
    title:
      "[STORAGE-16] another tab that deletes the data is let, the owner is told once, and calls are STORAGE_CLOSED",
    async check(name) {
      const losses: TidemarkError[] = [];
      const storage = await openIdbStorage(name, { onLost: (error) => losses.push(error) });
      await deleteRaw(name);
      expect(losses.map(({ code }) => code).join() === "STORAGE_CLOSED", "the owner is told once");
      await expectCode("STORAGE_CLOSED", () => storage.databases());
      await storage.close();
      const again = await openIdbStorage(name);
      expect((await again.databases()).length === 0, "it can be opened anew, and is empty");
      await again.close();
    },
  },
  {
    title: "[STORAGE-16] after close the owner is told nothing",
    async check(name) {
      const losses: TidemarkError[] = [];
      const storage = await openIdbStorage(name, { onLost: (error) => losses.push(error) });
      await storage.close();
      await deleteRaw(name);
      expect(losses.length === 0, "nothing is told");
    },
  },
  {
    title: "[STORAGE-17] an open that another tab blocks is STORAGE_UNAVAILABLE in time, and holds nothing afterwards",
    async check(name) {
      await (await openIdbStorage(name)).close();
      const stubborn = await openRaw(name);
      const deleting = deleteRaw(name);
      await expectCode("STORAGE_UNAVAILABLE", () => openIdbStorage(name, { openTimeoutMs: 30 }));
      stubborn.close();
      await deleting;
      // Were the late connection still open, this would wait for it.
      await deleteRaw(name);
      const storage = await openIdbStorage(name);
      expect((await storage.databases()).length === 0, "it opens once nothing blocks");
      await storage.close();
    },
  },
  {
    title: "[STORAGE-17] an open that a tab of an older build blocks ends in time, and goes through when that lets go",
    async check(name) {
      await putVersion1(name, []);
      const stubborn = await openRaw(name);
      const asked = new Promise((resolve) => stubborn.addEventListener("versionchange", resolve));
      const opening = openIdbStorage(name, { openTimeoutMs: 60_000 });
      await asked;
      await expectCode("STORAGE_UNAVAILABLE", () => openIdbStorage(name, { openTimeoutMs: 30 }));
      expect(stubborn.version === 1, "nothing is changed");
      stubborn.close();
      const storage = await opening;
      expect((await storage.databases()).length === 0, "it is open");
      await storage.close();
      await deleteRaw(name);
    },
  },
  {
    title:
      "[STORAGE-17] data that another tab keeps busy is STORAGE_UNAVAILABLE in time, to open and to claim, and nothing is claimed later",
    async check(name) {
      const first = await openIdbStorage(name);
      const late = await openIdbStorage(name, { openTimeoutMs: 30 });
      await first.claim();
      const letGo = await keepBusy(name);
      await expectCode("STORAGE_UNAVAILABLE", () => openIdbStorage(name, { openTimeoutMs: 30 }));
      await expectCode("STORAGE_UNAVAILABLE", () => late.claim());
      await late.close();
      await letGo();
      expect((await first.putValueOnce("fact", 1)) === 1, "whoever had claimed still writes");
      await first.close();
      // Were a late connection still open, this would wait for it.
      await deleteRaw(name);
    },
  },
  {
    title: "[STORAGE-45] data of a later format is STORAGE_NEWER and stays as it is, whichever of its numbers says so",
    async check(name) {
      await (await openIdbStorage(name)).close();
      const number = schemaVersion + 1;
      for (const later of [{ number }, { number, again: number }]) {
        await putRaw(name, "lease", { key: "format", value: later });
        await expectCode("STORAGE_NEWER", () => openIdbStorage(name));
        expect(
          JSON.stringify(await listRaw(name, "lease")) === JSON.stringify([{ key: "format", value: later }]),
          "as it was",
        );
      }
      (await openRaw(name, 99)).close();
      for (const open of [openIdbStorage, openStorage]) {
        const failure = await open(name).then(
          () => undefined,
          (error: TidemarkError) => error,
        );
        const told = JSON.stringify([failure?.code, failure?.details]);
        expect(told === `["STORAGE_NEWER",{"got":99,"expected":${schemaVersion}}]`, `it says which, got ${told}`);
      }
      const raw = await openRaw(name);
      expect(raw.version === 99, "the version is as it was");
      raw.close();
      await deleteRaw(name);
    },
  },
  {
    title:
      "[STORAGE-45] whoever is to claim data that a later format has begun to change is told STORAGE_NEWER, and claims nothing",
    async check(name) {
      const [storage, other] = [await openIdbStorage(name), await openIdbStorage(name)];
      await other.claim();
      await putRaw(name, "lease", { key: "format", value: { number: schemaVersion + 1 } });
      await expectCode("STORAGE_NEWER", () => storage.claim());
      await other.putValueOnce("x", 1);
      for (const each of [storage, other]) await each.close();
    },
  },
  {
    title: "[STORAGE-20] data of version 1 is kept whole, and goes on as the newest version",
    async check(name) {
      const source = new StoredEntries(new SeededRandom(1));
      const { database } = source;
      const entries = source.take(300);
      const part = { number: 1, through: 7, stores: [{ name: "notes", type: "table", bytes: Uint8Array.of(1) }] };
      await putVersion1(name, [
        ["databases", database, { id: database, name: "notes", relays: [] }],
        ["values", "identity", "a key pair"],
        ["checkpoints", [database, 1], part],
        ...packSegments(0, entries).flatMap(({ end, index, bytes }): RawVersion1[] => [
          ["indexes", [database, end], index],
          ["segments", [database, end], bytes],
        ]),
      ]);
      for (let i = 0; i < 2; i++) {
        const storage = await openIdbStorage(name);
        const loaded = await storage.load(database);
        expect(loaded?.record.name === "notes" && loaded.checkpoints[0]?.through === 7, "its record and checkpoint");
        expect(loaded?.checkpoints[0]?.void.length === 0, "a part without a list leaves nothing out");
        expect(
          [...(loaded?.index ?? [])].map(({ id }) => id).join() === entries.map(({ id }) => id).join(),
          "its index",
        );
        expectBytes(await storage.read(database, 0, 300), bytesOf(entries), "its entries");
        expect((await storage.getValue("identity")) === "a key pair", "its values");
        expect((await storage.records("peer")).length === i, "no records at first");
        await storage.putRecords([{ kind: "peer", key: "p", value: 1 }]);
        await storage.close();
      }
      const raw = await openRaw(name);
      const names = [...raw.objectStoreNames].join();
      raw.close();
      expect(raw.version === schemaVersion && !names.includes("cursors"), `what it has now: ${names}`);
    },
  },
  {
    title: "[STORAGE-17] where IndexedDB is absent or forbidden, open is STORAGE_UNAVAILABLE",
    async check(name) {
      const original = Object.getOwnPropertyDescriptor(globalThis, "indexedDB");
      const getters = [
        () => undefined,
        () => {
          throw new DOMException("forbidden", "SecurityError");
        },
      ];
      for (const get of getters) {
        Object.defineProperty(globalThis, "indexedDB", { configurable: true, get });
        const opening = openIdbStorage(name);
        if (original !== undefined) Object.defineProperty(globalThis, "indexedDB", original);
        await expectCode("STORAGE_UNAVAILABLE", () => opening);
      }
      await (await openIdbStorage(name)).close();
    },
  },
  {
    title: "[STORAGE-44] where IndexedDB is absent or forbidden the storage is in memory and says so, and nowhere else",
    async check(name) {
      const there = await openStorage(name);
      expect(there.kind === "idb", "it is on IndexedDB");
      await there.close();
      const failWith = (errorName: string): unknown => ({
        open: () => {
          throw new DOMException("simulated", errorName);
        },
      });
      const refusals = [undefined, failWith("SecurityError"), failWith("InvalidStateError")];
      for (const value of refusals) {
        const storage = await instead(value, () => openStorage(name));
        expect(storage.kind === "memory", "it is in memory");
        await storage.putValueOnce("x", 1);
        await storage.close();
      }
      const failures = {
        QuotaExceededError: "STORAGE_QUOTA",
        NotReadableError: "STORAGE_CORRUPT",
        UnknownError: "STORAGE_UNAVAILABLE",
      } as const;
      for (const [errorName, code] of Object.entries(failures))
        await expectCode(code, () => instead(failWith(errorName), () => openStorage(name)));
      const stubborn = await openRaw(name);
      const deleting = deleteRaw(name);
      await expectCode("STORAGE_UNAVAILABLE", () => openStorage(name, { openTimeoutMs: 30 }));
      stubborn.close();
      await deleting;
    },
  },
];

/** The checks, each for an instance of its own. */
export const idbContract: readonly IdbCheck[] = [
  ...failureChecks,
  ...mergeChecks,
  ...damageChecks,
  ...healingChecks,
  ...repairChecks,
  ...connectionChecks,
  ...closedConnectionChecks,
  ...finishChecks,
  ...savedIndexChecks,
  ...idbSnapshotChecks,
];
