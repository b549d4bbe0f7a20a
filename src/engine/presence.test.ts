import { describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { presenceBeatMs, presenceEveryMs, presenceLifeMs, presenceQueueMax } from "../core/limits.ts";
import { prefixOf } from "../core/protocol/short-digest.ts";
import { NONE, type Power, READ, RELAY, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { HostilePeer } from "../testing/hostile-peer.ts";
import { holdsText } from "../testing/plaintext.ts";
import { announce, nameOf, recordTold, sayAt, shownAt } from "../testing/presence-pages.ts";
import { simulatedSealing } from "../testing/simulated-sealing.ts";

interface Scene {
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly ann: Device;
  readonly bob: Device;
  readonly cy: Device;
}

/** Three devices that share a database and are connected to each other. */
async function open(seed: number, powers: readonly Power[] = [WRITE, WRITE, WRITE]): Promise<Scene> {
  const cluster = new Cluster(seed);
  const { id, devices } = await cluster.addMembers(powers.map((power) => ({ power })));
  const [ann, bob, cy] = devices as [Device, Device, Device];
  const pairs = [
    [ann, bob],
    [ann, cy],
    [bob, cy],
  ] as const;
  await cluster.until(() => pairs.every(([one, other]) => cluster.network.connected(one.key, other.key)));
  await cluster.pass(2_000);
  return { cluster, id, ann, bob, cy };
}

async function change({ cluster, id }: Pick<Scene, "cluster" | "id">, admin: Device, op: SettingsOp): Promise<void> {
  await cluster.settle(admin.instance.database(id).commitSettings(() => [op]));
}

describe("[PRESENCE-8] what a page says", () => {
  test("is with the others a moment later, and so is what it says next", async () => {
    const { cluster, id, ann, bob, cy } = await open(1);
    for (const state of ["one", { two: [2] }]) {
      sayAt(ann, id, 1, state);
      await cluster.pass(1_000);
      for (const device of [ann, bob, cy]) expect(shownAt(device, id)).toEqual({ [nameOf(ann.key, 1)]: state });
    }
  });

  test("is said ten times a second at most, the newest at last", async () => {
    const { cluster, id, ann, bob } = await open(2);
    const told = recordTold(cluster);
    for (let i = 0; i < 200; i++) {
      sayAt(ann, id, 1, i);
      await cluster.pass(10);
    }
    await cluster.pass(presenceEveryMs + 500);
    const toBob = told.filter(({ from, to }) => from === ann.key && to === bob.key);
    expect(toBob.length).toBeGreaterThan(15);
    expect(toBob.length).toBeLessThanOrEqual(2_000 / presenceEveryMs + 2);
    expect(shownAt(bob, id)).toEqual({ [nameOf(ann.key, 1)]: 199 });
  });

  test("is said again for as long as the page is there", async () => {
    const { cluster, id, ann, bob } = await open(3);
    sayAt(ann, id, 1, "here");
    for (let passedMs = 0; passedMs < 3 * presenceLifeMs; passedMs += 1_000) {
      await cluster.pass(1_000);
      expect(shownAt(bob, id)).toEqual({ [nameOf(ann.key, 1)]: "here" });
    }
  });
});

describe("[PRESENCE-5] a page", () => {
  test("that goes is gone for others at once, and nothing more is said of it", async () => {
    const { cluster, id, ann, bob, cy } = await open(4);
    sayAt(ann, id, 1, "here");
    await cluster.pass(1_000);
    sayAt(ann, id, 1, undefined);
    await cluster.pass(1_000);
    for (const device of [ann, bob, cy]) expect(shownAt(device, id)).toEqual({});
    const told = recordTold(cluster);
    await cluster.pass(3 * presenceBeatMs);
    expect(told).toEqual([]);
  });

  test.each([-300_000, 0, 0.25, 300_000])(
    "whose device dies is gone half a minute later, its clock being off by %d ms",
    async (ms) => {
      const { cluster, id, ann, bob, cy } = await open(5);
      ann.setSkew(ms);
      sayAt(ann, id, 1, "here");
      await cluster.pass(1_000);
      ann.crash();
      await cluster.pass(presenceLifeMs - 3_000);
      for (const device of [bob, cy]) expect(shownAt(device, id)).toEqual({ [nameOf(ann.key, 1)]: "here" });
      await cluster.pass(5_000);
      for (const device of [bob, cy]) expect(shownAt(device, id)).toEqual({});
    },
  );
});

describe("[PRESENCE-12] a peer that comes", () => {
  test("is told of everybody who is there, with what is left of their time", async () => {
    const { cluster, id, ann, bob, cy } = await open(6);
    for (const device of [ann, bob]) cluster.cut(device.key, cy.key);
    await cluster.pass(30_000);
    sayAt(ann, id, 1, "ann");
    sayAt(bob, id, 2, "bob");
    await cluster.pass(5_000);
    expect(shownAt(cy, id)).toEqual({});
    // Ann's life goes on at Bob alone.
    ann.crash();
    cluster.heal(bob.key, cy.key);
    await cluster.until(() => Object.keys(shownAt(cy, id)).length === 2, presenceLifeMs - 6_000);
    await cluster.pass(presenceLifeMs - 5_000);
    expect(shownAt(cy, id)).toEqual({ [nameOf(bob.key, 2)]: "bob" });
  });

  test("is told nothing of a database that it has not", async () => {
    const { cluster, id, ann, bob } = await open(7);
    const other = await cluster.settle(ann.instance.createDatabase("Other", { sync: true }));
    await change({ cluster, id: other.id }, ann, { type: "set", key: bob.key, power: READ });
    const told = recordTold(cluster);
    sayAt(ann, other.id, 1, "here");
    await cluster.pass(2 * presenceBeatMs);
    expect(told).toEqual([]);
    sayAt(ann, id, 1, "here");
    await cluster.pass(1_000);
    expect(told.length).toBeGreaterThan(0);
  });
});

describe("[PRESENCE-11] what is new", () => {
  test("is passed on once to who did not bring it", async () => {
    const { cluster, id, ann, bob, cy } = await open(8);
    cluster.cut(ann.key, cy.key);
    await cluster.pass(40_000);
    const told = recordTold(cluster);
    sayAt(ann, id, 1, "here");
    await cluster.pass(1_000);
    expect(shownAt(cy, id)).toEqual({ [nameOf(ann.key, 1)]: "here" });
    expect(told.map(({ from, to }) => [from, to])).toEqual([
      [ann.key, bob.key],
      [bob.key, cy.key],
    ]);
  });

  test("is not passed on to those who have shown that they hear of it from elsewhere", async () => {
    const { cluster, id, ann, bob, cy } = await open(9);
    const told = recordTold(cluster);
    for (let i = 0; i < 50; i++) {
      sayAt(ann, id, 1, i);
      await cluster.pass(presenceEveryMs);
    }
    await cluster.pass(1_000);
    for (const device of [bob, cy]) expect(shownAt(device, id)).toEqual({ [nameOf(ann.key, 1)]: 49 });
    expect(told.filter(({ from }) => from !== ann.key).length).toBeLessThanOrEqual(4);
  });

  test("comes by others when the way from its author is cut", async () => {
    const { cluster, id, ann, cy } = await open(10);
    for (let i = 0; i < 20; i++) {
      sayAt(ann, id, 1, i);
      await cluster.pass(presenceEveryMs);
    }
    cluster.cut(ann.key, cy.key);
    for (let passedMs = 0; passedMs < 60_000; passedMs += 500) {
      await cluster.pass(500);
      expect(Object.keys(shownAt(cy, id))).toEqual([nameOf(ann.key, 1)]);
    }
    sayAt(ann, id, 1, "last");
    await cluster.pass(1_000);
    expect(shownAt(cy, id)).toEqual({ [nameOf(ann.key, 1)]: "last" });
  });

  test("does not pile up before a peer that is slow, which hears the newest", async () => {
    const { cluster, id, ann, bob, cy } = await open(11);
    const { signal } = new AbortController();
    await cluster.settle(ann.instance.sync.execute("changeSettings", { peerSendBytesPerSecond: 8_192 }, signal));
    for (let i = 0; i < 100; i++) {
      for (let page = 0; page < 8; page++) sayAt(ann, id, page, { i, fill: "x".repeat(500) });
      await cluster.pass(100);
      expect(ann.instance.backlog(id).outbound).toBeLessThanOrEqual(presenceQueueMax + 10);
    }
    for (let page = 0; page < 8; page++) sayAt(ann, id, page, "last");
    await cluster.pass(20_000);
    for (const device of [bob, cy]) expect(new Set(Object.values(shownAt(device, id)))).toEqual(new Set(["last"]));
  });
});

describe("[PRESENCE-9] presence is for whoever may read", () => {
  test("a reader is there for others; who may not read is not, and is told of nobody", async () => {
    const { cluster, id, ann, bob, cy } = await open(12, [WRITE, READ, WRITE]);
    await change({ cluster, id }, ann, { type: "set", key: cy.key, power: RELAY });
    await cluster.pass(5_000);
    const told = recordTold(cluster);
    for (const device of [ann, bob, cy]) sayAt(device, id, 1, "here");
    await cluster.pass(2 * presenceBeatMs);
    for (const device of [ann, bob])
      expect(Object.keys(shownAt(device, id)).sort()).toEqual([nameOf(ann.key, 1), nameOf(bob.key, 1)].sort());
    expect(told.filter(({ from, to, author }) => [from, to, author].includes(cy.key))).toEqual([]);
  });

  test("whoever loses that is gone at once", async () => {
    const { cluster, id, ann, bob, cy } = await open(13);
    for (const device of [ann, bob, cy]) sayAt(device, id, 1, "here");
    await cluster.pass(1_000);
    expect(Object.keys(shownAt(bob, id))).toHaveLength(3);
    await change({ cluster, id }, ann, { type: "set", key: cy.key, power: NONE });
    await cluster.pass(1_000);
    const left = [nameOf(ann.key, 1), nameOf(bob.key, 1)].sort();
    for (const device of [ann, bob]) expect(Object.keys(shownAt(device, id)).sort()).toEqual(left);
  });

  test("of a database that was forgotten nothing is said or shown", async () => {
    const { cluster, id, ann, bob } = await open(14);
    sayAt(ann, id, 1, "here");
    await cluster.pass(1_000);
    await cluster.settle(ann.instance.forget(id));
    const told = recordTold(cluster);
    await cluster.pass(2 * presenceBeatMs);
    expect(told.filter(({ from }) => from === ann.key)).toEqual([]);
    expect(shownAt(ann, id)).toEqual({});
    await cluster.pass(presenceLifeMs);
    expect(shownAt(bob, id)).toEqual({});
  });
});

describe("[PRESENCE-10] in an encrypted database", () => {
  test("states travel sealed, by those too who cannot open them, and are read by who can", async () => {
    const cluster = new Cluster(15);
    const ann = await cluster.addDevice();
    const { id } = await cluster.settle(ann.instance.createDatabase("Board", { encrypted: true, sync: true }));
    const [bob, cy] = [await cluster.addDevice(), await cluster.addDevice()];
    const set = (device: Device, power: Power): SettingsOp => {
      return { type: "set", key: device.key, power, sealKey: simulatedSealing(device.secret, device.sha256).publicKey };
    };
    for (const [device, power] of [
      [bob, RELAY],
      [cy, READ],
    ] as const) {
      await change({ cluster, id }, ann, set(device, power));
      await cluster.settle(device.instance.join(await ann.instance.ticket(id)));
      await cluster.settle(device.instance.ready(id));
    }
    cluster.cut(ann.key, cy.key);
    await cluster.pass(40_000);
    const told = recordTold(cluster);
    sayAt(ann, id, 1, "a secret that nobody else may read");
    sayAt(bob, id, 1, "relays are nowhere");
    await cluster.pass(1_000);
    expect(shownAt(cy, id)).toEqual({ [nameOf(ann.key, 1)]: "a secret that nobody else may read" });
    expect(shownAt(bob, id)).toEqual({});
    expect(told.map(({ from, to }) => [from, to])).toEqual([
      [ann.key, bob.key],
      [bob.key, cy.key],
    ]);
    for (const { bytes } of told) expect(holdsText(bytes, "a secret")).toBe(false);
  });

  test("whoever is given the key later reads what it had not opened", async () => {
    const cluster = new Cluster(16);
    const ann = await cluster.addDevice();
    const { id } = await cluster.settle(ann.instance.createDatabase("Board", { encrypted: true, sync: true }));
    const bob = await cluster.addDevice();
    await change({ cluster, id }, ann, { type: "set", key: bob.key, power: READ });
    await cluster.settle(bob.instance.join(await ann.instance.ticket(id)));
    await cluster.settle(bob.instance.ready(id));
    sayAt(ann, id, 1, "here");
    await cluster.pass(1_000);
    expect([shownAt(bob, id), Object.keys(shownAt(ann, id))]).toEqual([{}, [nameOf(ann.key, 1)]]);
    const sealKey = simulatedSealing(bob.secret, bob.sha256).publicKey;
    await change({ cluster, id }, ann, { type: "set", key: bob.key, power: READ, sealKey });
    await cluster.pass(1_000);
    expect(shownAt(bob, id)).toEqual({ [nameOf(ann.key, 1)]: "here" });
  });
});

test("[PRESENCE-14] what a page says to another leader of its device takes the place of what it said to the one before", async () => {
  const { cluster, id, ann, bob } = await open(17);
  for (let i = 0; i < 5; i++) {
    sayAt(ann, id, 1, i);
    await cluster.pass(200);
  }
  ann.crash();
  const again = await cluster.restart(ann);
  // It hears of its own page from others, until that says something.
  await cluster.pass(3_000);
  sayAt(again, id, 1, "again", 2);
  for (let passedMs = 0; passedMs < presenceLifeMs; passedMs += 1_000) {
    await cluster.pass(1_000);
    for (const device of [again, bob]) expect(shownAt(device, id)).toEqual({ [nameOf(ann.key, 1)]: "again" });
  }
});

describe("[MESSAGE-5] presence", () => {
  test("is not said to a peer that does not know it, which is served all the same", async () => {
    const { cluster, id, ann, bob, cy } = await open(18);
    cy.crash();
    const script = { hello: { features: [] }, answer: { features: ["other/1"] } };
    const old = await HostilePeer.join(cluster, { database: id, as: cy.identity, script });
    const talk = await old.meet(ann.key);
    // As whoever holds something else: from then on both have spoken of it.
    talk.say({ type: "digest", continues: false, digests: [{ prefix: prefixOf(id), digest: "00".repeat(12) }] });
    await cluster.until(() => talk.heard("frontier").length > 0);
    sayAt(ann, id, 1, "here");
    // Not for so long that it should have answered.
    await cluster.pass(presenceBeatMs + 5_000);
    expect(Object.keys(shownAt(bob, id))).toEqual([nameOf(ann.key, 1)]);
    expect(talk.heard("presence")).toEqual([]);
    expect(talk.isOpen).toBe(true);
    const announcement = announce(cy.identity, id, cluster.clock.now());
    talk.say({ type: "presence", database: id, ageMs: 0, announcement });
    await cluster.pass(1_000);
    expect(talk.isOpen).toBe(false);
  });
});
