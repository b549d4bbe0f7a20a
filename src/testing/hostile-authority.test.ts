/** Members who do what they may not, on whole devices: what becomes of it everywhere, whatever came first. */
import { describe, expect, test } from "vitest";
import { ticksPerMs } from "../core/clock.ts";
import type { Entry } from "../core/entry.ts";
import type { DatabaseId } from "../core/ids.ts";
import { redeemMessage } from "../core/invite-proof.ts";
import { forksMax, voidEntriesMax } from "../core/limits.ts";
import { NONE, type Power, READ, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { Forger } from "./hostile-entries.ts";
import { HostilePeer } from "./hostile-peer.ts";
import type { HostileTalk } from "./hostile-talk.ts";
import { rowParts, setPower, settingsParts } from "./writers.ts";

interface Scene {
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  /** Owner, and writer. */
  readonly alice: Device;
  readonly bob: Device;
  /** Whose devices turned bad, in the order of their powers. */
  readonly turned: readonly Turned[];
}

interface Turned {
  readonly peer: HostilePeer;
  readonly forger: Forger;
}

async function entriesOf({ instance }: Device, id: DatabaseId): Promise<readonly Entry[]> {
  const database = instance.database(id);
  const nodes = Array.from({ length: database.replica.graph.size }, (_, position) =>
    database.replica.graph.at(position),
  );
  return await database.log.read(nodes);
}

/** Alice and Bob, and others with these powers who keep to nothing from now on. */
async function open(seed: number, ...powers: readonly Power[]): Promise<Scene> {
  const cluster = new Cluster(seed);
  const members = [WRITE, WRITE, ...powers].map((power) => ({ power }));
  const { id, devices } = await cluster.addMembers(members);
  const [alice, bob, ...bad] = devices as Device[] as [Device, Device, ...Device[]];
  await cluster.converge(id, devices as Device[]);
  const known = await cluster.settle(entriesOf(alice, id));
  const turned: Turned[] = [];
  for (const device of bad) {
    device.crash();
    await cluster.pass(100);
    const peer = await HostilePeer.join(cluster, { database: id, as: device.identity });
    turned.push({ peer, forger: peer.forger({ database: id, known }) });
  }
  return { cluster, id, alice, bob, turned };
}

/** The talk with a device, once that has told of the database: from then on it takes entries. */
async function talkTo({ cluster }: Scene, { peer }: Turned, device: Device): Promise<HostileTalk> {
  const talk = await peer.meet(device.key);
  await cluster.pass(6_000);
  return talk;
}

async function settled({ cluster, id, alice, bob }: Scene): Promise<void> {
  await cluster.pass(10_000);
  await cluster.converge(id, [alice, bob]);
  expect(alice.stateDigest(id)).toBe(bob.stateDigest(id));
}

function rowsOf({ id }: Scene, device: Device): readonly string[] {
  return [...device.rows(id).keys()].sort();
}

function power({ id }: Scene, device: Device, of: string): Power {
  return device.instance.database(id).replica.authority.power(of as Device["key"]);
}

function codes(device: Device): readonly string[] {
  return device.problems.map(({ code }) => code);
}

describe("[HOSTILE-14] well signed, and nowhere accepted:", () => {
  test("what a reader writes", async () => {
    const scene = await open(1, READ);
    const [reader] = scene.turned as [Turned];
    const forged = await reader.forger.write(rowParts("forged"));
    (await talkTo(scene, reader, scene.alice)).offer(scene.id, [forged]);
    await settled(scene);
    expect([rowsOf(scene, scene.alice), rowsOf(scene, scene.bob)]).toEqual([[], []]);
    expect(codes(scene.alice)).toContain("ENTRY_PERMISSION");
    const { permissions } = scene.alice.instance;
    const said = permissions.explainKey(scene.id, reader.peer.key).chain.at(-1)?.entry;
    expect(permissions.explainEntry(scene.id, forged.id)).toMatchObject({ type: "refused", by: said });
    expect(said).toMatch(/^[0-9a-f]{64}$/);
  });

  test("a writer's settings, and the row beside them; its own row is", async () => {
    const scene = await open(2, WRITE);
    const [writer] = scene.turned as [Turned];
    const talk = await talkTo(scene, writer, scene.alice);
    const stranger = (await scene.cluster.addIdentity()).identity.publicKey;
    const ops: readonly SettingsOp[] = [
      setPower(writer.peer.key, 1),
      setPower(scene.bob.key, NONE),
      setPower(stranger, READ),
      { type: "public", power: READ },
      { type: "name", name: "forged" },
    ];
    for (const op of ops)
      talk.offer(scene.id, [await writer.forger.forge([...settingsParts(op), ...rowParts("forged")])]);
    talk.offer(scene.id, [await writer.forger.forge(rowParts("good"))]);
    await settled(scene);
    expect([rowsOf(scene, scene.alice), rowsOf(scene, scene.bob)]).toEqual([["good"], ["good"]]);
    const keys = [writer.peer.key, scene.bob.key, stranger];
    expect(keys.map((key) => power(scene, scene.bob, key))).toEqual([WRITE, WRITE, NONE]);
    expect(scene.bob.instance.database(scene.id).replica.settings.name).toBe("Shared");
    expect(codes(scene.alice)).toContain("ENTRY_PERMISSION");
  });

  test("an admin's grant of as much as it has, or of more, and what removes its owner", async () => {
    const scene = await open(3, 10);
    const [admin] = scene.turned as [Turned];
    const puppet = (await scene.cluster.addIdentity()).identity.publicKey;
    const talk = await talkTo(scene, admin, scene.alice);
    for (const op of [setPower(puppet, 10), setPower(puppet, 1), setPower(scene.alice.key, NONE)])
      talk.offer(scene.id, [await admin.forger.forge(settingsParts(op))]);
    await settled(scene);
    expect([puppet, scene.alice.key].map((key) => power(scene, scene.bob, key))).toEqual([NONE, 0]);
  });
});

describe("[HOSTILE-15] somebody who was removed, and goes on as if it had not heard:", () => {
  async function openRemoved(
    seed: number,
    of: Power,
  ): Promise<Scene & { readonly bad: Turned; readonly courier: Turned }> {
    const scene = await open(seed, of, READ);
    const [bad, courier] = scene.turned as [Turned, Turned];
    bad.peer.leave();
    const { cluster, alice, id } = scene;
    await cluster.settle(alice.instance.commit(id, () => settingsParts(setPower(bad.peer.key, NONE))));
    await settled(scene);
    return { ...scene, bad, courier };
  }

  test("what it writes now, and what it dates back, counts nowhere, whoever brings it", async () => {
    const scene = await openRemoved(4, WRITE);
    const { cluster, id, alice, bad, courier } = scene;
    await cluster.pass(3_600_000);
    const talk = await talkTo(scene, courier, alice);
    const known = await cluster.settle(entriesOf(alice, id));
    const early = (Math.max(...known.slice(0, 2).map(({ time }) => time)) / ticksPerMs + 1) * ticksPerMs;
    talk.offer(id, [await bad.forger.write(rowParts("dated back"), { time: Math.ceil(early) })]);
    talk.offer(id, [await bad.forger.write(rowParts("now"))]);
    await settled(scene);
    expect([rowsOf(scene, alice), rowsOf(scene, scene.bob)]).toEqual([[], []]);
    const { graph } = alice.instance.database(id).replica;
    expect([graph.voidCount, graph.tips().length]).toEqual([2, 1]);
  });

  test("an admin's puppet is nobody, also where its row was seen before the removal came", async () => {
    const scene = await open(5, 10, READ);
    const [admin, courier] = scene.turned as [Turned, Turned];
    const { cluster, id, alice, bob } = scene;
    cluster.cut(alice.key, bob.key);
    await cluster.settle(alice.instance.commit(id, () => settingsParts(setPower(admin.peer.key, NONE))));
    const { identity: puppet, sha256 } = await cluster.addIdentity();
    const grant = await admin.forger.write(settingsParts(setPower(puppet.publicKey, WRITE)));
    const nowMs = (): number => cluster.clock.now();
    const known = [...(await cluster.settle(entriesOf(bob, id))), grant];
    const forger = new Forger({ identity: puppet, database: id, sha256, nowMs, known });
    const row = await forger.write(rowParts("puppet"));
    (await talkTo(scene, courier, bob)).offer(id, [grant, row]);
    await cluster.until(() => bob.rows(id).has("puppet"));
    courier.peer.leave();
    cluster.heal(alice.key, bob.key);
    await settled(scene);
    expect([rowsOf(scene, alice), rowsOf(scene, bob)]).toEqual([[], []]);
    expect(power(scene, bob, puppet.publicKey)).toBe(NONE);
  });

  test("more of it than is kept aside is refused, and an honest row goes through", { timeout: 120_000 }, async () => {
    const scene = await openRemoved(6, WRITE);
    const { cluster, id, alice, bob, bad, courier } = scene;
    const talk = await talkTo(scene, courier, alice);
    const batches = Math.ceil((voidEntriesMax + 1_000) / 500);
    for (let batch = 1; batch <= batches; batch++) {
      const entries = await Promise.all(
        Array.from({ length: 500 }, (_, n) => bad.forger.forge(rowParts("void", { batch, n }))),
      );
      talk.offer(id, entries);
      await cluster.until(() => talk.heard("stored").some(({ number }) => number === batch));
    }
    const { graph } = alice.instance.database(id).replica;
    expect(graph.voidCount).toBe(voidEntriesMax);
    expect(codes(alice)).toContain("ENTRY_VOID_FULL");
    courier.peer.leave();
    await cluster.settle(bob.write(id, "honest", { n: 1 }));
    await cluster.until(() => alice.rows(id).has("honest"));
    expect(rowsOf(scene, alice)).toEqual(["honest"]);
  });
});

describe("[HOSTILE-16] one who says one thing here and another there", () => {
  test("by redeeming an invite for one with two keys: the same one of them is let in everywhere", async () => {
    const scene = await open(7, READ, READ);
    const [one, other] = scene.turned as [Turned, Turned];
    const { cluster, id, alice, bob } = scene;
    const { identity: invite } = await cluster.addIdentity();
    const offer = { type: "invite", key: invite.publicKey, power: WRITE, uses: 1 } as const;
    await cluster.settle(alice.instance.commit(id, () => settingsParts(offer)));
    await settled(scene);
    cluster.cut(alice.key, bob.key);
    const known = await cluster.settle(entriesOf(alice, id));
    for (const [{ peer, forger }, device] of [
      [one, alice],
      [other, bob],
    ] as const) {
      forger.know(known);
      const proof = invite.signNow(redeemMessage(id, peer.key));
      const redemption = await forger.write(settingsParts({ type: "redeem", invite: invite.publicKey, proof }));
      const talk = await talkTo(scene, { peer, forger }, device);
      talk.offer(id, [redemption, await forger.write(rowParts(device === alice ? "one" : "other"))]);
      await cluster.until(() => device.rows(id).size > 0);
    }
    for (const { peer } of scene.turned) peer.leave();
    cluster.heal(alice.key, bob.key);
    await settled(scene);
    const powers = [one, other].map(({ peer }) => power(scene, alice, peer.key));
    expect([...powers].sort()).toEqual([WRITE, READ].sort());
    expect(rowsOf(scene, alice)).toEqual([powers[0] === WRITE ? "one" : "other"]);
  });

  test("by many branches of its chain: all are taken and told of, and devices agree, also after a restart", async () => {
    const scene = await open(8, WRITE);
    const [forker] = scene.turned as [Turned];
    const { cluster, id, alice, bob } = scene;
    const branches = await Promise.all(
      Array.from({ length: 5 * forksMax }, (_, n) => forker.forger.forge(rowParts(`fork ${n}`))),
    );
    (await talkTo(scene, forker, alice)).offer(id, branches.slice(0, branches.length / 2));
    (await talkTo(scene, forker, bob)).offer(id, branches.slice(branches.length / 2));
    forker.peer.leave();
    await settled(scene);
    expect(alice.rows(id).size).toBe(branches.length);
    expect(codes(alice)).toContain("ENTRY_FORKS");
    const again = await cluster.restart(bob);
    await cluster.settle(again.write(id, "honest", { n: 1 }));
    await cluster.converge(id, [alice, again]);
  });
});
