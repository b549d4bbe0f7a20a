/** Which databases are synced at all, and how little others see of those that are not. */
import { beforeEach, describe, expect, test } from "vitest";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import { commitmentOf } from "../core/protocol/commitments.ts";
import { hideKeyProof, revealKeyProof } from "../core/protocol/key-proof.ts";
import { hideKnock } from "../core/protocol/knock.ts";
import { decodeMessage, encodeMessage, type Message } from "../core/protocol/message.ts";
import { prefixOf } from "../core/protocol/short-digest.ts";
import { NONE, READ, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { RawPeer } from "../testing/raw-peer.ts";
import { keyOf, setPower, settingsParts } from "../testing/writers.ts";
import { roomOf } from "./rooms.ts";
import type { Sync } from "./sync.ts";

let cluster: Cluster;
let owner: Device;
let id: DatabaseId;

beforeEach(async () => {
  cluster = new Cluster(1);
  owner = await cluster.addDevice();
  id = (await cluster.settle(owner.instance.createDatabase("Diary"))).id;
  await cluster.settle(owner.write(id, "r", {}));
});

/** Whether somebody in the room of the database meets the device. */
async function isSought(device: Device, database = id): Promise<boolean> {
  const peer = await RawPeer.enter(cluster, database);
  await cluster.pass(2_000);
  const isMet = peer.to(device.key) !== undefined;
  peer.network.close();
  return isMet;
}

function isOn(device: Device): boolean {
  return device.instance.database(id).record.sync !== false;
}

describe("[SYNC-20] a database that was made here", () => {
  test("is not looked for, also after a restart, and says so", async () => {
    expect(await isSought(owner)).toBe(false);
    expect(owner.instance.status(id).blockedBy).toMatchObject([{ type: "disabled" }]);
    const again = await cluster.restart(owner);
    expect(await isSought(again)).toBe(false);
  });

  test.each<readonly [string, boolean, SettingsOp]>([
    ["somebody is given something", true, setPower(keyOf(1), READ)],
    ["somebody is invited", true, { type: "invite", key: keyOf(1), power: READ }],
    ["everybody is given something", true, { type: "public", power: READ }],
    ["somebody is given nothing", false, setPower(keyOf(1), NONE)],
    ["it is renamed", false, { type: "name", name: "Log" }],
  ])("when %s: on is %s", async (_what, on, op) => {
    await cluster.settle(owner.instance.commit(id, () => settingsParts(op)));
    expect([isOn(owner), await isSought(owner)]).toEqual([on, on]);
    expect(isOn(await cluster.restart(owner))).toBe(on);
  });

  test("is on from the start when that is asked for, and when it is joined", async () => {
    const other = await cluster.settle(owner.instance.createDatabase("Open", { sync: true }));
    expect(other.sync).toBeUndefined();
    const device = await cluster.addDevice();
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(device.key, READ))));
    await cluster.settle(device.instance.join(await owner.instance.ticket(id)));
    await cluster.settle(device.instance.ready(id));
    expect(isOn(device)).toBe(true);
  });

  test("that is switched off lets its peers go, and nothing passes until it is on again; sharing does that too", async () => {
    const { devices, id: shared } = await cluster.addGroup(2);
    const [ann, ben] = devices as [Device, Device];
    await cluster.converge(shared, [ann, ben]);
    // They meet all the same.
    const meeting = await cluster.settle(ann.instance.createDatabase("Meeting", { sync: true }));
    await cluster.settle(ben.instance.join(await ann.instance.ticket(meeting.id)));
    await cluster.settle(ann.instance.setSync(shared, false));
    expect(await isSought(ann, shared)).toBe(false);
    await cluster.settle(ann.write(shared, "from ann", {}));
    await cluster.settle(ben.write(shared, "from ben", {}));
    const again = await cluster.restart(ann);
    await cluster.pass(60_000);
    expect((again.instance.sync as Sync).peers.all().map(({ key }) => key)).toEqual([ben.key]);
    expect([again.rows(shared).size, ben.rows(shared).size]).toEqual([1, 1]);
    expect(again.instance.status(shared).blockedBy.map(({ type }) => type)).toContain("disabled");
    await cluster.settle(again.instance.share(shared, { power: READ }));
    await cluster.converge(shared, [again, ben], 5_000);
    expect(ben.rows(shared).size).toBe(2);
  });
});

