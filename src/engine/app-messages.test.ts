import { describe, expect, test } from "vitest";
import { equalBytes } from "../core/bytes.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import {
  appChannelsMax,
  appMessageBytesMax,
  appMessagesWaitingBytesMax,
  appMessagesWaitingMax,
} from "../core/limits.ts";
import { prefixOf } from "../core/protocol/short-digest.ts";
import { NONE, type Power, READ, WRITE } from "../core/store/power.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { flood } from "../testing/hostile-floods.ts";
import { HostilePeer } from "../testing/hostile-peer.ts";

const channel = "chess/1";

interface Scene {
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly ann: Device;
  readonly bob: Device;
}

async function open(seed: number, power: Power = READ): Promise<Scene> {
  const cluster = new Cluster(seed);
  const { id, devices } = await cluster.addMembers([{ power: WRITE }, { power }]);
  const [ann, bob] = devices as [Device, Device];
  await cluster.until(() => cluster.network.connected(ann.key, bob.key));
  await cluster.pass(2_000);
  return { cluster, id, ann, bob };
}

/** A page with the channel open: what it was told, in order. */
class Page {
  readonly told: string[] = [];
  readonly bytes: Uint8Array[] = [];
  readonly up = new Set<PublicKey>();
  readonly close: () => void;
  readonly #device: Device;

  constructor(device: Device, name = channel) {
    this.#device = device;
    this.close = device.instance.messages.open(name, {
      message: (_peer, bytes) => {
        this.bytes.push(bytes);
        this.told.push(`${bytes[0]}`);
      },
      peer: (peer, isUp) => {
        this.told.push(isUp ? "up" : "down");
        if (isUp) this.up.add(peer);
        else this.up.delete(peer);
      },
    });
  }

  send(peer: Device, ...bytes: readonly number[]): Promise<void> {
    return this.#device.instance.messages.send(peer.key, channel, Uint8Array.from(bytes));
  }
}

function isAway(sending: Promise<void>): Promise<void> {
  return expect(sending).rejects.toMatchObject({ code: "PEER_AWAY" });
}

describe("[MESSAGES-1] a peer", () => {
  test("is up when both have the channel open, and down when one has not any more", async () => {
    const { cluster, ann, bob } = await open(1);
    const page = new Page(ann);
    await cluster.pass(1_000);
    expect(page.told).toEqual([]);
    await isAway(page.send(bob, 1));
    const other = new Page(bob);
    await cluster.pass(1_000);
    expect([[...page.up], [...other.up]]).toEqual([[bob.key], [ann.key]]);
    await cluster.settle(page.send(bob, 1));
    await cluster.pass(1_000);
    expect(other.told).toEqual(["up", "1"]);
    other.close();
    await cluster.pass(1_000);
    expect(page.told).toEqual(["up", "down"]);
    await isAway(page.send(bob, 2));
    const again = new Page(bob);
    await cluster.pass(1_000);
    await cluster.settle(page.send(bob, 3));
    await cluster.pass(1_000);
    expect([page.told, other.told, again.told]).toEqual([
      ["up", "down", "up"],
      ["up", "1"],
      ["up", "3"],
    ]);
  });

  test("is up for each page that opens the channel, and the channel stays open with the last of them", async () => {
    const { cluster, ann, bob } = await open(2);
    const [first, other] = [new Page(ann), new Page(bob)];
    await cluster.pass(1_000);
    const second = new Page(ann);
    expect([...second.up]).toEqual([bob.key]);
    first.close();
    await cluster.settle(other.send(ann, 7));
    await cluster.pass(1_000);
    expect([first.told, second.told, other.told]).toEqual([["up"], ["up", "7"], ["up"]]);
  });

  test("with whom nothing is shared, or nothing any more, is not up, and what it sends is dropped", async () => {
    const { cluster, id, ann, bob } = await open(3);
    const page = new Page(ann);
    const stranger = await HostilePeer.join(cluster, { database: id });
    const talk = await stranger.meet(ann.key);
    talk.say({ type: "channel", channel, isOpen: true }, { type: "message", channel, bytes: new Uint8Array([9]) });
    await cluster.pass(10_000);
    expect([page.told, talk.isOpen, talk.heard("channel")]).toEqual([[], true, []]);
    await expect(ann.instance.messages.send(stranger.key, channel, new Uint8Array(1))).rejects.toMatchObject({
      code: "PEER_AWAY",
    });
    const other = new Page(bob);
    await cluster.pass(1_000);
    await cluster.settle(ann.instance.database(id).commitSettings(() => [{ type: "set", key: bob.key, power: NONE }]));
    await cluster.pass(5_000);
    expect([page.told, other.told]).toEqual([
      ["up", "down"],
      ["up", "down"],
    ]);
  });

  test("that comes to share something later is up then, whichever of the two opened the channel before", async () => {
    const { cluster, id, ann } = await open(4);
    const cy = await cluster.addDevice();
    const [page, other] = [new Page(ann), new Page(cy)];
    await cluster.pass(5_000);
    expect([page.told, other.told]).toEqual([[], []]);
    const ticket = await cluster.settle(ann.instance.share(id, { power: READ }));
    await cluster.settle(cy.instance.join(ticket));
    await cluster.settle(cy.instance.ready(id));
    await cluster.pass(5_000);
    expect([page.told, other.told]).toEqual([["up"], ["up"]]);
  });

  test("of another channel is none", async () => {
    const { cluster, ann, bob } = await open(5);
    const [page, other] = [new Page(ann), new Page(bob, "go/1")];
    await cluster.pass(5_000);
    expect([page.told, other.told]).toEqual([[], []]);
  });
});

