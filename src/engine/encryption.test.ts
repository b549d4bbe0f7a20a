import { describe, expect, test } from "vitest";
import type { Entry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { ADMIN, NONE, type Power, READ, RELAY, WRITE } from "../core/store/power.ts";
import { type EpochKeyId, sealedIn } from "../core/store/sealed.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import type { SealingKeys } from "../ports/payload-keys.ts";
import { createMemoryStorage } from "../storage/memory.ts";
import { Cluster, type DeviceOptions } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { holdsText } from "../testing/plaintext.ts";
import { simulatedSealing } from "../testing/simulated-sealing.ts";
import { turn } from "../testing/turn.ts";
import { rowParts, settingsParts } from "../testing/writers.ts";
import type { WriteEvent } from "./hook-reader.ts";
import type { EnginePorts } from "./ports.ts";

interface Start {
  readonly cluster: Cluster;
  readonly owner: Device;
  readonly id: DatabaseId;
}

async function start(seed = 1): Promise<Start> {
  const cluster = new Cluster(seed);
  const owner = await cluster.addDevice();
  const { id } = await cluster.settle(owner.instance.createDatabase("Board", { encrypted: true, sync: true }));
  return { cluster, owner, id };
}

function sealKeyOf({ secret, sha256 }: Device): Uint8Array {
  return simulatedSealing(secret, sha256).publicKey;
}

function setOp(device: Device, power: Power): SettingsOp {
  return { type: "set", key: device.key, power, sealKey: sealKeyOf(device) };
}

/** As an app's call does it. */
async function change({ cluster, id }: Start, admin: Device, ...ops: readonly SettingsOp[]): Promise<void> {
  await cluster.settle(admin.instance.database(id).commitSettings(() => ops));
}

/** Without a secret: the key was let in before. */
async function join({ cluster, owner, id }: Start, device: Device): Promise<void> {
  await cluster.settle(device.instance.join(await owner.instance.ticket(id)));
  await cluster.settle(device.instance.ready(id));
}

async function addMember(base: Start, power: Power, options: DeviceOptions = {}): Promise<Device> {
  const device = await base.cluster.addDevice(options);
  await change(base, base.owner, setOp(device, power));
  await join(base, device);
  return device;
}

/** Opening takes a while, as it does where another thread does it. */
function withSlowOpening(ports: EnginePorts): EnginePorts {
  const { sealing } = ports;
  if (sealing === undefined) return ports;
  const createPayloadKey: SealingKeys["createPayloadKey"] = async (secret) => {
    const key = await sealing.createPayloadKey(secret);
    return { ...key, open: async (...sealed) => turn().then(() => key.open(...sealed)) };
  };
  return { ...ports, sealing: { ...sealing, createPayloadKey } };
}

function shown(device: Device, id: DatabaseId): readonly string[] {
  return [...device.rows(id).keys()].sort();
}

async function entriesOf(device: Device, id: DatabaseId): Promise<readonly Entry[]> {
  const database = device.instance.database(id);
  return (await database.log.readCounting(0, database.replica.stored)).filter((entry) => entry !== undefined);
}

function sealedEntries(device: Device, id: DatabaseId): number {
  return device.instance.status(id).sealedEntries;
}

function epochOf(device: Device, id: DatabaseId): number | undefined {
  return device.instance.database(id).encryption.keys.current()?.number;
}

/** The reason why a promise rejects. */
async function codeOf({ cluster }: Start, promise: Promise<unknown>): Promise<string> {
  const error = await cluster.settle(
    promise.then(
      () => undefined,
      (thrown: unknown) => thrown,
    ),
  );
  return error instanceof TidemarkError ? error.code : "resolved";
}

describe("who may read", () => {
  test("[ENCRYPTION-12] a member by set reads what was written before it came, and after, in every epoch", async () => {
    const base = await start();
    const { cluster, owner, id } = base;
    await cluster.settle(owner.write(id, "first", {}));
    const removed = await addMember(base, READ);
    await change(base, owner, setOp(removed, NONE));
    await cluster.settle(owner.write(id, "second", {}));
    const reader = await addMember(base, READ);
    await cluster.settle(owner.write(id, "third", {}));
    await cluster.until(() => shown(reader, id).length === 3);
    expect(epochOf(reader, id)).toBe(2);
    expect(reader.stateDigest(id)).toBe(owner.stateDigest(id));
    expect(sealedEntries(reader, id)).toBe(0);
  });

  test("[ENCRYPTION-20] a member whose sealing key nobody knows is told what to do, and reads everything once it was done", async () => {
    const base = await start(3);
    const { cluster, owner, id } = base;
    await cluster.settle(owner.write(id, "first", {}));
    const reader = await cluster.addDevice();
    await change(base, owner, { type: "set", key: reader.key, power: READ });
    await join(base, reader);
    const summary = async (): Promise<string | undefined> => {
      const never = new AbortController().signal;
      const { findings } = await cluster.settle(reader.instance.sync.execute("diagnose", {}, never));
      return findings.find(({ check, state }) => check === "entries.sealed" && state === "warning")?.advice;
    };
    await cluster.pass(10_000);
    expect([shown(reader, id), sealedEntries(reader, id)]).toEqual([[], 1]);
    expect(await summary()).toContain("sealing key of this device");
    await change(base, owner, setOp(reader, READ));
    await cluster.until(() => shown(reader, id).length === 1);
    expect([sealedEntries(reader, id), await summary()]).toEqual([0, undefined]);
  });

  test("[ENCRYPTION-15] [ENCRYPTION-5] a key with the power relay holds and forwards what it cannot read", async () => {
    const base = await start(2);
    const { cluster, owner, id } = base;
    const relay = await addMember(base, RELAY);
    const reader = await addMember(base, WRITE);
    cluster.cut(owner.key, reader.key);
    await cluster.settle(owner.write(id, "there", {}));
    await cluster.until(() => shown(reader, id).length === 1);
    await cluster.settle(reader.write(id, "back", {}));
    await cluster.until(() => shown(owner, id).length === 2);
    expect(shown(relay, id)).toEqual([]);
    expect(sealedEntries(relay, id)).toBe(2);
    expect(relay.instance.database(id).encryption.keys.held()).toEqual([]);
    expect(reader.stateDigest(id)).toBe(owner.stateDigest(id));
    expect(relay.problems).toEqual([]);
  });

  test("[ENCRYPTION-15] [ENCRYPTION-18] whoever comes by an invite that only relays holds everything and is given no key", async () => {
    const base = await start(24);
    const { cluster, owner, id } = base;
    const ticket = await cluster.settle(owner.instance.share(id, { power: RELAY }));
    await cluster.settle(owner.write(id, "there", {}));
    const relay = await cluster.addDevice();
    await cluster.settle(relay.instance.join(ticket));
    await cluster.settle(relay.instance.ready(id));
    await cluster.until(() => sealedEntries(relay, id) === 1);
    expect(relay.instance.status(id)).toMatchObject({ permission: "relay", ready: true, encrypted: true });
    owner.instance.setOnline(false);
    const reader = await cluster.addDevice();
    owner.instance.setOnline(true);
    await change(base, owner, setOp(reader, READ));
    await cluster.converge(id, [owner, relay]);
    owner.instance.setOnline(false);
    await cluster.settle(reader.instance.join(await owner.instance.ticket(id)));
    await cluster.settle(reader.instance.ready(id));
    await cluster.until(() => shown(reader, id).length === 1);
    expect(relay.instance.database(id).encryption.keys.held()).toEqual([]);
  });

  test("[ENCRYPTION-15] where content is in clear a key with the power relay gets nothing", async () => {
    const cluster = new Cluster(3);
    const owner = await cluster.addDevice();
    const { id } = await cluster.settle(owner.instance.createDatabase("Board", { sync: true }));
    const relay = await cluster.addDevice();
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setOp(relay, RELAY))));
    await cluster.settle(relay.instance.join(await owner.instance.ticket(id)));
    await cluster.pass(120_000);
    expect(relay.instance.status(id).entries).toBe(0);
  });

  test("[ENCRYPTION-13] after a reader was removed it opens nothing that is written later, even when it gets the bytes", async () => {
    const base = await start(4);
    const { cluster, owner, id } = base;
    const reader = await addMember(base, READ);
    await cluster.settle(owner.write(id, "before", {}));
    await cluster.until(() => shown(reader, id).length === 1);
    await change(base, owner, setOp(reader, NONE));
    // The very entry that removes it begins the epoch.
    expect(epochOf(owner, id)).toBe(2);
    await cluster.settle(owner.write(id, "after", {}));
    const [mine, theirs] = [owner.instance.database(id), reader.instance.database(id)];
    await cluster.settle(theirs.receive(await entriesOf(owner, id)).then(({ durable }) => durable));
    await cluster.pass(10_000);
    expect(theirs.replica.digest()).toBe(mine.replica.digest());
    expect(shown(reader, id)).toEqual(["before"]);
    expect(sealedEntries(reader, id)).toBe(1);
  });

  test("[ENCRYPTION-13] whoever may only relay from now on, and whose invite is withdrawn, opens nothing later either", async () => {
    const base = await start(5);
    const { cluster, owner, id } = base;
    const reader = await addMember(base, READ);
    const ticket = await owner.instance.share(id, { power: READ });
    expect(epochOf(owner, id)).toBe(1);
    await change(base, owner, setOp(reader, RELAY));
    expect(epochOf(owner, id)).toBe(2);
    const [invite] = owner.instance.invites(id);
    await cluster.settle(owner.instance.revokeInvite(id, invite?.key ?? owner.key));
    // That invite was not given the second epoch.
    expect(epochOf(owner, id)).toBe(2);
    await owner.instance.share(id, { power: READ });
    const [other] = owner.instance.invites(id);
    await cluster.settle(owner.instance.revokeInvite(id, other?.key ?? owner.key));
    expect(epochOf(owner, id)).toBe(3);
    await cluster.settle(owner.write(id, "after", {}));
    await cluster.until(() => sealedEntries(reader, id) === 1);
    expect(ticket).toMatch(/^tidemark:/);
  });

  test("[ENCRYPTION-11] what was sealed in an epoch that is over is taken for ever", async () => {
    const base = await start(6);
    const { cluster, owner, id } = base;
    const writer = await addMember(base, WRITE);
    const reader = await addMember(base, READ);
    await cluster.until(() => writer.instance.status(id).permission === "write");
    cluster.cut(owner.key, writer.key);
    cluster.cut(reader.key, writer.key);
    await change(base, owner, setOp(reader, NONE));
    await cluster.settle(writer.write(id, "late", {}));
    expect([epochOf(owner, id), epochOf(writer, id)]).toEqual([2, 1]);
    cluster.healAll();
    await cluster.converge(id, [owner, writer]);
    await cluster.until(() => shown(owner, id).length === 1);
    expect(writer.stateDigest(id)).toBe(owner.stateDigest(id));
  });
});

