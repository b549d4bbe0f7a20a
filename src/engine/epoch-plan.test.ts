import fc from "fast-check";
import { expect, test } from "vitest";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { epochKeysMax } from "../core/limits.ts";
import { NONE, type Power, READ, RELAY, WRITE } from "../core/store/power.ts";
import type { EpochKeyId } from "../core/store/sealed.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { parseTicket } from "../core/ticket.ts";
import type { SealingKeys } from "../ports/payload-keys.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { simulatedSealing } from "../testing/simulated-sealing.ts";
import { keyOf, settingsParts } from "../testing/writers.ts";
import { EpochUpkeep } from "./epoch-upkeep.ts";
import { keyIdOf } from "./epochs.ts";

type Action =
  | { readonly type: "set"; readonly member: number; readonly power: Power; readonly withSealKey: boolean }
  | { readonly type: "share"; readonly power: Power }
  | { readonly type: "withdraw"; readonly invite: number };

const arbitraryAction: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    type: fc.constant("set" as const),
    member: fc.nat(3),
    power: fc.constantFrom(10, WRITE, READ, RELAY, NONE),
    withSealKey: fc.boolean(),
  }),
  fc.record({ type: fc.constant("share" as const), power: fc.constantFrom(WRITE, READ, RELAY) }),
  fc.record({ type: fc.constant("withdraw" as const), invite: fc.nat(5) }),
);

interface Invited {
  readonly key: PublicKey;
  readonly seed: Uint8Array;
}

class Board {
  readonly cluster: Cluster;
  readonly owner: Device;
  readonly id: DatabaseId;
  readonly members: readonly { readonly key: PublicKey; readonly sealing: SealingKeys }[];
  readonly invited: Invited[] = [];

  constructor(cluster: Cluster, owner: Device, id: DatabaseId) {
    this.cluster = cluster;
    this.owner = owner;
    this.id = id;
    this.members = [1, 2, 3, 4].map((n) => {
      return { key: keyOf(n), sealing: simulatedSealing(new Uint8Array(32).fill(n), owner.sha256) };
    });
  }

  static async create(): Promise<Board> {
    const cluster = new Cluster(1);
    const owner = await cluster.addDevice();
    const { id } = await owner.instance.createDatabase("Board", { encrypted: true });
    owner.instance.setOnline(false);
    return new Board(cluster, owner, id);
  }

  async act(action: Action): Promise<void> {
    const { instance } = this.owner;
    if (action.type === "share") {
      const parsed = parseTicket(await instance.share(this.id, { power: action.power }), this.owner.sha256);
      const seed = (parsed.ok && parsed.value.secret) || new Uint8Array(0);
      const known = new Set(this.invited.map(({ key }) => key));
      const key = instance.invites(this.id).find((invite) => !known.has(invite.key))?.key;
      if (key !== undefined) this.invited.push({ key, seed });
    } else if (action.type === "withdraw") {
      const invite = this.invited[action.invite];
      if (invite !== undefined && instance.invites(this.id).some(({ key }) => key === invite.key))
        await instance.revokeInvite(this.id, invite.key);
    } else {
      const { key, sealing } = this.members[action.member] ?? fail();
      const sealKey = action.withSealKey ? { sealKey: sealing.publicKey } : {};
      const op: SettingsOp = { type: "set", key, power: action.power, ...sealKey };
      await instance.database(this.id).commitSettings(() => [op]);
    }
  }

  /** The epochs that somebody opens by what is wrapped for a key. */
  async opened(key: PublicKey, open: (wrapped: Uint8Array) => Promise<unknown>): Promise<ReadonlySet<EpochKeyId>> {
    const found = new Set<EpochKeyId>();
    for (const { keys } of this.owner.instance.database(this.id).replica.settings.epochs())
      for (const wrap of keys) {
        const keyId = wrap.key === key ? keyIdOf(wrap.wrapped) : undefined;
        if (keyId !== undefined && (await open(wrap.wrapped)) !== undefined) found.add(keyId);
      }
    return found;
  }

