/** What is in a file, and when it is read. */
import * as idbDouble from "fake-indexeddb";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { TidemarkError, unwrap } from "../core/errors.ts";
import { ExportFrames } from "../core/export/framing.ts";
import { decodeExportRecord, type ExportRecord } from "../core/export/records.ts";
import { RunningCheck } from "../core/export/running-check.ts";
import { type DatabaseId, decodeHex, type EntryId } from "../core/ids.ts";
import { exportChunkBytes } from "../core/limits.ts";
import { NONE, READ } from "../core/store/power.ts";
import { parseTicket } from "../core/ticket.ts";
import type { Storage } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { cheapCiphers, filePieces, readFile, writeFile } from "../testing/backup-files.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { installIdbDouble } from "../testing/idb-double.ts";
import { holdsBytes } from "../testing/plaintext.ts";
import { listRaw, putRaw, type RawRecord } from "../testing/raw-idb.ts";
import { setPower, settingsParts } from "../testing/writers.ts";
import { exportFile, type MissingEntries } from "./exporting.ts";

afterAll(installIdbDouble(idbDouble));

let cluster: Cluster;
let ann: Device;

beforeEach(async () => {
  cluster = new Cluster(1);
  ann = await cluster.addDevice();
});

async function made(name: string, rows: number, device: Device = ann): Promise<DatabaseId> {
  const { id } = await cluster.settle(device.instance.createDatabase(name));
  for (let i = 0; i < rows; i++) await cluster.settle(device.write(id, `r${i}`, { i }));
  return id;
}

function recordsIn(file: Uint8Array, device: Device = ann): readonly ExportRecord[] {
  const frames = new ExportFrames(device.sha256);
  frames.push(file);
  const records: ExportRecord[] = [];
  let running: RunningCheck | undefined;
  for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
    if (frame.type === "header") running = new RunningCheck(device.sha256, frame.header.check);
    else records.push(decodeExportRecord(running?.open(frame.bytes, frame.isLast) as Uint8Array));
  }
  return records;
}

