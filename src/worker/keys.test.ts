import { expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { ADMIN, NONE, OWNER, READ, RELAY, WRITE } from "../core/store/power.ts";
import type { Instance } from "../engine/instance.ts";
import type { EnginePorts } from "../engine/ports.ts";
import { Cluster, type Device } from "../testing/cluster.ts";
import { KeyCalls } from "./keys.ts";
import type { EngineParts } from "./permissions.ts";

const passphrase = "correct horse battery staple";

/** The calls of a page to the worker of a simulated device. */
class Calls extends KeyCalls {
  /** What is tested here does not depend on it. */
  protected override readonly cost = { memoryKib: 8, passes: 1, lanes: 1 };
  readonly #instance: Instance;
  readonly #ports: EnginePorts;

  constructor(device: Device, ports: EnginePorts) {
    super();
    this.#instance = device.instance;
    this.#ports = ports;
  }

  protected async run<T>(
    _name: string,
    call: (client: { readonly engine: EngineParts }) => T | Promise<T>,
  ): Promise<T> {
    return await call({ engine: { instance: this.#instance, ports: this.#ports } });
  }
}

interface Subject {
  readonly device: Device;
  readonly calls: Calls;
  /** Every array of random bytes that it drew. */
  readonly drawn: readonly Uint8Array[];
}

async function addDevice(cluster: Cluster, given: Partial<Device> = {}): Promise<Subject> {
  const drawn: Uint8Array[] = [];
  let ports: EnginePorts | undefined;
  const device = await cluster.addDevice({
    ...(given.disk === undefined ? {} : { disk: given.disk }),
    ...(given.secret === undefined ? {} : { secret: given.secret }),
    ports: (usual) => {
      const bytes = (length: number): Uint8Array => {
        const drawnNow = usual.random.bytes(length);
        drawn.push(drawnNow);
        return drawnNow;
      };
      ports = { ...usual, random: { bytes } };
      return ports;
    },
  });
  return { device, calls: new Calls(device, ports as EnginePorts), drawn };
}

/** Somebody else who has the database, with a power of its own. */
async function addMember(cluster: Cluster, from: Device, id: DatabaseId, power: number): Promise<Subject> {
  const member = await addDevice(cluster);
  await member.device.instance.join(await from.instance.share(id, { power }));
  await cluster.settle(member.device.instance.ready(id));
  await cluster.until(() => from.instance.database(id).replica.authority.power(member.device.key) === power);
  return member;
}

function powerOf(device: Device, id: DatabaseId): number {
  return device.instance.database(id).power;
}

test("[RECOVERY-5] after the only admin's device is lost its recovery key administers the database elsewhere, by a member who may write", async () => {
  const cluster = new Cluster(1);
  const ann = await addDevice(cluster);
  const { id } = await ann.device.instance.createDatabase("Board");
  const cem = await addMember(cluster, ann.device, id, WRITE);
  await ann.device.write(id, "r1", { by: "ann" });
  const { text, publicKey, databases } = await ann.calls.backupKeys(passphrase);
  expect(databases).toEqual([{ database: id, name: "Board", permission: "admin", code: undefined }]);
  await cluster.converge(id, [ann.device, cem.device]);
  ann.device.crash();

  const ben = await addDevice(cluster);
  const { key, databases: joined } = await ben.calls.restoreKeys(text, passphrase);
  expect(key).toMatchObject({ name: "recovery", publicKey });
  expect(joined).toEqual([{ database: id, name: "Board", state: "joined", code: undefined }]);
  await cluster.settle(ben.device.instance.ready(id));
  expect(powerOf(ben.device, id)).toBe(ADMIN);
  expect(ben.device.rows(id)).toEqual(new Map([["r1", { by: "ann" }]]));
  // It administers: it takes somebody's permission to write.
  await ben.device.write(id, "r2", { by: "ben" });
  await ben.device.instance.permissions.set(id, { key: cem.device.key, power: READ });
  await cluster.until(() => powerOf(cem.device, id) === READ);
  await cluster.converge(id, [ben.device, cem.device]);
  expect(cem.device.rows(id).get("r2")).toEqual({ by: "ben" });
});

test("[RECOVERY-5] a restored key lasts: after a restart it is used, and peers that come later are met with it", async () => {
  const cluster = new Cluster(2);
  const ann = await addDevice(cluster);
  const { id } = await ann.device.instance.createDatabase("Board");
  const cem = await addMember(cluster, ann.device, id, WRITE);
  const { text } = await ann.calls.backupKeys(passphrase);
  await cluster.converge(id, [ann.device, cem.device]);
  ann.device.crash();
  const ben = await addDevice(cluster);
  await ben.calls.restoreKeys(text, passphrase);
  await cluster.settle(ben.device.instance.ready(id));
  await cluster.settle(cem.device.instance.close());
  const again = await cluster.restart(ben.device);
  await again.write(id, "r1", {});
  const { disk, secret } = cem.device;
  const returned = await cluster.addDevice({ disk, secret });
  await cluster.until(() => returned.rows(id).has("r1"));
});

test("[RECOVERY-6] an encrypted database is read by its recovery key, also what was written under epochs that began after the backup", async () => {
  const cluster = new Cluster(13);
  const ann = await addDevice(cluster);
  const { id } = await ann.device.instance.createDatabase("Board", { encrypted: true });
  const cem = await addMember(cluster, ann.device, id, WRITE);
  const zoe = await addMember(cluster, ann.device, id, WRITE);
  await ann.device.write(id, "r1", { by: "ann" });
  const { text } = await ann.calls.backupKeys(passphrase);
  await ann.device.instance.permissions.set(id, { key: zoe.device.key, power: NONE });
  await cluster.converge(id, [ann.device, cem.device]);
  await cem.device.write(id, "r2", { by: "cem" });
  await cluster.converge(id, [ann.device, cem.device]);
  ann.device.crash();

  const ben = await addDevice(cluster);
  await ben.calls.restoreKeys(text, passphrase);
  await cluster.settle(ben.device.instance.ready(id));
  const expected = new Map([
    ["r1", { by: "ann" }],
    ["r2", { by: "cem" }],
  ]);
  await cluster.until(() => ben.device.rows(id).size === 2);
  expect(ben.device.rows(id)).toEqual(expected);
  await ben.device.write(id, "r3", { by: "ben" });
  await cluster.until(() => cem.device.rows(id).has("r3"));
});

test("[RECOVERY-6] a device that only relayed an encrypted database reads it as soon as the key is restored there", async () => {
  const cluster = new Cluster(14);
  const ann = await addDevice(cluster);
  const { id } = await ann.device.instance.createDatabase("Board", { encrypted: true });
  await ann.device.write(id, "r1", { by: "ann" });
  const { text } = await ann.calls.backupKeys(passphrase);
  const cem = await addMember(cluster, ann.device, id, RELAY);
  await cluster.converge(id, [ann.device, cem.device]);
  expect(cem.device.rows(id).size).toBe(0);
  ann.device.crash();
  await cem.calls.restoreKeys(text, passphrase);
  await cluster.until(() => cem.device.rows(id).size === 1);
  await cem.device.write(id, "r2", {});
  expect(cem.device.rows(id).size).toBe(2);
});

test("[RECOVERY-1] a recovery key is an admin by name, is not on the device that made it, and each backup makes another", async () => {
  const cluster = new Cluster(3);
  const ann = await addDevice(cluster);
  const { id } = await ann.device.instance.createDatabase("Board");
  const first = await ann.calls.backupKeys(passphrase);
  const second = await ann.calls.backupKeys(passphrase);
  expect(second.publicKey).not.toBe(first.publicKey);
  const members = ann.device.instance.permissions.members(id).filter(({ name }) => name === "Recovery key");
  expect(members.map(({ key, power }) => [key, power]).sort()).toEqual(
    [first, second].map(({ publicKey }) => [publicKey, ADMIN]).sort(),
  );
  expect((await ann.calls.keys()).map(({ name }) => name)).toEqual(["device"]);
  expect([...ann.device.disk.values.keys()].filter((name) => name.startsWith("key/"))).toEqual([]);
});

test("[RECOVERY-1] what it is given is the strongest that the key used in a database may give", async () => {
  const cluster = new Cluster(4);
  const ann = await addDevice(cluster);
  const { id } = await ann.device.instance.createDatabase("Board");
  for (const [power, expected] of [
    [7, 8],
    [98, 99],
    [99, WRITE],
  ] as const) {
    const member = await addMember(cluster, ann.device, id, power);
    const { publicKey, databases } = await member.calls.backupKeys(passphrase);
    expect(databases.map(({ permission }) => permission)).toEqual([expected === WRITE ? "write" : "admin"]);
    expect(member.device.instance.database(id).replica.authority.power(publicKey)).toBe(expected);
  }
});

test("[RECOVERY-1] also where a named key is used, whose power it is that counts", async () => {
  const cluster = new Cluster(5);
  const ann = await addDevice(cluster);
  const made = await ann.calls.createKey("owner", passphrase);
  const { id } = await ann.device.instance.createDatabase("Board", { key: "owner" });
  const { publicKey, databases } = await ann.calls.backupKeys(passphrase);
  expect(databases).toMatchObject([{ permission: "admin" }]);
  const { authority } = ann.device.instance.database(id).replica;
  expect([authority.power(made.key.publicKey), authority.power(publicKey)]).toEqual([OWNER, ADMIN]);
});

test("[RECOVERY-2] databases that it could not be given are named with the reason, and are not in the text", async () => {
  const cluster = new Cluster(6);
  const [ann, zoe] = [await addDevice(cluster), await addDevice(cluster)];
  const own = await zoe.device.instance.createDatabase("Own");
  const board = await ann.device.instance.createDatabase("Board");
  await zoe.device.instance.join(await ann.device.instance.share(board.id, { power: WRITE }));
  await cluster.settle(zoe.device.instance.ready(board.id));
  const gone = await ann.device.instance.createDatabase("Gone");
  const ticket = await ann.device.instance.share(gone.id, { power: WRITE });
  await cluster.settle(ann.device.instance.close());
  await zoe.device.instance.join(ticket);
  const { text, databases } = await zoe.calls.backupKeys(passphrase);
  const outcomes = new Map(databases.map(({ database, permission, code }) => [database, permission ?? code]));
  expect(outcomes).toEqual(
    new Map([
      [own.id, "admin"],
      [board.id, "PERMISSION_DENIED"],
      [gone.id, "DATABASE_NOT_READY"],
    ]),
  );
  const ben = await addDevice(cluster);
  const restored = await ben.calls.restoreKeys(text, passphrase);
  expect(restored.databases).toEqual([{ database: own.id, name: "Own", state: "joined", code: undefined }]);
});

test("[RECOVERY-2] a database that cannot be opened, or whose key is gone, is named as well", async () => {
  const cluster = new Cluster(7);
  const first = await addDevice(cluster);
  await first.calls.createKey("owner");
  const broken = await first.device.instance.createDatabase("Broken");
  await first.device.instance.createDatabase("Keyless", { key: "owner" });
  const sound = await first.device.instance.createDatabase("Sound");
  await cluster.settle(first.device.instance.close());
  first.device.disk.databases.get(broken.id)?.bytes.splice(0);
  first.device.disk.values.delete("key/owner");
  const second = await addDevice(cluster, first.device);
  const { databases } = await second.calls.backupKeys(passphrase);
  const outcomes = new Map(databases.map(({ name, permission, code }) => [name, permission ?? code]));
  expect(outcomes.get("Sound")).toBe("admin");
  expect(outcomes.get("Keyless")).toBe("PERMISSION_DENIED");
  expect(outcomes.get("Broken")).toBe("DATABASE_NOT_READY");
  expect(second.device.instance.find(sound.id)).toBeDefined();
});

test("[RECOVERY-3] restoring on a device that has the database keeps its key, unless the restored one may do more", async () => {
  const cluster = new Cluster(8);
  const ann = await addDevice(cluster);
  const { id } = await ann.device.instance.createDatabase("Board");
  const cem = await addMember(cluster, ann.device, id, WRITE);
  const { text, publicKey } = await ann.calls.backupKeys(passphrase);
  await cluster.converge(id, [ann.device, cem.device]);

  const here = { databases: [{ database: id, name: "Board", state: "here", code: undefined }] };
  expect(await ann.calls.restoreKeys(text, passphrase)).toMatchObject(here);
  expect(ann.device.instance.database(id).identity.publicKey).toBe(ann.device.key);

  expect(await cem.calls.restoreKeys(text, passphrase)).toMatchObject(here);
  const database = cem.device.instance.database(id);
  expect([database.identity.publicKey, database.permission]).toEqual([publicKey, "admin"]);
  await cem.device.write(id, "r1", {});
  await cluster.converge(id, [ann.device, cem.device]);
  const again = await cluster.restart(cem.device);
  expect(again.instance.database(id).identity.publicKey).toBe(publicKey);
});

test("[RECOVERY-4] a restored key has the name that was asked for, else the backup's, with a number when another key has it", async () => {
  const cluster = new Cluster(9);
  const ann = await addDevice(cluster);
  const ben = await addDevice(cluster);
  const texts: string[] = [];
  for (let i = 0; i < 4; i++) texts.push((await ann.calls.backupKeys(passphrase)).text);
  const names: string[] = [];
  for (const text of texts.slice(0, 3)) names.push((await ben.calls.restoreKeys(text, passphrase)).key.name);
  expect(names).toEqual(["recovery", "recovery-2", "recovery-3"]);
  const [, second = "", , fourth = ""] = texts;
  // It is here already, whatever it is to be called.
  expect((await ben.calls.restoreKeys(second, passphrase, "other")).key.name).toBe("recovery-2");
  await expect(ben.calls.restoreKeys(fourth, passphrase, "recovery")).rejects.toMatchObject({ code: "KEY_EXISTS" });
  expect((await ben.calls.restoreKeys(fourth, passphrase, "mine")).key.name).toBe("mine");
  expect(await ben.calls.keys()).toHaveLength(5);
});

test("[RECOVERY-4] a key that was made with a backup is the same elsewhere, and owns what it owned", async () => {
  const cluster = new Cluster(10);
  const ann = await addDevice(cluster);
  const { key, backup } = await ann.calls.createKey("owner", passphrase);
  const { id } = await ann.device.instance.createDatabase("Board", { key: "owner" });
  const cem = await addMember(cluster, ann.device, id, WRITE);
  const address = await ann.device.instance.ticket(id);
  await cluster.converge(id, [ann.device, cem.device]);
  ann.device.crash();
  const ben = await addDevice(cluster);
  const restored = await ben.calls.restoreKeys(backup ?? "", passphrase);
  expect(restored).toEqual({ key: { ...key, createdMs: expect.any(Number) }, databases: [] });
  await ben.device.instance.join(address, { key: "owner" });
  await cluster.settle(ben.device.instance.ready(id));
  expect(powerOf(ben.device, id)).toBe(OWNER);
  await ben.device.write(id, "r1", {});
  await cluster.converge(id, [ben.device, cem.device]);
});

test("[KEYS-19] no seed stays in memory that was drawn for a backup, whether the call succeeds or fails", async () => {
  const cluster = new Cluster(11);
  const ann = await addDevice(cluster);
  const drawn = (): readonly Uint8Array[] => ann.drawn.filter(({ length }) => length === 32);
  await ann.calls.createKey("owner", passphrase);
  await expect(ann.calls.createKey("owner", passphrase)).rejects.toMatchObject({ code: "KEY_EXISTS" });
  await ann.calls.backupKeys(passphrase);
  expect(drawn()).toHaveLength(3);
  for (const seed of drawn()) expect(seed.every((byte) => byte === 0)).toBe(true);
});

test("[KEYS-19] a new passphrase that is too short is refused before anything is done", async () => {
  const cluster = new Cluster(12);
  const ann = await addDevice(cluster);
  const { id } = await ann.device.instance.createDatabase("Board");
  const refused = { code: "INPUT_INVALID", details: { field: "passphrase" } };
  await expect(ann.calls.createKey("owner", "1234567")).rejects.toMatchObject(refused);
  await expect(ann.calls.backupKeys("1234567")).rejects.toMatchObject(refused);
  expect(await ann.calls.keys()).toHaveLength(1);
  expect(ann.device.instance.database(id).replica.graph.size).toBe(1);
});
