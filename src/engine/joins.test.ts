import { describe, expect, test } from "vitest";
import { unwrap } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { encodeHex, publicKeyFromBytes } from "../core/ids.ts";
import { decodeMessage, encodeMessage } from "../core/protocol/message.ts";
import { prefixOf, shortDigest } from "../core/protocol/short-digest.ts";
import { ADMIN, NONE, type Power, READ, RELAY, WRITE } from "../core/store/power.ts";
import { parseTicket } from "../core/ticket.ts";
import { Cluster, type DeviceOptions } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { createChannelPair } from "../testing/memory-channel.ts";
import { RawChannel } from "../testing/raw-peer.ts";
import { setPower, settingsParts } from "../testing/writers.ts";
import type { InviteTerms } from "./invites.ts";
import type { Sync } from "./sync.ts";

interface Start {
  readonly cluster: Cluster;
  readonly owner: Device;
  readonly id: DatabaseId;
  readonly ticket: string;
}

async function start(terms: Partial<InviteTerms> = {}): Promise<Start> {
  const cluster = new Cluster(1);
  const owner = await cluster.addDevice();
  const { id } = await cluster.settle(owner.instance.createDatabase("Board"));
  await cluster.settle(owner.write(id, "r", {}));
  return { cluster, owner, id, ticket: await cluster.settle(owner.instance.share(id, { power: WRITE, ...terms })) };
}

/** A device that is a member by an admin's word, and holds everything. */
async function addMember({ cluster, owner, id }: Start, power: Power, options: DeviceOptions = {}): Promise<Device> {
  const device = await cluster.addDevice(options);
  await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(device.key, power))));
  await cluster.settle(device.instance.join(await owner.instance.ticket(id)));
  await cluster.settle(device.instance.ready(id));
  await cluster.converge(id, [owner, device]);
  return device;
}

async function join({ cluster, id, ticket }: Start, device: Device): Promise<{ state: string }> {
  await cluster.settle(device.instance.join(ticket));
  return watch(device.instance.ready(id));
}

function powerAt({ id }: Start, at: Device, of: Device): Power {
  return at.instance.database(id).replica.authority.power(of.key);
}

/** What became of a promise so far. */
function watch(promise: Promise<void>): { state: string } {
  const seen = { state: "waiting" };
  promise.then(
    () => {
      seen.state = "ready";
    },
    (error: { readonly code: string; readonly details: { readonly reason?: string } }) => {
      seen.state = `${error.code} ${error.details.reason ?? ""}`.trim();
    },
  );
  return seen;
}

async function withdraw({ cluster, owner, id, ticket }: Start): Promise<void> {
  const { secret = new Uint8Array() } = unwrap(parseTicket(ticket, owner.sha256));
  const key = publicKeyFromBytes(owner.sha256(secret));
  await cluster.settle(owner.instance.revokeInvite(id, key));
}

describe("[ENGINE-15] a ticket", () => {
  test("waits until its owner is there, also through a restart", async () => {
    const { cluster, owner, id, ticket } = await start();
    owner.instance.setOnline(false);
    let device = await cluster.addDevice();
    await device.instance.join(ticket);
    await cluster.pass(60_000);
    expect(device.instance.status(id)).toMatchObject({ ready: false, entries: 0 });
    device = await cluster.restart(device);
    owner.instance.setOnline(true);
    await cluster.settle(device.instance.ready(id));
    expect([device.rows(id).size, device.instance.status(id).name]).toEqual([1, "Board"]);
  });

  test("is not shown any more to those who know that it let this key in", async () => {
    const { cluster, owner, id, ticket } = await start();
    const device = await cluster.addDevice();
    await device.instance.join(ticket);
    await cluster.settle(device.instance.ready(id));
    await cluster.converge(id, [owner, device]);
    await withdraw({ cluster, owner, id, ticket });
    await cluster.settle(owner.write(id, "s", {}));
    let joins = 0;
    cluster.network.tap = {
      sent: (_from, _to, bytes) => {
        const message = decodeMessage(bytes);
        if (message.ok && message.value.type === "join") joins += 1;
      },
      arrived: () => {},
    };
    const again = await cluster.restart(device);
    await expect(again.instance.ready(id)).resolves.toBeUndefined();
    await cluster.converge(id, [owner, again]);
    await cluster.pass(30_000);
    expect([again.rows(id).size, joins]).toEqual([2, 0]);
  });

  test("joined twice at the same time is joined once", async () => {
    const { cluster, owner, id, ticket } = await start();
    const device = await cluster.addDevice();
    await Promise.all([device.instance.join(ticket), device.instance.join(ticket)]);
    await cluster.settle(device.instance.ready(id));
    expect(device.instance.records()).toHaveLength(1);
    await device.write(id, "s", {});
    await cluster.converge(id, [owner, device]);
    expect(device.problems).toEqual([]);
  });
});

