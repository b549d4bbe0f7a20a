import { next as A } from "@automerge/automerge";
import * as idbDouble from "fake-indexeddb";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { concatBytes, equalBytes } from "../core/bytes.ts";
import { ClosedConnections } from "../testing/closed-connections.ts";
import { flipsOf } from "../testing/disk-damage.ts";
import { installIdbDouble } from "../testing/idb-double.ts";
import { abortForQuota, finished, WatchedCalls } from "../testing/raw-idb.ts";
import { listValues, putValue, type RawValue } from "../testing/raw-values.ts";
import { type DamagedValue, TidemarkStorageAdapter } from "./storage-adapter.ts";

afterAll(installIdbDouble(idbDouble));

let databases = 0;

/** The names that `ClosedConnections` knows begin so. */
function newName(): string {
  return `tidemark/repo-${databases++}`;
}

function open(database: string): { readonly adapter: TidemarkStorageAdapter; readonly told: DamagedValue[] } {
  const told: DamagedValue[] = [];
  return { adapter: new TidemarkStorageAdapter({ database, onDamaged: (damaged) => told.push(damaged) }), told };
}

const bytes = (...numbers: number[]): Uint8Array => new Uint8Array(numbers);

async function damage(database: string, at: number): Promise<void> {
  const record = (await listValues(database, "values"))[at] as RawValue;
  const { data } = record.value as { readonly data: Uint8Array };
  data[0] = (data[0] as number) ^ 1;
  await putValue(database, "values", record);
}

const part = fc.constantFrom("a", "b", "", "\u{10ffff}", "snapshot");
const keys = fc.array(part, { minLength: 1, maxLength: 3 });
const step = fc.oneof(
  fc.record({ type: fc.constant("save" as const), key: keys, data: fc.uint8Array({ maxLength: 5 }) }),
  fc.record({ type: fc.constantFrom("remove" as const, "removeRange" as const), key: keys }),
);

test("[REPO-1] it does what a list in the order of insertion does, whatever the keys", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.array(part, { maxLength: 2 }), async (steps, prefix) => {
      const { adapter } = open(newName());
      const model = new Map<string, Uint8Array>();
      const within = (key: readonly string[], range: readonly string[]): boolean => range.every((x, i) => key[i] === x);
      for (const one of steps) {
        if (one.type === "save") model.set(JSON.stringify(one.key), one.data);
        if (one.type === "remove") model.delete(JSON.stringify(one.key));
        if (one.type === "removeRange")
          for (const key of [...model.keys()]) if (within(JSON.parse(key), one.key)) model.delete(key);
        await (one.type === "save" ? adapter.save(one.key, one.data) : adapter[one.type](one.key));
      }
      const all = [...model].map(([key, data]) => ({ key: JSON.parse(key) as string[], data }));
      expect(await adapter.loadRange(prefix)).toEqual(all.filter(({ key }) => within(key, prefix)));
      for (const { key, data } of all) expect(await adapter.load(key)).toEqual(data);
    }),
    { numRuns: 50 },
  );
});

test("what is handed in may be altered afterwards, and what is around it is not stored", async () => {
  const database = newName();
  const { adapter } = open(database);
  const data = new Uint8Array(1_000).subarray(10, 12);
  const saving = adapter.save(["a"], data);
  data[0] = 7;
  await saving;
  expect(await adapter.load(["a"])).toEqual(bytes(0, 0));
  const stored = (await listValues(database, "values")).map(({ value }) => value as { data: Uint8Array });
  expect(stored.map((one) => one.data.buffer.byteLength)).toEqual([2]);
});

test.each([[undefined], ["a"], [["a", 1]], [[["a"]]]])("a key that is %j is INPUT_INVALID", async (key) => {
  const { adapter } = open(newName());
  const invalid = { code: "INPUT_INVALID", details: { field: "key" } };
  await expect(adapter.load(key as never)).rejects.toMatchObject(invalid);
  await expect(adapter.save(key as never, bytes(1))).rejects.toMatchObject(invalid);
  await expect(adapter.remove(key as never)).rejects.toMatchObject(invalid);
  await expect(adapter.loadRange(key as never)).rejects.toMatchObject(invalid);
  await expect(adapter.removeRange(key as never)).rejects.toMatchObject(invalid);
});

