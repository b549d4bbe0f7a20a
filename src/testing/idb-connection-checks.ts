/** What storage on IndexedDB does when the browser closes its connection: rule STORAGE-43. */
import type { TidemarkError } from "../core/errors.ts";
import type { Storage, StoredEntry } from "../ports/storage.ts";
import { type IdbStorageOptions, openIdbStorage } from "../storage/idb.ts";
import { ClosedConnections, hideCompletion } from "./closed-connections.ts";
import type { IdbCheck } from "./idb-subject.ts";
import { deleteRaw, WatchedCalls } from "./raw-idb.ts";
import { expect, expectCode, Subject } from "./storage-subject.ts";
import { turn } from "./turn.ts";

interface Scene {
  readonly connections: ClosedConnections;
  readonly subject: Subject;
  readonly storage: Storage;
  readonly losses: TidemarkError[];
}

/** A storage that has claimed, with a database of five entries. */
async function onConnections(
  name: string,
  use: (scene: Scene) => Promise<void>,
  options: IdbStorageOptions = {},
): Promise<void> {
  const connections = new ClosedConnections(name);
  const losses: TidemarkError[] = [];
  try {
    const storage = await openIdbStorage(name, { onLost: (error) => losses.push(error), ...options });
    await storage.claim();
    const subject = await Subject.create(storage);
    await subject.commit(subject.source.take(5));
    await use({ connections, subject, storage, losses });
    await storage.close();
  } finally {
    connections.stop();
  }
  // Were a connection left open that does not let go, this would wait for it.
  await deleteRaw(name);
}