describe("[ENGINE-16] ready", () => {
  test("rejects when the one who made the ticket says that there is nothing for it", async () => {
    const begun = await start();
    await withdraw(begun);
    const device = await begun.cluster.addDevice();
    await device.instance.join(begun.ticket);
    const seen = watch(device.instance.ready(begun.id));
    await begun.cluster.until(() => seen.state !== "waiting");
    expect(seen.state).toBe("JOIN_REFUSED unavailable");
    expect(device.instance.status(begun.id).entries).toBe(0);
  });

  test("comes when the time of what arrived has come, on a device whose clock is behind", async () => {
    const { cluster, owner, id, ticket } = await start();
    const device = await cluster.addDevice({ skewMs: -300_000 });
    await device.instance.join(ticket);
    const seen = watch(device.instance.ready(id));
    await cluster.pass(200_000);
    expect([seen.state, device.problems[0]?.code]).toEqual(["waiting", "ENTRY_TIME_AHEAD"]);
    await cluster.pass(60_000);
    expect(seen.state).toBe("ready");
    await device.write(id, "s", {});
    await cluster.converge(id, [owner, device]);
  });

  test("rejects when the instance closes", async () => {
    const { cluster, id, owner, ticket } = await start();
    owner.instance.setOnline(false);
    const device = await cluster.addDevice();
    await device.instance.join(ticket);
    const seen = watch(device.instance.ready(id));
    await cluster.settle(device.instance.close());
    await cluster.pass(1);
    expect(seen.state).toBe("INSTANCE_CLOSED");
  });
});