test.each([
  [false, true],
  [true, true],
  [true, false],
])(
  "[ENCRYPTION-21] an epoch that an admin made up, whose key nobody has, keeps nobody from writing for long; the admin removed: %s, told to all: %s",
  async (isRemoved, isToldToAll) => {
    const base = await start(4);
    const { cluster, owner, id } = base;
    const admin = await addMember(base, ADMIN);
    const writer = await addMember(base, WRITE);
    const wrapped = new Uint8Array(129).fill(3);
    const keys = (isToldToAll ? [owner, writer] : [writer]).map(({ key }) => ({ key, wrapped }));
    const made: SettingsOp = { type: "epoch", number: Number.MAX_SAFE_INTEGER, keys };
    await cluster.settle(admin.instance.database(id).commit(() => settingsParts(made)));
    await cluster.converge(id, [owner, admin, writer]);
    expect(await codeOf(base, writer.write(id, "refused", {}))).toBe("EPOCH_KEY_MISSING");
    if (isRemoved) await change(base, owner, setOp(admin, NONE));
    await cluster.pass(10_000);
    await cluster.settle(writer.write(id, "row", {}));
    await cluster.until(() => shown(owner, id).length === 1);
    // Once is enough.
    const { size } = owner.instance.database(id).replica.graph;
    await cluster.pass(60_000);
    expect(owner.instance.database(id).replica.graph.size).toBe(size);
  },
);