describe("[EXPORT-8] a file", () => {
  test("of the instance holds all databases, each with all entries in the order in which they were accepted", async () => {
    const ids = [await made("One", 3), await made("Two", 0), await made("Three", 1)];
    const records = recordsIn(await writeFile(ann));
    expect(records.map(({ type }) => type).join(" ")).toBe(
      "head database entries database entries database entries end",
    );
    expect(records[0]).toMatchObject({ databases: 3, entries: 7, createdMs: ann.ports.clock.now() });
    expect(records.flatMap((each) => (each.type === "database" ? [each.id] : []))).toEqual(ids);
    const [first] = records.flatMap((each) => (each.type === "entries" ? [each.entries] : []));
    expect(first).toEqual(await ann.ports.storage.read(ids[0] as DatabaseId, 0, 4));
  });

  test("of one database holds that alone, with its name, the relays by which it is found, and the key with which it is used", async () => {
    const id = await made("One", 1);
    await made("Other", 1);
    await ann.instance.keys.create("work");
    await cluster.settle(ann.instance.useKey(id, "work"));
    const key = ann.instance.keys.list().find(({ name }) => name === "work")?.publicKey;
    const [, database, ...rest] = recordsIn(await writeFile(ann, { database: id }));
    expect(database).toEqual({ type: "database", id, name: "One", relays: ann.ports.relays, key, entries: 2 });
    expect(rest.map(({ type }) => type)).toEqual(["entries", "end"]);
  });

  test("names of the relays those that can be read again", async () => {
    const id = await made("One", 1);
    const { record } = ann.instance.database(id);
    const relays = Array.from({ length: 4 }, (_, i) => `wss://${i}.example/${"x".repeat(900)}`);
    await ann.ports.storage.putDatabase({ ...record, relays: ["relay of mine", ...relays] });
    ann = await cluster.restart(ann);
    const [, database] = recordsIn(await writeFile(ann));
    expect(database).toMatchObject({ id, relays: relays.slice(0, 2) });
  });

  test("holds what was durable when it was begun, and not what came since", async () => {
    const id = await made("One", 2);
    const file = exportFile({ instance: ann.instance, ports: ann.ports, database: id });
    const pieces: Uint8Array[] = [];
    for await (const { bytes } of file) {
      pieces.push(bytes);
      await cluster.settle(ann.write(id, `late ${pieces.length}`, {}));
    }
    const bob = await cluster.addDevice();
    await readFile(bob, concat(pieces));
    expect([...bob.rows(id).keys()]).toEqual(["r0", "r1"]);
  });

  test("holds void entries: they may count again", async () => {
    const { devices, id } = await cluster.addGroup(2);
    const [owner, guest] = devices as [Device, Device];
    await cluster.converge(id, [owner, guest]);
    cluster.cut(owner.key, guest.key);
    await cluster.settle(guest.write(id, "late", {}));
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(guest.key, NONE))));
    await readFile(owner, await writeFile(guest, { database: id }));
    const { graph } = owner.instance.database(id).replica;
    expect(graph.voidCount).toBe(1);
    expect(recordsIn(await writeFile(owner, { database: id }), owner)[0]).toMatchObject({ entries: graph.size });
  });

  test("holds neither tickets nor secrets of invites", async () => {
    const id = await made("One", 1);
    const bob = await cluster.addDevice();
    const ticket = await cluster.settle(ann.instance.share(id, { power: READ }));
    await cluster.settle(bob.instance.join(ticket));
    await cluster.settle(bob.instance.ready(id));
    const { redeemed, inviteKeys } = bob.instance.database(id).record;
    expect([redeemed, inviteKeys?.length]).toEqual([ticket, 1]);
    const file = await writeFile(bob);
    for (const secret of inviteKeys?.map(({ opens }) => opens) ?? []) expect(holdsBytes(file, secret)).toBe(false);
    const { secret } = unwrap(parseTicket(ticket, ann.sha256));
    expect(holdsBytes(file, secret as Uint8Array)).toBe(false);
    expect(new TextDecoder().decode(file)).not.toContain(ticket.slice(0, 40));
    expect(holdsBytes(file, decodeHex(id))).toBe(true);
  });

  test("leaves out a database that has not arrived, which alone is refused", async () => {
    const id = await made("One", 1);
    const bob = await cluster.addDevice();
    const own = await made("Own", 1, bob);
    cluster.cut(ann.key, bob.key);
    await cluster.settle(bob.instance.join(await ann.instance.ticket(id)));
    const records = recordsIn(await writeFile(bob), bob);
    expect(records.flatMap((each) => (each.type === "database" ? [each.id] : []))).toEqual([own]);
    await expect(writeFile(bob, { database: id })).rejects.toMatchObject({ code: "DATABASE_NOT_READY" });
    await expect(writeFile(ann, { database: own })).rejects.toMatchObject({ code: "DATABASE_UNKNOWN" });
  });

  test("of nothing is a file", async () => {
    expect(recordsIn(await writeFile(ann)).map(({ type }) => type)).toEqual(["head", "end"]);
    expect(await readFile(ann, await writeFile(ann))).toMatchObject({ databases: [] });
  });

  test("ends with DATABASE_UNKNOWN when its database is forgotten meanwhile", async () => {
    const id = await made("One", 1);
    const file = exportFile({ instance: ann.instance, ports: ann.ports });
    await file.next();
    await cluster.settle(ann.instance.forget(id));
    await file.next();
    await expect(file.next()).rejects.toMatchObject({ code: "DATABASE_UNKNOWN" });
  });

  test("has the entries that let its recovery key in", async () => {
    const id = await made("One", 1);
    const recovery = async (): Promise<string> => {
      await cluster.settle(ann.write(id, "made meanwhile", {}));
      return "a key";
    };
    const sealed = await filePieces(ann, { passphrase: "correct horse battery", recovery });
    const bob = await cluster.addDevice();
    const restore = async (): Promise<never> => Promise.reject(new Error("no keys here"));
    const read = readFile(bob, concat(sealed), { passphrase: "correct horse battery", restore });
    await expect(read).rejects.toThrow("no keys here");
    expect([...bob.rows(id).keys()]).toEqual(["made meanwhile", "r0"]);
  });
});

describe("[EXPORT-8] chunks", () => {
  test("have about 256 KiB, or one entry that is larger; in memory is one at a time", async () => {
    const id = await made("One", 0);
    for (const size of [100_000, 100_000, 100_000, 600_000, 10, 10])
      await cluster.settle(ann.write(id, `${size}`, { text: "x".repeat(size) }));
    const sizes = recordsIn(await writeFile(ann)).flatMap((each) => (each.type === "entries" ? [each.entries] : []));
    expect(sizes.map((entries) => entries.length)).toEqual([3, 1, 1, 2]);
    for (const entries of sizes) expect(entries.length === 1 || concat(entries).length <= exportChunkBytes).toBe(true);
  });

  test("tell how far it is", async () => {
    await made("One", 3);
    const { instance, ports } = ann;
    const told: (readonly number[])[] = [];
    let length = 0;
    for await (const { bytes, progress } of exportFile({ instance, ports })) {
      length += bytes.length;
      expect(progress.bytes).toBe(length);
      told.push([progress.entries, progress.total]);
    }
    expect(told).toEqual([
      [0, 4],
      [0, 4],
      [0, 4],
      [4, 4],
      [4, 4],
    ]);
  });

  test("of a sealed file show nothing of what is in them", async () => {
    const id = await made("Top secret", 0);
    await cluster.settle(ann.write(id, "row of mine", { text: "nobody may read this" }));
    const sealed = await cheapCiphers.create("correct horse battery");
    for await (const { bytes } of exportFile({ instance: ann.instance, ports: ann.ports, sealed })) {
      const text = new TextDecoder().decode(bytes);
      for (const secret of ["Top secret", "row of mine", "nobody may"]) expect(text).not.toContain(secret);
      expect(holdsBytes(bytes, decodeHex(id))).toBe(false);
    }
  });
});

