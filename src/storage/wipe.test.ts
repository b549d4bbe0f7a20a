import "fake-indexeddb/auto";
import { describe, expect, test } from "vitest";
import { openIdbStorage } from "./idb.ts";
import { Outbox, outboxName } from "./outbox.ts";
import { deleteStored } from "./wipe.ts";

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