  async check(): Promise<void> {
    const { replica, encryption } = this.owner.instance.database(this.id);
    await encryption.keys.learn();
    const all = new Set(encryption.keys.held().map(({ key }) => key.id));
    const current = encryption.keys.current()?.keyId as EpochKeyId;
    expect(all.has(current)).toBe(true);
    for (const { key, sealing } of this.members) {
      const opened = await this.opened(key, (wrapped) => sealing.unwrap(wrapped));
      const mayRead = replica.authority.power(key) <= READ;
      if (mayRead && replica.settings.member(key)?.sealKey !== undefined) expect(opened).toEqual(all);
      if (!mayRead) expect(opened.has(current)).toBe(false);
    }
    for (const { key, seed } of this.invited) {
      const [sealing] = this.members.map((member) => member.sealing);
      const inviteKey = (await sealing?.inviteKey(seed)) ?? seed;
      const opened = await this.opened(key, async (wrapped) => sealing?.unwrapWithInvite(wrapped, inviteKey));
      const power = replica.settings.invites().find((invite) => invite.key === key)?.power ?? NONE;
      if (power > READ) expect(opened.has(current)).toBe(false);
    }
  }
}

function fail(): never {
  throw new Error("no such member");
}

test("[ENCRYPTION-12] [ENCRYPTION-13] whatever is set, shared and withdrawn, readers open every epoch, and nobody else the current one", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryAction, { maxLength: 12 }), async (actions) => {
      const board = await Board.create();
      for (const action of actions) {
        await board.act(action);
        await board.check();
      }
      await board.owner.instance.close();
    }),
    { numRuns: 40 },
  );
});

test("[ENCRYPTION-12] an invite is given every epoch there is when it is made", async () => {
  const board = await Board.create();
  for (const power of [READ, NONE, READ, NONE]) await board.act({ type: "set", member: 0, power, withSealKey: true });
  await board.act({ type: "share", power: READ });
  await board.check();
  const { key, seed } = board.invited[0] ?? { key: keyOf(1), seed: new Uint8Array(32) };
  const { sealing } = board.members[0] ?? fail();
  const inviteKey = await sealing.inviteKey(seed);
  const opened = await board.opened(key, (wrapped) => sealing.unwrapWithInvite(wrapped, inviteKey));
  expect(opened.size).toBe(3);
  expect(opened).toEqual(
    new Set(
      board.owner.instance
        .database(board.id)
        .encryption.keys.held()
        .map(({ key: { id } }) => id),
    ),
  );
});

test("[ENCRYPTION-13] a change of settings and what it asks of epochs are one entry, as far as one entry holds it", async () => {
  const board = await Board.create();
  const { instance } = board.owner;
  const before = instance.database(board.id).replica.graph.size;
  await board.act({ type: "set", member: 0, power: READ, withSealKey: true });
  await board.act({ type: "set", member: 0, power: NONE, withSealKey: true });
  await board.act({ type: "share", power: READ });
  await board.act({ type: "withdraw", invite: 0 });
  expect(instance.database(board.id).replica.graph.size).toBe(before + 4);
  expect(instance.database(board.id).encryption.keys.current()?.number).toBe(3);
});

test("[ENCRYPTION-12] more readers than one op holds are given their keys in several", async () => {
  const board = await Board.create();
  const { sealing } = board.members[0] ?? fail();
  const count = epochKeysMax + 5;
  const database = board.owner.instance.database(board.id);
  const keys = Array.from({ length: count }, (_, i) => keyOf(300 + i));
  for (let from = 0; from < count; from += 900) {
    const ops = keys
      .slice(from, from + 900)
      .map((key): SettingsOp => ({ type: "set", key, power: READ, sealKey: sealing.publicKey }));
    await database.commitSettings(() => ops);
  }
  await database.commitSettings(() => [{ type: "set", key: keys[0] as PublicKey, power: NONE }]);
  const current = database.encryption.keys.current()?.keyId;
  const given = database.encryption.keys.known().find(({ keyId }) => keyId === current)?.given;
  expect(given?.size).toBe(count);
  expect(database.encryption.keys.current()?.number).toBe(2);
});

test("[ENCRYPTION-14] whoever is no admin leaves to admins what is to be done", async () => {
  const board = await Board.create();
  const { owner, id, members, cluster } = board;
  const [writer, admin, reader] = members;
  await board.act({ type: "set", member: 0, power: WRITE, withSealKey: true });
  await board.act({ type: "set", member: 1, power: 10, withSealKey: true });
  const { key, sealing } = reader ?? fail();
  await owner.instance.commit(id, () => settingsParts({ type: "set", key, power: READ, sealKey: sealing.publicKey }));
  const { replica, encryption } = owner.instance.database(id);
  const planned = async (self: PublicKey): Promise<number> => {
    const ports = { sealing, random: cluster.random, clock: cluster.clock };
    const upkeep = new EpochUpkeep({ ports, replica, encryption, self: () => self, commit: fail, failed: fail });
    return (await upkeep.plan()).length;
  };
  expect([await planned(owner.key), await planned(admin?.key ?? key), await planned(writer?.key ?? key)]).toEqual([
    1, 1, 0,
  ]);
});
