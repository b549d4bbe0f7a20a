import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as idbDouble from "fake-indexeddb";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { type DatabaseId, decodeHex, encodeHex } from "../core/ids.ts";
import { loadIdentity } from "../crypto/identity.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import type { RecordKind, Storage } from "../ports/storage.ts";
import { Cluster, type Device } from "../testing/cluster.ts";
import { installIdbDouble } from "../testing/idb-double.ts";
import { listRaw, openRaw, putRaw } from "../testing/raw-idb.ts";
import {
  type FixtureDatabase,
  fixtureSnapshot,
  restoreStores,
  type StoredFixture,
  valuesOf,
} from "../testing/stored-fixture.ts";
import { Connection } from "./connection.ts";
import { formedStores, formedVersion, renew } from "./forms.ts";
import { openIdbStorage } from "./idb.ts";
import { renewRecords } from "./migrations.ts";
import { schemaVersion } from "./schema.ts";

afterAll(installIdbDouble(idbDouble));

const folder = new URL("./fixtures/", import.meta.url);
const fixtures = readdirSync(folder).map(
  (file): StoredFixture => JSON.parse(gunzipSync(readFileSync(new URL(file, folder))).toString()),
);
const earlier = fixtures.filter(({ version }) => version < schemaVersion);
/** Whose records have other forms. */
const formed = fixtures.filter(({ version }) => version < formedVersion);
/** More of one kind than are written anew at once. */
const many = Array.from({ length: 40 }, (_, i) => i + 10);
const loadedSha256 = loadSha256();

/** A device whose storage is what stands in the instance of this name. */
async function openDevice(name: string, { expected }: StoredFixture): Promise<Device> {
  const storage = await openIdbStorage(name);
  await storage.claim();
  return await new Cluster(1).openDevice({
    secret: decodeHex(expected.secret),
    ports: (ports) => ({ ...ports, storage }),
  });
}

async function expectDatabase(storage: Storage, expected: FixtureDatabase): Promise<void> {
  const sha256 = await loadedSha256;
  const loaded = await storage.load(expected.id as DatabaseId);
  expect(loaded?.record.name).toBe(expected.name);
  const ids = [...(loaded?.index ?? [])].map(({ id }) => id);
  expect([ids.length, encodeHex(sha256(new TextEncoder().encode(ids.join())))]).toEqual([
    expected.entries,
    expected.ids,
  ]);
  const bytes = await storage.read(expected.id as DatabaseId, 0, expected.entries);
  expect(bytes.map((each) => encodeHex(sha256(each)))).toEqual(ids);
}

/** Everything in it is as the code that stored it had it. */
async function expectStored(name: string, { expected, version }: StoredFixture): Promise<void> {
  const storage = await openIdbStorage(name);
  expect((await storage.databases()).map(({ id }) => id)).toEqual(expected.databases.map(({ id }) => id).sort());
  for (const database of expected.databases) await expectDatabase(storage, database);
  for (const [kind, count] of Object.entries(expected.records))
    expect([kind, await storage.records(kind as RecordKind)]).toEqual([
      kind,
      expect.objectContaining({ length: count }),
    ]);
  expect((await loadIdentity(storage)).publicKey).toBe(expected.key);
  if (version > 3) {
    const boards = expected.databases.filter(({ name }) => name === "Board");
    const kept = boards.map(({ id }) => storage.getSnapshot(id as DatabaseId, fixtureSnapshot.key));
    expect(await Promise.all(kept)).toEqual([fixtureSnapshot.bytes]);
  }
  await storage.close();
}

function expectState(device: Device, expected: FixtureDatabase, version: number): void {
  const { name, ticket, digest, values, rows } = expected;
  const id = expected.id as DatabaseId;
  const { record } = device.instance.database(id);
  expect([record.name, record.ticket !== undefined]).toEqual([name, ticket]);
  if (digest === undefined) return;
  expect([valuesOf(device, id), [...device.rows(id)]]).toEqual([values, rows]);
  // The state's bytes had the settings in another order then.
  const parts = version === 1 ? 2 : 3;
  expect(device.stateDigest(id).split(" ").slice(0, parts)).toEqual(digest.split(" ").slice(0, parts));
}