test("[ENCRYPTION-21] an admin's device that others seal for another one begins no epochs without end", async () => {
  const base = await start(6);
  const { cluster, owner, id } = base;
  const admin = await addMember(base, ADMIN);
  // As after its key was restored on a new device.
  await change(base, owner, { type: "set", key: owner.key, power: 0, sealKey: sealKeyOf(admin) });
  const made: SettingsOp = {
    type: "epoch",
    number: 9,
    keys: [{ key: owner.key, wrapped: new Uint8Array(129).fill(3) }],
  };
  await change(base, owner, made);
  await cluster.pass(10_000);
  const { size } = owner.instance.database(id).replica.graph;
  await cluster.pass(60_000);
  expect(owner.instance.database(id).replica.graph.size).toBe(size);
});

describe("what counts", () => {
  test("[ENCRYPTION-10] is read also where it was sealed with the key of an admin who was cut", async () => {
    const base = await start(22);
    const { cluster, owner, id } = base;
    const admin = await addMember(base, 10);
    const writer = await addMember(base, WRITE);
    const reader = await addMember(base, READ);
    await cluster.converge(id, [owner, admin, writer, reader]);
    for (const device of [admin, writer]) cluster.cut(owner.key, device.key);
    reader.instance.setOnline(false);
    await change(base, admin, setOp(reader, NONE));
    await cluster.converge(id, [admin, writer]);
    await cluster.settle(writer.write(id, "honest", {}));
    await cluster.converge(id, [admin, writer]);
    await cluster.settle(admin.write(id, "cut", {}));
    expect(epochOf(writer, id)).toBe(2);
    await change(base, owner, setOp(admin, NONE));
    cluster.healAll();
    await cluster.until(() => shown(owner, id).includes("honest"));
    await cluster.pass(60_000);
    await cluster.converge(id, [owner, writer]);
    for (const device of [owner, writer]) expect(shown(device, id)).toEqual(["honest"]);
    expect(writer.stateDigest(id)).toBe(owner.stateDigest(id));
    const { keys } = owner.instance.database(id).encryption;
    expect(
      keys
        .known()
        .find(({ keyId }) => keyId === keys.current()?.keyId)
        ?.given.has(admin.key),
    ).toBe(false);
    await cluster.settle(writer.write(id, "after", {}));
    await cluster.until(() => shown(owner, id).length === 2);
  });

  test("[ENCRYPTION-7] is all that is folded anew, opened, when some of it does not count any more", async () => {
    const base = await start(23);
    const { cluster, owner, id } = base;
    const lowered = await addMember(base, WRITE);
    const writer = await addMember(base, WRITE, { ports: withSlowOpening });
    const relay = await addMember(base, RELAY);
    await cluster.settle(owner.write(id, "first", {}));
    await cluster.converge(id, [owner, lowered, writer, relay]);
    cluster.cut(owner.key, lowered.key);
    cluster.cut(owner.key, writer.key);
    cluster.cut(owner.key, relay.key);
    for (const row of ["void", "void too"]) await cluster.settle(lowered.write(id, row, {}));
    await cluster.until(() => shown(writer, id).length === 3);
    await change(base, owner, setOp(lowered, NONE));
    await cluster.settle(owner.write(id, "second", {}));
    let isFirstAlwaysShown = true;
    cluster.afterStep = () => {
      isFirstAlwaysShown &&= shown(writer, id).includes("first");
    };
    cluster.healAll();
    await cluster.until(() => shown(writer, id).includes("second") && shown(writer, id).length === 2);
    await cluster.converge(id, [owner, writer, relay]);
    for (const device of [owner, writer]) expect(shown(device, id)).toEqual(["first", "second"]);
    expect(writer.stateDigest(id)).toBe(owner.stateDigest(id));
    expect([sealedEntries(writer, id), sealedEntries(relay, id)]).toEqual([0, 2]);
    // The new state takes the place of the old one when all of it is open.
    expect(isFirstAlwaysShown).toBe(true);
  });
});

