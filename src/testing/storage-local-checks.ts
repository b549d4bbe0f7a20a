/** What every storage does with local records, and with entries whose bytes are put back. */
import type { LocalRecord, RecordKind, Storage, StoredEntry } from "../ports/storage.ts";
import { SeededRandom } from "./random.ts";
import { bytesOf, expect, expectBytes, expectCode, inTurn, type StorageCheck, Subject } from "./storage-subject.ts";
import { StoredEntries } from "./stored-entries.ts";

const kinds = ["peer", "relation", "preferences", "transport", "job", "hook", "history"] as const;

async function keysOf(storage: Storage, kind: RecordKind): Promise<string> {
  const records = await storage.records(kind);
  expect(
    records.every((record) => record.kind === kind),
    `only records of ${kind}`,
  );
  return records.map(({ key }) => key).join();
}

export const localChecks: readonly StorageCheck[] = [
  {
    title: "[STORAGE-11] of every kind there is one record per key, the one put last, in the order of the keys",
    async check(disk) {
      await inTurn(
        disk,
        async (storage) => {
          for (const kind of kinds) expect((await keysOf(storage, kind)) === "", "nothing at first");
          const changes = kinds.flatMap((kind): LocalRecord[] =>
            ["b", "", "Ä", "a b", "a", "\uffff", "10", "9"].map((key) => ({ kind, key, value: { key, kind } })),
          );
          await storage.putRecords(changes);
          await storage.putRecords([
            { kind: "peer", key: "a", value: "another" },
            { kind: "peer", key: "b", value: undefined },
            { kind: "job", key: "nobody's", value: undefined },
            { kind: "job", key: "twice", value: 1 },
            { kind: "job", key: "twice", value: 2 },
          ]);
          await storage.putRecords([]);
        },
        async (storage) => {
          expect((await keysOf(storage, "peer")) === ",10,9,a,a b,Ä,\uffff", "keys ascend, one is removed");
          expect((await keysOf(storage, "job")) === ",10,9,a,a b,b,twice,Ä,\uffff", "other kinds are as they were");
          expect((await storage.records("peer"))[3]?.value === "another", "the last value counts");
          expect((await storage.records("job"))[6]?.value === 2, "also within one call");
          const value = (await storage.records("relation"))[0]?.value;
          expect(JSON.stringify(value) === '{"key":"","kind":"relation"}', "values are as they were");
        },
      );
    },
  },
  {
    title: "[STORAGE-11] records hold whatever a structured clone carries, and are nobody else's afterwards",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const value = { bytes: Uint8Array.of(1, 2), map: new Map([["x", [1]]]), none: undefined, at: new Date(5) };
        await storage.putRecords([{ kind: "transport", key: "lan", value }]);
        value.bytes.fill(9);
        value.map.clear();
        for (let i = 0; i < 2; i++) {
          const kept = (await storage.records("transport"))[0]?.value as typeof value;
          expectBytes([kept.bytes], [Uint8Array.of(1, 2)], "bytes");
          expect(kept.map.get("x")?.[0] === 1 && "none" in kept && kept.at.getTime() === 5, "maps, gaps and dates");
          kept.bytes.fill(7);
          kept.map.clear();
        }
      }),
  },
  {
    title: "[STORAGE-11] when one record cannot be stored none of the call is, and the next call works",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        await storage.putRecords([{ kind: "hook", key: "old", value: 1 }]);
        const changes: readonly LocalRecord[] = [
          { kind: "hook", key: "old", value: undefined },
          { kind: "hook", key: "new", value: 1 },
          { kind: "hook", key: "broken", value: () => {} },
        ];
        await expectCode("INPUT_INVALID", () => storage.putRecords(changes));
        expect((await keysOf(storage, "hook")) === "old", "nothing changed");
        await storage.putRecords([{ kind: "hook", key: "new", value: 1 }]);
        expect((await keysOf(storage, "hook")) === "new,old", "the next call works");
      }),
  },
  {
    title: "[STORAGE-11] deleting a database leaves the records",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const subject = await Subject.create(storage);
        await storage.putRecords([{ kind: "relation", key: subject.id, value: { database: subject.id } }]);
        await storage.deleteDatabase(subject.id);
        expect((await keysOf(storage, "relation")) === subject.id, "the record is there");
      }),
  },
];

