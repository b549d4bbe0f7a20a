/** What every storage does with snapshots. */
import type { Storage } from "../ports/storage.ts";
import { SeededRandom } from "./random.ts";
import { expect, expectBytes, expectCode, inTurn, recordOf, type StorageCheck, Subject } from "./storage-subject.ts";
import { StoredEntries } from "./stored-entries.ts";

async function expectSnapshot(storage: Storage, of: Subject, key: string, ...contents: readonly number[]) {
  const kept = await storage.getSnapshot(of.id, key);
  expectBytes(kept === undefined ? [] : [kept], [Uint8Array.from(contents)], `the snapshot ${key}`);
}

export const snapshotChecks: readonly StorageCheck[] = [
  {
    title:
      "[STORAGE-49] of a database there is one snapshot for each key, the one put last, and none mixes with another",
    async check(disk) {
      const storage = await disk.open();
      const [one, other] = [await Subject.create(storage, 1), await Subject.create(storage, 2)];
      expect((await storage.getSnapshot(one.id, "text")) === undefined, "none at first");
      const bytes = Uint8Array.of(0, 1, 2, 3).subarray(1);
      await storage.putSnapshot(one.id, "text", Uint8Array.of(9, 9));
      await storage.putSnapshot(one.id, "text", bytes);
      bytes.fill(7);
      for (const key of ["", "texts", "\uffff"]) await storage.putSnapshot(one.id, key, Uint8Array.of(key.length));
      await storage.putSnapshot(other.id, "text", Uint8Array.of());
      await one.commit(one.source.take(3));
      (await storage.getSnapshot(one.id, "text"))?.fill(8);
      await storage.close();
      await inTurn(disk, async (reopened) => {
        await expectSnapshot(reopened, one, "text", 1, 2, 3);
        for (const key of ["", "texts", "\uffff"]) await expectSnapshot(reopened, one, key, key.length);
        await expectSnapshot(reopened, other, "text");
        expect((await reopened.getSnapshot(one.id, "tex")) === undefined, "no other key has one");
        await one.expectAll(reopened);
        expect((await reopened.load(one.id))?.checkpoints.length === 0, "and it is no checkpoint");
      });
    },
  },
  {
    title: "[STORAGE-49] snapshots go with their database, and there are none of one without a record",
    check: (disk) =>
      inTurn(
        disk,
        async (storage) => {
          const [one, other] = [await Subject.create(storage, 1), await Subject.create(storage, 2)];
          for (const { id } of [one, other]) await storage.putSnapshot(id, "text", Uint8Array.of(5));
          await storage.deleteDatabase(one.id);
          expect((await storage.getSnapshot(one.id, "text")) === undefined, "it is gone");
          await expectCode("DATABASE_UNKNOWN", () => storage.putSnapshot(one.id, "text", Uint8Array.of(1)));
          const strange = new StoredEntries(new SeededRandom(9)).database;
          await expectCode("DATABASE_UNKNOWN", () => storage.putSnapshot(strange, "text", Uint8Array.of(1)));
          await storage.putDatabase(recordOf(one.id));
          expect((await storage.getSnapshot(one.id, "text")) === undefined, "nor is it there again");
          await expectSnapshot(storage, other, "text", 5);
        },
        async (storage) => {
          const [one, other] = [new Subject(storage, 1), new Subject(storage, 2)];
          expect((await storage.getSnapshot(one.id, "text")) === undefined, "nor later");
          await expectSnapshot(storage, other, "text", 5);
        },
      ),
  },
];
