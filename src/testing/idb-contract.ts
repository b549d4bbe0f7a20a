/**
 * What storage on IndexedDB does beyond the contract of every storage, as checks to run in a browser and on a double: the rules
 * STORAGE-14 to STORAGE-18, and STORAGE-1, 4 and 5 where they need a look below. A check that fails throws.
 */
import { equalBytes } from "../core/bytes.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Storage, StoredEntry } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { SeededRandom } from "./random.ts";
import {
  abortForQuota,
  deleteRaw,
  listRaw,
  openRaw,
  putRaw,
  type RawRecord,
  type StoreName,
  WatchedCalls,
} from "./raw-idb.ts";
import { StoredEntries } from "./stored-entries.ts";

export interface IdbCheck {
  /** The title of a test. */
  readonly title: string;
  /** @param name of an instance that nobody used before; it is left behind */
  check(name: string): Promise<void>;
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Not so: ${what}`);
}

async function failureOf(promise: Promise<unknown>): Promise<TidemarkError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof TidemarkError) return error;
  throw new Error(`Not so: it rejects with a TidemarkError, got ${String(error)}`);
}

async function expectCode(code: string, promise: Promise<unknown>): Promise<void> {
  const failure = await failureOf(promise);
  expect(failure.code === code, `it rejects with ${code}, got ${failure.message}`);
}

/** A database and everything that was committed to it. */
class Written {
  readonly source = new StoredEntries(new SeededRandom(1));
  readonly entries: StoredEntry[] = [];
  storage: Storage;

  private constructor(storage: Storage) {
    this.storage = storage;
  }

  static async create(name: string): Promise<Written> {
    const written = new Written(await openIdbStorage(name));
    await written.storage.putDatabase({ id: written.id, name: "notes", relays: [] });
    return written;
  }

  get id(): StoredEntries["database"] {
    return this.source.database;
  }

  async commit(...counts: readonly number[]): Promise<void> {
    for (const count of counts) {
      const entries = this.source.take(count);
      await this.storage.commit({ database: this.id, position: this.entries.length, entries });
      this.entries.push(...entries);
    }
  }

  async reopen(name: string): Promise<void> {
    await this.storage.close();
    this.storage = await openIdbStorage(name);
  }

  async expectAll(): Promise<void> {
    const index = (await this.storage.load(this.id))?.index ?? [];
    expect(index.length === this.entries.length, `${this.entries.length} entries are there, got ${index.length}`);
    const read = await this.storage.read(this.id, 0, this.entries.length);
    const isSame = (entry: StoredEntry, i: number): boolean =>
      index[i]?.id === entry.id && index[i]?.prev === entry.prev && equalBytes(read[i] as Uint8Array, entry.bytes);
    expect(this.entries.every(isSame), "every entry is as it was committed");
  }
}

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
        await expectCode("STORAGE_QUOTA", written.storage.commit(commit)).finally(() => puts.stop());
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
      await written.storage.putCheckpoint(written.id, { number: 1, through: 1, stores }, 1);
      await written.storage.putCursor({ database: written.id, peer: entry.author, frontier: bytes });
      await written.storage.close();
      const stored = await Promise.all(
        (["indexes", "segments", "cursors"] as const).map(async (store) => (await listRaw(name, store))[0]?.value),
      );
      const part = (await listRaw(name, "checkpoints"))[0]?.value as { stores: typeof stores };
      for (const value of [...stored, part.stores[0]?.bytes]) {
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
      const gets = new WatchedCalls("get", ["segments"], () => {});
      for (let i = 0; i < 3_000; i += 7) await written.storage.read(written.id, i, Math.min(i + 7, 3_000));
      for (const { id } of written.entries.slice(0, 100)) await written.storage.readById(written.id, id);
      gets.stop();
      expect(gets.calls === 3, `three segments are read once, got ${gets.calls} reads`);
      await written.storage.close();
    },
  },
];

/** What a stored value may have turned into. */
function damage(value: unknown): readonly unknown[] {
  const others = [
    undefined,
    null,
    7,
    "text",
    {},
    [],
    new Uint8Array(),
    new Uint8Array(8),
    new Uint8Array(4_000).fill(255),
  ];
  if (!(value instanceof Uint8Array)) return others;
  const flipped = [0, 4, 8, 12, 17, 40, value.length >> 1, value.length - 1].map((at) => {
    const copy = value.slice();
    copy[at] = (copy[at] ?? 0) ^ 0x10;
    return copy;
  });
  return [...others, ...flipped, value.slice(0, -4), value.slice(4), value.slice(0, 31), value.buffer];
}

interface Answers {
  /** How many calls rejected with STORAGE_CORRUPT. */
  readonly corrupt: number;
  /** How many answered with something else than what was written. */
  readonly wrong: number;
}

/** Asks for everything that can be read. No call may reject with another code. */
async function readAll(name: string, { id, entries }: Written): Promise<Answers> {
  const storage = await openIdbStorage(name);
  const last = entries.at(-1) as StoredEntry;
  const calls: readonly (() => Promise<boolean>)[] = [
    async () => (await storage.load(id))?.index.map((entry) => entry.id).join() === entries.map((e) => e.id).join(),
    async () =>
      (await storage.read(id, 0, entries.length)).every((bytes, i) => equalBytes(bytes, entries[i]?.bytes ?? bytes)),
    async () => equalBytes((await storage.readById(id, last.id)) ?? new Uint8Array(), last.bytes),
    async () => (await storage.databases())[0]?.id === id,
    async () => (await storage.cursors(id))[0]?.frontier.join() === "1,2,3",
  ];
  const answers = { corrupt: 0, wrong: 0 };
  for (const call of calls) {
    const outcome = await call().catch((error: unknown) => (error instanceof TidemarkError ? error.code : error));
    if (outcome === "STORAGE_CORRUPT") answers.corrupt += 1;
    else if (outcome === false) answers.wrong += 1;
    else expect(outcome === true, `it answers or is STORAGE_CORRUPT, got ${String(outcome)}`);
  }
  await storage.close();
  return answers;
}

async function expectUndamaged(name: string, written: Written): Promise<void> {
  const { corrupt, wrong } = await readAll(name, written);
  expect(corrupt + wrong === 0, "everything is read");
}

const damageChecks: readonly IdbCheck[] = [
  {
    title: "[STORAGE-15] damaged, missing and foreign records are STORAGE_CORRUPT, and what is not damaged is read",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(30, 1_200, 40);
      const stores = [{ name: "notes", type: "table", bytes: Uint8Array.of(1) }];
      await written.storage.putCheckpoint(written.id, { number: 1, through: 1, stores }, 1);
      const peer = (written.entries[0] as StoredEntry).author;
      await written.storage.putCursor({ database: written.id, peer, frontier: Uint8Array.of(1, 2, 3) });
      await written.storage.close();
      await expectUndamaged(name, written);
      for (const store of ["indexes", "segments", "databases", "checkpoints", "cursors"] as const) {
        await expectNoticed(name, written, store);
      }
      await expectUndamaged(name, written);
    },
  },
  {
    title: "[STORAGE-15] records in each other's place are STORAGE_CORRUPT",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(1_000, 1_000);
      await written.storage.close();
      for (const store of ["indexes", "segments"] as const) {
        const [one, other] = (await listRaw(name, store)) as [RawRecord, RawRecord];
        await putRaw(name, store, { key: one.key, value: other.value });
        await putRaw(name, store, { key: other.key, value: one.value });
        const storage = await openIdbStorage(name);
        const reading = store === "indexes" ? storage.load(written.id) : storage.read(written.id, 0, 2_000);
        await expectCode("STORAGE_CORRUPT", reading);
        await storage.close();
        for (const record of [one, other]) await putRaw(name, store, record);
      }
    },
  },
];

async function expectNoticed(name: string, written: Written, store: StoreName): Promise<void> {
  // Both only save work, and nothing says that they should be there.
  const isDispensable = store === "checkpoints" || store === "cursors";
  for (const record of await listRaw(name, store)) {
    for (const value of damage(record.value)) {
      await putRaw(name, store, { key: record.key, value });
      const { corrupt, wrong } = await readAll(name, written);
      // A frontier is bytes to storage, whatever they say.
      if (store === "cursors" && value instanceof Uint8Array) continue;
      const isNoticed = value === undefined ? corrupt + wrong > 0 || isDispensable : corrupt > 0 && wrong === 0;
      expect(isNoticed, `${store} with ${String(value).slice(0, 20)} is noticed, got ${corrupt} and ${wrong}`);
    }
    await putRaw(name, store, record);
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
      const failure = await failureOf(storage.databases());
      expect(failure.code === "STORAGE_CLOSED" && failure.message === losses[0]?.message, "calls say the same");
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
      await expectCode("STORAGE_UNAVAILABLE", openIdbStorage(name, { openTimeoutMs: 30 }));
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
    title: "[STORAGE-17] data of a newer version is STORAGE_UNAVAILABLE and stays as it is",
    async check(name) {
      await (await openIdbStorage(name)).close();
      (await openRaw(name, 99)).close();
      await expectCode("STORAGE_UNAVAILABLE", openIdbStorage(name));
      const raw = await openRaw(name);
      expect(raw.version === 99, "the version is as it was");
      raw.close();
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
        await expectCode("STORAGE_UNAVAILABLE", opening);
      }
      await (await openIdbStorage(name)).close();
    },
  },
];

/** The checks, each for an instance of its own. */
export const idbContract: readonly IdbCheck[] = [
  ...failureChecks,
  ...mergeChecks,
  ...damageChecks,
  ...connectionChecks,
];