test("[SESSION-23] [SESSION-25] a stranger met while joining learns no id, agrees to nothing, and shares nothing", async () => {
  const { cluster, owner, id, ticket } = await start();
  owner.instance.setOnline(false);
  const device = await cluster.addDevice();
  await device.instance.join(ticket);
  const { identity } = await cluster.addIdentity();
  const line = { clock: cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
  const { left, right } = createChannelPair(line, cluster.random.bytes(32));
  const sync = device.instance.sync as Sync;
  sync.peers.take(left, undefined);
  const raw = new RawChannel(right, device.key, identity, cluster.random.bytes(32), device.sha256);
  const heard: string[] = [];
  raw.onMessage = (message) => heard.push(encodeHex(encodeMessage(message)));
  await cluster.until(() => raw.isReady && heard.length > 1);
  expect(heard.filter((text) => text.includes(prefixOf(id)))).toEqual([]);
  const digest = shortDigest(device.instance.database(id).replica.digest());
  raw.send({ type: "digest", continues: false, digests: [{ prefix: prefixOf(id), digest }] });
  raw.send({ type: "frontier", database: id, asks: true, since: "", frontier: new Map() });
  await cluster.pass(100);
  const { lastSyncedMs, peers } = device.instance.status(id);
  expect([lastSyncedMs, peers]).toEqual([undefined, []]);
  expect(sync.peers.all().map(({ session }) => session?.isShared)).toEqual([false]);
});

test("[ENGINE-16] ready does not mind who says that there is nothing, but for those that the ticket names", async () => {
  const begun = await start();
  const { cluster, owner } = begun;
  owner.instance.setOnline(false);
  const seen = [await join(begun, await cluster.addDevice()), await join(begun, await cluster.addDevice())];
  await cluster.pass(30_000);
  expect(seen.map(({ state }) => state)).toEqual(["waiting", "waiting"]);
  owner.instance.setOnline(true);
  await cluster.until(() => seen.every(({ state }) => state === "ready"));
});

describe("[JOIN-1] a newcomer with a ticket", () => {
  test.each([
    ["a reader", READ],
    ["a writer", WRITE],
  ])("comes in through %s while every admin is away, and everybody agrees about it afterwards", async (_who, power) => {
    const begun = await start();
    const { cluster, owner, id } = begun;
    const member = await addMember(begun, power);
    owner.instance.setOnline(false);
    const device = await cluster.addDevice();
    const seen = await join(begun, device);
    await cluster.until(() => seen.state === "ready");
    expect(device.instance.access(id)).toEqual({ state: "member", permission: "write" });
    await cluster.settle(device.write(id, "s", {}));
    await cluster.converge(id, [member, device]);
    expect(powerAt(begun, member, device)).toBe(WRITE);
    owner.instance.setOnline(true);
    await cluster.converge(id, [owner, member, device]);
    expect([owner.rows(id).size, powerAt(begun, owner, device)]).toEqual([2, WRITE]);
    expect([owner, member, device].flatMap(({ problems }) => problems)).toEqual([]);
  });

  test("tells those itself that it meets later and that know of nothing", async () => {
    const begun = await start();
    const { cluster, owner, id } = begun;
    const [first, second] = [await addMember(begun, READ), await addMember(begun, READ)];
    for (const device of [owner, second]) device.instance.setOnline(false);
    let device = await cluster.addDevice();
    const seen = await join(begun, device);
    await cluster.until(() => seen.state === "ready");
    await cluster.converge(id, [first, device]);
    first.instance.setOnline(false);
    device = await cluster.restart(device);
    second.instance.setOnline(true);
    await cluster.converge(id, [second, device], 10_000);
    expect(powerAt(begun, second, device)).toBe(WRITE);
  });

  test("brings its name, and uses the key that it was told to", async () => {
    const begun = await start({ power: READ });
    const { cluster, owner, id, ticket } = begun;
    const device = await cluster.addDevice();
    const { publicKey } = await cluster.settle(device.instance.keys.create("work"));
    await cluster.settle(device.instance.join(ticket, { name: "Zoe", key: "work" }));
    await cluster.settle(device.instance.ready(id));
    await cluster.converge(id, [owner, device]);
    const { authority } = owner.instance.database(id).replica;
    expect([authority.power(publicKey), authority.power(device.key)]).toEqual([READ, NONE]);
    expect(owner.instance.database(id).replica.settings.member(publicKey)?.name).toBe("Zoe");
    // The key is proven in every session from then on, and needs no ticket any more.
    await withdraw(begun);
    await cluster.settle(owner.write(id, "s", {}));
    const again = await cluster.restart(device);
    await cluster.settle(owner.write(id, "t", {}));
    await cluster.converge(id, [owner, again]);
    expect(again.rows(id).size).toBe(3);
  });

  test("that is a member already redeems it when it makes it stronger, and not otherwise", async () => {
    const begun = await start();
    const { cluster, owner, id } = begun;
    const [reader, admin] = [await addMember(begun, READ), await addMember(begun, ADMIN)];
    const later = { ...begun, ticket: await cluster.settle(owner.instance.share(id, { power: WRITE })) };
    for (const device of [reader, admin]) {
      const seen = await join(later, device);
      await cluster.until(() => seen.state === "ready");
    }
    await cluster.converge(id, [owner, reader, admin]);
    expect([reader, admin].map((device) => powerAt(begun, owner, device))).toEqual([WRITE, ADMIN]);
    const { settings } = owner.instance.database(id).replica;
    expect(settings.sets().filter(({ via }) => via === "redeem")).toHaveLength(1);
  });

  test("that an admin set to less after its invite was made stays what it is", async () => {
    const begun = await start();
    const { cluster, owner, id } = begun;
    const reader = await addMember(begun, READ);
    const seen = await join(begun, reader);
    await cluster.until(() => seen.state !== "waiting");
    await cluster.pass(30_000);
    expect([seen.state, powerAt(begun, owner, reader)]).toEqual(["ready", READ]);
    expect(reader.instance.access(id).state).toBe("member");
  });

  test("that was lowered below reading is told so where that is known, and let in by an invite made later", async () => {
    const begun = await start();
    const { cluster, owner, id } = begun;
    const device = await addMember(begun, ADMIN);
    await cluster.settle(device.instance.commit(id, () => settingsParts(setPower(device.key, RELAY))));
    await cluster.until(() => powerAt(begun, owner, device) === RELAY);
    const seen = await join(begun, device);
    await cluster.until(() => seen.state !== "waiting");
    expect([seen.state, powerAt(begun, owner, device)]).toEqual(["JOIN_REFUSED removed", RELAY]);
    const later = await cluster.settle(owner.instance.share(id, { power: WRITE }));
    const again = await join({ ...begun, ticket: later }, device);
    await cluster.until(() => again.state === "ready");
    await cluster.converge(id, [owner, device]);
    expect(powerAt(begun, owner, device)).toBe(WRITE);
  });

  test("is in when its redemption is known, also with the invite gone afterwards", async () => {
    const begun = await start({ uses: 1 });
    const { cluster, owner, id } = begun;
    const device = await cluster.addDevice();
    const seen = await join(begun, device);
    await cluster.until(() => seen.state === "ready");
    await cluster.converge(id, [owner, device]);
    const [invite] = owner.instance.invites(id);
    expect(invite).toMatchObject({
      power: WRITE,
      permission: "write",
      uses: 1,
      used: 1,
      isValid: false,
      by: owner.key,
    });
    await withdraw(begun);
    await cluster.settle(device.write(id, "s", {}));
    await cluster.converge(id, [owner, device]);
    expect([owner.rows(id).size, owner.instance.invites(id)]).toEqual([2, []]);
  });

  test("does not come in by an invite that is used up", async () => {
    const begun = await start({ uses: 2 });
    const { cluster, owner, id } = begun;
    const states: string[] = [];
    for (let i = 0; i < 3; i++) {
      const device = await cluster.addDevice();
      const seen = await join(begun, device);
      await cluster.until(() => seen.state !== "waiting");
      await cluster.pass(1_000);
      states.push(seen.state);
    }
    expect(states).toEqual(["ready", "ready", "JOIN_REFUSED unavailable"]);
    expect(owner.instance.invites(id)).toMatchObject([{ used: 2 }]);
  });

  test("does not come in when its key was removed, however good its ticket is", async () => {
    const begun = await start();
    const { cluster, owner, id } = begun;
    const member = await addMember(begun, READ);
    const device = await cluster.addDevice();
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(device.key, NONE))));
    await cluster.converge(id, [owner, member]);
    const seen = await join(begun, device);
    await cluster.until(() => seen.state !== "waiting");
    await cluster.pass(30_000);
    expect([seen.state, device.instance.status(id).entries]).toEqual(["JOIN_REFUSED unavailable", 0]);
    expect(powerAt(begun, member, device)).toBe(NONE);
  });
});

