/**
 * What every `Storage` does, as checks to run against an implementation: the rules STORAGE-1 to STORAGE-12 of
 * ports/storage.ts. Needs no test framework: a check that fails throws.
 */
import { equalBytes } from "../core/bytes.ts";
import { type ErrorCode, TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { batchEntriesMax } from "../core/limits.ts";
import type { CheckpointPart, DatabaseRecord, EntryIndex, Storage, StoredEntry } from "../ports/storage.ts";
import { SeededRandom } from "./random.ts";
import { StoredEntries } from "./stored-entries.ts";

/** A disk of the check's own, empty at first. */
export interface StorageDisk {
  /** A storage on it; may be open several times. The check closes what it opened. */
  open(): Promise<Storage>;
}

export interface StorageCheck {
  /** The title of a test. */
  readonly title: string;
  check(disk: StorageDisk): Promise<void>;
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Not so: ${what}`);
}

function expectBytes(got: readonly Uint8Array[], expected: readonly Uint8Array[], what: string): void {
  expect(got.length === expected.length, `${what}: ${expected.length} entries, got ${got.length}`);
  const at = got.findIndex((bytes, i) => !equalBytes(bytes, expected[i] as Uint8Array));
  expect(at < 0, `${what}: entry ${at} is as it was committed`);
}

async function expectCode(code: ErrorCode, call: () => Promise<unknown>): Promise<void> {
  const outcome = await call().then(
    () => "resolved",
    (error: unknown) => (error instanceof TidemarkError ? error.code : String(error)),
  );
  expect(outcome === code, `it rejects with ${code}, got ${outcome}`);
}

/** Fields in one order, so that texts can be compared. */
function describe({ id, author, seq, prev, parents, height, time, size, settings }: EntryIndex): string {
  return JSON.stringify([id, author, seq, prev, parents, height, time, size, settings]);
}

function bytesOf(entries: readonly StoredEntry[]): readonly Uint8Array[] {
  return entries.map(({ bytes }) => bytes);
}

function recordOf(id: DatabaseId, name = "notes"): DatabaseRecord {
  return { id, name, relays: ["wss://relay.example"] };
}

function partOf(number: number, through: number, ...contents: readonly number[]): CheckpointPart {
  return { number, through, stores: [{ name: "notes", type: "table", bytes: Uint8Array.from(contents) }] };
}

/** One database of which everything committed is remembered. */
class Subject {
  readonly source: StoredEntries;
  readonly committed: StoredEntry[] = [];
  storage: Storage;

  constructor(storage: Storage, seed = 1) {
    this.storage = storage;
    this.source = new StoredEntries(new SeededRandom(seed));
  }

  static async create(storage: Storage, seed?: number): Promise<Subject> {
    const subject = new Subject(storage, seed);
    await storage.putDatabase(recordOf(subject.id));
    return subject;
  }

  get id(): DatabaseId {
    return this.source.database;
  }

  async commit(entries: readonly StoredEntry[]): Promise<void> {
    const position = this.committed.length;
    this.committed.push(...entries);
    await this.storage.commit({ database: this.id, position, entries });
  }

  async commitSingly(count: number): Promise<void> {
    for (const entry of this.source.take(count)) await this.commit([entry]);
  }

  /** The index, every byte, and random ranges and ids are as committed. */
  async expectAll(storage: Storage = this.storage): Promise<void> {
    const { committed } = this;
    const loaded = await storage.load(this.id);
    expect(loaded !== undefined, "the database is there");
    const index = loaded?.index ?? [];
    expect(index.length === committed.length, `${committed.length} entries, got ${index.length}`);
    const at = index.findIndex((entry, i) => describe(entry) !== describe(committed[i] as StoredEntry));
    expect(at < 0, `the index of entry ${at} is as it was committed`);
    expectBytes(await storage.read(this.id, 0, committed.length), bytesOf(committed), "all");
    await this.#expectSome(storage);
  }

  async #expectSome(storage: Storage): Promise<void> {
    const random = new SeededRandom(7);
    for (let i = 0; i < 20 && this.committed.length > 0; i++) {
      const from = random.int(this.committed.length);
      const to = from + random.int(Math.min(700, this.committed.length - from + 1));
      expectBytes(await storage.read(this.id, from, to), bytesOf(this.committed.slice(from, to)), `${from} to ${to}`);
      const { id, bytes } = this.committed[from] as StoredEntry;
      expectBytes([(await storage.readById(this.id, id)) ?? new Uint8Array()], [bytes], `by id ${from}`);
    }
  }
}

/** Opens, runs, closes; with `again` a storage that was opened after everything before was closed. */
async function inTurn(disk: StorageDisk, ...uses: readonly ((storage: Storage) => Promise<void>)[]): Promise<void> {
  for (const use of uses) {
    const storage = await disk.open();
    await use(storage);
    await storage.close();
  }
}

const databaseChecks: readonly StorageCheck[] = [
  {
    title: "[STORAGE-6] an empty storage has no databases, and an unknown one is undefined",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const { database } = new StoredEntries(new SeededRandom(1));
        expect((await storage.databases()).length === 0, "there are no databases");
        expect((await storage.load(database)) === undefined, "nothing is loaded");
        expect((await storage.readById(database, database)) === undefined, "no entry is found");
        expect((await storage.cursors(database)).length === 0, "there are no cursors");
        expect((await storage.read(database, 0, 0)).length === 0, "nothing is nothing");
        await storage.deleteDatabase(database);
        await storage.deleteCheckpoints(database);
      }),
  },
  {
    title: "[STORAGE-6] records come in the order of their ids, each as it was put last",
    async check(disk) {
      const ids = Array.from({ length: 20 }, (_, seed) => new StoredEntries(new SeededRandom(seed)).database);
      await inTurn(
        disk,
        async (storage) => {
          for (const id of ids) await storage.putDatabase({ ...recordOf(id), ticket: "tidemark:?db=…" });
          for (const id of ids) await storage.putDatabase(recordOf(id, `named ${id}`));
        },
        async (storage) => {
          const records = await storage.databases();
          expect(records.map(({ id }) => id).join() === [...ids].sort().join(), "ids ascend");
          expect(
            records.every((one) => one.name === `named ${one.id}` && !("ticket" in one)),
            "the last record counts",
          );
          expect(records[0]?.relays.join() === "wss://relay.example", "relays are kept");
        },
      );
    },
  },
  {
    title: "[STORAGE-6] a database without entries loads as its record",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const subject = await Subject.create(storage);
        await subject.expectAll();
        expect((await storage.load(subject.id))?.record.name === "notes", "the record is loaded");
      }),
  },
  {
    title: "[STORAGE-7] nothing is kept for a database without a record: DATABASE_UNKNOWN",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const source = new StoredEntries(new SeededRandom(1));
        const { database } = source;
        const entries = source.take(3);
        const peer = (entries[0] as StoredEntry).author;
        await expectCode("DATABASE_UNKNOWN", () => storage.commit({ database, position: 0, entries }));
        await expectCode("DATABASE_UNKNOWN", () => storage.putCheckpoint(database, partOf(1, 0, 1), 1));
        await expectCode("DATABASE_UNKNOWN", () => storage.putCursor({ database, peer, frontier: Uint8Array.of(1) }));
        await storage.putDatabase(recordOf(database));
        const loaded = await storage.load(database);
        expect(loaded?.index.length === 0 && loaded.checkpoints.length === 0, "nothing was kept");
        expect((await storage.cursors(database)).length === 0, "no cursor was kept");
        await storage.commit({ database, position: 0, entries });
      }),
  },
  {
    title: "[STORAGE-8] two databases do not mix",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const [one, other] = [await Subject.create(storage, 1), await Subject.create(storage, 2)];
        for (let i = 0; i < 5; i++) {
          await one.commit(one.source.take(3));
          await other.commit(other.source.take(4));
        }
        await storage.putCheckpoint(one.id, partOf(1, 3, 1), 1);
        for (const subject of [one, other]) await subject.expectAll();
        expect((await storage.load(other.id))?.checkpoints.length === 0, "the other has no checkpoint");
        const foreign = (one.committed[0] as StoredEntry).id;
        expect((await storage.readById(other.id, foreign)) === undefined, "an id is found in its own database only");
      }),
  },
  {
    title: "[STORAGE-8] deleting a database takes everything of it, leaves the others, and it can be made again",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const [one, other] = [await Subject.create(storage, 1), await Subject.create(storage, 2)];
        for (const subject of [one, other]) {
          await subject.commit(subject.source.take(20));
          const peer = (subject.committed[0] as StoredEntry).author;
          await storage.putCheckpoint(subject.id, partOf(1, 3, 1), 1);
          await storage.putCursor({ database: subject.id, peer, frontier: Uint8Array.of(1) });
          await subject.expectAll();
        }
        await storage.deleteDatabase(one.id);
        expect((await storage.databases()).map(({ id }) => id).join() === other.id, "only the other is left");
        expect((await storage.load(one.id)) === undefined, "it is gone");
        expect((await storage.readById(one.id, one.id)) === undefined, "its entries are gone");
        await expectCode("STORAGE_CORRUPT", () => storage.read(one.id, 0, 1));
        const again = new Subject(storage, 1);
        await storage.putDatabase(recordOf(one.id));
        await again.commit(again.source.take(5, 40));
        await again.expectAll();
        const remade = await storage.load(one.id);
        expect(remade?.checkpoints.length === 0, "its checkpoints are gone");
        expect((await storage.cursors(one.id)).length === 0, "its cursors are gone");
        await other.expectAll();
        expect((await storage.cursors(other.id)).length === 1, "the other's cursor is left");
      }),
  },
];

const commitChecks: readonly StorageCheck[] = [
  {
    title: "[STORAGE-1] [STORAGE-2] what was committed is there after reopening, and commits go on from there",
    async check(disk) {
      const subject = new Subject(await disk.open());
      await subject.storage.putDatabase(recordOf(subject.id));
      for (const count of [1, 30, 0, 2_000, 1, 1]) await subject.commit(subject.source.take(count));
      await subject.expectAll();
      await subject.storage.close();
      subject.storage = await disk.open();
      await subject.expectAll();
      await subject.commit(subject.source.take(10));
      await subject.expectAll();
      await subject.storage.close();
      await inTurn(disk, (storage) => subject.expectAll(storage));
    },
  },
  {
    title:
      "[STORAGE-1] [STORAGE-2] a commit at another position than the next is STORAGE_CONFLICT, and nothing of it is there",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const subject = await Subject.create(storage);
        await subject.commit(subject.source.take(10));
        for (const position of [0, 9, 11, 1_000]) {
          const entries = subject.source.take(3_000);
          const record = recordOf(subject.id, "renamed");
          await expectCode("STORAGE_CONFLICT", () =>
            storage.commit({ database: subject.id, position, entries, record }),
          );
        }
        await subject.expectAll();
        expect((await storage.load(subject.id))?.record.name === "notes", "the record is as it was");
      }),
  },
  {
    title: "[STORAGE-1] the record of a commit is stored with its entries",
    async check(disk) {
      const subject = new Subject(await disk.open());
      const entries = subject.source.take(3);
      subject.committed.push(...entries);
      await subject.storage.commit({ database: subject.id, position: 0, entries, record: recordOf(subject.id, "new") });
      await subject.storage.close();
      await inTurn(disk, async (storage) => {
        await subject.expectAll(storage);
        expect((await storage.load(subject.id))?.record.name === "new", "the record is there");
      });
    },
  },
  {
    title:
      "[STORAGE-2] of two that commit at the same position one gets STORAGE_CONFLICT, and goes on after loading again",
    async check(disk) {
      const [winner, loser] = [await disk.open(), await disk.open()];
      const subject = await Subject.create(winner);
      await subject.commit(subject.source.take(100));
      await subject.expectAll(loser);
      await subject.commitSingly(150);
      const entries = subject.source.take(1);
      const commit = { database: subject.id, position: 100, entries };
      await expectCode("STORAGE_CONFLICT", () => loser.commit(commit));
      await subject.expectAll(loser);
      await loser.commit({ ...commit, position: 250 });
      subject.committed.push(...entries);
      await subject.expectAll();
      for (const storage of [winner, loser]) await storage.close();
    },
  },
  {
    title: "[STORAGE-3] commits take effect in the order of the calls, and reads see what has resolved",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const subject = await Subject.create(storage);
        const resolved: number[] = [];
        const commits = [40, 1, 3_000, 1, 1, 200].map(async (count, i) => {
          await subject.commit(subject.source.take(count));
          resolved.push(i);
          const position = subject.committed.length - 1;
          const [bytes] = await storage.read(subject.id, position, position + 1);
          expect(bytes !== undefined || i < 5, "the last commit's entry can be read");
        });
        await Promise.allSettled(commits);
        await Promise.all(commits);
        expect(resolved.join() === "0,1,2,3,4,5", "they resolve in order");
        await subject.expectAll();
      }),
  },
  {
    title: "[STORAGE-4] bytes altered after a commit has resolved, or after they were read, are stored as they were",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const subject = await Subject.create(storage);
        const whole = new SeededRandom(5).bytes(1_000);
        const entry = subject.source.next(whole.subarray(100, 200));
        const original = { ...entry, bytes: entry.bytes.slice() };
        await storage.commit({ database: subject.id, position: 0, entries: [entry] });
        await storage.putCheckpoint(
          subject.id,
          { number: 1, through: 1, stores: [{ name: "notes", type: "kv", bytes: whole.subarray(300, 310) }] },
          1,
        );
        const kept = whole.slice(300, 310);
        whole.fill(0);
        subject.committed.push(original);
        await subject.expectAll();
        for (const bytes of await storage.read(subject.id, 0, 1)) structuredClone(bytes, { transfer: [bytes.buffer] });
        (await storage.readById(subject.id, entry.id))?.fill(0);
        await subject.expectAll();
        const part = (await storage.load(subject.id))?.checkpoints[0];
        expectBytes([part?.stores[0]?.bytes ?? new Uint8Array()], [kept], "the checkpoint");
      }),
  },
];

const readChecks: readonly StorageCheck[] = [
  {
    title: "[STORAGE-9] any range of many commits of all sizes reads in order",
    async check(disk) {
      const subject = new Subject(await disk.open(), 3);
      const random = new SeededRandom(4);
      await subject.storage.putDatabase(recordOf(subject.id));
      for (let i = 0; i < 60; i++) {
        const isLarge = random.chance(0.2);
        const entries = subject.source.take(
          isLarge ? random.int(batchEntriesMax) : 1 + random.int(3),
          isLarge ? 600 : 3_000,
        );
        await subject.commit(entries);
      }
      await subject.expectAll();
      await subject.storage.close();
      await inTurn(disk, (storage) => subject.expectAll(storage));
    },
  },
  {
    title: "[STORAGE-9] a range that is not all there is STORAGE_CORRUPT",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const subject = await Subject.create(storage);
        await subject.commit(subject.source.take(10));
        const ranges = [
          [0, 11],
          [10, 11],
          [500, 501],
          [-1, 3],
        ] as const;
        for (const [from, to] of ranges) await expectCode("STORAGE_CORRUPT", () => storage.read(subject.id, from, to));
        expect((await storage.read(subject.id, 11, 11)).length === 0, "an empty range is empty");
        expect((await storage.read(subject.id, 5, 3)).length === 0, "a reversed range is empty");
      }),
  },
  {
    title: "[STORAGE-9] entries without bytes and of several MB are kept",
    async check(disk) {
      const subject = new Subject(await disk.open());
      await subject.storage.putDatabase(recordOf(subject.id));
      const bytes = new SeededRandom(1).bytes(1 << 16);
      const large = new Uint8Array(5_000_000).map((_, i) => (bytes[i & 0xffff] as number) ^ (i >> 16));
      const sizes = [0, 1, 5_000_000, 0, 3, 1_048_576, 1_048_577, 2];
      const entries = sizes.map((size) => subject.source.next(large.subarray(0, size)));
      await subject.commit(entries.slice(0, 1));
      await subject.commit(entries.slice(1));
      await subject.expectAll();
      await subject.storage.close();
      await inTurn(disk, (storage) => subject.expectAll(storage));
    },
  },
  {
    title: "[STORAGE-9] an entry is found by its id without loading first, and an unknown id is undefined",
    async check(disk) {
      const subject = new Subject(await disk.open());
      await subject.storage.putDatabase(recordOf(subject.id));
      await subject.commit(subject.source.take(3_000, 50));
      await subject.storage.close();
      await inTurn(disk, async (storage) => {
        const { id, bytes } = subject.committed[2_500] as StoredEntry;
        expectBytes([(await storage.readById(subject.id, id)) ?? new Uint8Array()], [bytes], "by id");
        const strange = new StoredEntries(new SeededRandom(9)).database;
        expect((await storage.readById(subject.id, strange)) === undefined, "an unknown id is not found");
        subject.storage = storage;
        await subject.commit(subject.source.take(2));
        await subject.expectAll();
      });
    },
  },
  {
    title: "[STORAGE-9] thousands of commits of one entry read as they were committed, also while more are made",
    async check(disk) {
      const subject = new Subject(await disk.open());
      await subject.storage.putDatabase(recordOf(subject.id));
      await subject.commitSingly(700);
      const writing = subject.commitSingly(300);
      for (let i = 0; i < 50; i++) {
        expectBytes(await subject.storage.read(subject.id, i, 700), bytesOf(subject.committed.slice(i, 700)), `${i}`);
      }
      await writing;
      await subject.expectAll();
      await subject.storage.close();
      await inTurn(disk, (storage) => subject.expectAll(storage));
    },
  },
];

const smallThings: readonly StorageCheck[] = [
  {
    title: "[STORAGE-10] a checkpoint replaces the parts it says, and parts come in the order of their numbers",
    async check(disk) {
      const subject = new Subject(await disk.open());
      const { storage, id } = subject;
      await storage.putDatabase(recordOf(id));
      const numbers = async (from: Storage): Promise<string> =>
        ((await from.load(id))?.checkpoints ?? []).map(({ number }) => number).join();
      for (const number of [1, 2, 3, 10]) await storage.putCheckpoint(id, partOf(number, number, number), number);
      expect((await numbers(storage)) === "1,2,3,10", "four parts");
      await storage.putCheckpoint(id, partOf(11, 20, 1, 2, 3), 2);
      expect((await numbers(storage)) === "1,11", "parts 2 to 10 are replaced");
      await storage.putCheckpoint(id, partOf(11, 21, 9), 12);
      await storage.close();
      await inTurn(disk, async (reopened) => {
        expect((await numbers(reopened)) === "1,11", "after reopening too");
        const part = (await reopened.load(id))?.checkpoints[1];
        expect(part?.through === 21 && part.stores[0]?.type === "table", "the part is as it was put last");
        expectBytes([part?.stores[0]?.bytes ?? new Uint8Array()], [Uint8Array.of(9)], "the part's bytes");
        await reopened.deleteCheckpoints(id);
        expect((await numbers(reopened)) === "", "all are removed");
      });
    },
  },
  {
    title: "[STORAGE-11] there is one cursor per peer and database: the one put last",
    async check(disk) {
      const subject = new Subject(await disk.open());
      const { storage, id: database } = subject;
      await storage.putDatabase(recordOf(database));
      const peers = [...new Set(subject.source.take(100).map(({ author }) => author))].sort();
      for (const frontier of [Uint8Array.of(1), Uint8Array.of(2, 3)]) {
        for (const peer of [...peers].reverse()) await storage.putCursor({ database, peer, frontier });
      }
      await storage.close();
      await inTurn(disk, async (reopened) => {
        const cursors = await reopened.cursors(database);
        expect(peers.length === 3 && cursors.map(({ peer }) => peer).join() === peers.join(), "one for each peer");
        expect(
          cursors.every((cursor) => cursor.database === database),
          "they name their database",
        );
        for (const { frontier } of cursors) expectBytes([frontier], [Uint8Array.of(2, 3)], "the last frontier");
      });
    },
  },
  {
    title: "[STORAGE-12] of several that put a value under one name the first wins, and all get its value",
    async check(disk) {
      const [one, other] = [await disk.open(), await disk.open()];
      expect((await one.getValue("name")) === undefined, "nothing at first");
      const outcomes = await Promise.all(
        [one, other, one, other].map((storage, i) => storage.putValueOnce("name", { from: i })),
      );
      expect(new Set(outcomes.map((value) => JSON.stringify(value))).size === 1, "all get the same value");
      await other.putValueOnce("another", [1, 2]);
      for (const storage of [one, other]) await storage.close();
      await inTurn(disk, async (storage) => {
        expect(JSON.stringify(await storage.getValue("name")) === JSON.stringify(outcomes[0]), "it stays");
        expect(JSON.stringify(await storage.getValue("another")) === "[1,2]", "names do not mix");
      });
    },
  },
  {
    title: "[STORAGE-12] a key that cannot be exported comes back as one that signs",
    async check(disk) {
      const { subtle } = globalThis.crypto;
      const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
      const pair = (await subtle.generateKey(algorithm, false, ["sign", "verify"])) as CryptoKeyPair;
      await inTurn(
        disk,
        async (storage) => void (await storage.putValueOnce("identity", pair)),
        async (storage) => {
          const kept = (await storage.getValue("identity")) as CryptoKeyPair;
          expect(!kept.privateKey.extractable, "it cannot be exported");
          const message = Uint8Array.of(1, 2, 3);
          const signature = await subtle.sign(algorithm, kept.privateKey, message);
          expect(await subtle.verify(algorithm, pair.publicKey, signature, message), "it is the same key");
        },
      );
    },
  },
  {
    title:
      "[STORAGE-13] close lets what was begun finish, can be called again, and every call after it is STORAGE_CLOSED",
    async check(disk) {
      const subject = await Subject.create(await disk.open());
      const { storage, id } = subject;
      await subject.commit(subject.source.take(1));
      await subject.expectAll();
      const begun = subject.commit(subject.source.take(5));
      await Promise.all([storage.close(), storage.close()]);
      await begun;
      await storage.close();
      const peer = (subject.committed[0] as StoredEntry).author;
      const calls: readonly (() => Promise<unknown>)[] = [
        () => storage.databases(),
        () => storage.putDatabase(recordOf(id)),
        () => storage.deleteDatabase(id),
        () => storage.load(id),
        () => storage.commit({ database: id, position: 6, entries: subject.source.take(1) }),
        () => storage.read(id, 0, 1),
        () => storage.readById(id, id),
        () => storage.putCheckpoint(id, partOf(1, 1, 1), 1),
        () => storage.deleteCheckpoints(id),
        () => storage.putCursor({ database: id, peer, frontier: Uint8Array.of(1) }),
        () => storage.cursors(id),
        () => storage.getValue("x"),
        () => storage.putValueOnce("x", 1),
      ];
      for (const call of calls) await expectCode("STORAGE_CLOSED", call);
      await inTurn(disk, (reopened) => subject.expectAll(reopened));
    },
  },
];

/** The checks, each for a disk of its own. */
export const storageContract: readonly StorageCheck[] = [
  ...databaseChecks,
  ...commitChecks,
  ...readChecks,
  ...smallThings,
];
