import { deleteDB, openDB } from "idb";
import { expect, onTestFinished, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { clearOutbox, deleteOutbox, Outbox, type OutboxEdit, outboxName, readOutbox } from "./outbox.ts";

function editOf(bytes: number): OutboxEdit {
  const store = { type: "table", store: "notes", payload: new Uint8Array(bytes).fill(7), updatedRows: ["n1"] };
  return { database: "d".repeat(64) as DatabaseId, stores: [store] };
}

/** With a connection, as after a first write. */
async function openOutbox(instance: string, tab: string): Promise<Outbox> {
  const outbox = new Outbox(instance, tab);
  onTestFinished(() => outbox.close());
  outbox.warm();
  await outbox.get("any");
  return outbox;
}

function numbersOf(writes: readonly { readonly tab: string; readonly number: number }[]): readonly string[] {
  return writes.map(({ tab, number }) => `${tab} ${number}`);
}

function isClosed(db: IDBDatabase | undefined): boolean {
  try {
    db?.transaction("writes");
    return false;
  } catch {
    return true;
  }
}

test("[OUTBOX-1] what is put in one turn is there for others, in the order of the numbers", async () => {
  const instance = crypto.randomUUID();
  const [a, b] = [await openOutbox(instance, "a"), await openOutbox(instance, "b")];
  b.put([{ number: 1, edit: undefined }]);
  a.put([2, 10, 1].map((number) => ({ number, edit: editOf(1_000) })));
  a.close();
  const kept = await readOutbox(instance);
  expect(numbersOf(kept)).toEqual(["a 1", "a 2", "a 10", "b 1"]);
  expect(kept[0]).toEqual({ tab: "a", number: 1, edit: editOf(1_000) });
  await clearOutbox(instance, "a", 2);
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 10", "b 1"]);
  await clearOutbox(instance, "a", 10);
  expect(numbersOf(await readOutbox(instance))).toEqual(["b 1"]);
});

test("[OUTBOX-1] what a page puts while its frame is taken away is there", async () => {
  const instance = crypto.randomUUID();
  const frame = document.body.appendChild(document.createElement("iframe"));
  const db = await openDB(outboxName(instance), 1, {
    upgrade: (created) => {
      created.createObjectStore("writes");
      created.createObjectStore("facts");
    },
  });
  db.close();
  // Another realm with its own IndexedDB connection, which ends in the turn in which it wrote.
  const { indexedDB } = frame.contentWindow as unknown as typeof globalThis;
  const opening = indexedDB.open(outboxName(instance));
  await new Promise((resolve) => (opening.onsuccess = resolve));
  const transaction = opening.result.transaction("writes", "readwrite");
  transaction.objectStore("writes").put({ tab: "a", number: 1, edit: editOf(100_000) }, ["a", 1]);
  transaction.commit();
  frame.remove();
  await expect.poll(async () => numbersOf(await readOutbox(instance))).toEqual(["a 1"]);
});

test("[OUTBOX-2] a write whose answer came is taken out; what was never put needs nothing", async () => {
  const instance = crypto.randomUUID();
  const outbox = await openOutbox(instance, "a");
  await outbox.forget(5);
  outbox.put([1, 2].map((number) => ({ number, edit: editOf(10) })));
  outbox.put([1, 2, 3].map((number) => ({ number, edit: editOf(10) })));
  await outbox.forget(2);
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 1", "a 3"]);
});

test("[OUTBOX-3] what others took out while the page was away is put again when it goes again, and the rest stays", async () => {
  const instance = crypto.randomUUID();
  const outbox = await openOutbox(instance, "a");
  const writes = [1, 2].map((number) => ({ number, edit: editOf(10) }));
  outbox.put(writes);
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 1", "a 2"]);
  await clearOutbox(instance, "a", 2);
  outbox.put(writes);
  expect(await readOutbox(instance)).toEqual([]);
  outbox.doubt();
  outbox.put(writes);
  await outbox.forget(1);
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 2"]);
});

test("[OUTBOX-3] what could not be put is not taken for kept: it is put when the page goes again", async () => {
  const instance = crypto.randomUUID();
  const outbox = await openOutbox(instance, "a");
  const writes = [1, 2].map((number) => ({ number, edit: editOf(10) }));
  // As when the disk is full: the transaction is aborted after all its requests were made.
  const { commit } = IDBTransaction.prototype;
  IDBTransaction.prototype.commit = function (): void {
    this.abort();
  };
  const repair = (): void => {
    IDBTransaction.prototype.commit = commit;
  };
  onTestFinished(repair);
  outbox.put(writes);
  repair();
  expect(await readOutbox(instance)).toEqual([]);
  outbox.put(writes);
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 1", "a 2"]);
  await outbox.forget(2);
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 1"]);
});

test("[OUTBOX-5] whoever deletes it waits for no page that rests; what was put before is there, and it goes on later", async () => {
  const instance = crypto.randomUUID();
  const outbox = await openOutbox(instance, "a");
  outbox.put([{ number: 1, edit: editOf(10) }]);
  outbox.rest();
  outbox.put([{ number: 2, edit: editOf(10) }]);
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 1"]);
  let blocked = 0;
  await deleteDB(outboxName(instance), { blocked: () => blocked++ });
  // The event would come to a page that runs; nobody asked this one, as it has no connection.
  expect(blocked).toBe(0);
  outbox.warm();
  await outbox.get("any");
  outbox.put([{ number: 3, edit: editOf(10) }]);
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 3"]);
});

test("[OUTBOX-5] a connection that was on its way when the page rested is closed as it comes", async () => {
  const instance = crypto.randomUUID();
  const outbox = new Outbox(instance, "a");
  const { open } = IDBFactory.prototype;
  const opened: IDBDatabase[] = [];
  IDBFactory.prototype.open = function (...args): IDBOpenDBRequest {
    const request = open.apply(this, args);
    request.addEventListener("success", () => opened.push(request.result));
    return request;
  };
  onTestFinished(() => {
    IDBFactory.prototype.open = open;
  });
  outbox.warm();
  outbox.rest();
  await expect.poll(() => opened.length).toBe(1);
  await expect.poll(() => isClosed(opened[0])).toBe(true);
  outbox.put([{ number: 1, edit: editOf(10) }]);
  expect(await readOutbox(instance)).toEqual([]);
});

test("[OUTBOX-4] what is damaged is left out", async () => {
  const instance = crypto.randomUUID();
  const outbox = await openOutbox(instance, "a");
  const db = await openDB(outboxName(instance));
  const [store] = editOf(1).stores;
  const damaged: readonly unknown[] = [
    null,
    5,
    { tab: 5, number: 1 },
    { tab: "a", number: 1.5 },
    { tab: "a", number: 1, edit: null },
    { tab: "a", number: 1, edit: { database: 5, stores: [] } },
    { tab: "a", number: 1, edit: { database: "d", stores: {} } },
    { tab: "a", number: 1, edit: { database: "d", stores: [null] } },
    { tab: "a", number: 1, edit: { database: "d", stores: [{ ...store, payload: "text" }] } },
    { tab: "a", number: 1, edit: { database: "d", stores: [{ ...store, updatedRows: [5] }] } },
    { tab: "a", number: 1, edit: { database: "d", stores: [{ ...store, type: 5 }] } },
    { tab: "a", number: 1, edit: { database: "d", stores: [{ ...store, store: 5 }] } },
    { tab: "a", number: 1, edit: { database: "d", stores: [{ ...store, updatedRows: 5 }] } },
  ];
  for (const [number, value] of damaged.entries()) await db.put("writes", value, ["a", number]);
  db.close();
  outbox.put([{ number: 99, edit: editOf(1) }]);
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 99"]);
});

test("[OUTBOX-4] a write of which one byte has changed is left out, and one that an earlier build put is not", async () => {
  const instance = crypto.randomUUID();
  const outbox = await openOutbox(instance, "a");
  outbox.put([1, 2].map((number) => ({ number, edit: editOf(number) })));
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 1", "a 2"]);
  const db = await openDB(outboxName(instance));
  const write = await db.get("writes", ["a", 1]);
  const [store] = write.edit.stores;
  store.payload[0] ^= 1;
  await db.put("writes", write, ["a", 1]);
  await db.put("writes", { tab: "a", number: 3, edit: editOf(3) }, ["a", 3]);
  db.close();
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 2", "a 3"]);
});

test("[OUTBOX-4] the checksum of a write is for ever what it was: builds before and after this one read it, and this one theirs", async () => {
  const instance = crypto.randomUUID();
  const outbox = await openOutbox(instance, "a");
  const write = { tab: "a", number: 1, edit: editOf(100) };
  outbox.put([write]);
  const db = await openDB(outboxName(instance));
  expect(await db.get("writes", ["a", 1])).toEqual({ ...write, sum: 1_305_032_162 });
  db.close();
  expect(await readOutbox(instance)).toEqual([write]);
});

test("[OUTBOX-4] a write whose tab, number or database has changed is left out: it would be done for another", async () => {
  const instance = crypto.randomUUID();
  const outbox = await openOutbox(instance, "a");
  outbox.put([1, 2, 3, 4].map((number) => ({ number, edit: editOf(number) })));
  const db = await openDB(outboxName(instance));
  const [first, second, third] = await Promise.all([1, 2, 3].map((number) => db.get("writes", ["a", number])));
  await db.put("writes", { ...first, tab: "b" }, ["a", 1]);
  await db.put("writes", { ...second, number: 5 }, ["a", 2]);
  await db.put("writes", { ...third, edit: { ...third.edit, database: "e".repeat(64) } }, ["a", 3]);
  db.close();
  expect(numbersOf(await readOutbox(instance))).toEqual(["a 4"]);
});

test("[OUTBOX-4] whoever deletes it waits for nobody, and what is kept afterwards begins anew", async () => {
  const instance = crypto.randomUUID();
  const outbox = await openOutbox(instance, "a");
  await outbox.set("fact", { of: [1, 2] });
  expect(await outbox.get("fact")).toEqual({ of: [1, 2] });
  outbox.put([{ number: 1, edit: editOf(1) }]);
  await deleteOutbox(instance);
  outbox.put([{ number: 2, edit: editOf(1) }]);
  expect(await readOutbox(instance)).toEqual([]);
  expect(await outbox.get("fact")).toBeUndefined();
  outbox.close();
  outbox.put([{ number: 3, edit: editOf(1) }]);
  expect([await outbox.get("fact"), await readOutbox(instance)]).toEqual([undefined, []]);
});

test("[DELETION-7] what a page made anew while the instance was wiped goes with it, also when that was still under way", async () => {
  const names = async (): Promise<readonly string[]> => (await indexedDB.databases()).map(({ name = "" }) => name);
  const instance = crypto.randomUUID();
  const [late, later] = [await openOutbox(instance, "a"), await openOutbox(instance, "b")];
  await deleteOutbox(instance);
  await late.set("fact", 1);
  expect(await names()).toContain(outboxName(instance));
  later.warm();
  later.discard();
  late.discard();
  await expect.poll(names).not.toContain(outboxName(instance));
  await late.set("fact", 2);
  expect(await names()).not.toContain(outboxName(instance));
});

test("[DELETION-7] a page that let go of the outbox as the instance was wiped leaves that of the next one alone", async () => {
  const instance = crypto.randomUUID();
  const old = await openOutbox(instance, "a");
  await deleteOutbox(instance);
  const next = await openOutbox(instance, "b");
  old.discard();
  next.put([{ number: 1, edit: editOf(1) }]);
  expect(numbersOf(await readOutbox(instance))).toEqual(["b 1"]);
});