describe("[JOIN-2] a newcomer whose redemption does not count in the end", () => {
  /** Two members that do not hear of each other, nor of the owner, and a newcomer at each. */
  async function race(
    begun: Start,
  ): Promise<{ readonly members: readonly Device[]; readonly newcomers: readonly Device[] }> {
    const { cluster, owner } = begun;
    const members = [await addMember(begun, READ), await addMember(begun, READ)];
    const newcomers = [await cluster.addDevice(), await cluster.addDevice()];
    const [left, right] = [0, 1].map((i) => [members[i], newcomers[i]] as readonly [Device, Device]);
    for (const one of left ?? []) for (const other of right ?? []) cluster.cut(one.key, other.key);
    owner.instance.setOnline(false);
    for (const newcomer of newcomers) {
      const seen = await join(begun, newcomer);
      await cluster.until(() => seen.state === "ready");
    }
    await cluster.pass(1_000);
    return { members, newcomers };
  }

  test("because another one had the last use is told so, gets nothing more, and nobody hears of what it wrote", async () => {
    const begun = await start({ uses: 1 });
    const { cluster, owner, id } = begun;
    const { members, newcomers } = await race(begun);
    for (const [i, newcomer] of newcomers.entries()) await cluster.settle(newcomer.write(id, `from ${i}`, {}));
    cluster.healAll();
    owner.instance.setOnline(true);
    await cluster.converge(id, [owner, ...members], 120_000);
    const isIn = newcomers.map((each) => powerAt(begun, owner, each) === WRITE);
    expect([...isIn].sort()).toEqual([false, true]);
    const loser = newcomers[isIn.indexOf(false)] as Device;
    const winner = newcomers[isIn.indexOf(true)] as Device;
    await cluster.until(() => loser.instance.access(id).state === "rejected", 60_000);
    expect(["void", "usedUp"]).toContain(loser.instance.access(id).reason);
    await expect(loser.instance.ready(id)).rejects.toMatchObject({ code: "JOIN_REFUSED" });
    await cluster.settle(owner.write(id, "secret", {}));
    await cluster.converge(id, [owner, ...members, winner]);
    await cluster.pass(60_000);
    expect([loser.rows(id).has("secret"), winner.rows(id).has("secret")]).toEqual([false, true]);
    expect(owner.rows(id).size).toBe(3);
    expect(winner.instance.access(id).state).toBe("member");
    const again = await cluster.restart(loser);
    expect(again.instance.access(id).state).toBe("rejected");
    // A ticket that is good makes it a member after all.
    await cluster.settle(again.instance.join(await cluster.settle(owner.instance.share(id, { power: READ }))));
    await cluster.settle(again.instance.ready(id));
    expect([again.instance.access(id).state, again.rows(id).has("secret")]).toEqual(["member", true]);
  });

  test("because the invite was withdrawn meanwhile is told so, and is out everywhere", async () => {
    const begun = await start();
    const { cluster, owner, id } = begun;
    const member = await addMember(begun, READ);
    cluster.cut(owner.key, member.key);
    const device = await cluster.addDevice();
    cluster.cut(owner.key, device.key);
    const seen = await join(begun, device);
    await cluster.until(() => seen.state === "ready");
    await cluster.converge(id, [member, device]);
    await withdraw(begun);
    cluster.healAll();
    await cluster.converge(id, [owner, member], 120_000);
    expect([owner, member].map((at) => powerAt(begun, at, device))).toEqual([NONE, NONE]);
    await cluster.until(() => device.instance.access(id).state === "rejected", 60_000);
    await cluster.settle(owner.write(id, "secret", {}));
    await cluster.pass(30_000);
    expect(device.rows(id).has("secret")).toBe(false);
  });
});

