/** Files of databases between devices, and what is refused. */
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { concatBytes } from "../core/bytes.ts";
import { decodeEntry } from "../core/entry.ts";
import { unwrap } from "../core/errors.ts";
import { formatExportChunk, formatExportHeader } from "../core/export/framing.ts";
import { type ExportedDatabase, type ExportRecord, encodeExportRecord } from "../core/export/records.ts";
import { RunningCheck } from "../core/export/running-check.ts";
import type { DatabaseId } from "../core/ids.ts";
import { NONE, READ } from "../core/store/power.ts";
import { parseTicket } from "../core/ticket.ts";
import { openFile, type ReadFileOptions, readFile, writeFile } from "../testing/backup-files.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { Forger } from "../testing/hostile-entries.ts";
import { rowParts, setPower, settingsParts } from "../testing/writers.ts";

const passphrase = "correct horse battery";

let cluster: Cluster;
let ann: Device;
let bob: Device;
let id: DatabaseId;

beforeEach(async () => {
  cluster = new Cluster(1);
  ann = await cluster.addDevice();
  bob = await cluster.addDevice();
  id = await made("Notes", 5);
});

async function made(name: string, rows: number): Promise<DatabaseId> {
  const database = await cluster.settle(ann.instance.createDatabase(name));
  for (let i = 0; i < rows; i++) await cluster.settle(ann.write(database.id, `r${i}`, { i }));
  return database.id;
}

/** A file as somebody makes it who knows the form. */
function forge(records: readonly ExportRecord[], device: Device = ann): Uint8Array {
  const { bytes, check } = formatExportHeader(undefined, device.sha256);
  const running = new RunningCheck(device.sha256, check);
  const chunks = records.map((record) => {
    const isLast = record.type === "end";
    return formatExportChunk(running.seal(encodeExportRecord(record), isLast), isLast);
  });
  return concatBytes(bytes, ...chunks);
}

async function entriesOf(device: Device, database: DatabaseId = id): Promise<readonly Uint8Array[]> {
  const { replica } = device.instance.database(database);
  return await device.ports.storage.read(database, 0, replica.stored);
}

/** A file of these entries. */
function fileOf(entries: readonly Uint8Array[], given: Partial<ExportedDatabase> = {}): Uint8Array {
  const database: ExportedDatabase = {
    ...{ type: "database", id, name: "Notes", relays: [], key: ann.key, entries: entries.length },
    ...given,
  };
  return forge([
    { type: "head", createdMs: 1, databases: 1, entries: entries.length },
    database,
    { type: "entries", entries },
    { type: "end" },
  ]);
}