describe("who comes by an invite", () => {
  test("[ENCRYPTION-18] reads and writes with no admin online", async () => {
    const base = await start(7);
    const { cluster, owner, id } = base;
    const writer = await addMember(base, WRITE);
    await cluster.settle(owner.write(id, "before", {}));
    const ticket = await cluster.settle(owner.instance.share(id, { power: WRITE }));
    await cluster.converge(id, [owner, writer]);
    owner.instance.setOnline(false);
    let guest = await cluster.addDevice();
    await cluster.settle(guest.instance.join(ticket));
    await cluster.settle(guest.instance.ready(id));
    await cluster.until(() => shown(guest, id).length === 1);
    await cluster.settle(guest.write(id, "guest", {}));
    await cluster.until(() => shown(writer, id).length === 2);
    // What opened the epochs outlives the ticket.
    guest = await cluster.restart(guest);
    expect(shown(guest, id)).toEqual(["before", "guest"]);
    await cluster.settle(guest.write(id, "again", {}));
    await cluster.until(() => shown(writer, id).length === 3);
    expect(guest.instance.database(id).replica.settings.member(guest.key)?.sealKey).toEqual(sealKeyOf(guest));
  });

  test("[ENCRYPTION-18] with one ticket after the other keeps what each of them opens, also through a restart", async () => {
    const base = await start(25);
    const { cluster, owner, id } = base;
    const tickets = [await owner.instance.share(id, { power: READ }), await owner.instance.share(id, { power: WRITE })];
    let guest = await cluster.addDevice();
    const invites = (): readonly string[] =>
      guest.instance.database(id).record.inviteKeys?.map(({ invite }) => invite) ?? [];
    const seen: (readonly string[])[] = [];
    for (const at of [0, 1, 0]) {
      await cluster.settle(guest.instance.join(tickets[at] ?? ""));
      await cluster.settle(guest.instance.ready(id));
      seen.push(invites());
    }
    const [first, second] = [seen[0]?.[0] ?? "", seen[1]?.[0] ?? ""];
    expect(first).not.toBe(second);
    expect(seen).toEqual([[first], [second, first], [first, second]]);
    guest = await cluster.restart(guest);
    expect(invites()).toEqual([first, second]);
  });

  test("[ENCRYPTION-14] [ENCRYPTION-7] gets epochs that began after its invite from the next admin, and folds what waited", async () => {
    const base = await start(8);
    const { cluster, owner, id } = base;
    const writer = await addMember(base, WRITE);
    const removed = await addMember(base, READ);
    await cluster.settle(owner.write(id, "old", {}));
    const ticket = await cluster.settle(owner.instance.share(id, { power: WRITE }));
    // Whoever is removed is not told so, and would let the guest in to what it has.
    removed.instance.setOnline(false);
    await change(base, owner, setOp(removed, NONE));
    await cluster.settle(owner.write(id, "new", {}));
    await cluster.converge(id, [owner, writer]);
    owner.instance.setOnline(false);
    let guest = await cluster.addDevice();
    await cluster.settle(guest.instance.join(ticket));
    await cluster.settle(guest.instance.ready(id));
    await cluster.until(() => shown(guest, id).length === 1);
    expect(shown(guest, id)).toEqual(["old"]);
    expect(sealedEntries(guest, id)).toBe(1);
    expect(await codeOf(base, guest.write(id, "mine", {}))).toBe("EPOCH_KEY_MISSING");
    guest = await cluster.restart(guest);
    expect([shown(guest, id), sealedEntries(guest, id)]).toEqual([["old"], 1]);
    owner.instance.setOnline(true);
    await cluster.until(() => shown(guest, id).length === 2);
    expect(sealedEntries(guest, id)).toBe(0);
    await cluster.settle(guest.write(id, "mine", {}));
    await cluster.until(() => shown(owner, id).length === 3);
    guest = await cluster.restart(guest);
    await cluster.converge(id, [owner, guest, writer]);
    expect(guest.stateDigest(id)).toBe(owner.stateDigest(id));
  });
});

