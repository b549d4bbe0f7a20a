/** [STORAGE-33] Looks at records that hold no entries, a few at a time, and makes a damaged one right from its second copy. */
import type { DatabaseId } from "../core/ids.ts";
import type { DatabaseRecord, InspectedRecords, RecordDamage } from "../ports/storage.ts";
import type { Connection, Transaction } from "./connection.ts";
import { decodeLocal, decodePart } from "./forms.ts";
import { decodeIndex } from "./index-record.ts";
import { dropSavedIndex, readSavedIndex, savedIndexKey } from "./saved-index.ts";
import { allOf } from "./schema.ts";
import { allValueCopies, putDatabaseRecord, readRecord, recordCopyKey, valueCopyKey } from "./spare.ts";

/** Parts of checkpoints have some MB at most. */
const atOnce = 8;

type Looked = "indexes" | "checkpoints" | "_sync";

/** Of one database: its record, its indexes, its checkpoints. */
export async function inspectDatabase(connection: Connection, database: DatabaseId): Promise<InspectedRecords> {
  const record = await inspectRecord(connection, database);
  const [indexes, checkpoints] = await Promise.all([
    inspectAll(connection, "indexes", allOf(database), decodeIndex, "index"),
    inspectAll(connection, "checkpoints", allOf(database), decodePart, "checkpoint"),
  ]);
  const saved = await inspectSavedIndex(connection, database, indexes.damaged.length > 0);
  return sum([record, indexes, checkpoints, saved]);
}

/**
 * Goes when it is damaged, and with a damaged index: whoever opens the log would not read that, and never make it right. There is no second copy
 * of it: opening the log anew makes it again.
 */
async function inspectSavedIndex(
  connection: Connection,
  database: DatabaseId,
  isToGo: boolean,
): Promise<InspectedRecords> {
  const [key, saved] = await connection.read(["spare"], (transaction) =>
    Promise.all([
      transaction.objectStore("spare").getKey(savedIndexKey(database)),
      readSavedIndex(transaction, database),
    ]),
  );
  if (key === undefined) return { checked: 0, damaged: [], mended: 0 };
  const isDamaged = saved === undefined;
  if (isDamaged || isToGo)
    await connection.write(["spare"], (transaction) => [dropSavedIndex(transaction, database)], "relaxed");
  return { checked: 1, damaged: isDamaged ? ["index"] : [], mended: 0 };
}

/** Those that belong to no database. */
export async function inspectOthers(connection: Connection): Promise<InspectedRecords> {
  const [values, locals, writes] = await Promise.all([
    inspectValues(connection),
    inspectAll(connection, "_sync", undefined, (value) => decodeLocal(value), "local"),
    inspectWrites(connection),
  ]);
  return sum([values, locals, writes]);
}

/** Mends in a transaction of its own, which there rarely is. */
async function inspectRecord(connection: Connection, database: DatabaseId): Promise<InspectedRecords> {
  const stores = ["databases", "spare"] as const;
  const looked = await connection.read(stores, (transaction) => lookAtRecord(transaction, database));
  if (looked.isWhole) return { checked: 1, damaged: [], mended: 0 };
  const mended = await connection.change(stores, async (transaction) => {
    const { sound } = await lookAtRecord(transaction, database);
    if (sound === undefined) return 0;
    await Promise.all(putDatabaseRecord(transaction, sound));
    return 1;
  });
  return { checked: 1, damaged: ["database"], mended };
}

async function lookAtRecord(
  transaction: Transaction<"databases" | "spare", "readonly" | "readwrite">,
  database: DatabaseId,
): Promise<{ readonly isWhole: boolean; readonly sound: DatabaseRecord | undefined }> {
  const [stored, copy] = await Promise.all([
    transaction.objectStore("databases").get(database),
    transaction.objectStore("spare").get(recordCopyKey(database)),
  ]);
  const [first, second] = [readRecord(stored, database), readRecord(copy, database)];
  return { isWhole: first !== undefined && (second !== undefined || copy === undefined), sound: first ?? second };
}

