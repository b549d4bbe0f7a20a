/** [STORAGE-33] Looks at records that hold no entries, a few at a time, and makes a damaged one right from its second copy. */
import type { DatabaseId } from "../core/ids.ts";
import type { InspectedRecords, RecordDamage } from "../ports/storage.ts";
import type { Connection } from "./connection.ts";
import { decodeLocal, decodePart } from "./forms.ts";
import { decodeIndex } from "./index-record.ts";
import { allOf } from "./schema.ts";
import { putDatabaseRecord, readRecord, recordCopyKey, valueCopyKey } from "./spare.ts";

/** Parts of checkpoints have some MB at most. */
const atOnce = 8;

type Looked = "indexes" | "checkpoints" | "_sync";

/** Of one database: its record, its indexes, its checkpoints. */
export async function inspectDatabase(connection: Connection, database: DatabaseId): Promise<InspectedRecords> {
  const record = await inspectRecord(connection, database);
  const others = await Promise.all([
    inspectAll(connection, "indexes", allOf(database), decodeIndex, "index"),
    inspectAll(connection, "checkpoints", allOf(database), decodePart, "checkpoint"),
  ]);
  return sum([record, ...others]);
}

/** Those that belong to no database. */
export async function inspectOthers(connection: Connection): Promise<InspectedRecords> {
  const [values, locals] = await Promise.all([
    inspectValues(connection),
    inspectAll(connection, "_sync", undefined, (value) => decodeLocal(value), "local"),
  ]);
  return sum([values, locals]);
}

async function inspectRecord(connection: Connection, database: DatabaseId): Promise<InspectedRecords> {
  return await connection.write(["databases", "spare"], async (transaction) => {
    const [stored, copy] = await Promise.all([
      transaction.objectStore("databases").get(database),
      transaction.objectStore("spare").get(recordCopyKey(database)),
    ]);
    const [first, second] = [readRecord(stored, database), readRecord(copy, database)];
    const sound = first ?? second;
    if (first !== undefined && (second !== undefined || copy === undefined))
      return { checked: 1, damaged: [], mended: 0 };
    if (sound === undefined) return { checked: 1, damaged: ["database"], mended: 0 };
    await Promise.all(putDatabaseRecord(transaction, sound));
    return { checked: 1, damaged: ["database"], mended: 1 };
  });
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

async function inspectValues(connection: Connection): Promise<InspectedRecords> {
  return await connection.write(["values", "spare"], async (transaction) => {
    const [values, spare] = [transaction.objectStore("values"), transaction.objectStore("spare")];
    const damaged: RecordDamage[] = [];
    const names = await values.getAllKeys();
    let mended = 0;
    for (const name of names) {
      const [stored, copy] = await Promise.all([values.get(name), spare.get(valueCopyKey(name))]);
      const open = (each: unknown): unknown => decodeLocal(each);
      const isFirst = isSound(open, stored);
      const isSecond = copy !== undefined && isSound(open, copy);
      if (isFirst && (isSecond || copy === undefined)) continue;
      damaged.push("value");
      if (!isFirst && !isSecond) continue;
      await Promise.all(isFirst ? [spare.put(stored, valueCopyKey(name))] : [values.put(copy, name)]);
      mended += 1;
    }
    return { checked: names.length, damaged, mended };
  });
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