export const replaceChecks: readonly StorageCheck[] = [
  {
    title: "[STORAGE-19] bytes that were put back are read, by position and by id, and the others are as they were",
    async check(disk) {
      const subject = new Subject(await disk.open());
      await subject.storage.putDatabase({ id: subject.id, name: "notes", relays: [] });
      for (const count of [700, 1, 1, 3_000, 5, 400]) await subject.commit(subject.source.take(count));
      const random = new SeededRandom(2);
      for (const [from, to] of [
        [0, 1],
        [699, 703],
        [650, 3_900],
        [4_106, 4_107],
        [50, 50],
      ] as const) {
        await subject.storage.read(subject.id, from, from + 1);
        const others = subject.committed
          .slice(from, to)
          .map((entry) => ({ ...entry, bytes: random.bytes(entry.size) }));
        subject.committed.splice(from, others.length, ...others);
        await subject.storage.replace(subject.id, from, others);
        // Before anything is loaded anew.
        expectBytes(await subject.storage.read(subject.id, from, to), bytesOf(others), `${from} to ${to}`);
        await subject.expectAll();
      }
      await subject.commit(subject.source.take(3));
      await subject.expectAll();
      await subject.storage.close();
      await inTurn(disk, (storage) => subject.expectAll(storage));
    },
  },
  {
    title: "[STORAGE-19] other entries than those stored there are STORAGE_CORRUPT, and nothing of it is written",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const subject = await Subject.create(storage);
        for (const count of [20, 30]) await subject.commit(subject.source.take(count));
        const zeros = subject.committed.map((entry) => ({ ...entry, bytes: new Uint8Array(entry.size) }));
        const longer = zeros.map((entry, i) =>
          i === 40 ? { ...entry, bytes: new Uint8Array(entry.size + 1) } : entry,
        );
        const strange = zeros.map((entry, i) => (i === 45 ? (zeros[44] as StoredEntry) : entry));
        const renamed = zeros.map((entry, i) => (i === 45 ? { ...entry, id: subject.id } : entry));
        const wrong = [
          [1, zeros.slice(0, 5)],
          [10, zeros.slice(11, 15)],
          [49, [...zeros.slice(49), ...subject.source.take(1)]],
          [50, subject.source.take(1)],
          [-1, zeros.slice(0, 2)],
          [0, longer],
          [0, strange],
          [0, renamed],
        ] as const;
        for (const [position, entries] of wrong)
          await expectCode("STORAGE_CORRUPT", () => storage.replace(subject.id, position, entries));
        await subject.expectAll();
        const { database } = new StoredEntries(new SeededRandom(9));
        await expectCode("DATABASE_UNKNOWN", () => storage.replace(database, 0, zeros.slice(0, 1)));
        await expectCode("DATABASE_UNKNOWN", () => storage.replace(database, 0, []));
      }),
  },
  {
    title: "[STORAGE-19] what can be read can be salvaged, and positions that were never used are STORAGE_CORRUPT",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const subject = await Subject.create(storage);
        for (const count of [20, 1, 30]) await subject.commit(subject.source.take(count));
        for (const [from, to] of [
          [0, 51],
          [19, 22],
          [20, 21],
          [50, 51],
          [7, 7],
        ] as const) {
          const there = await storage.salvage(subject.id, from, to);
          expectBytes(there as readonly Uint8Array[], bytesOf(subject.committed.slice(from, to)), `${from} to ${to}`);
        }
        for (const [from, to] of [
          [-1, 3],
          [0, 52],
          [51, 52],
        ] as const)
          await expectCode("STORAGE_CORRUPT", () => storage.salvage(subject.id, from, to));
      }),
  },
];
