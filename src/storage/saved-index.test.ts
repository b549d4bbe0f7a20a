import * as idbDouble from "fake-indexeddb";
import { afterAll, expect, test } from "vitest";
import { LogIndex } from "../core/log-index.ts";
import { linksOf } from "../core/log-links.ts";
import { installIdbDouble } from "../testing/idb-double.ts";
import { SeededRandom } from "../testing/random.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { Connection } from "./connection.ts";
import { dropSavedIndex, nothingSaved, putSavedIndex, readSavedIndex, savedIndexKey } from "./saved-index.ts";

afterAll(installIdbDouble(idbDouble));

const source = new StoredEntries(new SeededRandom(1));
const { database } = source;
const entries = source.take(300).map(({ bytes: _bytes, ...index }) => index);

async function withConnection(name: string, use: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = await Connection.open(name, { openTimeoutMs: 5_000, onLost: () => {} });
  await use(connection);
  await connection.close();
}

test("[STORAGE-48] a saved index is read with what follows from it, and until it is dropped", async () => {
  await withConnection("saved-index", async (connection) => {
    const read = () => connection.read(["spare"], (transaction) => readSavedIndex(transaction, database));
    const index = LogIndex.of(entries);
    expect(await read()).toBe(undefined);
    await connection.write(["spare"], (transaction) => [putSavedIndex(transaction, database, index)]);
    const saved = await read();
    expect([...(saved?.index ?? [])]).toEqual(entries);
    expect(entries.map(({ id }) => saved?.index.positionOf(id))).toEqual(entries.map((_, position) => position));
    expect(saved?.links).toEqual(linksOf(index));
    await connection.write(["spare"], (transaction) => [dropSavedIndex(transaction, database)]);
    expect(await read()).toBe(undefined);
  });
});

test.each([7, {}, null, { log: {} }])("[STORAGE-48] %o in place of a saved index is none", async (value) => {
  await withConnection(`saved-index-${JSON.stringify(value)}`, async (connection) => {
    await connection.write(["spare"], (transaction) => [
      transaction.objectStore("spare").put(value, savedIndexKey(database)),
    ]);
    expect(await connection.read(["spare"], (transaction) => readSavedIndex(transaction, database))).toBe(undefined);
  });
});

test("nobody knows where the ids of a log will be looked for", () => {
  const seeds = Array.from({ length: 4 }, () => nothingSaved().index.save().seed);
  // Four that are the same are one chance in 2 ** 93.
  expect(new Set(seeds).size).toBeGreaterThan(1);
});
