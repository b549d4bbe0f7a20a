/** What every storage does with claims, and with what was done for tabs. */
import type { Storage, StoredEntry } from "../ports/storage.ts";
import { SeededRandom } from "./random.ts";
import { expect, expectCode, inTurn, recordOf, type StorageCheck, Subject } from "./storage-subject.ts";
import { StoredEntries } from "./stored-entries.ts";

const part = { number: 7, through: 3, void: [], stores: [] };

/** Every call that writes, as somebody would make it who knows what is there. */
function writingCalls(subject: Subject, storage: Storage): readonly (() => Promise<unknown>)[] {
  const { id, committed } = subject;
  const position = committed.length;
  const entries = subject.source.take(3);
  const writes = [{ tab: "old", value: "late" }];
  const other = new StoredEntries(new SeededRandom(99)).database;
  return [
    () => storage.commit({ database: id, position, entries }),
    () => storage.commit({ database: id, position, entries, record: recordOf(id, "late"), writes }),
    () => storage.commit({ database: id, position, entries: [], writes }),
    () => storage.commit({ database: other, position: 0, entries: [], record: recordOf(other) }),
    () => storage.putDatabase(recordOf(id, "late"), writes),
    () => storage.putCheckpoint(id, part, 1),
    () => storage.deleteCheckpoints(id),
    () => storage.putSnapshot(id, "text", Uint8Array.of(9)),
    () => storage.replace(id, 0, committed.slice(0, 2)),
    () => storage.putRecords([{ kind: "peer", key: "p", value: "late" }]),
    () => storage.putRecords([{ kind: "peer", key: "p", value: undefined }]),
    () => storage.putValueOnce("late", 1),
    () => storage.deleteValue("name"),
    () => storage.deleteWriteRow("t"),
    () => storage.probe(10),
    () => storage.repair(id, () => undefined, 3),
    () => storage.deleteAside(id, 1),
    () => storage.deleteDatabase(id, writes),
  ];
}

/** Everything that can be read, as a text. */
async function everything(storage: Storage, { id, committed }: Subject): Promise<string> {
  const loaded = await storage.load(id);
  const bytes = (await storage.read(id, 0, committed.length)).map((each) => [...each]);
  const records = await storage.records("peer");
  const all = [
    await storage.databases(),
    loaded,
    bytes,
    records,
    await storage.values(""),
    await storage.writeRows(),
    await storage.checkpoints(id),
    [...((await storage.getSnapshot(id, "text")) ?? [])],
  ];
  return JSON.stringify(all);
}

async function filled(storage: Storage): Promise<Subject> {
  const subject = await Subject.create(storage);
  await subject.commit(subject.source.take(5));
  await storage.putCheckpoint(subject.id, { ...part, number: 1 }, 1);
  await storage.putSnapshot(subject.id, "text", Uint8Array.of(1));
  await storage.putRecords([{ kind: "peer", key: "p", value: 1 }]);
  await storage.putValueOnce("name", 1);
  await storage.putDatabase(recordOf(subject.id), [{ tab: "t", value: [1] }]);
  return subject;
}