export const closedConnectionChecks: readonly IdbCheck[] = [
  {
    title:
      "[STORAGE-43] what is asked of a connection that was closed, told or not, is done on another one, and nobody is told",
    check: (name) =>
      onConnections(name, async ({ connections, subject, storage, losses }) => {
        let opened = 1;
        for (const close of ["closeQuietly", "closeAbruptly"] as const) {
          const calls: readonly (() => Promise<unknown>)[] = [
            () => subject.commit(subject.source.take(3)),
            () => subject.expectAll(),
            () => storage.putValueOnce(`value ${opened}`, 1),
            () => storage.putRecords([{ kind: "peer", key: "p", value: opened }]),
            () => storage.databases(),
          ];
          for (const call of calls) {
            connections[close]();
            await call();
            opened += 1;
            expect(connections.opened.length === opened, `it is opened once, got ${connections.opened.length}`);
          }
        }
        await subject.expectAll();
        expect(losses.length === 0, "nobody is told");
      }),
  },
  {
    title:
      "[STORAGE-43] what ended with the connection and what is asked for meanwhile is done once, in the order of the calls",
    check: (name) =>
      onConnections(name, async ({ connections, subject, storage, losses }) => {
        const done: number[] = [];
        let asked = 0;
        const ask = (call: () => Promise<unknown>): Promise<unknown> => {
          const number = asked++;
          return call().then(() => done.push(number));
        };
        const calls: Promise<unknown>[] = [];
        const askSome = (): void => {
          for (let i = 0; i < 20; i++) {
            calls.push(ask(() => subject.commit(subject.source.take(2))));
            calls.push(ask(() => storage.putRecords([{ kind: "peer", key: "last", value: asked }])));
          }
        };
        askSome();
        await calls[6];
        connections.closeAbruptly();
        askSome();
        await calls[79];
        askSome();
        connections.closeAbruptly();
        await Promise.resolve();
        askSome();
        await Promise.all(calls);
        expect(done.join() === done.map((_, i) => i).join(), `in order, got ${done.join()}`);
        await subject.expectAll();
        const [last] = await storage.records("peer");
        expect(last?.value === asked, `the last record counts, got ${String(last?.value)} of ${asked}`);
        expect(connections.opened.length === 3 && losses.length === 0, "opened twice again, and nobody is told");
      }),
  },
  {
    title:
      "[STORAGE-43] a commit that was stored and whose end was not told is there once, and so is what was written with it",
    check: (name) =>
      onConnections(name, async ({ connections, subject, storage }) => {
        for (const count of [1, 700]) {
          const entries = subject.source.take(count);
          let hidden = 0;
          connections.began = (transaction) => {
            connections.began = () => {};
            hideCompletion(transaction, (tell) => {
              hidden += 1;
              connections.closeQuietly();
              tell();
            });
          };
          const position = subject.committed.length;
          subject.committed.push(...entries);
          const writes = [{ tab: "t", value: count }];
          await storage.commit({ database: subject.id, position, entries, writes });
          expect(hidden === 1, "its end was hidden");
          await subject.commit(subject.source.take(1));
          await subject.expectAll();
          expect((await storage.writeRows())[0]?.value === count, "the row is there");
        }
      }),
  },
  {
    title: "[STORAGE-43] nothing that is asked for overtakes what ended with the connection, however late that is told",
    check: (name) =>
      onConnections(name, async ({ connections, subject }) => {
        const late: (() => void)[] = [];
        connections.began = (transaction) => {
          connections.began = () => {};
          hideCompletion(transaction, (tell) => {
            late.push(tell);
            connections.closeAbruptly();
          });
        };
        const calls = [subject.commit(subject.source.take(1))];
        while (late.length === 0) await turn();
        for (let i = 0; i < 3; i++) calls.push(subject.commit(subject.source.take(1)));
        for (let i = 0; i < 50; i++) await turn();
        late[0]?.();
        await Promise.all(calls);
        await subject.expectAll();
      }),
  },
  {
    title:
      "[STORAGE-43] when others stand where a commit was to go, done again it is STORAGE_CONFLICT, and after another's claim STORAGE_FENCED",
    check: (name) =>
      onConnections(name, async ({ connections, subject, storage }) => {
        const other = await openIdbStorage(name);
        const [entry] = subject.source.take(1) as [StoredEntry];
        const commit = { database: subject.id, position: 5, entries: [entry] };
        connections.opened[0]?.close();
        await other.commit({ ...commit, entries: subject.source.take(1) });
        await expectCode("STORAGE_CONFLICT", () => storage.commit(commit));
        connections.opened.at(-1)?.close();
        await other.claim();
        await expectCode("STORAGE_FENCED", () => storage.commit({ ...commit, position: 6 }));
        await other.close();
      }),
  },
  {
    title:
      "[STORAGE-43] [STORAGE-16] when the data is not there any more it is not made anew, and the owner is told once",
    check: (name) =>
      onConnections(name, async ({ connections, storage, losses }) => {
        connections.closeQuietly();
        await deleteRaw(name);
        const calls = [storage.databases(), storage.putValueOnce("x", 1)];
        for (const call of calls) await expectCode("STORAGE_CLOSED", () => call);
        await expectCode("STORAGE_CLOSED", () => storage.getValue("x"));
        expect(losses.length === 1 && losses[0]?.code === "STORAGE_CLOSED", "the owner is told once");
        const there = (await indexedDB.databases()).map((each) => each.name);
        expect(!there.includes(`tidemark/${name}`), "nothing was made");
      }),
  },
  {
    title:
      "[STORAGE-41] [STORAGE-43] after the data was deleted and made again, a claim of the same number is not taken for the old one",
    check: (name) =>
      onConnections(name, async ({ connections, storage }) => {
        connections.closeQuietly();
        await deleteRaw(name);
        const other = await openIdbStorage(name);
        expect((await other.claim()) === 1, "numbers begin anew");
        await expectCode("STORAGE_FENCED", () => storage.putValueOnce("x", 1));
        await other.close();
      }),
  },
  {
    title:
      "[STORAGE-41] [STORAGE-43] after the data was deleted and made again by somebody who did not claim it, the old claim is none",
    check: (name) =>
      onConnections(name, async ({ connections, subject, storage }) => {
        connections.closeQuietly();
        await deleteRaw(name);
        const other = await openIdbStorage(name);
        await expectCode("STORAGE_FENCED", () => subject.commit(subject.source.take(1)));
        await expectCode("STORAGE_FENCED", () => storage.putValueOnce("x", 1));
        expect(
          (await other.values("")).length === 0 && (await other.load(subject.id)) === undefined,
          "nothing is there",
        );
        expect((await storage.claim()) === 1, "it can claim this one");
        await storage.putValueOnce("x", 1);
        await other.close();
      }),
  },
  {
    title: "[STORAGE-41] a claim costs each writing transaction one request more, and reading ones none",
    check: (name) =>
      onConnections(name, async ({ subject, storage }) => {
        await storage.putValueOnce("x", 1);
        const puts = new WatchedCalls("put", ["lease"], () => {});
        for (let i = 0; i < 3; i++) await subject.commit(subject.source.take(1));
        await storage.putRecords([{ kind: "peer", key: "p", value: 1 }]);
        await subject.expectAll();
        puts.stop();
        expect(puts.calls === 4, `one each, got ${puts.calls}`);
      }),
  },
  {
    title:
      "[STORAGE-43] [STORAGE-16] a connection that is closed again and again is given up, and nothing runs for ever",
    check: (name) =>
      onConnections(name, async ({ connections, storage, losses }) => {
        let tries = 0;
        connections.begins = (db, stores) => {
          // Opening looks at this one by itself, and may.
          if (stores === "lease" || tries > 100) return;
          tries += 1;
          db.close();
        };
        await expectCode("STORAGE_CLOSED", () => storage.putValueOnce("x", 1));
        connections.begins = () => {};
        await expectCode("STORAGE_CLOSED", () => storage.getValue("x"));
        expect(losses.length === 1 && tries < 5, `given up after ${tries}`);
      }),
  },
  {
    title: "[STORAGE-43] [STORAGE-16] whoever deletes the data while it is opened again, or after that, is let",
    check: (name) =>
      onConnections(name, async ({ connections, storage, losses }) => {
        connections.closeAbruptly();
        await deleteRaw(name);
        await expectCode("STORAGE_CLOSED", () => storage.putValueOnce("x", 1));
        expect(losses.length === 1, "the owner is told once");
      }),
  },
  {
    title: "[STORAGE-43] [STORAGE-13] closing while it is opened again for nobody leaves no connection open",
    check: (name) =>
      onConnections(name, async ({ connections, storage }) => {
        connections.closeAbruptly();
        await storage.close();
        for (let i = 0; i < 50; i++) await turn();
        for (const db of connections.opened) {
          const outcome = await Promise.resolve()
            .then(() => db.transaction("lease"))
            .then(
              () => "open",
              (error: unknown) => (error as DOMException).name,
            );
          expect(outcome === "InvalidStateError", `it is closed, got ${outcome}`);
        }
      }),
  },
  {
    title: "[STORAGE-43] [STORAGE-13] closing while it is opened again lets what was begun finish",
    check: (name) =>
      onConnections(name, async ({ connections, subject, storage }) => {
        const begun = subject.commit(subject.source.take(2));
        connections.closeAbruptly();
        const asked = subject.commit(subject.source.take(2));
        await storage.close();
        await Promise.all([begun, asked]);
        await expectCode("STORAGE_CLOSED", () => storage.databases());
        const again = await openIdbStorage(name);
        await subject.expectAll(again);
        await again.close();
      }),
  },
];
