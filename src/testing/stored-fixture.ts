/**
 * What an instance has stored, as plain text, so that every later version can be tried on it: what the object stores hold, and what
 * the code that stored it read from there.
 *
 * Not in it: keys that cannot be exported, as no text holds them. The device's key is kept as its seed, as where there is no Ed25519.
 */
import { type DatabaseId, decodeHex, encodeHex } from "../core/ids.ts";
import type { Device } from "./device.ts";
import { finished, openRaw } from "./raw-idb.ts";

export interface StoredFixture {
  /** Of the IndexedDB database: the number of the format. */
  readonly version: number;
  readonly stores: readonly FixtureStore[];
  readonly expected: FixtureExpectation;
}

interface FixtureStore {
  readonly name: string;
  /** Of which each is of one field, by its name, and allows every value once. */
  readonly indexes?: readonly string[];
  /** Keys and values, as `encodePlain` makes them. */
  readonly records: readonly (readonly [key: unknown, value: unknown])[];
}

export interface FixtureExpectation {
  /** The seed of the device's key in simulations, in hex. */
  readonly secret: string;
  /** The device's public key by what stands under "identity". */
  readonly key: string;
  readonly databases: readonly FixtureDatabase[];
  /** How many local records of each kind. */
  readonly records: Readonly<Record<string, number>>;
}

export interface FixtureDatabase {
  readonly id: string;
  readonly name: string;
  readonly ticket: boolean;
  /** Ids in order of position, hashed. */
  readonly entries: number;
  readonly ids: string;
  /** As `Device.stateDigest` gives it; undefined when nothing has arrived. */
  readonly digest: string | undefined;
  readonly values: readonly unknown[];
  readonly rows: readonly (readonly [string, unknown])[];
}

/** Of the first database, from format 4 on. */
export const fixtureSnapshot: { readonly key: string; readonly bytes: Uint8Array } = {
  key: "text",
  bytes: Uint8Array.of(4, 0, 4),
};

/** What is under the keys that `live` in make-fixture.ts sets; null: nothing. */
export function valuesOf(device: Device, id: DatabaseId): readonly unknown[] {
  return Array.from({ length: 7 }, (_, i) => device.value(id, `key ${i}`) ?? null);
}

/** Everything that stands in the IndexedDB database of an instance, in the order of the keys. */
export async function dumpStores(name: string): Promise<Pick<StoredFixture, "version" | "stores">> {
  const db = await openRaw(name);
  const stores: FixtureStore[] = [];
  for (const store of db.objectStoreNames) {
    const objects = db.transaction(store).objectStore(store);
    const [keys, values] = await Promise.all([finished(objects.getAllKeys()), finished(objects.getAll())]);
    const records = keys.map((key, i) => [encodePlain(key), encodePlain(values[i])] as const);
    const indexes = [...objects.indexNames];
    stores.push({ name: store, ...(indexes.length > 0 && { indexes }), records });
  }
  db.close();
  return { version: db.version, stores };
}

/** The inverse: makes the IndexedDB database of an instance. */
export async function restoreStores(name: string, { version, stores }: StoredFixture): Promise<void> {
  const opening = indexedDB.open(`tidemark/${name}`, version);
  opening.onupgradeneeded = () => {
    for (const { name: store, indexes = [], records } of stores) {
      const objects = opening.result.createObjectStore(store);
      for (const index of indexes) objects.createIndex(index, index, { unique: true });
      for (const [key, value] of records) objects.put(decodePlain(value), decodePlain(key) as IDBValidKey);
    }
  };
  (await finished(opening)).close();
}

/** Bytes and what JSON has no word for become objects with one field. */
function encodePlain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: encodeHex(value) };
  if (value === undefined) return { $undefined: true };
  if (Array.isArray(value)) return value.map(encodePlain);
  if (typeof value !== "object" || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) throw new Error(`no text holds ${String(value)}`);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, encodePlain(each)]));
}

function decodePlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decodePlain);
  if (typeof value !== "object" || value === null) return value;
  if ("$bytes" in value) return decodeHex(value.$bytes as string);
  if ("$undefined" in value) return undefined;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, decodePlain(each)]));
}