async function expectRunning(name: string, fixture: StoredFixture): Promise<void> {
  const device = await openDevice(name, fixture);
  expect(device.problems).toEqual([]);
  for (const database of fixture.expected.databases) expectState(device, database, fixture.version);
  await device.instance.close();
}

async function formsOf(name: string): Promise<{ readonly old: number; readonly all: number }> {
  const values = (await Promise.all(formedStores.map((store) => listRaw(name, store)))).flatMap((records, i) =>
    records.map(({ value }) => renew(formedStores[i] ?? "values", value)),
  );
  return { old: values.filter((value) => value !== undefined).length, all: values.length };
}

describe("what every format stored", () => {
  test("[STORAGE-20] there is a fixture of every format", () => {
    expect(fixtures.map(({ version }) => version)).toEqual(Array.from({ length: schemaVersion }, (_, i) => i + 1));
  });

  test.each(fixtures)(
    "[STORAGE-20] format $version opens as it was stored, can be written to, and opens again",
    async (fixture) => {
      const name = `written-${fixture.version}`;
      await restoreStores(name, fixture);
      await expectStored(name, fixture);
      await expectRunning(name, fixture);
      const device = await openDevice(name, fixture);
      const written = fixture.expected.databases.filter(({ digest }) => digest !== undefined);
      for (const { id } of written)
        for (let i = 0; i < 80; i++) await device.write(id as DatabaseId, `new ${i}`, { i });
      const digests = written.map(({ id }) => device.stateDigest(id as DatabaseId));
      await device.instance.close();
      const again = await openDevice(name, fixture);
      expect(written.map(({ id }) => again.stateDigest(id as DatabaseId))).toEqual(digests);
      expect(again.problems).toEqual([]);
      await again.instance.close();
      const raw = await openRaw(name);
      expect(raw.version).toBe(schemaVersion);
      raw.close();
    },
  );
});

async function storesOf(name: string): Promise<readonly string[]> {
  const raw = await openRaw(name);
  raw.close();
  return [...raw.objectStoreNames];
}