describe("[JOIN-3] an invite that expires", () => {
  const hour = 3_600_000;

  async function startExpiring(): Promise<Start & { readonly member: Device; readonly expiresMs: number }> {
    const begun = await start();
    const { cluster, owner, id } = begun;
    const expiresMs = cluster.clock.now() + hour;
    const ticket = await cluster.settle(owner.instance.share(id, { power: WRITE, expiresMs }));
    return { ...begun, ticket, expiresMs, member: await addMember({ ...begun, ticket }, READ) };
  }

  test("lets nobody in afterwards", async () => {
    const begun = await startExpiring();
    const { cluster, owner, id } = begun;
    await cluster.pass(hour + 1_000);
    expect(owner.instance.invites(id)[0]).toMatchObject({ isValid: false, used: 0 });
    const device = await cluster.addDevice();
    const seen = await join(begun, device);
    await cluster.until(() => seen.state !== "waiting");
    expect([seen.state, device.instance.status(id).entries]).toEqual(["JOIN_REFUSED unavailable", 0]);
  });

  test("[JOIN-5] ends what a newcomer is being sent that moment, and is not taken for one that was withdrawn", async () => {
    const begun = await start();
    const { cluster, owner, id } = begun;
    const text = "x".repeat(1_000);
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => owner.write(id, `long ${i}`, { text })));
    const expiresMs = cluster.clock.now() + 3_000;
    const ticket = await cluster.settle(owner.instance.share(id, { power: WRITE, expiresMs }));
    const never = new AbortController().signal;
    await owner.instance.sync.execute("changeSettings", { sendBytesPerSecond: 100_000, batchEntries: 20 }, never);
    const device = await cluster.addDevice();
    let lastMs = 0;
    cluster.network.tap = {
      sent: (_from, to, bytes) => {
        const message = decodeMessage(bytes);
        if (to === device.key && message.ok && message.value.type === "entries") lastMs = cluster.clock.now();
      },
      arrived: () => {},
    };
    const seen = await join({ ...begun, ticket }, device);
    await cluster.until(() => seen.state !== "waiting");
    await cluster.pass(60_000);
    expect([seen.state, device.rows(id).size > 10, device.rows(id).size < 900]).toEqual([
      "JOIN_REFUSED unavailable",
      true,
      true,
    ]);
    expect(lastMs).toBeLessThanOrEqual(expiresMs);
  });

  test("has let in for good whom it let in before, though whoever made it does not know of it yet", async () => {
    const begun = await startExpiring();
    const { cluster, owner, id, member } = begun;
    owner.instance.setOnline(false);
    const device = await cluster.addDevice();
    const seen = await join(begun, device);
    await cluster.until(() => seen.state === "ready");
    await cluster.converge(id, [member, device]);
    member.instance.setOnline(false);
    await cluster.pass(hour + 1_000);
    owner.instance.setOnline(true);
    await cluster.pass(30_000);
    expect([device.instance.access(id).state, powerAt(begun, owner, device)]).toEqual(["member", NONE]);
    member.instance.setOnline(true);
    await cluster.converge(id, [owner, member, device]);
    expect([device.instance.access(id).state, powerAt(begun, owner, device)]).toEqual(["member", WRITE]);
  });

  test("is not redeemed by a device whose own clock says that it has expired, though it is let in", async () => {
    const begun = await startExpiring();
    const { cluster, owner, id, member } = begun;
    owner.instance.setOnline(false);
    const device = await cluster.addDevice({ skewMs: hour + 1_000 });
    const seen = await join(begun, device);
    await cluster.until(() => seen.state !== "waiting");
    expect(seen.state).toBe("JOIN_REFUSED expired");
    expect(device.instance.access(id)).toEqual({ state: "rejected", permission: "none", reason: "expired" });
    await cluster.pass(1_000);
    expect(powerAt(begun, member, device)).toBe(NONE);
  });

  test("is redeemed by a device whose clock is behind, and everybody has to accept that: time is what its author says", async () => {
    const begun = await startExpiring();
    const { cluster, owner, id, member } = begun;
    owner.instance.setOnline(false);
    await cluster.pass(hour + 1_000);
    // Somebody who is in helps.
    member.setSkew(-hour);
    const device = await cluster.addDevice({ skewMs: -hour });
    const seen = await join(begun, device);
    await cluster.until(() => seen.state === "ready");
    await cluster.converge(id, [member, device]);
    member.setSkew(0);
    owner.instance.setOnline(true);
    await cluster.converge(id, [owner, member, device]);
    expect(powerAt(begun, owner, device)).toBe(WRITE);
  });

  test("cannot be redeemed by a clock that is behind once what it follows is later than that", async () => {
    const begun = await startExpiring();
    const { cluster, owner, id, member } = begun;
    await cluster.until(() => cluster.clock.now() >= begun.expiresMs + 5_000, 2 * hour);
    await cluster.settle(owner.write(id, "later", {}));
    await cluster.converge(id, [owner, member]);
    owner.instance.setOnline(false);
    member.setSkew(-30_000);
    const device = await cluster.addDevice({ skewMs: -30_000 });
    const seen = await join(begun, device);
    await cluster.until(() => seen.state !== "waiting");
    expect([seen.state, device.rows(id).has("later")]).toEqual(["JOIN_REFUSED expired", true]);
    expect(powerAt(begun, owner, device)).toBe(NONE);
  });
});