async function inspectAll(
  connection: Connection,
  store: Looked,
  within: IDBKeyRange | undefined,
  read: (value: unknown) => unknown,
  what: RecordDamage,
): Promise<InspectedRecords> {
  const damaged: RecordDamage[] = [];
  let checked = 0;
  for (let range: IDBKeyRange | undefined = within; ; ) {
    const [keys, values] = await connection.read([store], (transaction) => {
      const records = transaction.objectStore(store);
      return Promise.all([records.getAllKeys(range, atOnce), records.getAll(range, atOnce)]);
    });
    checked += keys.length;
    for (const value of values) if (!isSound(read, value)) damaged.push(what);
    const last = keys.at(-1);
    if (last === undefined || keys.length < atOnce) return { checked, damaged, mended: 0 };
    range = within === undefined ? IDBKeyRange.lowerBound(last, true) : IDBKeyRange.bound(last, within.upper, true);
  }
}

/** One that cannot be read is as none: it goes, and the tab's next write stores all of it again. */
async function inspectWrites(connection: Connection): Promise<InspectedRecords> {
  const look = async (transaction: Transaction<"writes", "readonly" | "readwrite">) => {
    const writes = transaction.objectStore("writes");
    const [tabs, values] = await Promise.all([writes.getAllKeys(), writes.getAll()]);
    return { checked: tabs.length, damaged: tabs.filter((_, i) => !isSoundValue(values[i])) };
  };
  const { checked, damaged } = await connection.read(["writes"], look);
  if (damaged.length > 0) {
    await connection.change(["writes"], async (transaction) => {
      const writes = transaction.objectStore("writes");
      await Promise.all((await look(transaction)).damaged.map((tab) => writes.delete(tab)));
    });
  }
  return { checked, damaged: damaged.map(() => "write"), mended: 0 };
}

async function inspectValues(connection: Connection): Promise<InspectedRecords> {
  const stores = ["values", "spare"] as const;
  const [names, values, copyNames, copies] = await connection.read(stores, (transaction) => {
    const [store, spare] = [transaction.objectStore("values"), transaction.objectStore("spare")];
    const range = allValueCopies();
    return Promise.all([store.getAllKeys(), store.getAll(), spare.getAllKeys(range), spare.getAll(range)]);
  });
  const copyAt = new Map(copyNames.map((name, i) => [name, copies[i]]));
  const damaged = names.filter((name, i) => !isWholeValue(values[i], copyAt.get(valueCopyKey(name))));
  if (damaged.length === 0) return { checked: names.length, damaged: [], mended: 0 };
  const mended = await connection.change(stores, (transaction) =>
    Promise.all(damaged.map((name) => mendValue(transaction, name))),
  );
  return { checked: names.length, damaged: damaged.map(() => "value"), mended: mended.filter(Boolean).length };
}

async function mendValue(transaction: Transaction<"values" | "spare", "readwrite">, name: string): Promise<boolean> {
  const [values, spare] = [transaction.objectStore("values"), transaction.objectStore("spare")];
  const [stored, copy] = await Promise.all([values.get(name), spare.get(valueCopyKey(name))]);
  const isFirst = isSoundValue(stored);
  if (!isFirst && !isSoundValue(copy)) return false;
  await (isFirst ? spare.put(stored, valueCopyKey(name)) : values.put(copy, name));
  return true;
}

/** Both copies are as they were written, or the only one is. */
function isWholeValue(stored: unknown, copy: unknown): boolean {
  return isSoundValue(stored) && (copy === undefined || isSoundValue(copy));
}

function isSoundValue(value: unknown): boolean {
  return value !== undefined && isSound((each) => decodeLocal(each), value);
}

function isSound(read: (value: unknown) => unknown, value: unknown): boolean {
  try {
    read(value);
    return true;
  } catch {
    return false;
  }
}

function sum(all: readonly InspectedRecords[]): InspectedRecords {
  return {
    checked: all.reduce((total, { checked }) => total + checked, 0),
    damaged: all.flatMap(({ damaged }) => damaged),
    mended: all.reduce((total, { mended }) => total + mended, 0),
  };
}