describe("[MESSAGES-2] what is sent", () => {
  test("arrives whole and in order, however large within the limit", async () => {
    const { cluster, ann, bob } = await open(6);
    const [page, other] = [new Page(ann), new Page(bob)];
    await cluster.pass(1_000);
    const sent = [1, appMessageBytesMax, 0, 70_000].map((length) => cluster.random.bytes(length));
    for (const bytes of sent) await cluster.settle(ann.instance.messages.send(bob.key, channel, bytes));
    await cluster.pass(5_000);
    expect(other.bytes.map((bytes, i) => equalBytes(bytes, sent[i] as Uint8Array))).toEqual([true, true, true, true]);
    expect(page.told).toEqual(["up"]);
  });

  test("is lost with the connection alone, which both sides are told", async () => {
    const { cluster, ann, bob } = await open(7);
    const [page, other] = [new Page(ann), new Page(bob)];
    await cluster.pass(1_000);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 10; i++) await cluster.settle(page.send(bob, i));
      cluster.network.drop(ann.key, bob.key);
      await cluster.pass(30_000);
    }
    expect(page.told).toEqual(["up", ...Array.from({ length: 5 }, () => ["down", "up"]).flat()]);
    // Between any two of its ups each message came once, in order, and none after one that is missing.
    const lives = other.told.join(" ").split("down");
    expect(lives).toHaveLength(6);
    for (const life of lives) expect("up 0 1 2 3 4 5 6 7 8 9".startsWith(life.trim())).toBe(true);
  });

  test("in both directions at once arrives, beside entries", async () => {
    const { cluster, id, ann, bob } = await open(8, WRITE);
    const [page, other] = [new Page(ann), new Page(bob)];
    await cluster.pass(1_000);
    for (let i = 0; i < 50; i++)
      await cluster.settle(Promise.all([page.send(bob, i), other.send(ann, i), ann.write(id, `row ${i}`, { i })]));
    await cluster.converge(id, [ann, bob]);
    await cluster.pass(1_000);
    const all = ["up", ...Array.from({ length: 50 }, (_, i) => `${i}`)];
    expect([page.told, other.told]).toEqual([all, all]);
  });
});