describe("[ENCRYPTION-14] what a change left to be done", () => {
  test("is done by whichever admin's device is there", async () => {
    const base = await start(9);
    const { cluster, owner, id } = base;
    const admin = await addMember(base, 10);
    const reader = await addMember(base, READ);
    await cluster.converge(id, [owner, admin, reader]);
    // Nothing is said of epochs, as a device would that does not know of them.
    await cluster.settle(owner.instance.commit(id, () => settingsParts({ type: "set", key: reader.key, power: NONE })));
    owner.instance.setOnline(false);
    await cluster.until(() => epochOf(admin, id) === 2);
    await cluster.settle(admin.write(id, "after", {}));
    owner.instance.setOnline(true);
    await cluster.until(() => shown(owner, id).length === 1);
  });

  test("is done once, and by nobody who is no admin", async () => {
    const base = await start(10);
    const { cluster, id } = base;
    const admins = [await addMember(base, 10), await addMember(base, 20)];
    const writer = await addMember(base, WRITE);
    const newcomer = await cluster.addDevice();
    for (const admin of admins) admin.instance.setOnline(false);
    await cluster.settle(
      base.owner.instance.commit(id, () =>
        settingsParts({ type: "set", key: newcomer.key, power: READ, sealKey: sealKeyOf(newcomer) }),
      ),
    );
    const { replica } = writer.instance.database(id);
    await cluster.until(() => replica.settings.member(newcomer.key) !== undefined);
    base.owner.crash();
    await cluster.pass(30_000);
    expect(writer.problems).toEqual([]);
    const owner = await cluster.restart(base.owner);
    for (const admin of admins) admin.instance.setOnline(true);
    await join({ cluster, owner, id }, newcomer);
    await cluster.settle(owner.write(id, "x", {}));
    await cluster.until(() => shown(newcomer, id).length === 1);
    await cluster.pass(30_000);
    const before = owner.instance.database(id).replica.graph.size;
    await cluster.pass(60_000);
    expect(owner.instance.database(id).replica.graph.size).toBe(before);
    const epochs = owner.instance.database(id).replica.settings.epochs();
    expect(epochs.filter(({ author }) => author === writer.key || author === newcomer.key)).toEqual([]);
    const toNewcomer = epochs.filter(({ keys }) => keys.some(({ key }) => key === newcomer.key));
    expect(toNewcomer.length).toBeGreaterThan(0);
    expect(toNewcomer.length).toBeLessThanOrEqual(admins.length + 1);
  });

  test("by two admins at the same moment leaves the keys of both usable", async () => {
    const base = await start(11);
    const { cluster, owner, id } = base;
    const admin = await addMember(base, 10);
    const one = await addMember(base, READ);
    const other = await addMember(base, READ);
    await cluster.converge(id, [owner, admin, one, other]);
    cluster.cut(owner.key, admin.key);
    for (const reader of [one, other]) reader.instance.setOnline(false);
    await change(base, owner, setOp(one, NONE));
    await change(base, admin, setOp(other, NONE));
    await cluster.settle(owner.write(id, "owner's", {}));
    await cluster.settle(admin.write(id, "admin's", {}));
    expect([epochOf(owner, id), epochOf(admin, id)]).toEqual([2, 2]);
    cluster.healAll();
    await cluster.until(() => [owner, admin].every((device) => shown(device, id).length === 2));
    await cluster.pass(60_000);
    await cluster.converge(id, [owner, admin]);
    const { keys } = owner.instance.database(id).encryption;
    const current = keys.known().find(({ keyId }) => keyId === keys.current()?.keyId);
    expect([one, other].filter(({ key }) => current?.given.has(key))).toEqual([]);
    expect(admin.instance.database(id).encryption.keys.current()).toEqual(keys.current());
    await cluster.settle(admin.write(id, "after", {}));
    await cluster.until(() => shown(owner, id).length === 3);
    const reader = await addMember(base, READ);
    await cluster.until(() => shown(reader, id).length === 3);
  });
});