describe("records of earlier formats", () => {
  test.each(earlier)("[STORAGE-46] the object stores of format $version become those of this one", async (fixture) => {
    await restoreStores(`stores-${fixture.version}`, fixture);
    for (const name of [`stores-${fixture.version}`, "stores-new"]) await (await openIdbStorage(name)).close();
    expect(await storesOf(`stores-${fixture.version}`)).toEqual(await storesOf("stores-new"));
  });

  test.each([
    undefined,
    "all",
    { left: {} },
    { number: schemaVersion + 1, again: schemaVersion },
    { number: schemaVersion, left: { store: "spare", after: 1 } },
  ])("[STORAGE-46] are all gone through when how far that came cannot be read: %o", async (value) => {
    const [fixture] = earlier as [StoredFixture];
    const name = `unread-${JSON.stringify(value)}`;
    await restoreStores(name, fixture);
    await (await openIdbStorage(name)).close();
    await putRaw(name, "lease", { key: "format", value });
    const connection = await Connection.open(`tidemark/${name}`, { openTimeoutMs: 5_000, onLost: () => {} });
    await connection.claim();
    for await (const _ of renewRecords(connection));
    await connection.close();
    expect((await formsOf(name)).old).toBe(0);
    await expectStored(name, fixture);
  });

  test.each(formed)(
    "[STORAGE-46] of format $version are read and written anew, killed after whichever step",
    async (fixture) => {
      let steps = 0;
      let counts: readonly number[] = [];
      for (let killedAfter = 0; ; killedAfter++) {
        const name = `renewed-${fixture.version}-${killedAfter}`;
        await restoreStores(name, fixture);
        const connection = await Connection.open(`tidemark/${name}`, { openTimeoutMs: 5_000, onLost: () => {} });
        await connection.claim();
        for (const value of many) await putRaw(name, "values", { key: `many ${value}`, value });
        const before = await formsOf(name);
        expect(before.old).toBeGreaterThan(0);
        counts = await Promise.all(formedStores.map(async (store) => (await listRaw(name, store)).length));
        steps = 0;
        for await (const _ of renewRecords(connection)) if (++steps > killedAfter) break;
        await connection.close();
        const between = await formsOf(name);
        expect(between.all).toBe(before.all);
        if (steps <= killedAfter) {
          expect(between.old).toBe(0);
          // Each record of a database, and each value, has a second copy.
          expect((await listRaw(name, "spare")).length).toBe(
            (await listRaw(name, "databases")).length + (await listRaw(name, "values")).length,
          );
        }
        // Half of it is of the old format, and everything is there; then it goes on by itself.
        await expectStored(name, fixture);
        await expectRunning(name, fixture);
        const storage = await openIdbStorage(name);
        const values = await storage.values("many ");
        expect(values.map(([, value]) => value)).toEqual(many);
        await storage.close();
        if (steps <= killedAfter) break;
      }
      // A few at a time: others are held up for no longer.
      expect(steps).toBe(counts.reduce((sum, count) => sum + Math.ceil(count / 16) + 1, 0));
    },
  );

  test.each(formed)(
    "[STORAGE-46] of format $version are all written anew some time after a claim, and only once",
    async (fixture) => {
      const name = `claimed-${fixture.version}`;
      await restoreStores(name, fixture);
      const storage = await openIdbStorage(name);
      await storage.claim();
      while ((await formsOf(name)).old > 0) await storage.databases();
      await storage.close();
      const connection = await Connection.open(`tidemark/${name}`, { openTimeoutMs: 5_000, onLost: () => {} });
      await connection.claim();
      for await (const _ of renewRecords(connection));
      // After the next claim neither.
      await connection.claim();
      const steps: unknown[] = [];
      for await (const _ of renewRecords(connection)) steps.push(_);
      expect(steps).toEqual([]);
      await connection.close();
      await expectStored(name, fixture);
    },
  );

  test("[STORAGE-50] of format 3 are as those of format 4: none is gone through but those that were left to do", async () => {
    const fixture = fixtures.find(({ version }) => version === 3) as StoredFixture;
    const left = { store: "_sync", after: ["peer", "x"] };
    for (const [name, format, isLeft] of [
      ["same", { number: 3, again: 3 }, false],
      ["older", { number: 3 }, false],
      ["begun", { number: 3, again: 3, left }, true],
    ] as const) {
      await restoreStores(`three-${name}`, fixture);
      await (await openIdbStorage(`three-${name}`)).close();
      await putRaw(`three-${name}`, "lease", { key: "format", value: format });
      const connection = await Connection.open(`tidemark/three-${name}`, { openTimeoutMs: 5_000, onLost: () => {} });
      await connection.claim();
      const noted = (await listRaw(`three-${name}`, "lease")).find(({ key }) => key === "format");
      expect(noted?.value).toEqual({ number: schemaVersion, again: schemaVersion, ...("left" in format && { left }) });
      let taken = 0;
      for await (const _ of renewRecords(connection)) taken += 1;
      expect([name, taken > 0]).toEqual([name, isLeft]);
      await connection.close();
      await expectStored(`three-${name}`, fixture);
    }
  });

  test.each(formed)(
    "[STORAGE-46] of format $version: whether there are any is asked in one turn, and only when there are is anything taken to write to",
    async (fixture) => {
      const name = `asked-${fixture.version}`;
      await restoreStores(name, fixture);
      const connection = await Connection.open(`tidemark/${name}`, { openTimeoutMs: 5_000, onLost: () => {} });
      await connection.claim();
      const begun = vi.spyOn(IDBDatabase.prototype, "transaction");
      const finished = vi.spyOn(IDBTransaction.prototype, "commit");
      onTestFinished(() => {
        for (const spy of [begun, finished]) spy.mockRestore();
      });
      const modes = (): readonly unknown[] => begun.mock.calls.map(([, mode]) => mode);
      let steps = 0;
      for await (const _ of renewRecords(connection)) steps += 1;
      expect(steps).toBeGreaterThan(formedStores.length);
      expect(modes()).toEqual(["readonly", ...Array.from({ length: steps }, () => "readwrite")]);
      for (const spy of [begun, finished]) spy.mockClear();
      const asking = renewRecords(connection).next();
      expect([begun, finished].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
      expect(await asking).toEqual({ done: true, value: undefined });
      expect(modes()).toEqual(["readonly"]);
      await connection.close();
    },
  );
});