test("[JOIN-4] a public database is there for whoever has its address, without an admin, and is no more when that is taken back", async () => {
  const { cluster, owner, id } = await start();
  await cluster.settle(owner.instance.commit(id, () => settingsParts({ type: "public", power: READ })));
  const ticket = await owner.instance.ticket(id);
  const device = await cluster.addDevice();
  await cluster.settle(device.instance.join(ticket));
  await cluster.settle(device.instance.ready(id));
  expect(device.instance.access(id)).toEqual({ state: "member", permission: "read" });
  expect(owner.instance.requests(id)).toEqual([]);
  await cluster.settle(owner.instance.commit(id, () => settingsParts({ type: "public", power: NONE })));
  await cluster.settle(owner.write(id, "secret", {}));
  await cluster.pass(30_000);
  expect(device.rows(id).has("secret")).toBe(false);
});

test("[JOIN-4] who came to a public database with a ticket redeems it when the database is closed", async () => {
  const { cluster, owner, id, ticket } = await start();
  await cluster.settle(owner.instance.permissions.setPublic(id, WRITE));
  let device = await cluster.addDevice();
  await cluster.settle(device.instance.join(ticket));
  await cluster.settle(device.instance.ready(id));
  await cluster.converge(id, [owner, device]);
  expect(owner.instance.permissions.members(id)).toHaveLength(1);
  await cluster.settle(owner.instance.permissions.setPublic(id, NONE));
  device = await cluster.restart(device);
  await cluster.until(() => owner.instance.permissions.members(id).length === 2);
  await cluster.converge(id, [owner, device]);
  expect(device.instance.access(id)).toEqual({ state: "member", permission: "write" });
  expect(owner.instance.permissions.members(id)[1]).toMatchObject({ key: device.key, via: "redeem" });
});