describe("[ENCRYPTION-7] a key that comes late", () => {
  test("opens what waited, in the order of the log or not, also when the device is restarted in between", async () => {
    const base = await start(12);
    const { cluster, owner, id } = base;
    let reader = await cluster.addDevice();
    await cluster.settle(owner.instance.commit(id, () => settingsParts({ type: "set", key: reader.key, power: READ })));
    await join(base, reader);
    for (let i = 0; i < 30; i++) await cluster.settle(owner.write(id, `r${i}`, { i }));
    await cluster.settle(owner.remove(id, "r3"));
    await cluster.converge(id, [owner, reader]);
    expect([shown(reader, id).length, sealedEntries(reader, id)]).toEqual([0, 31]);
    reader = await cluster.restart(reader);
    expect([shown(reader, id).length, sealedEntries(reader, id)]).toEqual([0, 31]);
    await cluster.settle(owner.write(id, "last", {}));
    await change(base, owner, setOp(reader, READ));
    await cluster.until(() => shown(reader, id).length === 30);
    expect(sealedEntries(reader, id)).toBe(0);
    expect(reader.stateDigest(id)).toBe(owner.stateDigest(id));
    reader = await cluster.restart(reader);
    expect(reader.stateDigest(id)).toBe(owner.stateDigest(id));
  });

  test("[ENCRYPTION-8] opens what lies below a checkpoint, which says that it lacks them", async () => {
    const base = await start(13);
    const { cluster, owner, id } = base;
    let reader = await cluster.addDevice();
    await cluster.settle(owner.instance.commit(id, () => settingsParts({ type: "set", key: reader.key, power: READ })));
    await join(base, reader);
    for (let i = 0; i < 5; i++) await cluster.settle(owner.write(id, `r${i}`, { i }));
    await cluster.converge(id, [owner, reader]);
    const { replica, encryption } = reader.instance.database(id);
    const [range] = encryption.unopened.ranges();
    expect(range).toMatchObject({ count: 5, to: replica.stored });
    const part = { number: 1, through: replica.stored, void: [], sealed: encryption.unopened.ranges(), stores: [] };
    await cluster.settle(reader.instance.close());
    await createMemoryStorage(reader.disk).putCheckpoint(id, part, 1);
    reader = await cluster.restart(reader);
    expect([shown(reader, id).length, sealedEntries(reader, id)]).toEqual([0, 5]);
    await change(base, owner, setOp(reader, READ));
    await cluster.until(() => shown(reader, id).length === 5);
    reader = await cluster.restart(reader);
    expect([shown(reader, id).length, sealedEntries(reader, id)]).toEqual([5, 0]);
  });
});

