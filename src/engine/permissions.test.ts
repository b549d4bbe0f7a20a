import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { refusalsRememberedMax } from "../core/limits.ts";
import type { Refusal } from "../core/replica.ts";
import { NONE, OWNER, READ, WRITE } from "../core/store/power.ts";
import { Cluster, type Device } from "../testing/cluster.ts";
import { Permissions } from "./permissions.ts";

async function openGroup(powers: readonly number[], seed = 1) {
  const cluster = new Cluster(seed);
  const { id, devices } = await cluster.addMembers([undefined, ...powers].map((power) => ({ power })));
  const group = devices.filter((device) => device !== undefined);
  await cluster.settle(group[0]?.instance.setSync(id, true) ?? Promise.resolve());
  await cluster.converge(id, group);
  return { cluster, id, group };
}

function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "done",
    (error: unknown) => (error instanceof TidemarkError ? error.code : String(error)),
  );
}

function idOf(number: number): EntryId {
  return number.toString(16).padStart(64, "0") as EntryId;
}

describe("permissions", () => {
  test("[PERMISSIONS-1] a change that this key may not make is refused, and nothing is written", async () => {
    const { cluster, id, group } = await openGroup([10, 10, WRITE]);
    const [owner, dan, eve, ben] = group as [Device, Device, Device, Device];
    const before = ben.stateDigest(id);
    const stranger = "9".repeat(64) as PublicKey;
    const tries: readonly (readonly [Device, PublicKey, number])[] = [
      [ben, stranger, READ],
      [dan, eve.key, NONE],
      [dan, owner.key, WRITE],
      [dan, stranger, 10],
      [dan, stranger, 5],
    ];
    for (const [device, key, power] of tries) {
      const change = device.instance.permissions.set(id, { key, power });
      expect(await cluster.settle(codeOf(change))).toBe("PERMISSION_DENIED");
    }
    expect(await cluster.settle(codeOf(ben.instance.permissions.setPublic(id, READ)))).toBe("PERMISSION_DENIED");
    expect(ben.stateDigest(id)).toBe(before);
    await cluster.settle(dan.instance.permissions.set(id, { key: stranger, power: 11, name: "Zoe" }));
    await cluster.settle(dan.instance.permissions.set(id, { key: dan.key, power: READ }));
    await cluster.converge(id, group);
    const members = eve.instance.permissions.members(id);
    expect(members.map(({ key, power }) => [key, power])).toEqual([
      [owner.key, 0],
      [eve.key, 10],
      [stranger, 11],
      [ben.key, WRITE],
      [dan.key, READ],
    ]);
    expect(members[2]).toMatchObject({ name: "Zoe", permission: "admin", setBy: dan.key, via: "set", isYou: false });
  });

  test("[PERMISSIONS-1] the owner cannot step down, which would take nothing from it, and can say what it is called", async () => {
    const { cluster, id, group } = await openGroup([10]);
    const [owner, dan] = group as [Device, Device];
    const { key } = owner;
    for (const power of [1, WRITE, NONE]) {
      const change = owner.instance.permissions.set(id, { key, power });
      expect(await cluster.settle(codeOf(change))).toBe("PERMISSION_DENIED");
    }
    await cluster.settle(owner.instance.permissions.set(id, { key, power: OWNER, name: "Ada" }));
    expect(await cluster.settle(codeOf(dan.instance.permissions.set(id, { key, power: OWNER, name: "Eve" })))).toBe(
      "PERMISSION_DENIED",
    );
    expect(await cluster.settle(codeOf(dan.instance.permissions.set(id, { key: dan.key, power: OWNER })))).toBe(
      "PERMISSION_DENIED",
    );
    await cluster.converge(id, group);
    expect(dan.instance.permissions.members(id)[0]).toMatchObject({ key, power: OWNER, name: "Ada", via: "root" });
  });

  test("[PERMISSIONS-2] members are told strongest first with how they came; everybody is no member, and the removed are none", async () => {
    const { cluster, id, group } = await openGroup([READ, WRITE]);
    const [owner, cleo, ben] = group as [Device, Device, Device];
    const { permissions } = owner.instance;
    await cluster.settle(permissions.setPublic(id, READ));
    expect(permissions.publicPermission(id)).toBe("read");
    expect(permissions.members(id)).toMatchObject([
      { key: owner.key, permission: "owner", via: "root", isYou: true, setBy: owner.key, name: "" },
      { key: ben.key, permission: "write", via: "set", isYou: false, setBy: owner.key },
      { key: cleo.key, permission: "read", via: "set", isYou: false, setBy: owner.key },
    ]);
    await cluster.settle(permissions.set(id, { key: cleo.key, power: READ, name: "Cleo\u0008\u0008" }));
    expect(permissions.members(id).at(-1)).toMatchObject({ key: cleo.key, name: "" });
    await cluster.settle(permissions.set(id, { key: ben.key, power: NONE }));
    expect(permissions.members(id).map(({ key }) => key)).toEqual([owner.key, cleo.key]);
    expect(permissions.explainKey(id, ben.key)).toMatchObject({ permission: "none" });
    const anyone = permissions.explainKey(id, "9".repeat(64) as PublicKey);
    expect(anyone).toMatchObject({ permission: "read", isPublic: true });
    await cluster.settle(permissions.setPublic(id, NONE));
    expect(permissions.publicPermission(id)).toBe("none");
  });

  test("[PERMISSIONS-3] the last 1,000 refusals of a database are remembered, and told as long as the entry is not here", async () => {
    const { id, group } = await openGroup([READ]);
    const [owner] = group as [Device];
    const database = owner.instance.database(id);
    const permissions = new Permissions({ database: () => database, change: async () => {} });
    const refused = (number: number): Refusal => {
      const failure = { code: "ENTRY_PERMISSION", details: { author: owner.key, need: "write" } } as const;
      return { id: idOf(number), author: owner.key, failure };
    };
    for (let i = 0; i < refusalsRememberedMax; i++) permissions.noteRefused(id, [refused(i)]);
    permissions.noteRefused(id, [refused(0)]);
    permissions.noteRefused(id, [refused(refusalsRememberedMax)]);
    const told = (number: number) => permissions.explainEntry(id, idOf(number));
    expect(told(0), "it came again").toEqual({
      type: "refused",
      entry: idOf(0),
      author: owner.key,
      code: "ENTRY_PERMISSION",
      rule: "needs write",
    });
    expect(told(1), "the oldest").toEqual({ type: "unknown", entry: idOf(1) });
    expect(told(2)).toMatchObject({ type: "refused" });
    const details = { author: owner.key, follows: idOf(5), by: idOf(6) };
    permissions.noteRefused(id, [{ ...refused(8_000), failure: { code: "ENTRY_STANDS_ON_VOID", details } }]);
    expect(told(8_000)).toMatchObject({ code: "ENTRY_STANDS_ON_VOID", follows: idOf(5), by: idOf(6) });
    const invited = { author: owner.key, reason: "withdrawn", by: idOf(7) };
    permissions.noteRefused(id, [{ ...refused(8_001), failure: { code: "ENTRY_INVITE", details: invited } }]);
    expect(told(8_001)).toMatchObject({ code: "ENTRY_INVITE", rule: "withdrawn", by: idOf(7) });
    permissions.noteRefused(id, [{ ...refused(0), id: id as EntryId }]);
    expect(permissions.explainEntry(id, id)).toMatchObject({ type: "counts", entry: id, author: owner.key });
    permissions.noteRefused("f".repeat(64) as DatabaseId, [refused(7_000)]);
    expect(told(7_000), "of another database").toMatchObject({ type: "unknown" });
  });

  test("[AUTHORITY-15] on a device that saw work cut and come back, what would cut it and what ended that are told", async () => {
    const { cluster, id, group } = await openGroup([10, WRITE, WRITE]);
    const [owner, dan, ben, cleo] = group as [Device, Device, Device, Device];
    for (const [i, one] of group.entries()) for (const other of group.slice(i + 1)) cluster.cut(one.key, other.key);
    const tipOf = ({ instance }: Device): EntryId => instance.database(id).replica.graph.tips()[0]?.id ?? idOf(0);
    await cluster.settle(ben.write(id, "late", {}));
    await cluster.settle(dan.instance.permissions.set(id, { key: ben.key, power: NONE }));
    await cluster.settle(owner.instance.permissions.set(id, { key: dan.key, power: NONE }));
    const [late, cut, rescue] = [ben, dan, owner].map(tipOf) as [EntryId, EntryId, EntryId];
    const explained = (entry: EntryId) => cleo.instance.permissions.explainEntry(id, entry);

    cluster.heal(ben.key, cleo.key);
    await cluster.until(() => explained(late).type === "counts");
    expect(explained(late)).not.toHaveProperty("revived");
    cluster.heal(dan.key, cleo.key);
    await cluster.until(() => explained(late).type === "void");
    expect(explained(late)).toMatchObject({ rule: "cut", by: cut });
    cluster.heal(owner.key, cleo.key);
    await cluster.until(() => explained(late).type === "counts");
    expect(explained(late)).toEqual({
      type: "counts",
      entry: late,
      author: ben.key,
      revived: { would: cut, by: rescue },
    });
    expect(explained(cut)).toMatchObject({ type: "void", rule: "cut", by: rescue });
  });
});