describe("damage", () => {
  const values = [
    { key: ["a", "incremental", "1"], data: bytes(1, 2, 3) },
    { key: ["a", "incremental", "2"], data: bytes(4, 5, 6) },
    { key: ["b", "snapshot", "1"], data: bytes(7, 8, 9) },
  ];

  async function filled(): Promise<string> {
    const database = newName();
    const { adapter } = open(database);
    for (const { key, data } of values) await adapter.save(key, data);
    await adapter.close();
    return database;
  }

  test("[REPO-2] [REPO-3] whatever one byte, number or text becomes: the rest is given, it is not, and nothing but itself brings it back", async () => {
    const [first, ...others] = values;
    const sample = (await listValues(await filled(), "values"))[0] as RawValue;
    const flips = [...flipsOf(sample.value, "")];
    expect(flips.length).toBe(8);
    for (const { where, value } of flips) {
      const database = await filled();
      await putValue(database, "values", { id: sample.id, value });
      const { adapter, told } = open(database);
      expect(await adapter.loadRange([]), where).toEqual(others);
      expect(told.length, where).toBe(1);
      expect(await adapter.findDamaged(), where).toEqual(told);
      // As compaction does it with what it was given; and as a document is deleted that this may not belong to.
      for (const { key } of others) await adapter.remove(key);
      await adapter.remove(first?.key as string[]);
      if (told[0]?.key === undefined) await adapter.removeRange([]);
      expect(
        (await listValues(database, "values")).map(({ id }) => id),
        where,
      ).toEqual([sample.id]);
      await putValue(database, "values", sample);
      expect(await adapter.loadRange([]), where).toEqual([first]);
    }
  });

  test("[REPO-2] it is told once, by its key, also to whoever asks for it alone", async () => {
    const database = await filled();
    await damage(database, 1);
    const { adapter, told } = open(database);
    expect(await adapter.load(["a", "incremental", "2"])).toBeUndefined();
    await adapter.loadRange(["a"]);
    const expected = { id: 2, key: ["a", "incremental", "2"], bytes: 3, soundPieces: 0 };
    expect(told).toEqual([expected]);
  });

  test("[REPO-2] of a damaged value, a range has the pieces of Automerge that are sound, and alone it is not there", async () => {
    const pieces = ["one", "two", "three"].map((text) => {
      const doc = A.change(A.init<Record<string, string>>(), (draft) => Object.assign(draft, { text }));
      return A.getLastLocalChange(doc) as Uint8Array;
    });
    const database = newName();
    const key = ["a", "incremental", "1"];
    await open(database).adapter.save(key, concatBytes(...pieces));
    const record = (await listValues(database, "values"))[0] as RawValue;
    const { data } = record.value as { readonly data: Uint8Array };
    const at = (pieces[0]?.length ?? 0) + 20;
    data[at] = (data[at] as number) ^ 1;
    await putValue(database, "values", record);
    const { adapter, told } = open(database);
    const sound = concatBytes(pieces[0] as Uint8Array, pieces[2] as Uint8Array);
    expect(await adapter.loadRange(["a"])).toEqual([{ key, data: sound }]);
    expect(told.map(({ soundPieces }) => soundPieces)).toEqual([2]);
    expect(await adapter.load(key)).toBeUndefined();
  });

  test("[REPO-3] a range that is removed takes its damaged values along", async () => {
    const database = await filled();
    await damage(database, 1);
    const { adapter } = open(database);
    await adapter.removeRange(["a"]);
    expect(await adapter.findDamaged()).toEqual([]);
    expect((await listValues(database, "values")).length).toBe(1);
  });

  test("[REPO-5] saving it again heals it, and discarding removes what is damaged only", async () => {
    const database = await filled();
    await damage(database, 0);
    await damage(database, 1);
    const { adapter, told } = open(database);
    const damaged = await adapter.findDamaged();
    expect(damaged.length).toBe(2);
    await adapter.save(["a", "incremental", "1"], bytes(1, 2, 3));
    for (const each of damaged) await adapter.discard(each);
    expect(await adapter.loadRange([])).toEqual([values[0], values[2]]);
    await damage(database, 0);
    await adapter.loadRange([]);
    expect(told.length).toBe(1);
  });

  test("[REPO-2] a value that the browser cannot read keeps it from reading no other", async () => {
    const database = await filled();
    const { adapter, told } = open(database);
    const lost = { id: 2, key: undefined, bytes: 0, soundPieces: 0 };
    await withUnreadable(bytes(4, 5, 6), async () => {
      expect(await adapter.loadRange([])).toEqual([values[0], values[2]]);
      expect(told).toEqual([lost]);
      await adapter.remove(["a", "incremental", "2"]);
      expect(await adapter.findDamaged()).toEqual([lost]);
    });
    expect((await adapter.loadRange([])).length).toBe(3);
    await withUnreadable(bytes(4, 5, 6), () => adapter.discard(lost));
    expect((await adapter.loadRange([])).length).toBe(2);
  });

  test("what the listener throws keeps nothing from being loaded", async () => {
    const database = await filled();
    await damage(database, 0);
    const uncaught: unknown[] = [];
    const listen = (error: unknown): void => void uncaught.push(error);
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", listen);
    const adapter = new TidemarkStorageAdapter({
      database,
      onDamaged: () => {
        throw new Error("of the app");
      },
    });
    expect((await adapter.loadRange([])).length).toBe(2);
    process.off("uncaughtException", listen);
    for (const other of others) process.on("uncaughtException", other);
    expect(uncaught).toEqual([new Error("of the app")]);
  });
});