describe("[ENCRYPTION-3] nothing of what is written", () => {
  const marker = "zKwqJ-marker";

  test("leaves the device or lies on a disk in clear, of anybody", async () => {
    const base = await start(14);
    const { cluster, owner, id } = base;
    const sent: Uint8Array[] = [];
    cluster.network.tap = { sent: (_from, _to, message) => void sent.push(message.slice()), arrived: () => {} };
    const relay = await addMember(base, RELAY);
    const reader = await addMember(base, READ);
    await cluster.settle(
      owner.write(id, `${marker}-row`, { [`${marker}-column`]: `${marker}-value` }, `${marker}-table`),
    );
    await cluster.settle(owner.set(id, `${marker}-key`, `${marker}-value`, `${marker}-store`));
    await cluster.until(() => reader.value(id, `${marker}-key`, `${marker}-store`) === `${marker}-value`);
    await cluster.converge(id, [owner, relay, reader]);
    expect(sent.length).toBeGreaterThan(10);
    expect(holdsText(sent, marker)).toBe(false);
    for (const { disk } of [owner, relay, reader])
      expect(holdsText([disk.databases, disk.records], marker)).toBe(false);
    // The search finds what is there: the name of a database is in clear.
    expect([holdsText(sent, "Board"), holdsText(relay.disk.databases, "Board")]).toEqual([true, true]);
  });

  test("[ENCRYPTION-9] is in a checkpoint, and the state is what it was after a restart from it", async () => {
    const base = await start(15);
    const { cluster, owner, id } = base;
    await cluster.settle(owner.write(id, `${marker}-row`, { text: marker }));
    const { replica, encryption } = owner.instance.database(id);
    const stores = replica.state.checkpoint(0, 1);
    expect(holdsText(stores, marker)).toBe(true);
    const storage = createMemoryStorage(owner.disk);
    await encryption.guard(storage).putCheckpoint(id, { number: 1, through: replica.stored, void: [], stores }, 1);
    expect(owner.disk.databases.get(id)?.checkpoints).toHaveLength(1);
    expect(holdsText(owner.disk.databases, marker)).toBe(false);
    const kept = owner.disk.databases.get(id)?.checkpoints ?? [];
    expect(await encryption.openParts(kept)).toMatchObject([{ number: 1, stores }]);
    // On another device it is of no use.
    const other = await addMember(base, READ);
    const again = await cluster.restart(owner);
    expect(shown(again, id)).toEqual([`${marker}-row`]);
    expect(await other.instance.database(id).encryption.openParts(kept)).toEqual([]);
  });

  test("is learnt from a checkpoint that was moved or changed: everything is folded from the entries", async () => {
    const base = await start(16);
    const { cluster, owner, id } = base;
    await cluster.settle(owner.write(id, "row", { text: 1 }));
    const { replica, encryption } = owner.instance.database(id);
    const storage = createMemoryStorage(owner.disk);
    const part = { number: 1, through: replica.stored, void: [], stores: replica.state.checkpoint(0, 1) };
    await encryption.guard(storage).putCheckpoint(id, part, 1);
    const [kept] = owner.disk.databases.get(id)?.checkpoints ?? [];
    for (const moved of [
      { number: 2 },
      { through: 1 },
      { stores: [{ name: "_sealed", type: "sealed", bytes: new Uint8Array(40) }] },
    ]) {
      const parts = kept === undefined ? [] : [{ ...kept, ...moved }];
      expect(await encryption.openParts(parts)).toEqual([]);
    }
    await storage.putCheckpoint(
      id,
      { ...part, number: 2, stores: [{ name: "_sealed", type: "sealed", bytes: new Uint8Array(40) }] },
      1,
    );
    const again = await cluster.restart(owner);
    expect(shown(again, id)).toEqual(["row"]);
  });
});

describe("[ENCRYPTION-6] what opens and is no content", () => {
  test("is accepted and ignored by those who have the key, and reported once", async () => {
    const base = await start(17);
    const { cluster, owner, id } = base;
    const relay = await addMember(base, RELAY);
    let reader = await addMember(base, READ);
    const { keys } = owner.instance.database(id).encryption;
    const key = keys.currentHeld()?.key;
    const open = key?.open;
    // A member that cheats seals anything.
    const cheat = {
      ...key,
      seal: (_content: Uint8Array, ...rest: readonly [Uint8Array, Uint8Array]) =>
        key?.seal(Uint8Array.of(0x80), ...rest),
    };
    Object.assign(keys, { currentHeld: () => ({ ...keys.held()[0], key: cheat }) });
    await cluster.settle(owner.write(id, "broken", {}));
    Reflect.deleteProperty(keys, "currentHeld");
    await cluster.settle(owner.write(id, "whole", {}));
    await cluster.until(() => shown(reader, id).includes("whole"));
    await cluster.converge(id, [owner, reader, relay]);
    expect(shown(reader, id)).toEqual(["whole"]);
    expect(reader.problems.map(({ code }) => code)).toEqual(["ENTRY_SEAL_BROKEN"]);
    expect(relay.problems).toEqual([]);
    expect(sealedEntries(reader, id)).toBe(0);
    reader = await cluster.restart(reader);
    expect(shown(reader, id)).toEqual(["whole"]);
    expect(reader.problems).toEqual([]);
    expect(open).toBeDefined();
  });
});

