/** A page's streams of files, with the keys that go into them. */
import { beforeEach, describe, expect, test } from "vitest";
import { concatBytes } from "../core/bytes.ts";
import type { DatabaseId } from "../core/ids.ts";
import { cheapCiphers } from "../testing/backup-files.ts";
import { Cluster, type Device } from "../testing/cluster.ts";
import type { ExportOptions } from "./api.ts";
import { Files } from "./files.ts";
import { KeyCalls } from "./keys.ts";
import type { EngineParts } from "./permissions.ts";

const passphrase = "correct horse battery";

class CheapKeys extends KeyCalls {
  protected override readonly cost = { memoryKib: 8, passes: 1, lanes: 1 };
  readonly #engine: EngineParts;

  constructor(engine: EngineParts) {
    super();
    this.#engine = engine;
  }

  protected async run<T>(_name: string, call: (client: { engine: EngineParts }) => T | Promise<T>): Promise<T> {
    return await call({ engine: this.#engine });
  }
}

interface Page {
  readonly device: Device;
  readonly files: Files;
}

let wiped = 0;
let cluster: Cluster;
let ann: Page;
let id: DatabaseId;

beforeEach(async () => {
  cluster = new Cluster(1);
  ann = await addPage();
  id = await made("Notes", {});
});

async function addPage(): Promise<Page> {
  const device = await cluster.addDevice();
  return { device, files: filesOf(device) };
}

function filesOf({ instance, ports }: Device): Files {
  const keys = new CheapKeys({ instance, ports });
  return new Files({ instance, ports, ciphers: cheapCiphers, keys, wipe: async () => void wiped++ });
}

async function made(name: string, options: { readonly encrypted?: boolean }): Promise<DatabaseId> {
  const database = await cluster.settle(ann.device.instance.createDatabase(name, options));
  for (let i = 0; i < 3; i++)
    await cluster.settle(ann.device.write(database.id, `r${i}`, { text: "x".repeat(200_000) }));
  return database.id;
}

async function readAll({ files }: Page, options: ExportOptions = {}, stream = 1): Promise<Uint8Array> {
  await files.exportOpen(stream, options);
  const pieces: Uint8Array[] = [];
  for (let piece = await files.exportNext(stream); piece !== undefined; piece = await files.exportNext(stream))
    pieces.push(piece.bytes);
  return concatBytes(...pieces);
}

async function importAll({ files }: Page, file: Uint8Array, word?: string): ReturnType<Files["importEnd"]> {
  await files.importOpen(1, word);
  for (let at = 0; at < file.length; at += 100_000) await files.importPush(1, file.slice(at, at + 100_000));
  return await files.importEnd(1);
}

describe("[EXPORT-9] a stream", () => {
  test("reads nothing before it is asked for, and nothing after it was closed", async () => {
    // So that entries are read from the disk, and not from memory.
    const device = await cluster.restart(ann.device);
    const files = filesOf(device);
    const before = device.storage.reads;
    await files.exportOpen(1, {});
    // Header, head and the database.
    for (let piece = 0; piece < 3; piece++) await files.exportNext(1);
    expect(device.storage.reads).toBe(before);
    await files.exportNext(1);
    const read = device.storage.reads;
    expect(read).toBeGreaterThan(before);
    await files.exportClose(1);
    await files.exportClose(1);
    await expect(files.exportNext(1)).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
    expect(device.storage.reads).toBe(read);
  });

  test("is one of many of its page, which end with it", async () => {
    const { files } = ann;
    const bob = await addPage();
    await files.exportOpen(1, { database: id });
    await files.exportOpen(2, {});
    const [one, two] = [await files.exportNext(1), await files.exportNext(2)];
    expect([one?.progress.total, two?.progress.total]).toEqual([4, 4]);
    await bob.files.importOpen(1);
    await bob.files.importPush(1, one?.bytes as Uint8Array);
    files.close();
    bob.files.close();
    for (const call of [
      files.exportNext(1),
      files.exportNext(2),
      bob.files.importPush(1, new Uint8Array(1)),
      bob.files.importEnd(1),
    ])
      await expect(call).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
  });

  test("that fails is closed", async () => {
    const { files } = ann;
    await files.exportOpen(1, { database: id });
    await cluster.settle(ann.device.instance.forget(id));
    await expect(files.exportNext(1)).rejects.toMatchObject({ code: "DATABASE_UNKNOWN" });
    await expect(files.exportNext(1)).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
    await expect(files.exportOpen(2, { passphrase: "short" })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });

  test("is taken on another device, as it was", async () => {
    const bob = await addPage();
    const report = await importAll(bob, await readAll(ann));
    expect(report.databases).toMatchObject([{ added: 4, state: "created" }]);
    expect(bob.device.stateDigest(id)).toBe(ann.device.stateDigest(id));
  });

  test("is open until it has ended, failed or was closed", async () => {
    const { files } = ann;
    const file = await readAll(ann);
    expect(files.isIdle).toBe(true);
    await files.exportOpen(1, {});
    expect(files.isIdle).toBe(false);
    while ((await files.exportNext(1)) !== undefined) expect(files.isIdle).toBe(false);
    expect(files.isIdle).toBe(true);
    await files.importOpen(1);
    expect(files.isIdle).toBe(false);
    await files.importClose(1);
    expect(files.isIdle).toBe(true);
    await importAll(ann, file);
    expect(files.isIdle).toBe(true);
    await files.importOpen(1);
    await expect(files.importEnd(1)).rejects.toMatchObject({ code: "EXPORT_MALFORMED" });
    expect(files.isIdle).toBe(true);
  });

  test("takes nothing more once it is closed, also of what was pushed", async () => {
    const file = await readAll(ann);
    for (const close of [(files: Files) => files.importClose(1), (files: Files) => files.close()]) {
      const { device, files } = await addPage();
      await files.importOpen(1);
      const pushed = files.importPush(1, file).catch(({ code }) => code);
      await close(files);
      expect(await cluster.settle(pushed)).toBe("ABORTED");
      expect(device.instance.find(id)?.replica.graph.size ?? 0).toBeLessThan(4);
    }
  });
});

test("[DELETION-1] [DELETION-4] a page forgets and removes databases, and wipes the instance", async () => {
  const { files, device } = ann;
  await cluster.settle(files.removeDatabase(id));
  expect(device.instance.access(id).removed).toBe(true);
  await cluster.settle(files.forgetDatabase(id));
  expect(device.instance.find(id)).toBeUndefined();
  const before = wiped;
  await files.wipe();
  expect(wiped).toBe(before + 1);
});

describe("[IMPORT-6] the recovery key of a file", () => {
  test("leads another device back into what was administered, and opens what is encrypted", async () => {
    const secret = await made("Secret", { encrypted: true });
    const file = await readAll(ann, { passphrase, recovery: true });
    await cluster.settle(ann.device.instance.close());
    const bob = await addPage();
    const { recovery, databases } = await importAll(bob, file, passphrase);
    expect(databases.map(({ state, refused }) => [state, refused])).toEqual([
      ["created", 0],
      ["created", 0],
    ]);
    expect(recovery?.databases.map(({ state }) => state)).toEqual(["here", "here"]);
    for (const database of [id, secret]) {
      expect(bob.device.instance.access(database)).toEqual({ state: "member", permission: "admin" });
      expect([...bob.device.rows(database).keys()]).toEqual(["r0", "r1", "r2"]);
      await cluster.settle(bob.device.write(database, "after", {}));
    }
    // And whoever lacks it reads nothing of it.
    const carl = await addPage();
    const plain = await importAll(carl, await readAll(bob));
    expect(plain.databases).toMatchObject([{ refused: 0 }, { refused: 0 }]);
    expect([...carl.device.rows(id).keys()]).toHaveLength(4);
    expect([...carl.device.rows(secret).keys()]).toEqual([]);
  });

  test("is made when that is asked for, and only for a file with a passphrase", async () => {
    const { permissions } = ann.device.instance;
    await readAll(ann, { passphrase });
    await readAll(ann, { recovery: true }, 2);
    expect(permissions.members(id)).toHaveLength(1);
    const bob = await addPage();
    expect((await importAll(bob, await readAll(ann, { passphrase }, 3), passphrase)).recovery).toBeUndefined();
    await readAll(ann, { passphrase, recovery: true }, 4);
    expect(permissions.members(id).map(({ name }) => name)).toEqual(["", "Recovery key"]);
  });
});