/** As a browser does that has lost the file with a value in it: whoever asks for it, or for it among others, gets nothing. */
async function withUnreadable(data: Uint8Array, use: () => Promise<void>): Promise<void> {
  const original = globalThis.structuredClone;
  globalThis.structuredClone = (value, options) => {
    const isIt = (one: unknown): boolean => equalBytes((one as { data?: Uint8Array })?.data ?? bytes(), data);
    if (isIt(value)) throw new DOMException("Failed to read large IndexedDB value", "DataError");
    return original(value, options);
  };
  try {
    await use();
  } finally {
    globalThis.structuredClone = original;
  }
}

describe("the connection", () => {
  test("[REPO-6] closed by the browser, it is opened again, and what was under way is done", async () => {
    const database = newName();
    const closed = new ClosedConnections(database.slice("tidemark/".length));
    try {
      const { adapter } = open(database);
      await adapter.save(["a"], bytes(1));
      closed.closeQuietly();
      await adapter.save(["b"], bytes(2));
      const saving = adapter.save(["c"], bytes(3));
      closed.began = () => {
        closed.began = () => {};
        queueMicrotask(() => closed.closeAbruptly());
      };
      await saving;
      closed.closeAbruptly();
      expect((await adapter.loadRange([])).map(({ data }) => data)).toEqual([bytes(1), bytes(2), bytes(3)]);
      await adapter.close();
    } finally {
      closed.stop();
    }
  });

  test("[REPO-6] it lets go when somebody deletes what is stored, and nothing new is taken for the old", async () => {
    const database = newName();
    const { adapter } = open(database);
    await adapter.save(["a"], bytes(1));
    await finished(indexedDB.deleteDatabase(database));
    await expect(adapter.save(["b"], bytes(2))).rejects.toMatchObject({ code: "STORAGE_CLOSED" });
    expect((await indexedDB.databases()).map(({ name }) => name)).not.toContain(database);
  });

  test("[REPO-6] deleted while it was closed, as with the data of the site, it is not made anew", async () => {
    const database = newName();
    const closed = new ClosedConnections(database.slice("tidemark/".length));
    try {
      const { adapter } = open(database);
      await adapter.save(["a"], bytes(1));
      closed.closeQuietly();
      await finished(indexedDB.deleteDatabase(database));
      await expect(adapter.save(["b"], bytes(2))).rejects.toMatchObject({ code: "STORAGE_CLOSED" });
      await expect(adapter.load(["a"])).rejects.toMatchObject({ code: "STORAGE_CLOSED" });
      expect((await indexedDB.databases()).map(({ name }) => name)).not.toContain(database);
    } finally {
      closed.stop();
    }
  });

  test("[REPO-6] without room a save is STORAGE_QUOTA and leaves what was there", async () => {
    const { adapter } = open(newName());
    await adapter.save(["a"], bytes(1));
    const watched = new WatchedCalls("put", ["values"], (_number, store) => abortForQuota(store));
    try {
      await expect(adapter.save(["a"], bytes(2))).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
    } finally {
      watched.stop();
    }
    expect(await adapter.load(["a"])).toEqual(bytes(1));
  });

  test("[REPO-6] after close everything is STORAGE_CLOSED, and what was begun is done", async () => {
    const database = newName();
    const { adapter } = open(database);
    const saving = adapter.save(["a"], bytes(1));
    await adapter.close();
    await saving;
    await expect(adapter.load(["a"])).rejects.toMatchObject({ code: "STORAGE_CLOSED" });
    expect(await open(database).adapter.load(["a"])).toEqual(bytes(1));
  });
});