function readError(device: Device, file: Uint8Array, options?: ReadFileOptions): Promise<unknown> {
  return readFile(device, file, options).then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("[IMPORT-2] a database that is not here", () => {
  test("is made as it was, whatever the pieces in which the file comes", async () => {
    const file = await writeFile(ann);
    for (const pieceBytes of [1, 7, 100, file.length]) {
      const device = await cluster.addDevice();
      const report = await readFile(device, file, {}, pieceBytes);
      const counts = { added: 6, known: 0, refused: 0, waiting: 0, missing: 0 };
      expect(report.databases).toEqual([{ database: id, name: "Notes", state: "created", ...counts }]);
      expect(report.createdMs).toBe(ann.ports.clock.now());
      expect(device.stateDigest(id)).toBe(ann.stateDigest(id));
      expect((await cluster.restart(device)).stateDigest(id)).toBe(ann.stateDigest(id));
    }
  });

  test("is not synced, and has the relays of the file beside its own", async () => {
    const file = fileOf(await entriesOf(ann), { relays: ["wss://elsewhere.example"] });
    await readFile(bob, file);
    expect(bob.instance.database(id).record).toMatchObject({ sync: false, relays: ["wss://elsewhere.example"] });
    expect((await cluster.restart(bob)).instance.database(id).record).toMatchObject({ sync: false });
  });

  test("can be shared, however long the relays of the file are: what fits into no ticket is refused", async () => {
    const entries = await entriesOf(ann);
    await cluster.settle(ann.instance.forget(id));
    const relay = `wss://elsewhere.example/${"x".repeat(900)}`;
    for (const relays of [["relay of mine"], [relay, relay, relay], Array(16).fill(relay)]) {
      expect(await readError(ann, fileOf(entries, { relays }))).toMatchObject({ code: "EXPORT_MALFORMED" });
      expect(ann.instance.find(id)).toBeUndefined();
    }
    await readFile(ann, fileOf(entries, { relays: [relay, `${relay}2`] }));
    await cluster.settle(ann.instance.setSync(id, true));
    for (const ticket of [await ann.instance.ticket(id), await cluster.settle(ann.instance.share(id, { power: READ }))])
      expect(unwrap(parseTicket(ticket, ann.sha256)).relays).toEqual([...ann.ports.relays, relay, `${relay}2`]);
  });

  test("is not made when its root does not come first, or is refused", async () => {
    const [root = new Uint8Array(), ...others] = await entriesOf(ann);
    const foreign = await entriesOf(ann, await made("Other", 1));
    expect(root.length).toBeGreaterThan(0);
    for (const entries of [others, others.slice(1), foreign]) {
      expect(await readError(bob, fileOf(entries))).toMatchObject({ code: "EXPORT_MALFORMED" });
      expect(bob.instance.records()).toEqual([]);
      expect([...bob.disk.databases.keys()]).toEqual([]);
    }
  });

  test("is not made while its root is of the future, and is when its time has come", async () => {
    const late = await cluster.addDevice({ skewMs: -120_000 });
    const file = await writeFile(ann);
    expect(await readError(late, file)).toMatchObject({ code: "ENTRY_TIME_AHEAD" });
    expect(late.instance.records()).toEqual([]);
    late.setSkew(0);
    await readFile(late, file);
    expect(late.stateDigest(id)).toBe(ann.stateDigest(id));
  });
});

describe("[IMPORT-2] a database that is here", () => {
  test("gets what it lacks, and keeps what it has beside it", async () => {
    const { devices, id: shared } = await cluster.addGroup(2);
    const [one, two] = devices as [Device, Device];
    await cluster.converge(shared, [one, two]);
    cluster.cut(one.key, two.key);
    await cluster.settle(one.write(shared, "of one", {}));
    await cluster.settle(two.write(shared, "of two", {}));
    const { stored } = one.instance.database(shared).replica;
    const report = await readFile(two, await writeFile(one, { database: shared }));
    const counts = { added: 1, known: stored - 1, refused: 0, waiting: 0, missing: 0 };
    expect(report.databases).toEqual([{ database: shared, name: "Shared", state: "here", ...counts }]);
    expect([...two.rows(shared).keys()]).toEqual(["of one", "of two"]);
    expect(two.instance.database(shared).record.sync).toBe(one.instance.database(shared).record.sync);
  });

  test("has again what its disk had lost", async () => {
    const file = await writeFile(ann);
    ann = await cluster.restart(ann);
    const bytes = ann.disk.databases.get(id)?.bytes[3] as Uint8Array;
    bytes[9] = (bytes[9] as number) ^ 1;
    const { instance } = ann;
    await cluster.settle(instance.verify());
    expect(instance.database(id).healing.damaged).toBe(1);
    await readFile(ann, file);
    expect(instance.database(id).healing.damaged).toBe(0);
    expect(await writeFile(ann)).toHaveLength(file.length);
  });

  test("is not touched by a file of less", async () => {
    const file = await writeFile(ann);
    await cluster.settle(ann.write(id, "later", {}));
    const before = ann.stateDigest(id);
    const report = await readFile(ann, file);
    expect(report.databases).toMatchObject([{ state: "here", added: 0, known: 6 }]);
    expect(ann.stateDigest(id)).toBe(before);
  });
});

test("[IMPORT-2] a database that was joined and has not arrived stays joined when a file of it has no root", async () => {
  const ticket = await cluster.settle(ann.instance.share(id, { power: READ }));
  cluster.cut(ann.key, bob.key);
  await cluster.settle(bob.instance.join(ticket));
  const [, ...others] = await entriesOf(ann);
  expect(await readError(bob, fileOf(others))).toMatchObject({ code: "EXPORT_MALFORMED" });
  cluster.healAll();
  await cluster.settle(bob.instance.ready(id));
  await cluster.converge(id, [ann, bob]);
});

describe("[IMPORT-1] entries of a file", () => {
  test("are judged as those of a peer: of one without permission, and what stands on it, nothing is taken", async () => {
    const entries = await entriesOf(ann);
    const known = entries.map((bytes) => unwrap(decodeEntry(bytes, ann.sha256)));
    const { sha256 } = ann;
    const stranger = new Forger({
      identity: bob.identity,
      database: id,
      known,
      sha256,
      nowMs: () => cluster.clock.now(),
    });
    const strange = await stranger.write(rowParts("r9"));
    const standing = new Forger({
      identity: ann.identity,
      database: id,
      known: [...known, strange],
      sha256,
      nowMs: () => cluster.clock.now(),
    });
    const above = await standing.write(rowParts("r8"));
    const late = await new Forger({
      identity: ann.identity,
      database: id,
      known,
      sha256,
      nowMs: () => cluster.clock.now(),
    }).write(rowParts("r7"));
    const file = fileOf([...entries, strange.bytes, above.bytes, late.bytes]);
    const { databases } = await readFile(await cluster.addDevice(), file);
    expect(databases).toMatchObject([{ added: 7, refused: 2, waiting: 0 }]);
    await readFile(bob, file);
    expect(bob.problems.map(({ code }) => code)).toEqual(["ENTRY_PERMISSION", "ENTRY_PERMISSION"]);
    expect([...bob.rows(id).keys()]).toEqual(["r0", "r1", "r2", "r3", "r4", "r7"]);
  });

  test("of a removed key that are not known to be its late work are kept aside, as everywhere", async () => {
    const { devices, id: shared } = await cluster.addGroup(2);
    const [owner, guest] = devices as [Device, Device];
    await cluster.converge(shared, [owner, guest]);
    cluster.cut(owner.key, guest.key);
    await cluster.settle(owner.instance.commit(shared, () => settingsParts(setPower(guest.key, NONE))));
    await cluster.settle(guest.write(shared, "late", {}));
    const [late] = (await entriesOf(guest, shared)).slice(-1);
    const file = fileOf([...(await entriesOf(owner, shared)), late as Uint8Array], { id: shared });
    const { databases } = await readFile(bob, file);
    expect(databases).toMatchObject([{ added: 4, refused: 0 }]);
    expect(bob.stateDigest(shared)).toBe(owner.stateDigest(shared));
    // What is void is in a file, too: it may count again.
    const again = await cluster.addDevice();
    await readFile(again, await writeFile(bob, { database: shared }));
    expect(again.instance.database(shared).replica.graph.voidCount).toBe(1);
  });

  test("are refused when their signature is not their author's", async () => {
    const entries = await entriesOf(ann);
    const last = (entries.at(-1) as Uint8Array).slice();
    last[last.length - 1] = (last.at(-1) as number) ^ 1;
    const report = await readFile(bob, fileOf([...entries.slice(0, -1), last]));
    expect(report.databases).toMatchObject([{ added: 5, refused: 1 }]);
    expect(bob.problems.map(({ code }) => code)).toContain("ENTRY_SIGNATURE");
    expect([...bob.rows(id).keys()]).toEqual(["r0", "r1", "r2", "r3"]);
  });

  test("wait when what they stand on is not there, and count when it comes", async () => {
    const entries = await entriesOf(ann);
    const partial = [...entries.slice(0, 3), ...entries.slice(4)];
    const report = await readFile(bob, fileOf(partial));
    expect(report.databases).toMatchObject([{ added: 3, waiting: 2 }]);
    await readFile(bob, await writeFile(ann));
    expect(bob.stateDigest(id)).toBe(ann.stateDigest(id));
  });

  test("that are no entries at all end it", async () => {
    const entries = await entriesOf(ann);
    const file = fileOf([...entries.slice(0, 2), Uint8Array.of(1, 2, 3)]);
    expect(await readError(bob, file)).toMatchObject({ code: "EXPORT_MALFORMED" });
  });
});

/** What the entries of a file that lacks those at these positions are. */
async function withoutAt(...positions: readonly number[]): Promise<Uint8Array> {
  const entries = await entriesOf(ann);
  const records = entries.map((bytes, i): ExportRecord => {
    if (!positions.includes(i)) return { type: "entries", entries: [bytes] };
    return { type: "missing", ids: [unwrap(decodeEntry(bytes, ann.sha256)).id] };
  });
  const { length } = entries;
  return forge([
    { type: "head", createdMs: 1, databases: 1, entries: length },
    { type: "database", id, name: "Notes", relays: [], key: ann.key, entries: length },
    ...records,
    { type: "end" },
  ]);
}

describe("[IMPORT-8] what a file lacks", () => {
  test("is counted, what stands on it waits, and all is here when it comes", async () => {
    const report = await readFile(bob, await withoutAt(3));
    expect(report.databases).toMatchObject([{ state: "created", added: 3, waiting: 2, missing: 1, refused: 0 }]);
    expect([...bob.rows(id).keys()]).toEqual(["r0", "r1"]);
    const late = fileOf((await entriesOf(ann)).slice(0, 4));
    expect((await readFile(bob, late)).databases).toMatchObject([{ state: "here", added: 1, missing: 0 }]);
    expect(bob.stateDigest(id)).toBe(ann.stateDigest(id));
  });

  test("is not counted where it is here", async () => {
    const report = await readFile(ann, await withoutAt(0, 3));
    expect(report.databases).toMatchObject([{ state: "here", known: 4, missing: 0 }]);
  });

  test("is part of how far it is", async () => {
    const reader = openFile(bob);
    expect(await reader.push(await withoutAt(0, 3))).toMatchObject({ entries: 6, total: 6 });
  });

  test("may be the root: then nothing of that database is taken, and all else is", async () => {
    const report = await readFile(bob, await withoutAt(0));
    const counts = { added: 0, known: 0, refused: 0, waiting: 0, missing: 1 };
    expect(report.databases).toEqual([{ database: id, name: "Notes", state: "rootless", ...counts }]);
    expect([bob.instance.records(), [...bob.disk.databases.keys()]]).toEqual([[], []]);
    await readFile(bob, await writeFile(ann));
    expect(bob.stateDigest(id)).toBe(ann.stateDigest(id));
  });

  test("may be the root of one that was joined and has not arrived: it stays joined", async () => {
    cluster.cut(ann.key, bob.key);
    await cluster.settle(bob.instance.join(await cluster.settle(ann.instance.share(id, { power: READ }))));
    const report = await readFile(bob, await withoutAt(0));
    expect(report.databases).toMatchObject([{ state: "rootless", missing: 1 }]);
    cluster.healAll();
    await cluster.settle(bob.instance.ready(id));
    await cluster.converge(id, [ann, bob]);
  });
});

describe("[IMPORT-3] a file that is broken", () => {
  test.each([undefined, passphrase])(
    "is refused whichever byte of it was changed, with passphrase %s",
    async (word) => {
      const given = word === undefined ? {} : { passphrase: word };
      const file = await writeFile(ann, given);
      const whole = ann.stateDigest(id);
      for (let at = 0; at < file.length; at++) {
        const device = at % 50 === 0 ? await cluster.addDevice() : bob;
        const changed = file.slice();
        changed[at] = (changed[at] as number) ^ (1 << (at % 8));
        const error = await readError(device, changed, given);
        expect([at, error]).toMatchObject([at, { code: "EXPORT_MALFORMED" }]);
        // What came before is as it was written, or not here.
        const here = device.instance.find(id);
        for (const [row, columns] of here === undefined ? [] : device.rows(id))
          expect(columns).toEqual({ i: Number(row.slice(1)) });
      }
      await readFile(bob, file, given);
      expect(bob.stateDigest(id)).toBe(whole);
    },
  );

  test.each([undefined, passphrase])("is refused wherever it was cut, with passphrase %s", async (word) => {
    const given = word === undefined ? {} : { passphrase: word };
    const file = await writeFile(ann, given);
    for (let length = 0; length < file.length; length += 3)
      expect(await readError(bob, file.slice(0, length), given)).toMatchObject({ code: "EXPORT_MALFORMED" });
    expect(await readError(bob, concatBytes(file, Uint8Array.of(0)), given)).toMatchObject({
      code: "EXPORT_MALFORMED",
    });
  });

  test("has given what came before, and importing again goes on from there", async () => {
    const second = await made("Second", 3);
    const file = await writeFile(ann);
    const before = (await writeFile(ann, { database: id })).length;
    expect(await readError(bob, file.slice(0, before + 40))).toMatchObject({ code: "EXPORT_MALFORMED" });
    expect(bob.stateDigest(id)).toBe(ann.stateDigest(id));
    const report = await readFile(bob, file);
    expect(report.databases).toMatchObject([
      { database: id, state: "here", added: 0, known: 6 },
      { database: second, added: 4 },
    ]);
  });

  test("refuses everything after that, and after it was closed", async () => {
    const file = await writeFile(ann);
    const reader = openFile(bob);
    await expect(reader.push(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10))).rejects.toMatchObject({
      code: "EXPORT_MALFORMED",
    });
    await expect(reader.push(file)).rejects.toMatchObject({ code: "EXPORT_MALFORMED" });
    const closed = openFile(bob);
    await closed.push(file.slice(0, 100));
    closed.close();
    await expect(closed.push(file.slice(100))).rejects.toMatchObject({ code: "ABORTED" });
    await expect(closed.end()).rejects.toMatchObject({ code: "ABORTED" });
    expect(bob.instance.records()).toEqual([]);
    // What was pushed already, and not taken yet, is not taken any more.
    const hasty = openFile(bob);
    const pushing = hasty.push(file);
    hasty.close();
    await expect(pushing).rejects.toMatchObject({ code: "ABORTED" });
    expect(bob.instance.records()).toEqual([]);
  });

  test("in several places at once is refused as well", async () => {
    const file = await writeFile(ann);
    const change = fc.tuple(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }));
    const changes = fc.uniqueArray(change, { minLength: 1, maxLength: 4, selector: ([at]) => at });
    const property = fc.asyncProperty(changes, async (places) => {
      const changed = file.slice();
      for (const [at, by] of places) changed[at] = (changed[at] as number) ^ by;
      expect(await readError(bob, changed)).toMatchObject({ code: "EXPORT_MALFORMED" });
    });
    await fc.assert(property, { numRuns: 100 });
  });
});

