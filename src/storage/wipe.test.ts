import * as idbDouble from "fake-indexeddb";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { installIdbDouble } from "../testing/idb-double.ts";
import { openIdbStorage } from "./idb.ts";
import { Outbox, outboxName } from "./outbox.ts";
import { deleteStored, isDeleted } from "./wipe.ts";

afterAll(installIdbDouble(idbDouble));

async function names(): Promise<readonly (string | undefined)[]> {
  return (await indexedDB.databases()).map(({ name }) => name).sort();
}

/** Somebody who does not let go. */
function holdOpen(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

describe("[DELETION-7] what is stored of an instance", () => {
  test("is gone, its outbox too, and nothing of another one", async () => {
    await (await openIdbStorage("one")).putValueOnce("key", 1);
    await (await openIdbStorage("other")).putValueOnce("key", 2);
    await new Outbox("one", "ab").set("fact", 3);
    await new Outbox("other", "ab").set("fact", 4);
    expect(await names()).toEqual(["tidemark/one", outboxName("one"), "tidemark/other", outboxName("other")]);
    await deleteStored("one");
    expect(await names()).toEqual(["tidemark/other", outboxName("other")]);
    await deleteStored("one");
    expect(await (await openIdbStorage("one")).getValue("key")).toBeUndefined();
    expect(await (await openIdbStorage("other")).getValue("key")).toBe(2);
  });

  test("does not wait for whoever has it open, who is told", async () => {
    const lost: string[] = [];
    const storage = await openIdbStorage("open", { onLost: ({ code }) => lost.push(code) });
    const outbox = new Outbox("open", "ab");
    await outbox.set("fact", 1);
    await deleteStored("open");
    expect(lost).toEqual(["STORAGE_CLOSED"]);
    await expect(storage.putValueOnce("key", 1)).rejects.toMatchObject({ code: "STORAGE_CLOSED" });
  });

  test("is reported to be there still while somebody keeps it, and goes with them", async () => {
    await (await openIdbStorage("kept")).close();
    const kept = await holdOpen("tidemark/kept");
    await expect(deleteStored("kept", 20)).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    kept.close();
    await deleteStored("kept");
    expect(await names()).not.toContain("tidemark/kept");
  });
});

test("[DELETION-7] where this page may store nothing there is nothing to delete, and any other failure is told", async () => {
  const { indexedDB: real } = globalThis;
  onTestFinished(() => void Object.assign(globalThis, { indexedDB: real }));
  const throwing = (name: string): Pick<IDBFactory, "deleteDatabase"> => ({
    deleteDatabase: () => {
      throw new DOMException("no", name);
    },
  });
  for (const refusing of [undefined, throwing("SecurityError"), throwing("InvalidStateError")]) {
    Object.assign(globalThis, { indexedDB: refusing });
    await deleteStored("forbidden");
  }
  Object.assign(globalThis, { indexedDB: throwing("UnknownError") });
  await expect(deleteStored("broken")).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
});

test("[DELETION-8] an instance is known to be deleted when it is, whatever there is of its outbox and of others", async () => {
  await (await openIdbStorage("there")).close();
  expect(await isDeleted("there")).toBe(false);
  await deleteStored("there");
  await new Outbox("there", "ab").set("fact", 1);
  await (await openIdbStorage("there too")).close();
  expect(await isDeleted("there")).toBe(true);
});

test("[DELETION-8] where the browser does not list what is stored, nothing is taken for deleted", async () => {
  const { databases } = indexedDB;
  onTestFinished(() => void Object.assign(indexedDB, { databases }));
  Object.assign(indexedDB, { databases: undefined });
  expect(await isDeleted("unknown")).toBe(false);
});

test("[DELETION-8] a browser that does not answer keeps nobody waiting", async () => {
  const { databases } = indexedDB;
  onTestFinished(() => void Object.assign(indexedDB, { databases }));
  Object.assign(indexedDB, { databases: () => new Promise(() => {}) });
  expect(await isDeleted("unknown", 1)).toBe(false);
});