test("[ENCRYPTION-19] hooks are told what was written to, as far as it can be opened", async () => {
  const base = await start(18);
  const { cluster, owner, id } = base;
  const relay = await addMember(base, RELAY);
  const reader = await addMember(base, READ);
  const told = new Map<Device, WriteEvent[]>();
  for (const device of [owner, relay, reader]) {
    const events: WriteEvent[] = [];
    told.set(device, events);
    device.instance.sync.addHook({ database: id, write: (event) => void events.push(event) });
  }
  await cluster.settle(owner.write(id, "r", {}, "notes"));
  await cluster.until(() => [...told.values()].every((events) => events.length > 0));
  const names = (device: Device): unknown =>
    told.get(device)?.flatMap(({ entries }) => entries.map(({ stores }) => stores));
  expect(names(owner)).toEqual([[{ name: "notes", type: "table" }]]);
  expect(names(reader)).toEqual([[{ name: "notes", type: "table" }]]);
  expect(names(relay)).toEqual([[{ name: "_sealed", type: "sealed" }]]);
});

describe("[ENCRYPTION-3] a transaction", () => {
  test("is refused for the same reasons as one in clear, and nothing is written", async () => {
    const base = await start(19);
    const { owner, id } = base;
    const commit = (stores: ReturnType<typeof rowParts>): Promise<void> => owner.instance.commit(id, () => stores);
    const [row] = rowParts("r");
    if (row === undefined) throw new Error("a row");
    expect(await codeOf(base, commit([row, row]))).toBe("ENTRY_MALFORMED");
    expect(await codeOf(base, commit([{ ...row, name: "_own" }]))).toBe("ENTRY_PAYLOAD");
    expect(await codeOf(base, commit([{ ...row, payload: Uint8Array.of(0x80) }]))).toBe("ENTRY_PAYLOAD");
    const large = { name: "page", type: "page", payload: new Uint8Array(32 * 1024 * 1024) };
    expect(await codeOf(base, commit([large]))).toBe("ENTRY_TOO_LARGE");
    expect(await codeOf(base, commit([{ ...large, payload: new Uint8Array(32 * 1024 * 1024 - 100) }]))).toBe(
      "ENTRY_TOO_LARGE",
    );
    expect(owner.instance.database(id).replica.graph.size).toBe(1);
  });

  test("of settings alone is not sealed, and both together are one entry", async () => {
    const base = await start(20);
    const { cluster, owner, id } = base;
    await cluster.settle(
      owner.instance.commit(id, () => [...settingsParts({ type: "name", name: "Plan" }), ...rowParts("r", {}, "rows")]),
    );
    const database = owner.instance.database(id);
    const [, entry] = await entriesOf(owner, id);
    expect(entry?.stores.map(({ name }) => name)).toEqual(["_sealed", "_settings"]);
    expect(entry && sealedIn(entry)?.keyId).toBe(database.encryption.keys.current()?.keyId as EpochKeyId);
    expect([shown(owner, id), database.replica.settings.name]).toEqual([["r"], "Plan"]);
  });
});

test("[ENCRYPTION-17] without WebCrypto an encrypted database cannot be made, and can be held", async () => {
  const base = await start(21);
  const { cluster, owner, id } = base;
  const without = await cluster.addDevice({ ports: ({ sealing: _none, ...ports }) => ports });
  expect(await codeOf(base, without.instance.createDatabase("Board", { encrypted: true }))).toBe(
    "ENVIRONMENT_UNSUPPORTED",
  );
  await change(base, owner, { type: "set", key: without.key, power: WRITE });
  await join(base, without);
  await cluster.settle(owner.write(id, "r", {}));
  await cluster.until(() => sealedEntries(without, id) === 1);
  expect(await codeOf(base, without.write(id, "r", {}))).toBe("EPOCH_KEY_MISSING");
});
