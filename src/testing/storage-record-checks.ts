/** What every storage does with databases as a whole, checkpoints and values, and when it is closed. */
import type { CheckpointPart, Storage, StoredEntry } from "../ports/storage.ts";
import { SeededRandom } from "./random.ts";
import { expect, expectBytes, expectCode, inTurn, recordOf, type StorageCheck, Subject } from "./storage-subject.ts";
import { StoredEntries } from "./stored-entries.ts";

function partOf(number: number, through: number, ...contents: readonly number[]): CheckpointPart {
  return { number, through, void: [], stores: [{ name: "notes", type: "table", bytes: Uint8Array.from(contents) }] };
}

export const databaseChecks: readonly StorageCheck[] = [
  {
    title: "[STORAGE-6] an empty storage has no databases, and an unknown one is undefined",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const { database } = new StoredEntries(new SeededRandom(1));
        expect((await storage.databases()).length === 0, "there are no databases");
        expect((await storage.load(database)) === undefined, "nothing is loaded");
        expect((await storage.readById(database, database)) === undefined, "no entry is found");
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
        await expectCode("DATABASE_UNKNOWN", () => storage.commit({ database, position: 0, entries }));
        await expectCode("DATABASE_UNKNOWN", () => storage.putCheckpoint(database, partOf(1, 0, 1), 1));
        await storage.putDatabase(recordOf(database));
        const loaded = await storage.load(database);
        expect(loaded?.index.length === 0 && loaded.checkpoints.length === 0, "nothing was kept");
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
          await storage.putCheckpoint(subject.id, partOf(1, 3, 1), 1);
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
        await other.expectAll();
      }),
  },
];

export const valueChecks: readonly StorageCheck[] = [
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
      await storage.putCheckpoint(id, { ...partOf(11, 21, 9), void: [3, 20] }, 12);
      await storage.close();
      await inTurn(disk, async (reopened) => {
        expect((await numbers(reopened)) === "1,11", "after reopening too");
        const part = (await reopened.load(id))?.checkpoints[1];
        expect(part?.through === 21 && part.stores[0]?.type === "table", "the part is as it was put last");
        expect(part?.void.join() === "3,20", "with what it leaves out");
        const parts = await reopened.checkpoints(id);
        expect(parts.map(({ through }) => through).join() === "1,21", "parts can be read without the index");
        expectBytes([part?.stores[0]?.bytes ?? new Uint8Array()], [Uint8Array.of(9)], "the part's bytes");
        await reopened.deleteCheckpoints(id);
        expect((await numbers(reopened)) === "", "all are removed");
        expect((await reopened.checkpoints(id)).length === 0, "no part is left");
      });
    },
  },
  {
    title: "[STORAGE-12] of several that put a value under one name the first wins, and all get its value",
    hasManyWriters: true,
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
    title:
      "[STORAGE-12] values are listed by the start of their names, in their order, and one that was deleted is gone",
    async check(disk) {
      const listed = async (storage: Storage, prefix: string): Promise<string> =>
        JSON.stringify(await storage.values(prefix));
      await inTurn(
        disk,
        async (storage) => {
          for (const name of ["key/b", "key/\uffff", "kez", "key", "key/", "key/a", "ke"])
            await storage.putValueOnce(name, { of: name });
          expect((await listed(storage, "none")) === "[]", "nothing starts like this");
          await storage.deleteValue("key/a");
          await storage.deleteValue("never there");
          expect((await storage.getValue("key/a")) === undefined, "it is gone at once");
          await storage.putValueOnce("key/b", "another");
        },
        async (storage) => {
          const names = (await storage.values("key/")).map(([name]) => name);
          expect(names.join() === "key/,key/b,key/\uffff", `those with the prefix, got ${names.join()}`);
          expect((await listed(storage, "key/b")) === '[["key/b",{"of":"key/b"}]]', "each with its value");
          expect((await storage.values("")).length === 6, "every name starts with nothing");
          await storage.putValueOnce("key/a", "again");
          expect((await storage.getValue("key/a")) === "again", "a deleted name is free");
        },
      );
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
      const order: string[] = [];
      const begun = subject.commit(subject.source.take(5)).then(() => order.push("committed"));
      await Promise.all([storage.close(), storage.close()]);
      order.push("closed");
      await begun;
      expect(order.join() === "committed,closed", "closing waits for the commit");
      await storage.close();
      const strange = new StoredEntries(new SeededRandom(9)).database;
      const calls: readonly (() => Promise<unknown>)[] = [
        () => storage.databases(),
        () => storage.putDatabase(recordOf(id)),
        () => storage.load(id),
        () => storage.commit({ database: id, position: 6, entries: subject.source.take(1) }),
        () => storage.read(id, 0, 1),
        () => storage.readById(id, id),
        () => storage.readById(id, strange),
        () => storage.putCheckpoint(id, partOf(1, 1, 1), 1),
        () => storage.deleteCheckpoints(id),
        () => storage.checkpoints(id),
        () => storage.putSnapshot(id, "text", Uint8Array.of(1)),
        () => storage.getSnapshot(id, "text"),
        () => storage.salvage(id, 0, 1),
        () => storage.salvage(id, 0, 0),
        () => storage.replace(id, 0, subject.committed.slice(0, 1)),
        () => storage.records("peer"),
        () => storage.putRecords([{ kind: "peer", key: "x", value: 1 }]),
        () => storage.putRecords([]),
        () => storage.getValue("x"),
        () => storage.putValueOnce("x", 1),
        () => storage.values(""),
        () => storage.deleteValue("x"),
        () => storage.deleteDatabase(id),
        () => storage.claim(),
        () => storage.writeRows(),
        () => storage.deleteWriteRow("x"),
      ];
      for (const call of calls) await expectCode("STORAGE_CLOSED", call);
      await inTurn(disk, (reopened) => subject.expectAll(reopened));
    },
  },
];
