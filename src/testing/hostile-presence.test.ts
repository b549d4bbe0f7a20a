/** What members and strangers can make of presence: forged, repeated, endless, huge, of other times and other databases. */
import { describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import {
  badSignaturesMax,
  inboundMessagesMax,
  presenceContentBytesMax,
  presenceLifeMs,
  presenceLifeMsMax,
  presencePagesMax,
  presencePagesPerKeyMax,
  presenceSkewMsMax,
} from "../core/limits.ts";
import type { Announcement } from "../core/presence/announcement.ts";
import { NONE, type Power, READ, WRITE } from "../core/store/power.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { flood } from "./hostile-floods.ts";
import { HostilePeer } from "./hostile-peer.ts";
import type { HostileTalk } from "./hostile-talk.ts";
import { announce, nameOf, pageOf, recordTold, sayAt, shownAt } from "./presence-pages.ts";
import { simulatedIdentity } from "./simulated-keys.ts";

interface Scene {
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly alice: Device;
  readonly bob: Device;
  readonly mallory: HostilePeer;
  /** With Alice. */
  readonly talk: HostileTalk;
  /** Says announcements to Alice, and lets them be taken. */
  readonly say: (...announcements: readonly Announcement[]) => Promise<void>;
}

/** Alice and Bob share a database; Mallory's device, which has some power there, turned bad. */
async function open(seed: number, power: Power = READ): Promise<Scene> {
  const cluster = new Cluster(seed);
  const { id, devices } = await cluster.addMembers([{ power: WRITE }, { power: WRITE }, { power }]);
  const [alice, bob, turned] = devices as [Device, Device, Device];
  turned.crash();
  await cluster.pass(100);
  const mallory = await HostilePeer.join(cluster, { database: id, as: turned.identity });
  const talk = await mallory.meet(alice.key);
  await cluster.pass(10_000);
  const say = async (...announcements: readonly Announcement[]): Promise<void> => {
    for (const announcement of announcements) talk.say({ type: "presence", database: id, ageMs: 0, announcement });
    await cluster.pass(1_000);
  };
  return { cluster, id, alice, bob, mallory, talk, say };
}

test("[PRESENCE-9] a reader is there for everybody, by its own word", async () => {
  const { cluster, id, alice, bob, mallory, say } = await open(1);
  await say(announce(mallory.identity, id, cluster.clock.now()));
  for (const device of [alice, bob]) expect(shownAt(device, id)).toEqual({ [nameOf(mallory.key, 1)]: "here" });
});

describe("[PRESENCE-9] a peer that may not read", () => {
  test("gives nothing: not in its own name, and not what members signed; nothing of it is checked", async () => {
    const { cluster, id, alice, bob, talk, mallory, say } = await open(2, NONE);
    const checks = alice.checks;
    const nowMs = cluster.clock.now();
    await say(announce(mallory.identity, id, nowMs), announce(bob.identity, id, nowMs));
    expect([shownAt(alice, id), shownAt(bob, id), talk.isOpen, alice.checks]).toEqual([{}, {}, true, checks]);
  });

  test("gets nothing", async () => {
    const { cluster, id, alice, talk } = await open(3, NONE);
    sayAt(alice, id, 1, "here");
    await cluster.pass(presenceLifeMs);
    expect(talk.messagesHeard.filter(({ type }) => type === "presence")).toEqual([]);
  });

  test("is nobody in the mouth of a member", async () => {
    const { cluster, id, alice, say } = await open(4);
    const { identity } = await cluster.addIdentity();
    const checks = alice.checks;
    await say(announce(identity, id, cluster.clock.now()));
    expect([shownAt(alice, id), alice.checks]).toEqual([{}, checks]);
  });
});

describe("[PRESENCE-2] nobody is shown", () => {
  test("by whoever signed something else: another state, counter, time, life, page, author or database", async () => {
    const { cluster, id, alice, bob, mallory, talk, say } = await open(5);
    const other = await cluster.settle(alice.instance.createDatabase("Other"));
    const nowMs = cluster.clock.now();
    const good = announce(mallory.identity, id, nowMs);
    await say(
      { ...good, content: new Uint8Array([0xf5]) },
      { ...good, counter: 2 },
      { ...good, sentMs: nowMs + 1 },
      { ...good, lifeMs: presenceLifeMsMax },
      { ...good, page: pageOf(2) },
      { ...good, author: bob.key },
      announce(mallory.identity, other.id, nowMs),
    );
    expect([shownAt(alice, id), shownAt(bob, id), talk.isOpen]).toEqual([{}, {}, true]);
    talk.say({ type: "presence", database: other.id, ageMs: 0, announcement: good });
    await cluster.pass(1_000);
    expect([shownAt(alice, other.id), talk.isOpen]).toEqual([{}, true]);
    await say(good);
    expect(Object.keys(shownAt(bob, id))).toEqual([nameOf(mallory.key, 1)]);
  });
});

test("[PRESENCE-13] whoever brings more forged signatures than may be is cut off", async () => {
  const { cluster, id, alice, bob, talk, say } = await open(6);
  const forged = (counter: number): Announcement => {
    return announce(bob.identity, id, cluster.clock.now(), { counter, signature: new Uint8Array(64).fill(counter) });
  };
  await say(...Array.from({ length: badSignaturesMax }, (_, i) => forged(i + 1)));
  expect([talk.isOpen, shownAt(alice, id)]).toEqual([true, {}]);
  await say(forged(1_000));
  expect(talk.isOpen).toBe(false);
});

describe("[PRESENCE-4] [PRESENCE-6] what was signed once", () => {
  test("is worth nothing when something newer is known, and brings no page back", async () => {
    const { cluster, id, alice, bob, mallory, say } = await open(7);
    const nowMs = cluster.clock.now();
    const [older, newer] = [1, 2].map((counter) => announce(mallory.identity, id, nowMs, { counter, state: counter }));
    await say(newer as Announcement, older as Announcement);
    for (const device of [alice, bob]) expect(shownAt(device, id)).toEqual({ [nameOf(mallory.key, 1)]: 2 });
    for (let passedMs = 0; passedMs < 2 * presenceSkewMsMax; passedMs += 50_000) {
      await cluster.pass(50_000);
      await say(older as Announcement, newer as Announcement);
      for (const device of [alice, bob]) expect(shownAt(device, id)).toEqual({});
    }
  });

  test("is not taken when its time is far from ours, either way", async () => {
    const { cluster, id, alice, mallory, say } = await open(8);
    const nowMs = cluster.clock.now();
    const checks = alice.checks;
    for (const sentMs of [nowMs + presenceSkewMsMax + 10_000, nowMs - presenceSkewMsMax - 10_000])
      await say(announce(mallory.identity, id, sentMs));
    expect([shownAt(alice, id), alice.checks]).toEqual([{}, checks]);
  });

  test("holds no longer than the limit, whatever it says", async () => {
    const { cluster, id, alice, mallory, say, talk } = await open(9);
    await say(announce(mallory.identity, id, cluster.clock.now() + 500_000, { lifeMs: presenceLifeMsMax }));
    await cluster.pass(presenceLifeMsMax - 3_000);
    expect(Object.keys(shownAt(alice, id))).toHaveLength(1);
    await cluster.pass(5_000);
    expect(shownAt(alice, id)).toEqual({});
    await say(announce(mallory.identity, id, cluster.clock.now(), { counter: 2, lifeMs: presenceLifeMsMax + 1 }));
    expect([shownAt(alice, id), talk.isOpen]).toEqual([{}, false]);
  });
});

test("[PRESENCE-1] a state that is too large ends the session", async () => {
  const { cluster, id, alice, mallory, talk, say } = await open(10);
  const content = new Uint8Array(presenceContentBytesMax + 1);
  await say(announce(mallory.identity, id, cluster.clock.now(), { content }));
  expect([shownAt(alice, id), talk.isOpen]).toEqual([{}, false]);
});

test("[PRESENCE-3] what is no state is shown nowhere, and not passed on", async () => {
  const { cluster, id, alice, mallory, talk, say } = await open(11);
  const told = recordTold(cluster);
  const nowMs = cluster.clock.now();
  await say(
    announce(mallory.identity, id, nowMs, { content: new Uint8Array([0x18, 0x01]) }),
    announce(mallory.identity, id, nowMs, { counter: 2, content: new Uint8Array(presenceContentBytesMax) }),
  );
  expect([shownAt(alice, id), talk.isOpen]).toEqual([{}, true]);
  expect(told.filter(({ from }) => from === alice.key)).toEqual([]);
});

test("[PRESENCE-7] one key with a thousand pages has eight, and others are there beside it", async () => {
  const { cluster, id, alice, bob, mallory, say } = await open(12);
  const nowMs = cluster.clock.now();
  await say(
    ...Array.from({ length: 1_000 }, (_, page) => announce(mallory.identity, id, nowMs, { page: pageOf(page) })),
  );
  sayAt(bob, id, 1, "here");
  await cluster.pass(1_000);
  for (const device of [alice, bob]) {
    const shown = Object.keys(shownAt(device, id));
    expect(shown.filter((name) => name.startsWith(mallory.key.slice(0, 6)))).toHaveLength(presencePagesPerKeyMax);
    expect(shown).toContain(nameOf(bob.key, 1));
  }
});

test("[PRESENCE-7] of a database that everybody may read no more pages are kept than may be, and its members go on", async () => {
  const { cluster, id, alice, bob, say } = await open(13);
  await cluster.settle(alice.instance.database(id).commitSettings(() => [{ type: "public", power: READ }]));
  const { sha256 } = await cluster.addIdentity();
  const nowMs = cluster.clock.now();
  const strangers = Array.from({ length: 150 }, () => simulatedIdentity(cluster.random.bytes(32), sha256));
  for (const stranger of strangers)
    await say(...Array.from({ length: 8 }, (_, page) => announce(stranger, id, nowMs, { page: pageOf(page) })));
  sayAt(alice, id, 1, "here");
  await cluster.pass(1_000);
  expect(Object.keys(shownAt(alice, id)).length).toBeLessThanOrEqual(presencePagesMax + 1);
  expect(Object.keys(shownAt(alice, id))).toContain(nameOf(alice.key, 1));
  await cluster.settle(bob.write(id, "row", { n: 1 }));
  await cluster.until(() => alice.rows(id).has("row"), 5_000);
});

test("[PRESENCE-11] whoever says a thousand things a second is told of ten times a second, the newest at last", async () => {
  const { cluster, id, alice, bob, mallory, talk } = await open(14);
  const told = recordTold(cluster);
  for (let i = 0; i < 2_000; i++) {
    const announcement = announce(mallory.identity, id, cluster.clock.now(), { counter: i + 1, state: i });
    talk.say({ type: "presence", database: id, ageMs: 0, announcement });
    if (i % 10 === 9) await cluster.pass(10);
  }
  await cluster.pass(1_000);
  expect(shownAt(bob, id)).toEqual({ [nameOf(mallory.key, 1)]: 1_999 });
  expect(told.filter(({ from, to }) => from === alice.key && to === bob.key).length).toBeLessThanOrEqual(35);
});

test("[HOSTILE-5] of a flood about pages of strangers nothing is checked or kept, and the others are served", async () => {
  const { cluster, id, alice, bob, talk } = await open(15);
  const checks = alice.checks;
  const subject = { database: id, random: cluster.random.fork(), nowMs: () => cluster.clock.now() };
  for (let round = 0; round < 4; round++) {
    flood(talk, "presences", subject, 2_000);
    await cluster.pass(5);
    expect(alice.instance.backlog(id).inbound).toBeLessThanOrEqual(inboundMessagesMax);
  }
  await cluster.settle(bob.write(id, "row", { n: 1 }));
  await cluster.until(() => alice.rows(id).has("row"), 5_000);
  expect(alice.checks - checks).toBeLessThan(10);
});