export const claimChecks: readonly StorageCheck[] = [
  {
    title:
      "[STORAGE-41] after a claim every writing call of whoever claimed before is STORAGE_FENCED, writes nothing, and reads go on",
    async check(disk) {
      const [old, next] = [await disk.open(), await disk.open()];
      const first = await old.claim();
      expect(first < (await old.claim()), "terms grow");
      const subject = await filled(old);
      const term = await next.claim();
      const before = await everything(next, subject);
      for (const [i, call] of writingCalls(subject, old).entries()) {
        await expectCode("STORAGE_FENCED", call);
        expect((await everything(next, subject)) === before, `call ${i} wrote nothing`);
      }
      expect((await everything(old, subject)) === before, "the old one reads what is there");
      for (const call of writingCalls(subject, next).slice(0, 1)) await call();
      expect((await old.claim()) > term, "the old one can claim again");
      await expectCode("STORAGE_FENCED", () => next.putValueOnce("x", 1));
      for (const call of writingCalls(subject, old).slice(5)) await call();
      for (const each of [old, next]) await each.close();
      await inTurn(disk, async (storage) => {
        const last = await disk.open();
        expect((await storage.claim()) < (await last.claim()), "a claim outlives whoever made it");
        await expectCode("STORAGE_FENCED", () => storage.putValueOnce("x", 1));
        await last.close();
      });
    },
  },
  {
    title: "[STORAGE-41] whoever never claimed is not checked",
    hasManyWriters: true,
    async check(disk) {
      const [free, claiming] = [await disk.open(), await disk.open()];
      await claiming.claim();
      const subject = await filled(free);
      for (const call of writingCalls(subject, free).slice(0, 1)) await call();
      await claiming.putValueOnce("x", 1);
      for (const each of [free, claiming]) await each.close();
    },
  },
  {
    title:
      "[STORAGE-41] of commits that were under way at a claim each is wholly there or STORAGE_FENCED, those before and none after",
    async check(disk) {
      const [old, next] = [await disk.open(), await disk.open()];
      await old.claim();
      const subject = await Subject.create(old);
      const entries = subject.source.take(60);
      const outcomes: string[] = [];
      const commits: Promise<unknown>[] = [];
      let claimed: Promise<number> | undefined;
      for (const [position, entry] of entries.entries()) {
        const commit = old.commit({ database: subject.id, position, entries: [entry] });
        const note = (outcome: string): void => {
          outcomes[position] = outcome;
        };
        commits.push(
          commit.then(
            () => note("there"),
            (error: unknown) => note((error as { code: string }).code),
          ),
        );
        if (position === 30) claimed = next.claim();
      }
      await claimed;
      const there = (await next.load(subject.id))?.index.length ?? 0;
      await Promise.all(commits);
      expect(there > 0 && there < 60, `the claim fell between commits, got ${there}`);
      const expected = entries.map((_, i) => (i < there ? "there" : "STORAGE_FENCED"));
      expect(outcomes.join() === expected.join(), `${there} are there, got ${outcomes.join()}`);
      subject.committed.push(...entries.slice(0, there));
      await subject.expectAll(next);
      await next.commit({ database: subject.id, position: there, entries: [entries[there] as StoredEntry] });
      for (const each of [old, next]) await each.close();
    },
  },
  {
    title: "[STORAGE-41] whoever claims in turn with others writes as long as nobody claimed after",
    hasManyWriters: true,
    async check(disk) {
      const random = new SeededRandom(11);
      const storages = [await disk.open(), await disk.open(), await disk.open()];
      let leader = -1;
      const claimed = new Set<number>();
      for (let i = 0; i < 200; i++) {
        const at = random.int(storages.length);
        const storage = storages[at] as Storage;
        if (random.chance(0.2)) {
          await storage.claim();
          claimed.add(at);
          leader = at;
        } else if (at === leader || !claimed.has(at)) await storage.putValueOnce(`value ${i}`, at);
        else await expectCode("STORAGE_FENCED", () => storage.putValueOnce(`value ${i}`, at));
      }
      for (const storage of storages) await storage.close();
    },
  },
];

export const writeRowChecks: readonly StorageCheck[] = [
  {
    title:
      "[STORAGE-42] what was done for a tab is stored with the commit, the record or the deletion, one row per tab",
    async check(disk) {
      const subject = new Subject(await disk.open());
      const { storage, id } = subject;
      const rows = async (from: Storage): Promise<string> => JSON.stringify(await from.writeRows());
      expect((await rows(storage)) === "[]", "none at first");
      await storage.putDatabase(recordOf(id), [{ tab: "b", value: { number: 1 } }]);
      const entries = subject.source.take(2);
      const value = { numbers: [2] };
      await storage.commit({ database: id, position: 0, entries, writes: [{ tab: "b", value }] });
      value.numbers.push(3);
      await storage.commit({ database: id, position: 2, entries: [], writes: [{ tab: "a", value: 1 }] });
      expect((await rows(storage)) === '[{"tab":"a","value":1},{"tab":"b","value":{"numbers":[2]}}]', "the last ones");
      await storage.deleteDatabase(id, [{ tab: "c", value: "gone" }]);
      await storage.deleteWriteRow("b");
      await storage.deleteWriteRow("nobody's");
      await storage.close();
      await inTurn(disk, async (reopened) => {
        expect((await rows(reopened)) === '[{"tab":"a","value":1},{"tab":"c","value":"gone"}]', "they stay");
      });
    },
  },
  {
    title: "[STORAGE-42] of a commit that fails no row is there, and of one whose row cannot be stored no entry",
    check: (disk) =>
      inTurn(disk, async (storage) => {
        const subject = await Subject.create(storage);
        await subject.commit(subject.source.take(2));
        const [database, entries] = [subject.id, subject.source.take(2)];
        const writes = [{ tab: "t", value: 1 }];
        const strange = new StoredEntries(new SeededRandom(9)).database;
        await expectCode("STORAGE_CONFLICT", () => storage.commit({ database, position: 1, entries, writes }));
        await expectCode("DATABASE_UNKNOWN", () => storage.commit({ database: strange, position: 0, entries, writes }));
        const broken = [{ tab: "t", value: () => {} }];
        await expectCode("INPUT_INVALID", () => storage.commit({ database, position: 2, entries, writes: broken }));
        await expectCode("INPUT_INVALID", () => storage.putDatabase(recordOf(database, "late"), broken));
        await expectCode("INPUT_INVALID", () => storage.deleteDatabase(database, broken));
        expect((await storage.writeRows()).length === 0, "no row is there");
        expect((await storage.load(database))?.record.name === "notes", "the record is as it was");
        await subject.expectAll();
      }),
  },
];