describe("[SYNC-21] a database that is not synced", () => {
  const never = new AbortController().signal;
  let meeting: DatabaseId;

  beforeEach(async () => {
    await cluster.settle(owner.instance.keys.create("diary"));
    id = (await cluster.settle(owner.instance.createDatabase("Own key", { key: "diary", sync: true }))).id;
    meeting = (await cluster.settle(owner.instance.createDatabase("Meeting", { sync: true }))).id;
  });

  async function wish(enabled: boolean): Promise<void> {
    const unsaid = { onCommit: true, intervalMs: 0, properties: {} };
    const given = { database: id, user: "ann", enabled, ...unsaid };
    await cluster.settle(owner.instance.sync.execute("setPreferences", given, never));
  }

  /** Somebody whom the device meets for another reason. */
  async function meet(): Promise<RawPeer> {
    const peer = await RawPeer.enter(cluster, meeting);
    await cluster.until(() => peer.to(owner.key) !== undefined);
    await cluster.pass(1_000);
    return peer;
  }

  function proofs(peer: RawPeer): number {
    return peer.to(owner.key)?.received.filter(({ type }) => type === "prove").length ?? 0;
  }

  test("because nobody wants it is not looked for, and no key is proved for it, until somebody wants it again", async () => {
    await wish(false);
    expect(await isSought(owner)).toBe(false);
    const peer = await meet();
    expect(proofs(peer)).toBe(0);
    await wish(true);
    await cluster.pass(1_000);
    expect(proofs(peer)).toBe(1);
    expect(await isSought(owner)).toBe(true);
    await wish(false);
    expect(await isSought(await cluster.restart(owner))).toBe(false);
  });

  test("because it was switched off: no key is proved for it", async () => {
    await cluster.settle(owner.instance.setSync(id, false));
    expect(proofs(await meet())).toBe(0);
  });

  test("with one peer: that one is not shown a key, and others are", async () => {
    const peer = await meet();
    expect(proofs(peer)).toBe(1);
    const of = { peer: peer.key, database: id };
    await cluster.settle(owner.instance.sync.execute("removeRelation", of, never));
    await cluster.restart(owner);
    await cluster.until(() => peer.to(owner.key) !== undefined);
    await cluster.pass(5_000);
    const other = await meet();
    expect([proofs(peer), proofs(other)]).toEqual([0, 1]);
  });

  test("[SESSION-31] of one that is synced, too, the named key and its signature are in nothing that a stranger hears", async () => {
    const channel = (await meet()).to(owner.key) as NonNullable<ReturnType<RawPeer["to"]>>;
    const { transcript } = channel;
    const hidden = channel.received.flatMap((message) => (message.type === "prove" ? [message.hidden] : []))[0];
    if (transcript === undefined || hidden === undefined) throw new Error("nothing was proved");
    // With the id, which the stranger does not have: what it must not find.
    const place = { database: id, speaker: owner.key, transcript, sha256: owner.sha256 };
    const { key, signature } = revealKeyProof(hidden, place);
    expect(key).toBe(owner.instance.database(id).identity.publicKey);
    const heard = channel.received.map((message) => encodeHex(encodeMessage(message))).join();
    const halves = [signature.subarray(0, 32), signature.subarray(32)].map(encodeHex);
    for (const part of [key, ...halves]) expect(heard).not.toContain(part);
  });
});

