/** What every storage does with entries: committing them and reading them. */
import { batchEntriesMax } from "../core/limits.ts";
import type { StoredEntry } from "../ports/storage.ts";
import { SeededRandom } from "./random.ts";
import {
  bytesOf,
  expect,
  expectBytes,
  expectCode,
  inTurn,
  recordOf,
  type StorageCheck,
  Subject,
} from "./storage-subject.ts";
import { StoredEntries } from "./stored-entries.ts";

export const commitChecks: readonly StorageCheck[] = [
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
        for (const count of [3, 7]) await subject.commit(subject.source.take(count));
        for (const position of [0, 3, 9, 11, 1_000]) {
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
    hasManyWriters: true,
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
          { number: 1, through: 1, void: [], stores: [{ name: "notes", type: "kv", bytes: whole.subarray(300, 310) }] },
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

export const readChecks: readonly StorageCheck[] = [
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
        for (const entry of subject.committed.slice(-2)) {
          const read = await storage.readById(subject.id, entry.id);
          expectBytes([read ?? new Uint8Array()], [entry.bytes], "an entry committed after that");
        }
        await subject.expectAll();
      });
    },
  },
  {
    title: "[STORAGE-9] an entry is found by its id also after another storage replaced the database",
    hasManyWriters: true,
    async check(disk) {
      const [storage, other] = [await disk.open(), await disk.open()];
      const before = await Subject.create(storage);
      await before.commit(before.source.take(10));
      await storage.read(before.id, 0, 10);
      await other.deleteDatabase(before.id);
      const subject = await Subject.create(other);
      await subject.commit(subject.source.take(20, 30));
      subject.storage = storage;
      await subject.commit(subject.source.take(1, 30));
      const { id, bytes } = subject.committed[20] as StoredEntry;
      expectBytes([(await storage.readById(subject.id, id)) ?? new Uint8Array()], [bytes], "by id");
      await subject.expectAll();
      for (const each of [storage, other]) await each.close();
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