describe("[IMPORT-4] a large file", () => {
  test("is taken chunk by chunk, each durable before the next", async () => {
    await cluster.settle(ann.write(id, "large", { text: "x".repeat(300_000) }));
    for (let i = 0; i < 4; i++) await cluster.settle(ann.write(id, `l${i}`, { text: "y".repeat(200_000) }));
    const file = await writeFile(ann);
    const reader = openFile(bob);
    const stored: number[] = [];
    for (let at = 0; at < file.length; at += 50_000) {
      const { entries } = await reader.push(file.slice(at, at + 50_000));
      expect(entries).toBe(bob.disk.databases.get(id)?.bytes.length ?? 0);
      stored.push(entries);
    }
    await reader.end();
    expect(new Set(stored).size).toBeGreaterThan(4);
    expect(bob.stateDigest(id)).toBe(ann.stateDigest(id));
  });

  test("is durable when more of it is asked for", async () => {
    const file = await writeFile(ann);
    const slow = await cluster.restart(bob, { writeMs: () => 50 });
    const reader = openFile(slow);
    await cluster.settle(reader.push(file));
    expect(slow.disk.databases.get(id)?.bytes).toHaveLength(6);
  });

  test("tells how far it is", async () => {
    const file = await writeFile(ann);
    const reader = openFile(bob);
    const { length } = file;
    expect(await reader.push(file.slice(0, 20))).toEqual({ entries: 0, total: 0, bytes: 20 });
    expect(await reader.push(file.slice(20, 120))).toEqual({ entries: 0, total: 6, bytes: 120 });
    expect(await reader.push(file.slice(120))).toEqual({ entries: 6, total: 6, bytes: length });
  });
});

