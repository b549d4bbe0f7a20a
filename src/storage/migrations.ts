/**
 * How what is stored becomes what this version stores.
 *
 * A format has a number, which is the version of the IndexedDB database as well. Its object stores are changed when the database is
 * opened, in the one transaction that IndexedDB has for that: all of them or none. Records of an older form are written anew after
 * that, a few at a time, while everything is in use; how far that came stands beside the claim, and is written with each few. So it goes
 * on where it was, whenever it ended, and until it is through every form is read (forms.ts).
 */
import { type IDBPDatabase, type IDBPTransaction, type StoreNames, unwrap } from "idb";
import { TidemarkError } from "../core/errors.ts";
import type { Connection } from "./connection.ts";
import { type FormedStore, formedStores, formedVersion, renew } from "./forms.ts";
import { type Schema, schemaVersion } from "./schema.ts";
import { recordCopyKey, valueCopyKey } from "./spare.ts";

/** Under `formatKey` in object store `lease`. */
interface StoredFormat {
  /** Records may be of this format, and of every earlier one. */
  readonly number: number;
  /** The same again: a number that the disk has changed must not look like a later format. Those that were stored first have none. */
  readonly again?: number;
  /** What may be of an earlier one: the records of this object store after this key, and the object stores after it. */
  readonly left?: { readonly store: FormedStore; readonly after: IDBValidKey | undefined };
}

const formatKey = "format";
const thisFormat: StoredFormat = { number: schemaVersion, again: schemaVersion };

/** A part of a checkpoint has some MB at most; with these, a transaction holds up others for some milliseconds. */
const batchRecords = 16;

type Upgrade = IDBPTransaction<Schema, StoreNames<Schema>[], "versionchange">;

/** What each format has that the one before it had not. */
const schemaSteps: readonly { readonly to: number; upgrade(db: IDBPDatabase<Schema>): void }[] = [
  { to: 1, upgrade: (db) => create(db, "databases", "indexes", "segments", "checkpoints", "values") },
  {
    to: 2,
    upgrade(db) {
      // Of the first format, and never written to.
      if (unwrap(db).objectStoreNames.contains("cursors")) unwrap(db).deleteObjectStore("cursors");
      create(db, "_sync");
    },
  },
  {
    to: 3,
    upgrade(db) {
      create(db, "writes", "spare");
      db.createObjectStore("lease").createIndex("role", "role", { unique: true });
    },
  },
  { to: 4, upgrade: (db) => create(db, "snapshots") },
];

function create(db: IDBPDatabase<Schema>, ...names: readonly StoreNames<Schema>[]): void {
  for (const name of names) db.createObjectStore(name);
}

/** From any earlier format; 0: there was nothing. */
export function upgradeSchema(db: IDBPDatabase<Schema>, from: number, transaction: Upgrade): void {
  for (const step of schemaSteps) if (step.to > from) step.upgrade(db);
  if (from === 0) void transaction.objectStore("lease").put(thisFormat, formatKey);
}

/** Throws STORAGE_NEWER. */
export async function requireKnownFormat(db: IDBPDatabase<Schema>): Promise<void> {
  const transaction = db.transaction("lease");
  const asked = transaction.store.get(formatKey);
  transaction.commit();
  requireKnown(toFormat(await asked));
}

/** From now on records of this format may be written. Throws STORAGE_NEWER. */
export async function noteFormat(lease: {
  get(key: string): Promise<unknown>;
  put(value: unknown, key: string): Promise<unknown>;
}): Promise<void> {
  const format = toFormat(await lease.get(formatKey));
  requireKnown(format);
  if (format.number < formedVersion) await lease.put(startOver, formatKey);
  else if (format.number < schemaVersion) await lease.put({ ...thisFormat, ...leftOf(format) }, formatKey);
}

/** What an earlier build had not come to is left to do as it was. */
function leftOf({ left }: StoredFormat): Pick<StoredFormat, "left"> {
  return left === undefined ? {} : { left };
}

const startOver: StoredFormat = { ...thisFormat, left: { store: formedStores[0], after: undefined } };

/** Writes records of older forms anew; after each step it can be left, and begun again later. */
export async function* renewRecords(connection: Connection): AsyncGenerator<void, void, void> {
  // To write takes all of the object stores, and whoever else writes waits: mostly there is nothing to do it for.
  const stored = await connection.read(["lease"], (transaction) => transaction.objectStore("lease").get(formatKey));
  for (let { left } = toFormat(stored); left !== undefined; ) {
    left = await renewSome(connection);
    yield;
  }
}

/** What is left then. */
async function renewSome(connection: Connection): Promise<StoredFormat["left"]> {
  return await connection.change(
    [...formedStores, "spare"],
    async (transaction) => {
      const lease = transaction.objectStore("lease");
      const { left } = toFormat(await lease.get(formatKey));
      if (left === undefined) return undefined;
      const { store, after } = left;
      const records = transaction.objectStore(store);
      const range = after === undefined ? undefined : IDBKeyRange.lowerBound(after, true);
      const [keys, values] = await Promise.all([
        records.getAllKeys(range, batchRecords),
        records.getAll(range, batchRecords),
      ]);
      const spare = transaction.objectStore("spare");
      const changed = keys.flatMap((key, i) => {
        const value = renew(store, values[i]);
        if (value === undefined) return [];
        const copy = copyKey(store, key);
        return [records.put(value, key), ...(copy === undefined ? [] : [spare.put(value, copy)])];
      });
      const format = formatAfter(store, keys.at(-1));
      await Promise.all([...changed, lease.put(format, formatKey)]);
      return format.left;
    },
    "relaxed",
  );
}

/** Under which a second copy of it stands; undefined: it has none. */
function copyKey(store: FormedStore, key: IDBValidKey): string | undefined {
  if (store === "databases") return recordCopyKey(String(key));
  return store === "values" ? valueCopyKey(String(key)) : undefined;
}

/** @param last undefined: the object store has no more */
function formatAfter(store: FormedStore, last: IDBValidKey | undefined): StoredFormat {
  if (last !== undefined) return { ...thisFormat, left: { store, after: last } };
  const next = formedStores[formedStores.indexOf(store) + 1];
  return { ...thisFormat, ...(next !== undefined && { left: { store: next, after: undefined } }) };
}

function requireKnown({ number }: StoredFormat): void {
  if (number > schemaVersion) throw new TidemarkError("STORAGE_NEWER", { got: number, expected: schemaVersion });
}

/** One that cannot be read, or is not there, is of no format: everything is gone through again. */
function toFormat(value: unknown): StoredFormat {
  const {
    number,
    again = number,
    left,
  } = typeof value === "object" && value !== null ? (value as Partial<StoredFormat>) : {};
  if (typeof number !== "number" || again !== number) return { number: 0 };
  if (left === undefined) return { number };
  return formedStores.includes(left.store) ? { number, left } : { number: 0 };
}