describe("[MESSAGES-3] what waits for one peer", () => {
  /** A pair of which the sender gets nothing through. */
  async function stuck(seed: number): Promise<Scene & { readonly page: Page }> {
    const scene = await open(seed);
    const { cluster, ann, bob } = scene;
    const page = new Page(ann);
    new Page(bob);
    await cluster.pass(1_000);
    const { signal } = new AbortController();
    await cluster.settle(ann.instance.sync.execute("changeSettings", { sendBytesPerSecond: 1_024 }, signal));
    return { ...scene, page };
  }

  /** How the calls ended that have. */
  function outcomes(sending: readonly Promise<void>[]): readonly string[] {
    const ended: string[] = [];
    for (const each of sending)
      each.then(
        () => ended.push("sent"),
        (error: { readonly code: string }) => ended.push(error.code),
      );
    return ended;
  }

  test("is bounded by number and by bytes; what is more is refused at once", async () => {
    for (const [length, most] of [
      [64, appMessagesWaitingMax],
      [appMessageBytesMax, appMessagesWaitingBytesMax / appMessageBytesMax],
    ] as const) {
      const { cluster, ann, bob } = await stuck(9);
      const sending = Array.from({ length: 2 * appMessagesWaitingMax }, () =>
        ann.instance.messages.send(bob.key, channel, new Uint8Array(length)),
      );
      const ended = outcomes(sending);
      await cluster.pass(0);
      const refused = ended.filter((code) => code === "MESSAGE_QUEUE_FULL").length;
      // A few may have left before the caps were reached.
      expect(sending.length - refused).toBeGreaterThanOrEqual(most);
      expect(sending.length - refused).toBeLessThanOrEqual(most + 100);
      ann.crash();
    }
  });

  test("[MESSAGES-4] is refused when the peer goes", async () => {
    const { cluster, ann, bob, page } = await stuck(10);
    const ended = outcomes(
      Array.from({ length: 4 }, () => ann.instance.messages.send(bob.key, channel, new Uint8Array(100_000))),
    );
    cluster.network.drop(ann.key, bob.key);
    await cluster.pass(1_000);
    expect(ended).toContain("PEER_AWAY");
    expect(ended).toHaveLength(4);
    expect(page.told.slice(0, 2)).toEqual(["up", "down"]);
  });

  test("does not keep new entries from the peer for longer than it takes to send it", async () => {
    const { cluster, id, ann, bob } = await open(11, WRITE);
    new Page(ann);
    const other = new Page(bob);
    await cluster.pass(1_000);
    for (let i = 0; i < 20; i++) void ann.instance.messages.send(bob.key, channel, new Uint8Array(100_000));
    await cluster.settle(ann.write(id, "row", { n: 1 }));
    await cluster.until(() => bob.rows(id).has("row"), 10_000);
    await cluster.until(() => other.bytes.length === 20, 10_000);
  });
});

test("[MESSAGES-7] a peer that opens more channels than may be is cut off", async () => {
  const { cluster, id, ann, bob } = await open(12);
  bob.crash();
  const mallory = await HostilePeer.join(cluster, { database: id, as: bob.identity });
  const talk = await mallory.meet(ann.key);
  const say = async (name: string): Promise<boolean> => {
    talk.say({ type: "channel", channel: name, isOpen: true });
    await cluster.pass(1_000);
    return talk.isOpen;
  };
  for (let i = 0; i < appChannelsMax; i++) expect(await say(`${i}`)).toBe(true);
  expect([await say("0"), await say("one more")]).toEqual([true, false]);
});

test("[MESSAGES-1] [HOSTILE-5] floods of messages and channels keep nothing, and reach no page that did not open them", async () => {
  const { cluster, id, ann, bob } = await open(13);
  const page = new Page(ann);
  bob.crash();
  const mallory = await HostilePeer.join(cluster, { database: id, as: bob.identity });
  const talk = await mallory.meet(ann.key);
  await cluster.pass(10_000);
  const subject = { database: id, random: cluster.random.fork() };
  for (const name of ["appMessages", "channels"] as const) {
    flood(talk, name, subject, 5_000);
    await cluster.pass(1_000);
  }
  expect([talk.isOpen, page.told]).toEqual([true, []]);
});

test("[MESSAGE-5] a peer without the feature is told of no channel, and is cut off when it speaks of one", async () => {
  const { cluster, id, ann, bob } = await open(14);
  bob.crash();
  const script = { hello: { features: [] }, answer: { features: [] } };
  for (const message of [
    { type: "channel", channel, isOpen: true },
    { type: "message", channel, bytes: new Uint8Array(1) },
  ] as const) {
    const old = await HostilePeer.join(cluster, { database: id, as: bob.identity, script });
    const page = new Page(ann);
    const talk = await old.meet(ann.key);
    talk.say({ type: "digest", continues: false, digests: [{ prefix: prefixOf(id), digest: "00".repeat(12) }] });
    await cluster.until(() => talk.heard("frontier").length > 0);
    await cluster.pass(10_000);
    expect([page.told, talk.isOpen, talk.heard("channel")]).toEqual([[], true, []]);
    talk.say(message);
    await cluster.pass(1_000);
    expect(talk.isOpen).toBe(false);
    old.leave();
    await cluster.pass(200_000);
  }
});