/** What the device says to a stranger that knows the id and says all it can, but for what differs in every session. */
async function answersOf(device: Device): Promise<readonly Message["type"][]> {
  const peer = await RawPeer.enter(cluster, id);
  // Both are in the room of another database.
  const meeting = await cluster.settle(device.instance.createDatabase("Meeting", { sync: true }));
  peer.network.seek(roomOf(meeting.id, { sha256: device.sha256 }));
  await cluster.until(() => peer.to(device.key) !== undefined);
  const channel = peer.to(device.key) as NonNullable<ReturnType<RawPeer["to"]>>;
  const transcript = channel.transcript as Uint8Array;
  const commitment = commitmentOf(id, peer.key, transcript, device.sha256);
  const knock = { name: "x", note: "y", power: WRITE, sealKey: undefined };
  const place = { database: id, speaker: peer.key, transcript, sha256: device.sha256 };
  const signature = new Uint8Array(64);
  channel.send(
    { type: "digest", continues: false, digests: [{ prefix: prefixOf(id), digest: "ab".repeat(12) }] },
    { type: "frontier", database: id, asks: true, since: "", frontier: new Map() },
    { type: "want", database: id, ids: [id] },
    { type: "skeleton", database: id, author: device.key, samples: [] },
    { type: "join", commitment, invite: keyOf(1), signature },
    { type: "prove", commitment, hidden: hideKeyProof({ key: device.key, signature }, place) },
    { type: "knock", commitment, hidden: hideKnock(knock, place) },
  );
  await cluster.pass(5_000);
  peer.network.close();
  // Who opened the channel says something, if only that it has nothing to say.
  const isEmpty = (message: Message) => message.type === "digest" && message.digests.length === 0;
  const said = channel.received.filter((message) => !isEmpty(message)).map(({ type }) => type);
  return said.filter((type) => type !== "ping" && type !== "pong");
}

test("[SYNC-20] [SESSION-1] to a stranger a database that is off, one that it may not read, and one that is not here are alike", async () => {
  const empty = await cluster.addDevice();
  const off = await answersOf(owner);
  const unknown = await answersOf(empty);
  await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(keyOf(1), READ))));
  const forbidden = await answersOf(owner);
  expect([off, forbidden]).toEqual([unknown, unknown]);
  expect([...unknown].sort()).toEqual(["heard", "unavailable"]);
  // What it looks like when there is something to see: this keeps the comparison honest.
  await cluster.settle(owner.instance.commit(id, () => settingsParts({ type: "public", power: READ })));
  const open = await answersOf(owner);
  expect(open).toContain("entries");
});

test("[RELATION-7] there is a relation with a peer only once it may read, by a permission of its own", async () => {
  const device = await cluster.addDevice();
  const ticket = await cluster.settle(owner.instance.share(id, { power: READ }));
  const never = new AbortController().signal;
  const relations = (of: Device) => cluster.settle(of.instance.sync.execute("relations", { database: id }, never));
  const stranger = await cluster.addDevice();
  await cluster.settle(stranger.instance.join(await owner.instance.ticket(id)));
  const related: number[] = [];
  cluster.network.tap = {
    sent: (from, to, bytes) => {
      const message = decodeMessage(bytes);
      // A guest is sent everything before it is admitted.
      if (!message.ok || message.value.type !== "entries" || from !== owner.key || to !== device.key) return;
      const { registry } = owner.instance.sync as Sync;
      related.push(registry.relations({ database: id }).length);
    },
    arrived: () => {},
  };
  await cluster.settle(device.instance.join(ticket));
  await cluster.settle(device.instance.ready(id));
  await cluster.converge(id, [owner, device]);
  await cluster.pass(1_000);
  expect(related[0]).toBe(0);
  expect((await relations(owner)).map(({ peer }) => peer)).toEqual([device.key]);
  expect((await relations(device)).map(({ peer }) => peer)).toEqual([owner.key]);
  expect(await relations(stranger)).toEqual([]);
});
