/** What storage on IndexedDB does without waiting for its own page: rule STORAGE-47. */
import type { Storage } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import type { IdbCheck } from "./idb-subject.ts";
import { listRaw } from "./raw-idb.ts";
import { expect, expectCode, recordOf, Subject } from "./storage-subject.ts";

/** Notes the transactions that were not finished in the turn in which they began. */
class FinishWatch {
  readonly unfinished: string[] = [];
  began = 0;
  readonly #transaction: typeof IDBDatabase.prototype.transaction = IDBDatabase.prototype.transaction;
  readonly #commit: typeof IDBTransaction.prototype.commit = IDBTransaction.prototype.commit;

  constructor() {
    const finished = new Set<IDBTransaction>();
    const note = (transaction: IDBTransaction): void => {
      this.began += 1;
      queueMicrotask(() => {
        if (!finished.has(transaction)) this.unfinished.push([...transaction.objectStoreNames].join(" "));
      });
    };
    const begin = this.#transaction as (...args: unknown[]) => IDBTransaction;
    const commit = this.#commit;
    replace(IDBDatabase.prototype, "transaction", function (this: IDBDatabase, ...args: unknown[]) {
      const transaction = begin.apply(this, args);
      note(transaction);
      return transaction;
    });
    replace(IDBTransaction.prototype, "commit", function (this: IDBTransaction) {
      finished.add(this);
      commit.call(this);
    });
  }

  stop(): void {
    replace(IDBDatabase.prototype, "transaction", this.#transaction);
    replace(IDBTransaction.prototype, "commit", this.#commit);
  }
}

function replace(on: object, name: string, value: unknown): void {
  Object.defineProperty(on, name, { configurable: true, writable: true, value });
}

/** A storage that has claimed, with a database of so many entries in as many segments. */
async function onlyWriter(name: string, count: number): Promise<Subject> {
  const storage = await openIdbStorage(name);
  await storage.claim();
  const subject = await Subject.create(storage);
  for (let i = 0; i < count; i++) await subject.commit(subject.source.take(1));
  return subject;
}

function usualCalls(subject: Subject, storage: Storage): readonly (() => Promise<unknown>)[] {
  const { id } = subject;
  const part = { number: 2, through: 3, void: [], stores: [] };
  return [
    () => subject.commit(subject.source.take(3)),
    () => subject.commit([]),
    () => subject.commit(subject.source.take(1)),
    () => storage.putDatabase(recordOf(id, "renamed"), [{ tab: "t", value: 1 }]),
    () => subject.commit(subject.source.take(1)),
    () => storage.putCheckpoint(id, part, 1),
    () => storage.load(id),
    () => subject.commit(subject.source.take(70)),
    () => subject.expectAll(),
    () => storage.salvage(id, 2, 5),
    () => storage.checkpoints(id),
    () => storage.deleteCheckpoints(id),
    () => storage.putSnapshot(id, "text", Uint8Array.of(1)),
    () => storage.getSnapshot(id, "text"),
    () => storage.putRecords([{ kind: "peer", key: "p", value: 1 }]),
    () => storage.records("peer"),
    () => storage.writeRows(),
    () => storage.deleteWriteRow("t"),
    () => storage.getValue("x"),
    () => storage.values(""),
    () => storage.deleteValue("x"),
    () => storage.databases(),
    () => storage.inspect(id),
    () => storage.inspect(undefined),
    () => storage.nextAside(id, 0),
    () => storage.deleteAside(id, 1),
    () => storage.probe(10),
    () => storage.deleteDatabase(id),
    () => storage.close(),
  ];
}

export const finishChecks: readonly IdbCheck[] = [
  {
    title: "[STORAGE-47] of the only writer every usual call finishes its transactions in the turn in which they begin",
    async check(name) {
      const subject = await onlyWriter(name, 62);
      await subject.storage.putValueOnce("x", 1);
      const watch = new FinishWatch();
      try {
        for (const [i, call] of usualCalls(subject, subject.storage).entries()) {
          await call();
          expect(watch.unfinished.length === 0, `call ${i} finished, got ${watch.unfinished.join(", ")}`);
        }
        await (await openIdbStorage(name)).close();
      } finally {
        watch.stop();
      }
      expect(
        watch.unfinished.length === 0 && watch.began > 30,
        `all of ${watch.began}, got ${watch.unfinished.join()}`,
      );
    },
  },
  {
    title:
      "[STORAGE-47] [STORAGE-14] the only writer merges, and nothing of what it deletes or cuts off meanwhile comes back",
    async check(name) {
      const merged = await onlyWriter(`${name}-merged`, 130);
      while ((await listRaw(`${name}-merged`, "segments")).length > 10) await merged.storage.databases();
      await merged.expectAll();
      await merged.storage.close();
      const ends: readonly ((subject: Subject) => Promise<unknown>)[] = [
        (subject) => subject.storage.deleteDatabase(subject.id),
        (subject) => subject.storage.repair(subject.id, () => undefined, 0),
      ];
      for (const [i, end] of ends.entries()) {
        const subject = await onlyWriter(`${name}-${i}`, 63);
        // The merge begins as this commit is through.
        await subject.commit(subject.source.take(1));
        await end(subject);
        for (let j = 0; j < 5; j++) await subject.storage.databases();
        await subject.storage.close();
        const left = await listRaw(`${name}-${i}`, "segments");
        expect(left.length === 0, `nothing is left, got ${left.map(({ key }) => JSON.stringify(key)).join()}`);
      }
    },
  },
  {
    title:
      "[STORAGE-47] [STORAGE-2] after a commit that failed, or another's at its place, the only writer knows where the log ends",
    async check(name) {
      const subject = await onlyWriter(name, 3);
      const { storage, id } = subject;
      const entries = subject.source.take(1);
      await expectCode("STORAGE_CONFLICT", () => storage.commit({ database: id, position: 4, entries }));
      await expectCode("STORAGE_CONFLICT", () => storage.commit({ database: id, position: 2, entries }));
      await subject.commit(entries);
      const both = subject.source.take(2);
      const failing = storage.commit({ database: id, position: 9, entries: both });
      const after = storage.commit({ database: id, position: 11, entries: both });
      await Promise.all([failing, after].map((commit) => expectCode("STORAGE_CONFLICT", () => commit)));
      await subject.commit(both);
      const position = subject.committed.length;
      const rivals = [subject.source.take(1), subject.source.take(1)].map((each) =>
        storage.commit({ database: id, position, entries: each }),
      );
      await rivals[0];
      await expectCode("STORAGE_CONFLICT", () => rivals[1] as Promise<void>);
      await storage.deleteDatabase(id);
      await expectCode("DATABASE_UNKNOWN", () => storage.commit({ database: id, position: 0, entries }));
      await expectCode("DATABASE_UNKNOWN", () =>
        storage.putCheckpoint(id, { number: 1, through: 0, void: [], stores: [] }, 1),
      );
      await storage.close();
    },
  },
];
