/**
 * What belongs to no database: what the engine remembers for itself, and what was done for each tab.
 *
 * Relaxed: a crash of the whole machine may take back the newest of them, and the ones before are as good.
 */
import type { LocalRecord, RecordKind, WriteRow } from "../ports/storage.ts";
import type { Connection } from "./connection.ts";
import { decodeLocal } from "./forms.ts";
import { ownRecords } from "./own-records.ts";
import { allOfKind } from "./schema.ts";
import { putRecord } from "./steps.ts";

export async function readRecords(connection: Connection, kind: RecordKind): Promise<readonly LocalRecord[]> {
  const [keys, values] = await connection.read(["_sync"], (transaction) => {
    const store = transaction.objectStore("_sync");
    return Promise.all([store.getAllKeys(allOfKind(kind)), store.getAll(allOfKind(kind))]);
  });
  return keys.map(([, key], i) => ({ kind, key, value: readLocal(values[i]) }));
}

export async function putRecords(connection: Connection, changes: readonly LocalRecord[]): Promise<void> {
  const records = ownRecords(changes);
  await connection.write(
    ["_sync"],
    (transaction) => records.map((record) => putRecord(transaction.objectStore("_sync"), record)),
    "relaxed",
  );
}

export async function readWriteRows(connection: Connection): Promise<readonly WriteRow[]> {
  const [tabs, values] = await connection.read(["writes"], (transaction) => {
    const store = transaction.objectStore("writes");
    return Promise.all([store.getAllKeys(), store.getAll()]);
  });
  return tabs.map((tab, i) => ({ tab, value: readLocal(values[i]) }));
}

export async function deleteWriteRow(connection: Connection, tab: string): Promise<void> {
  await connection.write(["writes"], (transaction) => [transaction.objectStore("writes").delete(tab)], "relaxed");
}

/** Undefined for a damaged one, which is of no kind then. */
function readLocal(value: unknown): unknown {
  try {
    return decodeLocal(value);
  } catch {
    return undefined;
  }
}