/** One byte of each of these entries, on the disk of a device that reads them from there. */
async function damaged(id: DatabaseId, ...positions: readonly number[]): Promise<Device> {
  const device = await cluster.restart(ann);
  const entries = device.disk.databases.get(id)?.bytes ?? [];
  for (const position of positions) {
    const bytes = entries[position] as Uint8Array;
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 0x10;
  }
  return device;
}

async function missingIn({ instance, ports }: Pick<Device, "instance" | "ports">): Promise<readonly MissingEntries[]> {
  const missing: MissingEntries[] = [];
  for await (const piece of exportFile({ instance, ports }))
    if (piece.missing !== undefined) missing.push(piece.missing);
  return missing;
}

function idsAt({ instance }: Device, id: DatabaseId, ...positions: readonly number[]): readonly EntryId[] {
  return positions.map((position) => instance.database(id).replica.graph.at(position).id);
}

describe("[EXPORT-11] what the disk has lost", () => {
  test("is missing in the file, which says so; all else is there, of every database", async () => {
    const [one, two] = [await made("One", 8), await made("Two", 2)];
    const device = await damaged(one, 3, 4, 7);
    const ids = idsAt(device, one, 3, 4, 7);
    expect(await missingIn(device)).toEqual([{ database: one, ids }]);
    const records = recordsIn(await writeFile(device), device);
    expect(records[0]).toMatchObject({ databases: 2, entries: 12 });
    const at = records.findIndex((each) => each.type === "database" && each.id === one);
    expect(records[at + 1]).toEqual({ type: "missing", ids });
    const stored = await device.ports.storage.read(one, 0, 9);
    const sound = [0, 1, 2, 5, 6, 8].map((position) => stored[position]);
    expect(records[at + 2]).toEqual({ type: "entries", entries: sound });
    const other = await device.ports.storage.read(two, 0, 3);
    expect(records).toContainEqual({ type: "entries", entries: other });
  });

  test("counts to how far the file is", async () => {
    const device = await damaged(await made("One", 3), 1, 2, 3);
    const told: number[] = [];
    const { instance, ports } = device;
    for await (const { progress } of exportFile({ instance, ports })) told.push(progress.entries);
    expect(told).toEqual([0, 0, 0, 3, 4, 4]);
  });

  test("may be a whole chunk, which is missing then and nothing else", async () => {
    const id = await made("One", 0);
    for (const size of [600_000, 600_000, 10])
      await cluster.settle(ann.write(id, `${size}`, { text: "x".repeat(size) }));
    const device = await damaged(id, 1);
    const records = recordsIn(await writeFile(device), device);
    expect(records.map(({ type }) => type).join(" ")).toBe("head database entries missing entries entries end");
  });

  test("is in the file again when a peer has sent it meanwhile", async () => {
    const { devices, id } = await cluster.addGroup(2);
    const [owner, guest] = devices as [Device, Device];
    for (let i = 0; i < 5; i++) await cluster.settle(owner.write(id, `r${i}`, {}));
    await cluster.converge(id, [owner, guest]);
    cluster.cut(owner.key, guest.key);
    ann = owner;
    const device = await damaged(id, 3);
    expect(await missingIn(device)).toEqual([{ database: id, ids: idsAt(device, id, 3) }]);
    cluster.healAll();
    await cluster.until(() => device.instance.database(id).healing.damaged === 0, 600_000);
    expect(await missingIn(device)).toEqual([]);
  });

  test("does not take along what stands beside it in a segment of the disk", async () => {
    await made("One", 40);
    const storage = await openIdbStorage("beside");
    await storage.claim();
    const open = (over: Storage): Promise<Device> =>
      new Cluster(1).openDevice({ secret: ann.secret, ports: (ports) => ({ ...ports, storage: over }) });
    const first = await open(storage);
    await readFile(first, await writeFile(ann));
    await first.instance.close();
    const [raw] = (await listRaw("beside", "segments")) as [RawRecord];
    const bytes = (raw.value as Uint8Array).slice();
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 0x10;
    await putRaw("beside", "segments", { ...raw, value: bytes });
    const device = await open(await openIdbStorage("beside"));
    const [missing, ...more] = await missingIn(device);
    expect([missing?.ids.length, more]).toEqual([1, []]);
    await device.instance.close();
  });

  test("of which storage cannot say what it is, is missing with what is read along with it; nothing else ends so", async () => {
    const id = await made("One", 3);
    let code: "STORAGE_CORRUPT" | "STORAGE_CLOSED" | undefined;
    const failing = (storage: Storage): Storage =>
      new Proxy(storage, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          const fail = (): Promise<never> => Promise.reject(new TidemarkError(code ?? "INTERNAL", {} as never));
          if (code !== undefined && (name === "read" || name === "salvage")) return fail;
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    ann = await cluster.restart(ann, { ports: (ports) => ({ ...ports, storage: failing(ports.storage) }) });
    code = "STORAGE_CORRUPT";
    expect(await missingIn(ann)).toEqual([{ database: id, ids: idsAt(ann, id, 0, 1, 2, 3) }]);
    code = "STORAGE_CLOSED";
    await expect(missingIn(ann)).rejects.toMatchObject({ code: "STORAGE_CLOSED" });
  });
});

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}