describe("[IMPORT-5] the key of a database", () => {
  test("is the one with which it was used, where that is here", async () => {
    const { publicKey } = await ann.instance.keys.create("work");
    const owned = await cluster.settle(ann.instance.createDatabase("Owned", { key: "work" }));
    const file = await writeFile(ann, { database: owned.id });
    await cluster.settle(ann.instance.forget(owned.id));
    await readFile(ann, file);
    expect(ann.instance.database(owned.id).identity.publicKey).toBe(publicKey);
    await cluster.settle(ann.write(owned.id, "r", {}));
    await readFile(bob, file);
    expect(bob.instance.database(owned.id).identity.publicKey).toBe(bob.key);
    await expect(cluster.settle(bob.write(owned.id, "r", {}))).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("is the device's own where it was that", async () => {
    const file = await writeFile(ann);
    await cluster.settle(ann.instance.forget(id));
    await readFile(ann, file);
    expect(ann.instance.database(id).record).not.toHaveProperty("key");
    expect(ann.instance.database(id).identity.publicKey).toBe(ann.key);
  });

  test("cannot be deleted any more than that of any other database", async () => {
    await ann.instance.keys.create("work");
    const owned = await cluster.settle(ann.instance.createDatabase("Owned", { key: "work" }));
    const file = await writeFile(ann, { database: owned.id });
    await cluster.settle(ann.instance.forget(owned.id));
    await readFile(ann, file);
    await expect(ann.instance.keys.delete("work")).rejects.toMatchObject({ code: "KEY_IN_USE" });
  });
});

describe("[IMPORT-6] a sealed file", () => {
  test("wants its passphrase, and says when it is another", async () => {
    const file = await writeFile(ann, { passphrase });
    expect(await readError(bob, file)).toMatchObject({ code: "INPUT_INVALID", details: { field: "passphrase" } });
    expect(await readError(bob, file, { passphrase: "wrong horse battery" })).toMatchObject({
      code: "BACKUP_PASSPHRASE",
    });
    await readFile(bob, file, { passphrase });
    expect(bob.stateDigest(id)).toBe(ann.stateDigest(id));
  });

  test("holds a recovery key when one was made, which is taken up after everything else", async () => {
    const file = await writeFile(ann, { passphrase, recovery: async () => "the key" });
    const key = { name: "recovery", publicKey: ann.key, createdMs: 1 };
    const report = await readFile(bob, file, {
      passphrase,
      restore: async (text) => {
        expect([text, bob.stateDigest(id)]).toEqual(["the key", ann.stateDigest(id)]);
        return { key, databases: [] };
      },
    });
    expect(report.recovery).toEqual({ key, databases: [] });
  });

  test("is the only kind that may hold one", async () => {
    const file = forge([
      { type: "head", createdMs: 1, databases: 0, entries: 0 },
      { type: "recovery", text: "a key" },
      { type: "end" },
    ]);
    expect(await readError(bob, file)).toMatchObject({ code: "EXPORT_MALFORMED" });
  });
});
